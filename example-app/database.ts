import { fileURLToPath } from 'node:url';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import type { Bus, Datamodel } from 'koa-mcp';
import { live, postgresBus, sqliteAdapter } from 'koa-mcp';
import pg from 'pg';
import type { PrismaClient } from './generated/sqlite/client/client.ts';
import { migrate } from './migrations.ts';
import { seed } from './seed.ts';

export interface Database {
  /**
   * Has the type of the SQLite client. The PostgreSQL client has the same models. It is live: subscribers of bookings and clients are notified of
   * the writes of the REST routes, too.
   */
  readonly prisma: PrismaClient;
  readonly datamodel: Datamodel;
}

/** The default database: a SQLite file beside this module. */
const defaultUrl = `file:${fileURLToPath(new URL('reservations.db', import.meta.url))}`;

/**
 * Opens the database. If it is empty, creates the tables and fills them. Several processes may do this at the same time.
 *
 * @param url `file:…` for SQLite, `postgresql://…` for PostgreSQL.
 */
export async function openDatabase(url: string = defaultUrl): Promise<Database> {
  const provider = isPostgres(url) ? 'postgresql' : 'sqlite';
  const { prisma, datamodel } = await (provider === 'sqlite' ? openSqlite(url) : openPostgres(url));
  try {
    await inTurn(() => migrate(prisma, provider, transaction => seed(transaction, provider)));
    return { prisma, datamodel };
  } catch (error) {
    await prisma.$disconnect();
    throw error;
  }
}

/**
 * The bus that wakes up the other processes of the app. `undefined` for SQLite, where the processes read the log once a second.
 *
 * Close the bus after the endpoint.
 */
export function openBus(url: string = defaultUrl): Bus | undefined {
  if (!isPostgres(url)) return undefined;
  return postgresBus({ connect: () => new pg.Client({ connectionString: url, application_name: 'reservations bus' }) });
}

/** Whether the URL names a PostgreSQL database rather than a SQLite file. */
export function isPostgres(url: string): boolean {
  return /^postgres(?:ql)?:/.test(url);
}

/** Runs `work`, at most ten times, until no transaction of another process blocks the database. */
async function inTurn(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const { code = '', meta } = error as { code?: string; meta?: { driverAdapterError?: unknown } };
      const isBusy = ['P1008', 'P2028', 'P2034'].includes(code) || String(meta?.driverAdapterError).includes('SocketTimeout');
      if (!isBusy || attempt === 10) throw error;
    }
  }
}

async function openSqlite(url: string): Promise<Database> {
  const [{ PrismaClient }, { datamodel }] = await Promise.all([
    import('./generated/sqlite/client/client.ts'),
    import('./generated/sqlite/mcp/datamodel.ts'),
  ]);
  return { prisma: live(new PrismaClient({ adapter: sqliteAdapter(new PrismaLibSql({ url })) })), datamodel };
}

async function openPostgres(url: string): Promise<Database> {
  const [{ PrismaClient }, { datamodel }] = await Promise.all([
    import('./generated/postgresql/client/client.ts'),
    import('./generated/postgresql/mcp/datamodel.ts'),
  ]);
  const prisma = live(new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) }));
  return { prisma: prisma as unknown as PrismaClient, datamodel };
}
