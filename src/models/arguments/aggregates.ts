import { isObject } from '../../protocol/definitions.ts';
import type { Column, Exposure, ModelNode } from '../datamodel/graph.ts';
import { rowKey } from '../datamodel/graph.ts';
import type { AggregateName, ScalarType } from '../datamodel/scalars.ts';
import { jsonOf, scalarType } from '../datamodel/scalars.ts';
import type { Args, Row } from '../declaration/delegates.ts';
import { join, list, nameOf, quote, refuse } from '../messages.ts';
import { didYouMean } from '../near-names.ts';

/** The aggregates of columns, besides their count. */
export const aggregateNames: readonly AggregateName[] = ['_sum', '_avg', '_min', '_max'];

/** The name of the number of rows among the counts of columns. */
export const allRows = '_all';

/** The aggregates that a call asks for, of all rows or of each group of rows. */
export interface Aggregates {
  /** `true`: the number of rows, as a number. A list: by column the number of rows in which it is not null; `_all` is the number of rows. */
  readonly count: true | readonly string[] | undefined;
  readonly columns: Readonly<Record<AggregateName, readonly Column[]>>;
}

/** One aggregate of one column. */
export interface Measure {
  readonly aggregate: AggregateName | '_count';
  /** The name of a column; `_all` for the number of rows. */
  readonly column: string;
  /** The type of the result. */
  readonly type: ScalarType;
  /** Whether a group of rows may have none. */
  readonly nullable: boolean;
}

const none: readonly Column[] = [];

/** Decides whether an aggregate can be computed, of those that the database has for a column. */
export type Computable = (name: AggregateName, column: Column) => boolean;

const always: Computable = () => true;

/** The columns of which callers may ask for an aggregate. */
export function aggregable(exposure: Exposure, name: AggregateName, isComputable: Computable = always): readonly Column[] {
  const columns = (aggregated.get(exposure) ?? sortByAggregate(exposure))[name];
  return isComputable === always ? columns : columns.filter(column => isComputable(name, column));
}

/** By aggregate the columns that have it, compiled once for each exposure. */
const aggregated = new WeakMap<Exposure, Aggregates['columns']>();

function sortByAggregate(exposure: Exposure): Aggregates['columns'] {
  const of = (name: AggregateName): Column[] =>
    [...exposure.columns.values()].filter(column => !column.list && column.type.aggregates.includes(name));
  const columns = { _sum: of('_sum'), _avg: of('_avg'), _min: of('_min'), _max: of('_max') };
  aggregated.set(exposure, columns);
  return columns;
}

/**
 * Parses the aggregates that a call names. A hidden column is refused like one that does not exist.
 *
 * `{ _count: true, _sum: { price: true } }`, `{ _count: { _all: true, roomId: true } }`
 */
export function parseAggregates(exposure: Exposure, args: Args, isComputable: Computable = always): Aggregates {
  const parse = (name: AggregateName): readonly Column[] => {
    if (args[name] === undefined) return none;
    const columns = aggregable(exposure, name, isComputable);
    const known = columns.map(column => column.name);
    const wanted = parseWanted(exposure, name, args[name], known);
    return columns.filter(column => wanted.has(column.name));
  };
  return {
    count: parseCount(exposure, args['_count']),
    columns: { _sum: parse('_sum'), _avg: parse('_avg'), _min: parse('_min'), _max: parse('_max') },
  };
}

function parseCount(exposure: Exposure, value: unknown): Aggregates['count'] {
  if (value === undefined || value === false) return undefined;
  if (value === true) return true;
  const known = [allRows, ...exposure.columns.keys()];
  const wanted = parseWanted(exposure, '_count', value, known);
  return known.filter(name => wanted.has(name));
}

/** The names that have `true`. All names must be in `known`. */
function parseWanted(exposure: Exposure, path: string, value: unknown, known: readonly string[]): ReadonlySet<string> {
  if (!isObject(value)) return refuse(path, `expected an object such as { "${known.at(-1) ?? 'id'}": true }, got ${nameOf(value)}`);
  const wanted = new Set<string>();
  for (const [name, flag] of Object.entries(value)) {
    const at = join(path, name);
    if (!known.includes(name)) refuseColumn(exposure, path, { name, at, known });
    if (typeof flag !== 'boolean') refuse(at, `expected true or false, got ${nameOf(flag)}`);
    if (flag) wanted.add(name);
  }
  return wanted.size > 0 ? wanted : refuse(path, `name at least one of ${list(known)}`);
}

