import type { SpecTypeName } from '@modelcontextprotocol/client';
import { specTypeSchemas } from '@modelcontextprotocol/client';
import * as v1 from '@modelcontextprotocol/sdk/types.js';
import { findRevision } from '../../src/protocol/revisions.ts';
import { assertType, hasType } from './revision-schemas.ts';

/** The type of a method's result, as the specification and both official packages call it. */
const resultTypes = new Map([
  ['initialize', 'InitializeResult'],
  ['ping', 'EmptyResult'],
  ['server/discover', 'DiscoverResult'],
  ['tools/list', 'ListToolsResult'],
  ['tools/call', 'CallToolResult'],
  ['resources/list', 'ListResourcesResult'],
  ['resources/templates/list', 'ListResourceTemplatesResult'],
  ['resources/read', 'ReadResourceResult'],
  ['resources/subscribe', 'EmptyResult'],
  ['resources/unsubscribe', 'EmptyResult'],
  ['prompts/list', 'ListPromptsResult'],
  ['prompts/get', 'GetPromptResult'],
  ['completion/complete', 'CompleteResult'],
  ['logging/setLevel', 'EmptyResult'],
  ['subscriptions/listen', 'SubscriptionsListenResult'],
  ['tasks/get', 'GetTaskResult'],
  ['tasks/result', 'CallToolResult'],
  ['tasks/list', 'ListTasksResult'],
  ['tasks/cancel', 'CancelTaskResult'],
]);

const legacySchemas: Readonly<Record<string, { parse: (value: unknown) => unknown } | undefined>> = { ...(v1 as object) };

/** A JSON-RPC message as it came off the wire. */
export interface WireMessage {
  jsonrpc: '2.0';
  id?: string | number;
  method?: string;
  params?: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: results are looked into freely by tests, after the schema has passed them
  result?: any;
  error?: { code: number; message: string; data?: unknown };
}

/**
 * Holds a message of the server to the specification's schema of its revision and to the official package of its era.
 *
 * @param method The method that it answers, if it is a response.
 * @throws {Error} With the schema's complaint.
 */
export function assertValid(message: unknown, method?: string, revision = '2025-11-25'): asserts message is WireMessage {
  const { id, result, error, method: sent } = message as WireMessage;
  if (sent !== undefined && id !== undefined) {
    if (!hasType(revision, 'ServerRequest')) throw new Error(`${revision} has no requests of the server, yet it sent ${sent}`);
    hold(revision, 'JSONRPCRequest', message);
    hold(revision, 'ServerRequest', message);
  } else if (sent !== undefined) {
    hold(revision, 'JSONRPCNotification', message);
    if (!assertTaskNotification(message as WireMessage)) hold(revision, 'ServerNotification', withoutTaskIds(message as WireMessage));
  } else if (error !== undefined) {
    // Up to 2025-06-18 the schema wants an id even where none could be read; later ones let it be absent, and none has `null`.
    const isOld = id !== undefined && hasType(revision, 'JSONRPCError');
    hold(
      hasType(revision, 'JSONRPCErrorResponse') || isOld ? revision : '2025-11-25',
      isOld ? 'JSONRPCError' : 'JSONRPCErrorResponse',
      message,
    );
  } else {
    hold(revision, hasType(revision, 'JSONRPCResultResponse') ? 'JSONRPCResultResponse' : 'JSONRPCResponse', message);
    assertResult(revision, method, result as Record<string, unknown>);
  }
}

const askingMethods = new Set(['tools/call', 'prompts/get', 'resources/read']);

