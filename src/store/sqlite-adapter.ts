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
export const WRAPPED = 'PRAGMA koa_mcp_sqlite_adapter';

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
