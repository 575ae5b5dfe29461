import type { DatamodelField } from '../datamodel/datamodel.ts';
import type { ModelNode, Relation } from '../datamodel/graph.ts';
import { noRow } from '../datamodel/graph.ts';
import { jsonNull, nameOfJsonNull } from '../datamodel/json-columns.ts';
import type { Args } from '../declaration/delegates.ts';
import { isPlainObject } from '../messages.ts';
import { isCombinator, partsOf, relationFilterOf } from './simplify-where.ts';

const rewritten = new WeakMap<Args, Args>();

/**
 * A simplified Prisma `where` that is true for the same rows, and false where the database would say NULL.
 *
 * `{ score: 1 }` with a nullable `score` → `{ AND: [{ score: 1 }, { score: { not: null } }] }`
 *
 * A row policy inside a filter must have this form. SQL's `NOT (NULL AND x)` is true for a false `x` and NULL for a true one. So a filter around a
 * hidden row whose policy is NULL would show the result of `x` on that row.
 */
export function twoValued(node: ModelNode, where: Args): Args {
  let result = rewritten.get(where);
  if (result === undefined) {
    result = mayBeNull(node, where) ? isTrue(node, where) : where;
    rewritten.set(where, result);
  }
  return result;
}

/**
 * Whether a simplified `where` asks for the type of a value inside Json (`string_contains`, `gt`, `array_contains`, …).
 *
 * Prisma writes such a condition as `match AND type`, but as `match OR NOT type` below an odd number of NOT and isNot. There it is true for
 * rows for which it is false elsewhere.
 */
export function asksJsonType(node: ModelNode, where: Args): boolean {
  return Object.entries(where).some(([name, value]) => {
    const relation = node.relations.get(name);
    if (isCombinator(name)) return partsOf(value).some(part => asksJsonType(node, part));
    if (relation !== undefined) {
      return Object.values(relationFilterOf(value ?? {})).some(part => part !== null && asksJsonType(relation.target, part));
    }
    return node.fields.get(name)?.type === 'Json' && isPlainObject(value) && Object.keys(value).some(key => !untypedJson.has(key));
  });
}

const untypedJson: ReadonlySet<string> = new Set(['equals', 'not', 'path', 'mode']);
const modifiers: ReadonlySet<string> = new Set(['mode', 'path']);
const nullTests: ReadonlySet<string> = new Set(['equals', 'not', 'in', 'notIn']);

/** What an operator compares a column with. */
interface Comparison {
  readonly field: DatamodelField;
  readonly operator: string;
  readonly operand: unknown;
  /** The path inside Json. */
  readonly path?: unknown;
}

/** A condition on one column by one operator. */
interface Leaf {
  readonly condition: Args;
  /** The conditions under which it is true or false, rather than NULL. */
  readonly known: readonly Args[];
}

function mayBeNull(node: ModelNode, where: Args): boolean {
  return Object.entries(where).some(([name, value]) => {
    const relation = node.relations.get(name);
    if (isCombinator(name)) return partsOf(value).some(part => mayBeNull(node, part));
    if (relation === undefined) return leavesOf(node, name, value).some(({ known }) => known.length > 0);
    // A filter of a list becomes EXISTS in SQL, which is never NULL.
    return !relation.toMany && Object.values(relationFilterOf(value ?? {})).some(part => part !== null && mayBeNull(relation.target, part));
  });
}

function isTrue(node: ModelNode, where: Args): Args {
  return all(
    Object.entries(where).flatMap(([name, value]) => {
      const relation = node.relations.get(name);
      if (name === 'AND') return partsOf(value).map(part => isTrue(node, part));
      if (name === 'OR') return [{ OR: partsOf(value).map(part => isTrue(node, part)) }];
      if (name === 'NOT') return partsOf(value).map(part => isFalse(node, part));
      if (relation !== undefined) return relationOperators(value).map(([operator, part]) => isTrueOf(relation, operator, part));
      return leavesOf(node, name, value).flatMap(({ condition, known }) => [condition, ...known]);
    }),
  );
}

/** The condition that `where` is false, and not NULL. */
function isFalse(node: ModelNode, where: Args): Args {
  const parts = Object.entries(where).flatMap(([name, value]) => {
    const relation = node.relations.get(name);
    if (name === 'AND') return partsOf(value).map(part => isFalse(node, part));
    if (name === 'OR') return [all(partsOf(value).map(part => isFalse(node, part)))];
    if (name === 'NOT') return partsOf(value).map(part => isTrue(node, part));
    if (relation !== undefined) return relationOperators(value).map(([operator, part]) => isFalseOf(relation, operator, part));
    return leavesOf(node, name, value).map(({ condition, known }) => all([{ NOT: [condition] }, ...known]));
  });
  const [only] = parts;
  if (only === undefined) return noRow(node);
  return parts.length === 1 ? only : { OR: parts };
}

