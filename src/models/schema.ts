import type { JsonSchema } from '../protocol/json-schema.ts';
import { cursorKey, orderRelations, sortableColumns } from './arguments.ts';
import type { DataParser } from './data.ts';
import { takesChange } from './data.ts';
import type { Column, Exposure, Relation, Selection, UniqueKey } from './graph.ts';
import { truncatedKey } from './include.ts';
import { list } from './messages.ts';
import { operatorsOf } from './where.ts';

type Properties = Record<string, JsonSchema>;

const textOperators: ReadonlySet<string> = new Set(['contains', 'startsWith', 'endsWith']);

/** `{ where?, select?, orderBy?, take?, cursor? }` */
export function findManyInput(exposure: Exposure): JsonSchema {
  const orders: [string, JsonSchema][] = [
    ...sortableColumns(exposure).map((name): [string, JsonSchema] => [name, orderSchema(exposure.columns.get(name)?.nullable === true)]),
    ...orderRelations(exposure).map((relation): [string, JsonSchema] => [relation.name, relationOrderSchema(relation)]),
  ];
  return closed({
    where: whereSchema(exposure),
    select: selectSchema(exposure),
    orderBy: {
      type: 'array',
      items: closed(Object.fromEntries(orders)),
      description: 'One column per item; if nullable, { sort: "asc", nulls: "last" } too.',
    },
    take: { type: 'integer', minimum: 1, maximum: exposure.take, description: `Rows at most, default ${exposure.take}.` },
    ...(cursorKey(exposure) && {
      cursor: { type: 'string', description: 'nextCursor of the page before, with the same where and orderBy.' },
    }),
  });
}

function orderSchema(nullable: boolean): JsonSchema {
  return nullable ? { type: ['string', 'object'] } : { type: 'string', enum: ['asc', 'desc'] };
}

function relationOrderSchema({ toMany, target }: Relation): JsonSchema {
  return { type: 'object', description: toMany ? '{ _count: "desc" }' : `one column of ${target.name}` };
}

/** `{ where, select? }` */
export function findUniqueInput(exposure: Exposure): JsonSchema {
  return closed({ where: uniqueSchema(exposure), select: selectSchema(exposure) }, ['where']);
}

/** `{ where? }` */
export function countInput(exposure: Exposure): JsonSchema {
  return closed({ where: whereSchema(exposure) });
}

/** `{ data }` */
export function createInput(parser: DataParser): JsonSchema {
  return closed({ data: dataSchema(parser) }, ['data']);
}

/** `{ where, data }` */
export function updateInput(exposure: Exposure, parser: DataParser): JsonSchema {
  return closed({ where: uniqueSchema(exposure), data: dataSchema(parser) }, ['where', 'data']);
}

/** `{ where }` */
export function deleteInput(exposure: Exposure): JsonSchema {
  return closed({ where: uniqueSchema(exposure) }, ['where']);
}

/** `{ rows, nextCursor?, truncated? }` */
export function pageOutput(exposure: Exposure): JsonSchema {
  return closed(
    {
      rows: { type: 'array', items: rowOutput(exposure.selection, false) },
      ...(cursorKey(exposure) && { nextCursor: { type: 'string', description: 'Give it as cursor for the next page.' } }),
      truncated: { type: 'boolean', description: 'There are more rows than these.' },
    },
    ['rows'],
  );
}

/** `{ count }` */
export function countOutput(): JsonSchema {
  return closed({ count: { type: 'integer' } }, ['count']);
}

/**
 * One row of a selection.
 *
 * @param whole Whether every column is present, because callers cannot narrow the selection.
 */
export function rowOutput(selection: Selection, whole: boolean): JsonSchema {
  const properties: Properties = {};
  for (const column of selection.columns) properties[column.name] = columnOutput(column);
  for (const { relation, selection: part, take, nullable } of selection.relations) {
    const row = rowOutput(part, true);
    if (take === undefined) properties[relation.name] = nullable ? { ...row, type: ['object', 'null'] } : row;
    else properties[relation.name] = { type: 'array', items: row, description: `At most ${take}.` };
  }
  if (selection.counts.length > 0) {
    const counts = selection.counts.map((name): [string, JsonSchema] => [name, { type: 'integer' }]);
    properties['_count'] = closed(Object.fromEntries(counts), [...selection.counts]);
  }
  const required = whole ? Object.keys(properties) : [];
  if (selection.relations.some(({ take }) => take !== undefined)) {
    properties[truncatedKey] = { type: 'array', items: { type: 'string' }, description: 'Relations with more rows than are given here.' };
  }
  return closed(properties, required);
}

function columnOutput({ type, list: isList, nullable, field }: Column): JsonSchema {
  const one = isList ? { type: 'array', items: type.output } : nullable ? orNull(type.output) : type.output;
  return field.documentation === undefined ? one : { ...one, description: field.documentation };
}

/**
 * The schema of a caller's `where`, kept small. Each column has its type, and one description names the operators. Operators spelled out for
 * each column would make a list of tools that clients refuse for its size.
 */
