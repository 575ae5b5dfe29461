import { McpError } from '../errors.ts';
import { recorded } from './audit.ts';
import type { Call } from './call.ts';
import type { Completer, JsonObject } from './definitions.ts';
import { isObject } from './definitions.ts';
import { waitForHandler } from './handler-errors.ts';
import { isStringRecord } from './jsonrpc.ts';
import { findPrompt } from './prompts.ts';

/** The most values one completion carries (2025-11-25, Completion, Data Types). */
const maxValues = 100;

/**
 * `completion/complete`, for an argument of a prompt or a variable of a resource template.
 *
 * @throws {McpError} -32602 for a reference, argument or context that does not exist or is malformed.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/completion
 */
export async function complete(call: Call, params: JsonObject | undefined): Promise<JsonObject> {
  const ref = params?.['ref'];
  const argument = params?.['argument'];
  if (!isObject(ref)) throw new McpError('InvalidParams', 'Invalid params: `ref` must be an object');
  if (!isObject(argument) || typeof argument['name'] !== 'string' || typeof argument['value'] !== 'string') {
    throw new McpError('InvalidParams', 'Invalid params: `argument` must be `{ name, value }`, both strings');
  }
  const completer = await findCompleter(call, ref, argument['name']);
  if (completer === undefined) return { completion: { values: [], hasMore: false } };
  const typed = argument['value'];
  const others = parseOthers(call, params);
  const name = String(ref['name'] ?? ref['uri']);
  const { values, total, hasMore } = await recorded(
    call,
    { method: 'completion/complete', name, arguments: () => ({ argument, others }), isRead: true },
    { work: () => waitForHandler(call, () => completer(typed, call.ctx, others)) },
  );
  const completion: JsonObject = { values: values.slice(0, maxValues), hasMore: hasMore ?? values.length > maxValues };
  if (total !== undefined) completion['total'] = total;
  return { completion };
}

async function findCompleter(call: Call, ref: JsonObject, argument: string): Promise<Completer | undefined> {
  switch (ref['type']) {
    case 'ref/prompt': {
      const prompt = await findPrompt(call, ref['name']);
      if (!prompt.arguments?.some(({ name }) => name === argument)) throw unknownArgument(argument);
      return own(prompt.complete, argument);
    }
    case 'ref/resource': {
      const { resources, resourceTemplates } = call.server.registry;
      const { uri } = ref;
      const template =
        resourceTemplates.find(candidate => candidate.uriTemplate === uri) ??
        // A client may also name one resource of the template.
        (isShortUri(call, uri) && !resources.has(uri)
          ? resourceTemplates.find(({ matcher }) => matcher.match(uri) !== undefined)
          : undefined);
      if (template !== undefined && (await call.admits(template))) {
        if (!template.matcher.variables.includes(argument)) throw unknownArgument(argument);
        return own(template.complete, argument);
      }
      if (typeof uri !== 'string') throw new McpError('InvalidParams', 'Invalid params: `ref.uri` must be a string');
      if (resources.has(uri)) throw unknownArgument(argument);
      throw new McpError('InvalidParams', `Unknown resource template: ${uri}`);
    }
    default:
      throw new McpError('InvalidParams', 'Invalid params: `ref.type` must be "ref/prompt" or "ref/resource"');
  }
}

function isShortUri({ server }: Call, uri: unknown): uri is string {
  return typeof uri === 'string' && uri.length <= server.limits.maxUriCharacters;
}

/** Values of the arguments filled in so far. Clients send them since 2025-06-18. */
function parseOthers(call: Call, params: JsonObject | undefined): Record<string, string> {
  const context = params?.['context'];
  if (!call.revisionRow.completionContext || context === undefined) return {};
  const others = isObject(context) ? (context['arguments'] ?? {}) : undefined;
  if (!isStringRecord(others)) {
    throw new McpError('InvalidParams', 'Invalid params: `context.arguments` must be an object of strings');
  }
  return others;
}

function own(completers: Readonly<Record<string, Completer>> | undefined, name: string): Completer | undefined {
  return completers !== undefined && Object.hasOwn(completers, name) ? completers[name] : undefined;
}

function unknownArgument(name: string): McpError {
  return new McpError('InvalidParams', `Unknown argument: ${name}`);
}
