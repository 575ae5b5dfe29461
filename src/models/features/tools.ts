import type {
  AuditEntry,
  CallContext,
  CallToolResult,
  JsonObject,
  ResourceLink,
  ToolAnnotations,
  ToolDefinition,
} from '../../protocol/definitions.ts';
import { confirmationArgument } from '../../protocol/definitions.ts';
import type { JsonSchema } from '../../protocol/json-schema.ts';
import { isNothing, parseAggregates } from '../arguments/aggregates.ts';
import {
  assertArguments,
  parseBulkWhere,
  parseFindMany,
  parseOptionalWhere,
  parseQuery,
  parseSelect,
  parseUniqueWhere,
} from '../arguments/arguments.ts';
import { takesChange } from '../arguments/data.ts';
import { parseGroupBy } from '../arguments/group-by.ts';
import { maskArguments } from '../arguments/masked.ts';
import { toolName } from '../arguments/tool-names.ts';
import type { WhereLimits } from '../arguments/where.ts';
import type { Exposure } from '../datamodel/graph.ts';
import { rowKey } from '../datamodel/graph.ts';
import type { Operation } from '../declaration/operations.ts';
import { isBulk, isRead, operationRows } from '../declaration/operations.ts';
import { list, nameOf, refuse, shorten, withArticle } from '../messages.ts';
import { scopesMember } from '../policy/scopes.ts';
import type { BulkResult, BulkWriter } from '../queries/bulk-writes.ts';
import type { IdempotencyKeys, KeyedWrite } from '../queries/idempotency.ts';
import { keyArgument } from '../queries/idempotency.ts';
import { notFound } from '../queries/prisma-errors.ts';
import type { Page, Reader } from '../queries/reads.ts';
import { transactionOptions } from '../queries/row-chunks.ts';
import type { Commit, Writer } from '../queries/writes.ts';
import { recordedCommit } from '../queries/writes.ts';
import { describeText } from './describe.ts';
import type { RowLinks } from './row-links.ts';
import type { SchemaParts } from './schema.ts';
import {
  aggregateInput,
  aggregateOutput,
  bulkOutput,
  confirmedInput,
  confirmedOutput,
  countInput,
  countOutput,
  createInput,
  createManyInput,
  deleteInput,
  deleteManyInput,
  findFirstInput,
  findManyInput,
  findUniqueInput,
  groupByInput,
  groupsOutput,
  keyedInput,
  listingOperation,
  pageOutput,
  rowOutput,
  updateInput,
  updateManyInput,
  upsertInput,
} from './schema.ts';

/** Characters of a tool's description at most. Some clients refuse or cut longer ones. */
export const maxDescriptionChars = 1024;

/** Characters of a row, and number of rows, in a question to a person. */
const maxJsonChars = 400;
const maxNamedRows = 10;

/** The parts that the tools of one exposure use. */
export interface ToolParts extends SchemaParts, Writers {
  readonly reader: Reader;
  /** Commits a write by the client itself. */
  readonly commit: Commit;
  /** Makes the same writers, whose writes are committed in another way. */
  readonly writersOf: (commit: Commit) => Writers;
  /** `undefined` if no operation of any model takes an idempotency key. */
  readonly keys: IdempotencyKeys | undefined;
  readonly limits: WhereLimits;
  readonly links: RowLinks;
}

interface Writers {
  readonly writer: Writer;
  readonly bulkWriter: BulkWriter;
}

/** One operation of an exposure: its arguments, and the query that answers a call. */
export interface Plan {
  readonly title: string;
  readonly summary: string;
  readonly inputSchema: JsonSchema;
  readonly outputSchema: JsonSchema;
  readonly annotations: ToolAnnotations;
  /** What a write would do, in words. `undefined` if it would only look. A read has none. */
  readonly effect?: (args: JsonObject, ctx: CallContext) => Promise<string | undefined>;
  /** The structured result. @param entry The row of the call, if it is recorded. A write adds it in its transaction. */
  readonly run: (args: JsonObject, ctx: CallContext, entry?: AuditEntry) => Promise<object>;
}

/** A plan whose writers are chosen for each call. */
interface PlanOfWriters extends Omit<Plan, 'run'> {
  readonly run: (args: JsonObject, ctx: CallContext, writers: Writers) => Promise<object>;
}

/** The annotations of a tool that changes nothing. */
export const readOnly: ToolAnnotations = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };
const writing: ToolAnnotations = { readOnlyHint: false, openWorldHint: false };

