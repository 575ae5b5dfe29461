import type { JsonSchema } from '../../protocol/json-schema.ts';
import { aggregable, aggregateNames } from '../arguments/aggregates.ts';
import { cursorKey, orderRelations, sortableColumns } from '../arguments/arguments.ts';
import type { DataParser } from '../arguments/data.ts';
import { isCountable } from '../arguments/data.ts';
import { toolName } from '../arguments/tool-names.ts';
import { operatorsOf } from '../arguments/where.ts';
import { bucketNames, isDated } from '../datamodel/date-buckets.ts';
import type { Column, Exposure, Relation } from '../datamodel/graph.ts';
import type { AggregateName } from '../datamodel/scalars.ts';
import type { Operation } from '../declaration/operations.ts';
import { isBulk, isRead } from '../declaration/operations.ts';
import { list } from '../messages.ts';
import { keyArgument, keyMeaning } from '../queries/idempotency.ts';
import { describeColumn, describeFormats, describeIncluded, describeKeys, describeRelation } from './describe.ts';
import type { ToolParts } from './tools.ts';
import { describeOrder } from './tools.ts';

/** A model, described for a language model that writes calls. A member without content is left out. */
export interface ModelDescription {
  readonly model: string;
  readonly description?: string;
  /** `startsAt DateTime (start of the slot, UTC)`, `status PENDING|CONFIRMED` */
  readonly columns: readonly string[];
  /** `DateTime is an ISO 8601 string` */
  readonly formats?: string;
  /** Relations that callers may filter by: `client Client`. */
  readonly relations?: readonly string[];
  /** Relations that rows include: `client (name)`. */
  readonly included?: string;
  /** `id, clientId_roomId {clientId, roomId}` */
  readonly uniqueKeys?: string;
  /** `Int, DateTime: equals, not, in, notIn, lt, lte, gt, gte` */
  readonly filters?: readonly string[];
  readonly operations: readonly { readonly operation: Operation; readonly tool: string; readonly arguments: string }[];
}

const text: JsonSchema = { type: 'string' };
const texts: JsonSchema = { type: 'array', items: text };

/** The JSON Schema of a `ModelDescription`. */
export const modelDescriptionSchema: JsonSchema = closed(
  {
    model: text,
    description: text,
    columns: texts,
    formats: text,
    relations: texts,
    included: text,
    uniqueKeys: text,
    filters: texts,
    operations: { type: 'array', items: closed({ operation: text, tool: text, arguments: text }, ['operation', 'tool', 'arguments']) },
  },
  ['model', 'columns', 'operations'],
);

/** Describes a model with its visible columns and relations, and the arguments of its operations. */
export function modelDescription(parts: ToolParts): ModelDescription {
  const { exposure } = parts;
  const { node, description, columns, filterable, operations } = exposure;
  const formats = describeFormats(columns.values());
  const included = describeIncluded(exposure);
  const uniqueKeys = describeKeys(exposure);
  const isFiltered = [...operations].some(operation => (isRead(operation) && operation !== 'findUnique') || isFilteredWrite(operation));
  return {
    model: node.key,
    ...(description !== undefined && { description }),
    columns: [...columns.values()].map(column => describeColumn(column)),
    ...(formats !== '' && { formats }),
    ...(filterable.size > 0 && { relations: [...filterable.values()].map(relation => describeRelation(relation)) }),
    ...(included !== '' && { included }),
    ...(uniqueKeys !== '' && { uniqueKeys }),
    ...(isFiltered && { filters: describeFilters(exposure) }),
    operations: [...operations].map(operation => ({
      operation,
      tool: toolName(exposure, operation),
      arguments: [
        describeArguments(operation, parts),
        ...(exposure.confirm.has(operation) ? ['confirmation?: as asked for'] : []),
        ...(exposure.idempotent.has(operation) ? [`${keyArgument}?: ${keyMeaning}`] : []),
      ].join('; '),
    })),
  };
}

/** The operators of each type, and those of relations. Where columns of one type differ, as a UUID and a text do, columns are named instead. */
function describeFilters({ columns, filterable, insensitive }: Exposure): string[] {
  const filters = [...columns.values()].map(column => ({
    column,
    type: typeOf(column),
    operators: list(operatorsOf(column, insensitive)),
  }));
  const isUniform = (type: string): boolean => new Set(filters.filter(other => other.type === type).map(each => each.operators)).size === 1;
  const labels = new Map<string, Set<string>>();
  for (const { column, type, operators } of filters) {
    labels.set(operators, (labels.get(operators) ?? new Set()).add(isUniform(type) ? type : column.name));
  }
  const relations = [...filterable.values()];
  return [
    ...[...labels].map(([operators, names]) => `${list(names)}: ${operators}`),
    ...(relations.some(({ toMany }) => toMany) ? ['relation to many: some, every, none'] : []),
    ...(relations.some(({ toMany }) => !toMany) ? ['relation to one: is, isNot'] : []),
    'AND, OR, NOT',
  ];
}

function typeOf({ field, list: isList }: Column): string {
  return `${field.kind === 'enum' ? 'enum' : field.type}${isList ? '[]' : ''}`;
}

