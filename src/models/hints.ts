/**
 * Remedies for the mistakes that language models make in calls. Each function returns the end of a refusal, such as `; did you mean startsAt?`,
 * or `''` if there is no remedy.
 *
 * Hints are made of names that the caller can see anyway: visible columns, relations to filter by, included relations, exposed operations.
 * A hidden name gets the hints of a name that does not exist.
 */

import type { Exposure, Relation, UniqueKey } from './graph.ts';
import { isObject, list } from './messages.ts';
import { didYouMean, nearest, plain } from './near-names.ts';
import type { Operation } from './operations.ts';
import { callText, toolNames } from './tool-names.ts';

/** Names for the arguments of an operation that models borrow from other query languages. */
const argumentAliases: ReadonlyMap<string, string> = new Map([
  ...['filter', 'filters', 'query', 'condition', 'conditions'].map(name => [name, 'where'] as const),
  ...['limit', 'first', 'top', 'pagesize', 'perpage'].map(name => [name, 'take'] as const),
  ...['order', 'sort', 'sortby', 'orderings'].map(name => [name, 'orderBy'] as const),
  ...['fields', 'columns', 'attributes', 'include', 'omit'].map(name => [name, 'select'] as const),
  ...['skip', 'offset', 'page', 'after', 'nextcursor'].map(name => [name, 'cursor'] as const),
  ...['values', 'input', 'row', 'set'].map(name => [name, 'data'] as const),
]);

/** The same for filter operators. */
const operatorAliases: ReadonlyMap<string, string> = new Map([
  ...['eq', '=', '==', '===', 'is', 'equal', 'equalto'].map(name => [name, 'equals'] as const),
  ...['ne', 'neq', '!=', '<>', 'isnot', 'notequals', 'notequal'].map(name => [name, 'not'] as const),
  ...['<', 'lessthan', 'before'].map(name => [name, 'lt'] as const),
  ...['<=', 'le', 'lessthanorequal'].map(name => [name, 'lte'] as const),
  ...['>', 'greaterthan', 'after'].map(name => [name, 'gt'] as const),
  ...['>=', 'ge', 'from', 'greaterthanorequal'].map(name => [name, 'gte'] as const),
  ...['nin', 'notinlist', 'noneof'].map(name => [name, 'notIn'] as const),
  ...['anyof', 'oneof', 'isin'].map(name => [name, 'in'] as const),
  ...['like', 'ilike', 'includes', 'search', 'match', 'matches', 'icontains', 'substring'].map(name => [name, 'contains'] as const),
  ...['prefix', 'beginswith'].map(name => [name, 'startsWith'] as const),
  ...['suffix'].map(name => [name, 'endsWith'] as const),
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
  const [first = '', rest] = name.split('.', 2);
  const relation = exposure.filterable.get(first);
  if (relation !== undefined && rest !== undefined) return `; write ${first}: { ${relation.toMany ? 'some' : 'is'}: { ${rest}: … } }`;
  const near = nearest(name, [...exposure.columns.keys(), ...exposure.filterable.keys(), 'AND', 'OR', 'NOT']);
  if (near !== undefined) return `; did you mean ${near}?`;
  return includes(exposure, name) ? `; rows include ${name}, but there is no filter by it` : '';
}

/** For a key in the filter of a relation that is no operator: columns belong into an operator. */
export function relationFilterHint({ target, toMany }: Relation, name: string): string {
  const columns = target.exposure?.columns;
  if (columns?.has(name) === true) return `; write { ${toMany ? 'some' : 'is'}: { ${name}: … } }`;
  return didYouMean(name, toMany ? ['some', 'every', 'none'] : ['is', 'isNot']);
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
  const operation = (['findMany', 'count'] as const satisfies Operation[]).find(name => exposure.operations.has(name));
  return operation && callText(exposure, operation, `where: { ${where} }`);
}

/** `{ clientId_roomId: { clientId: …, roomId: … } }` */
function keyText({ name, fields }: UniqueKey): string {
  return `{ ${name}: { ${list(fields.map(field => `${field}: …`))} } }`;
}

function isSame(names: readonly string[], others: readonly string[]): boolean {
  return names.length === others.length && names.every(name => others.includes(name));
}
