import type { Args } from './delegates.ts';
import type { ModelNode, Relation } from './graph.ts';
import { noRow } from './graph.ts';
import { isEmpty, isObject, refuse } from './messages.ts';
import type { Policies, RowFilter } from './policy.ts';
import { both } from './policy.ts';
import { isCombinator, partsOf, relationFilterOf, simplifyWhere } from './simplify-where.ts';
import { asksJsonType, twoValued } from './two-valued.ts';

/**
 * Puts the row policies of related models into the relation filters of a Prisma `where`, so that rows a policy hides count
 * as if they did not exist:
 *
 * - `some: W` → `some: AND[P, W]`; `none: W` → `none: AND[P, W]`; `every: W` → `none: AND[P, NOT W]`
 * - `is: W` → `is: AND[P, W]`; `isNot: W` → `isNot: AND[P, W]`; `null` → `isNot: P`
 *
 * A policy P itself is the host's word and is taken as it stands, but for rows for which the database would say NULL: it is false there.
 *
 * @throws {ToolError} where a policy would stand negated that Prisma does not negate (`asksJsonType`).
 */
export function scopeWhere(node: ModelNode, where: Args, policies: Policies): Args {
  return scopeConditions(node, simplifyWhere(node, where), { policies, negated: false });
}

interface Place {
  readonly policies: Policies;
  /** Whether this stands anywhere below NOT, isNot or every. */
  readonly negated: boolean;
}

/** The same for a unique `where`, whose key must stay on top. */
export function scopeUniqueWhere(node: ModelNode, where: Args, policies: Policies): Args {
  const key: Args = {};
  const conditions: Args = {};
  for (const [name, value] of Object.entries(where)) {
    const condition = node.relations.has(name) || isCombinator(name);
    (condition ? conditions : key)[name] = value;
  }
  return isEmpty(conditions) ? key : { ...key, AND: [scopeWhere(node, conditions, policies)] };
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

function below({ policies }: Place): Place {
  return { policies, negated: true };
}

/** The policy of a model on the far side of a relation, whatever the operation that reached it. */
export function relatedFilter(relation: Relation, policies: Policies): RowFilter {
  return policies.filter(relation.target, 'findMany');
}

/** The `where` of a related list: the caller's or host's part with the policy. */
export function relatedWhere(relation: Relation, where: unknown, policies: Policies): Args | undefined {
  const part = isObject(where) ? scopeWhere(relation.target, where, policies) : undefined;
  return both(part, relatedFilter(relation, policies));
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

/** There is no related row that the caller may see. */
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

/** The related policy as it goes into a filter: never NULL. */
function policyAt(relation: Relation, { policies, negated }: Place): RowFilter {
  const { target, name } = relation;
  const policy = relatedFilter(relation, policies);
  if (policy === undefined) return undefined;
  if (negated && asksJsonType(target, policy)) {
    return refuse('where', `${name} cannot be filtered by below NOT, isNot or every, nor by null; put its condition positively`);
  }
  return twoValued(target, policy);
}
