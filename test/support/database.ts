import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { TestContext } from 'vitest';
import { describe, it } from 'vitest';
import type { PrismaClient } from '../../generated/test/sqlite/client/client.ts';
import type { Datamodel } from '../../src/models/datamodel/datamodel.ts';

export const providers = ['sqlite', 'postgresql'] as const;
export type Provider = (typeof providers)[number];
export type { PrismaClient };

/** One call of a delegate method as it reached Prisma. */
export interface RecordedQuery {
  readonly model: string;
  readonly operation: string;
  readonly args: unknown;
}

export interface OpenDatabaseOptions {
  /** Fills `queries` and `statements`. Costs a client extension, so it is off unless asked for. */
  readonly record?: boolean;
  /** The running test: it is skipped by name where there is no PostgreSQL, instead of failing. */
  readonly test?: TestContext;
}

/** A fresh database with the models of prisma/test.prisma and prisma/mcp.prisma, and a client connected to it. */
export interface TestDatabase {
  readonly provider: Provider;
  readonly url: string;
  /** Typed as the SQLite client; the PostgreSQL one has the same models. */
  readonly prisma: PrismaClient;
  readonly datamodel: Datamodel;
  /** What the recording client was asked, oldest first. Empty it with `queries.length = 0`. */
  readonly queries: RecordedQuery[];
  /** The SQL the recording client ran, oldest first. */
  readonly statements: string[];
  /** One more client of the same database, as a second process would have. It is closed with the database. */
  connect(): Promise<PrismaClient>;
  /** Disconnects every client and drops the database. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens an empty database of its own.
 *
 * Making one costs 100 to 300 ms, so one that was closed is emptied and opened again by the next test of the same file.
 *
 * @throws {Error} PostgreSQL is not reachable, and there is no `test` to skip or `CI` is set.
 */
export async function openDatabase(provider: Provider, options: OpenDatabaseOptions = {}): Promise<TestDatabase> {
  if (provider === 'postgresql') await requirePostgres(options.test);
  const [base, datamodel] = await Promise.all([takeBase(provider), loadDatamodel(provider)]);
  const clients: PrismaClient[] = [];
  const queries: RecordedQuery[] = [];
  const statements: string[] = [];
  let closing: Promise<void> | undefined;
  const recorded = (client: PrismaClient) => (options.record ? recording(client, queries) : client);
  if (options.record) base.onStatement = statement => statements.push(statement);
  const connect = async () => {
    const client = await newClient(provider, base.url);
    clients.push(client);
    if (options.record) onStatement(client, statement => statements.push(statement));
    await client.$connect();
    return recorded(client);
  };
  const close = () => {
    closing ??= Promise.all(clients.map(client => client.$disconnect())).then(() => releaseBase(base));
    return closing;
  };
  const prisma = recorded(base.client);
  return { provider, url: base.url, prisma, datamodel, queries, statements, connect, close, [Symbol.asyncDispose]: close };
}

/** A database with the tables, and the first client of it. */
interface Base {
  readonly provider: Provider;
  readonly url: string;
  readonly client: PrismaClient;
  /** Everything but rows, as it was when it was made. */
  readonly structure: string;
  onStatement: (statement: string) => void;
  readonly drop: () => Promise<void>;
}

/** Set by `test-run.ts`, which removes what has this name. */
const runName = process.env['TEST_RUN'];

/** Closed databases of this test file, empty again. */
const idle: Record<Provider, Base[]> = { sqlite: [], postgresql: [] };

async function takeBase(provider: Provider): Promise<Base> {
  const closed = idle[provider].pop();
  if (closed !== undefined) return closed;
  const place = await (provider === 'sqlite' ? createSqlite() : createPostgres());
  await (provider === 'sqlite' ? runSqlite(place.url, await readDdl('sqlite')) : runPostgres(place.url, await readDdl('postgresql')));
  const client = await newClient(provider, place.url);
  await client.$connect();
  const drop = () => client.$disconnect().then(place.drop);
  const base: Base = { provider, url: place.url, client, structure: await readStructure(provider, client), onStatement: () => {}, drop };
  onStatement(client, statement => base.onStatement(statement));
  return base;
}

/** Empties the database for the next test. One whose tables were changed is dropped, and so is every one outside of a test run. */
async function releaseBase(base: Base): Promise<void> {
  base.onStatement = () => {};
  if (runName !== undefined && (await isEmptied(base))) idle[base.provider].push(base);
  else await base.drop();
}

async function isEmptied({ provider, url, client, structure }: Base): Promise<boolean> {
  try {
    if ((await readStructure(provider, client)) !== structure) return false;
    if (provider === 'sqlite') await emptySqlite(url);
    else await client.$executeRawUnsafe(emptyingPostgres);
    return true;
  } catch {
    // A connection that a test broke, a lock that it left behind.
    return false;
  }
}

/** What deleting rows does not undo: changed tables, settings of a connection, transactions that are still open. */
async function readStructure(provider: Provider, client: PrismaClient): Promise<string> {
  return JSON.stringify(await client.$queryRawUnsafe(structures[provider]));
}

const structures: Record<Provider, string> = {
  sqlite: `SELECT (SELECT group_concat(sql) FROM sqlite_master) AS tables, foreign_keys, journal_mode, max_page_count
    FROM pragma_foreign_keys, pragma_journal_mode, pragma_max_page_count`,
  postgresql: `SELECT
    (SELECT string_agg(format('%s %s', relname, relacl), ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace) AS tables,
    (SELECT string_agg(attname, ',' ORDER BY attrelid, attnum) FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class
      WHERE relnamespace = 'public'::regnamespace)) AS columns,
    (SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint) AS constraints,
    (SELECT string_agg(tgname, ',' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal) AS triggers,
    (SELECT count(*)::int FROM pg_proc) AS functions,
    (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%') AS transactions`,
};

/** A row that is deleted must not ask for its relations; a sequence begins again. A lock that somebody left behind fails it. */
const emptyingPostgres = `DO $$ DECLARE found text; BEGIN
  SET LOCAL session_replication_role = replica;
  SET LOCAL lock_timeout = '2s';
  FOR found IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP EXECUTE format('DELETE FROM %I', found); END LOOP;
  FOR found IN SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL LOOP PERFORM setval(format('%I', found), 1, false); END LOOP;
END $$`;

async function emptySqlite(url: string): Promise<void> {
  const ddl = await readDdl('sqlite');
  const tables = [...ddl.matchAll(/^CREATE TABLE ("\w+")/gmu)].map(([, name]) => name);
  const deletes = [...tables, 'sqlite_sequence'].map(table => `DELETE FROM ${table};`);
  await runSqlite(url, `PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE;\n${deletes.join('\n')}\nCOMMIT`);
}

/**
 * One suite per database. Where PostgreSQL is not reachable, a single test says so in place of its suite, and fails where `CI` is set.
 */
export function describeDatabases(title: string, body: (provider: Provider) => void): void {
  describe(`${title} (sqlite)`, () => body('sqlite'));
  describePostgres(`${title} (postgresql)`, () => body('postgresql'));
}

/** A suite over PostgreSQL. Where that is not reachable, a single test says so in place of its suite, and fails where `CI` is set. */
export function describePostgres(title: string, body: () => void): void {
  describe(title, () => {
    if (postgresAvailable()) body();
    else it('reaches PostgreSQL', requirePostgres);
  });
}

/** Whether the server of `TEST_POSTGRES_URL` answers. */
export function postgresAvailable(): boolean {
  return postgresProblem === undefined;
}

/** Skips `test` by name when PostgreSQL is not reachable; throws when there is no test to skip or `CI` is set. */
export async function requirePostgres(test?: TestContext): Promise<void> {
  if (postgresProblem === undefined) return;
  if (!test || process.env['CI']) throw new Error(`${postgresProblem}; start it or set TEST_POSTGRES_URL`);
  test.skip(postgresProblem);
}

export const postgresUrl: string = process.env['TEST_POSTGRES_URL'] ?? 'postgresql://postgres@127.0.0.1:5432/postgres';
const postgresProblem = await findPostgresProblem();

async function findPostgresProblem(): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: postgresUrl, connectionTimeoutMillis: 15_000 });
  try {
    await client.connect();
    return undefined;
  } catch {
    const { host, pathname } = new URL(postgresUrl);
    return `PostgreSQL is not reachable at ${host}${pathname}`;
  } finally {
    await client.end();
  }
}

