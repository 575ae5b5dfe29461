import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import type { PrismaClient } from '../../../generated/test/sqlite/client/client.ts';
import type { Database } from '../setup.ts';

/**
 * A connected client, the same for every contender. Typed as the SQLite client; the PostgreSQL one has the same models.
 *
 * @param onQuery Called for each statement; costs some time.
 */
export async function openPrisma({ provider, url }: Database, onQuery?: () => void): Promise<PrismaClient> {
  const log = onQuery && [{ emit: 'event', level: 'query' } as const];
  const prisma = await (provider === 'sqlite' ? openSqlite(url, log) : openPostgres(url, log));
  if (onQuery !== undefined) (prisma as PrismaClient<'query'>).$on('query', onQuery);
  await prisma.$connect();
  return prisma;
}

type Log = { emit: 'event'; level: 'query' }[] | undefined;

async function openSqlite(url: string, log: Log): Promise<PrismaClient> {
  const { PrismaClient } = await import('../../../generated/test/sqlite/client/client.ts');
  return new PrismaClient({ adapter: new PrismaLibSql({ url, timeout: 5_000 }), ...(log && { log }) });
}

async function openPostgres(url: string, log: Log): Promise<PrismaClient> {
  const { PrismaClient } = await import('../../../generated/test/postgresql/client/client.ts');
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 10 }), ...(log && { log }) }) as unknown as PrismaClient;
}
