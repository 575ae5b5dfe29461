import { McpError } from '../errors.ts';
import { recorded } from './audit.ts';
import type { AuditedEnd, AuditedRequest, Call } from './call.ts';
import { CallEnded } from './call.ts';
import type { ToolCall } from './confirmation.ts';
import { callConfirmed } from './confirmation.ts';
import type { CallToolResult, JsonObject, ToolDefinition } from './definitions.ts';
import { isObject, unconfirmedMember } from './definitions.ts';
import { describeError } from './handler-errors.ts';
import type { Result } from './project.ts';
import { finishResult, projectToolResult, SerializedResult } from './project.ts';

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
  const { annotations, recordsWrites } = tool;
  const request: AuditedRequest = {
    method: 'tools/call',
    name: tool.name,
    arguments: () => tool.masked?.(args) ?? args,
    isRead: annotations?.readOnlyHint === true,
    recordsWrites,
  };
  return serialize(call, tool, await recorded(call, request, { work: entry => run(call, { tool, args, entry }), endOf }));
}

function endOf({ isError, content, structuredContent }: CallToolResult): AuditedEnd {
  if (isError === true)
    return { outcome: 'error', error: content.map(block => (block.type === 'text' ? block.text : block.type)).join('\n') };
  const isUnconfirmed = isObject(structuredContent) && Object.hasOwn(structuredContent, unconfirmedMember);
  return { outcome: isUnconfirmed ? 'unconfirmed' : 'ok' };
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
    if (McpError.isError(error) || error instanceof CallEnded) throw error;
    return toolError(describeError(call, error));
  }
}

function serialize(call: Call, tool: ToolDefinition, result: CallToolResult): SerializedResult {
  const text = stringify(call, projectToolResult(result, tool, call.revisionRow));
  const { maxResultBytes } = call.server.limits;
  // A UTF-16 unit is at most three bytes of UTF-8: short texts need no count.
  if (text.length * 3 <= maxResultBytes || Buffer.byteLength(text) <= maxResultBytes) return new SerializedResult(text);
  const error = toolError(
    `The result of ${tool.name} is larger than ${maxResultBytes} bytes. Ask for less: fewer rows, fewer columns or a narrower filter.`,
  );
  return new SerializedResult(stringify(call, error));
}

function stringify(call: Call, result: Result): string {
  return JSON.stringify(finishResult(call, 'tools/call', result));
}
