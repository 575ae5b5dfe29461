import { readFile } from 'node:fs/promises';
import type { Endpoint } from './endpoint-module.ts';
import type { Finding } from './finding.ts';
import { migrationsIn } from './schema-check.ts';
import { findBlocks } from './schema-text.ts';

/** What the files of the app say of its database. */
export interface DatabaseContext {
  readonly provider: string | undefined;
  /** The folder of the migrations. */
  readonly migrations: string | undefined;
}

type Query = (sql: string) => Promise<Readonly<Record<string, unknown>>[]>;

/** Checks the database of an endpoint by its own client: tables and columns, migrations, clock. Writes nothing. */
export async function checkDatabase({ parts, report }: Endpoint, { provider, migrations }: DatabaseContext): Promise<Finding[]> {
  if (parts?.prisma === undefined) return [];
  const client = parts.prisma as { readonly [delegate: string]: Delegate | undefined };
  const query = (parts.prisma as { readonly $queryRawUnsafe?: Query }).$queryRawUnsafe?.bind(parts.prisma);
  const startedAt = performance.now();
  const reason = await query?.('SELECT 1 AS one').then(() => undefined, toReason);
  if (reason !== undefined) {
    return [
      {
        check: 'database',
        status: 'problem',
        found: `does not answer: ${reason}`,
        remedy: 'Start it, or mend the address that the client has',
      },
    ];
  }
  const answered: Finding = { check: 'database', status: 'ok', found: `answered in ${Math.round(performance.now() - startedAt)} ms` };
  const keys = [...(parts.hasRows || parts.hasAudit ? await ownModels() : []), ...report().models.map(({ key }) => key)];
  const tables = await checkTables(client, keys);
  const areThere = tables.every(({ status }) => status === 'ok');
  return [
    answered,
    ...tables,
    ...(query && migrations !== undefined ? await checkMigrations(query, { folder: migrations, areThere }) : []),
    ...(query ? await checkClock(query, parts.datamodel?.provider ?? provider) : []),
  ];
}

interface Delegate {
  readonly findMany: (args: object) => Promise<unknown>;
}

/** The delegates of the models of prisma/mcp.prisma. */
async function ownModels(): Promise<string[]> {
  const source = await readFile(new URL('../../prisma/mcp.prisma', import.meta.url), 'utf8');
  return findBlocks(source, 'model').map(({ name }) => `${name.charAt(0).toLowerCase()}${name.slice(1)}`);
}

async function checkTables(client: { readonly [delegate: string]: Delegate | undefined }, keys: readonly string[]): Promise<Finding[]> {
  const check = 'tables';
  const problems: Finding[] = [];
  for (const key of keys) {
    const delegate = client[key];
    // Names every column, and finds no row.
    const reason =
      delegate === undefined
        ? 'the client has no such model'
        : await delegate.findMany({ where: { OR: [] } }).then(() => undefined, toReason);
    if (reason === undefined) continue;
    const remedy =
      delegate === undefined
        ? 'npx koa-mcp init, then migrate and generate'
        : 'npx prisma migrate deploy (in development: npx prisma migrate dev)';
    problems.push({ check, status: 'problem', found: `${key}: ${reason}`, remedy });
  }
  if (problems.length > 0) return problems;
  return [{ check, status: 'ok', found: `${keys.length} ${keys.length === 1 ? 'table has' : 'tables have'} all their columns` }];
}

async function checkMigrations(query: Query, { folder, areThere }: { folder: string; areThere: boolean }): Promise<Finding[]> {
  const check = 'migrations';
  const names = await migrationsIn(folder);
  const rows = await query('SELECT migration_name, finished_at, rolled_back_at FROM _prisma_migrations').catch(() => undefined);
  if (rows === undefined) {
    const found = 'the database has no table of migrations (_prisma_migrations)';
    if (areThere)
      return [
        { check, status: 'warning', found: `${found}, and all tables`, remedy: 'If the app uses `prisma migrate`, baseline the database' },
      ];
    return [
      { check, status: 'problem', found, remedy: names.length === 0 ? 'npx prisma migrate dev --name mcp' : 'npx prisma migrate deploy' },
    ];
  }
  const namesWhere = (matches: (row: Readonly<Record<string, unknown>>) => boolean) =>
    new Set(rows.filter(matches).map(row => String(row['migration_name'])));
  const applied = namesWhere(row => row['finished_at'] !== null && row['rolled_back_at'] === null);
  const failed = namesWhere(row => row['finished_at'] === null && row['rolled_back_at'] === null);
  const pending = names.filter(name => !applied.has(name) && !failed.has(name));
  const unknown = [...applied].filter(name => !names.includes(name));
  const problem = (found: string, remedy: string): Finding => ({ check, status: 'problem', found, remedy });
  const findings = [
    ...(failed.size === 0 ? [] : [problem(`failed: ${[...failed].join(', ')}`, 'npx prisma migrate resolve')]),
    ...(pending.length === 0 ? [] : [problem(`not applied: ${pending.join(', ')}`, 'npx prisma migrate deploy')]),
    ...(unknown.length === 0
      ? []
      : [
          {
            check,
            status: 'warning',
            found: `applied, but not in ${folder}: ${unknown.join(', ')}`,
            remedy: 'Deploy the code and its migrations together',
          } as const,
        ]),
  ];
  return findings.length > 0 ? findings : [{ check, status: 'ok', found: `all ${applied.size} applied` }];
}

/** The time of the database in seconds since 1970, by provider. */
const clocks: Readonly<Record<string, string>> = {
  sqlite: "SELECT (julianday('now') - 2440587.5) * 86400.0 AS now",
  postgresql: 'SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8 AS now',
  postgres: 'SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8 AS now',
  cockroachdb: 'SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8 AS now',
  mysql: 'SELECT UNIX_TIMESTAMP(NOW(3)) AS now',
};
/** Milliseconds of difference that are reported. */
const warnMs = 2_000;
/** Milliseconds of difference from which sessions and rows expire too early or too late. */
const problemMs = 60_000;

async function checkClock(query: Query, provider: string | undefined): Promise<Finding[]> {
  const sql = clocks[provider ?? ''];
  if (sql === undefined) return [];
  const startedAt = Date.now();
  const rows = await query(sql).catch(() => []);
  const nowMs = Number(rows[0]?.['now']) * 1000;
  if (!Number.isFinite(nowMs)) return [];
  const differenceMs = Math.round(nowMs - (startedAt + Date.now()) / 2);
  const size = Math.abs(differenceMs);
  const status = size > problemMs ? 'problem' : size > warnMs ? 'warning' : 'ok';
  const found = `the database is ${size} ms ${differenceMs < 0 ? 'behind' : 'ahead of'} this machine`;
  return [{ check: 'clock', status, found, ...(status !== 'ok' && { remedy: 'Keep the clocks of all machines together, e.g. by NTP' }) }];
}

/** The last line of an error: Prisma puts the reason there. */
function toReason(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).split('\n').map(line => line.trim());
  return lines.findLast(line => line !== '') ?? 'no reason given';
}
