import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** The parts of `PrismaLibSql` and `PrismaBetterSqlite3` that this file uses: Prisma's `SqlDriverAdapterFactory` for SQLite. */
export interface SqliteAdapterFactory {
  readonly provider: 'sqlite';
  readonly adapterName: string;
  connect(): Promise<SqliteConnection>;
}

/** The options of `sqliteAdapter()`. */
export interface SqliteAdapterOptions {
  /**
   * Milliseconds for which a statement is tried again while another process writes. After that it fails with Prisma's P1008.
   *
   * @default 10_000: twice the timeout of Prisma's interactive transactions.
   */
  readonly timeoutMs?: number;
}

interface SqliteQueryable {
  queryRaw(query: SqliteQuery): Promise<unknown>;
  executeRaw(query: SqliteQuery): Promise<number>;
}

interface SqliteConnection extends SqliteQueryable {
  executeScript(script: string): Promise<void>;
  startTransaction(isolationLevel?: 'SERIALIZABLE'): Promise<SqliteTransaction>;
  readonly getConnectionInfo?: (() => unknown) | undefined;
  dispose(): Promise<void>;
}

interface SqliteTransaction extends SqliteQueryable {
  readonly options: { readonly usePhantomQuery: boolean };
  commit(): Promise<void>;
  rollback(): Promise<void>;
  readonly createSavepoint?: Savepoint | undefined;
  readonly rollbackToSavepoint?: Savepoint | undefined;
  readonly releaseSavepoint?: Savepoint | undefined;
}

type Savepoint = (name: string) => Promise<void>;

interface SqliteQuery {
  sql: string;
  args: unknown[];
  argTypes: never[];
}

/**
 * A marker query. A client of `sqliteAdapter` answers it with one row. Any other client gives no row, because SQLite ignores unknown
 * pragmas.
 */
const WRAPPED = 'PRAGMA koa_mcp_sqlite_adapter';

/** Milliseconds for which the driver itself waits for a lock. It waits synchronously, so the whole process waits with it. */
const statementWaitMs = 100;
/** The same time in a transaction. It is longer because statements of a transaction cannot be tried again one by one. */
const transactionWaitMs = 2_000;
const longestPauseMs = 50;

/**
 * Makes a Prisma driver adapter for SQLite safe if several processes, or several requests of one process, use the same file.
 *
 * `new PrismaClient({ adapter: sqliteAdapter(new PrismaLibSql({ url: 'file:./dev.db' })) })`
 *
 * The adapters alone lose acknowledged writes. After one SQLITE_BUSY, libsql commits nothing more on that connection. With better-sqlite3,
 * queries that run during an interactive transaction are rolled back with it. This wrapper puts the file into WAL mode and replaces a
 * connection that was busy. It waits without blocking the process. It runs no other query on a connection while a transaction is open.
 */
export function sqliteAdapter<F extends SqliteAdapterFactory>(
  factory: F,
  { timeoutMs = 10_000 }: SqliteAdapterOptions = {},
): Pick<F, 'provider' | 'adapterName' | 'connect'> {
  const connect = (): Promise<SqliteConnection> => sharedConnection(factory, timeoutMs);
  return { provider: factory.provider, adapterName: factory.adapterName, connect };
}

