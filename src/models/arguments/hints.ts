/**
 * Remedies for the mistakes that language models make in calls. Each function returns the end of a refusal, such as `; did you mean startsAt?`,
 * or `''` if there is no remedy.
 *
 * Hints are made of names that the caller can see anyway: visible columns, relations to filter by, included relations, exposed operations.
 * A hidden name gets the hints of a name that does not exist.
 */

import { isObject } from '../../protocol/definitions.ts';
import type { Exposure, Relation, UniqueKey } from '../datamodel/graph.ts';
import type { Operation } from '../declaration/operations.ts';
import { list } from '../messages.ts';
import { didYouMean, nearest, plain } from '../near-names.ts';
import { callText, toolNames } from './tool-names.ts';

/** Names for the arguments of an operation that models borrow from other query languages. */
const argumentAliases: ReadonlyMap<string, string> = new Map([
  ...['filter', 'filters', 'query', 'condition', 'conditions'].map(name => [name, 'where'] as const),
  ...['limit', 'first', 'top', 'pagesize', 'perpage'].map(name => [name, 'take'] as const),
  ...['order', 'sort', 'sortby', 'orderings'].map(name => [name, 'orderBy'] as const),
  ...['fields', 'columns', 'attributes', 'include', 'omit'].map(name => [name, 'select'] as const),
  ...['after', 'nextcursor'].map(name => [name, 'cursor'] as const),
  ...['values', 'input', 'row', 'set'].map(name => [name, 'data'] as const),
  ...['unique', 'distincton'].map(name => [name, 'distinct'] as const),
  ...['group', 'groupby', 'groups', 'bucket', 'interval'].map(name => [name, 'by'] as const),
  ...['total', 'totals'].map(name => [name, '_sum'] as const),
  ...['average', 'mean'].map(name => [name, '_avg'] as const),
  ...['least', 'minimum', 'earliest'].map(name => [name, '_min'] as const),
  ...['greatest', 'maximum', 'latest'].map(name => [name, '_max'] as const),
]);

/** Arguments that would name a page by its number. */
const pageNumbers: ReadonlySet<string> = new Set(['skip', 'offset', 'page', 'start']);

/** The same for filter operators. */
const operatorAliases: ReadonlyMap<string, string> = new Map([
  ...['eq', '=', '==', '===', 'is', 'equal', 'equalto', 'iexact', 'exact'].map(name => [name, 'equals'] as const),
  ...['ne', 'neq', '!=', '<>', 'isnot', 'notequals', 'notequal'].map(name => [name, 'not'] as const),
  ...['<', 'lessthan', 'before'].map(name => [name, 'lt'] as const),
  ...['<=', 'le', 'lessthanorequal'].map(name => [name, 'lte'] as const),
  ...['>', 'greaterthan', 'after'].map(name => [name, 'gt'] as const),
  ...['>=', 'ge', 'from', 'greaterthanorequal'].map(name => [name, 'gte'] as const),
  ...['nin', 'notinlist', 'noneof'].map(name => [name, 'notIn'] as const),
  ...['anyof', 'oneof', 'isin'].map(name => [name, 'in'] as const),
  ...['like', 'ilike', 'includes', 'search', 'match', 'matches', 'icontains', 'substring'].map(name => [name, 'contains'] as const),
  ...['regex', 'regexp', 'iregex', 'rlike', '~', '~*'].map(name => [name, 'contains'] as const),
  ...['prefix', 'beginswith'].map(name => [name, 'startsWith'] as const),
  ...['suffix'].map(name => [name, 'endsWith'] as const),
]);

/** The operators of a list column that are meant by operators of a single value or of other query languages. */
const listAliases: ReadonlyMap<string, string> = new Map([
  ...['contains', 'includes', 'some', 'any', 'arraycontains', 'elemmatch', 'like'].map(name => [name, 'has'] as const),
  ...['in', 'overlaps', 'overlap', 'hasany', 'containsany', '&&'].map(name => [name, 'hasSome'] as const),
  ...['all', 'every', 'hasall', 'containsall', '@>'].map(name => [name, 'hasEvery'] as const),
  ...['empty', 'isnull', 'none', 'size'].map(name => [name, 'isEmpty'] as const),
  ...['eq', '=', '==', 'is'].map(name => [name, 'equals'] as const),
]);

/** Operators that Prisma writes in two parts. */
const rewrittenOperators: ReadonlyMap<string, string> = new Map([
  ['between', 'write between as { gte: …, lte: … }'],
  ['range', 'write a range as { gte: …, lte: … }'],
  ['isnull', 'write null itself, or { not: null }'],
  ['exists', 'write null itself, or { not: null }'],
]);