const plans: Readonly<Record<Operation, (parts: ToolParts) => PlanOfWriters>> = {
  findUnique: parts => ({
    title: 'find one',
    summary: `Reads one ${parts.exposure.node.name} by a unique key.`,
    inputSchema: findUniqueInput(parts),
    outputSchema: rowOutput(parts.exposure.selection, false),
    annotations: readOnly,
    run: async (args, ctx) => {
      const { exposure, reader } = parts;
      const where = parseUniqueWhere(exposure, args['where']);
      const row = await reader.findUnique(where, parseSelect(exposure, args['select']), ctx);
      if (row === undefined) throw notFound(exposure);
      return row;
    },
  }),
  findFirst: parts => ({
    title: 'find first',
    summary: describeFirst(parts),
    inputSchema: findFirstInput(parts),
    outputSchema: rowOutput(parts.exposure.selection, false),
    annotations: readOnly,
    run: async (args, ctx) => {
      const { exposure, reader, limits } = parts;
      const row = await reader.findFirst(parseQuery(exposure, args, limits), ctx);
      if (row === undefined) throw notFound(exposure);
      return row;
    },
  }),
  findMany: parts => ({
    title: 'find many',
    summary: describePages(parts),
    inputSchema: findManyInput(parts),
    outputSchema: pageOutput(parts.exposure),
    annotations: readOnly,
    run: (args, ctx) => parts.reader.findMany(parseFindMany(parts.exposure, args, parts.limits), ctx),
  }),
  count: parts => ({
    title: 'count',
    summary: `Counts ${describeRows(parts)}.`,
    inputSchema: countInput(parts),
    outputSchema: countOutput(),
    annotations: readOnly,
    run: async (args, ctx) => {
      const { exposure, reader, limits } = parts;
      return { count: await reader.count(parseOptionalWhere(exposure, args['where'], limits), ctx) };
    },
  }),
  aggregate: parts => ({
    title: 'aggregate',
    summary: `Aggregates ${describeRows(parts)}.`,
    inputSchema: aggregateInput(parts),
    outputSchema: aggregateOutput(),
    annotations: readOnly,
    run: async (args, ctx) => {
      const { exposure, reader, limits } = parts;
      const where = parseOptionalWhere(exposure, args['where'], limits);
      const aggregates = parseAggregates(exposure, args);
      if (isNothing(aggregates)) refuse('_count', 'name at least one aggregate, such as { "_count": true }');
      return reader.aggregate(where, aggregates, ctx);
    },
  }),
  groupBy: parts => ({
    title: 'group',
    summary: `Groups and aggregates ${describeRows(parts)}.`,
    inputSchema: groupByInput(parts),
    outputSchema: groupsOutput(parts.exposure),
    annotations: readOnly,
    run: (args, ctx) => parts.reader.groupBy(parseGroupBy(parts.exposure, args, parts.limits), ctx),
  }),
  create: parts => ({
    title: 'create',
    summary: `Creates ${withArticle(parts.exposure.node.name)}.`,
    inputSchema: createInput(parts),
    outputSchema: rowOutput(parts.exposure.selection, true),
    annotations: { ...writing, destructiveHint: false, idempotentHint: false },
    effect: async ({ data }, ctx) => {
      await parts.create.parse(data, ctx);
      return `create ${withArticle(parts.exposure.node.name)}: ${shortJson(data)}`;
    },
    run: (args, ctx, { writer }) => writer.create(args['data'], ctx),
  }),
  createMany: parts => ({
    title: 'create many',
    summary: `Creates ${atMost(parts)}${parts.exposure.node.name} rows${asIn('create', parts)}, all or none.`,
    inputSchema: createManyInput(parts),
    outputSchema: bulkOutput(parts.exposure),
    annotations: { ...writing, destructiveHint: false, idempotentHint: false },
    effect: async ({ data }) => `create ${rows(Array.isArray(data) ? data.length : 0, parts)}: ${shortJson(data)}`,
    run: (args, ctx, { bulkWriter }) => bulkWriter.createMany(args['data'], ctx),
  }),
  update: parts => ({
    title: 'update',
    summary: `Changes one ${parts.exposure.node.name} by a unique key.`,
    inputSchema: updateInput(parts),
    outputSchema: rowOutput(parts.exposure.selection, true),
    annotations: changing(parts),
    effect: async ({ where, data }, ctx) => {
      await parts.update.parse(data, ctx);
      return `change ${await findText('update', where, parts, ctx)}, setting ${shortJson(data)}`;
    },
    run: (args, ctx, { writer }) => writer.update(parseUniqueWhere(parts.exposure, args['where']), args['data'], ctx),
  }),
  updateMany: parts => ({
    title: 'update many',
    summary: `Changes${asIn('update', parts)} ${atMost(parts)}${describeRows(parts)}, all or none.`,
    inputSchema: updateManyInput(parts),
    outputSchema: bulkOutput(parts.exposure),
    annotations: changing(parts),
    effect: async ({ where, data, dryRun }, ctx) => {
      if (parseDryRun(dryRun)) return undefined;
      await parts.update.parse(data, ctx);
      const found = await parts.bulkWriter.find('updateMany', parseBulkWhere(parts.exposure, where, parts.limits), ctx);
      return `change ${foundText(found, parts)}, setting ${shortJson(data)}`;
    },
    run: async (args, ctx, { bulkWriter }) => {
      const { exposure, limits, update } = parts;
      const where = parseBulkWhere(exposure, args['where'], limits);
      if (!parseDryRun(args['dryRun'])) return bulkWriter.updateMany(where, args['data'], ctx);
      await update.parse(args['data'], ctx);
      return { ...(await bulkWriter.find('updateMany', where, ctx)), dryRun: true };
    },
  }),
  upsert: parts => ({
    title: 'upsert',
    summary: describeUpsert(parts),
    inputSchema: upsertInput(parts),
    outputSchema: rowOutput(parts.exposure.selection, true),
    annotations: { ...writing, destructiveHint: true, idempotentHint: false },
    effect: async ({ where, create, update }, ctx) => {
      await parts.create.parse(create, ctx, { path: 'create' });
      await parts.update.parse(update, ctx, { path: 'update', mayBeEmpty: true });
      const row = await parts.writer.find('update', parseUniqueWhere(parts.exposure, where), ctx);
      const { name } = parts.exposure.node;
      return row === undefined
        ? `create ${withArticle(name)}: ${shortJson(create)}`
        : `change the ${name} ${shortJson(row)}, setting ${shortJson(update)}`;
    },
    run: (args, ctx, { writer }) => writer.upsert(parseUniqueWhere(parts.exposure, args['where']), args['create'], args['update'], ctx),
  }),
  delete: parts => ({
    title: 'delete',
    summary: `Deletes one ${parts.exposure.node.name} by a unique key, for good.`,
    inputSchema: deleteInput(parts),
    outputSchema: rowOutput({ ...parts.exposure.selection, relations: [], counts: [] }, true),
    annotations: { ...writing, destructiveHint: true, idempotentHint: true },
    effect: async ({ where }, ctx) => `delete ${await findText('delete', where, parts, ctx)} for good`,
    run: (args, ctx, { writer }) => writer.delete(parseUniqueWhere(parts.exposure, args['where']), ctx),
  }),
  deleteMany: parts => ({
    title: 'delete many',
    summary: `Deletes for good ${atMost(parts)}${describeRows(parts)}, all or none.`,
    inputSchema: deleteManyInput(parts),
    outputSchema: bulkOutput(parts.exposure),
    annotations: { ...writing, destructiveHint: true, idempotentHint: true },
    effect: async ({ where, dryRun }, ctx) => {
      if (parseDryRun(dryRun)) return undefined;
      const found = await parts.bulkWriter.find('deleteMany', parseBulkWhere(parts.exposure, where, parts.limits), ctx);
      return `delete ${foundText(found, parts)} for good`;
    },
    run: async (args, ctx, { bulkWriter }) => {
      const { exposure, limits } = parts;
      const where = parseBulkWhere(exposure, args['where'], limits);
      if (!parseDryRun(args['dryRun'])) return bulkWriter.deleteMany(where, ctx);
      return { ...(await bulkWriter.find('deleteMany', where, ctx)), dryRun: true };
    },
  }),
};

