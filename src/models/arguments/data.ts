import type { CallContext } from '../../protocol/definitions.ts';
import { isObject } from '../../protocol/definitions.ts';
import { columnNames, toColumn } from '../datamodel/columns.ts';
import type { Column, Columns, Exposure, ModelGraph, ModelNode } from '../datamodel/graph.ts';
import { jsonNull } from '../datamodel/json-columns.ts';
import { jsonOf } from '../datamodel/scalars.ts';
import type { Args } from '../declaration/delegates.ts';
import { isEmpty } from '../declaration/delegates.ts';
import { isPlainObject, join, list, nameOf, parseObject, quote, refuse } from '../messages.ts';
import { dataHint } from './hints.ts';

/** What an update can do with a number, besides setting it. */
const arithmetic: readonly string[] = ['increment', 'decrement', 'multiply', 'divide'];
const arithmeticTypes: ReadonlySet<string> = new Set(['Int', 'BigInt', 'Float', 'Decimal']);

/** Parses the `data` of create or update, and adds the values that the host forces. */
export interface DataParser {
  readonly operation: 'create' | 'update';
  readonly columns: Columns;
  /** Columns that the caller must give on create. Empty where a function forces values, because its columns are unknown. */
  readonly required: readonly string[];
  /** Columns that the caller must give on create unless the function that forces values gives them. */
  readonly requiredUnlessForced: readonly string[];
  readonly parse: (value: unknown, ctx: CallContext, place?: DataPlace) => Promise<ParsedData>;
  /** Parses a list of rows, `data[0]`, `data[1]`, …. A function that forces values is called once for all of them. */
  readonly parseAll: (values: readonly unknown[], ctx: CallContext) => Promise<ParsedData[]>;
}

/** The data of one write. */
export interface ParsedData {
  readonly data: Args;
  /** The columns that the caller set, rather than the host. */
  readonly set: ReadonlySet<string>;
}

/** Where the data of a write stands in the arguments. */
interface DataPlace {
  /** @default 'data' */
  readonly path?: string;
  /** Whether an update may change nothing. @default false */
  readonly mayBeEmpty?: boolean;
}

/** The operation whose data is parsed, and the path of that data in the arguments. */
interface ParsedPlace {
  readonly operation: 'create' | 'update';
  readonly path: string;
}

/** The parser of `data` for one operation. */
export function dataParser(exposure: Exposure, operation: 'create' | 'update', graph: ModelGraph): DataParser {
  const columns = writableColumns(exposure, operation);
  const { forced, node } = exposure;
  const needed = operation === 'create' ? neededColumns(exposure, graph) : [];
  const isDecidedLater = typeof forced === 'function';
  const required = isDecidedLater ? [] : needed.filter(name => forced === undefined || !Object.hasOwn(forced, name));
  const forcedFor = async (ctx: CallContext): Promise<Args> => {
    const values = typeof forced === 'function' ? await forced(ctx, operation) : (forced ?? {});
    assertForced(values, node, graph, `models.${node.key}.data`);
    return values;
  };
  const complete = (data: Args, values: Args, { path = 'data', mayBeEmpty = false }: DataPlace): ParsedData => {
    const set = new Set(Object.keys(data).filter(name => !Object.hasOwn(values, name)));
    Object.assign(data, values);
    const missing = needed.filter(name => !Object.hasOwn(data, name));
    const callers = missing.filter(name => columns.has(name));
    if (callers.length === 1) refuse(`${path}.${list(callers)}`, 'is required');
    if (callers.length > 1) refuse(path, `${list(callers)} are required`);
    for (const name of missing) {
      throw new TypeError(`models.${node.key}.data: returned no ${name} for ${operation}, which ${node.name} needs and callers cannot set`);
    }
    if (operation === 'update' && !mayBeEmpty && isEmpty(data)) refuse(path, `name at least one of ${list(columns.keys())}`);
    return { data, set };
  };
  return {
    operation,
    columns,
    required,
    requiredUnlessForced: isDecidedLater ? needed.filter(name => columns.has(name)) : [],
    parse: async (value, ctx, place = {}) => {
      const data = parseData(exposure, columns, value, { operation, path: place.path ?? 'data' });
      return complete(data, await forcedFor(ctx), place);
    },
    parseAll: async (values, ctx) => {
      const parsed = values.map((value, index) => parseData(exposure, columns, value, { operation, path: `data[${index}]` }));
      const own = await forcedFor(ctx);
      return parsed.map((data, index) => complete(data, own, { path: `data[${index}]` }));
    },
  };
}

function neededColumns(exposure: Exposure, graph: ModelGraph): string[] {
  return [...exposure.node.fields.values()]
    .filter(
      field => field.isRequired && !field.isList && !field.hasDefaultValue && !field.isUpdatedAt && toColumn(field, graph) !== undefined,
    )
    .map(field => field.name);
}

/** Whether a column can be changed by arithmetic. A foreign key cannot: the row that it would point to is not known before the write. */
export function isCountable({ field, list: isList }: Column): boolean {
  return !isList && !field.isReadOnly && field.kind === 'scalar' && arithmeticTypes.has(field.type);
}

/** Whether an update can change a column by its present value: by arithmetic, or by adding to a list. */
export function takesChange(column: Column): boolean {
  return column.list || isCountable(column);
}

