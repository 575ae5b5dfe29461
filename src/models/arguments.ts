import type { Exposure } from './exposure.ts';
import type { UniqueKey } from './graph.ts';
import { rowKey } from './graph.ts';
import type { OrderStep } from './host-args.ts';
import { completeOrder } from './host-args.ts';
import type { Selection } from './include.ts';
import { isObject, join, list, nameOf, quote, refuse } from './messages.ts';
import type { Args } from './policy.ts';
import { parseCursor } from './unique.ts';
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

/** Refuses an argument the tool does not have. */
export function assertArguments(args: Args, known: readonly string[]): void {
  for (const name of Object.keys(args)) {
    if (!known.includes(name)) refuse(join('', name), `unknown argument (${list(known)})`);
  }
}

/** Reads the arguments of `findMany`. */
export function parseFindMany(exposure: Exposure, args: Args, limits: WhereLimits): ParsedFindMany {
  assertArguments(args, ['where', 'select', 'orderBy', 'take', 'cursor']);
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

/** The unique key that cursors are made of; none if every unique key has a hidden column. */
export function cursorKey(exposure: Exposure): UniqueKey | undefined {
  return exposure.uniques[0];
}

/** A caller's narrower `select`: columns and included relations by name. */
export function parseSelect(exposure: Exposure, value: unknown): Selection {
  const full = exposure.selection;
  if (value === undefined) return full;
  if (!isObject(value)) return refuse('select', `expected an object such as { "id": true }, got ${nameOf(value)}`);
  const names = new Set<string>();
  for (const [name, flag] of Object.entries(value)) {
    const at = join('select', name);
    if (!Object.hasOwn(full.select, name))
      refuse(at, `${exposure.node.name} has no column ${quote(name)} (${list(Object.keys(full.select))})`);
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

/** `{ a: "asc" }` or `[{ a: "asc" }, { b: "desc" }]` on visible columns, completed so that pages are stable. */
function parseOrderBy(exposure: Exposure, value: unknown): OrderStep[] {
  const sortable = sortableColumns(exposure);
  const steps: OrderStep[] = [];
  for (const [index, item] of (Array.isArray(value) ? value : [value]).entries()) {
    const path = Array.isArray(value) ? `orderBy[${index}]` : 'orderBy';
    if (!isObject(item)) return refuse(path, `expected an object such as { "${sortable[0] ?? 'id'}": "asc" }, got ${nameOf(item)}`);
    for (const [name, direction] of Object.entries(item)) {
      const at = join(path, name);
      if (!sortable.includes(name)) refuse(at, `${exposure.node.name} has no column ${quote(name)} to order by (${list(sortable)})`);
      if (direction !== 'asc' && direction !== 'desc') refuse(at, 'expected "asc" or "desc"');
      if (!steps.some(step => Object.hasOwn(step, name))) steps.push({ [name]: direction });
    }
  }
  return completeOrder(steps, rowKey(exposure.node));
}

/** Columns that rows can be ordered by: all but lists and those whose type has no order. */
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