/** A second increment or push changes a row once more. */
function changing({ update }: ToolParts): ToolAnnotations {
  return { ...writing, destructiveHint: true, idempotentHint: ![...update.columns.values()].some(takesChange) };
}

/** The rows that a filter finds. If the exposure has `findMany`, its tool describes the filter. */
function describeRows({ exposure: { node, operations } }: ToolParts): string {
  return operations.has('findMany') ? 'rows that findMany finds' : `${node.name} rows`;
}

function describeFirst({ exposure: { node, operations } }: ToolParts): string {
  return operations.has('findMany') ? 'Reads the first row that findMany finds.' : `Reads the first ${node.name} that matches.`;
}

function describeUpsert(parts: ToolParts): string {
  const { node, operations } = parts.exposure;
  if (operations.has('create') && operations.has('update')) return 'Does update or, if there is no such row, create.';
  return `Changes one ${node.name}${asIn('update', parts)} or, if there is none, creates it${asIn('create', parts)}.`;
}

/** ` as create does` if the exposure has that operation, whose tool then describes the arguments that the two have in common. */
function asIn(operation: Operation, { exposure }: ToolParts): string {
  return exposure.operations.has(operation) ? ` as ${operation} does` : '';
}

/** `at most 100 ` */
function atMost({ exposure: { maxWrites } }: ToolParts): string {
  return Number.isFinite(maxWrites) ? `at most ${maxWrites} ` : '';
}

