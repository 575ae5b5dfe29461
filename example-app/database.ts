import { fileURLToPath } from 'node:url';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import type { Datamodel } from 'koa-mcp';
import type { PrismaClient } from './generated/sqlite/client/client.ts';
import { migrate } from './migrations.ts';
import { seed } from './seed.ts';

export interface Database {
  /** Typed as the SQLite client; the PostgreSQL one has the same models. */
  readonly prisma: PrismaClient;
  readonly datamodel: Datamodel;
}

/** The file that is used unless `DATABASE_URL` names another database. */
const defaultUrl = `file:${fileURLToPath(new URL('reservations.db', import.meta.url))}`;

/**
 * Opens the database, and makes and fills it if it is empty. Several processes may do so at once.
 *
 * @param url `file:…` for SQLite, `postgresql://…` for PostgreSQL.
 */
export async function openDatabase(url: string = defaultUrl): Promise<Database> {
  const provider = /^postgres(?:ql)?:/.test(url) ? 'postgresql' : 'sqlite';
  const { prisma, datamodel } = await (provider === 'sqlite' ? openSqlite(url) : openPostgres(url));
  try {
    if (provider === 'sqlite') await prisma.$queryRaw`PRAGMA journal_mode = WAL`;
    await migrate(prisma, provider, transaction => seed(transaction, provider));
    return { prisma, datamodel };
  } catch (error) {
    await prisma.$disconnect();
    throw error;
  }
}

async function openSqlite(url: string): Promise<Database> {
  const [{ PrismaClient }, { datamodel }] = await Promise.all([
    import('./generated/sqlite/client/client.ts'),
    import('./generated/sqlite/mcp/datamodel.ts'),
  ]);
  // `timeout`: how long a statement waits for another process that is writing.
  return { prisma: new PrismaClient({ adapter: new PrismaLibSql({ url, timeout: 10_000 }) }), datamodel };
}

async function openPostgres(url: string): Promise<Database> {
  const [{ PrismaClient }, { datamodel }] = await Promise.all([
    import('./generated/postgresql/client/client.ts'),
    import('./generated/postgresql/mcp/datamodel.ts'),
  ]);
  return { prisma: new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) }) as unknown as PrismaClient, datamodel };
}