function whereSchema(exposure: Exposure): JsonSchema {
  const properties: Properties = {};
  for (const column of exposure.columns.values()) properties[column.name] = filterSchema(column);
  for (const relation of exposure.filterable.values()) {
    const columns = list(relation.target.exposure?.columns.keys() ?? []);
    properties[relation.name] = {
      type: relation.toMany ? 'object' : ['object', 'null'],
      description: `${relation.toMany ? 'some, every or none' : 'is or isNot'}, of ${relation.target.name} (${columns})`,
    };
  }
  for (const name of ['AND', 'OR', 'NOT']) properties[name] = { type: 'array', items: { type: 'object' } };
  return {
    ...closed(properties),
    description: `Prisma filter. A column takes a value or operators: ${describeOperators(exposure)}. AND, OR and NOT nest.`,
  };
}

function filterSchema({ type, field, nullable, list: isList }: Column): JsonSchema {
  const own = type.input.type as string | undefined;
  const types = [
    ...(isList ? ['array'] : own === undefined ? [] : [own]),
    'object',
    ...(nullable && field.type !== 'Json' ? ['null'] : []),
  ];
  const words = [field.documentation, type.input.enum === undefined ? type.input.description : list(type.input.enum.map(String))];
  const description = words.filter(word => word !== undefined).join(' · ');
  const schema: JsonSchema = own === undefined && !isList ? {} : { type: types.length === 1 ? 'object' : types };
  return description === '' ? schema : { ...schema, description };
}

/** The operators of all visible columns: `equals, not, in, … contains (text)`. */
function describeOperators(exposure: Exposure): string {
  const operators = new Set([...exposure.columns.values()].flatMap(column => operatorsOf(column, exposure.insensitive)));
  const named = [...operators].map(name =>
    name === 'mode'
      ? 'mode: "insensitive" (text)'
      : name === 'path'
        ? 'path: ["key", 0] (into Json, with one of the others)'
        : textOperators.has(name)
          ? `${name} (text)`
          : name,
  );
  return list(named);
}

function uniqueSchema(exposure: Exposure): JsonSchema {
  const { uniques, columns } = exposure;
  const properties: Properties = {};
  for (const key of uniques) properties[key.name] = keySchema(key, columns);
  const [only] = uniques;
  if (uniques.length === 1 && only !== undefined) return closed(properties, [only.name]);
  return { ...closed(properties), description: `Exactly one of ${list(uniques.map(key => key.name))}.` };
}

function keySchema(key: UniqueKey, columns: ReadonlyMap<string, Column>): JsonSchema {
  const parts = key.fields.flatMap(name => {
    const column = columns.get(name);
    return column === undefined ? [] : [[name, describe(column)] as const];
  });
  const [first] = parts;
  return key.compound || first === undefined ? closed(Object.fromEntries(parts), [...key.fields]) : first[1];
}

function dataSchema({ columns, required, operation }: DataParser): JsonSchema {
  const properties: Properties = {};
  for (const column of columns.values()) {
    const schema = operation === 'update' && takesChange(column) ? orObject(describe(column)) : describe(column);
    properties[column.name] = column.nullable && column.field.type !== 'Json' ? orNull(schema) : schema;
  }
  const schema = closed(properties, [...required]);
  return operation === 'update' ? { ...schema, description: describeUpdate([...columns.values()]) } : schema;
}

function describeUpdate(columns: readonly Column[]): string {
  const changing = columns.filter(takesChange);
  const numbers = changing.some(({ list: isList }) => !isList)
    ? ' A number takes { increment: 1 } too, or decrement, multiply, divide.'
    : '';
  const lists = changing.some(({ list: isList }) => isList) ? ' A list takes { push: item } too.' : '';
  return `Only what is to change.${numbers}${lists}`;
}

/** The same, or an object. */
function orObject(schema: JsonSchema): JsonSchema {
  return { ...schema, type: [...(Array.isArray(schema.type) ? schema.type : [schema.type ?? 'string']), 'object'] };
}

function selectSchema(exposure: Exposure): JsonSchema {
  const properties: Properties = {};
  for (const name of Object.keys(exposure.selection.select)) properties[name] = { type: 'boolean' };
  return { ...closed(properties), description: 'Return only these; default all.' };
}

/** The schema of a value that a caller gives for a column. */
function describe({ type, field, list: isList }: Column): JsonSchema {
  const schema: JsonSchema = isList ? { type: 'array', items: type.input } : { ...type.input };
  const words = [field.documentation, schema.description].filter(word => word !== undefined);
  return words.length === 0 ? schema : { ...schema, description: words.join(' · ') };
}

/** The same, or null. */
function orNull(schema: JsonSchema): JsonSchema {
  if (schema.type === undefined) return schema;
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  const nullable: JsonSchema = { ...schema, type: types.includes('null') ? types : [...types, 'null'] };
  return schema.enum === undefined ? nullable : { ...nullable, enum: [...schema.enum, null] };
}

function closed(properties: Properties, required: string[] = []): JsonSchema {
  return { type: 'object', properties, ...(required.length > 0 && { required }), additionalProperties: false };
}
