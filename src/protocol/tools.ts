import { McpError } from '../errors.ts';
import { recorded } from './audit.ts';
import type { AuditedEnd, AuditedRequest, Call } from './call.ts';
import { CallEnded } from './call.ts';
import type { ToolCall } from './confirmation.ts';
import { callConfirmed } from './confirmation.ts';
import type { CallToolResult, JsonObject, ToolDefinition } from './definitions.ts';
import { isObject, unconfirmedMember } from './definitions.ts';
import { describeError, inRevision } from './handler-errors.ts';
import type { Result } from './project.ts';
import { finishResult, projectToolResult, SerializedResult } from './project.ts';
import { askedTask, createdResult } from './tasks.ts';

/**
 * `tools/call`: finds the tool, runs it, and turns whatever it throws into a result that the model can read.
 *
 * @throws {McpError} -32602 for an unknown tool (also one this caller may not use) or `arguments` that are no object.
 * @throws {InsufficientScope}
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/tools#error-handling
 */
export async function callTool(call: Call, params: JsonObject | undefined): Promise<SerializedResult> {
  const tool = await findTool(call, params?.['name']);
  const args = params?.['arguments'] ?? {};
  if (!isObject(args)) throw new McpError('InvalidParams', 'Invalid params: `arguments` must be an object');
  const toolCall: ToolCall = { tool, args, entry: undefined };
  const asked = tool.execution === undefined && params?.['task'] === undefined ? undefined : askedTask(call, tool, params);
  if (asked === undefined) return serialize(call, tool, await runRecorded(call, toolCall));
  const refused = call.revisionRow.inputRequired.has('tools/call') ? await prepare(call, tool, args) : undefined;
  if (refused !== undefined) return serialize(call, tool, refused);
  const newTask = { ...asked, tool: tool.name, run: async (served: Call) => limit(served, tool, await runRecorded(served, toolCall)) };
  const task = await call.server.tasks.start(call, newTask);
  call.note({ outcome: 'task' });
  return createdResult(call, task);
}

/** Does what a tool does before a task of it begins. Returns the result of the call if that fails. */
async function prepare(call: Call, { beforeTask }: ToolDefinition, args: JsonObject): Promise<CallToolResult | undefined> {
  try {
    if (beforeTask !== undefined) await call.race(beforeTask(args, call.ctx));
    return undefined;
  } catch (error) {
    return toErrorResult(call, inRevision(call, error));
  }
}

/** Runs the tool. Most endpoints record no calls, which then cost nothing more. */
function runRecorded(call: Call, toolCall: ToolCall): Promise<CallToolResult> {
  if (call.server.audit === undefined) return run(call, toolCall);
  const { tool, args } = toolCall;
  const request: AuditedRequest = {
    method: 'tools/call',
    name: tool.name,
    arguments: () => tool.masked?.(args) ?? args,
    isRead: tool.annotations?.readOnlyHint === true,
    recordsWrites: tool.recordsWrites,
  };
  return recorded(call, request, { work: entry => run(call, { tool, args, entry }), endOf });
}

function endOf({ isError, content, structuredContent }: CallToolResult): AuditedEnd {
  if (isError === true)
    return { outcome: 'error', error: content.map(block => (block.type === 'text' ? block.text : block.type)).join('\n') };
  const isUnconfirmed = isObject(structuredContent) && Object.hasOwn(structuredContent, unconfirmedMember);
  return { outcome: isUnconfirmed ? 'unconfirmed' : 'ok' };
}

/**
 * The result of a task whose handler has handed its work over, from what the handler could have returned.
 *
 * @throws {McpError} An error for the client.
 */
export async function toTaskResult(
  call: Pick<Call, 'server' | 'report'>,
  tool: ToolDefinition & Required<Pick<ToolDefinition, 'toResult'>>,
  value: unknown,
): Promise<CallToolResult> {
  try {
    return limit(call, tool, await tool.toResult(value));
  } catch (error) {
    return toErrorResult(call, error);
  }
}

/** A result with `isError: true` and this text. */
export function toolError(text: string): CallToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}

async function findTool(call: Call, name: unknown): Promise<ToolDefinition> {
  if (typeof name !== 'string') throw new McpError('InvalidParams', 'Invalid params: `name` must be a string');
  const { tools, unknownToolHint } = call.server.registry;
  const tool = tools.get(name);
  if (tool !== undefined && (await call.admits(tool))) return tool;
  const hint = unknownToolHint?.(name);
  throw new McpError('InvalidParams', `Unknown tool: ${name}${hint === undefined ? '' : `; ${hint}`}`);
}

async function run(call: Call, toolCall: ToolCall): Promise<CallToolResult> {
  const { tool, args, entry } = toolCall;
  try {
    return await call.race(tool.effect === undefined ? tool.call(args, call.ctx, entry) : callConfirmed(call, toolCall));
  } catch (error) {
    return toErrorResult(call, inRevision(call, error));
  }
}

/** The result that tells the model of an error. @throws {McpError} or {CallEnded} that is no error for the model. */
export function toErrorResult(call: Pick<Call, 'server' | 'report'>, error: unknown): CallToolResult {
  if (McpError.isError(error) || error instanceof CallEnded) throw error;
  return toolError(describeError(call, error));
}

function serialize(call: Call, tool: ToolDefinition, result: CallToolResult): SerializedResult {
  const text = stringify(call, projectToolResult(result, tool, call.revisionRow));
  const isKept = fits(call, text);
  if (!isKept || result.isError === true) call.note({ outcome: 'tool_error' });
  return new SerializedResult(isKept ? text : stringify(call, tooLarge(call, tool)));
}

/** The result of a task, or an error if it is too large to be kept. */
function limit(call: Pick<Call, 'server'>, tool: ToolDefinition, result: CallToolResult): CallToolResult {
  return fits(call, JSON.stringify(result)) ? result : tooLarge(call, tool);
}

function fits({ server }: Pick<Call, 'server'>, text: string): boolean {
  const { maxResultBytes } = server.limits;
  // A UTF-16 unit is at most three bytes of UTF-8: short texts need no count.
  return text.length * 3 <= maxResultBytes || Buffer.byteLength(text) <= maxResultBytes;
}

function tooLarge({ server }: Pick<Call, 'server'>, { name }: ToolDefinition): CallToolResult {
  const { maxResultBytes } = server.limits;
  return toolError(
    `The result of ${name} is larger than ${maxResultBytes} bytes. Ask for less: fewer rows, fewer columns or a narrower filter.`,
  );
}

function stringify(call: Call, result: Result): string {
  return JSON.stringify(finishResult(call, 'tools/call', result));
}
