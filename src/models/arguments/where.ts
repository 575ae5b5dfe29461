import { isObject } from '../../protocol/definitions.ts';
import type { Column, Exposure, Relation } from '../datamodel/graph.ts';
import { parseJsonFilter } from '../datamodel/json-columns.ts';
import { parseText } from '../datamodel/scalars.ts';
import type { Args } from '../declaration/delegates.ts';
import { join, list, nameOf, parseObject, quote, refuse } from '../messages.ts';
import { isCombinator, simplifyWhere } from '../policy/simplify-where.ts';
import type { TextComparison } from './hints.ts';
import { isListOperator, listFilterHint, modeHint, operatorHint, relationFilterHint, relationValueHint, whereHint } from './hints.ts';

/**
 * Limits of one `where` of a caller. A breach is refused with the limit and a remedy.
 *
 * A list filter compares each row with each related row if the related table has no index on the foreign key, and a list filter inside another
 * multiplies once more. SQLite runs in the app's own process, so there a slow query stops every other request.
 */
export interface WhereLimits {
  /** Nested levels of AND, OR, NOT and relation filters. @default 6 */
  readonly maxDepth: number;
  /** Conditions and groups of conditions in total. @default 100 */
  readonly maxConditions: number;
  /** Values of one `in`, `notIn` or other list of values. @default 200 */
  readonly maxValues: number;
  /** Relation filters in total, and relations in one `orderBy`. SQLite joins at most 64 tables. @default 20 */
  readonly maxRelations: number;
  /** Relations between the model and a condition, one inside the other. @default 3 */
  readonly maxHops: number;
  /** List filters (`some`, `every`, `none`) in total. @default 1 on SQLite, 10 elsewhere */
  readonly maxListFilters: number;
  /** List filters one inside the other. @default 1 on SQLite, 3 elsewhere */
  readonly maxListHops: number;
  /** `%` and `_` in the texts of `contains`, `startsWith` and `endsWith`, in total. Databases read them as wildcards, and try all ways to match. @default 10 */
  readonly maxWildcards: number;
  /** Characters of these texts, in total. @default 1000 */
  readonly maxPatternCharacters: number;
  /**
   * Work of looking for these texts. A text counts 1, and 1 more for each time that its beginning can begin again inside it: `aaa` counts 3. Inside a
   * list filter it counts ten times. LIKE compares a text once for each of these beginnings. @default 30 on SQLite, 10000 elsewhere
   */
  readonly maxTextWork: number;
}

/** The limits of a host, with the defaults for its kind of database. */
export function resolveWhereLimits(limits: Partial<WhereLimits> | undefined, provider: string | undefined): WhereLimits {
  const isEmbedded = provider === 'sqlite';
  return {
    maxDepth: 6,
    maxConditions: 100,
    maxValues: 200,
    maxRelations: 20,
    maxHops: 3,
    maxListFilters: isEmbedded ? 1 : 10,
    maxListHops: isEmbedded ? 1 : 3,
    maxWildcards: 10,
    maxPatternCharacters: 1000,
    maxTextWork: isEmbedded ? 30 : 10_000,
    ...limits,
  };
}

/** A caller's `where`, checked and converted. */
export interface ParsedWhere {
  readonly where: Args;
  /** Whether it filters by a relation, so that related policies must be added. */
  readonly relational: boolean;
}

/** The numbers that the limits of one `where` bound. */
interface State {
  readonly limits: WhereLimits;
  conditions: number;
  relations: number;
  listFilters: number;
  wildcards: number;
  patternCharacters: number;
  textWork: number;
}

/** The position of a part inside a `where` or a `having`. */
export interface Place {
  readonly state: State;
  readonly path: string;
  readonly depth: number;
  /** Relations around the part. */
  readonly hops: number;
  /** List filters around the part. */
  readonly listHops: number;
}

const toManyOperators: readonly string[] = ['some', 'every', 'none'];
const toOneOperators: readonly string[] = ['is', 'isNot'];
const patternOperators: readonly string[] = ['contains', 'startsWith', 'endsWith'];
const listOperators: readonly string[] = ['equals', 'has', 'hasEvery', 'hasSome', 'isEmpty'];

/**
 * Checks the `where` of a caller and converts it to Prisma's, or refuses it. Every `where` of a caller passes here.
 *
 * A hidden column gets the same message as a column that does not exist.
 */
