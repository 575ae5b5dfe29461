import { readFile } from 'node:fs/promises';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { PrismaClient } from '../../generated/leak-hunt/sqlite/client/client.ts';
import type { Datamodel } from '../../src/models/datamodel/datamodel.ts';
import type { Provider } from '../support/database.ts';
import { emptyDatabase } from '../support/database.ts';
import type { Data, Link, Row } from './data.ts';
import { linksOf, rowsOf, textOf } from './data.ts';
import type { Column, Model, Schema } from './schema.ts';
import { schemaOf } from './schema.ts';

/** A database of the hunt. */
export interface HuntDatabase {
  readonly provider: Provider;
  /** Typed as the SQLite client. The PostgreSQL one has two models more. */
  readonly prisma: PrismaClient;
  readonly datamodel: Datamodel;
  readonly schema: Schema;
  /** Replaces the rows and links of these models and relations, or of all. Foreign keys are not checked meanwhile. */
  fill(data: Data, only?: Iterable<string>): Promise<void>;
  /** Everything as one text, by one query: equal texts mean equal databases. */
  stamp(): Promise<string>;
  /** Reads everything, by many queries. */
  read(): Promise<Data>;
  close(): Promise<void>;
}

/** The tables of implicit many-to-many relations. */
export const joinTables = ['_PersonToTag', '_DocToTag'] as const;

/** Opens an empty database of its own. */
export async function openHuntDatabase(provider: Provider): Promise<HuntDatabase> {
  const place = await emptyDatabase(provider);
  const script = await (provider === 'sqlite' ? sqliteScripts(place.url) : postgresScripts(place.url));
  await script.run(await readFile(new URL(`${provider}.sql`, import.meta.url), 'utf8'));
  await script.relax();
  const { prisma, datamodel } = await (provider === 'sqlite' ? sqliteClient(place.url) : postgresClient(place.url));
  const schema = schemaOf(datamodel);
  return {
    provider,
    prisma,
    datamodel,
    schema,
    fill: (data, only = [...schema.keys(), ...joinTables]) => script.run(fillScript(schema, data, [...only], provider)),
    stamp: () => script.text(stampQuery(schema, provider)),
    read: () => readAll(prisma, schema),
    close: async () => {
      await prisma.$disconnect();
      await script.close();
      await place[Symbol.asyncDispose]();
    },
  };
}

/** A connection that runs SQL scripts. */
interface Scripts {
  readonly run: (sql: string) => Promise<void>;
  /** Runs a query that gives one text. */
  readonly text: (sql: string) => Promise<string>;
  /** Stops checking foreign keys, on this connection only, and makes commits cheap. */
  readonly relax: () => Promise<void>;
  readonly close: () => Promise<void>;
}

async function sqliteScripts(url: string): Promise<Scripts> {
  const connection = await new PrismaLibSql({ url, timeout: 5000 }).connect();
  await connection.executeScript('PRAGMA journal_mode = WAL');
  return {
    run: sql => connection.executeScript(sql),
    text: async sql => String((await connection.queryRaw({ sql, args: [], argTypes: [] })).rows[0]?.[0]),
    relax: () => connection.executeScript('PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF'),
    close: () => connection.dispose(),
  };
}

async function postgresScripts(url: string): Promise<Scripts> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const run = async (sql: string) => void (await client.query(sql));
  const text = async (sql: string) => String((await client.query<{ stamp: string }>(sql)).rows[0]?.stamp);
  return {
    run,
    text,
    relax: () => run("SET session_replication_role = replica; SET synchronous_commit = 'off'"),
    close: () => client.end(),
  };
}

async function sqliteClient(url: string) {
  const [{ PrismaClient }, { datamodel }] = await Promise.all([
    import('../../generated/leak-hunt/sqlite/client/client.ts'),
    import('../../generated/leak-hunt/sqlite/mcp/datamodel.ts'),
  ]);
  return { prisma: new PrismaClient({ adapter: new PrismaLibSql({ url, timeout: 5000 }) }), datamodel: datamodel };
}

async function postgresClient(url: string) {
  const [{ PrismaClient: Client }, { datamodel }] = await Promise.all([
    import('../../generated/leak-hunt/postgresql/client/client.ts'),
    import('../../generated/leak-hunt/postgresql/mcp/datamodel.ts'),
  ]);
  const prisma = new Client({ adapter: new PrismaPg({ connectionString: url, max: 6 }) });
  return { prisma: prisma as unknown as PrismaClient, datamodel: datamodel };
}

