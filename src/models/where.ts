import type { Args } from './delegates.ts';
import type { Column, Exposure, Relation } from './graph.ts';
import { operatorHint, relationFilterHint, whereHint } from './hints.ts';
import { isObject, join, list, nameOf, parseObject, quote, refuse } from './messages.ts';
import { isCombinator, simplifyWhere } from './simplify-where.ts';

/** Limits of one `where` of a caller. */
export interface WhereLimits {
  /** Nested levels of AND, OR, NOT and relation filters. @default 6 */
  readonly maxDepth: number;
  /** Conditions and groups of conditions in total. @default 100 */
  readonly maxConditions: number;
  /** Values of one `in` or `notIn`. @default 200 */
  readonly maxValues: number;
}

/** A caller's `where`, checked and converted. */
export interface ParsedWhere {
  readonly where: Args;
  /** Whether it filters by a relation, so that related policies must be added. */
  readonly relational: boolean;
}

interface State {
  readonly limits: WhereLimits;
  conditions: number;
  relational: boolean;
}

const toManyOperators: readonly string[] = ['some', 'every', 'none'];
const toOneOperators: readonly string[] = ['is', 'isNot'];
const patternOperators: readonly string[] = ['contains', 'startsWith', 'endsWith'];
const maxPatternChars = 1000;
const listOperators: readonly string[] = ['equals', 'has', 'hasEvery', 'hasSome', 'isEmpty'];

/**
 * Checks the `where` of a caller and converts it to Prisma's, or refuses it. Every `where` of a caller passes here.
 *
 * A hidden column gets the same message as a column that does not exist.
 */
export function parseWhere(exposure: Exposure, value: unknown, limits: WhereLimits, path = 'where'): ParsedWhere {
  const state: State = { limits, conditions: 0, relational: false };
  const where = simplifyWhere(exposure.node, parseConditions(exposure, value, state, path, 0));
  return { where, relational: state.relational };
}

/** The filter operators of a column, in the order in which messages name them. */
export function operatorsOf(column: Column, insensitive: boolean): string[] {
  if (column.list) return [...listOperators];
  const { operators, listable, comparable, cased } = column.type;
  const mode = insensitive && cased !== true && operators.includes('contains') ? ['mode'] : [];
  return ['equals', 'not', ...(listable && comparable !== false ? ['in', 'notIn'] : []), ...operators, ...mode];
}

function parseConditions(exposure: Exposure, value: unknown, state: State, path: string, depth: number): Args {
  if (depth > state.limits.maxDepth) refuse(path, `nested deeper than ${state.limits.maxDepth} levels`);
  if (depth > 0) countCondition(state, path);
  const where: Args = {};
  for (const [name, part] of Object.entries(parseObject(value, path))) {
    const at = join(path, name);
    countCondition(state, path);
    const column = exposure.columns.get(name);
    if (column !== undefined) where[name] = parseFilter(exposure, column, part, state, at, depth);
    else if (isCombinator(name)) where[name] = parseCombined(exposure, name, part, state, at, depth);
    else {
      const relation = exposure.filterable.get(name);
      if (relation?.target.exposure === undefined) return unknownName(exposure, name, at);
      where[name] = parseRelation(relation, relation.target.exposure, part, state, at, depth);
    }
  }
  return where;
}

function countCondition(state: State, path: string): void {
  if (++state.conditions > state.limits.maxConditions) refuse(path, `more than ${state.limits.maxConditions} conditions`);
}

function unknownName(exposure: Exposure, name: string, path: string): never {
  const names = [...exposure.columns.keys(), ...exposure.filterable.keys(), 'AND', 'OR', 'NOT'];
  return refuse(path, `${exposure.node.name} has no column ${quote(name)} (${list(names)})${whereHint(exposure, name)}`);
}

function parseCombined(exposure: Exposure, name: string, value: unknown, state: State, path: string, depth: number): Args[] | Args {
  if (!Array.isArray(value)) {
    if (name === 'OR') return refuse(path, `expected an array of objects, got ${nameOf(value)}`);
    return parseConditions(exposure, value, state, path, depth + 1);
  }
  return value.map((item, index) => parseConditions(exposure, item, state, `${path}[${index}]`, depth + 1));
}

function parseRelation(relation: Relation, target: Exposure, value: unknown, state: State, path: string, depth: number): Args | null {
  state.relational = true;
  if (value === null && !relation.toMany) return null;
  const filter = parseObject(value, path);
  const operators = relation.toMany ? toManyOperators : toOneOperators;
  const names = Object.keys(filter);
  if (!relation.toMany && !names.some(name => operators.includes(name))) {
    return { is: parseConditions(target, filter, state, path, depth + 1) };
  }
  if (names.length === 0) refuse(path, `expected one of ${list(operators)}`);
  const parsed: Args = {};
  for (const name of names) {
    const at = join(path, name);
    if (!operators.includes(name)) refuse(at, `not a relation filter (${list(operators)})${relationFilterHint(relation, name)}`);
    parsed[name] = filter[name] === null && !relation.toMany ? null : parseConditions(target, filter[name], state, at, depth + 1);
  }
  return parsed;
}

