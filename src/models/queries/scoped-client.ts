import type { CallContext } from '../../protocol/definitions.ts';
import { isObject } from '../../protocol/definitions.ts';
import type { ModelGraph, ModelNode } from '../datamodel/graph.ts';
import { hasPolicy } from '../datamodel/graph.ts';
import type { Args, BaseClient, Delegate, Delegates, PrismaClientLike } from '../declaration/delegates.ts';
import { delegateOf } from '../declaration/delegates.ts';
import { Policies } from '../policy/policy.ts';
import type { Execution, RunQuery, ScopedOperation } from './scoped-operations.ts';
import { isScopable, queryRunner } from './scoped-operations.ts';

/**
 * `ctx.prisma`: the host's client, held to the row policies of one caller. Gives the client itself if no model has a policy.
 *
 * Every query of an exposed model gets its policy, and so do the relations, relation counts and relation filters inside queries of any model. A write
 * that leaves a row outside the policy is rolled back. Calls that cannot be scoped are refused: raw SQL, `$extends`, methods that a client extension
 * added to a delegate, nested writes into a model with a policy. All columns are visible, because the client serves the host's own code.
 *
 * The scoped client is made of proxies. The query hook of `$extends` can neither open a transaction nor run a second query inside one.
 */
export function clientScope(client: BaseClient, graph: ModelGraph): (ctx: CallContext) => PrismaClientLike {
  if (![...graph.byKey.values()].some(hasPolicy)) return () => client;
  return ctx => scopeClient(client, graph, queryRunner(new Policies(ctx)));
}

const passed: ReadonlySet<string> = new Set(['$connect', '$disconnect', '$on']);

function scopeClient(client: BaseClient, graph: ModelGraph, run: RunQuery): PrismaClientLike {
  const execution: Execution = {
    client,
    transact: (work, options) => client.$transaction(work, ...(options === undefined ? [] : [options])),
  };
  return scopeProxy(graph, run, execution, (work, options) => {
    if (isWork(work)) return client.$transaction(tx => work(scopeTransaction(tx, graph, run)), ...options);
    return client.$transaction(tx => runAll(work, inTransaction(tx)), ...options);
  });
}

function scopeTransaction(tx: Delegates, graph: ModelGraph, run: RunQuery): PrismaClientLike {
  const execution = inTransaction(tx);
  // A nested transaction is part of the outer one.
  const scoped = scopeProxy(graph, run, execution, async work => (isWork(work) ? work(scoped) : runAll(work, execution)));
  return scoped;
}

function inTransaction(tx: Delegates): Execution {
  return { client: tx, transact: work => work(tx) };
}

async function runAll(queries: unknown, execution: Execution): Promise<unknown[]> {
  const results: unknown[] = [];
  for (const query of Array.isArray(queries) ? (queries as unknown[]) : []) {
    if (!(query instanceof ScopedQuery))
      throw new TypeError('ctx.prisma.$transaction: takes queries of ctx.prisma, not yet awaited, or a function');
    results.push(await query.runIn(execution));
  }
  return results;
}

/** Whether the argument of `$transaction` is a function, rather than a list of queries. */
function isWork(value: unknown): value is (tx: PrismaClientLike) => Promise<unknown> {
  return typeof value === 'function';
}

type Transact = (work: unknown, options: unknown[]) => Promise<unknown>;

function scopeProxy(graph: ModelGraph, run: RunQuery, execution: Execution, transact: Transact): PrismaClientLike {
  const delegates = new Map<string, object>();
  return new Proxy(execution.client, {
    get(target, property) {
      if (typeof property !== 'string') return Reflect.get(target, property) as unknown;
      const node = graph.byKey.get(property);
      if (node !== undefined) {
        let delegate = delegates.get(property);
        if (delegate === undefined) {
          delegate = scopeDelegate(delegateOf(target, node), node, run, execution);
          delegates.set(property, delegate);
        }
        return delegate;
      }
      if (property === '$transaction') return (work: unknown, ...options: unknown[]) => transact(work, options);
      const value: unknown = Reflect.get(target, property);
      if (passed.has(property) && typeof value === 'function') return value.bind(target) as unknown;
      if (property.startsWith('$') && typeof value === 'function') {
        return () => {
          throw new TypeError(
            `ctx.prisma.${property}: cannot be held to row policies; use the queries of ctx.prisma, or a client of your own`,
          );
        };
      }
      // A method of a client extension runs with the scoped client as its `this`.
      return property.startsWith('$') ? undefined : value;
    },
  });
}

function scopeDelegate(delegate: Delegate, node: ModelNode, run: RunQuery, execution: Execution): object {
  const methods = new Map<string, unknown>();
  return new Proxy(delegate, {
    get(target, property) {
      if (typeof property !== 'string') return Reflect.get(target, property) as unknown;
      let method = methods.get(property);
      if (method === undefined) {
        const value: unknown = Reflect.get(target, property);
        if (typeof value !== 'function') return property.startsWith('$') ? undefined : value;
        method = isScopable(property) ? scopedMethod(execution, node, property, run) : refusedMethod(node, property);
        methods.set(property, method);
      }
      return method;
    },
  });
}

function refusedMethod({ key }: ModelNode, property: string): () => never {
  return () => {
    throw new TypeError(
      `ctx.prisma.${key}.${property}: cannot be held to row policies; use a query of Prisma's own, or a client of your own`,
    );
  };
}

/**
 * A query of the scoped client. Like a Prisma promise, it runs when it is awaited or when `$transaction([…])` runs it, and it has the
 * relations of the row as methods.
 */
class ScopedQuery implements Promise<unknown> {
  readonly [Symbol.toStringTag] = 'PrismaPromise';
  readonly #start: (execution: Execution) => Promise<unknown>;
  readonly #execution: Execution;
  #running: Promise<unknown> | undefined;

  constructor(execution: Execution, start: (execution: Execution) => Promise<unknown>) {
    this.#execution = execution;
    this.#start = start;
  }

  /** Runs the query elsewhere, e.g. in an open transaction. */
  runIn(execution: Execution): Promise<unknown> {
    return this.#start(execution);
  }

  // biome-ignore lint/suspicious/noThenProperty: a query is awaited like a promise, and starts when it is.
  then<A = unknown, B = never>(
    onFulfilled?: ((value: unknown) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#running ??= this.#start(this.#execution);
    return this.#running.then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<unknown> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<unknown> {
    return this.then().finally(onFinally);
  }
}

/** The delegate method `operation` of the scoped client. */
function scopedMethod(execution: Execution, node: ModelNode, operation: ScopedOperation, run: RunQuery): (args?: Args) => ScopedQuery {
  return (args = {}) => {
    const query = new ScopedQuery(execution, within => run(within, node, operation, args));
    for (const relation of node.relations.values()) {
      // `prisma.booking.findUnique(…).client()`
      void Object.defineProperty(query, relation.name, {
        value: (related?: Args) =>
          new ScopedQuery(execution, async within => {
            const { include: _, omit: __, ...rest } = args;
            const row = await run(within, node, operation, { ...rest, select: { [relation.name]: related ?? true } });
            return isObject(row) ? row[relation.name] : null;
          }),
      });
    }
    return query;
  };
}