function assertResult(revision: string, method: string | undefined, result: Record<string, unknown>): void {
  if (findRevision(revision)?.era === 'modern' && assertTaskResult(method, result)) return;
  const isCreated = method === 'tools/call' && 'task' in result && hasType(revision, 'CreateTaskResult');
  const type = isCreated ? 'CreateTaskResult' : resultTypes.get(method ?? '');
  if (method === undefined || type === undefined) throw new Error(`no schema for the result of ${String(method)}`);
  if (result['resultType'] === 'input_required' && askingMethods.has(method) && hasType(revision, 'InputRequiredResult')) {
    assertType(revision, 'InputRequiredResult', result);
    if (result['inputRequests'] === undefined && result['requestState'] === undefined)
      throw new Error('input_required without anything to do');
    return;
  }
  if (hasType(revision, 'DiscoverResult') && result['resultType'] !== 'complete')
    throw new Error(`resultType ${String(result['resultType'])}`);
  hold(revision, type, result);
  if (type === 'EmptyResult' && Object.keys(result).length > 0) throw new Error(`${method} has more to say than {}`);
}

/** Holds a notification of the extension of tasks to its text. @returns `false` for any other. */
function assertTaskNotification({ method, params }: WireMessage): boolean {
  if (method !== 'notifications/tasks') return false;
  assertTask({ ...params }, true);
  return true;
}

/** An acknowledgement without the member that the extension of tasks adds to it. */
function withoutTaskIds(message: WireMessage): WireMessage {
  const { notifications, ...params } = message.params ?? {};
  if (message.method !== 'notifications/subscriptions/acknowledged') return message;
  const { taskIds: _, ...core } = notifications as { taskIds?: string[] };
  return { ...message, params: { ...params, notifications: core } };
}

/** Holds a result of the extension of tasks to its text, since the packages have no schemas of it. @returns `false` for any other. */
function assertTaskResult(method: string | undefined, result: Record<string, unknown>): boolean {
  const { resultType } = result;
  if (method === 'tools/call' && resultType !== 'task') return false;
  if (method !== 'tools/call' && !method?.startsWith('tasks/')) return false;
  if (method !== 'tools/call' && resultType !== 'complete') throw new Error(`${method} has the resultType ${String(resultType)}`);
  if (method === 'tools/call' || method === 'tasks/get') assertTask(result, method === 'tasks/get');
  else if (Object.keys(result).some(member => !['resultType', '_meta'].includes(member))) throw new Error(`${method} is no empty result`);
  return true;
}

const taskMembers = ['taskId', 'status', 'createdAt', 'lastUpdatedAt', 'ttlMs', 'pollIntervalMs'];

/** @see https://github.com/modelcontextprotocol/ext-tasks/blob/main/specification/draft/tasks.md */
function assertTask(task: Record<string, unknown>, isDetailed: boolean): void {
  const more: Record<string, string> = isDetailed ? { input_required: 'inputRequests', completed: 'result', failed: 'error' } : {};
  const own = more[String(task['status'])];
  const wanted = [...taskMembers, ...(own === undefined ? [] : [own])];
  const has = Object.keys(task).filter(member => !['statusMessage', 'resultType', '_meta'].includes(member));
  if (has.toSorted().join() !== wanted.toSorted().join()) throw new Error(`a task has ${has.join()} in place of ${wanted.join()}`);
  for (const time of ['createdAt', 'lastUpdatedAt']) {
    if (new Date(String(task[time])).toISOString() !== task[time]) throw new Error(`${time} is ${String(task[time])}`);
  }
}

function hold(revision: string, type: string, value: unknown): void {
  assertType(revision, type, value);
  if (findRevision(revision)?.era === 'modern') {
    const verdict = specTypeSchemas[type as SpecTypeName]['~standard'].validate(value);
    if (verdict.issues !== undefined) throw new Error(`${type}: ${verdict.issues.map(({ message }) => message).join('; ')}`);
  } else {
    const name = type === 'JSONRPCError' ? 'JSONRPCErrorResponse' : type === 'JSONRPCResponse' ? 'JSONRPCResultResponse' : type;
    const schema = legacySchemas[`${name}Schema`];
    if (schema === undefined) throw new Error(`the official package has no ${name}Schema`);
    schema.parse(value);
  }
}
