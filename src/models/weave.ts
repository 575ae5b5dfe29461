import { foldWhere } from './fold.ts';
import type { ModelNode, Relation } from './graph.ts';
import { noRow } from './graph.ts';
import type { Args, Policies, RowFilter } from './policy.ts';
import { both } from './policy.ts';
import { isEmpty, isObject } from './refusal.ts';

/**
 * Puts the row policies of related models into the relation filters of a Prisma `where`, so that rows a policy hides count
 * as if they did not exist:
 *
 * - `some: W` → `some: AND[P, W]`; `none: W` → `none: AND[P, W]`; `every: W` → `none: AND[P, NOT W]`
 * - `is: W` → `is: AND[P, W]`; `isNot: W` → `isNot: AND[P, W]`; `null` → `isNot: P`
 *
 * A policy itself is the host's word and is taken as it stands.
 */
export function weaveWhere(node: ModelNode, where: Args, policies: Policies): Args {
  return weave(node, foldWhere(node, where), policies);
}

/** The same for a unique `where`, whose key must stay on top. */
export function weaveUnique(node: ModelNode, where: Args, policies: Policies): Args {
  const key: Args = {};
  const conditions: Args = {};
  for (const [name, value] of Object.entries(where)) {
    const condition = node.relations.has(name) || name === 'AND' || name === 'OR' || name === 'NOT';
    (condition ? conditions : key)[name] = value;
  }
  return isEmpty(conditions) ? key : { ...key, AND: [weaveWhere(node, conditions, policies)] };
}

function weave(node: ModelNode, where: Args, policies: Policies): Args {
  const woven: Args = {};
  const conditions: Args[] = [];
  for (const [name, value] of Object.entries(where)) {
    const relation = node.relations.get(name);
    if (relation !== undefined) conditions.push(...weaveRelation(relation, value, policies));
    else if (name === 'AND') conditions.push(...(value as Args[]).map(part => weave(node, part, policies)));
    else if (name === 'OR' || name === 'NOT') woven[name] = (value as Args[]).map(part => weave(node, part, policies));
    else woven[name] = value;
  }
  if (conditions.length > 0) woven['AND'] = conditions;
  return woven;
}

/** The policy of a model on the far side of a relation, whatever the operation that reached it. */
export function relatedFilter(relation: Relation, policies: Policies): RowFilter {
  return policies.filter(relation.target, 'findMany');
}

/** The `where` of a related list: the caller's or host's part with the policy. */
export function relatedWhere(relation: Relation, where: unknown, policies: Policies): Args | undefined {
  const part = isObject(where) ? weaveWhere(relation.target, where, policies) : undefined;
  return both(part, relatedFilter(relation, policies));
}

function weaveRelation(relation: Relation, filter: unknown, policies: Policies): Args[] {
  const conditions = relation.toMany ? weaveToMany(relation, filter, policies) : weaveToOne(relation, filter, policies);
  return conditions.map(condition => ({ [relation.name]: condition }));
}

function weaveToMany(relation: Relation, filter: unknown, policies: Policies): Args[] {
  const conditions: Args[] = [];
  for (const [operator, part] of Object.entries(filter as Args)) {
    const where = weave(relation.target, part as Args, policies);
    const policy = relatedFilter(relation, policies);
    if (operator !== 'every' || policy === undefined) conditions.push({ [operator]: both(where, policy) ?? {} });
    else conditions.push({ none: { AND: [policy, { NOT: where }] } });
  }
  return conditions;
}

function weaveToOne(relation: Relation, filter: unknown, policies: Policies): Args[] {
  if (filter === null) return [absent(relation, policies)];
  const parts = filter as Args;
  const conditions: Args[] = [];
  if (parts['is'] === null) conditions.push(absent(relation, policies));
  else if (parts['is'] !== undefined) conditions.push({ is: relatedWhere(relation, parts['is'], policies) ?? {} });
  if (parts['isNot'] === null) conditions.push(present(relation, policies));
  else if (parts['isNot'] !== undefined) conditions.push({ isNot: relatedWhere(relation, parts['isNot'], policies) ?? {} });
  return conditions;
}

/** There is no related row that the caller may see. */
function absent(relation: Relation, policies: Policies): Args {
  const policy = relatedFilter(relation, policies);
  if (policy !== undefined) return { isNot: policy };
  return relation.required ? { is: noRow(relation.target) } : { is: null };
}

function present(relation: Relation, policies: Policies): Args {
  const policy = relatedFilter(relation, policies);
  if (policy !== undefined) return { is: policy };
  return relation.required ? { is: {} } : { isNot: null };
}
