import type { CallContext } from '../protocol/definitions.ts';
import { columnNames, toColumn } from './columns.ts';
import type { Args } from './delegates.ts';
import type { Column, Columns, Exposure, ModelGraph, ModelNode } from './graph.ts';
import { dataHint } from './hints.ts';
import { isPlainObject, join, list, nameOf, parseObject, quote, refuse } from './messages.ts';

/** Parses the `data` of create or update, and adds the values that the host forces. */
export interface DataParser {
  readonly operation: 'create' | 'update';
  readonly columns: Columns;
  /** Columns that the caller must give on create. Empty where a function forces values, because its columns are unknown. */
  readonly required: readonly string[];
  /** Gives the final data, and the names of the columns that the caller set. */
  readonly parse: (value: unknown, ctx: CallContext) => Promise<{ data: Args; set: ReadonlySet<string> }>;
}

/** The parser of `data` for one operation. */
export function dataParser(exposure: Exposure, operation: 'create' | 'update', graph: ModelGraph): DataParser {
  const columns = writableColumns(exposure, operation);
  const { forced, node } = exposure;
  const needed = operation === 'create' ? neededColumns(exposure, graph) : [];
  const required = typeof forced === 'function' ? [] : needed.filter(name => forced === undefined || !Object.hasOwn(forced, name));
  return {
    operation,
    columns,
    required,
    parse: async (value, ctx) => {
      const data = parseData(exposure, columns, value);
      const set = new Set(Object.keys(data));
      if (forced !== undefined) {
        const values = typeof forced === 'function' ? await forced(ctx, operation) : forced;
        assertForced(values, node, graph, `models.${node.key}.data`);
        Object.assign(data, values);
        for (const name of Object.keys(values)) set.delete(name);
      }
      for (const name of needed) {
        if (Object.hasOwn(data, name)) continue;
        if (columns.has(name)) refuse(`data.${name}`, 'is required');
        throw new TypeError(
          `models.${node.key}.data: returned no ${name} for ${operation}, which ${node.name} needs and callers cannot set`,
        );
      }
      if (operation === 'update' && Object.keys(data).length === 0) refuse('data', `name at least one of ${list(columns.keys())}`);
      return { data, set };
    },
  };
}

function neededColumns(exposure: Exposure, graph: ModelGraph): string[] {
  return [...exposure.node.fields.values()]
    .filter(
      field => toColumn(field, graph) !== undefined && field.isRequired && !field.isList && !field.hasDefaultValue && !field.isUpdatedAt,
    )
    .map(field => field.name);
}

function parseData(exposure: Exposure, columns: Columns, value: unknown): Args {
  const data: Args = {};
  for (const [name, part] of Object.entries(parseObject(value, 'data'))) {
    const at = join('data', name);
    const column = columns.get(name);
    if (column === undefined) {
      const names = list(columns.keys());
      return refuse(
        at,
        `${exposure.node.name} has no column ${quote(name)} to write (${names})${dataHint(exposure, name, columns.keys())}`,
      );
    }
    if (column.list) {
      if (!Array.isArray(part)) return refuse(at, `expected an array, got ${nameOf(part)}`);
      data[name] = part.map((item, index) => parseValue(column, item, `${at}[${index}]`));
    } else if (part === null && column.field.type !== 'Json') {
      data[name] = column.nullable ? null : refuse(at, 'must not be null');
    } else data[name] = parseValue(column, part, at);
  }
  return data;
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

/** @throws {TypeError} unless `value` maps columns of the model to values. `undefined` is none: the caller's value would stay. */
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
