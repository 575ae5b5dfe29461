import type { Args } from './delegates.ts';
import type { ModelNode, Relation } from './graph.ts';
import { noRow } from './graph.ts';
import { isEmpty } from './messages.ts';

/**
 * Takes out of a Prisma `where` what is true or false whatever the row: `{}`, an empty AND, OR or NOT, and what follows from them.
 *
 * `{ AND: [{ OR: [] }, { id: 1 }] }` → `{ id: { in: [] } }`
 *
 * Prisma gives such parts one meaning at the top and another inside an AND (`{ OR: [] }` finds nothing, `{ AND: [{ OR: [] }] }` everything),
 * and a row policy is always ANDed. Here they mean what they mean in logic, wherever they stand.
 */
export function simplifyWhere(node: ModelNode, where: Args): Args {
  const simple = simplify(node, where);
  if (simple === false) return noRow(node);
  return simple === true ? {} : simple;
}

/** Whether a `where` is met by every row, such as `{}` and `{ AND: [] }`. */
export function isAlways(node: ModelNode, where: Args): boolean {
  return simplify(node, where) === true;
}

/** Whether a name in a `where` combines conditions, rather than naming a field. */
export function isCombinator(name: string): boolean {
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
      // A column: its value may itself be true or false.
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
  // A true part decides an OR and a NOT, a false one an AND; the others fall away.
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
      // Every row meets what none can: there are no rows.
      empty ||= !inner;
    } else if (inner) simple[operator] = {};
  }
  if (empty) simple['none'] = {};
  return isEmpty(simple) || simple;
}
