import { isObject } from '../../protocol/definitions.ts';
import type { Args, Delegate, Row } from '../declaration/delegates.ts';

/** Where the writes of a live client are told. An endpoint adds its listener. */
export interface LiveWrites {
  /** Calls `listener` after each commit, until the returned function is called. It must not throw. */
  listen(listener: LiveListener): () => void;
}

/** An endpoint's view of the writes of its client. */
export interface LiveListener {
  /** Prepares the report of a write; `undefined` if the write concerns no resource. */
  readonly prepare: (model: string, operation: string, args: Args) => PreparedWrite | undefined;
  /** Takes the changes of a commit. */
  readonly committed: (changes: readonly string[]) => void;
  readonly onError: (error: unknown) => void;
}

/** A write with which the changes that it makes can be told. */
export interface PreparedWrite {
  /** The same write, whose result also has the key of the row. */
  readonly args: Args;
  /** The columns that only this package has selected. */
  readonly added: readonly string[];
  /** The changes, from the result. `undefined` stands for a result that does not tell which row was written. */
  readonly changesOf: (row: Row | undefined) => readonly string[];
}

const writes: ReadonlySet<string> = new Set([
  'create',
  'createMany',
  'createManyAndReturn',
  'update',
  'updateMany',
  'updateManyAndReturn',
  'upsert',
  'delete',
  'deleteMany',
]);

/** The property under which `mcp()` finds the writes of a client. Registered, because an app may load two copies of this package. */
const liveWrites = Symbol.for('koa-mcp.live');

/**
 * The same Prisma client, whose committed writes update the resources of models: subscribers that can see the row are notified.
 *
 * `const prisma = live(new PrismaClient({ adapter }))`, for the app's own queries and for `mcp({ prisma, … })`
 *
 * A transaction is told when it is committed, and never if it is rolled back. Raw SQL, writes of other clients, and writes before `mcp()`
 * are not seen; `rowsChanged()` of the endpoint tells of them. A result is the same as without `live`.
 *
 * @throws {TypeError} `client` is not a Prisma client.
 */
export function live<C extends object>(client: C): C {
  if (typeof (client as LiveTarget).$transaction !== 'function') throw new TypeError('live(): takes a Prisma client');
  if (liveWritesOf(client) !== undefined) return client;
  return liveProxy(client as LiveTarget, new Writes()) as C;
}

/** Where the writes of a client are told; `undefined` if `live()` did not make it. */
export function liveWritesOf(client: object): LiveWrites | undefined {
  return (client as { [liveWrites]?: LiveWrites })[liveWrites];
}

/** A Prisma client, or a transaction of one. */
interface LiveTarget extends Record<string, unknown> {
  readonly $transaction?: (work: unknown, ...options: unknown[]) => Promise<unknown>;
  readonly $extends?: (extension: unknown) => LiveTarget;
}

/** Takes the changes of writes: tells them, or keeps them until the transaction is committed. */
type Sink = (noted: Noted) => void;

/** The changes of one write, by the listener that they concern. */
type Noted = ReadonlyMap<LiveListener, readonly string[]>;

class Writes implements LiveWrites {
  readonly #listeners = new Set<LiveListener>();

