import { StoreUnavailable } from '../errors.ts';
import type { Store } from './store.ts';

/** Wraps a store: an error that means the database is away becomes `StoreUnavailable`. */
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
 * Wraps a store, or a part of one: a verb that takes longer than `storeMs` rejects with `StoreUnavailable`. A later answer of the store is ignored.
 *
 * @param storeMs Most milliseconds for one call of a verb.
 */
export function bounded<S extends object>(store: S, storeMs: number): S {
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

type Run = <T>(verb: string, call: () => Promise<T>) => Promise<T>;
type Verb = (...args: unknown[]) => Promise<unknown>;

/** Wraps a store: each call of a verb goes through `run`. */
function mapVerbs<S extends object>(store: S, run: Run): S {
  return new Proxy(store, {
    get(_, name) {
      const verb = name as keyof S & string;
      if (typeof store[verb] !== 'function') return undefined;
      return (...args: unknown[]) => run(verb, async () => (store[verb] as Verb)(...args));
    },
  });
}

/** Whether an error, or one of its causes, means that the database is away or too busy to answer. Trying again later may then succeed. */
export function isOutage(error: unknown): boolean {
  return StoreUnavailable.isError(error) || saysOutage(error, maxDepth);
}

/** How deep causes within causes are examined. Prisma nests the error of its driver adapter two levels deep. */
const maxDepth = 5;

/**
 * Patterns of error codes and messages that mean an outage. The codes are those of Prisma, PostgreSQL (SQLSTATE), SQLite, MySQL, drivers
 * and Node's sockets. The messages are beginnings of errors that have no code or one that is too general.
 *
 * @see https://www.prisma.io/docs/orm/reference/error-reference#error-codes
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 * @see https://www.sqlite.org/rescode.html
 */
const signs: readonly RegExp[] = [
  // Prisma: not reachable, timed out, no TLS, connection closed, no connection from the pool, deadlock, too many connections.
  /^P(?:1001|1002|1008|1011|1017|2024|2034|2037)$/,
  // Prisma runs a large write as a transaction, and that transaction got no connection.
  /^Transaction API error: Unable to start a transaction/,
  // PostgreSQL: connection lost; out of disk, memory or connections; conflict between transactions; input or output failed.
  /^(?:08\w{3}|53\w{3}|40001|40P01|58000|58030)$/,
  // PostgreSQL: lock not available; statement timed out or cancelled; shutting down, crashed or starting; a read-only standby.
  /^(?:55P03|57014|57P01|57P02|57P03|57P05|25006)$/,
  /^database ".*" is not currently accepting connections/,
  // Messages of `pg`.
  /^Connection terminated/,
  /^Client (?:has encountered a connection error|was closed) and is not queryable/,
  /^timeout exceeded when trying to connect/,
  /^Query read timeout/,
  // The socket file of a PostgreSQL that is restarting does not exist.
  /^connect ENOENT/,
  /^SQLITE_(?:BUSY|LOCKED|FULL|IOERR|NOMEM|PROTOCOL)/,
  /^database (?:table )?is locked/,
  // MySQL: out of disk, memory or connections; locks; shutting down, killed or read-only; timed out; connection lost.
  /^(?:1021|1037|1040|1041|1053|1114|1203|1205|1213|1226|1290|1317|1836|1927|1969|2002|2003|2006|2013|3024|4031)$/,
  // `mariadb`: the connection or its socket closed or timed out; no connection from the pool.
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

/** The properties that errors of Prisma, its driver adapters and drivers may have. */
type ErrorParts = Partial<
  Record<
    'code' | 'errorCode' | 'originalCode' | 'sqlState' | 'message' | 'originalMessage' | 'meta' | 'driverAdapterError' | 'cause',
    unknown
  >
>;
