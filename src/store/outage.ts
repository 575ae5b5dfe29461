import { StoreUnavailable } from '../errors.ts';
import type { Store } from './store.ts';

/** The same store, with `StoreUnavailable` in place of every error that says that the database is away. */
export function withOutages(store: Store): Store {
  return mapVerbs(store, async (verb, call) => {
    try {
      return await call();
    } catch (error) {
      if (StoreUnavailable.isError(error) || !isOutage(error)) throw error;
      throw new StoreUnavailable(`the store could not answer \`${verb}\`: the database is away or too busy`, { cause: error });
    }
  });
}

/**
 * The same store, whose verbs reject with `StoreUnavailable` where it has not answered in time. What it answers later is ignored.
 *
 * @param storeMs Milliseconds for each call of a verb.
 */
export function bounded(store: Store, storeMs: number): Store {
  return mapVerbs(store, (verb, call) => {
    return new Promise((resolve, reject) => {
      const late = () => reject(new StoreUnavailable(`the store has not answered \`${verb}\` within ${storeMs} ms`));
      const timer = setTimeout(late, storeMs);
      timer.unref();
      call()
        .finally(() => clearTimeout(timer))
        .then(resolve, reject);
    });
  });
}

/** Every verb of a store. */
const verbs: { readonly [verb in keyof Store]: true } = {
  create: true,
  find: true,
  existing: true,
  update: true,
  touch: true,
  end: true,
  evict: true,
  sweep: true,
  subscribe: true,
  unsubscribe: true,
  subscriptions: true,
  list: true,
  append: true,
  read: true,
  findEvents: true,
  latest: true,
  sweepEvents: true,
  beat: true,
  beats: true,
  removeNode: true,
  sweepNodes: true,
  saveContinuation: true,
  findContinuation: true,
  takeContinuation: true,
  returnContinuation: true,
  removeContinuation: true,
  sweepContinuations: true,
};

type Run = <T>(verb: string, call: () => Promise<T>) => Promise<T>;

/** A store that runs each call of a verb with `run`. */
function mapVerbs(store: Store, run: Run): Store {
  const mapped = (Object.keys(verbs) as (keyof Store)[]).map(verb => {
    return [verb, (...args: unknown[]) => run(verb, async () => (store[verb] as Verb)(...args))] as const;
  });
  return Object.fromEntries(mapped) as unknown as Store;
}

type Verb = (...args: unknown[]) => Promise<unknown>;

/** Whether an error, or what caused it, says that the database is away or too busy to answer: trying again later helps. */
export function isOutage(error: unknown): boolean {
  return StoreUnavailable.isError(error) || saysOutage(error, maxDepth);
}

/** Causes within causes that are looked at: Prisma's error has that of its driver adapter two below it. */
const maxDepth = 5;

/**
 * Codes of Prisma, of PostgreSQL (as SQLSTATE), of SQLite, of MySQL, of drivers and of Node's sockets; and how
 * messages begin of errors that have no code, or one that says less.
 *
 * @see https://www.prisma.io/docs/orm/reference/error-reference#error-codes
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 * @see https://www.sqlite.org/rescode.html
 */
const signs: readonly RegExp[] = [
  // Not reachable, timed out, no TLS, closed; no connection from the pool, a deadlock, too many connections.
  /^P(?:1001|1002|1008|1011|1017|2024|2034|2037)$/,
  // A large write, which Prisma makes a transaction, that got no connection.
  /^Transaction API error: Unable to start a transaction/,
  // Connection lost; out of disk, memory or connections; transactions that stood in each other's way; input and output failed.
  /^(?:08\w{3}|53\w{3}|40001|40P01|58000|58030)$/,
  // A lock was not to be had; the statement took too long or was cancelled; shutting down, crashed, starting; a standby, which only reads.
  /^(?:55P03|57014|57P01|57P02|57P03|57P05|25006)$/,
  /^database ".*" is not currently accepting connections/,
  // Of `pg`.
  /^Connection terminated/,
  /^Client (?:has encountered a connection error|was closed) and is not queryable/,
  /^timeout exceeded when trying to connect/,
  /^Query read timeout/,
  // The socket file of a PostgreSQL that restarts.
  /^connect ENOENT/,
  /^SQLITE_(?:BUSY|LOCKED|FULL|IOERR|NOMEM|PROTOCOL)/,
  /^database (?:table )?is locked/,
  // Of MySQL: out of disk, memory or connections; locks; shutting down, killed, only reading; took too long; gone.
  /^(?:1021|1037|1040|1041|1053|1114|1203|1205|1213|1226|1290|1317|1836|1927|1969|2002|2003|2006|2013|3024|4031)$/,
  // Of `mariadb`: the connection or its socket closed or timed out; no connection from the pool.
  /^(?:45004|45009|45012|45013|45019|45026|45028|45042|45061)$/,
  /^(?:PROTOCOL_CONNECTION_LOST|ER_(?:CON_COUNT_ERROR|LOCK_WAIT_TIMEOUT|LOCK_DEADLOCK|SERVER_SHUTDOWN|OPTION_PREVENTS_STATEMENT))$/,
  /^ER_(?:SOCKET_\w+|CONNECTION_TIMEOUT|GET_CONNECTION_TIMEOUT|CMD_CONNECTION_CLOSED)$/,
  /^E(?:CONNREFUSED|CONNRESET|CONNABORTED|PIPE|TIMEDOUT|HOSTUNREACH|HOSTDOWN|NETUNREACH|NOTFOUND|AI_AGAIN|MFILE)$/,
];

function saysOutage(error: unknown, depth: number): boolean {
  if (typeof error !== 'object' || error === null || depth === 0) return false;
  const { code, errorCode, originalCode, sqlState, message, originalMessage, meta, driverAdapterError, cause } = error as ErrorParts;
  const texts = [code, errorCode, originalCode, sqlState, message, originalMessage];
  if (texts.some(text => typeof text === 'string' && signs.some(sign => sign.test(text)))) return true;
  return [meta, driverAdapterError, cause].some(inner => saysOutage(inner, depth - 1));
}

/** What errors of Prisma, of its driver adapters and of drivers have. */
type ErrorParts = Partial<
  Record<
    'code' | 'errorCode' | 'originalCode' | 'sqlState' | 'message' | 'originalMessage' | 'meta' | 'driverAdapterError' | 'cause',
    unknown
  >
>;
