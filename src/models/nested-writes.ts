import type { ModelNode, Relation } from './graph.ts';
import type { Args, Policies } from './policy.ts';
import { hasPolicy } from './policy.ts';
import { isObject } from './refusal.ts';
import { relatedWhere } from './weave.ts';

/**
 * The host's own `data` with row policies where a nested write lets them in, for the scoped client.
 *
 * - `connect` of the row that this row's foreign key names: only to a row in sight.
 * - `disconnect: true` of it: changes this row alone.
 * - any other nested write into a model with a policy: refused, for the policy cannot reach the rows it leaves behind.
 *
 * @throws {TypeError} at a nested write that cannot be scoped.
 */
export function scopeData(node: ModelNode, data: unknown, policies: Policies, path: string): unknown {
  if (!isObject(data)) return data;
  const scoped: Args = {};
  for (const [name, value] of Object.entries(data)) {
    const relation = node.relations.get(name);
    scoped[name] = relation === undefined || !isObject(value) ? value : scopeNested(relation, value, policies, `${path}.${name}`);
  }
  return scoped;
}

function scopeNested(relation: Relation, writes: Args, policies: Policies, path: string): Args {
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
        ? value.map(item => scopePayload(relation, operation, item, policies, at))
        : scopePayload(relation, operation, value, policies, at);
  }
  return scoped;
}

function scopeConnect(relation: Relation, where: Args, policies: Policies): Args {
  const filter = relatedWhere(relation, where['AND'] === undefined ? undefined : { AND: where['AND'] }, policies);
  return filter === undefined ? where : { ...where, AND: [filter] };
}

/** The data inside a nested write of a model without a policy, which may lead on to one that has. */
function scopePayload({ target }: Relation, operation: string, value: unknown, policies: Policies, path: string): unknown {
  if (!isObject(value)) return value;
  const inner = (payload: unknown): unknown => scopeData(target, payload, policies, path);
  switch (operation) {
    case 'create':
      return inner(value);
    case 'update':
      return 'data' in value && !target.fields.has('data') ? { ...value, data: inner(value['data']) } : inner(value);
    case 'connectOrCreate':
      return { ...value, create: inner(value['create']) };
    case 'upsert':
      return { ...value, create: inner(value['create']), update: inner(value['update']) };
    default:
      return value;
  }
}