function parseFilter(
  exposure: Exposure,
  column: Column,
  value: unknown,
  state: State,
  path: string,
  depth: number,
  isNegated = false,
): unknown {
  if (column.list) return parseListFilter(column, value, state, path);
  if (!isObject(value))
    return column.field.type === 'Json' ? { equals: column.type.parse(value, path) } : parseNullable(column, value, path);
  // Prisma takes the mode of a `not` from the filter around it.
  const operators = operatorsOf(column, exposure.insensitive && !isNegated);
  const filter: Args = {};
  if (Object.keys(value).length === 0) refuse(path, `expected a value or one of ${list(operators)}`);
  for (const [operator, operand] of Object.entries(value)) {
    const at = join(path, operator);
    countCondition(state, path);
    if (!operators.includes(operator)) {
      refuse(at, `not a filter for ${column.name} (${list(operators)})${operatorHint(operator, operators)}`);
    }
    if (operator === 'in' || operator === 'notIn') filter[operator] = parseValues(column, operand, state, at);
    else if (operator === 'mode') filter[operator] = parseMode(operand, at);
    else if (operator === 'not' && isObject(operand) && column.field.type !== 'Json') {
      if (depth >= state.limits.maxDepth) refuse(at, `nested deeper than ${state.limits.maxDepth} levels`);
      filter[operator] = parseFilter(exposure, column, operand, state, at, depth + 1, true);
    } else if (operator === 'equals' || operator === 'not') filter[operator] = parseNullable(column, operand, at);
    else if (patternOperators.includes(operator)) filter[operator] = parsePattern(column, operand, at);
    else filter[operator] = column.type.parse(operand, at);
  }
  if (Object.keys(filter).every(name => name === 'mode')) refuse(path, `mode goes with an operator (${list(operators)})`);
  return filter;
}

/** A part of a text, which Prisma passes to LIKE. SQLite refuses long patterns, PostgreSQL a pattern that ends with its escape character. */
function parsePattern(column: Column, value: unknown, path: string): unknown {
  const part = String(column.type.parse(value, path));
  if (part.length > maxPatternChars) refuse(path, `longer than ${maxPatternChars} characters`);
  const [backslashes = ''] = /\\*$/.exec(part) ?? [];
  return backslashes.length % 2 === 0 ? part : refuse(path, 'must not end with a single backslash');
}

/** A value of the column, or null if the column is nullable. Prisma refuses to compare a required column with null. */
function parseNullable(column: Column, value: unknown, path: string): unknown {
  if (value !== null && column.type.comparable === false) {
    return refuse(path, `${column.name} cannot be compared with a value, only with null (${list(column.type.operators)})`);
  }
  if (value !== null || column.field.type === 'Json') return column.type.parse(value, path);
  return column.nullable ? null : refuse(path, `${column.name} is never null here`);
}

function parseValues(column: Column, value: unknown, state: State, path: string): unknown[] {
  if (!Array.isArray(value)) return refuse(path, `expected an array, got ${nameOf(value)}`);
  if (value.length > state.limits.maxValues) refuse(path, `more than ${state.limits.maxValues} values`);
  return value.map((item, index) => column.type.parse(item, `${path}[${index}]`));
}

function parseMode(value: unknown, path: string): string {
  return value === 'insensitive' || value === 'default' ? value : refuse(path, 'not one of default, insensitive');
}

function parseListFilter(column: Column, value: unknown, state: State, path: string): unknown {
  if (Array.isArray(value)) return { equals: parseValues(column, value, state, path) };
  const filter: Args = {};
  const operators = Object.entries(parseObject(value, path));
  if (operators.length === 0) refuse(path, `expected a list or one of ${list(listOperators)}`);
  for (const [operator, operand] of operators) {
    const at = join(path, operator);
    countCondition(state, path);
    if (!listOperators.includes(operator)) {
      refuse(at, `not a filter for ${column.name} (${list(listOperators)})${operatorHint(operator, listOperators)}`);
    }
    if (operator === 'has') filter[operator] = column.type.parse(operand, at);
    else if (operator === 'isEmpty') filter[operator] = typeof operand === 'boolean' ? operand : refuse(at, 'expected true or false');
    else filter[operator] = parseValues(column, operand, state, at);
  }
  return filter;
}
