import { isObject } from '../../protocol/definitions.ts';
import type { Bucket } from '../datamodel/date-buckets.ts';
import { bucketNames, isDated } from '../datamodel/date-buckets.ts';
import type { Column, Exposure, ModelNode } from '../datamodel/graph.ts';
import { jsonOf } from '../datamodel/scalars.ts';
import type { Args, Row } from '../declaration/delegates.ts';
import { join, list, nameOf, parseObject, quote, refuse } from '../messages.ts';
import { didYouMean } from '../near-names.ts';
import type { Aggregates, Computable, Measure } from './aggregates.ts';
import { aggregateArgs, aggregateNames, aggregatesToJson, allRows, countedColumn, findMeasure, parseAggregates } from './aggregates.ts';
import { isSortable, parseDirection, parseOptionalWhere, parseTake, sortableColumns } from './arguments.ts';
import type { Having } from './having.ts';
import { havingArgs, parseHaving } from './having.ts';
import { groupHint } from './hints.ts';
import type { ParsedWhere, WhereLimits } from './where.ts';

/** The arguments of a `groupBy` call, checked and converted. */
export interface ParsedGroupBy extends ParsedWhere {
  readonly by: readonly GroupKey[];
  readonly aggregates: Aggregates;
  readonly having: Having | undefined;
  /** Names every column of `by`, so that the order is whole. */
  readonly order: readonly GroupStep[];
  /** Groups of the answer at most. */
  readonly take: number;
}

/** What rows of one group have in common: the value of a column, or the day, week, month or year of it. */
export interface GroupKey {
  readonly column: Column;
  readonly bucket: Bucket | undefined;
}

/** One step of an order of groups. */
export type GroupStep = KeyStep | { readonly measure: Measure; readonly direction: 'asc' | 'desc' };

/** A step by what the rows of a group have in common. */
export interface KeyStep {
  readonly key: GroupKey;
  readonly direction: Direction;
}

/** As Prisma takes it. */
export type Direction = 'asc' | 'desc' | { readonly sort: 'asc' | 'desc'; readonly nulls: 'first' | 'last' };

/** Parses the arguments of `groupBy`. */
export function parseGroupBy(exposure: Exposure, args: Args, limits: WhereLimits): ParsedGroupBy {
  const by = parseBy(exposure, args['by']);
  const isComputable = by.some(({ bucket }) => bucket !== undefined) ? isFoldable : undefined;
  const { where, relational } = parseOptionalWhere(exposure, args['where'], limits);
  return {
    where,
    relational,
    by,
    aggregates: parseAggregates(exposure, args, isComputable),
    having: parseHaving(exposure, args['having'], limits, isComputable),
    order: parseOrder(exposure, by, args['orderBy'], isComputable),
    take: parseTake(exposure, args['take'], 'groups'),
  };
}

/** Whether the aggregates of two groups give that of both together. Each database compares texts in its own way, so that theirs do not. */
const isFoldable: Computable = (name, { field }) =>
  (name !== '_min' && name !== '_max') || (field.kind === 'scalar' && field.type !== 'String');

/** `["status", "startsAt:week"]` */
function parseBy(exposure: Exposure, value: unknown): GroupKey[] {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) {
    return refuse('by', `name at least one of ${list(sortableColumns(exposure))}`);
  }
  const keys: GroupKey[] = [];
  for (const [index, item] of (Array.isArray(value) ? value : [value]).entries()) {
    const path = Array.isArray(value) ? `by[${index}]` : 'by';
    const key = parseKey(exposure, item, path);
    if (keys.some(({ column }) => column === key.column)) refuse(path, `${key.column.name} is there already; name each column once`);
    keys.push(key);
  }
  return keys;
}

/** `"status"`, `"startsAt:week"`, `{ startsAt: "week" }` */
function parseKey(exposure: Exposure, item: unknown, path: string): GroupKey {
  const [name, wanted] = keyOf(item, path);
  const column = exposure.columns.get(name);
  if (column === undefined || !isSortable(column)) {
    const names = sortableColumns(exposure);
    const hint = groupHint(exposure, name, names);
    return refuse(path, `${exposure.node.name} has no column ${quote(name)} to group by (${list(names)})${hint}`);
  }
  if (wanted === undefined) return { column, bucket: undefined };
  const bucket = bucketNames.find(known => known === wanted);
  if (!isDated(column)) return refuse(path, `${name} is no date; write "${name}" alone`);
  return bucket === undefined ? refuse(path, `expected "${name}" with one of ${list(bucketNames)}`) : { column, bucket };
}

