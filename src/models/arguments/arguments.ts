import { isObject } from '../../protocol/definitions.ts';
import type { Column, Exposure, ModelNode, OrderStep, Relation, Selection, UniqueKey } from '../datamodel/graph.ts';
import { hasPolicy, rowKey, uniqueWhere } from '../datamodel/graph.ts';
import { jsonOf } from '../datamodel/scalars.ts';
import type { Args } from '../declaration/delegates.ts';
import { join, list, nameOf, parseObject, quote, refuse } from '../messages.ts';
import { didYouMean } from '../near-names.ts';
import { isEveryRow } from '../policy/every-row.ts';
import { completeOrder } from '../policy/host-args.ts';
import { argumentHint, keyForm, keyHint, orderHint, selectHint, takeHint } from './hints.ts';
import type { ParsedWhere, WhereLimits } from './where.ts';
import { parseWhere } from './where.ts';

/** Which rows, in which order, and what of them. */
export interface ParsedQuery extends ParsedWhere {
  readonly selection: Selection;
  readonly orderBy: readonly OrderStep[];
}

/** The arguments of a `findMany` call, checked and converted. */
export interface ParsedFindMany extends ParsedQuery {
  readonly take: number;
  /** The key values of the row the page begins after. */
  readonly cursor: Args | undefined;
  /** If given, only the first row of those that are equal in these columns. */
  readonly distinct?: readonly Column[] | undefined;
}

/** Refuses arguments that the operation does not have. @param known The arguments that it has. */
export function assertArguments(exposure: Exposure, known: readonly string[], args: Args): void {
  for (const name of Object.keys(args)) {
    if (!known.includes(name))
      refuse(join('', name), `unknown argument (${list(known)})${argumentHint(exposure, name, args[name], known)}`);
  }
}

/** Parses the arguments of `findMany`. */
export function parseFindMany(exposure: Exposure, args: Args, limits: WhereLimits): ParsedFindMany {
  const key = cursorKey(exposure);
  const { where, relational, selection, orderBy } = parseQuery(exposure, args, limits);
  const { cursor } = args;
  const distinct = args['distinct'] === undefined ? undefined : parseDistinct(exposure, args['distinct']);
  if (cursor !== undefined && distinct !== undefined) {
    refuse('cursor', 'rows that are distinct have no pages; narrow where, or read the values with groupBy');
  }
  if (cursor !== undefined && !isPageable(exposure.node, orderBy)) {
    refuse(
      'cursor',
      'an order by a column of a row that may be missing has no pages; order by columns of the model itself, or narrow where',
    );
  }
  return {
    where,
    relational,
    selection,
    orderBy,
    take: parseTake(exposure, args['take'], 'rows'),
    distinct,
    cursor:
      cursor === undefined ? undefined : key === undefined ? refuse('cursor', 'unknown argument') : parseCursor(exposure, key, cursor),
  };
}

/** Parses the arguments of `findFirst`, and those that `findMany` has in common with it. */
export function parseQuery(exposure: Exposure, args: Args, limits: WhereLimits): ParsedQuery {
  const { where, relational } = parseOptionalWhere(exposure, args['where'], limits);
  return {
    where,
    relational,
    selection: parseSelect(exposure, args['select']),
    orderBy: args['orderBy'] === undefined ? exposure.orderBy : parseOrderBy(exposure, args['orderBy'], limits),
  };
}

/** Parses a `where` that may be left out. */
export function parseOptionalWhere(exposure: Exposure, where: unknown, limits: WhereLimits): ParsedWhere {
  return where === undefined ? { where: {}, relational: false } : parseWhere(exposure, where, limits);
}

/** `["status", "roomId"]` */
function parseDistinct(exposure: Exposure, value: unknown): Column[] {
  const names = sortableColumns(exposure);
  const given = Array.isArray(value) ? value : [value];
  if (given.length === 0) refuse('distinct', `name at least one of ${list(names)}`);
  const wanted = given.map((name: unknown, index) => {
    if (typeof name !== 'string') return refuse(`distinct[${index}]`, `expected a column, got ${nameOf(name)}`);
    if (names.includes(name)) return name;
    return refuse(
      `distinct[${index}]`,
      `${exposure.node.name} has no column ${quote(name)} to tell rows apart (${list(names)})${didYouMean(name, names)}`,
    );
  });
  return [...exposure.columns.values()].filter(column => wanted.includes(column.name));
}

