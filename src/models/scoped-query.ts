import type { ModelNode } from './graph.ts';
import type { Args } from './policy.ts';
import type { Delegates, Row } from './scoped-selection.ts';

/** Where a scoped query runs: on the client, or inside a transaction that is already open. */
export interface Execution {
  readonly client: Delegates;
  /** Runs work in the open transaction, or in one of its own. */
  readonly transact: <T>(work: (tx: Delegates) => Promise<T>) => Promise<T>;
}

/** What runs a query of the scoped client. */
export type RunQuery = (execution: Execution, node: ModelNode, operation: string, args: Args) => Promise<unknown>;

/**
 * A query of the scoped client. Like a Prisma promise, it runs when it is awaited, or inside the `$transaction([…])` it is given to, and
 * the relations of the row are methods of it.
 */
export class ScopedQuery implements Promise<unknown> {
  readonly [Symbol.toStringTag] = 'PrismaPromise';
  readonly #start: (execution: Execution) => Promise<unknown>;
  readonly #execution: Execution;
  #running: Promise<unknown> | undefined;

  constructor(execution: Execution, start: (execution: Execution) => Promise<unknown>) {
    this.#execution = execution;
    this.#start = start;
  }

  /** Runs in a transaction opened by somebody else. */
  runIn(execution: Execution): Promise<unknown> {
    return this.#start(execution);
  }

  // biome-ignore lint/suspicious/noThenProperty: a query is awaited like a promise, and starts no sooner.
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
export function scopedMethod(execution: Execution, node: ModelNode, operation: string, run: RunQuery): (args?: Args) => ScopedQuery {
  return (args = {}) => {
    const query = new ScopedQuery(execution, within => run(within, node, operation, args));
    for (const relation of node.relations.values()) {
      // `prisma.booking.findUnique(…).client()`
      void Object.defineProperty(query, relation.name, {
        value: (related?: Args) =>
          new ScopedQuery(execution, async within => {
            const { include: _, omit: __, ...rest } = args;
            const row = (await run(within, node, operation, { ...rest, select: { [relation.name]: related ?? true } })) as Row | null;
            return row === null ? null : row[relation.name];
          }),
      });
    }
    return query;
  };
}
