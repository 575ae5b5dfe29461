import type { ModelNode, Relation } from './graph.ts';
import { noRow } from './graph.ts';
import type { Args } from './policy.ts';
import { isEmpty } from './refusal.ts';

/**
 * Takes out of a Prisma `where` what is true or false whatever the row: `{}`, an empty AND, OR or NOT, and what follows from them.
 *
 * `{ AND: [{ OR: [] }, { id: 1 }] }` → `{ id: { in: [] } }`
 *
 * Prisma gives such parts one meaning at the top and another inside an AND (`{ OR: [] }` finds nothing, `{ AND: [{ OR: [] }] }` everything),
 * and a row policy is always ANDed. Here they mean what they mean in logic, wherever they stand.
 */
export function foldWhere(node: ModelNode, where: Args): Args {
  const folded = fold(node, where);
  if (folded === false) return noRow(node);
  return folded === true ? {} : folded;
}

/** Whether a `where` is met by every row, such as `{}` and `{ AND: [] }`. */
export function isAlways(node: ModelNode, where: Args): boolean {
  return fold(node, where) === true;
}

function fold(node: ModelNode, where: Args): Args | boolean {
  const folded: Args = {};
  for (const [name, value] of Object.entries(where)) {
    if (value === undefined) continue;
    const relation = node.relations.get(name);
    const combined = name === 'AND' || name === 'OR' || name === 'NOT';
    if (relation === undefined && !combined) {
      // A column: its value may itself be true or false.
      folded[name] = value;
      continue;
    }
    const part = relation === undefined ? foldCombined(node, name, value) : foldRelation(relation, value);
    if (part === false) return false;
    if (part !== true) folded[name] = part;
  }
  return isEmpty(folded) || folded;
}

function foldCombined(node: ModelNode, name: string, value: unknown): Args[] | boolean {
  const parts = ((Array.isArray(value) ? value : [value]) as Args[]).map(part => fold(node, part));
  const rest = parts.filter(part => typeof part !== 'boolean');
  // A true part decides an OR and a NOT, a false one an AND; the others fall away.
  if (parts.includes(name !== 'AND')) return name === 'OR';
  return rest.length > 0 ? rest : name !== 'OR';
}

function foldRelation(relation: Relation, value: unknown): Args | boolean | null {
  if (value === null) return null;
  const filter = value as Args;
  if (!relation.toMany && !Object.hasOwn(filter, 'is') && !Object.hasOwn(filter, 'isNot')) return foldRelation(relation, { is: filter });
  const folded: Args = {};
  let empty = false;
  for (const [operator, part] of Object.entries(filter)) {
    if (part === undefined) continue;
    const inner = part === null ? part : fold(relation.target, part as Args);
    if (typeof inner !== 'boolean') folded[operator] = inner;
    else if (operator === 'some' || operator === 'is') {
      if (!inner) return false;
      folded[operator] = {};
    } else if (operator === 'every') {
      // Every row meets what none can: there are no rows.
      empty ||= !inner;
    } else if (inner) folded[operator] = {};
  }
  if (empty) folded['none'] = {};
  return isEmpty(folded) || folded;
}
