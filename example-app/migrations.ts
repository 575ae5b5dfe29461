import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { Prisma, PrismaClient } from './generated/sqlite/client/client.ts';

export type Provider = 'sqlite' | 'postgresql';

/** SQL for Prisma's own table of applied migrations, so that `prisma migrate deploy` does not apply them again. */
const bookkeeping = {
  sqlite: `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME, "migration_name" TEXT NOT NULL, "logs" TEXT,
    "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp, "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0)`,
  postgresql: `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ, "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT,
    "rolled_back_at" TIMESTAMPTZ, "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`,
};

/**
 * Applies the missing migrations of prisma/migrations, then runs `then`, in one transaction. One process at a time does this.
 * It replaces `prisma migrate deploy`, so that the example starts without the Prisma CLI.
 */
export async function migrate(
  prisma: PrismaClient,
  provider: Provider,
  then: (transaction: Prisma.TransactionClient) => Promise<void>,
): Promise<void> {
  const migrations = await readMigrations(provider);
  // `lock` writes to this table, so SQLite needs the table first. PostgreSQL creates it under its lock: two processes that create it at once would fail.
  if (provider === 'sqlite') await prisma.$executeRawUnsafe(bookkeeping.sqlite);
  const work = async (transaction: Prisma.TransactionClient) => {
    await lock(transaction, provider);
    const rows = await transaction.$queryRaw<{ migration_name: string }[]>`
      SELECT "migration_name" FROM "_prisma_migrations" WHERE "finished_at" IS NOT NULL AND "rolled_back_at" IS NULL`;
    const applied = new Set(rows.map(row => row.migration_name));
    for (const migration of migrations) if (!applied.has(migration.name)) await apply(transaction, migration);
    await then(transaction);
  };
  await prisma.$transaction(work, { maxWait: 60_000, timeout: 60_000 });
}

interface Migration {
  readonly name: string;
  readonly sql: string;
}

async function readMigrations(provider: Provider): Promise<Migration[]> {
  const folder = new URL(`prisma/migrations/${provider}/`, import.meta.url);
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter(entry => entry.isDirectory()).map(entry => entry.name);
  return Promise.all(names.sort().map(async name => ({ name, sql: await readFile(new URL(`${name}/migration.sql`, folder), 'utf8') })));
}

/** Locks the database for this transaction: other processes that start wait until it ends. */
async function lock(transaction: Prisma.TransactionClient, provider: Provider): Promise<void> {
  if (provider === 'sqlite') {
    await transaction.$executeRaw`UPDATE "_prisma_migrations" SET "id" = "id" WHERE false`;
    return;
  }
  await transaction.$executeRaw`SELECT pg_advisory_xact_lock(7269707101)`;
  await transaction.$executeRawUnsafe(bookkeeping.postgresql);
}

async function apply(transaction: Prisma.TransactionClient, { name, sql }: Migration): Promise<void> {
  for (const statement of sql.split(/;\s*$/m)) if (statement.trim()) await transaction.$executeRawUnsafe(statement);
  const checksum = createHash('sha256').update(sql).digest('hex');
  await transaction.$executeRaw`
    INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "started_at", "finished_at", "applied_steps_count")
    VALUES (${randomUUID()}, ${checksum}, ${name}, ${new Date()}, ${new Date()}, 1)`;
}
