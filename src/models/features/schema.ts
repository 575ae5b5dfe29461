import { confirmationArgument, unconfirmedMember } from '../../protocol/definitions.ts';
import type { JsonSchema } from '../../protocol/json-schema.ts';
import { aggregable, aggregateNames } from '../arguments/aggregates.ts';
import { cursorKey, isSortable } from '../arguments/arguments.ts';
import type { DataParser } from '../arguments/data.ts';
import { takesChange } from '../arguments/data.ts';
import { toolName } from '../arguments/tool-names.ts';
import { isDated } from '../datamodel/date-buckets.ts';
import type { Column, Columns, Exposure, Selection, UniqueKey } from '../datamodel/graph.ts';
import type { Operation } from '../declaration/operations.ts';
import { isRead, writesOf } from '../declaration/operations.ts';
import { list } from '../messages.ts';
import { truncatedKey } from '../policy/include.ts';
import { keyArgument, keyMeaning, maxKeyChars } from '../queries/idempotency.ts';
import { describeColumns, describeKey, describeModel } from './describe.ts';

/** What the schemas of one exposure are made of. */
export interface SchemaParts {
  readonly exposure: Exposure;
  readonly create: DataParser;
  readonly update: DataParser;
}

type Properties = Record<string, JsonSchema>;

/** An enum with more values is any string in an output schema. */
const maxOutputValues = 24;

const anyObject: JsonSchema = { type: 'object' };
const dryRun: JsonSchema = { type: 'boolean' };
const columnNames: JsonSchema = { type: 'array', items: { type: 'string' } };

/** In this order, the first operation of an exposure lists its columns. */
const listingOperations: readonly Operation[] = [
  'findMany',
  'findFirst',
  'findUnique',
  'count',
  'groupBy',
  'aggregate',
  'create',
  'update',
  'createMany',
  'updateMany',
  'upsert',
  'deleteMany',
];

/**
 * The operation whose tool lists the columns with their types, as text. `undefined` if there is only `delete`.
 *
 * Schemas are small, because each costs the language model attention in every conversation. So one tool describes what several have in common,
 * and the others refer to it in their descriptions: `findMany` describes `where`, `select`, `orderBy` and the types of columns, `findUnique` the
 * keys, `create` and `update` the data. If the exposure lacks such an operation, the schemas of the others describe it themselves.
 *
 * The parser checks the arguments, and takes further forms of Prisma's that a schema does not name: a list of orders for groups, `_count` by column. A member
 * that takes values of several types has no properties, or `anyOf` alone: Gemini allows nothing beside it.
 */
export function listingOperation({ operations }: Exposure): Operation | undefined {
  return listingOperations.find(operation => operations.has(operation));
}

/** Whether there is a tool that the others refer to for the columns and for filters. */
function hasFindMany({ operations }: Exposure): boolean {
  return operations.has('findMany');
}

/** `{ where?, select?, orderBy?, take?, cursor?, distinct? }` */
export function findManyInput({ exposure }: SchemaParts): JsonSchema {
  return object({
    where: whereSchema(exposure, 'findMany'),
    select: selectSchema(exposure, 'findMany'),
    orderBy: { anyOf: [anyObject, { type: 'array', items: anyObject }] },
    take: { type: 'integer', maximum: exposure.take },
    ...(cursorKey(exposure) && { cursor: { type: 'string', description: 'a nextCursor' } }),
    distinct: columnNames,
  });
}

/** `{ where?, select?, orderBy? }` */
export function findFirstInput({ exposure }: SchemaParts): JsonSchema {
  return object({ where: whereSchema(exposure, 'findFirst'), select: anyObject, orderBy: anyObject });
}

/** `{ where, select? }` */
export function findUniqueInput({ exposure }: SchemaParts): JsonSchema {
  const keys = exposure.uniques.map(describeKey).join(' or ');
  const where = hasFindMany(exposure) ? withDescription(anyObject, [keys]) : keysSchema(exposure);
  return object({ where, select: selectSchema(exposure, 'findUnique') }, ['where']);
}

/** `{ where? }` */
export function countInput({ exposure }: SchemaParts): JsonSchema {
  return object({ where: whereSchema(exposure, 'count') });
}

/** `{ where?, _count?, _sum?, _avg?, _min?, _max? }` */
export function aggregateInput({ exposure }: SchemaParts): JsonSchema {
  return object({ where: whereSchema(exposure, 'aggregate'), ...aggregateSchemas(exposure, 'aggregate') });
}