/** A database without any table, for code that makes its own. */
export async function emptyDatabase(provider: Provider): Promise<EmptyDatabase> {
  if (provider === 'postgresql') await requirePostgres();
  const { url, drop } = await (provider === 'sqlite' ? createSqlite() : createPostgres());
  return { url, [Symbol.asyncDispose]: drop };
}

export interface EmptyDatabase {
  readonly url: string;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Place {
  readonly url: string;
  readonly drop: () => Promise<void>;
}

async function createSqlite(): Promise<Place> {
  const folder = await mkdtemp(path.join(tmpdir(), `koa-mcp-${runName ?? ''}-`));
  const url = `file:${path.join(folder, 'test.db')}`;
  return { url, drop: () => rm(folder, { recursive: true, force: true }) };
}

async function createPostgres(): Promise<Place> {
  const name = `koa_mcp_${runName ?? `test_${process.pid}`}_${randomBytes(6).toString('hex')}`;
  const url = new URL(postgresUrl);
  url.pathname = `/${name}`;
  await runPostgres(postgresUrl, `CREATE DATABASE ${name}`);
  return { url: url.href, drop: () => runPostgres(postgresUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function runSqlite(url: string, sql: string): Promise<void> {
  const connection = await new PrismaLibSql({ url, timeout: 2_000 }).connect();
  await connection.executeScript(`PRAGMA journal_mode = WAL;\n${sql}`);
  await connection.dispose();
}

async function runPostgres(connectionString: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

async function readDdl(provider: Provider): Promise<string> {
  return readFile(new URL(`../../prisma/test/${provider}.sql`, import.meta.url), 'utf8');
}

async function newClient(provider: Provider, url: string): Promise<PrismaClient> {
  const log = [{ emit: 'event', level: 'query' } as const];
  if (provider === 'sqlite') {
    const { PrismaClient } = await import('../../generated/test/sqlite/client/client.ts');
    // `timeout` is the busy timeout; libsql waits in the event loop, so a long one would hide a lock held in this very process.
    return new PrismaClient({ adapter: new PrismaLibSql({ url, timeout: 5_000 }), log });
  }
  const { PrismaClient } = await import('../../generated/test/postgresql/client/client.ts');
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 10 }), log }) as unknown as PrismaClient;
}

async function loadDatamodel(provider: Provider): Promise<Datamodel> {
  const { datamodel } =
    provider === 'sqlite'
      ? await import('../../generated/test/sqlite/mcp/datamodel.ts')
      : await import('../../generated/test/postgresql/mcp/datamodel.ts');
  return datamodel;
}

function onStatement(client: PrismaClient, listener: (statement: string) => void): void {
  (client as PrismaClient<'query'>).$on('query', event => listener(event.query));
}

function recording(client: PrismaClient, queries: RecordedQuery[]): PrismaClient {
  const extended = client.$extends({
    query: {
      $allModels: {
        $allOperations({ model, operation, args, query }) {
          queries.push({ model, operation, args });
          return query(args);
        },
      },
    },
  });
  return extended as unknown as PrismaClient;
}