/** The name of the column, and what it says of a bucket. */
function keyOf(item: unknown, path: string): readonly [name: string, bucket: unknown] {
  if (typeof item === 'string') {
    const colon = item.indexOf(':');
    return colon < 0 ? [item, undefined] : [item.slice(0, colon), item.slice(colon + 1)];
  }
  const [entry, ...more] = isObject(item) ? Object.entries(item) : [];
  if (entry !== undefined && more.length === 0) return entry;
  return refuse(path, `expected a column, or a date as "column:week", got ${nameOf(item)}`);
}

/** `[{ startsAt: "asc" }, { _count: "desc" }, { _sum: { price: "desc" } }]` */
function parseOrder(exposure: Exposure, by: readonly GroupKey[], value: unknown, isComputable: Computable | undefined): GroupStep[] {
  const steps: GroupStep[] = [];
  const add = (step: GroupStep): void => {
    if (!steps.some(other => isSameStep(other, step))) steps.push(step);
  };
  for (const [index, item] of (value === undefined ? [] : Array.isArray(value) ? value : [value]).entries()) {
    const path = Array.isArray(value) ? `orderBy[${index}]` : 'orderBy';
    if (!isObject(item)) refuse(path, `expected an object such as { "_count": "desc" }, got ${nameOf(item)}`);
    for (const [name, order] of Object.entries(parseObject(item, path))) {
      for (const step of parseSteps({ exposure, by, isComputable }, name, order, join(path, name))) add(step);
    }
  }
  for (const key of by) add({ key, direction: 'asc' });
  return steps;
}

interface Groups {
  readonly exposure: Exposure;
  readonly by: readonly GroupKey[];
  readonly isComputable: Computable | undefined;
}

function parseSteps({ exposure, by, isComputable }: Groups, name: string, order: unknown, path: string): GroupStep[] {
  const key = by.find(({ column }) => column.name === name);
  if (key !== undefined) return [{ key, direction: parseDirection(key.column, order, path) as Direction }];
  const aggregate = name === '_count' ? name : aggregateNames.find(known => known === name);
  if (aggregate === undefined) {
    const names = [...by.map(({ column }) => column.name), '_count', ...aggregateNames];
    return refuse(path, `groups have no ${quote(name)} to order by (${list(names)})${didYouMean(name, names)}`);
  }
  const orders = aggregate === '_count' && !isObject(order) ? { [allRows]: order } : parseObject(order, path);
  const entries = Object.entries(orders);
  if (entries.length === 0) refuse(path, 'expected a column');
  return entries.map(([column, direction]) => {
    const at = isObject(order) ? join(path, column) : path;
    const measure = findMeasure(exposure, aggregate, { name: column, at, isComputable });
    return { measure, direction: direction === 'asc' || direction === 'desc' ? direction : refuse(at, 'expected "asc" or "desc"') };
  });
}

function isSameStep(one: GroupStep, other: GroupStep): boolean {
  if ('key' in one) return 'key' in other && one.key === other.key;
  return 'measure' in other && one.measure.aggregate === other.measure.aggregate && one.measure.column === other.measure.column;
}

/** The groups as a query of Prisma, without `where`. It asks for one group more than `take`. */
export function groupArgs({ by, aggregates, having, order, take }: ParsedGroupBy, node: ModelNode): Args {
  const args = aggregateArgs(aggregates);
  args['by'] = by.map(({ column }) => column.name);
  if (having !== undefined) args['having'] = havingArgs(having, node);
  args['orderBy'] = order.map(step =>
    'key' in step
      ? { [step.key.column.name]: step.direction }
      : { [step.measure.aggregate]: { [countedColumn(step.measure, node)]: step.direction } },
  );
  args['take'] = take + 1;
  return args;
}

/** A group of Prisma as JSON: `{ status: "PENDING", startsAt: "2026-03-02", _count: 3 }`. */
export function groupToJson({ by, aggregates }: ParsedGroupBy): (group: Row) => Row {
  return group => {
    const out: Row = {};
    for (const { column, bucket } of by) {
      // A bucket is its text already.
      out[column.name] = jsonOf(bucket === undefined ? column.type : undefined, group[column.name]);
    }
    return aggregatesToJson(aggregates, group, out);
  };
}
