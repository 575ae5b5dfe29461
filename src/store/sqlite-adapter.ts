import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** What is used of `PrismaLibSql` and `PrismaBetterSqlite3`: Prisma's `SqlDriverAdapterFactory` for SQLite. */
export interface SqliteAdapterFactory {
  readonly provider: 'sqlite';
  readonly adapterName: string;
  connect(): Promise<SqliteConnection>;
}

/** The options of `sqliteAdapter()`. */
export interface SqliteAdapterOptions {
  /**
   * How long a statement is tried again while another process writes, in ms; then it fails with Prisma's P1008.
   *
   * @default 10_000: twice what Prisma gives an interactive transaction.
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

/** Answered by a client of `sqliteAdapter` with one row, by any other with none: SQLite ignores pragmas that it does not know. */
const WRAPPED = 'PRAGMA koa_mcp_sqlite_adapter';

/** How long the driver itself waits. All of the process waits with it, for it does so synchronously. */
const statementWaitMs = 100;
/** The same in a transaction, whose statements cannot be tried again one by one. */
const transactionWaitMs = 2_000;
const longestPauseMs = 50;

/**
 * Makes a Prisma driver adapter for SQLite safe where several processes, or several requests of one, use the same file.
 *
 * `new PrismaClient({ adapter: sqliteAdapter(new PrismaLibSql({ url: 'file:./dev.db' })) })`
 *
 * The adapters alone lose acknowledged writes: after one SQLITE_BUSY libsql commits nothing more on that connection, and what runs
 * beside an interactive transaction of better-sqlite3 is rolled back with it. Here the file is in WAL mode, a connection that was
 * busy is replaced, waiting leaves the process free, and nothing runs on a connection while a transaction is open.
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
    await opened.executeScript(waitFor(statementWaitMs));
    current = opened;
    return opened;
  };
  const discard = async (): Promise<void> => {
    const discarded = current;
    current = undefined;
    await discarded?.dispose();
  };
  // A statement that was refused as busy has done nothing, so it may be tried as often as needed.
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
    // `@libsql/client` opens another connection after each transaction, which knows no pragma of the one before.
    await connection()
      .then(opened => opened.executeScript(waitFor(statementWaitMs)))
      .catch(discard);
  };

  await patiently(opened => opened.executeScript('PRAGMA journal_mode = WAL'));
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

/** @param end Called once the transaction is over; `failed` where nobody knows what state the connection is in. */
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
    // Fails where SQLite has rolled back by itself.
    if (!usePhantomQuery) await transaction.executeRaw(statement('ROLLBACK')).catch(() => 0);
    await transaction.rollback();
  };
  return {
    ...named(factory),
    // Tells Prisma that `commit` and `rollback` send their own statements: so a COMMIT that fails is seen here.
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

/** What `WRAPPED` is answered; `columnTypes` 0 is Prisma's `Int32`. */
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

/** SQLITE_BUSY with all its extended codes. Drivers' own errors come through where an adapter forgets to convert them. */
function isBusy(error: unknown): boolean {
  const { cause, code, rawCode } = error as { cause?: { kind?: unknown }; code?: unknown; rawCode?: unknown };
  return cause?.kind === 'SocketTimeout' || (typeof code === 'string' && code.startsWith('SQLITE_BUSY')) || (Number(rawCode) & 0xff) === 5;
}

/** First come, first served: resolves when everybody before has called what they got. */
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
