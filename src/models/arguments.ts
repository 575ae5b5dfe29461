import type { Operation } from './declaration.ts';
import type { Args } from './delegates.ts';
import type { Exposure, OrderStep, Selection, UniqueKey } from './graph.ts';
import { rowKey, uniqueWhere } from './graph.ts';
import { argumentHint, keyHint, orderHint, selectHint } from './hints.ts';
import { completeOrder } from './host-args.ts';
import { isObject, join, list, nameOf, parseObject, quote, refuse } from './messages.ts';
import type { ParsedWhere, WhereLimits } from './where.ts';
import { parseWhere } from './where.ts';

/** The arguments of a `findMany` call, checked and converted. */
export interface ParsedFindMany extends ParsedWhere {
  readonly selection: Selection;
  readonly orderBy: readonly OrderStep[];
  readonly take: number;
  /** The key values of the row the page begins after. */
  readonly cursor: Args | undefined;
}

/** An argument of some operation, as Prisma names it. */
export type ArgumentName = 'where' | 'select' | 'orderBy' | 'take' | 'cursor' | 'data';

/** The arguments of each operation. */
export const argumentNames: Readonly<Record<Operation, readonly ArgumentName[]>> = {
  findUnique: ['where', 'select'],
  findMany: ['where', 'select', 'orderBy', 'take', 'cursor'],
  count: ['where'],
  create: ['data'],
  update: ['where', 'data'],
  delete: ['where'],
};

/** Refuses arguments that the operation does not have. */
export function assertArguments(exposure: Exposure, operation: Operation, args: Args): void {
  const known: readonly string[] = argumentNames[operation];
  for (const [name, value] of Object.entries(args)) {
    if (!known.includes(name)) refuse(join('', name), `unknown argument (${list(known)})${argumentHint(exposure, name, value, known)}`);
  }
}

/** Parses the arguments of `findMany`. */
export function parseFindMany(exposure: Exposure, args: Args, limits: WhereLimits): ParsedFindMany {
  assertArguments(exposure, 'findMany', args);
  const { where, relational } = args['where'] === undefined ? noWhere : parseWhere(exposure, args['where'], limits);
  const key = cursorKey(exposure);
  const { cursor } = args;
  return {
    where,
    relational,
    selection: parseSelect(exposure, args['select']),
    orderBy: args['orderBy'] === undefined ? exposure.orderBy : parseOrderBy(exposure, args['orderBy']),
    take: parseTake(exposure, args['take']),
    cursor:
      cursor === undefined ? undefined : key === undefined ? refuse('cursor', 'unknown argument') : parseCursor(exposure, key, cursor),
  };
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

const noWhere: ParsedWhere = { where: {}, relational: false };

/** `{ a: "asc" }` or `[{ a: "asc" }, { b: "desc" }]` on visible columns, completed with the row's key so that pages are stable. */
function parseOrderBy(exposure: Exposure, value: unknown): OrderStep[] {
  const sortable = sortableColumns(exposure);
  const steps: OrderStep[] = [];
  for (const [index, item] of (Array.isArray(value) ? value : [value]).entries()) {
    const path = Array.isArray(value) ? `orderBy[${index}]` : 'orderBy';
    if (!isObject(item)) return refuse(path, `expected an object such as { "${sortable[0] ?? 'id'}": "asc" }, got ${nameOf(item)}`);
    for (const [name, direction] of Object.entries(item)) {
      const at = join(path, name);
      if (!sortable.includes(name)) {
        const hint = orderHint(exposure, name, sortable);
        refuse(at, `${exposure.node.name} has no column ${quote(name)} to order by (${list(sortable)})${hint}`);
      }
      if (direction !== 'asc' && direction !== 'desc') refuse(at, 'expected "asc" or "desc"');
      if (!steps.some(step => Object.hasOwn(step, name))) steps.push({ [name]: direction });
    }
  }
  return completeOrder(steps, rowKey(exposure.node));
}

/** Columns that rows can be ordered by: all but lists and columns whose type has no order. */
export function sortableColumns(exposure: Exposure): string[] {
  return [...exposure.columns.values()].filter(({ list, type }) => !list && type.sortable !== false).map(column => column.name);
}

function parseTake(exposure: Exposure, value: unknown): number {
  if (value === undefined) return exposure.take;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > exposure.take) {
    return refuse('take', `expected a whole number from 1 to ${exposure.take}`);
  }
  return value;
}

/**
 * Parses a caller's unique `where`: exactly one of the visible unique keys, in Prisma's form.
 *
 * `{ id: 1 }`, `{ clientId_roomId: { clientId: 1, roomId: "a" } }`
 */
export function parseUniqueWhere(exposure: Exposure, value: unknown): Args {
  const where = parseObject(value, 'where');
  const names = Object.keys(where);
  for (const unknown of names) {
    if (exposure.uniques.some(key => key.name === unknown)) continue;
    const keys = list(exposure.uniques.map(key => key.name));
    refuse(join('where', unknown), `${exposure.node.name} has no unique key ${quote(unknown)} (${keys})${keyHint(exposure, unknown)}`);
  }
  const key = exposure.uniques.find(known => known.name === names[0]);
  if (key === undefined || names.length > 1) {
    const keys = exposure.uniques.map(key => key.name);
    return refuse('where', keys.length === 1 ? `name the row by ${list(keys)}` : `name the row by exactly one of ${list(keys)}`);
  }
  const { name } = key;
  if (!key.compound) return { [name]: parseColumn(exposure, name, where[name], `where.${name}`) };
  const part = parseObject(where[name], `where.${name}`);
  for (const unknown of Object.keys(part)) {
    if (!key.fields.includes(unknown)) refuse(join(`where.${name}`, unknown), `not a part of the key (${list(key.fields)})`);
  }
  const values = key.fields.map(field => [field, parseColumn(exposure, field, own(part, field), `where.${name}.${field}`)] as const);
  return { [name]: Object.fromEntries(values) };
}

/** The opaque cursor that names a row by a unique key: base64url of the JSON of its values. */
export function encodeCursor(exposure: Exposure, key: UniqueKey, row: Args): string {
  const values = key.fields.map(name => {
    const toJson = exposure.columns.get(name)?.type.toJson;
    return toJson === undefined ? row[name] : toJson(row[name]);
  });
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
