import type { Args, Delegates } from './delegates.ts';
import { call, delegateOf } from './delegates.ts';
import type { ModelNode, Relation } from './graph.ts';
import { hasPolicy, selectOf } from './graph.ts';
import { isObject, isPlainObject, list, refuse } from './messages.ts';
import type { Policies } from './policy.ts';
import { both } from './policy.ts';
import { relatedFilter, relatedWhere } from './related-policies.ts';

/** What `scopeData` needs besides the data. */
export interface DataScope {
  readonly policies: Policies;
  /** Where the data is from, e.g. `ctx.prisma.booking: data`. */
  readonly path: string;
  /** Whether the data makes a row, rather than changes one. */
  readonly whole: boolean;
  /** Receives the foreign keys to models with a policy, which are to be checked before the write. */
  readonly references: SetReference[];
}

/**
 * The host's own `data` with row policies where a nested write lets them in, for the scoped client.
 *
 * - `connect` of the row that this row's foreign key names: only to a row in sight.
 * - the foreign key itself: the same, by a query before the write.
 * - `disconnect: true` of it: changes this row alone.
 * - any other nested write into a model with a policy: refused, for the policy cannot reach the rows it leaves behind.
 *
 * @throws {TypeError} at a nested write that cannot be scoped.
 */
export function scopeData(node: ModelNode, data: unknown, scope: DataScope): unknown {
  if (!isObject(data)) return data;
  const { policies, path, references } = scope;
  references.push(...setReferencesOf(node, data, policies, scope));
  const scoped: Args = {};
  for (const [name, value] of Object.entries(data)) {
    const relation = node.relations.get(name);
    scoped[name] = relation === undefined || !isObject(value) ? value : scopeNested(relation, value, { ...scope, path: `${path}.${name}` });
  }
  return scoped;
}

function scopeNested(relation: Relation, writes: Args, scope: DataScope): Args {
  const { policies, path } = scope;
  const scoped: Args = {};
  const owner = !relation.toMany && relation.from.length > 0;
  for (const [operation, value] of Object.entries(writes)) {
    const at = `${path}.${operation}`;
    if (value === undefined || (owner && operation === 'disconnect' && value === true)) scoped[operation] = value;
    else if (owner && operation === 'connect' && isObject(value)) scoped[operation] = scopeConnect(relation, value, policies);
    else if (hasPolicy(relation.target)) {
      const { key } = relation.target;
      throw new TypeError(
        `${at}: models.${key}.where cannot reach into a nested write; write the rows through ctx.prisma.${key}, or use a client of your own`,
      );
    } else
      scoped[operation] = Array.isArray(value)
        ? value.map(item => scopePayload(relation, operation, item, { ...scope, path: at }))
        : scopePayload(relation, operation, value, { ...scope, path: at });
  }
  return scoped;
}

function scopeConnect(relation: Relation, where: Args, policies: Policies): Args {
  const filter = relatedWhere(relation, where['AND'] === undefined ? undefined : { AND: where['AND'] }, policies);
  return filter === undefined ? where : { ...where, AND: [filter] };
}

/** The data inside a nested write of a model without a policy, which may lead on to one that has. */
function scopePayload({ target }: Relation, operation: string, value: unknown, scope: DataScope): unknown {
  if (!isObject(value)) return value;
  const created = (payload: unknown): unknown => scopeData(target, payload, { ...scope, whole: true });
  const changed = (payload: unknown): unknown => scopeData(target, payload, { ...scope, whole: false });
  switch (operation) {
    case 'create':
      return created(value);
    case 'createMany':
      return { ...value, data: Array.isArray(value['data']) ? value['data'].map(created) : created(value['data']) };
    case 'update':
    case 'updateMany':
      return Object.hasOwn(value, 'data') && !target.fields.has('data') ? { ...value, data: changed(value['data']) } : changed(value);
    case 'connectOrCreate':
      return { ...value, create: created(value['create']) };
    case 'upsert':
      return { ...value, create: created(value['create']), update: changed(value['update']) };
    default:
      return value;
  }
}

/** A foreign key in `data`, and the rows it may point to. */
export interface Reference {
  readonly relation: Relation;
  /** The policy of the related model. */
  readonly filter: Args;
}

/** The same with the values that it is set to. */
export interface SetReference extends Reference {
  readonly values: readonly unknown[];
}

/** The foreign keys to models with a policy of which `isSet` names a column. */
export function referencesOf(node: ModelNode, isSet: (column: string) => boolean, policies: Policies): Reference[] {
  return [...node.relations.values()].flatMap(relation => {
    if (!hasPolicy(relation.target) || !relation.from.some(isSet)) return [];
    const filter = relatedFilter(relation, policies);
    return filter === undefined ? [] : [{ relation, filter }];
  });
}

/**
 * The same with their values, out of `data` in Prisma's words.
 *
 * @param whole Whether `data` makes a row, so that a column it leaves out is null.
 * @throws {TypeError} where the value is not in `data`: a sum, or a part of a compound key.
 */
export function setReferencesOf(
  node: ModelNode,
  data: Args,
  policies: Policies,
  { path, whole }: { path: string; whole: boolean },
): SetReference[] {
  const isSet = (name: string): boolean => Object.hasOwn(data, name) && data[name] !== undefined;
  return referencesOf(node, isSet, policies).flatMap(reference => {
    const { from, target } = reference.relation;
    const values = from.map(name => (isSet(name) ? plainValue(data[name], `${path}.${name}`, target) : whole ? null : undefined));
    if (values.includes(null)) return [];
    if (values.includes(undefined)) {
      throw new TypeError(`${path}: sets a part of the key ${list(from)}, so models.${target.key}.where cannot be checked; set all of it`);
    }
    return [{ ...reference, values }];
  });
}

/** Refuses a reference to a row that does not exist, or that the policy hides: with the same words. */
export async function assertReferences(
  tx: Delegates,
  references: readonly SetReference[],
  isNamed: (column: string) => boolean,
): Promise<void> {
  const seen = new Set<string>();
  for (const { relation, filter, values } of references) {
    const { name, source, from, to, target } = relation;
    const id = JSON.stringify([source.key, name, values.map(String)]);
    if (seen.has(id)) continue;
    seen.add(id);
    const named = Object.fromEntries(to.map((column, index) => [column, values[index]]));
    const found = await call(delegateOf(tx, target), 'findFirst', { where: both(named, filter), select: selectOf(to) });
    if (found === null) refuse(`data.${list(from.filter(isNamed))}`, 'the related row does not exist');
  }
}

function plainValue(value: unknown, path: string, target: ModelNode): unknown {
  if (!isPlainObject(value)) return value;
  if (Object.keys(value).length === 1 && Object.hasOwn(value, 'set')) return value['set'];
  throw new TypeError(`${path}: is no plain value, so models.${target.key}.where cannot be checked; set the value itself`);
}
