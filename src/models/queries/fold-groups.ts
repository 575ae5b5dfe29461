/**
 * Groups by day, week, month or year. Prisma can group by whole values only, and SQL for dates differs between databases. So the database groups
 * by the date itself, and the groups are folded here: their aggregates are put together, then `having`, the order and `take` apply.
 */
import type { Measure } from '../arguments/aggregates.ts';
import { aggregateNames, allRows, toCount, toMeasure } from '../arguments/aggregates.ts';
import type { Direction, GroupKey, GroupStep, KeyStep, ParsedGroupBy } from '../arguments/group-by.ts';
import type { Having } from '../arguments/having.ts';
import { measuresOf } from '../arguments/having.ts';
import { isPostgres } from '../datamodel/datamodel.ts';
import { bucketStart, bucketText } from '../datamodel/date-buckets.ts';
import { addDecimals, compareDecimals, divideDecimal } from '../datamodel/exact-decimals.ts';
import { decimalText, keyText, textOf } from '../datamodel/scalars.ts';
import type { Args, Row } from '../declaration/delegates.ts';
import { isPlainObject, refuse } from '../messages.ts';

/** Groups that the database may give before they are folded. They are all in memory at once. */
export const maxFoldedGroups = 10_000;

/** Whether the groups of a call must be folded. */
export function isFolded({ by }: ParsedGroupBy): boolean {
  return by.some(({ bucket }) => bucket !== undefined);
}

/** The query for the groups that are to be folded, without `where`. It asks for one group more than may be folded. */
export function unfoldedArgs(query: ParsedGroupBy): Args {
  const measures = measuresOfQuery(query);
  const names = (aggregate: Measure['aggregate']): string[] =>
    measures.filter(measure => measure.aggregate === aggregate || isPartOf(aggregate, measure)).map(({ column }) => column);
  const aggregates = (['_count', '_sum', '_min', '_max'] as const)
    .filter(aggregate => names(aggregate).length > 0)
    .map(aggregate => [aggregate, Object.fromEntries(names(aggregate).map(name => [name, true]))] as const);
  const plain = query.order.flatMap(step => ('key' in step && step.key.bucket === undefined ? [step] : []));
  return {
    by: query.by.map(({ column }) => column.name),
    ...Object.fromEntries(aggregates),
    // Prisma takes no `take` without an order.
    orderBy:
      plain.length > 0
        ? plain.map(({ key, direction }) => ({ [key.column.name]: direction }))
        : query.by.map(({ column }) => ({ [column.name]: 'asc' })),
    take: maxFoldedGroups + 1,
  };
}

/** Whether an average is computed of this aggregate. */
function isPartOf(aggregate: Measure['aggregate'], { aggregate: whole }: Measure): boolean {
  return whole === '_avg' && (aggregate === '_sum' || aggregate === '_count');
}

/**
 * Folds the groups of the database. Gives those of the answer in their order, and one more than `take` if there are more, in the form in which
 * Prisma gives groups.
 */
export function foldGroups(query: ParsedGroupBy, provider: string | undefined, found: readonly Row[]): Row[] {
  if (found.length > maxFoldedGroups) {
    refuse(
      'by',
      `a day, week, month or year is put together of at most ${maxFoldedGroups} different dates, and here are more; narrow where, in several calls`,
    );
  }
  const { by, having, order, take } = query;
  const groups = new Map<string, Group>();
  const places = new Map<string, number>();
  for (const row of found) {
    const group = toGroup(by, row, places);
    const known = groups.get(group.id);
    if (known === undefined) groups.set(group.id, group);
    else known.parts.push(row);
  }
  const measures = measuresOfQuery(query);
  const folded = [...groups.values()].map(group => ({
    ...group,
    values: new Map(measures.map(each => [idOf(each), fold(each, group.parts)])),
  }));
  return folded
    .filter(group => having === undefined || truthOf(having, group) === true)
    .sort((one, other) => compareGroups(one, other, order, provider))
    .slice(0, take + 1)
    .map(group => toRow(group, query));
}