/**
 * Whether a cursor works with this order. Prisma's cursors skip the rows for which a required column is NULL because the related row is missing.
 */
export function isPageable(node: ModelNode, orderBy: readonly OrderStep[]): boolean {
  return orderBy.every(step => Object.entries(step).every(([name, order]) => isKnown(node, name, order, false)));
}

/** @param optional Whether a relation around it may lead to no row. */
function isKnown(node: ModelNode, name: string, order: unknown, optional: boolean): boolean {
  const relation = node.relations.get(name);
  if (relation === undefined) return !optional || node.fields.get(name)?.isRequired !== true;
  if (relation.toMany || !isObject(order)) return true;
  return Object.entries(order).every(([inner, value]) => isKnown(relation.target, inner, value, optional || !relation.required));
}

/** The unique key that cursors are made of. `undefined` if every unique key has a hidden column. */
export function cursorKey(exposure: Exposure): UniqueKey | undefined {
  return exposure.uniques[0];
}

/** Parses a caller's `select`: columns and included relations by name. It can only narrow the full selection. */
export function parseSelect(exposure: Exposure, value: unknown): Selection {
  const full = exposure.selection;
  if (value === undefined) return full;
  if (!isObject(value)) return refuse('select', `expected an object such as { "id": true }, got ${nameOf(value)}`);
  const names = new Set<string>();
  for (const [name, flag] of Object.entries(value)) {
    const at = join('select', name);
    if (!Object.hasOwn(full.select, name)) {
      const names = list(Object.keys(full.select));
      refuse(at, `${exposure.node.name} has no column ${quote(name)} (${names})${selectHint(exposure, name)}`);
    }
    if (typeof flag !== 'boolean') refuse(at, `expected true or false, got ${nameOf(flag)}`);
    if (flag) names.add(name);
  }
  if (names.size === 0) return refuse('select', `name at least one of ${list(Object.keys(full.select))}`);
  return {
    columns: full.columns.filter(column => names.has(column.name)),
    relations: full.relations.filter(({ relation }) => names.has(relation.name)),
    counts: names.has('_count') ? full.counts : [],
    select: Object.fromEntries(Object.entries(full.select).filter(([name]) => names.has(name))),
    filtered: full.filtered,
  };
}

/**
 * Parses the order of a caller, and completes it with the row's key so that pages are stable.
 *
 * `{ a: "asc" }`, `[{ a: { sort: "desc", nulls: "last" } }, { client: { name: "asc" } }, { bookings: { _count: "desc" } }]`
 */
function parseOrderBy(exposure: Exposure, value: unknown, limits: WhereLimits): OrderStep[] {
  const steps: OrderStep[] = [];
  let relations = 0;
  for (const [index, item] of (Array.isArray(value) ? value : [value]).entries()) {
    const path = Array.isArray(value) ? `orderBy[${index}]` : 'orderBy';
    if (!isObject(item)) {
      const [first = 'id'] = sortableColumns(exposure);
      return refuse(path, `expected an object such as { "${first}": "asc" }, got ${nameOf(item)}`);
    }
    for (const [name, order] of Object.entries(item)) {
      const step = { [name]: parseOrder(exposure, name, order, { path: join(path, name), limits, hops: 0 }) };
      if (!exposure.columns.has(name)) relations++;
      else if (steps.some(other => Object.hasOwn(other, name))) continue;
      steps.push(step);
    }
    if (relations > limits.maxRelations) {
      refuse(path, `more than ${limits.maxRelations} relations in one orderBy (limits.where.maxRelations); order by fewer`);
    }
  }
  return completeOrder(steps, rowKey(exposure.node));
}

interface OrderPlace {
  readonly path: string;
  readonly limits: WhereLimits;
  /** Relations around it. */
  readonly hops: number;
}

