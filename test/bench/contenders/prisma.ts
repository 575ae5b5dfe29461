import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import type { PrismaClient } from '../../../generated/test/sqlite/client/client.ts';
import type { Database } from '../setup.ts';

/** A connected client, the same for every contender. Typed as the SQLite client; the PostgreSQL one has the same models. */
export async function openPrisma({ provider, url }: Database): Promise<PrismaClient> {
  const prisma = await (provider === 'sqlite' ? openSqlite(url) : openPostgres(url));
  await prisma.$connect();
  return prisma;
}

async function openSqlite(url: string): Promise<PrismaClient> {
  const { PrismaClient } = await import('../../../generated/test/sqlite/client/client.ts');
  return new PrismaClient({ adapter: new PrismaLibSql({ url, timeout: 5_000 }) });
}

async function openPostgres(url: string): Promise<PrismaClient> {
  const { PrismaClient } = await import('../../../generated/test/postgresql/client/client.ts');
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 10 }) }) as unknown as PrismaClient;
}