/** Groups of the database that become one. */
interface Group {
  readonly id: string;
  /** The value of a column, or the start of its bucket in milliseconds. */
  readonly keys: ReadonlyMap<GroupKey, unknown>;
  /** Where the database put the values of the columns without a bucket. Only it knows the order of texts. */
  readonly place: number;
  readonly parts: Row[];
}

/** A group with its aggregates, by `<aggregate>.<column>`. */
interface Folded extends Group {
  readonly values: ReadonlyMap<string, unknown>;
}

function toGroup(by: readonly GroupKey[], row: Row, places: Map<string, number>): Group {
  const keys = new Map<GroupKey, unknown>();
  for (const key of by) {
    const value = row[key.column.name] ?? null;
    keys.set(key, value === null || key.bucket === undefined ? value : bucketStart(key.bucket, value as Date));
  }
  const textOfKeys = (some: readonly GroupKey[]): string => keyText(some.map(key => keys.get(key)));
  const plain = textOfKeys(by.filter(({ bucket }) => bucket === undefined));
  const place = places.get(plain) ?? places.size;
  places.set(plain, place);
  return { id: textOfKeys(by), keys, place, parts: [row] };
}

/** Every aggregate that the answer, its `having` or its order needs. */
function measuresOfQuery({ aggregates: { count, columns }, having, order }: ParsedGroupBy): Measure[] {
  const measures = [
    ...(count === undefined ? [] : count === true ? [allRows] : count).map(toCount),
    ...aggregateNames.flatMap(name => columns[name].map(column => toMeasure(name, column))),
    ...(having === undefined ? [] : measuresOf(having)),
    ...order.flatMap(step => ('measure' in step ? [step.measure] : [])),
  ];
  return [...new Map(measures.map(measure => [idOf(measure), measure])).values()];
}

function idOf({ aggregate, column }: Measure): string {
  return `${aggregate}.${column}`;
}

/** The aggregate of several groups together, of those of each. A Decimal is a text from here on. */
function fold({ aggregate, column }: Measure, parts: readonly Row[]): unknown {
  const values = (name: Measure['aggregate']): unknown[] =>
    parts.map(part => plain((part[name] as Row)[column])).filter(value => value !== null);
  switch (aggregate) {
    case '_count':
    case '_sum':
      return sumOf(values(aggregate));
    case '_avg': {
      const sum = sumOf(values('_sum'));
      if (sum === null) return null;
      const count = Number(sumOf(values('_count')));
      return typeof sum === 'string' ? divideDecimal(sum, count) : Number(sum) / count;
    }
    case '_min':
    case '_max': {
      const sign = aggregate === '_min' ? -1 : 1;
      return values(aggregate).reduce<unknown>(
        (best, value) => (best === null || sign * compareValues(value, best) > 0 ? value : best),
        null,
      );
    }
  }
}

function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value ?? null;
  return value instanceof Date ? value : decimalText(value);
}

/** null for no values. */
function sumOf(values: readonly unknown[]): unknown {
  return values.reduce<unknown>((sum, value) => (sum === null ? value : add(sum, value)), null);
}

function add(one: unknown, other: unknown): unknown {
  if (typeof one === 'string') return addDecimals(one, String(other));
  return typeof one === 'bigint' ? one + BigInt(other as bigint) : Number(one) + Number(other);
}

/** Compares numbers, texts of decimal numbers, and dates. NaN is the greatest number, as in PostgreSQL. */
function compareValues(one: unknown, other: unknown): number {
  if (typeof one === 'string') return compareDecimals(one, String(other));
  const [a, b] = [one, other].map(value => (value instanceof Date ? value.getTime() : (value as number)));
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
}

/** SQL's three values: `null` is unknown. */
type Truth = boolean | null;

function truthOf(having: Having, group: Folded): Truth {
  if ('measure' in having) return isMet(having.filter, group.values.get(idOf(having.measure)) ?? null);
  const parts = having.parts.map(part => truthOf(part, group));
  if (having.combinator === 'AND') return every(parts);
  return having.combinator === 'NOT' ? every(parts.map(not)) : not(every(parts.map(not)));
}