/** For an argument that an operation does not have: its name in Prisma, or where its value belongs. */
export function argumentHint(exposure: Exposure, name: string, value: unknown, known: readonly string[]): string {
  if (name === 'include' && known.includes('select')) return includeHint(exposure, value);
  if (pageNumbers.has(plain(name)) && known.includes('cursor')) {
    return '; pages have no numbers: did you mean cursor? It takes the nextCursor of the page before';
  }
  if (name === 'distinct' && known.includes('orderBy'))
    return known.includes('by') ? '; groups are distinct' : '; the first row is the same without it';
  const alias = argumentAliases.get(plain(name));
  if (alias !== undefined && known.includes(alias)) return `; did you mean ${alias}?`;
  const near = nearest(name, known);
  if (near !== undefined) return `; did you mean ${near}?`;
  if (!exposure.columns.has(name)) return '';
  const holder = known.includes('data') ? 'data' : known.includes('where') ? 'where' : undefined;
  return holder === undefined ? '' : `; columns belong into ${holder}: { ${name}: … }`;
}

function includeHint(exposure: Exposure, value: unknown): string {
  const named = isObject(value) ? Object.keys(value) : [];
  const hints = named.map(name => relationHint(exposure, name)).filter(hint => hint !== '');
  if (hints.length > 0) return hints.slice(0, 3).join('');
  const included = exposure.selection.relations.map(({ relation }) => relation.name);
  return included.length === 0 ? '; rows include no relations' : `; rows always include ${list(included)}`;
}

/**
 * For the name of a tool that does not exist: the tools of the model that it begins with. `undefined` for names of no model.
 *
 * `booking_delete` → `the tools of booking are booking_findMany, booking_count`
 */
export function unknownToolHint(exposures: readonly Exposure[]): (name: string) => string | undefined {
  return name => {
    const end = name.lastIndexOf('_');
    if (end <= 0) return undefined;
    const prefix = name.slice(0, end);
    const key = nearest(
      prefix,
      exposures.map(({ node }) => node.key),
    );
    const exposure = exposures.find(({ node }) => node.key === key);
    if (exposure === undefined) return undefined;
    const operation = [...exposure.operations].find(known => known === name.slice(end + 1));
    if (operation !== undefined) return `call ${callText(exposure, operation, '…')}`;
    return `the tools of ${exposure.node.key} are ${toolNames(exposure)}`;
  };
}

/** For a name in `select` that rows do not have: how to read the relation of that name, or a name near it. */
export function selectHint(exposure: Exposure, name: string): string {
  return relationHint(exposure, name) || didYouMean(name, Object.keys(exposure.selection.select));
}

/** For a name in `where` that cannot be filtered by. */
export function whereHint(exposure: Exposure, name: string): string {
  const [first = '', rest] = name.split(/\.|__/, 2);
  const column = exposure.columns.get(first);
  if (column !== undefined && rest !== undefined) {
    const operator = operatorAliases.get(plain(rest)) ?? rest;
    return ['equals', 'not', 'in', 'notIn', ...column.type.operators].includes(operator) ? `; write ${first}: { ${operator}: … }` : '';
  }
  const relation = exposure.filterable.get(first);
  if (relation !== undefined && rest !== undefined) return `; write ${first}: { ${relation.toMany ? 'some' : 'is'}: { ${rest}: … } }`;
  const near = nearest(name, [...exposure.columns.keys(), ...exposure.filterable.keys(), 'AND', 'OR', 'NOT']);
  if (near !== undefined) return `; did you mean ${near}?`;
  return includes(exposure, name) ? `; rows include ${name}, but there is no filter by it` : '';
}

/** Operators of a list and the operators of one row that are meant. */
const oneRowOperators: ReadonlyMap<string, string> = new Map([
  ['some', 'is'],
  ['every', 'is'],
  ['none', 'isNot'],
]);

/** Whether the filter of one row has an operator of a list. A column of that name is no operator. */
export function isListOperator({ target, toMany }: Relation, name: string): boolean {
  const { columns, filterable } = target.exposure ?? {};
  return !toMany && oneRowOperators.has(name) && columns?.has(name) !== true && filterable?.has(name) !== true;
}

/** For a key in the filter of a relation that is no operator: columns belong into an operator. */
export function relationFilterHint(relation: Relation, name: string): string {
  const { target, toMany } = relation;
  const columns = target.exposure?.columns;
  if (isListOperator(relation, name)) {
    const form = relationForm(relation);
    return `; ${relation.name} is one row, not a list: write ${relation.name}: { ${oneRowOperators.get(name)}: ${form} }, or ${relation.name}: ${form}`;
  }
  if (toMany && (name === 'is' || name === 'isNot')) {
    return `; ${relation.name} is a list: write { ${name === 'is' ? 'some' : 'none'}: ${relationForm(relation)} }`;
  }
  if (columns?.has(name) === true) return `; write { ${toMany ? 'some' : 'is'}: { ${name}: … } }`;
  return didYouMean(name, toMany ? ['some', 'every', 'none'] : ['is', 'isNot']);
}

