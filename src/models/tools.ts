import type { CallContext, CallToolResult, JsonObject, ToolAnnotations, ToolDefinition } from '../protocol/definitions.ts';
import type { JsonSchema } from '../protocol/json-schema.ts';
import { assertArguments, parseFindMany, parseSelect, parseUniqueWhere } from './arguments.ts';
import type { DataParser } from './data.ts';
import type { Operation } from './declaration.ts';
import type { Exposure } from './graph.ts';
import { list, withArticle } from './messages.ts';
import { notFound } from './prisma-errors.ts';
import type { Reader } from './reads.ts';
import {
  countInput,
  countOutput,
  createInput,
  deleteInput,
  findManyInput,
  findUniqueInput,
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
export interface ToolParts {
  readonly exposure: Exposure;
  readonly reader: Reader;
  readonly writer: Writer;
  readonly create: DataParser;
  readonly update: DataParser;
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
  findUnique: ({ exposure, reader }) => ({
    title: 'find one',
    summary: `Reads one ${exposure.node.name} by ${list(exposure.uniques.map(key => key.name))}.`,
    inputSchema: findUniqueInput(exposure),
    outputSchema: rowOutput(exposure.selection, false),
    annotations: readOnly,
    run: async (args, ctx) => {
      assertArguments(exposure, 'findUnique', args);
      const where = parseUniqueWhere(exposure, args['where']);
      const row = await reader.findUnique(where, parseSelect(exposure, args['select']), ctx);
      if (row === undefined) throw notFound(exposure);
      return row;
    },
  }),
  findMany: ({ exposure, reader, limits }) => ({
    title: 'find many',
    summary: `Reads ${exposure.node.name} rows, ordered by ${describeOrder(exposure)}, at most ${exposure.take} a call; nextCursor gets the next page.`,
    inputSchema: findManyInput(exposure),
    outputSchema: pageOutput(exposure),
    annotations: readOnly,
    run: (args, ctx) => reader.findMany(parseFindMany(exposure, args, limits), ctx),
  }),
  count: ({ exposure, reader, limits }) => ({
    title: 'count',
    summary: `Counts ${exposure.node.name} rows.`,
    inputSchema: countInput(exposure),
    outputSchema: countOutput(),
    annotations: readOnly,
    run: async (args, ctx) => {
      assertArguments(exposure, 'count', args);
      const { where } = args;
      return {
        count: await reader.count(where === undefined ? { where: {}, relational: false } : parseWhere(exposure, where, limits), ctx),
      };
    },
  }),
  create: ({ exposure, writer, create }) => ({
    title: 'create',
    summary: `Creates ${withArticle(exposure.node.name)} and returns it.`,
    inputSchema: createInput(create),
    outputSchema: rowOutput(exposure.selection, true),
    annotations: { ...writing, destructiveHint: false, idempotentHint: false },
    run: (args, ctx) => {
      assertArguments(exposure, 'create', args);
      return writer.create(args['data'], ctx);
    },
  }),
  update: ({ exposure, writer, update }) => ({
    title: 'update',
    summary: `Changes one ${exposure.node.name} and returns it.`,
    inputSchema: updateInput(exposure, update),
    outputSchema: rowOutput(exposure.selection, true),
    annotations: { ...writing, destructiveHint: true, idempotentHint: true },
    run: (args, ctx) => {
      assertArguments(exposure, 'update', args);
      return writer.update(parseUniqueWhere(exposure, args['where']), args['data'], ctx);
    },
  }),
  delete: ({ exposure, writer }) => ({
    title: 'delete',
    summary: `Deletes one ${exposure.node.name} for good and returns what it was.`,
    inputSchema: deleteInput(exposure),
    outputSchema: rowOutput({ ...exposure.selection, relations: [], counts: [] }, true),
    annotations: { ...writing, destructiveHint: true, idempotentHint: true },
    run: (args, ctx) => {
      assertArguments(exposure, 'delete', args);
      return writer.delete(parseUniqueWhere(exposure, args['where']), ctx);
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
  const { node, description } = parts.exposure;
  return {
    name: toolName(parts.exposure, operation),
    title: `${node.name}: ${title}`,
    description: bounded([summary, description, describeRow(parts.exposure)].filter(part => part !== undefined).join(' ')),
    inputSchema,
    outputSchema,
    annotations,
    call: async (args, ctx) => toResult(await run(args, ctx)),
  };
}

/** A structured result, with the same as text for clients that read only text. */
export function toResult(structured: object): CallToolResult {
  return { content: [{ type: 'text', text: JSON.stringify(structured) }], structuredContent: structured };
}

function describeRow({ columns, selection }: Exposure): string {
  const relations = selection.relations.map(
    ({ relation, selection: part }) => `${relation.name} (${list(part.columns.map(({ name }) => name))})`,
  );
  const included = relations.length === 0 ? '' : `; with ${list(relations)}`;
  return `Columns: ${list(columns.keys())}${included}.`;
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
