import type { ModelNode, Relation } from './graph.ts';
import { isObject } from './messages.ts';
import type { Args, Policies } from './policy.ts';
import { hasPolicy } from './policy.ts';
import type { SetReference } from './references.ts';
import { setReferencesOf } from './references.ts';
import { relatedWhere } from './related-policies.ts';

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
