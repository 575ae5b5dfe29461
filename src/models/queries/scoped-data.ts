import { isObject } from '../../protocol/definitions.ts';
import type { ModelNode, Relation } from '../datamodel/graph.ts';
import { hasPolicy, rowsWhere, selectOf } from '../datamodel/graph.ts';
import { keyText } from '../datamodel/scalars.ts';
import type { Args, Delegates } from '../declaration/delegates.ts';
import { call, delegateOf } from '../declaration/delegates.ts';
import { isPlainObject, list, refuse } from '../messages.ts';
import type { Policies } from '../policy/policy.ts';
import { both } from '../policy/policy.ts';
import { relatedFilter, relatedWhere } from '../policy/related-policies.ts';
import { chunksOf } from './row-chunks.ts';

/** What `scopeData` needs besides the model and the data. */
export interface DataScope {
  readonly policies: Policies;
  /** Where the data is from, e.g. `ctx.prisma.booking: data`. */
  readonly path: string;
  /** Whether the data creates a row, rather than changes one. */
  readonly whole: boolean;
  /** `scopeData` adds the foreign keys to models with a policy. They are checked before the write. */
  readonly references: SetReference[];
}

/**
 * Puts row policies into the `data` of a write of the scoped client.
 *
 * - `connect` that sets the foreign key of this row: gets the policy, so that it finds only visible rows. Refused between one row and one row, if this
 *   model has a policy: another row would lose its related row.
 * - the foreign key itself: a query before the write checks that the row is visible.
 * - `disconnect: true` of that foreign key: allowed, because it changes only this row.
 * - any other nested write into a model with a policy: refused, because the policy cannot check the rows that it leaves.
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
    assertKeepsRelated(relation, operation, at);
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

/**
 * Throws at a connection between one row and one row of a model with a policy: Prisma takes the related row away from the row that has it, which the
 * policy may hide.
 */
function assertKeepsRelated({ source, target, from, toMany, opposite = '' }: Relation, operation: string, path: string): void {
  if (toMany || from.length === 0 || !operation.startsWith('connect') || !hasPolicy(source)) return;
  if (target.relations.get(opposite)?.toMany !== false) return;
  throw new TypeError(`${path}: models.${source.key}.where cannot check the row that would lose it; set ${list(from)} itself`);
}

function scopeConnect(relation: Relation, where: Args, policies: Policies): Args {
  const filter = relatedWhere(relation, where['AND'] === undefined ? undefined : { AND: where['AND'] }, policies);
  return filter === undefined ? where : { ...where, AND: [filter] };
}

/** Scopes the data inside a nested write of a model without a policy. Its own nested writes may reach a model that has one. */
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

/** A foreign key that a write sets, and the rows that it may point to. */
export interface Reference {
  readonly relation: Relation;
  /** The policy of the related model. */
  readonly filter: Args;
}

/** A reference with the values that the write sets. */
export interface SetReference extends Reference {
  readonly values: readonly unknown[];
}

/** The foreign keys to models with a policy, if the write sets one of their columns. */
export function referencesOf(node: ModelNode, isSet: (column: string) => boolean, policies: Policies): Reference[] {
  return [...node.relations.values()].flatMap(relation => {
    if (!hasPolicy(relation.target) || !relation.from.some(isSet)) return [];
    const filter = relatedFilter(relation, policies);
    return filter === undefined ? [] : [{ relation, filter }];
  });
}

/**
 * The foreign keys of `referencesOf` with the values that Prisma's `data` gives them.
 *
 * @param whole Whether `data` creates a row, so that a missing column is null.
 * @throws {TypeError} if `data` does not have the value: it has an operation such as `increment`, or only a part of a compound key.
 */
function setReferencesOf(
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

/**
 * Refuses a reference to a row that does not exist or that the policy hides. The message is the same.
 *
 * @param isNamed Whether the message may name a column.
 */
export async function assertReferences(
  tx: Delegates,
  references: readonly SetReference[],
  isNamed: (column: string) => boolean,
): Promise<void> {
  for (const [relation, distinct] of distinctReferences(references)) {
    const { from, to, target } = relation;
    for (const chunk of chunksOf(distinct, to)) {
      const missing = chunk.length === 1 ? chunk : await missingOf(tx, relation, chunk);
      for (const { filter, values } of missing) {
        const found = await call(delegateOf(tx, target), 'findFirst', {
          where: both(namedBy(to, values), filter),
          select: selectOf(to),
        });
        if (found === null) refuse(`data.${list(from.filter(isNamed))}`, 'the related row does not exist');
      }
    }
  }
}

/** The references whose row one query for all of them does not find in this form. The database may know the same value in another form. */
async function missingOf(tx: Delegates, { to, target }: Relation, references: readonly SetReference[]): Promise<SetReference[]> {
  const rows = references.map(({ values }) => namedBy(to, values));
  const where = both(rowsWhere(to, rows), references[0]?.filter);
  const found = await call(delegateOf(tx, target), 'findMany', { where, select: selectOf(to) });
  const seen = new Set(found.map(row => keyText(to.map(column => row[column]))));
  return references.filter(({ values }) => !seen.has(keyText(values)));
}

/** The references by their relation, each value once. All references of a relation have the same filter. */
function distinctReferences(references: readonly SetReference[]): Map<Relation, SetReference[]> {
  const byRelation = new Map<Relation, Map<string, SetReference>>();
  for (const reference of references) {
    const known = byRelation.get(reference.relation) ?? new Map<string, SetReference>();
    byRelation.set(reference.relation, known.set(keyText(reference.values), reference));
  }
  return new Map([...byRelation].map(([relation, known]) => [relation, [...known.values()]]));
}

function namedBy(columns: readonly string[], values: readonly unknown[]): Args {
  return Object.fromEntries(columns.map((column, index) => [column, values[index]]));
}

function plainValue(value: unknown, path: string, target: ModelNode): unknown {
  if (!isPlainObject(value)) return value;
  if (Object.keys(value).length === 1 && Object.hasOwn(value, 'set')) return value['set'];
  throw new TypeError(`${path}: is no plain value, so models.${target.key}.where cannot be checked; set the value itself`);
}
