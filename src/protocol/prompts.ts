import { McpError } from '../errors.ts';
import type { Call } from './call.ts';
import { CallEnded } from './call.ts';
import type { GetPromptResult, JsonObject, PromptDefinition } from './definitions.ts';
import { toMcpError } from './handler-errors.ts';
import { isObject } from './jsonrpc.ts';
import { isEnabled } from './lists.ts';
import { projectPromptResult } from './project.ts';

/**
 * `prompts/get`.
 *
 * @throws {McpError} -32602 for an unknown prompt, a missing required argument or one that is no string, naming it.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/prompts#error-handling
 */
export async function getPrompt(call: Call, params: JsonObject | undefined): Promise<JsonObject> {
  const prompt = await findPrompt(call, params?.['name']);
  const args = parseArguments(prompt, params?.['arguments'] ?? {});
  let result: GetPromptResult;
  try {
    result = await call.race(prompt.get(args, call.ctx));
  } catch (error) {
    if (McpError.isError(error) || error instanceof CallEnded) throw error;
    throw toMcpError(error, unexposed => call.report(unexposed));
  }
  return projectPromptResult(result, call.revisionRow) as unknown as JsonObject;
}

/** The prompt of that name. @throws {McpError} -32602 */
export async function findPrompt(call: Call, name: unknown): Promise<PromptDefinition> {
  if (typeof name !== 'string') throw new McpError('InvalidParams', 'Invalid params: `name` must be a string');
  const prompt = call.server.registry.prompts.get(name);
  if (prompt === undefined || !(await isEnabled(prompt, call))) throw new McpError('InvalidParams', `Unknown prompt: ${name}`);
  return prompt;
}

function parseArguments(prompt: PromptDefinition, args: unknown): Record<string, string> {
  if (!isObject(args)) throw new McpError('InvalidParams', 'Invalid params: `arguments` must be an object');
  for (const [name, value] of Object.entries(args)) {
    if (typeof value !== 'string') throw new McpError('InvalidParams', `Invalid params: \`arguments.${name}\` must be a string`);
  }
  for (const { name, required } of prompt.arguments ?? []) {
    if (required && !Object.hasOwn(args, name)) throw new McpError('InvalidParams', `Invalid params: \`arguments.${name}\` is required`);
  }
  return args as Record<string, string>;
}