export function parseWhere(exposure: Exposure, value: unknown, limits: WhereLimits, path = 'where'): ParsedWhere {
  const place = placeOf(limits, path);
  const where = simplifyWhere(exposure.node, parseConditions(exposure, value, place));
  return { where, relational: place.state.relations > 0 };
}

/** The root of a `where` or a `having`, of which the limits count nothing yet. */
export function placeOf(limits: WhereLimits, path: string): Place {
  const state: State = { limits, conditions: 0, relations: 0, listFilters: 0, wildcards: 0, patternCharacters: 0, textWork: 0 };
  return { state, path, depth: 0, hops: 0, listHops: 0 };
}

/** One level deeper at the same path, or a refusal. */
export function deeper(place: Place): Place {
  const below = { ...place, depth: place.depth + 1 };
  assertDepth(below);
  return below;
}

/** Counts a condition, or refuses it. */
export function countCondition({ state, path }: Place): void {
  count(state, 'conditions', path);
}

/** The filter operators of a column, in the order in which messages name them. */
export function operatorsOf({ list: isList, type }: Pick<Column, 'list' | 'type'>, insensitive: boolean): string[] {
  if (isList) return [...listOperators];
  const { operators, listable, comparable, cased } = type;
  const mode = insensitive && cased !== true && operators.includes('contains') ? ['mode'] : [];
  return ['equals', 'not', ...(listable && comparable !== false ? ['in', 'notIn'] : []), ...operators, ...mode];
}

function parseConditions(exposure: Exposure, value: unknown, place: Place): Args {
  const { path, state, depth } = place;
  assertDepth(place);
  if (depth > 0) count(state, 'conditions', path);
  const where: Args = {};
  for (const [name, part] of Object.entries(parseObject(value, path))) {
    const at = { ...place, path: join(path, name) };
    count(state, 'conditions', path);
    const column = exposure.columns.get(name);
    if (column !== undefined) where[name] = parseFilter(exposure, column, part, at);
    else if (isCombinator(name)) where[name] = parseCombined(exposure, name, part, at);
    else {
      const relation = exposure.filterable.get(name);
      if (relation?.target.exposure === undefined) return unknownName(exposure, name, at.path);
      where[name] = parseRelation(relation, relation.target.exposure, part, at);
    }
  }
  return where;
}

/** The counted limits: the option, what it counts, and what to do about a breach. */
const counted = {
  conditions: ['maxConditions', 'conditions', 'give fewer, in several calls'],
  relations: ['maxRelations', 'relation filters', 'filter by fewer relations, in several calls'],
  listFilters: [
    'maxListFilters',
    'list filters (some, every, none)',
    'look up the related rows in a call of their own, then filter by their keys',
  ],
  patternCharacters: ['maxPatternCharacters', 'characters of text to look for', 'look for a part of the text'],
  textWork: [
    'maxTextWork',
    'units of text search',
    'look for fewer or less repetitive texts: a text counts 1, a repetitive one more, and ten times that inside a list filter',
  ],
  wildcards: ['maxWildcards', 'wildcards (% and _)', 'look for a plain part of the text'],
} as const;

function count(state: State, kind: keyof typeof counted, path: string, by = 1): void {
  state[kind] += by;
  const [option, what, remedy] = counted[kind];
  const max = state.limits[option];
  if (state[kind] > max) refuse(path, `more than ${max} ${what} in one where (limits.where.${option}); ${remedy}`);
}

function assertDepth({ state, path, depth }: Place): void {
  const { maxDepth } = state.limits;
  if (depth > maxDepth) refuse(path, `nested deeper than ${maxDepth} levels (limits.where.maxDepth); ask in several calls`);
}

function unknownName(exposure: Exposure, name: string, path: string): never {
  const names = [...exposure.columns.keys(), ...exposure.filterable.keys(), 'AND', 'OR', 'NOT'];
  return refuse(path, `${exposure.node.name} has no column ${quote(name)} (${list(names)})${whereHint(exposure, name)}`);
}

function parseCombined(exposure: Exposure, name: string, value: unknown, place: Place): Args[] | Args {
  const below = { ...place, depth: place.depth + 1 };
  if (!Array.isArray(value)) {
    if (name === 'OR') return refuse(place.path, `expected an array of objects, got ${nameOf(value)}`);
    return parseConditions(exposure, value, below);
  }
  return value.map((item, index) => parseConditions(exposure, item, { ...below, path: `${place.path}[${index}]` }));
}