/** The names of the columns that `data` changes by arithmetic. The database computes their values, so they must be checked after the write. */
export function computedColumns(columns: Columns, data: Args): string[] {
  return [...columns.values()].filter(column => isCountable(column) && isPlainObject(data[column.name])).map(({ name }) => name);
}

/** Refuses a row in which arithmetic left a value that its column cannot hold. SQLite stores such a value. */
export function assertComputed(columns: Columns, names: readonly string[], row: Args, path = 'data'): void {
  for (const name of names) {
    const column = columns.get(name);
    if (column === undefined || row[name] === null) continue;
    try {
      parseValue(column, jsonOf(column.type, row[name]), name);
    } catch {
      refuse(`${path}.${name}`, 'the result is out of the range of this column; nothing was changed');
    }
  }
}

function parseData(exposure: Exposure, columns: Columns, value: unknown, { operation, path }: ParsedPlace): Args {
  const data: Args = {};
  for (const [name, part] of Object.entries(parseObject(value, path))) {
    const at = join(path, name);
    const column = columns.get(name);
    if (column === undefined) {
      const names = list(columns.keys());
      const hint = dataHint(exposure, name, columns.keys());
      return refuse(at, `${exposure.node.name} has no column ${quote(name)} to write (${names})${hint}`);
    }
    data[name] = column.list ? parseList(column, part, operation, at) : parseChange(column, part, operation, at);
  }
  return data;
}

/** The new value of a column, or arithmetic on its present value: `5`, `{ set: 5 }`, `{ increment: 1 }`. */
function parseChange(column: Column, value: unknown, operation: 'create' | 'update', path: string): unknown {
  if (column.field.type === 'Json')
    return value === null ? jsonNull(column.nullable ? 'DbNull' : 'JsonNull') : parseValue(column, value, path);
  // Prisma has no `set` for a column on create, and the column's type refuses any other object.
  if (!isObject(value) || operation === 'create') return parseNullable(column, value, path);
  const operators = ['set', ...(isCountable(column) ? arithmetic : [])];
  const names = Object.keys(value);
  const [operator = ''] = names;
  if (operators.length === 1 && operator !== 'set') return parseNullable(column, value, path);
  if (names.length !== 1 || !operators.includes(operator)) {
    return refuse(path, `expected a value or exactly one of ${list(operators)}, got an object`);
  }
  const operand = value[operator];
  const at = join(path, operator);
  if (operator === 'set') return parseNullable(column, operand, at);
  const number = column.type.parse(operand, at);
  if (operator === 'divide' && Number(number) === 0) refuse(at, 'must not be 0');
  return { [operator]: number };
}

function parseNullable(column: Column, value: unknown, path: string): unknown {
  if (value === null) return column.nullable ? null : refuse(path, 'must not be null');
  return parseValue(column, value, path);
}

/** The new value of a list, or items to add to it: `["a"]`, `{ set: ["a"] }`, `{ push: "a" }`, `{ push: ["a", "b"] }`. */
function parseList(column: Column, value: unknown, operation: 'create' | 'update', path: string): unknown {
  const items = (given: unknown, at: string): unknown[] => {
    if (!Array.isArray(given)) return refuse(at, `expected an array, got ${nameOf(given)}`);
    return given.map((item, index) => parseItem(column, item, `${at}[${index}]`));
  };
  if (!isObject(value)) return items(value, path);
  const operators = operation === 'update' ? ['set', 'push'] : ['set'];
  const [operator = ''] = Object.keys(value);
  if (Object.keys(value).length !== 1 || !operators.includes(operator)) {
    return refuse(path, `expected an array or exactly one of ${list(operators)}, got an object`);
  }
  const operand = value[operator];
  const at = join(path, operator);
  if (operator === 'set') return items(operand, at);
  return { push: Array.isArray(operand) ? items(operand, at) : parseItem(column, operand, at) };
}

function parseItem(column: Column, value: unknown, path: string): unknown {
  return value === null ? refuse(path, 'must not be null') : parseValue(column, value, path);
}

function parseValue({ type }: Column, value: unknown, path: string): unknown {
  const parsed = type.parse(value, path);
  type.fits?.(parsed, path);
  return parsed;
}

/** The columns that a caller may set on create or update. */
export function writableColumns(exposure: Exposure, operation: 'create' | 'update'): Columns {
  const forced = typeof exposure.forced === 'object' ? exposure.forced : {};
  return new Map(
    [...exposure.columns].filter(([name, { field }]) => {
      if (field.isUpdatedAt || Object.hasOwn(forced, name)) return false;
      return !field.isId || (operation === 'create' && !field.hasDefaultValue);
    }),
  );
}

/** @throws {TypeError} unless `value` maps columns of the model to values. `undefined` is no value: the caller's value would stay. */
export function assertForced(value: unknown, node: ModelNode, graph: ModelGraph, path: string): asserts value is Args {
  if (!isPlainObject(value)) throw new TypeError(`${path}: expected an object of column values`);
  for (const [name, forced] of Object.entries(value)) {
    const field = node.fields.get(name);
    if (field === undefined) throw new TypeError(`${path}.${name}: ${node.name} has no field \`${name}\` (${columnNames(node)})`);
    const foreignKey = field.relationFromFields?.length ? `; set ${list(field.relationFromFields)}` : '';
    if (toColumn(field, graph) === undefined) throw new TypeError(`${path}.${name}: is no column of ${node.name}${foreignKey}`);
    if (forced === undefined)
      throw new TypeError(`${path}.${name}: is undefined, so the caller's value would stand; write the value, or null`);
  }
}