async function sharedConnection(factory: SqliteAdapterFactory, timeoutMs: number): Promise<SqliteConnection> {
  const takeTurn = turns();
  let current: SqliteConnection | undefined;
  let closed = false;

  const connection = async (): Promise<SqliteConnection> => {
    if (current) return current;
    const opened = await factory.connect();
    // As a query, because the pragmas return a row, which the libsql of Prisma 6 refuses in a script.
    await opened.queryRaw(statement(waitFor(statementWaitMs)));
    current = opened;
    return opened;
  };
  const discard = async (): Promise<void> => {
    const discarded = current;
    current = undefined;
    await discarded?.dispose();
  };
  // A statement that was refused as busy has changed nothing, so it may be repeated.
  const patiently = async <T>(work: (connection: SqliteConnection) => Promise<T>): Promise<T> => {
    const deadline = performance.now() + timeoutMs;
    for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        return await work(await connection());
      } catch (error) {
        if (!isBusy(error)) throw error;
        await discard();
        if (closed || performance.now() >= deadline) throw error;
      }
      await delay(pauseMs * (0.5 + Math.random()));
    }
  };
  const alone = async <T>(work: () => Promise<T>): Promise<T> => {
    const release = await takeTurn();
    return work().finally(release);
  };
  const afterTransaction = async (failed: boolean): Promise<void> => {
    if (failed) return discard();
    // `@libsql/client` opens a new connection after each transaction. The pragmas of the earlier connection do not apply to it.
    await connection()
      .then(opened => opened.queryRaw(statement(waitFor(statementWaitMs))))
      .catch(discard);
  };

  await patiently(opened => opened.queryRaw(statement('PRAGMA journal_mode = WAL')));
  const first = await connection();
  return {
    ...named(factory),
    getConnectionInfo: first.getConnectionInfo?.bind(first),
    queryRaw: query => (query.sql === WRAPPED ? Promise.resolve(oneRow) : alone(() => patiently(opened => opened.queryRaw(query)))),
    executeRaw: query => alone(() => patiently(opened => opened.executeRaw(query))),
    executeScript: script => alone(async () => (await connection()).executeScript(script)),
    async startTransaction(isolationLevel) {
      const release = await takeTurn();
      try {
        const transaction = await (await connection()).startTransaction(isolationLevel);
        await transaction.queryRaw(statement(waitFor(transactionWaitMs)));
        return sharedTransaction(factory, transaction, failed => afterTransaction(failed).finally(release));
      } catch (error) {
        await discard().finally(release);
        throw error;
      }
    },
    dispose() {
      closed = true;
      return alone(discard);
    },
  };
}

/** @param end Called once the transaction is over. `failed` means that the state of the connection is unknown. */
function sharedTransaction(
  factory: SqliteAdapterFactory,
  transaction: SqliteTransaction,
  end: (failed: boolean) => Promise<void>,
): SqliteTransaction {
  const { usePhantomQuery } = transaction.options;
  let refusal: Error | undefined;
  const noting = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      if (isBusy(error)) refusal ??= error as Error;
      throw error;
    });
  const undo = async (): Promise<void> => {
    // Fails if SQLite has already rolled back by itself.
    if (!usePhantomQuery) await transaction.executeRaw(statement('ROLLBACK')).catch(() => 0);
    await transaction.rollback();
  };
  return {
    ...named(factory),
    // Tells Prisma that `commit` and `rollback` send their own statements. So this code sees a COMMIT that fails.
    options: { usePhantomQuery: true },
    queryRaw: query => noting(transaction.queryRaw(query)),
    executeRaw: query => noting(transaction.executeRaw(query)),
    createSavepoint: transaction.createSavepoint?.bind(transaction),
    rollbackToSavepoint: transaction.rollbackToSavepoint?.bind(transaction),
    releaseSavepoint: transaction.releaseSavepoint?.bind(transaction),
    async commit() {
      try {
        if (refusal !== undefined) throw refusal;
        if (!usePhantomQuery) await transaction.executeRaw(statement('COMMIT'));
        await transaction.commit();
      } catch (error) {
        await undo().finally(() => end(true));
        throw error;
      }
      await end(false);
    },
    rollback: () => undo().finally(() => end(refusal !== undefined)),
  };
}

/** The answer to `WRAPPED`. `columnTypes` 0 is Prisma's `Int32`. */
const oneRow = { columnNames: ['wrapped'], columnTypes: [0], rows: [[1]] };

function named({ provider, adapterName }: SqliteAdapterFactory): Pick<SqliteAdapterFactory, 'provider' | 'adapterName'> {
  return { provider, adapterName };
}

function waitFor(ms: number): string {
  return `PRAGMA busy_timeout = ${ms}`;
}

function statement(sql: string): SqliteQuery {
  return { sql, args: [], argTypes: [] };
}