  listen(listener: LiveListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Prepares a write. If that fails, the write runs as it is. */
  prepare(model: string, operation: string, args: unknown): TrackedWrite | undefined {
    if (this.#listeners.size === 0 || !isObject(args)) return undefined;
    let whole: Args = args;
    const added: string[] = [];
    const prepared: [LiveListener, PreparedWrite][] = [];
    for (const listener of this.#listeners) {
      try {
        const write = listener.prepare(model, operation, whole);
        if (write === undefined) continue;
        whole = write.args;
        added.push(...write.added);
        prepared.push([listener, write]);
      } catch (error) {
        listener.onError(error);
      }
    }
    return prepared.length === 0 ? undefined : { args: whole, added, prepared };
  }

  readonly committed: Sink = noted => {
    for (const [listener, changes] of noted) {
      try {
        listener.committed(changes);
      } catch (error) {
        listener.onError(error);
      }
    }
  };
}

interface TrackedWrite {
  readonly args: Args;
  readonly added: readonly string[];
  readonly prepared: readonly (readonly [LiveListener, PreparedWrite])[];
}

function liveProxy(client: LiveTarget, told: Writes, sink: Sink = told.committed): LiveTarget {
  const delegates = new Map<string, unknown>();
  return new Proxy(client, {
    get(target, property) {
      if (property === liveWrites) return told;
      const value: unknown = Reflect.get(target, property);
      if (typeof property !== 'string' || value === undefined || value === null) return value;
      if (property === '$transaction') return (work: unknown, ...options: unknown[]) => transact({ target, told, sink }, work, options);
      if (property === '$extends') return (extension: unknown) => liveProxy(target.$extends?.(extension) as LiveTarget, told, sink);
      if (property.startsWith('$')) return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      if (!isDelegate(value)) return value;
      let delegate = delegates.get(property);
      if (delegate === undefined) {
        delegate = liveDelegate(value, property, told, sink);
        delegates.set(property, delegate);
      }
      return delegate;
    },
  });
}

function isDelegate(value: unknown): value is Delegate {
  return typeof value === 'object' && value !== null && typeof (value as { findMany?: unknown }).findMany === 'function';
}

interface Transacting {
  readonly target: LiveTarget;
  readonly told: Writes;
  readonly sink: Sink;
}

/** Runs a transaction and tells its changes once it is committed. */
async function transact({ target, told, sink }: Transacting, work: unknown, options: unknown[]): Promise<unknown> {
  const kept = new Map<LiveListener, string[]>();
  let isCommitting = false;
  const keep: Sink = noted => {
    for (const [listener, changes] of noted) kept.set(listener, [...(kept.get(listener) ?? []), ...changes]);
  };
  const run = async (tx: LiveTarget): Promise<unknown> => {
    const result = await (work as (tx: LiveTarget) => unknown)(liveProxy(tx, told, keep));
    isCommitting = true;
    return result;
  };
  try {
    if (typeof work === 'function') return await target.$transaction?.(run, ...options);
    const results = await target.$transaction?.(toQueries(work, keep), ...options);
    isCommitting = true;
    return results;
  } finally {
    // A commit whose answer was lost may have been made. A resource that did not change is not told.
    if (isCommitting) sink(kept);
  }
}

/** The queries of a list. Prisma resolves each of them also if a later one fails, so the list keeps their changes. */
function toQueries(work: unknown, keep: Sink): unknown {
  return Array.isArray(work) ? work.map((query: Rebindable) => query[rebind]?.(keep) ?? query) : work;
}

/** The property of a query of a live client that makes the same query, whose changes another sink takes. */
const rebind = Symbol('rebind');

interface Rebindable {
  readonly [rebind]?: (sink: Sink) => PrismaPromise;
}

function liveDelegate(delegate: Delegate, model: string, told: Writes, sink: Sink): Delegate {
  return new Proxy(delegate, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof property !== 'string' || !writes.has(property) || typeof value !== 'function') return value;
      return (args: unknown) => {
        const write = told.prepare(model, property, args);
        if (write === undefined) return value.call(target, args) as unknown;
        return trackedQuery(value.call(target, write.args) as PrismaPromise, (result, taker) => settle(write, result, taker), sink);
      };
    },
  });
}

/** Notes the changes and gives the result that the app has asked for. */
function settle({ added, prepared }: TrackedWrite, result: unknown, sink: Sink): unknown {
  const row = isObject(result) ? result : undefined;
  const noted = new Map<LiveListener, readonly string[]>();
  for (const [listener, { changesOf }] of prepared) {
    try {
      noted.set(listener, changesOf(row));
    } catch (error) {
      listener.onError(error);
    }
  }
  sink(noted);
  return row === undefined || added.length === 0 ? result : without(row, added);
}

function without(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name)));
}

/** A query that runs when it is awaited, or when `$transaction([…])` runs it. */
interface PrismaPromise extends Promise<unknown> {
  readonly requestTransaction?: (batch: unknown) => PromiseLike<unknown>;
}

/** Tells the changes of a query that has run. Returns the result for the app. */
type Settle = (result: unknown, sink: Sink) => unknown;

/** The same query, with `settle` between its result and the app. Prisma's own methods for relations (`update(…).client()`) stay. */
function trackedQuery(query: PrismaPromise, settle: Settle, sink: Sink): PrismaPromise {
  let settled: Promise<unknown> | undefined;
  const run = () => {
    settled ??= query.then(result => settle(result, sink));
    return settled;
  };
  const own: Record<string, unknown> = {
    // biome-ignore lint/suspicious/noThenProperty: a query is awaited like a promise, and starts when it is.
    then: (resolve: never, reject: never) => run().then(resolve, reject),
    catch: (reject: never) => run().catch(reject),
    finally: (done: never) => run().finally(done),
  };
  if (query.requestTransaction !== undefined)
    own['requestTransaction'] = (batch: unknown) => query.requestTransaction?.(batch).then(result => settle(result, sink));
  return new Proxy(query, {
    get(target, property) {
      if (property === rebind) return (taker: Sink) => trackedQuery(query, settle, taker);
      if (typeof property === 'string' && Object.hasOwn(own, property)) return own[property];
      const value: unknown = Reflect.get(target, property);
      if (typeof property !== 'string' || typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const related = value.apply(target, args) as unknown;
        return isQuery(related) ? trackedQuery(related, settleUnknown(settle), sink) : related;
      };
    },
  });
}

/** For a query whose result is a related row: it does not tell which row was written. */
function settleUnknown(settle: Settle): Settle {
  return (result, sink) => {
    settle(undefined, sink);
    return result;
  };
}

function isQuery(value: unknown): value is PrismaPromise {
  return typeof value === 'object' && value !== null && typeof (value as PrismaPromise).then === 'function';
}