function parseRelation(relation: Relation, target: Exposure, value: unknown, place: Place): Args | null {
  const { state, path, depth } = place;
  count(state, 'relations', path);
  if (value === null && !relation.toMany) return null;
  const filter = isObject(value) ? value : refuse(path, `expected an object, got ${nameOf(value)}${relationValueHint(relation, value)}`);
  const operators = relation.toMany ? toManyOperators : toOneOperators;
  const names = Object.keys(filter);
  const inside = { ...place, depth: depth + 1, hops: place.hops + 1, listHops: place.listHops + (relation.toMany ? 1 : 0) };
  assertHops(inside);
  const isOperator = (name: string): boolean => operators.includes(name) || isListOperator(relation, name);
  if (!relation.toMany && !names.some(isOperator)) return { is: parseConditions(target, filter, inside) };
  if (names.length === 0) refuse(path, `expected one of ${list(operators)}`);
  const parsed: Args = {};
  for (const name of names) {
    const at = join(path, name);
    if (!operators.includes(name)) refuse(at, `not a relation filter (${list(operators)})${relationFilterHint(relation, name)}`);
    if (relation.toMany) count(state, 'listFilters', at);
    parsed[name] = filter[name] === null && !relation.toMany ? null : parseConditions(target, filter[name], { ...inside, path: at });
  }
  return parsed;
}

function assertHops({ state, path, hops, listHops }: Place): void {
  const { maxHops, maxListHops } = state.limits;
  const remedy = 'look up the related rows in a call of their own, then filter by their keys';
  if (hops > maxHops) refuse(path, `behind more than ${maxHops} relations (limits.where.maxHops); ${remedy}`);
  if (listHops > maxListHops) {
    const fact = maxListHops === 1 ? 'a list filter inside another' : `more than ${maxListHops} list filters inside each other`;
    refuse(path, `${fact} (limits.where.maxListHops: ${maxListHops}); ${remedy}`);
  }
}

function parseFilter(exposure: Exposure, column: Column, value: unknown, place: Place): unknown {
  const { state, path } = place;
  if (column.list) return parseListFilter(column, value, state, path);
  if (column.field.type === 'Json') {
    if (isObject(value)) count(state, 'conditions', path, Object.keys(value).length);
    return parseJsonFilter(column, value, {
      path,
      provider: exposure.provider,
      parsePattern: (part, at) => parsePattern(parseText(part, at), { ...place, path: at }),
    });
  }
  return isObject(value) ? parseOperators(column, value, place, exposure) : parseNullable(column, value, path);
}

/** What operators compare with: a column that is no list and no Json, or an aggregate. */
export type Comparable = Pick<Column, 'name' | 'type' | 'nullable'>;

/**
 * Parses a filter that is made of operators: `{ gt: 1, not: { in: [2, 3] } }`.
 */
export function parseOperators(column: Comparable, value: Readonly<Record<string, unknown>>, place: Place, texts: TextComparison): Args {
  const { state, path } = place;
  const operators = operatorsOf({ type: column.type, list: false }, texts.insensitive && texts.isNegated !== true);
  const filter: Args = {};
  if (Object.keys(value).length === 0) refuse(path, `expected a value or one of ${list(operators)}`);
  for (const [operator, operand] of Object.entries(value)) {
    const at = join(path, operator);
    count(state, 'conditions', path);
    if (!operators.includes(operator)) {
      const hint = operator === 'mode' ? modeHint(texts) : operatorHint(operator, operators);
      refuse(at, `not a filter for ${column.name} (${list(operators)})${hint}`);
    }
    if (operator === 'in' || operator === 'notIn') filter[operator] = parseValues(column, operand, state, at);
    else if (operator === 'mode') filter[operator] = parseMode(operand, at);
    else if (operator === 'not' && isObject(operand)) {
      // Prisma takes the mode of a `not` from the filter around it.
      filter[operator] = parseOperators(column, operand, deeper({ ...place, path: at }), { ...texts, isNegated: true });
    } else if (operator === 'equals' || operator === 'not') filter[operator] = parseNullable(column, operand, at);
    else if (patternOperators.includes(operator)) filter[operator] = parsePattern(column.type.parse(operand, at), { ...place, path: at });
    else filter[operator] = column.type.parse(operand, at);
  }
  if (Object.keys(filter).every(name => name === 'mode')) refuse(path, `mode goes with an operator (${list(operators)})`);
  return filter;
}