/** The order by one column, by a column of a related row, or by the number of related rows. */
function parseOrder(exposure: Exposure, name: string, order: unknown, place: OrderPlace): unknown {
  const { path, limits, hops } = place;
  const column = exposure.columns.get(name);
  if (column !== undefined && isSortable(column)) return parseDirection(column, order, path);
  const relation = exposure.filterable.get(name);
  const target = relation?.target.exposure;
  // The order would show values of hidden rows, or their number.
  if (relation === undefined || target === undefined || hasPolicy(relation.target)) {
    const names = orderNames(exposure);
    const hint = orderHint(exposure, name, names);
    return refuse(path, `${exposure.node.name} has no column ${quote(name)} to order by (${list(names)})${hint}`);
  }
  if (hops >= limits.maxHops) refuse(path, `behind more than ${limits.maxHops} relations (limits.where.maxHops); order by a nearer column`);
  const [inner = '', ...more] = Object.keys(parseObject(order, path));
  if (inner === '' || more.length > 0) refuse(path, 'expected exactly one column; give each in an object of its own');
  const at = join(path, inner);
  const value = parseObject(order, path)[inner];
  if (!relation.toMany) return { [inner]: parseOrder(target, inner, value, { path: at, limits, hops: hops + 1 }) };
  if (inner !== '_count') return refuse(at, 'a list can be ordered by _count only, the number of its rows');
  return { _count: value === 'asc' || value === 'desc' ? value : refuse(at, 'expected "asc" or "desc"') };
}

/** `"asc"`, or `{ sort: "asc", nulls: "last" }` for a nullable column. */
export function parseDirection(column: Column, order: unknown, path: string): unknown {
  if (order === 'asc' || order === 'desc') return order;
  if (!isObject(order)) return refuse(path, 'expected "asc" or "desc"');
  const { sort, nulls, ...unknown } = order;
  for (const name of Object.keys(unknown)) refuse(join(path, name), 'not a part of an order (sort, nulls)');
  if (sort !== 'asc' && sort !== 'desc') return refuse(join(path, 'sort'), 'expected "asc" or "desc"');
  if (nulls === undefined) return sort;
  if (!column.nullable) refuse(join(path, 'nulls'), `${column.name} is never null; leave nulls out`);
  return { sort, nulls: nulls === 'first' || nulls === 'last' ? nulls : refuse(join(path, 'nulls'), 'expected "first" or "last"') };
}

/** Relations through which rows can be ordered: those that callers can filter by, to models without a row policy. */
export function orderRelations(exposure: Exposure): Relation[] {
  return [...exposure.filterable.values()].filter(({ target }) => target.exposure !== undefined && !hasPolicy(target));
}

function orderNames(exposure: Exposure): string[] {
  return [...sortableColumns(exposure), ...orderRelations(exposure).map(({ name }) => name)];
}

/** Columns that rows can be ordered and grouped by: all but lists and columns whose type has no order. */
export function sortableColumns(exposure: Exposure): string[] {
  return [...exposure.columns.values()].filter(isSortable).map(column => column.name);
}

/** Whether rows can be ordered and grouped by a column. */
export function isSortable({ list: isList, type }: Column): boolean {
  return !isList && type.sortable !== false;
}

/** A number of rows or groups, within the cap of the exposure. Only rows have pages. */
export function parseTake(exposure: Exposure, value: unknown, of: 'rows' | 'groups'): number {
  if (value === undefined) return exposure.take;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > exposure.take) {
    return refuse('take', `expected a whole number from 1 to ${exposure.take}${takeHint(exposure, value, of)}`);
  }
  return value;
}

/**
 * Parses a caller's unique `where`: exactly one of the visible unique keys, in Prisma's form.
 *
 * `{ id: 1 }`, `{ clientId_roomId: { clientId: 1, roomId: "a" } }`
 */
