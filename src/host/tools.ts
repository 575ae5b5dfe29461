import type { z } from 'zod';
import type { CallContext, CallToolResult, Icon, JsonObject, ToolAnnotations, ToolDefinition } from '../protocol/definitions.ts';
import { isObject } from '../protocol/definitions.ts';
import type { Args } from '../protocol/json-schema.ts';
import { parseWith, toJsonSchema } from '../protocol/json-schema.ts';
import { toJsonText } from './json.ts';

/** A tool of the host's own. */
export interface Tool<S = unknown, Ctx = CallContext> {
  /** Tells the model what the tool does and when to use it. */
  description: string;
  title?: string;
  /** A zod object; the handler's `args` have passed it. @default no arguments */
  inputSchema?: S & z.ZodType;
  /** A zod schema that every result must pass; members it does not name are not sent. @default unchecked */
  outputSchema?: z.ZodType;
  annotations?: ToolAnnotations;
  icons?: Icon[];
  _meta?: JsonObject;
  /** Scopes that the caller's token needs for the tool; needs the option `auth`. A call without them is answered 403. @default none */
  scopes?: readonly string[];
  /**
   * Whether a call may run as a task: it is answered at once, and its client collects the result later, from any process. `'optional'`: if the
   * client can. `'required'`: always; clients that cannot get an error. @default none: every call is answered when it is done
   */
  task?: 'optional' | 'required';
  /**
   * Runs before a task begins, while the call waits, for clients of 2026-07-28. What it asks the client is answered before the task is there, and
   * the handler's questions with the same `key` get the same answers. @default nothing runs before
   */
  beforeTask?: (args: Args<S, JsonObject>, ctx: Ctx) => unknown;
  /** Whether this caller may see and use the tool. @default everybody */
  enabled?: (ctx: Ctx) => boolean | Promise<boolean>;
  /**
   * Does the work. A string becomes text, a row or an array becomes JSON, an object with `content` is sent as it is.
   * What it throws becomes a result with `isError`: the message of a 4xx error (`ctx.throw(404, 'No such booking')`), a fixed text for a
   * missing, duplicate or related row (Prisma's P2025, P2002, P2003), else a reference.
   */
  handler: (args: Args<S, JsonObject>, ctx: Ctx) => unknown;
}

/**
 * Compiles the host's `tools`.
 *
 * @throws {TypeError} Naming the option: no description, no handler, an `inputSchema` whose root is no object.
 */
export function compileTools(tools: Readonly<Record<string, Tool>>): ToolDefinition[] {
  return Object.entries(tools).map(([name, tool]) => compileTool(name, tool));
}

function compileTool(name: string, tool: Tool): ToolDefinition {
  const { description, title, inputSchema: input, outputSchema: output, annotations, icons, _meta, scopes = [], enabled, handler } = tool;
  const { task, beforeTask } = tool;
  const inputSchema =
    input === undefined ? { type: 'object', additionalProperties: false } : toJsonSchema(input, 'input', `tools.${name}.inputSchema`);
  if (inputSchema.type !== 'object') throw new TypeError(`tools.${name}.inputSchema: the root must be an object; use z.object({ … })`);
  const outputSchema = output && toJsonSchema(output, 'output', `tools.${name}.outputSchema`);
  const toResult = (value: unknown) => toToolResult(value, output, name);
  const parse = async (args: JsonObject) => (input === undefined ? {} : await parseWith(input, args, 'Invalid arguments')) as JsonObject;
  return {
    name,
    description,
    inputSchema,
    ...(title !== undefined && { title }),
    ...(outputSchema !== undefined && { outputSchema }),
    ...(annotations !== undefined && { annotations }),
    ...(icons !== undefined && { icons }),
    ...(_meta !== undefined && { _meta }),
    ...(scopes.length > 0 && { scopes: [scopes] }),
    ...(enabled !== undefined && { enabled }),
    ...(task !== undefined && { execution: { taskSupport: task } }),
    ...(beforeTask !== undefined && { beforeTask: async (args, ctx) => beforeTask(await parse(args), ctx) }),
    call: async (args, ctx) => toResult(await handler(await parse(args), ctx)),
    toResult,
  };
}

/** Turns what a handler returned into a result. */
async function toToolResult(value: unknown, output: z.ZodType | undefined, tool: string): Promise<CallToolResult> {
  if (isToolResult(value)) {
    if (output === undefined || value.isError) return value;
    return { ...value, structuredContent: await parseOutput(output, value.structuredContent, tool) };
  }
  if (output !== undefined) {
    const text = toJsonText(await parseOutput(output, value, tool));
    return { content: [{ type: 'text', text }], structuredContent: JSON.parse(text) };
  }
  if (value === undefined) return { content: [] };
  if (typeof value === 'string') return { content: [{ type: 'text', text: value }] };
  const text = toJsonText(value);
  const isRow = typeof value === 'object' && value !== null && !Array.isArray(value);
  return { content: [{ type: 'text', text }], ...(isRow && { structuredContent: JSON.parse(text) }) };
}

async function parseOutput(output: z.ZodType, value: unknown, tool: string): Promise<unknown> {
  try {
    return await parseWith(output, value, `tools.${tool}.handler: the result does not match outputSchema`);
  } catch (cause) {
    const remedy =
      value === null || value === undefined
        ? `; for a row that may be missing, use findUniqueOrThrow or ctx.throw(404, …), or return null and make outputSchema .nullable()`
        : '';
    // A plain error has no `expose`, so the model gets a reference: it cannot correct the host's mistake.
    throw new Error(`${cause instanceof Error ? cause.message : String(cause)}${remedy}`, { cause });
  }
}

const resultMembers: ReadonlySet<string> = new Set(['content', 'structuredContent', 'links', 'isError', '_meta']);

/** A row may have a column `content`, too. */
function isToolResult(value: unknown): value is CallToolResult {
  if (!isObject(value) || !Array.isArray(value['content']) || !Object.keys(value).every(name => resultMembers.has(name))) return false;
  return value['content'].every(block => isObject(block) && typeof block['type'] === 'string');
}
