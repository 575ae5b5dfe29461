import type { ModelNode, Relation } from './graph.ts';
import { selectOf } from './graph.ts';
import { isPlainObject, list, refuse } from './messages.ts';
import type { Args, Policies } from './policy.ts';
import { both, hasPolicy } from './policy.ts';
import { relatedFilter } from './related-policies.ts';
import type { Delegate, Delegates } from './scoped-selection.ts';

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
    const delegate = tx[target.key] as Delegate;
    const found = await (delegate['findFirst'] as Delegate[string]).call(delegate, { where: both(named, filter), select: selectOf(to) });
    if (found === null) refuse(`data.${list(from.filter(isNamed))}`, 'the related row does not exist');
  }
}

function plainValue(value: unknown, path: string, target: ModelNode): unknown {
  if (!isPlainObject(value)) return value;
  if (Object.keys(value).length === 1 && Object.hasOwn(value, 'set')) return value['set'];
  throw new TypeError(`${path}: is no plain value, so models.${target.key}.where cannot be checked; set the value itself`);
}
