import { afterEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../src/errors.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import { bounded, isOutage, withOutages } from '../../src/store/outage.ts';
import type { Store } from '../../src/store/store.ts';
import { newEvent, newId, newSession } from './fixtures.ts';

/** An error with a code, as drivers make them. */
const coded = (code: unknown, message = 'x', more: object = {}) => Object.assign(new Error(message), { code, ...more });

/** A known error of Prisma's around that of its driver adapter, as 7.10 throws it. */
const ofPrisma = (code: string, cause: object) => {
  const driverAdapterError = Object.assign(new Error('x'), { name: 'DriverAdapterError', cause });
  return coded(code, '\nInvalid `mcpEvent.create()` invocation in\n/app/x.ts:1:1\n\nx', {
    meta: { modelName: 'McpEvent', driverAdapterError },
  });
};
const ofPostgres = (originalCode: string, originalMessage = 'x') => {
  return ofPrisma('P2039', { kind: 'postgres', code: originalCode, originalCode, originalMessage, message: originalMessage });
};
const ofMysql = (code: number) => {
  return ofPrisma('P2039', { kind: 'mysql', code, originalCode: String(code), originalMessage: 'x', message: 'x', state: 'HY000' });
};
const ofSqlite = (code: number, message: string) => {
  return ofPrisma('P2039', { kind: 'sqlite', extendedCode: code, originalCode: String(code), originalMessage: message, message });
};

describe('isOutage', () => {
  it.each(['P1001', 'P1002', 'P1008', 'P1011', 'P1017', 'P2024', 'P2034', 'P2037'])('knows Prisma’s %s', code => {
    expect(isOutage(coded(code))).toBe(true);
    // As an initialization error has it.
    expect(isOutage(Object.assign(new Error('x'), { errorCode: code }))).toBe(true);
  });

  it.each([
    ...['08000', '08003', '08006', '53000', '53100', '53200', '53300', '40001', '40P01', '58000', '58030'],
    ...['55P03', '57014', '57P01', '57P02', '57P03', '57P05', '25006'],
  ])('knows PostgreSQL’s %s, from Prisma and from the driver', state => {
    expect(isOutage(ofPostgres(state))).toBe(true);
    expect(isOutage(coded(state))).toBe(true);
  });

  it.each([
    ofSqlite(13, 'SQLITE_FULL: database or disk is full'),
    ofSqlite(10, 'SQLITE_IOERR: disk I/O error'),
    coded('SQLITE_BUSY', 'SQLITE_BUSY: cannot commit transaction - SQL statements in progress', { rawCode: 5 }),
    coded('SQLITE_BUSY_SNAPSHOT', 'database is locked'),
    coded('SQLITE_LOCKED', 'database table is locked'),
    coded('SQLITE_IOERR_WRITE', 'disk I/O error'),
    new Error('database is locked'),
  ])('knows SQLite’s $message', error => {
    expect(isOutage(error)).toBe(true);
  });

  it.each([1021, 1040, 1053, 1114, 1205, 1213, 1226, 1290, 1317, 1927, 1969, 2006, 2013, 3024, 4031, 45009, 45012, 45013, 45028])(
    'knows MySQL’s %i',
    code => {
      expect(isOutage(ofMysql(code))).toBe(true);
    },
  );

  it.each(['PROTOCOL_CONNECTION_LOST', 'ER_CON_COUNT_ERROR', 'ER_LOCK_DEADLOCK', 'ER_GET_CONNECTION_TIMEOUT', 'ER_SOCKET_TIMEOUT'])(
    'knows MySQL’s %s',
    code => {
      expect(isOutage(coded(code))).toBe(true);
    },
  );

  it.each([1044, 1045, 1049, 1054, 1062, 1146, 1264, 1406, 1451, 1452, 3819, 45046])('does not take MySQL’s %i for an outage', code => {
    expect(isOutage(ofMysql(code))).toBe(false);
  });

  it.each(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENOTFOUND', 'EAI_AGAIN'])('knows Node’s %s', code => {
    expect(isOutage(coded(code))).toBe(true);
    expect(isOutage(Object.assign(new AggregateError([]), { code }))).toBe(true);
  });

  it.each([
    'Connection terminated unexpectedly',
    'Connection terminated',
    'Connection terminated due to connection timeout',
    'Client has encountered a connection error and is not queryable',
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'connect ENOENT /var/run/postgresql/.s.PGSQL.5432',
  ])('knows what has no code: %s', message => {
    expect(isOutage(new Error(message))).toBe(true);
    expect(isOutage(new Error('outer', { cause: new Error(message) }))).toBe(true);
  });

  it('knows a pool that has no connection for a transaction, from one that ran out of its time', () => {
    expect(isOutage(coded('P2028', 'Transaction API error: Unable to start a transaction in the given time.'))).toBe(true);
    expect(isOutage(coded('P2028', 'Transaction API error: A query cannot be executed on an expired transaction.'))).toBe(false);
  });

  it.each(['P1000', 'P1003', 'P1010', 'P2000', 'P2002', 'P2003', 'P2007', 'P2010', 'P2011', 'P2021', 'P2022', 'P2025', 'P2039'])(
    'does not take %s for an outage',
    code => {
      expect(isOutage(coded(code))).toBe(false);
    },
  );

  it.each(['22001', '22021', '22P02', '23502', '23503', '23505', '23514', '3D000', '28000', '28P01', '42501', '42P01', '54000', 'P0001'])(
    'does not take PostgreSQL’s %s for an outage',
    state => {
      expect(isOutage(ofPostgres(state))).toBe(false);
    },
  );

  it.each([
    ofSqlite(1, 'SQLITE_ERROR: no such table: main.McpNode'),
    ofSqlite(8, 'SQLITE_READONLY: attempt to write a readonly database'),
    ofSqlite(11, 'SQLITE_CORRUPT: database disk image is malformed'),
    ofPrisma('P2002', { kind: 'UniqueConstraintViolation', originalCode: '2067', originalMessage: 'SQLITE_CONSTRAINT: UNIQUE' }),
  ])('does not take SQLite’s $meta.driverAdapterError.cause.originalMessage for an outage', error => {
    expect(isOutage(error)).toBe(false);
  });

  it('is not misled by data that an error repeats, nor by what is no error', () => {
    const message = '\nInvalid `create()` invocation: { data: "database is locked", text: "Connection terminated" }';
    expect(isOutage(Object.assign(new Error(message), { name: 'PrismaClientValidationError' }))).toBe(false);
    for (const value of [undefined, null, 'P1001', 'ECONNRESET', 57, {}]) expect(isOutage(value)).toBe(false);
    expect(isOutage(coded(1001))).toBe(false);
  });

  it('looks through causes, but not for ever', () => {
    const circular = coded('X');
    circular.cause = circular;
    expect(isOutage(circular)).toBe(false);
    expect(isOutage({ cause: { cause: { meta: { driverAdapterError: { code: 'EPIPE' } } } } })).toBe(true);
  });

  it('knows an error of its own, of another copy of this package too', () => {
    expect(isOutage(new StoreUnavailable('x'))).toBe(true);
    expect(isOutage(Object.assign(new Error('x'), { name: 'StoreUnavailable' }))).toBe(true);
  });
});