function parseDryRun(value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value === true;
  return refuse('dryRun', `expected true or false, got ${nameOf(value)}`);
}

/**
 * Names the row that an update or delete is about to write: `the Booking {"id":5}`.
 *
 * @throws {ToolError} The caller can see no such row.
 */
async function findText(
  operation: 'update' | 'delete',
  where: unknown,
  { exposure, writer }: ToolParts,
  ctx: CallContext,
): Promise<string> {
  const row = await writer.find(operation, parseUniqueWhere(exposure, where), ctx);
  if (row === undefined) throw notFound(exposure);
  return `the ${exposure.node.name} ${shortJson(row)}`;
}

/** `2 Booking rows ({"id":1}, {"id":2})` */
function foundText({ count, keys = [] }: BulkResult, parts: ToolParts): string {
  const named = keys.slice(0, maxNamedRows).map(key => JSON.stringify(key));
  if (named.length > 0 && count > named.length) named.push('…');
  return `${rows(count, parts)}${named.length === 0 ? '' : ` (${list(named)})`}`;
}

function rows(count: number, { exposure: { node } }: ToolParts): string {
  return `${count} ${node.name} ${count === 1 ? 'row' : 'rows'}`;
}

/** A value as JSON, cut to a length that a person reads. */
function shortJson(value: unknown): string {
  return shorten(JSON.stringify(value) ?? 'nothing', maxJsonChars);
}

/** The plan of one operation. A tool of the model's own and a generic tool run the same plan. */
export function planOf(operation: Operation, parts: ToolParts): Plan {
  const plan = plans[operation](parts);
  const { exposure, keys } = parts;
  const { outputSchema, effect } = plan;
  const keyed = exposure.idempotent.has(operation) ? keys?.of({ exposure, operation, outputSchema }) : undefined;
  const isConfirmed = exposure.confirm.has(operation);
  const own = operationRows[operation].arguments;
  const known = [...own, ...(isConfirmed ? [confirmationArgument] : []), ...(keyed === undefined ? [] : [keyArgument])];

  /** The operation's own arguments, and the write with its key if the call has one and is no dry run. */
  const parse = (all: JsonObject, ctx: CallContext): { args: JsonObject; write: KeyedWrite | undefined } => {
    assertArguments(exposure, known, all);
    if (known.length === own.length) return { args: all, write: undefined };
    const { [keyArgument]: key, [confirmationArgument]: _, ...args } = all;
    return { args, write: key === undefined || args['dryRun'] === true ? undefined : keyed?.(key, args, ctx) };
  };
  return {
    ...plan,
    run: async (all, ctx, entry) => {
      const { args, write } = parse(all, ctx);
      if (entry === undefined) return plan.run(args, ctx, write === undefined ? parts : parts.writersOf(write.commit));
      const record = async (tx: object, result: object): Promise<void> => {
        entry.rows = rowCount(operation, result);
        await entry.commitIn(tx);
      };
      const commit = recordedCommit(write?.commit ?? parts.commit, record, transactionOptions(exposure, operation));
      const result = await plan.run(args, ctx, parts.writersOf(commit));
      // A dry run, or a write that was made before under the same key, has written nothing.
      entry.rows ??= isRead(operation) ? rowCount(operation, result) : 0;
      return result;
    },
    ...(effect && {
      effect: async (all, ctx) => {
        const { args, write } = parse(all, ctx);
        // The user has been asked, and the rows have changed since.
        return (await write?.isDone()) === true ? undefined : await effect(args, ctx);
      },
    }),
  };
}