/** `{ name: … }`, with the first column of the related model that is not its key. */
function relationForm({ target, to }: Relation): string {
  const columns = [...(target.exposure?.columns.values() ?? [])];
  const name = (columns.find(column => !column.field.isId && !to.includes(column.name)) ?? columns[0])?.name;
  return `{ ${name ?? 'id'}: … }`;
}

/** For a value where a relation filter is an object: its forms, or the column that holds the key of the related row. */
export function relationValueHint(relation: Relation, value: unknown): string {
  const { name, toMany, from, source } = relation;
  const form = relationForm(relation);
  if (toMany && value === null) return `; to find rows without ${name}, write ${name}: { none: {} }`;
  if (toMany) return `; ${name} is a list of rows: write ${name}: { some: ${form} }`;
  const [key] = from;
  const byKey = from.length === 1 && key !== undefined && source.exposure?.columns.has(key) === true;
  return `; ${name} is a row, not a value: write ${name}: ${form}${byKey ? `, or ${key}: … for its key` : ''}`;
}

/** How the texts of a filter are compared. */
export interface TextComparison extends Pick<Exposure, 'provider' | 'insensitive'> {
  /** Whether the operators stand below `not`. They then have the `mode` of the filter around it. */
  readonly isNegated?: boolean;
}

/** For `mode` where it is not offered: that the database, or the column, has none. */
export function modeHint({ provider, insensitive, isNegated = false }: TextComparison): string {
  if (insensitive) return isNegated ? '; write mode beside not' : '; leave mode out, these values always compare by case';
  if (provider !== 'sqlite') return '; leave mode out, the database decides by itself whether case counts';
  return '; leave mode out, this database does not have it: contains, startsWith and endsWith ignore the case of ASCII letters, equals does not';
}

/** For a value, or an operator that a list column does not have. */
export function listFilterHint(name: string | undefined, operators: readonly string[]): string {
  if (name === undefined) return '; to find rows whose list has this value, write { has: … }';
  const bare = name.replace(/^\$/, '');
  const alias = listAliases.get(plain(bare) === '' ? bare : plain(bare));
  return alias === undefined ? didYouMean(bare, operators) : `; did you mean ${alias}?`;
}

/** For a filter operator that a column does not have: how Prisma spells it. */
export function operatorHint(name: string, operators: readonly string[]): string {
  const bare = name.replace(/^\$/, '');
  const key = plain(bare) === '' ? bare : plain(bare);
  const alias = operatorAliases.get(key);
  if (alias !== undefined && operators.includes(alias)) return `; did you mean ${alias}?`;
  const rewritten = rewrittenOperators.get(key);
  if (rewritten !== undefined) return `; ${rewritten}`;
  return didYouMean(bare, operators);
}

/** For a name in `orderBy` that rows cannot be ordered by. */
export function orderHint(exposure: Exposure, name: string, sortable: readonly string[]): string {
  if (exposure.filterable.has(name) || includes(exposure, name)) return `; order by a column of ${exposure.node.name} itself`;
  return didYouMean(name, sortable);
}

/** For a name that rows cannot be grouped by: the foreign key of a relation, or a name near it. */
export function groupHint(exposure: Exposure, name: string, groupable: readonly string[]): string {
  const from = relationOf(exposure, name)?.from ?? [];
  if (from.length > 0 && from.every(column => groupable.includes(column))) return `; group by ${list(from)}`;
  return didYouMean(name, groupable);
}

/** For a name in `having` that is no column: an aggregate belongs into its column. */
export function havingHint(exposure: Exposure, name: string): string {
  const aggregate = ['_sum', '_avg', '_min', '_max'].find(known => known === name);
  if (aggregate !== undefined) return `; write { column: { ${aggregate}: … } }`;
  return didYouMean(name, [...exposure.columns.keys(), '_count', 'AND', 'OR', 'NOT']);
}