function fillScript(schema: Schema, data: Data, names: readonly string[], provider: Provider): string {
  const models = [...schema.values()].filter(({ key }) => names.includes(key));
  const tables = joinTables.filter(table => names.includes(table));
  const statements = [
    ...models.flatMap(model => [`DELETE FROM "${model.name}"`, insertRows(model, rowsOf(data, model.key), provider)]),
    ...tables.flatMap(table => [`DELETE FROM "${table}"`, insertLinks(table, linksOf(data, table))]),
  ].filter(statement => statement !== '');
  return `BEGIN;\n${statements.join(';\n')};\nCOMMIT;`;
}

function stampQuery(schema: Schema, provider: Provider): string {
  const tables = [
    ...[...schema.values()].map(({ name, columns }) => [name, [...columns.keys()]] as const),
    ...joinTables.map(name => [name, ['A', 'B']] as const),
  ];
  const texts = tables.map(([name, columns]) => {
    const row = provider === 'sqlite' ? columns.map(column => `quote("${column}")`).join(` || ',' || `) : 't::text';
    const rows = `SELECT ${row} AS line FROM "${name}" t ORDER BY 1`;
    return `coalesce((SELECT ${provider === 'sqlite' ? `group_concat(line, ';')` : `string_agg(line, ';')`} FROM (${rows}) lines), '')`;
  });
  return `SELECT ${texts.join(` || '#' || `)} AS stamp`;
}

function insertRows(model: Model, rows: readonly Row[], provider: Provider): string {
  if (rows.length === 0) return '';
  const columns = [...model.columns.values()];
  const values = rows.map(row => `(${columns.map(column => literal(column, row[column.name], provider)).join(', ')})`);
  return `INSERT INTO "${model.name}" (${columns.map(({ name }) => `"${name}"`).join(', ')}) VALUES ${values.join(', ')}`;
}

function insertLinks(table: string, links: readonly Link[]): string {
  return links.length === 0 ? '' : `INSERT INTO "${table}" ("A", "B") VALUES ${links.map(([a, b]) => `(${a}, ${b})`).join(', ')}`;
}

/** No text of the hunt has a quote or a backslash. */
function literal({ type, list }: Column, value: unknown, provider: Provider): string {
  if (value === null || value === undefined) return 'NULL';
  if (list) return `'{${(value as unknown[]).join(',')}}'`;
  if (type === 'Bytes') {
    const hex = Buffer.from(textOf(value), 'base64').toString('hex');
    return provider === 'sqlite' ? `X'${hex}'` : `'\\x${hex}'`;
  }
  if (type === 'Json') return `'${JSON.stringify(value)}'`;
  // As Prisma's adapter writes it. SQLite compares dates as texts.
  if (type === 'DateTime') return `'${textOf(value).replace('Z', '+00:00')}'`;
  return type === 'String' || type === 'Enum' ? `'${textOf(value)}'` : textOf(value);
}

async function readAll(prisma: PrismaClient, schema: Schema): Promise<Data> {
  const delegates = prisma as unknown as Record<string, { findMany: (args?: object) => Promise<Record<string, unknown>[]> }>;
  const linked = { doc: 'tags', person: 'tags' } as const;
  const found = await Promise.all(
    [...schema.values()].map(async ({ key }) => {
      const relation = key === 'doc' || key === 'person' ? linked[key] : undefined;
      const rows = await delegates[key]?.findMany(relation && { include: { [relation]: { select: { id: true } } } });
      return [key, rows ?? []] as const;
    }),
  );
  const links = new Map<string, Link[]>();
  const rows = new Map<string, Row[]>();
  for (const [key, all] of found) {
    rows.set(
      key,
      all.map(({ tags: _, ...row }) => toWire(row) as Row),
    );
    const pairs = all.flatMap(row =>
      ((row['tags'] as { id: number }[] | undefined) ?? []).map((tag): Link => [row['id'] as number, tag.id]),
    );
    if (key === 'doc') links.set('_DocToTag', pairs);
    if (key === 'person') links.set('_PersonToTag', pairs);
  }
  return { rows, links };
}

/** A result of Prisma in the form in which values travel. */
export function toWire(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(toWire);
  if (typeof value !== 'object' || value === null) return value;
  if ('toFixed' in value && typeof value.toFixed === 'function') return (value.toFixed as () => string)();
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, toWire(part)]));
}