/** Finds the aggregate of a column that a `having` or an `orderBy` names, or refuses it. `_count` of `_all` is the number of rows. */
export function findMeasure(
  exposure: Exposure,
  aggregate: Measure['aggregate'],
  { name, at, isComputable = always }: { name: string; at: string; isComputable?: Computable | undefined },
): Measure {
  if (aggregate === '_count') {
    if (name === allRows || exposure.columns.has(name)) return toCount(name);
    return refuseColumn(exposure, aggregate, { name, at, known: [allRows, ...exposure.columns.keys()] });
  }
  const columns = aggregable(exposure, aggregate, isComputable);
  const column = columns.find(each => each.name === name);
  if (column === undefined) return refuseColumn(exposure, aggregate, { name, at, known: columns.map(each => each.name) });
  return toMeasure(aggregate, column);
}

/** The number of rows, or of those in which a column is not null. */
export function toCount(column: string): Measure {
  return { aggregate: '_count', column, type: wholeNumber, nullable: false };
}

/** An aggregate of a column that is known to have it. */
export function toMeasure(aggregate: AggregateName, column: Column): Measure {
  return { aggregate, column: column.name, type: resultType(aggregate, column), nullable: column.nullable };
}

function refuseColumn(
  { node }: Exposure,
  aggregate: string,
  { name, at, known }: { name: string; at: string; known: readonly string[] },
): never {
  return refuse(at, `${node.name} has no column ${quote(name)} for ${aggregate} (${list(known)})${didYouMean(name, known)}`);
}

/** The type of an aggregate. The average of a column of whole numbers is a Float. */
function resultType(aggregate: AggregateName, { type, field }: Column): ScalarType {
  if (aggregate === '_min' || aggregate === '_max') return type;
  if (field.type === 'Int') return aggregate === '_sum' ? wholeNumber : float;
  return aggregate === '_avg' && field.type !== 'Decimal' ? float : (scalarType(field.type) ?? type);
}

const int = scalarType('Int') as ScalarType;
const float = scalarType('Float') as ScalarType;

/** A sum or a count, which may be larger than an Int. */
const wholeNumber: ScalarType = {
  ...int,
  parse: (value, path) => (Number.isSafeInteger(value) ? value : refuse(path, `expected an integer, got ${nameOf(value)}`)),
};

/** Whether no aggregate is asked for. */
export function isNothing({ count, columns }: Aggregates): boolean {
  return count === undefined && aggregateNames.every(name => columns[name].length === 0);
}

/** The aggregates as args of Prisma. */
export function aggregateArgs({ count, columns }: Aggregates): Args {
  const args: Args = {};
  if (count !== undefined) args['_count'] = count === true ? true : flags(count);
  for (const name of aggregateNames) {
    if (columns[name].length > 0) args[name] = flags(columns[name].map(column => column.name));
  }
  return args;
}

/** The column by which Prisma counts for a measure. It cannot count rows in an order or a `having`, but a key has a value in each row. */
export function countedColumn({ column }: Measure, node: ModelNode): string {
  return column === allRows ? (rowKey(node).fields[0] ?? column) : column;
}

function flags(names: readonly string[]): Record<string, true> {
  const wanted: Record<string, true> = {};
  for (const name of names) wanted[name] = true;
  return wanted;
}

/** The aggregates of a result of Prisma as JSON: `{ _count: 5, _sum: { price: "94.5" } }`. @param out The members of the result before them. */
export function aggregatesToJson({ count, columns }: Aggregates, result: Row, out: Row = {}): Row {
  if (count !== undefined) out['_count'] = result['_count'];
  for (const name of aggregateNames) {
    if (columns[name].length === 0) continue;
    const values = result[name] as Row;
    const figures: Row = {};
    for (const column of columns[name]) figures[column.name] = jsonOf(resultType(name, column), values[column.name]);
    out[name] = figures;
  }
  return out;
}