/** For a name in a unique `where` that is no unique key: the key that it is a part of, or the operation that finds rows by it. */
export function keyHint(exposure: Exposure, name: string): string {
  const { uniques, columns, operations, node } = exposure;
  const compound = uniques.find(key => key.compound && key.fields.includes(name));
  if (compound !== undefined) return `; write ${keyText(compound)}`;
  if (columns.has(name)) {
    return operations.has('findMany')
      ? `; it is not unique, ${callText(exposure, 'findMany', `where: { ${name}: … }`)} finds rows by it`
      : '';
  }
  const near = nearest(
    name,
    uniques.map(key => key.name),
  );
  if (near !== undefined) return `; did you mean ${near}?`;
  const key = uniques.find(unique => !unique.compound) ?? uniques[0];
  const isId = ['', plain(node.key)].some(prefix => [`${prefix}id`, `${prefix}uuid`, `${prefix}key`].includes(plain(name)));
  return isId && key !== undefined ? `; did you mean ${key.compound ? keyText(key) : key.name}?` : '';
}

/** The remedy for a `take` that is out of range: how to read the rows that were probably meant. */
export function takeHint(exposure: Exposure, value: unknown, of: 'rows' | 'groups'): string {
  if (typeof value !== 'number') return '';
  if (value === 0) return exposure.operations.has('count') ? `; to count rows, use ${callText(exposure, 'count', 'where: …')}` : '';
  if (value < 0) return '; to read from the end, turn the direction of orderBy';
  if (value <= exposure.take) return '';
  return of === 'rows'
    ? '; read the following rows by the nextCursor of the result'
    : '; to see other groups, narrow where or turn orderBy';
}

/** `{ id: … }`, `{ clientId_roomId: { clientId: …, roomId: … } }` */
export function keyForm(key: UniqueKey): string {
  return key.compound ? keyText(key) : `{ ${key.name}: … }`;
}

/** For a name in `data` that callers cannot write. */
export function dataHint(exposure: Exposure, name: string, writable: Iterable<string>): string {
  if (exposure.columns.has(name)) return '; its value is not for callers to set';
  const names = [...writable];
  const from = relationOf(exposure, name)?.from ?? [];
  if (from.length > 0 && from.every(column => names.includes(column))) return `; to relate rows, set ${list(from)}`;
  return didYouMean(name, names);
}

/**
 * How to read the rows of a relation that rows do not include. Only for relations that callers may filter by, or that rows include.
 *
 * `; badges are read with badge_findMany { where: { docId: <id> } }`
 */
function relationHint(exposure: Exposure, name: string): string {
  if (includes(exposure, name)) return `; rows always include ${name}`;
  const relation = exposure.filterable.get(name);
  if (relation === undefined) return '';
  const call = readCall(relation, exposure);
  return call === undefined ? `; ${name} is a relation, which rows do not include` : `; ${name} is a relation: read it with ${call}`;
}

function includes({ selection }: Exposure, name: string): boolean {
  return selection.relations.some(({ relation }) => relation.name === name);
}

function relationOf(exposure: Exposure, name: string): Relation | undefined {
  return exposure.filterable.get(name) ?? exposure.selection.relations.find(({ relation }) => relation.name === name)?.relation;
}

/** The call that reads the rows of a relation. `<id>` stands for the value of the row's own column. */
function readCall({ target, from, to, back, opposite = '' }: Relation, exposure: Exposure): string | undefined {
  const other = target.exposure;
  if (other === undefined) return undefined;
  const placeholder = (column: string | undefined): string => (column !== undefined && exposure.columns.has(column) ? `<${column}>` : '…');
  const conditions = (columns: readonly string[], values: readonly (string | undefined)[]): string =>
    list(columns.map((column, index) => `${column}: ${placeholder(values[index])}`));
  if (from.length > 0) {
    if (!to.every(column => other.columns.has(column))) return undefined;
    const where = conditions(to, from);
    const key = other.uniques.find(unique => isSame(unique.fields, to));
    if (key !== undefined && other.operations.has('findUnique')) {
      return callText(other, 'findUnique', `where: { ${key.compound ? `${key.name}: { ${where} }` : where} }`);
    }
    return listCall(other, where);
  }
  const reverse = target.relations.get(opposite);
  if (back.length > 0) return listCall(other, conditions(back, reverse?.to ?? []));
  const [key] = exposure.uniques;
  if (key === undefined || !other.filterable.has(opposite)) return undefined;
  return listCall(other, `${opposite}: { some: { ${conditions(key.fields, key.fields)} } }`);
}

function listCall(exposure: Exposure, where: string): string | undefined {
  const operation = (['findMany', 'findFirst', 'count'] as const satisfies Operation[]).find(name => exposure.operations.has(name));
  return operation && callText(exposure, operation, `where: { ${where} }`);
}

/** `{ clientId_roomId: { clientId: …, roomId: … } }` */
function keyText({ name, fields }: UniqueKey): string {
  return `{ ${name}: { ${list(fields.map(field => `${field}: …`))} } }`;
}

function isSame(names: readonly string[], others: readonly string[]): boolean {
  return names.length === others.length && names.every(name => others.includes(name));
}
