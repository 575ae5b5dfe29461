import { McpError } from '../errors.ts';
import type { Call } from './call.ts';
import { complete } from './completion.ts';
import type { JsonObject } from './definitions.ts';
import { isLogLevel, logLevels } from './definitions.ts';
import { discover } from './handshake.ts';
import { listPrompts, listResources, listResourceTemplates, listTools } from './lists.ts';
import type { Result } from './project.ts';
import { finishResult, SerializedResult } from './project.ts';
import { getPrompt } from './prompts.ts';
import { readResource, subscribeResource, unsubscribeResource } from './resources.ts';
import { cancelTask, getTask, listTasks, taskResult, updateTask } from './tasks.ts';
import { callTool } from './tools.ts';

type Method = (
  call: Call,
  params: JsonObject | undefined,
  method: string,
) => Result | SerializedResult | Promise<Result | SerializedResult>;

/** Request methods of all revisions. A call may use those that its revision defines. */
const methods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['ping', () => ({})],
  ['server/discover', discover],
  ['tools/list', listTools],
  ['tools/call', callTool],
  ['resources/list', listResources],
  ['resources/templates/list', listResourceTemplates],
  ['resources/read', readResource],
  ['resources/subscribe', subscribeResource],
  ['resources/unsubscribe', unsubscribeResource],
  ['prompts/list', listPrompts],
  ['prompts/get', getPrompt],
  ['completion/complete', complete],
  ['logging/setLevel', setLogLevel],
  ['tasks/get', getTask],
  ['tasks/result', taskResult],
  ['tasks/list', listTasks],
  ['tasks/cancel', cancelTask],
  ['tasks/update', updateTask],
]);

/**
 * Serves one request and returns its result as JSON text. The transport serves `initialize`, since that opens a session.
 *
 * @throws {McpError} The error for the client: -32601 for a method that the revision or this server does not have; -32602; -32603.
 * @throws {InputRequired} If the client has to answer first (2026-07-28).
 * @throws {StoreUnavailable} If the database does not answer.
 * @throws {Cancelled} If nobody waits for an answer any more.
 * @throws Any other error, e.g. of an `enabled` condition. Clients must not see it.
 */
export async function dispatch(call: Call, method: string, params: JsonObject | undefined): Promise<string> {
  const serve = methods.get(method);
  if (serve === undefined || !call.revisionRow.methods.has(method) || call.server.registry.notOffered.has(method))
    throw new McpError('MethodNotFound', `Method not found: ${method}`);
  try {
    const result = await serve(call, params, method);
    return result instanceof SerializedResult ? result.text : JSON.stringify(finishResult(call, method, result));
  } finally {
    call.finish();
  }
}

/**
 * `logging/setLevel`: messages below the level are no longer sent to this session.
 *
 * @throws {McpError} -32602 for a level that RFC 5424 does not have.
 */
async function setLogLevel(call: Call, params: JsonObject | undefined): Promise<JsonObject> {
  const level = params?.['level'];
  if (!isLogLevel(level)) throw new McpError('InvalidParams', `Invalid params: \`level\` must be one of ${logLevels.join(', ')}`);
  await call.session?.setLogLevel(level);
  return {};
}
