import { McpError } from '../errors.ts';
import type { JsonObject } from './definitions.ts';
import { isObject } from './definitions.ts';

/** A string, or an integer that JavaScript holds exactly. Echoed with its type. */
export type RequestId = string | number;

/** A message that expects a response. */
export interface JsonRpcRequest {
  jsonrpc: '2.0';
  id: RequestId;
  method: string;
  params?: JsonObject | undefined;
}
/** A message that expects no response. */
export interface JsonRpcNotification {
  jsonrpc: '2.0';
  method: string;
  params?: JsonObject | undefined;
}
/** The client's response to a request of the server. */
export interface JsonRpcResponse {
  jsonrpc: '2.0';
  id?: RequestId;
  result?: JsonObject;
  /** `code`, `message` and `data`, not checked. */
  error?: JsonObject;
}
/** A message with its kind. */
export type Message =
  | { readonly kind: 'request'; readonly message: JsonRpcRequest }
  | { readonly kind: 'notification'; readonly message: JsonRpcNotification }
  | { readonly kind: 'response'; readonly message: JsonRpcResponse };

/**
 * Reads a JSON value as a JSON-RPC request, notification or response.
 *
 * `{"jsonrpc":"2.0","id":1,"method":"ping"}` → `{ kind: 'request', message }`
 *
 * @throws {McpError} -32600 for anything else; the text names the member that is wrong.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic#messages
 */
export function parseMessage(value: unknown): Message {
  if (!isObject(value)) throw invalid('a JSON-RPC message is an object');
  if (value['jsonrpc'] !== '2.0') throw invalid('`jsonrpc` must be "2.0"');
  const { id, method, params } = value;
  if (method === undefined) return parseResponse(value);
  if (typeof method !== 'string') throw invalid('`method` must be a string');
  if (params !== undefined && !isObject(params)) throw invalid('`params` must be an object');
  if (!('id' in value)) return { kind: 'notification', message: { jsonrpc: '2.0', method, params } };
  if (!isRequestId(id)) throw invalid(wrongId);
  return { kind: 'request', message: { jsonrpc: '2.0', id, method, params } };
}

/** Whether `value` is an object whose members are all texts. */
export function isStringRecord(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every(member => typeof member === 'string');
}

/** Whether `value` can be a request's id, or a progress token. A larger integer than 2^53 - 1 would come back as another one. */
export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'string' || Number.isSafeInteger(value);
}

/**
 * Refuses a value nested deeper than `maxDepth` levels, so that later recursion over the value cannot overflow the stack. Refuses a member
 * `__proto__` on any level: code that copies members by assignment, such as a host's handler, would change the prototype of the copy.
 *
 * @throws {McpError} -32600 nested too deeply; -32602 a member `__proto__`.
 */
export function assertSafe(value: unknown, maxDepth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (maxDepth === 0) throw invalid('the message is nested too deeply');
  // `for (… in …)` makes a text of each index: two million numbers would take 600 ms instead of 15.
  if (Array.isArray(value)) {
    for (const item of value) assertSafe(item, maxDepth - 1);
    return;
  }
  for (const key in value) {
    if (key === '__proto__') throw new McpError('InvalidParams', 'Invalid params: unknown member `__proto__`; leave it out');
    assertSafe(Reflect.get(value, key), maxDepth - 1);
  }
}

/** The text of a successful response. `resultJson` is the result as JSON text. */
export function resultText(id: RequestId, resultJson: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${resultJson}}`;
}

/** The text of an error response, without an id if none could be read. */
export function errorText(id: RequestId | undefined, error: McpError): string {
  const { code, message, data } = error;
  return JSON.stringify({ jsonrpc: '2.0', ...(id !== undefined && { id }), error: { code, message, ...(data !== undefined && { data }) } });
}

/** The text of a request. */
export function requestText(id: RequestId, method: string, params: JsonObject): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params });
}

/** The text of a notification. */
export function notificationText(method: string, params?: JsonObject): string {
  return JSON.stringify({ jsonrpc: '2.0', method, params });
}

function parseResponse(value: JsonObject): Message {
  const { id, result, error } = value;
  const hasResult = 'result' in value;
  if (hasResult === 'error' in value) throw invalid('a message has a `method`, a `result` or an `error`');
  if (hasResult && !isObject(result)) throw invalid('`result` must be an object');
  if (!hasResult && !isObject(error)) throw invalid('`error` must be an object');
  // A client that could not read the id of a request answers with an error without an id.
  const isUnanswerable = !hasResult && (id === undefined || id === null);
  if (!isUnanswerable && !isRequestId(id)) throw invalid(wrongId);
  return {
    kind: 'response',
    message: {
      jsonrpc: '2.0',
      ...(isRequestId(id) && { id }),
      ...(isObject(result) && { result }),
      ...(isObject(error) && { error }),
    },
  };
}

const wrongId = '`id` must be a string or an integer of at most 2^53 - 1';

function invalid(what: string): McpError {
  return new McpError('InvalidRequest', `Invalid request: ${what}`);
}