/** The arguments of an operation in words. `?` marks those that may be left out. */
function describeArguments(operation: Operation, { exposure, create, update }: ToolParts): string {
  switch (operation) {
    case 'findUnique':
      return 'where: one unique key; select?: { column: true }';
    case 'findFirst':
      return ['where?: filters', 'select?: { column: true }', describeOrderBy(exposure)].join('; ');
    case 'findMany':
      return describeFindMany(exposure);
    case 'count':
      return 'where?: filters';
    case 'aggregate':
      return ['where?: filters', describeAggregates(exposure)].join('; ');
    case 'groupBy':
      return describeGroupBy(exposure);
    case 'create':
      return `data: ${describeCreation(create)}`;
    case 'createMany':
      return `data: [${describeCreation(create)}], ${describeMost(exposure)}`;
    case 'update':
      return `where: one unique key; data: ${describeChange(update)}`;
    case 'updateMany':
      return `where: filters; data: ${describeChange(update)}; dryRun?: true; ${describeMost(exposure)}`;
    case 'upsert':
      return `where: one unique key; create: ${describeCreation(create)}; update: ${describeChange(update)}`;
    case 'delete':
      return 'where: one unique key';
    case 'deleteMany':
      return `where: filters; dryRun?: true; ${describeMost(exposure)}`;
  }
}

/** Whether an operation writes the rows that a filter finds. */
function isFilteredWrite(operation: Operation): boolean {
  return isBulk(operation) && operation !== 'createMany';
}

/** `{ clientId, price, status? }; the server may set clientId` */
function describeCreation({ columns, required, requiredUnlessForced: unforced }: DataParser): string {
  const optional = [...columns.keys()].filter(name => !required.includes(name) && !unforced.includes(name));
  const note = unforced.length === 0 ? '' : `; the server may set ${list(unforced)}`;
  return `{ ${list([...required, ...unforced, ...optional.map(name => `${name}?`)])} }${note}`;
}

/** `{ price?, status? }, also a number { increment: 1 }` */
function describeChange({ columns }: DataParser): string {
  return `{ ${list([...columns.keys()].map(name => `${name}?`))} }${describeUpdates(columns.values())}`;
}

function describeMost({ maxWrites }: Exposure): string {
  return Number.isFinite(maxWrites) ? `at most ${maxWrites} rows` : 'any number of rows';
}

/** What a column takes in an update besides its new value. */
function describeUpdates(columns: Iterable<Column>): string {
  const all = [...columns];
  const isNumber = all.some(isCountable);
  const forms = [...(isNumber ? ['a number { increment: 1 }'] : []), ...(all.some(column => column.list) ? ['a list { push: … }'] : [])];
  return forms.length === 0 ? '' : `, also ${forms.join(', ')}`;
}

function describeFindMany(exposure: Exposure): string {
  const { take } = exposure;
  return [
    'where?: filters',
    'select?: { column: true }',
    describeOrderBy(exposure),
    `take?: 1 to ${take}, default ${take}`,
    ...(cursorKey(exposure) === undefined ? [] : ['cursor?: nextCursor of the page before']),
    'distinct?: ["column"], without cursor',
  ].join('; ');
}

/** `_count?: true or { column: true }; _sum?, _avg?: { price: true }, of id, price; _min?, _max?: …` */
function describeAggregates(exposure: Exposure): string {
  const columns = (name: AggregateName): string => list(aggregable(exposure, name).map(column => column.name));
  const byColumns = new Map<string, string[]>();
  for (const name of aggregateNames) byColumns.set(columns(name), [...(byColumns.get(columns(name)) ?? []), `${name}?`]);
  const others = [...byColumns].filter(([names]) => names !== '').map(([names, own]) => `${list(own)}: { column: true }, of ${names}`);
  return ['_count?: true or { column: true }', ...others].join('; ');
}

function describeGroupBy(exposure: Exposure): string {
  const { columns, take } = exposure;
  const dated = [...columns.values()].find(isDated);
  const groupable = sortableColumns(exposure);
  const others = [...columns.keys()].filter(name => !groupable.includes(name));
  return [
    `by: ["column"], any column${others.length === 0 ? '' : ` but ${list(others)}`}${dated === undefined ? '' : `, dates also as "${dated.name}:week" (${list(bucketNames)}, UTC)`}`,
    'where?: filters',
    describeAggregates(exposure),
    'having?: { column: { _sum: { gt: 1 } }, _count: { gt: 1 } }',
    'orderBy?: [{ column: "asc" }] of by, { _count: "desc" } or { _sum: { column: "desc" } }',
    `take?: 1 to ${take}, default ${take}`,
  ].join('; ');
}

function describeOrderBy(exposure: Exposure): string {
  const sortable = sortableColumns(exposure);
  const others = [...exposure.columns.keys()].filter(name => !sortable.includes(name));
  const sorted = others.length === 0 ? 'any column' : `any column but ${list(others)}`;
  const related = orderRelations(exposure);
  const ways = [
    `[{ column: "asc" }], ${sorted}`,
    ...describeWay(
      related.filter(({ toMany }) => !toMany),
      'column',
    ),
    ...describeWay(
      related.filter(({ toMany }) => toMany),
      '_count',
    ),
  ];
  return `orderBy?: ${ways.join(', or ')}, default ${describeOrder(exposure)}`;
}

/** `client, room as { client: { column: "asc" } }` */
function describeWay(relations: readonly Relation[], by: string): string[] {
  const [first] = relations;
  return first === undefined ? [] : [`${list(relations.map(({ name }) => name))} as { ${first.name}: { ${by}: "asc" } }`];
}

function closed(properties: Record<string, JsonSchema>, required: string[]): JsonSchema {
  return { type: 'object', properties, required, additionalProperties: false };
}