function isMet(filter: Args, value: unknown): Truth {
  return every(Object.entries(filter).map(([operator, operand]) => isMetBy(operator, operand, value)));
}

function isMetBy(operator: string, operand: unknown, value: unknown): Truth {
  if (operator === 'not' && isPlainObject(operand)) {
    // Prisma negates each operator by itself, and reads `not: { not: 1 }` as `not: 1`.
    return every(Object.entries(operand).map(([inner, part]) => (inner === 'not' ? isMetBy : isNotMetBy)(inner, part, value)));
  }
  if (operand === null) return (value === null) === (operator === 'equals');
  if (Array.isArray(operand) && operand.length === 0) return operator === 'notIn';
  if (value === null) return null;
  switch (operator) {
    case 'equals':
      return compareValues(value, operand) === 0;
    case 'not':
      return compareValues(value, operand) !== 0;
    case 'in':
      return (operand as unknown[]).some(each => compareValues(value, each) === 0);
    case 'notIn':
      return !(operand as unknown[]).some(each => compareValues(value, each) === 0);
    case 'lt':
      return compareValues(value, operand) < 0;
    case 'lte':
      return compareValues(value, operand) <= 0;
    case 'gt':
      return compareValues(value, operand) > 0;
    case 'gte':
      return compareValues(value, operand) >= 0;
    default:
      throw new TypeError(`having: no operator ${operator}`);
  }
}

function isNotMetBy(operator: string, operand: unknown, value: unknown): Truth {
  return not(isMetBy(operator, operand, value));
}

function not(truth: Truth): Truth {
  return truth === null ? null : !truth;
}

function every(truths: readonly Truth[]): Truth {
  return truths.includes(false) ? false : truths.includes(null) ? null : true;
}

function compareGroups(one: Folded, other: Folded, order: readonly GroupStep[], provider: string | undefined): number {
  for (const step of order) {
    const result =
      'measure' in step
        ? compareNullable(one.values.get(idOf(step.measure)), other.values.get(idOf(step.measure)), step.direction, provider)
        : compareKeys(one, other, step, provider);
    if (result !== 0) return result;
  }
  return 0;
}

function compareKeys(one: Folded, other: Folded, { key, direction }: KeyStep, provider: string | undefined): number {
  const [a, b] = [one.keys.get(key), other.keys.get(key)];
  if (key.bucket !== undefined) return compareNullable(a, b, direction, provider);
  // The database sorted by the steps before this one too, but groups that differ in those do not come here.
  return textOf(a) === textOf(b) ? 0 : one.place - other.place;
}

/** Databases disagree on the place of NULL: it is the greatest value in PostgreSQL and CockroachDB, and the least in all others. */
function compareNullable(one: unknown, other: unknown, direction: Direction, provider: string | undefined): number {
  const { sort, nulls } = typeof direction === 'string' ? { sort: direction, nulls: undefined } : direction;
  const isNull = [one ?? null, other ?? null].map(value => value === null);
  if (isNull[0] !== isNull[1]) {
    const isGreatest = isPostgres(provider) || provider === 'cockroachdb';
    const isLast = nulls === undefined ? isGreatest === (sort === 'asc') : nulls === 'last';
    return isNull[0] === isLast ? 1 : -1;
  }
  if (isNull[0]) return 0;
  return sort === 'asc' ? compareValues(one, other) : compareValues(other, one);
}

function toRow({ keys, values }: Folded, { by, aggregates: { count, columns } }: ParsedGroupBy): Row {
  const row: Row = {};
  for (const key of by) {
    const value = keys.get(key);
    row[key.column.name] = key.bucket === undefined || value === null ? value : bucketText(value as number);
  }
  const figureOf = (measure: Measure): unknown => values.get(idOf(measure));
  if (count === true) row['_count'] = figureOf(toCount(allRows));
  else if (count !== undefined) row['_count'] = Object.fromEntries(count.map(name => [name, figureOf(toCount(name))]));
  for (const name of aggregateNames)
    row[name] = Object.fromEntries(columns[name].map(column => [column.name, figureOf(toMeasure(name, column))]));
  return row;
}
