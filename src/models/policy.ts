import type { CallContext } from '../protocol/definitions.ts';
import type { Args } from './delegates.ts';
import type { ModelNode } from './graph.ts';
import { hasPolicy, noRow } from './graph.ts';
import { resolveWhere } from './host-args.ts';
import { isEmpty, isObject } from './messages.ts';

/** `undefined` means that every row is visible. */
export type RowFilter = Args | undefined;

/**
 * The row policies of one call. Each policy function runs at most once per model and operation.
 *
 * Reading is synchronous, so that weaving them into a query is plain recursion: a policy that must be awaited is noted, and
 * `settled` runs the recursion again once it is there.
 */
export class Policies {
  readonly #ctx: CallContext;
  readonly #filters = new Map<string, RowFilter>();
  readonly #pending = new Map<string, Promise<void>>();

  constructor(ctx: CallContext) {
    this.#ctx = ctx;
  }

  /** The filter on rows of `node` for a Prisma operation. */
  filter(node: ModelNode, operation: string): RowFilter {
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
    // Not there yet. Should this ever reach the database, it finds nothing.
    return noRow(node);
  }

  /** The result of `build` once every policy it reads is known; `build` may run more than once. */
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
    // Awaited in `settled`; without this, another policy that fails first would leave this failure unhandled.
    waiting.catch(() => undefined);
    return waiting;
  }

  #keep(id: string, node: ModelNode, operation: string, value: unknown): RowFilter {
    const filter = toFilter(resolveWhere(value, node, `models.${node.key}.where (returned for ${operation})`));
    this.#filters.set(id, filter);
    return filter;
  }
}

/** Both conditions; a missing one is no condition. */
export function both(first: Args | undefined, second: RowFilter): Args | undefined {
  if (second === undefined) return first;
  return first === undefined || isEmpty(first) ? second : { AND: [first, second] };
}

function toFilter(value: Args): RowFilter {
  return isEmpty(value) ? undefined : value;
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/**
 * Throws at an `orderBy` that goes through a relation to a model with a row policy: the order would tell what hidden rows say, or how many they are,
 * and Prisma has no filter there.
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