/** `{ by, where?, having?, orderBy?, take?, _count?, _sum?, _avg?, _min?, _max? }` */
export function groupByInput({ exposure }: SchemaParts): JsonSchema {
  const dated = [...exposure.columns.values()].find(isDated);
  const dates = `dates as "${dated?.name ?? ''}:week", day, month or year`;
  return object(
    {
      by: { ...columnNames, description: dated === undefined ? 'columns' : `columns; ${dates}` },
      where: whereSchema(exposure, 'groupBy'),
      ...aggregateSchemas(exposure, 'groupBy'),
      having: anyObject,
      orderBy: withDescription(anyObject, [hasFindMany(exposure) ? '' : 'as {_count: "desc"}']),
      take: { type: 'integer' },
    },
    ['by'],
  );
}

function aggregateSchemas(exposure: Exposure, operation: 'aggregate' | 'groupBy'): Properties {
  const isTold = hasFindMany(exposure) || (operation === 'groupBy' && exposure.operations.has('aggregate'));
  const properties: Properties = { _count: { type: 'boolean' } };
  for (const name of aggregateNames) {
    const [first] = aggregable(exposure, name).filter(({ field }) => !field.isId && !field.isReadOnly);
    if (first !== undefined)
      properties[name] = name === '_sum' && !isTold ? withDescription(anyObject, [`as {${first.name}: true}`]) : anyObject;
  }
  return properties;
}

/** `{ data }` */
export function createInput(parts: SchemaParts): JsonSchema {
  return object({ data: creationSchema(parts, 'create') }, ['data']);
}

/** `{ data: [] }` */
export function createManyInput(parts: SchemaParts): JsonSchema {
  return object({ data: { type: 'array', items: creationSchema(parts, 'createMany') } }, ['data']);
}

/** The values of a row to create. If the exposure has `create`, the other operations refer to its tool. */
function creationSchema(parts: SchemaParts, operation: 'create' | 'createMany' | 'upsert'): JsonSchema {
  const { exposure } = parts;
  if (operation !== 'create' && exposure.operations.has('create')) return anyObject;
  const { columns, required } = parts.create;
  const typed: Properties = {};
  for (const name of required) {
    const schema = hasFindMany(exposure) ? undefined : valueSchema(columns.get(name));
    if (schema !== undefined) typed[name] = schema;
  }
  const untyped = required.filter(name => !Object.hasOwn(typed, name));
  const unforced = parts.create.requiredUnlessForced;
  const optional = [...columns.keys()].filter(name => !required.includes(name) && !unforced.includes(name));
  const words = [
    untyped.length === 0 ? '' : `${Object.keys(typed).length === 0 ? 'Required' : 'Also required'}: ${list(untyped)}.`,
    unforced.length === 0 ? '' : `Required, unless the server sets them: ${list(unforced)}.`,
    listingOperation(exposure) === operation
      ? `${describeColumns(columns.values())}.`
      : optional.length === 0
        ? ''
        : `Optional: ${describeWritable(parts, optional, [...required, ...unforced])}.`,
  ];
  return withDescription(Object.keys(typed).length === 0 ? anyObject : object(typed, Object.keys(typed)), words);
}

/** `{ where, data }` */
export function updateInput(parts: SchemaParts): JsonSchema {
  return object({ where: otherKeysSchema(parts.exposure), data: changeSchema(parts, 'update') }, ['where', 'data']);
}

/** `{ where, data, dryRun? }` */
export function updateManyInput(parts: SchemaParts): JsonSchema {
  return object({ where: whereSchema(parts.exposure, 'updateMany'), data: changeSchema(parts, 'updateMany'), dryRun }, ['where', 'data']);
}

/** `{ where, create, update }` */
export function upsertInput(parts: SchemaParts): JsonSchema {
  const { exposure } = parts;
  const properties = {
    where: exposure.operations.has('update') ? anyObject : otherKeysSchema(exposure),
    create: creationSchema(parts, 'upsert'),
    update: changeSchema(parts, 'upsert'),
  };
  return object(properties, Object.keys(properties));
}

/** The values of a row to change. If the exposure has `update`, the other operations refer to its tool. */
function changeSchema(parts: SchemaParts, operation: 'update' | 'updateMany' | 'upsert'): JsonSchema {
  const { exposure, update } = parts;
  if (operation !== 'update' && exposure.operations.has('update')) return anyObject;
  const text =
    listingOperation(exposure) === operation && operation === 'update'
      ? describeColumns(update.columns.values())
      : describeWritable(parts, [...update.columns.keys()], []);
  return withDescription(anyObject, [[text, ...describeChanges(update.columns)].join('; ')]);
}

