import { McpError } from '../errors.ts';
import { recorded } from './audit.ts';
import type { Call } from './call.ts';
import type { JsonObject, PromptDefinition } from './definitions.ts';
import { isObject } from './definitions.ts';
import { waitForHandler } from './handler-errors.ts';
import { isStringRecord } from './jsonrpc.ts';
import type { Result } from './project.ts';
import { assertSize, projectPromptResult } from './project.ts';

/**
 * `prompts/get`.
 *
 * @throws {McpError} -32602 for an unknown prompt, a missing required argument or one that is no string, naming it. -32603 for a result that is too
 * large.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/prompts#error-handling
 */
export async function getPrompt(call: Call, params: JsonObject | undefined): Promise<Result> {
  const prompt = await findPrompt(call, params?.['name']);
  const args = parseArguments(prompt, params?.['arguments'] ?? {});
  const result = await recorded(
    call,
    { method: 'prompts/get', name: prompt.name, arguments: () => args, isRead: true },
    {
      work: () => waitForHandler(call, () => prompt.get(args, call.ctx)),
    },
  );
  assertSize(call, result, { what: 'prompt' });
  return projectPromptResult(result, call.revisionRow);
}

/** The prompt of that name. @throws {McpError} -32602 @throws {InsufficientScope} */
export async function findPrompt(call: Call, name: unknown): Promise<PromptDefinition> {
  if (typeof name !== 'string') throw new McpError('InvalidParams', 'Invalid params: `name` must be a string');
  const prompt = call.server.registry.prompts.get(name);
  if (prompt === undefined || !(await call.admits(prompt))) throw new McpError('InvalidParams', `Unknown prompt: ${name}`);
  return prompt;
}

function parseArguments(prompt: PromptDefinition, args: unknown): Record<string, string> {
  if (!isObject(args)) throw new McpError('InvalidParams', 'Invalid params: `arguments` must be an object');
  if (!isStringRecord(args)) {
    const wrong = Object.keys(args).find(name => typeof args[name] !== 'string');
    throw new McpError('InvalidParams', `Invalid params: \`arguments.${wrong}\` must be a string`);
  }
  for (const { name, required } of prompt.arguments ?? []) {
    if (required && !Object.hasOwn(args, name)) throw new McpError('InvalidParams', `Invalid params: \`arguments.${name}\` is required`);
  }
  return args;
}
