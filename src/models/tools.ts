import type { CallContext, CallToolResult, JsonObject, ToolAnnotations, ToolDefinition } from '../protocol/definitions.ts';
import type { JsonSchema } from '../protocol/json-schema.ts';
import { assertArguments, parseFindMany, parseSelect, parseUniqueWhere } from './arguments.ts';
import { takesChange } from './data.ts';
import { describeText } from './describe.ts';
import type { Exposure } from './graph.ts';
import { list, withArticle } from './messages.ts';
import type { Operation } from './operations.ts';
import { notFound } from './prisma-errors.ts';
import type { Reader } from './reads.ts';
import type { SchemaParts } from './schema.ts';
import {
  countInput,
  countOutput,
  createInput,
  deleteInput,
  findManyInput,
  findUniqueInput,
  listingOperation,
  pageOutput,
  rowOutput,
  updateInput,
} from './schema.ts';
import { toolName } from './tool-names.ts';
import type { WhereLimits } from './where.ts';
import { parseWhere } from './where.ts';
import type { Writer } from './writes.ts';

/** Characters of a tool's description at most. Some clients refuse or cut longer ones. */
export const maxDescriptionChars = 1024;

/** The parts that the tools of one exposure use. */
export interface ToolParts extends SchemaParts {
  readonly reader: Reader;
  readonly writer: Writer;
  readonly limits: WhereLimits;
}

/** One operation of an exposure: its arguments, and the query that answers a call. */
export interface Plan {
  readonly title: string;
  readonly summary: string;
  readonly inputSchema: JsonSchema;
  readonly outputSchema: JsonSchema;
  readonly annotations: ToolAnnotations;
  /** The structured result. */
  readonly run: (args: JsonObject, ctx: CallContext) => Promise<object>;
}

const readOnly: ToolAnnotations = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };
const writing: ToolAnnotations = { readOnlyHint: false, openWorldHint: false };

const plans: Readonly<Record<Operation, (parts: ToolParts) => Plan>> = {
  findUnique: parts => ({
    title: 'find one',
    summary: `Reads one ${parts.exposure.node.name} by a unique key.`,
    inputSchema: findUniqueInput(parts),
    outputSchema: rowOutput(parts.exposure.selection, false),
    annotations: readOnly,
    run: async (args, ctx) => {
      const { exposure, reader } = parts;
      assertArguments(exposure, 'findUnique', args);
      const where = parseUniqueWhere(exposure, args['where']);
      const row = await reader.findUnique(where, parseSelect(exposure, args['select']), ctx);
      if (row === undefined) throw notFound(exposure);
      return row;
    },
  }),
  findMany: parts => ({
    title: 'find many',
    summary: `Reads ${parts.exposure.node.name} rows by page, ordered by ${describeOrder(parts.exposure)}.`,
    inputSchema: findManyInput(parts),
    outputSchema: pageOutput(parts.exposure),
    annotations: readOnly,
    run: (args, ctx) => parts.reader.findMany(parseFindMany(parts.exposure, args, parts.limits), ctx),
  }),
  count: parts => ({
    title: 'count',
    summary: `Counts ${parts.exposure.node.name} rows.`,
    inputSchema: countInput(parts),
    outputSchema: countOutput(),
    annotations: readOnly,
    run: async (args, ctx) => {
      const { exposure, reader, limits } = parts;
      assertArguments(exposure, 'count', args);
      const { where } = args;
      return {
        count: await reader.count(where === undefined ? { where: {}, relational: false } : parseWhere(exposure, where, limits), ctx),
      };
    },
  }),
  create: parts => ({
    title: 'create',
    summary: `Creates ${withArticle(parts.exposure.node.name)} and returns it.`,
    inputSchema: createInput(parts),
    outputSchema: rowOutput(parts.exposure.selection, true),
    annotations: { ...writing, destructiveHint: false, idempotentHint: false },
    run: (args, ctx) => {
      assertArguments(parts.exposure, 'create', args);
      return parts.writer.create(args['data'], ctx);
    },
  }),
  update: parts => ({
    title: 'update',
    summary: `Changes one ${parts.exposure.node.name} and returns it.`,
    inputSchema: updateInput(parts),
    outputSchema: rowOutput(parts.exposure.selection, true),
    // A second increment or push changes the row once more.
    annotations: { ...writing, destructiveHint: true, idempotentHint: ![...parts.update.columns.values()].some(takesChange) },
    run: (args, ctx) => {
      assertArguments(parts.exposure, 'update', args);
      return parts.writer.update(parseUniqueWhere(parts.exposure, args['where']), args['data'], ctx);
    },
  }),
  delete: parts => ({
    title: 'delete',
    summary: `Deletes one ${parts.exposure.node.name} for good and returns it as it was.`,
    inputSchema: deleteInput(parts),
    outputSchema: rowOutput({ ...parts.exposure.selection, relations: [], counts: [] }, true),
    annotations: { ...writing, destructiveHint: true, idempotentHint: true },
    run: (args, ctx) => {
      assertArguments(parts.exposure, 'delete', args);
      return parts.writer.delete(parseUniqueWhere(parts.exposure, args['where']), ctx);
    },
  }),
};

/** The plan of one operation. A tool of the model's own and a generic tool run the same plan. */
export function planOf(operation: Operation, parts: ToolParts): Plan {
  return plans[operation](parts);
}

/** The tools of one exposure, named `<model key>_<operation>`, in the order of the operations. */
export function modelTools(parts: ToolParts): ToolDefinition[] {
  return [...parts.exposure.operations].map(operation => modelTool(operation, parts));
}

function modelTool(operation: Operation, parts: ToolParts): ToolDefinition {
  const { title, summary, inputSchema, outputSchema, annotations, run } = planOf(operation, parts);
  const { exposure } = parts;
  const about = [
    summary,
    operation === listingOperation(exposure) ? asSentence(exposure.description) : undefined,
    operation === 'count' ? undefined : describeText(exposure.selection),
  ];
  return {
    name: toolName(exposure, operation),
    title: `${exposure.node.name}: ${title}`,
    description: bounded(about.filter(part => part !== undefined).join(' ')),
    inputSchema,
    outputSchema,
    annotations,
    call: async (args, ctx) => toResult(await run(args, ctx)),
  };
}

function asSentence(text: string | undefined): string | undefined {
  return text === undefined || /[.!?…:;)]\s*$/u.test(text) ? text : `${text.trimEnd()}.`;
}

/** A structured result, with the same as text for clients that read only text. */
export function toResult(structured: object): CallToolResult {
  return { content: [{ type: 'text', text: JSON.stringify(structured) }], structuredContent: structured };
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
  return `${end > maxDescriptionChars / 2 ? cut.slice(0, end) : cut.replace(/[\uD800-\uDBFF]$/, '')}…`;
}
