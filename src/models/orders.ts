import type { ModelNode } from './graph.ts';
import { isObject } from './messages.ts';
import { hasPolicy } from './policy.ts';

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
