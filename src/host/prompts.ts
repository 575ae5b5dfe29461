import type { z } from 'zod';
import type {
  CallContext,
  GetPromptResult,
  Icon,
  JsonObject,
  PromptArgument,
  PromptDefinition,
  PromptMessage,
} from '../protocol/definitions.ts';
import { isObject } from '../protocol/definitions.ts';
import type { Args, JsonSchema } from '../protocol/json-schema.ts';
import { parseWith, toJsonSchema } from '../protocol/json-schema.ts';
import type { Complete } from './completion.ts';
import { assertCompletes, compileCompleters } from './completion.ts';
import { toJsonText } from './json.ts';

/** A prompt of the host's own. */
export interface Prompt<S = unknown, Ctx = CallContext> {
  description: string;
  title?: string;
  /** A zod object of the arguments, which arrive as strings. @default no arguments */
  argsSchema?: S & z.ZodType;
  /** Completions by argument. */
  complete?: Readonly<Record<string, Complete<Ctx>>>;
  icons?: Icon[];
  _meta?: JsonObject;
  /** Scopes that the caller's token needs for the prompt; needs the option `auth`. A call without them is answered 403. @default none */
  scopes?: readonly string[];
  /** Whether this caller may see and use the prompt. @default everybody */
  enabled?: (ctx: Ctx) => boolean | Promise<boolean>;
  /** Writes the prompt: a string (one user message), messages, or a complete `{ messages }`. */
  handler: (args: Args<S, Record<string, string>>, ctx: Ctx) => unknown;
}

/**
 * Compiles the host's `prompts`; the keys are their names.
 *
 * @throws {TypeError} Naming the option: an `argsSchema` whose root is no object, a completion for no argument.
 */
export function compilePrompts(prompts: Readonly<Record<string, Prompt>>): PromptDefinition[] {
  return Object.entries(prompts).map(([name, prompt]) => {
    const { description, title, argsSchema, complete, icons, _meta, scopes = [], enabled, handler } = prompt;
    const schema = argsSchema && toJsonSchema(argsSchema, 'input', `prompts.${name}.argsSchema`);
    if (schema !== undefined && schema.type !== 'object') {
      throw new TypeError(`prompts.${name}.argsSchema: the root must be an object; use z.object({ … })`);
    }
    assertCompletes(`prompts.${name}`, complete, Object.keys(schema?.properties ?? {}));
    return {
      name,
      description,
      ...(schema !== undefined && { arguments: toArguments(schema) }),
      ...(title !== undefined && { title }),
      ...(icons !== undefined && { icons }),
      ...(_meta !== undefined && { _meta }),
      ...(scopes.length > 0 && { scopes: [scopes] }),
      ...(enabled !== undefined && { enabled }),
      ...(complete !== undefined && { complete: compileCompleters(complete) }),
      get: async (args, ctx) => {
        const parsed = argsSchema === undefined ? args : await parseWith(argsSchema, args, 'Invalid arguments');
        return toPromptResult(await handler(parsed as Record<string, string>, ctx), description);
      },
    };
  });
}

function toArguments({ properties = {}, required = [] }: JsonSchema): PromptArgument[] {
  return Object.entries(properties).map(([name, { title, description }]) => ({
    name,
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    required: required.includes(name),
  }));
}

function toPromptResult(value: unknown, description: string): GetPromptResult {
  if (isMessages(value)) return { description, messages: value };
  if (isPromptResult(value)) return { description, ...value };
  const text = typeof value === 'string' ? value : toJsonText(value);
  return { description, messages: [{ role: 'user', content: { type: 'text', text } }] };
}

function isMessages(value: unknown): value is PromptMessage[] {
  return Array.isArray(value);
}

function isPromptResult(value: unknown): value is GetPromptResult {
  return isObject(value) && 'messages' in value;
}
