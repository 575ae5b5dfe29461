import type { ModelNode } from '../datamodel/graph.ts';
import type { Args } from '../declaration/delegates.ts';
import { isPlainObject } from '../messages.ts';
import { isAlways, isCombinator, partsOf, relationFilterOf } from './simplify-where.ts';

/**
 * Whether every row meets a parsed `where`, by its form alone: `{}`, `{ AND: [] }`, `{ OR: [{}] }`, `{ id: { notIn: [] } }`,
 * `{ NOT: { id: { in: [] } } }`, `{ name: { contains: '' } }`. A `where` that every row meets because of its values is not recognised.
 */
export function isEveryRow(node: ModelNode, where: Args): boolean {
  return isAlways(node, decided(node, where));
}

/** The same `where` with conditions that are true or false for every value replaced by `{}` and `{ OR: [] }`. */
function decided(node: ModelNode, where: Args): Args {
  const parts = Object.entries(where).map(([name, value]): Args => {
    const relation = node.relations.get(name);
    if (isCombinator(name)) return { [name]: partsOf(value).map(part => decided(node, part)) };
    if (relation !== undefined) {
      if (value === null) return { [name]: value };
      const filter: Args = {};
      for (const [operator, part] of Object.entries(relationFilterOf(value))) filter[operator] = part && decided(relation.target, part);
      return { [name]: filter };
    }
    const truth = truthOf(node, name, value);
    return truth === undefined ? { [name]: value } : truth ? {} : { OR: [] };
  });
  return { AND: parts };
}

/** Whether a filter of a column is true for every value, or false for every value; `undefined` if that depends on the value. */
function truthOf(node: ModelNode, name: string, filter: unknown): boolean | undefined {
  const field = node.fields.get(name);
  if (field === undefined || field.type === 'Json' || !isPlainObject(filter)) return undefined;
  const truths = Object.entries(filter).flatMap(([operator, operand]) => {
    if (operator === 'mode') return [];
    // `not: { a, b }` is NOT a AND NOT b.
    if (operator !== 'not' || !isPlainObject(operand)) return [operatorTruth(operator, operand, field.isRequired)];
    return Object.entries(operand).map(([inner, value]) => negated(operatorTruth(inner, value, field.isRequired)));
  });
  if (truths.includes(false)) return false;
  return truths.includes(undefined) ? undefined : true;
}

function operatorTruth(operator: string, operand: unknown, isRequired: boolean): boolean | undefined {
  const isNothing = Array.isArray(operand) && operand.length === 0;
  if (isNothing && (operator === 'in' || operator === 'hasSome')) return false;
  if (isNothing && (operator === 'notIn' || operator === 'hasEvery')) return true;
  const isPattern = operator === 'contains' || operator === 'startsWith' || operator === 'endsWith';
  return isPattern && isRequired && /^%*$/.test(String(operand)) ? true : undefined;
}

function negated(truth: boolean | undefined): boolean | undefined {
  return truth === undefined ? undefined : !truth;
}
