import { existsSync } from 'node:fs';
import { WRAPPED } from './sqlite-adapter.ts';

/** What the check asks of a Prisma client, extended or not. */
export interface CheckedClient extends RawQueries {
  readonly $transaction: <T>(work: (transaction: RawQueries) => Promise<T>) => Promise<T>;
}

interface RawQueries {
  readonly $queryRawUnsafe: (sql: string) => Promise<unknown>;
  readonly $executeRawUnsafe: (sql: string) => Promise<unknown>;
}

/** What Prisma gives an interactive transaction: as long may another process hold the file. */
const neededWaitMs = 5_000;

const remedy =
  "Wrap the adapter: new PrismaClient({ adapter: sqliteAdapter(new PrismaLibSql({ url: 'file:./dev.db' })) }), with sqliteAdapter of 'koa-mcp'.";

/**
 * Resolves where several processes can share the database without losing what was acknowledged: any that is not a file of SQLite,
 * a client of `sqliteAdapter`, and a SQLite client that has been set up, and behaves, like one.
 *
 * It writes nothing to the database.
 *
 * @throws {TypeError} What is wrong with the client, and what to set.
 * @throws What Prisma throws where the database cannot be reached; then nothing is known about it.
 */
export async function assertSharableSqlite(prisma: CheckedClient): Promise<void> {
  if (typeof prisma.$queryRawUnsafe !== 'function') return;
  const file = await sqliteFile(prisma);
  if (file === undefined) return;
  const mode = await first(prisma, 'PRAGMA journal_mode');
  if ((await first(prisma, WRAPPED)) !== undefined) {
    if (mode === 'wal') return;
    refuse(
      `the SQLite file ${file} stays in journal mode ${String(mode)}, where one process that reads makes the commit of another fail. ` +
        'Move it to a local disk: WAL mode needs shared memory.',
    );
  }
  if (mode !== 'wal') {
    refuse(
      `the SQLite file ${file} is in journal mode ${String(mode)}, where one process that reads makes the commit of another fail. ${remedy}`,
    );
  }
  const { waitMs, isShared } = await observeTransaction(prisma);
  if (isShared) {
    refuse(`this client runs other queries inside an open transaction, so they are rolled back with it, in ${file}. ${remedy}`);
  }
  if (waitMs < neededWaitMs) {
    refuse(
      `this client waits ${waitMs} ms while another process writes to ${file} (PRAGMA busy_timeout), and needs ${neededWaitMs}. ${remedy}`,
    );
  }
  if (await isLibsql(prisma)) {
    refuse(`after one SQLITE_BUSY this libsql client acknowledges writes to ${file} and does not commit them. ${remedy}`);
  }
}

/** The path of the client's database; none for another database, one in memory, and one that only another machine can open. */
async function sqliteFile(prisma: CheckedClient): Promise<string | undefined> {
  // Only SQLite finds a number and a text different; all others read both as numbers. An error would stand in their logs.
  if (Number(await first(prisma, "SELECT CASE WHEN 1 = '1' THEN 0 ELSE 1 END AS sqlite")) !== 1) return undefined;
  // A database behind a network may refuse pragmas.
  const databases = (await prisma.$queryRawUnsafe('PRAGMA database_list').catch(() => [])) as { name: string; file: string | null }[];
  const file = databases.find(({ name }) => name === 'main')?.file ?? '';
  return file !== '' && existsSync(file) ? file : undefined;
}

async function isLibsql(prisma: CheckedClient): Promise<boolean> {
  return Number(await first(prisma, "SELECT count(*) FROM pragma_function_list WHERE name LIKE 'libsql%'")) > 0;
}

interface Observed {
  /** How long a statement of a transaction waits for another process, in ms. */
  readonly waitMs: number;
  /** Whether a query of the client itself runs in a transaction that is open at the time. */
  readonly isShared: boolean;
}

/** Opens a transaction, looks, and rolls it back. A temporary table, which only its own connection sees, tells connections apart. */
async function observeTransaction(prisma: CheckedClient): Promise<Observed> {
  const done = new Error('rolled back');
  let waitMs = 0;
  let beside: Promise<unknown> = Promise.resolve();
  await prisma
    .$transaction(async transaction => {
      waitMs = Number(await first(transaction, 'PRAGMA busy_timeout'));
      await transaction.$executeRawUnsafe('CREATE TEMP TABLE koa_mcp_check (id)');
      let isAnswered = false;
      beside = first(prisma, "SELECT count(*) FROM temp.sqlite_master WHERE name = 'koa_mcp_check'").finally(() => {
        isAnswered = true;
      });
      beside.catch(() => undefined);
      // It is answered now, or once the transaction is over.
      for (let query = 0; query < 10 && !isAnswered; query += 1) await transaction.$queryRawUnsafe('SELECT 1');
      throw done;
    })
    .catch((error: unknown) => {
      if (error !== done) throw error;
    });
  return { waitMs, isShared: Number(await beside) > 0 };
}

/** The first column of the first row; `undefined` where there is none. */
async function first(client: RawQueries, sql: string): Promise<unknown> {
  const rows = (await client.$queryRawUnsafe(sql)) as Record<string, unknown>[];
  return Object.values(rows[0] ?? {})[0];
}

function refuse(problem: string): never {
  throw new TypeError(`prisma: ${problem}`);
}
