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
import type { Datamodel } from '../../src/models/datamodel.ts';

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
 * @throws {Error} PostgreSQL is not reachable, and there is no `test` to skip or `CI` is set.
 */
export async function openDatabase(provider: Provider, options: OpenDatabaseOptions = {}): Promise<TestDatabase> {
  if (provider === 'postgresql') await requirePostgres(options.test);
  const place = await (provider === 'sqlite' ? createSqlite() : createPostgres());
  await (provider === 'sqlite' ? runSqlite(place.url, await readDdl('sqlite')) : runPostgres(place.url, await readDdl('postgresql')));
  const clients: PrismaClient[] = [];
  const queries: RecordedQuery[] = [];
  const statements: string[] = [];
  let closing: Promise<void> | undefined;
  const connect = async () => {
    const client = options.record
      ? recording(await newClient(provider, place.url), queries, statements)
      : await newClient(provider, place.url);
    clients.push(client);
    await client.$connect();
    return client;
  };
  const close = () => {
    closing ??= Promise.all(clients.map(client => client.$disconnect())).then(place.drop);
    return closing;
  };
  const [prisma, datamodel] = await Promise.all([connect(), loadDatamodel(provider)]);
  return { provider, url: place.url, prisma, datamodel, queries, statements, connect, close, [Symbol.asyncDispose]: close };
}

/**
 * One suite per database. Where PostgreSQL is not reachable, a single test says so in place of its suite, and fails where `CI` is set.
 */
export function describeDatabases(title: string, body: (provider: Provider) => void): void {
  describe(`${title} (sqlite)`, () => body('sqlite'));
  describe(`${title} (postgresql)`, () => {
    if (postgresAvailable()) body('postgresql');
    else it('reaches PostgreSQL', async test => requirePostgres(test));
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

const postgresUrl = process.env['TEST_POSTGRES_URL'] ?? 'postgresql://postgres@127.0.0.1:5432/postgres';
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
  const folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-'));
  const url = `file:${path.join(folder, 'test.db')}`;
  return { url, drop: () => rm(folder, { recursive: true, force: true }) };
}

async function createPostgres(): Promise<Place> {
  const name = `koa_mcp_test_${process.pid}_${randomBytes(6).toString('hex')}`;
  const url = new URL(postgresUrl);
  url.pathname = `/${name}`;
  await runPostgres(postgresUrl, `CREATE DATABASE ${name}`);
  return { url: url.href, drop: () => runPostgres(postgresUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function runSqlite(url: string, sql: string): Promise<void> {
  const connection = await new PrismaLibSql({ url }).connect();
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

function recording(client: PrismaClient, queries: RecordedQuery[], statements: string[]): PrismaClient {
  (client as PrismaClient<'query'>).$on('query', event => statements.push(event.query));
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