/** The forms in which an update changes a column by its present value. */
function describeChanges(columns: Columns): string[] {
  const changing = [...columns.values()].filter(takesChange);
  return [
    ...(changing.some(({ list: isList }) => !isList) ? ['numbers take {increment: 1}'] : []),
    ...(changing.some(({ list: isList }) => isList) ? ['lists take {push: item}'] : []),
  ];
}

/** `{ where }` */
export function deleteInput({ exposure }: SchemaParts): JsonSchema {
  return object({ where: otherKeysSchema(exposure) }, ['where']);
}

/** `{ where, dryRun? }` */
export function deleteManyInput({ exposure }: SchemaParts): JsonSchema {
  return object({ where: whereSchema(exposure, 'deleteMany'), dryRun }, ['where']);
}

/** The same with the argument `confirmation`. */
export function confirmedInput(schema: JsonSchema): JsonSchema {
  return { ...schema, properties: { ...schema.properties, [confirmationArgument]: { type: 'string' } } };
}

/** The same with the argument `idempotencyKey`. */
export function keyedInput(schema: JsonSchema): JsonSchema {
  const key: JsonSchema = { type: 'string', maxLength: maxKeyChars, description: keyMeaning };
  return { ...schema, properties: { ...schema.properties, [keyArgument]: key } };
}

/** The same, or `{ _unconfirmed: { effect, next, confirmation } }` of a call that was not confirmed. */
export function confirmedOutput(schema: JsonSchema): JsonSchema {
  const text: JsonSchema = { type: 'string' };
  const asked: Properties = { effect: text, next: text, [confirmationArgument]: text };
  return { ...schema, properties: { ...schema.properties, [unconfirmedMember]: object(asked, Object.keys(asked)) }, required: [] };
}

/** `{ rows, nextCursor?, truncated? }` */
export function pageOutput(exposure: Exposure): JsonSchema {
  return closed(
    {
      rows: { type: 'array', items: rowOutput(exposure.selection, false) },
      ...(cursorKey(exposure) && { nextCursor: { type: 'string' } }),
      truncated: { type: 'boolean' },
    },
    ['rows'],
  );
}

/** `{ count }` */
export function countOutput(): JsonSchema {
  return closed({ count: { type: 'integer' } }, ['count']);
}

/** `{ count, keys?, truncated?, dryRun? }` */
export function bulkOutput(exposure: Exposure): JsonSchema {
  return closed(
    {
      count: { type: 'integer' },
      ...(cursorKey(exposure) && { keys: { type: 'array', items: anyObject }, truncated: { type: 'boolean' } }),
      dryRun: { type: 'boolean' },
    },
    ['count'],
  );
}

/** `{ _count?, _sum?, _avg?, _min?, _max? }` */
export function aggregateOutput(): JsonSchema {
  return closed(aggregateOutputs);
}

/** `{ groups, truncated? }`. The aggregates of a group are by column, and which there are depends on the call. */
export function groupsOutput({ columns }: Exposure): JsonSchema {
  const keys: Properties = {};
  for (const column of columns.values()) if (isSortable(column)) keys[column.name] = columnOutput(column);
  return closed({ groups: { type: 'array', items: closed({ ...keys, ...aggregateOutputs }) }, truncated: { type: 'boolean' } }, ['groups']);
}

const aggregateOutputs: Properties = {
  _count: { anyOf: [{ type: 'integer' }, { type: 'object', additionalProperties: { type: 'integer' } }] },
  ...Object.fromEntries(
    aggregateNames.map(name => [name, { type: 'object', additionalProperties: { type: ['number', 'string', 'null'] } }]),
  ),
};

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
    else properties[relation.name] = { type: 'array', items: row };
  }
  if (selection.counts.length > 0) {
    const counts = selection.counts.map((name): [string, JsonSchema] => [name, { type: 'integer' }]);
    properties['_count'] = closed(Object.fromEntries(counts), [...selection.counts]);
  }
  const required = whole ? Object.keys(properties) : [];
  if (selection.relations.some(({ take }) => take !== undefined)) {
    properties[truncatedKey] = { type: 'array', items: { type: 'string' } };
  }
  return closed(properties, required);
}

function columnOutput({ type, list: isList, nullable }: Column): JsonSchema {
  const { enum: values, ...plain } = type.output;
  const one = values === undefined || values.length > maxOutputValues ? plain : type.output;
  return isList ? { type: 'array', items: one } : nullable ? orNull(one) : one;
}

