import { isObject } from '../../protocol/definitions.ts';
import type { ModelNode, Relation } from '../datamodel/graph.ts';
import { noRow } from '../datamodel/graph.ts';
import type { Args } from '../declaration/delegates.ts';
import { isEmpty } from '../declaration/delegates.ts';
import { refuse } from '../messages.ts';
import type { Policies, RowFilter } from './policy.ts';
import { both } from './policy.ts';
import { isCombinator, partsOf, relationFilterOf, simplifyWhere } from './simplify-where.ts';
import { asksJsonType, twoValued } from './two-valued.ts';

/**
 * Adds the row policies of related models to the relation filters of a Prisma `where`. Rows that a policy hides then count as if they
 * did not exist:
 *
 * - `some: W` → `some: AND[P, W]`; `none: W` → `none: AND[P, W]`; `every: W` → `none: AND[P, NOT W]`, or `every: OR[NOT P, W]` where Prisma
 *   cannot negate W
 * - `is: W` → `is: AND[P, W]`; `isNot: W` → `isNot: AND[P, W]`; `null` → `isNot: P`
 *
 * The relation filters inside a policy P get no policies: the host wrote P. P is false for rows for which the database would say NULL.
 *
 * @throws {ToolError} where a policy would be negated that Prisma cannot negate (`asksJsonType`).
 */
export function scopeWhere(node: ModelNode, where: Args, policies: Policies): Args {
  return scopeConditions(node, simplifyWhere(node, where), { policies, negated: false });
}

/** Like `scopeWhere`, for a unique `where`: its key stays at the top level, where Prisma needs it. */
export function scopeUniqueWhere(node: ModelNode, where: Args, policies: Policies): Args {
  const key: Args = {};
  const conditions: Args = {};
  for (const [name, value] of Object.entries(where)) {
    const condition = node.relations.has(name) || isCombinator(name);
    (condition ? conditions : key)[name] = value;
  }
  return isEmpty(conditions) ? key : { ...key, AND: [scopeWhere(node, conditions, policies)] };
}

/** The `where` of a related list: that of the query, with the related policy. */
export function relatedWhere(relation: Relation, where: unknown, policies: Policies): Args | undefined {
  const part = isObject(where) ? scopeWhere(relation.target, where, policies) : undefined;
  return both(part, relatedFilter(relation, policies));
}

/** The policy of the related model. It is that of `findMany`, whatever operation the query is. */
export function relatedFilter(relation: Relation, policies: Policies): RowFilter {
  return policies.filter(relation.target, 'findMany');
}

interface Place {
  readonly policies: Policies;
  /** Whether the condition is anywhere below NOT, isNot or every. */
  readonly negated: boolean;
}

function scopeConditions(node: ModelNode, where: Args, place: Place): Args {
  const scoped: Args = {};
  const conditions: Args[] = [];
  for (const [name, value] of Object.entries(where)) {
    const relation = node.relations.get(name);
    if (relation !== undefined) conditions.push(...scopeRelation(relation, value, place));
    else if (name === 'AND') conditions.push(...partsOf(value).map(part => scopeConditions(node, part, place)));
    else if (name === 'OR') scoped[name] = partsOf(value).map(part => scopeConditions(node, part, place));
    else if (name === 'NOT') scoped[name] = partsOf(value).map(part => scopeConditions(node, part, below(place)));
    else scoped[name] = value;
  }
  if (conditions.length > 0) scoped['AND'] = conditions;
  return scoped;
}

function scopeRelation(relation: Relation, filter: unknown, place: Place): Args[] {
  const conditions = relation.toMany ? scopeToMany(relation, filter, place) : scopeToOne(relation, filter, place);
  return conditions.map(condition => ({ [relation.name]: condition }));
}

function scopeToMany(relation: Relation, filter: unknown, place: Place): Args[] {
  const policy = policyAt(relation, place);
  return Object.entries(filter as Record<string, Args>).map(([operator, part]) => {
    const where = scopeConditions(relation.target, part, operator === 'every' ? below(place) : place);
    if (operator !== 'every' || policy === undefined) return { [operator]: both(where, policy) ?? {} };
    if (asksJsonType(relation.target, part)) return { every: { OR: [{ NOT: policyAt(relation, below(place)) }, where] } };
    return { none: { AND: [policy, { NOT: where }] } };
  });
}

function scopeToOne(relation: Relation, filter: unknown, place: Place): Args[] {
  if (filter === null) return [absent(relation, place)];
  const parts = relationFilterOf(filter);
  const conditions: Args[] = [];
  if (parts['is'] === null) conditions.push(absent(relation, place));
  else if (parts['is'] !== undefined) conditions.push({ is: scopeRelated(relation, parts['is'], place) });
  if (parts['isNot'] === null) conditions.push(present(relation, place));
  else if (parts['isNot'] !== undefined) conditions.push({ isNot: scopeRelated(relation, parts['isNot'], below(place)) });
  return conditions;
}

function scopeRelated(relation: Relation, where: Args, place: Place): Args {
  return both(scopeConditions(relation.target, where, place), policyAt(relation, place)) ?? {};
}

/** The condition that the caller may see no related row. */
function absent(relation: Relation, place: Place): Args {
  const policy = policyAt(relation, below(place));
  if (policy !== undefined) return { isNot: policy };
  return relation.required ? { is: noRow(relation.target) } : { is: null };
}

function present(relation: Relation, place: Place): Args {
  const policy = policyAt(relation, place);
  if (policy !== undefined) return { is: policy };
  return relation.required ? { is: {} } : { isNot: null };
}

/** The related policy for use in a filter, where it must never be NULL. */
function policyAt(relation: Relation, { policies, negated }: Place): RowFilter {
  const { target, name } = relation;
  const policy = relatedFilter(relation, policies);
  if (policy === undefined) return undefined;
  if (negated && asksJsonType(target, policy)) {
    return refuse('where', `${name} cannot be filtered by below NOT, isNot or every, nor by null; put its condition positively`);
  }
  return twoValued(target, policy);
}

function below({ policies }: Place): Place {
  return { policies, negated: true };
}