describe('withOutages', () => {
  const failingWith = (error: Error): Store => withOutages({ ...memoryStore(), find: () => Promise.reject(error) });

  it('gives StoreUnavailable with the cause, and other errors as they are', async () => {
    const away = ofPostgres('57P01');
    const thrown: unknown = await failingWith(away)
      .find('a')
      .catch((error: unknown) => error);
    expect(StoreUnavailable.isError(thrown)).toBe(true);
    expect(thrown).toMatchObject({ message: expect.stringContaining('`find`'), cause: away });
    const refused = coded('P2021');
    await expect(failingWith(refused).find('a')).rejects.toBe(refused);
    const own = new StoreUnavailable('own');
    await expect(failingWith(own).find('a')).rejects.toBe(own);
  });
});

describe('bounded', () => {
  afterEach(() => vi.useRealTimers());
  const never = <T>(): Promise<T> => new Promise(() => {});

  it('lets every verb of a store that never answers reject in time', async () => {
    const store = memoryStore();
    const verbs = Object.keys(store) as (keyof Store)[];
    const silent = Object.fromEntries(verbs.map(verb => [verb, never])) as unknown as Store;
    const tried = bounded(silent, 20);
    expect(Object.keys(tried).sort()).toEqual([...verbs].sort());
    const answers = await Promise.allSettled(verbs.map(verb => (tried[verb] as () => Promise<unknown>)()));
    for (const [index, answer] of answers.entries()) {
      expect(answer).toMatchObject({
        status: 'rejected',
        reason: { name: 'StoreUnavailable', message: `the store has not answered \`${verbs[index]}\` within 20 ms` },
      });
    }
  });

  it('gives answers and errors as they are, and keeps the arguments', async () => {
    const store = bounded(memoryStore(), 5_000);
    const session = newSession();
    await store.create(session);
    expect(await store.find(session.id)).toEqual(session);
    await store.append([newEvent('s', 'a')]);
    expect(await store.read({ after: 0, gaps: [], limit: 1 })).toEqual([{ id: 1, stream: 's', data: 'a' }]);
    const refused = new Error('refused');
    await expect(bounded<Store>({ ...memoryStore(), find: () => Promise.reject(refused) }, 5_000).find('a')).rejects.toBe(refused);
  });

  it('ignores what comes late, an error too', async () => {
    const late: PromiseWithResolvers<undefined>[] = [];
    const slow = {
      ...memoryStore(),
      find: () => {
        const answer = withResolvers<undefined>();
        late.push(answer);
        return answer.promise;
      },
    };
    const store = bounded<Store>(slow, 10);
    const unhandled: unknown[] = [];
    const note = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', note);
    await expect(store.find('a')).rejects.toThrow('within 10 ms');
    await expect(store.find('b')).rejects.toThrow('within 10 ms');
    late[0]?.resolve(undefined);
    late[1]?.reject(new Error('late'));
    await new Promise(resolve => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  it('leaves no timer behind, and takes a store that throws at once or is a class', async () => {
    class Own {
      readonly #sessions = memoryStore();
      find(id: string) {
        return this.#sessions.find(id);
      }
      end(): Promise<boolean> {
        throw new Error('thrown');
      }
    }
    vi.useFakeTimers();
    const store = bounded(new Own() as unknown as Store, 60_000);
    expect(await store.find(newId())).toBeUndefined();
    await expect(store.end(newId())).rejects.toThrow('thrown');
    expect(vi.getTimerCount()).toBe(0);
  });
});

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let [resolve, reject]: [(value: T) => void, (error: Error) => void] = [() => {}, () => {}];
  const promise = new Promise<T>((...functions) => {
    [resolve, reject] = functions;
  });
  return { promise, resolve, reject };
}