function whereSchema(exposure: Exposure, operation: Operation): JsonSchema {
  if (operation === 'findMany') return withDescription(anyObject, [describeModel(exposure)]);
  if (hasFindMany(exposure)) return anyObject;
  if (listingOperation(exposure) === operation) return withDescription(anyObject, [`Prisma where. ${describeModel(exposure)}`]);
  return withDescription(anyObject, [
    isListedByRead(exposure) ? `as in ${listingTool(exposure)}` : `Prisma where, ${columnsText(exposure)}`,
  ]);
}

function selectSchema(exposure: Exposure, operation: Operation): JsonSchema {
  if (hasFindMany(exposure)) return anyObject;
  const form = `as {${[...exposure.columns.keys()][0] ?? 'id'}: true}`;
  const isListing = listingOperation(exposure) === operation;
  return withDescription(anyObject, [isListing ? `${form}. ${describeModel(exposure)}` : `columns of ${listingTool(exposure)}, ${form}`]);
}

/** Describes the columns to write by the shorter of two texts: their names, or another tool's list without the missing columns. */
function describeWritable({ exposure, create }: SchemaParts, names: readonly string[], named: readonly string[]): string {
  const listing = listingOperation(exposure);
  const isOfCreate = listing !== undefined && writesOf(listing).includes('create');
  const listed = isOfCreate ? create.columns : exposure.columns;
  const missing = [...listed.keys()].filter(name => !names.includes(name) && !named.includes(name));
  const which = named.length === 0 ? (hasFindMany(exposure) ? 'any ' : '') : 'the other ';
  const others = `${which}${columnsText(exposure)}${missing.length === 0 ? '' : ` but ${list(missing)}`}`;
  const own = list(names);
  return own.length <= others.length ? own : others;
}

function isListedByRead(exposure: Exposure): boolean {
  const operation = listingOperation(exposure);
  return operation !== undefined && isRead(operation);
}

function columnsText(exposure: Exposure): string {
  return hasFindMany(exposure) ? 'columns' : `columns of ${listingTool(exposure)}`;
}

function listingTool(exposure: Exposure): string {
  return toolName(exposure, listingOperation(exposure) ?? 'findMany');
}

/** A unique `where`: keys of one column are typed, compound keys are given in words unless there is no other. */
function keysSchema({ uniques, columns }: Exposure): JsonSchema {
  const [first, ...others] = uniques;
  if (first === undefined) return anyObject;
  if (others.length === 0) return object({ [first.name]: keySchema(first, columns) }, [first.name]);
  const typed = uniques.filter(key => key === first || !key.compound);
  const told = others.filter(key => key.compound);
  const properties = Object.fromEntries(typed.map(key => [key.name, keySchema(key, columns)]));
  return withDescription(object(properties), [
    typed.length > 1 ? 'exactly one key' : '',
    told.length > 0 ? `or ${list(told.map(describeKey))}` : '',
  ]);
}

/** The same for the tools that write. If the exposure has `findUnique`, its tool describes the keys. */
function otherKeysSchema(exposure: Exposure): JsonSchema {
  return exposure.operations.has('findUnique') ? anyObject : keysSchema(exposure);
}

function keySchema(key: UniqueKey, columns: Columns): JsonSchema {
  const parts = Object.fromEntries(key.fields.map(name => [name, valueSchema(columns.get(name)) ?? {}]));
  return key.compound ? object(parts, [...key.fields]) : (parts[key.name] ?? {});
}

/** The schema of a value of a required column. `undefined` if values of all types are allowed. */
function valueSchema(column: Column | undefined): JsonSchema | undefined {
  if (column === undefined) return undefined;
  const { field, type } = column;
  if (field.type === 'BigInt') return { anyOf: [{ type: 'string' }, { type: 'integer' }] };
  if (field.type === 'Decimal') return { anyOf: [{ type: 'string' }, { type: 'number' }] };
  return type.input.type === undefined ? undefined : { type: type.input.type };
}

/** The same, or null. */
function orNull(schema: JsonSchema): JsonSchema {
  if (schema.type === undefined) return schema;
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  const nullable: JsonSchema = { ...schema, type: types.includes('null') ? types : [...types, 'null'] };
  return schema.enum === undefined ? nullable : { ...nullable, enum: [...schema.enum, null] };
}

function withDescription(schema: JsonSchema, parts: readonly string[]): JsonSchema {
  const description = parts.filter(part => part !== '').join(' ');
  return description === '' ? schema : { ...schema, description };
}

function object(properties: Properties, required: readonly string[] = []): JsonSchema {
  return { type: 'object', properties, ...(required.length > 0 && { required: [...required] }) };
}

function closed(properties: Properties, required: readonly string[] = []): JsonSchema {
  return { ...object(properties, required), additionalProperties: false };
}