/** A part of a text, which Prisma passes to LIKE. SQLite refuses long patterns, PostgreSQL a pattern that ends with its escape character. */
function parsePattern(value: unknown, { state, path, listHops }: Place): unknown {
  const part = String(value);
  count(state, 'patternCharacters', path, part.length);
  count(state, 'wildcards', path, part.match(/[%_]/g)?.length ?? 0);
  count(state, 'textWork', path, (1 + repetitions(part)) * (listHops > 0 ? listFilterWork : 1));
  const [backslashes = ''] = /\\*$/.exec(part) ?? [];
  return backslashes.length % 2 === 0 ? part : refuse(path, 'must not end with a single backslash');
}

/** The factor for a text inside a list filter, which compares more rows. */
const listFilterWork = 10;

/**
 * How often the beginning of a text can begin again before the text ends: `aaaa` → 3, `abab` → 1, `total` → 0. LIKE tries each of these beginnings,
 * so this bounds how often it reads a character again. `%` and `_` are read as the character before them. Case does not count.
 */
function repetitions(text: string): number {
  const letters = text.toLowerCase().replaceAll(/(.)[%_]+/gsu, (run, letter: string) => letter.repeat(run.length));
  // The failure function of Knuth, Morris and Pratt: for each end, the length of the longest beginning that also ends there.
  const borders = [0];
  const chains = [0];
  let most = 0;
  for (let end = 1; end < letters.length; end++) {
    let border = borders[end - 1] ?? 0;
    while (border > 0 && letters[border] !== letters[end]) border = borders[border - 1] ?? 0;
    if (letters[border] === letters[end]) border++;
    borders.push(border);
    const chain = border === 0 ? 0 : 1 + (chains[border - 1] ?? 0);
    chains.push(chain);
    most = Math.max(most, chain);
  }
  return most;
}

/** A value of the column, or null if the column is nullable. Prisma refuses to compare a required column with null. */
function parseNullable(column: Comparable, value: unknown, path: string): unknown {
  if (value !== null && column.type.comparable === false) {
    return refuse(path, `${column.name} cannot be compared with a value, only with null (${list(column.type.operators)})`);
  }
  if (value !== null) return column.type.parse(value, path);
  return column.nullable ? null : refuse(path, `${column.name} is never null here`);
}

function parseValues(column: Pick<Column, 'type'>, value: unknown, state: State, path: string): unknown[] {
  if (!Array.isArray(value)) return refuse(path, `expected an array, got ${nameOf(value)}`);
  const { maxValues } = state.limits;
  if (value.length > maxValues) refuse(path, `more than ${maxValues} values (limits.where.maxValues); give fewer, in several calls`);
  return value.map((item, index) => parseItem(column, item, `${path}[${index}]`));
}

/** One of several values. In a list of Json, null has no form that Prisma takes. */
function parseItem({ type }: Pick<Column, 'type'>, value: unknown, path: string): unknown {
  return value === null && type.input.type === undefined ? refuse(path, 'must not be null') : type.parse(value, path);
}

function parseMode(value: unknown, path: string): string {
  return value === 'insensitive' || value === 'default' ? value : refuse(path, 'not one of default, insensitive');
}

function parseListFilter(column: Column, value: unknown, state: State, path: string): unknown {
  if (Array.isArray(value)) return { equals: parseValues(column, value, state, path) };
  const filter: Args = {};
  if (!isObject(value))
    return refuse(path, `expected an object, got ${nameOf(value)}${value === null ? '' : listFilterHint(undefined, [])}`);
  const operators = Object.entries(value);
  if (operators.length === 0) refuse(path, `expected a list or one of ${list(listOperators)}`);
  for (const [operator, operand] of operators) {
    const at = join(path, operator);
    count(state, 'conditions', path);
    if (!listOperators.includes(operator)) {
      refuse(at, `not a filter for ${column.name} (${list(listOperators)})${listFilterHint(operator, listOperators)}`);
    }
    if (operator === 'has' && Array.isArray(operand)) refuse(at, 'expected one value, got an array; hasSome and hasEvery take arrays');
    if ((operator === 'hasSome' || operator === 'hasEvery') && !Array.isArray(operand)) {
      refuse(at, `expected an array, got ${nameOf(operand)}; has takes one value`);
    }
    if (operator === 'has') filter[operator] = parseItem(column, operand, at);
    else if (operator === 'isEmpty') filter[operator] = typeof operand === 'boolean' ? operand : refuse(at, 'expected true or false');
    else filter[operator] = parseValues(column, operand, state, at);
  }
  return filter;
}