export function parseUniqueWhere(exposure: Exposure, value: unknown): Args {
  const where = isObject(value) ? value : refuse('where', `expected an object, got ${nameOf(value)}; ${keyFact(exposure)}`);
  const names = Object.keys(where);
  for (const unknown of names) {
    if (exposure.uniques.some(key => key.name === unknown)) continue;
    const keys = list(exposure.uniques.map(key => key.name));
    refuse(join('where', unknown), `${exposure.node.name} has no unique key ${quote(unknown)} (${keys})${keyHint(exposure, unknown)}`);
  }
  const key = exposure.uniques.find(known => known.name === names[0]);
  if (key === undefined || names.length > 1) {
    return refuse('where', keyFact(exposure));
  }
  const { name } = key;
  if (!key.compound) return { [name]: parseKeyValue(exposure, name, where[name], `where.${name}`) };
  const part = parseObject(where[name], `where.${name}`);
  for (const unknown of Object.keys(part)) {
    if (!key.fields.includes(unknown)) refuse(join(`where.${name}`, unknown), `not a part of the key (${list(key.fields)})`);
  }
  const values = key.fields.map(field => [field, parseKeyValue(exposure, field, own(part, field), `where.${name}.${field}`)] as const);
  return { [name]: Object.fromEntries(values) };
}

/** Parses the `where` of `updateMany` or `deleteMany`. Refuses one that every row meets, such as `{}` and `{ OR: [{}] }`. */
export function parseBulkWhere(exposure: Exposure, value: unknown, limits: WhereLimits): ParsedWhere {
  const parsed = parseWhere(exposure, value, limits);
  if (isEveryRow(exposure.node, parsed.where)) refuse('where', 'every row meets it; name the rows to write');
  return parsed;
}

function parseKeyValue(exposure: Exposure, name: string, value: unknown, path: string): unknown {
  return isObject(value)
    ? refuse(path, 'expected the value itself, got an object; a unique key takes no operators')
    : parseColumn(exposure, name, value, path);
}

/** `name the row by exactly one of id, email: { id: … }` */
function keyFact({ uniques }: Exposure): string {
  const form = uniques[0] === undefined ? '' : `: ${keyForm(uniques[0])}`;
  return `name the row by ${uniques.length === 1 ? '' : 'exactly one of '}${list(uniques.map(key => key.name))}${form}`;
}

/** The opaque cursor that names a row by a unique key: base64url of the JSON of its values. */
export function encodeCursor(exposure: Exposure, key: UniqueKey, row: Args): string {
  const values = key.fields.map(name => jsonOf(exposure.columns.get(name)?.type, row[name]));
  return Buffer.from(JSON.stringify(values)).toString('base64url');
}

/** Decodes a cursor into the key values of its row. The query checks that the row exists and that the caller may see it. */
export function parseCursor(exposure: Exposure, key: UniqueKey, value: unknown): Args {
  if (typeof value !== 'string') return refuse('cursor', 'expected the nextCursor of an earlier result');
  let values: unknown;
  try {
    values = JSON.parse(Buffer.from(value, 'base64url').toString());
  } catch {
    return refuse('cursor', 'not a nextCursor of this tool; leave it out to start from the first row');
  }
  if (!Array.isArray(values) || values.length !== key.fields.length) {
    return refuse('cursor', 'not a nextCursor of this tool; leave it out to start from the first row');
  }
  const parts = key.fields.map((name, index) => [name, parseColumn(exposure, name, values[index], 'cursor')] as const);
  return Object.fromEntries(parts);
}

/** The unique `where` made of URI variables; `undefined` if one cannot be a value of its column. */
export function whereOfVariables(exposure: Exposure, key: UniqueKey, variables: Readonly<Record<string, string>>): Args | undefined {
  const row: Args = {};
  try {
    for (const name of key.fields) {
      const text = own(variables, name) ?? '';
      const fromText = exposure.columns.get(name)?.type.fromText;
      row[name] = parseColumn(exposure, name, fromText === undefined ? text : fromText(text), name);
    }
  } catch {
    return undefined;
  }
  return uniqueWhere(key, row);
}

function own<T>(object: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function parseColumn(exposure: Exposure, name: string, value: unknown, path: string): unknown {
  const column = exposure.columns.get(name);
  if (column === undefined) return refuse(path, 'not a visible column');
  return value === undefined ? refuse(path, 'is required') : column.type.parse(value, path);
}