function isTrueOf({ name, target, toMany }: Relation, operator: string | undefined, part: Args | null): Args {
  if (operator === undefined) return { [name]: null };
  if (toMany || part === null) return { [name]: { [operator]: part } };
  if (operator === 'is') return { [name]: { is: isTrue(target, part) } };
  // There is no related row, or the condition is false for it.
  return { OR: [{ [name]: { isNot: {} } }, { [name]: { is: isFalse(target, part) } }] };
}

function isFalseOf(relation: Relation, operator: string | undefined, part: Args | null): Args {
  if (!relation.toMany && operator !== undefined && part !== null) return isTrueOf(relation, operator === 'is' ? 'isNot' : 'is', part);
  return { NOT: [isTrueOf(relation, operator, part)] };
}

/** The operators of a relation filter. `null` counts as one operator without a name. */
function relationOperators(value: unknown): [operator: string | undefined, part: Args | null][] {
  return value === null ? [[undefined, null]] : Object.entries(relationFilterOf(value));
}

function leavesOf(node: ModelNode, name: string, filter: unknown): Leaf[] {
  const field = node.fields.get(name);
  // A compound key, whose columns are all required.
  if (field === undefined) return [{ condition: { [name]: filter }, known: [] }];
  if (!isPlainObject(filter)) return [toLeaf(node, { field, operator: 'equals', operand: filter }, { [name]: filter })];
  const [around, operators] = splitModifiers(filter);
  const leaves = operators.flatMap(([operator, operand]) => {
    const leaf = (inner: string, value: unknown, condition: Args): Leaf =>
      toLeaf(node, { field, operator: inner, operand: value, path: around['path'] }, { [name]: { ...around, ...condition } });
    if (operator !== 'not' || !isPlainObject(operand) || field.type === 'Json') return [leaf(operator, operand, { [operator]: operand })];
    // Prisma negates each operator by itself: `not: { gt: 1, lt: 5 }` is `<= 1 AND >= 5`.
    const [within, negated] = splitModifiers(operand);
    return negated.map(([inner, value]) => leaf(inner, value, { not: { ...within, [inner]: value } }));
  });
  return leaves.length > 0 ? leaves : [{ condition: { [name]: filter }, known: [] }];
}

/** Splits a filter into `mode` and `path`, which apply to all its operators, and those operators. */
function splitModifiers(filter: Args): [modifiers: Args, operators: [string, unknown][]] {
  const entries = Object.entries(filter);
  return [Object.fromEntries(entries.filter(([key]) => modifiers.has(key))), entries.filter(([key]) => !modifiers.has(key))];
}

function toLeaf(node: ModelNode, { field, operator, operand, path }: Comparison, condition: Args): Leaf {
  if (isDefinite(field, operator, operand)) return { condition, known: [] };
  const known: Args[] = [];
  if (!field.isRequired || field.isList || path !== undefined) known.push(isNotNull(field, path));
  const other = referenced(node, operand);
  if (other !== undefined && (!other.isRequired || other.isList)) known.push(isNotNull(other, undefined));
  return { condition, known };
}

/** Whether a condition is true or false for NULL too: it compares with NULL, or has the same result for every value. */
function isDefinite(field: DatamodelField, operator: string, operand: unknown): boolean {
  if (!nullTests.has(operator)) return false;
  if (Array.isArray(operand)) return operand.length === 0 && (operator === 'in' || operator === 'notIn');
  if (field.type !== 'Json') return operand === null;
  const name = nameOfJsonNull(operand);
  return name === 'DbNull' || name === 'AnyNull';
}

function isNotNull({ name, isList, type }: DatamodelField, path: unknown): Args {
  if (isList) return { NOT: [{ [name]: { equals: null } }] };
  if (type === 'Json') return { [name]: { ...(path !== undefined && { path }), not: jsonNull('DbNull') } };
  return { [name]: { not: null } };
}

/** The column that an operand such as `prisma.booking.fields.price` stands for. */
function referenced(node: ModelNode, operand: unknown): DatamodelField | undefined {
  if (typeof operand !== 'object' || operand === null || !('typeName' in operand) || !('name' in operand)) return undefined;
  return node.fields.get(String(operand.name));
}

function all(parts: Args[]): Args {
  const [only] = parts;
  if (only === undefined) return {};
  return parts.length === 1 ? only : { AND: parts };
}