/** Whether an error is SQLITE_BUSY or one of its extended codes. Some adapters pass on their driver's own error without converting it. */
function isBusy(error: unknown): boolean {
  const { cause, code, rawCode } = error as { cause?: { kind?: unknown }; code?: unknown; rawCode?: unknown };
  return cause?.kind === 'SocketTimeout' || (typeof code === 'string' && code.startsWith('SQLITE_BUSY')) || (Number(rawCode) & 0xff) === 5;
}

/** Gives turns in the order of the calls. Each turn begins when the previous one has called its release function. */
function turns(): () => Promise<() => void> {
  let last: Promise<void> = Promise.resolve();
  return async () => {
    const before = last;
    let release = () => {};
    last = new Promise(resolve => {
      release = resolve;
    });
    await before;
    return release;
  };
}

/** The methods that the check uses of a Prisma client, extended or not. */
export interface CheckedClient extends RawQueries {
  readonly $transaction: <T>(work: (transaction: RawQueries) => Promise<T>) => Promise<T>;
}

interface RawQueries {
  readonly $queryRawUnsafe: (sql: string) => Promise<unknown>;
  readonly $executeRawUnsafe: (sql: string) => Promise<unknown>;
}

/** Prisma's timeout of an interactive transaction, in ms. Another process may hold the file for that long. */
const neededWaitMs = 5_000;

const remedy =
  "Wrap the adapter: new PrismaClient({ adapter: sqliteAdapter(new PrismaLibSql({ url: 'file:./dev.db' })) }), with sqliteAdapter of 'koa-mcp'.";

/**
 * Resolves if several processes can share the database without losing acknowledged writes. This holds for every database that is not a
 * SQLite file, for a client of `sqliteAdapter`, and for a SQLite client that is configured, and behaves, the same way.
 *
 * The check writes nothing to the database.
 *
 * @throws {TypeError} The client loses writes. The message names the cause and the remedy.
 * @throws Prisma's error if the database cannot be reached. The check then has no result.
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

/** The path of the client's SQLite file. `undefined` for another kind of database, a database in memory, and a file on another machine. */
async function sqliteFile(prisma: CheckedClient): Promise<string | undefined> {
  // Only SQLite treats a number and a text as different; other databases read both as numbers. The query causes no error in any of them, so
  // their logs stay clean.
  if (Number(await first(prisma, "SELECT CASE WHEN 1 = '1' THEN 0 ELSE 1 END AS sqlite")) !== 1) return undefined;
  // A database server may refuse pragmas.
  const databases = (await prisma.$queryRawUnsafe('PRAGMA database_list').catch(() => [])) as { name: string; file: string | null }[];
  const file = databases.find(({ name }) => name === 'main')?.file ?? '';
  return file !== '' && existsSync(file) ? file : undefined;
}

async function isLibsql(prisma: CheckedClient): Promise<boolean> {
  return Number(await first(prisma, "SELECT count(*) FROM pragma_function_list WHERE name LIKE 'libsql%'")) > 0;
}

interface Observed {
  /** Milliseconds for which a statement of a transaction waits for another process. */
  readonly waitMs: number;
  /** Whether a query of the client runs inside a transaction that is open at that time. */
  readonly isShared: boolean;
}

/**
 * Opens a transaction, runs the checks, and rolls it back. A temporary table is visible only to its own connection, so it shows whether two
 * queries share one.
 */
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
      // The query is answered either now or after the transaction.
      for (let query = 0; query < 10 && !isAnswered; query += 1) await transaction.$queryRawUnsafe('SELECT 1');
      throw done;
    })
    .catch((error: unknown) => {
      if (error !== done) throw error;
    });
  return { waitMs, isShared: Number(await beside) > 0 };
}

/** The first column of the first row; `undefined` if there is none. */
async function first(client: RawQueries, sql: string): Promise<unknown> {
  const rows = (await client.$queryRawUnsafe(sql)) as Record<string, unknown>[];
  return Object.values(rows[0] ?? {})[0];
}

function refuse(problem: string): never {
  throw new TypeError(`prisma: ${problem}`);
}
