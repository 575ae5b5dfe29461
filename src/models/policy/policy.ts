import type { CallContext } from '../../protocol/definitions.ts';
import { isObject } from '../../protocol/definitions.ts';
import type { ModelNode } from '../datamodel/graph.ts';
import { hasPolicy, noRow } from '../datamodel/graph.ts';
import type { Args } from '../declaration/delegates.ts';
import { isEmpty } from '../declaration/delegates.ts';
import { resolveWhere } from './host-args.ts';
import { twoValued } from './two-valued.ts';

/** `undefined` means that every row is visible. */
export type RowFilter = Args | undefined;

const writes: ReadonlySet<string> = new Set(['create', 'update', 'delete']);

/**
 * The row policies of one call. Each policy function runs at most once per model and operation.
 *
 * `filter` is synchronous, so that adding policies to a query is plain recursion. If a policy function returns a promise, `filter` gives a
 * placeholder, and `settled` runs the recursion again when the promise is resolved.
 */
export class Policies {
  readonly #ctx: CallContext;
  readonly #filters = new Map<string, RowFilter>();
  readonly #pending = new Map<string, Promise<void>>();

  constructor(ctx: CallContext) {
    this.#ctx = ctx;
  }

  /**
   * The filter on rows of `node` for a Prisma operation.
   *
   * The filter of a write is never NULL: Prisma negates a condition on a related row in the `where` of a write without SQL's NULL, and the filter would be
   * true for rows that no read finds.
   */
  filter(node: ModelNode, operation: string): RowFilter {
    const filter = this.#filter(node, operation);
    return filter !== undefined && writes.has(operation) ? twoValued(node, filter) : filter;
  }

  #filter(node: ModelNode, operation: string): RowFilter {
    const policy = node.exposure?.policy;
    if (policy === undefined) return undefined;
    if (typeof policy !== 'function') return toFilter(policy);
    const id = `${node.key}.${operation}`;
    if (this.#filters.has(id)) return this.#filters.get(id);
    if (!this.#pending.has(id)) {
      const value = policy(this.#ctx, operation);
      if (!isPromise(value)) return this.#keep(id, node, operation, value);
      this.#pending.set(id, this.#wait(id, node, operation, value));
    }
    // The placeholder. If it ever reached the database, it would find nothing.
    return noRow(node);
  }

  /** The result of `build` once every policy that it reads is known. `build` may run more than once. */
  settled<T>(build: () => T): T | Promise<T> {
    const result = build();
    return this.#pending.size === 0 ? result : Promise.all(this.#pending.values()).then(() => this.settled(build));
  }

  #wait(id: string, node: ModelNode, operation: string, value: Promise<unknown>): Promise<void> {
    const waiting = value
      .then(result => {
        this.#keep(id, node, operation, result);
      })
      .finally(() => this.#pending.delete(id));
    // `settled` awaits it. If another policy fails first, nobody else handles the rejection of this one.
    waiting.catch(() => undefined);
    return waiting;
  }

  #keep(id: string, node: ModelNode, operation: string, value: unknown): RowFilter {
    const filter = toFilter(resolveWhere(value, node, `models.${node.key}.where (returned for ${operation})`));
    this.#filters.set(id, filter);
    return filter;
  }
}

/** Both conditions, of which either may be missing. */
export function both(first: Args | undefined, second: RowFilter): Args | undefined {
  if (second === undefined) return first;
  return first === undefined || isEmpty(first) ? second : { AND: [first, second] };
}

/**
 * Throws at an `orderBy` through a relation to a model with a row policy. The order would show values of hidden rows, or their number, and Prisma
 * cannot filter there.
 */
export function assertOrderInSight(node: ModelNode, orderBy: unknown, path: string): void {
  for (const step of Array.isArray(orderBy) ? (orderBy as unknown[]) : [orderBy]) {
    if (!isObject(step)) continue;
    for (const [name, order] of Object.entries(step)) {
      const relation = node.relations.get(name);
      if (relation === undefined || order === undefined) continue;
      const { target, toMany } = relation;
      if (hasPolicy(target)) {
        throw new TypeError(
          `${path}.${name}: models.${target.key}.where cannot reach into an order; order by columns of ${node.name} itself`,
        );
      }
      if (!toMany) assertOrderInSight(target, order, `${path}.${name}`);
    }
  }
}

function toFilter(value: Args): RowFilter {
  return isEmpty(value) ? undefined : value;
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