/** How many rows a result is about; `undefined` if it does not say. */
function rowCount(operation: Operation, result: object): number | undefined {
  if (operation === 'findMany') return (result as Page).rows.length;
  if (isBulk(operation)) return (result as BulkResult).count;
  return operation === 'count' || operation === 'aggregate' || operation === 'groupBy' ? undefined : 1;
}

/** The tools of one exposure, named `<model key>_<operation>`, in the order of the operations. */
export function modelTools(parts: ToolParts): ToolDefinition[] {
  return [...parts.exposure.operations].map(operation => modelTool(operation, parts));
}

function modelTool(operation: Operation, parts: ToolParts): ToolDefinition {
  const { title, summary, inputSchema, outputSchema, annotations, effect, run } = planOf(operation, parts);
  const { exposure } = parts;
  const about = [
    summary,
    operation === listingOperation(exposure) ? asSentence(exposure.description) : undefined,
    warnsOfText(operation, exposure) ? describeText(exposure.selection) : undefined,
  ];
  const isConfirmed = effect !== undefined && exposure.confirm.has(operation);
  const confirmable = isConfirmed ? confirmedInput(inputSchema) : inputSchema;
  return {
    name: toolName(exposure, operation),
    title: `${exposure.node.name}: ${title}`,
    description: bounded(about.filter(part => part !== undefined).join(' ')),
    inputSchema: exposure.idempotent.has(operation) ? keyedInput(confirmable) : confirmable,
    outputSchema: isConfirmed ? confirmedOutput(outputSchema) : outputSchema,
    annotations,
    ...scopesMember([[exposure, operation]]),
    ...(exposure.task.has(operation) && { execution: { taskSupport: 'optional' as const } }),
    ...(isConfirmed && { effect }),
    masked: args => maskArguments(exposure.node, args),
    recordsWrites: true,
    call: async (args, ctx, entry) => {
      const result = await run(args, ctx, entry);
      return toResult(result, parts.links[operation]?.(result));
    },
  };
}

/** Whether a tool warns of text in rows: `findUnique` and `findMany`, or every tool that returns text if the exposure has neither. */
function warnsOfText(operation: Operation, { operations }: Exposure): boolean {
  if (operation === 'findUnique' || operation === 'findMany') return true;
  if (operations.has('findUnique') || operations.has('findMany')) return false;
  return operation !== 'count' && operation !== 'aggregate' && !isBulk(operation);
}

function asSentence(text: string | undefined): string | undefined {
  return text === undefined || /[.!?…:;)]\s*$/u.test(text) ? text : `${text.trimEnd()}.`;
}

/** A structured result, with the same as text for clients that read only text. */
export function toResult(structured: object, links: readonly ResourceLink[] = []): CallToolResult {
  const result: CallToolResult = { content: [{ type: 'text', text: JSON.stringify(structured) }], structuredContent: structured };
  if (links.length > 0) result.links = links;
  return result;
}

/** What `findMany` reads. The order is told unless it is that of the key. */
function describePages({ exposure }: ToolParts): string {
  const order = describeOrder(exposure);
  const isByKey = order === list(rowKey(exposure.node).fields.map(name => `${name} asc`));
  return `Reads ${exposure.node.name} rows by page, with Prisma's arguments${isByKey ? '' : `, by default ordered by ${order}`}.`;
}

/** The order of rows in words, without hidden columns. */
export function describeOrder({ orderBy, columns, node }: Exposure): string {
  const steps = orderBy.flatMap(step =>
    Object.entries(step).map(([name, order]) => {
      const direction =
        typeof order === 'string' ? order : typeof order === 'object' && order !== null && 'sort' in order ? order.sort : '';
      return columns.has(name) || node.relations.has(name) ? `${name} ${String(direction)}`.trim() : undefined;
    }),
  );
  const visible = steps.filter(step => step !== undefined);
  return visible.length === 0 ? 'their key' : list(visible);
}

/** At most `maxDescriptionChars`, cut between words. */
export function bounded(description: string): string {
  if (description.length <= maxDescriptionChars) return description;
  const cut = description.slice(0, maxDescriptionChars - 1);
  const end = cut.lastIndexOf(' ');
  return end > maxDescriptionChars / 2 ? `${cut.slice(0, end)}…` : shorten(description, maxDescriptionChars);
}
