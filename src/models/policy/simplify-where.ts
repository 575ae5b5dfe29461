import type { ModelNode, Relation } from '../datamodel/graph.ts';
import { noRow } from '../datamodel/graph.ts';
import type { Args } from '../declaration/delegates.ts';
import { isEmpty } from '../declaration/delegates.ts';

/**
 * Removes the parts of a Prisma `where` that are true or false for every row: `{}`, an empty AND, OR or NOT, and conditions made of those.
 *
 * `{ AND: [{ OR: [] }, { id: 1 }] }` → `{ id: { in: [] } }`
 *
 * Prisma reads such parts differently at the top and inside an AND: `{ OR: [] }` finds nothing, `{ AND: [{ OR: [] }] }` everything. A row policy
 * is always inside an AND. Here an empty AND or NOT is true and an empty OR is false everywhere, as in logic.
 */
export function simplifyWhere(node: ModelNode, where: Args): Args {
  const simple = simplify(node, where);
  if (simple === false) return noRow(node);
  return simple === true ? {} : simple;
}

/** Whether every row meets a `where`, such as `{}` and `{ AND: [] }`. */
export function isAlways(node: ModelNode, where: Args): boolean {
  return simplify(node, where) === true;
}

/** Whether a name in a `where` combines conditions, rather than naming a field. */
export function isCombinator(name: string): name is 'AND' | 'OR' | 'NOT' {
  return name === 'AND' || name === 'OR' || name === 'NOT';
}

/** The conditions that AND, OR or NOT combine. */
export function partsOf(value: unknown): readonly Args[] {
  return (Array.isArray(value) ? value : [value]) as Args[];
}

/** A relation filter: the condition of each of its operators. */
export function relationFilterOf(value: unknown): Readonly<Record<string, Args | null>> {
  return value as Record<string, Args | null>;
}

function simplify(node: ModelNode, where: Args): Args | boolean {
  const simple: Args = {};
  for (const [name, value] of Object.entries(where)) {
    if (value === undefined) continue;
    const relation = node.relations.get(name);
    const combined = isCombinator(name);
    if (relation === undefined && !combined) {
      // Not simplified: the value of a column may itself be true or false.
      simple[name] = value;
      continue;
    }
    const part = relation === undefined ? simplifyCombined(node, name, value) : simplifyRelation(relation, value);
    if (part === false) return false;
    if (part !== true) simple[name] = part;
  }
  return isEmpty(simple) || simple;
}

function simplifyCombined(node: ModelNode, name: string, value: unknown): Args[] | boolean {
  const parts = partsOf(value).map(part => simplify(node, part));
  const rest = parts.filter(part => typeof part !== 'boolean');
  // A true part decides an OR and a NOT, a false part an AND. Other constant parts change nothing.
  if (parts.includes(name !== 'AND')) return name === 'OR';
  return rest.length > 0 ? rest : name !== 'OR';
}

function simplifyRelation(relation: Relation, value: unknown): Args | boolean | null {
  if (value === null) return null;
  const filter = relationFilterOf(value);
  if (!relation.toMany && !Object.hasOwn(filter, 'is') && !Object.hasOwn(filter, 'isNot'))
    return simplifyRelation(relation, { is: filter });
  const simple: Args = {};
  let empty = false;
  for (const [operator, part] of Object.entries(filter)) {
    if (part === undefined) continue;
    const inner = part === null ? part : simplify(relation.target, part);
    if (typeof inner !== 'boolean') simple[operator] = inner;
    else if (operator === 'some' || operator === 'is') {
      if (!inner) return false;
      simple[operator] = {};
    } else if (operator === 'every') {
      // Every related row meets a condition that no row can meet, so there are no related rows.
      empty ||= !inner;
    } else if (inner) simple[operator] = {};
  }
  if (empty) simple['none'] = {};
  return isEmpty(simple) || simple;
}
