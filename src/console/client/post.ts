import type { JsonObject } from '../../protocol/definitions.ts';
import { readEvents } from './event-stream.ts';
import { isAbort, isObject, RequestError, textIn } from './wire.ts';

/** Where requests go, and who sends them. */
export interface Endpoint {
  readonly url: string;
  /** An access token; `undefined`: the browser's cookies, or nobody. */
  readonly token: string | undefined;
}

/** The client, as servers are told. */
export const clientInfo = { name: 'koa-mcp console', version: '1' };

/** The headers of every request. */
export function headersOf({ token }: Endpoint, more: Readonly<Record<string, string>>): Record<string, string> {
  return { ...(token !== undefined && { Authorization: `Bearer ${token}` }), ...more };
}

/** Sends one message. @throws {RequestError} The network failed. */
export async function post(
  endpoint: Endpoint,
  message: JsonObject,
  {
    headers,
    signal,
    keepalive = false,
  }: { headers: Readonly<Record<string, string>>; signal?: AbortSignal | undefined; keepalive?: boolean },
): Promise<Response> {
  try {
    return await fetch(endpoint.url, {
      method: 'POST',
      headers: headersOf(endpoint, { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...headers }),
      body: JSON.stringify(message),
      keepalive,
      signal: signal ?? null,
    });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new RequestError('The server does not answer. It may be down or restarting; try again.');
  }
}

/** A stream that has ended before the response came. */
export interface Interrupted {
  readonly lastEventId: string | undefined;
  readonly retryMs: number;
}

/**
 * Reads the messages of an answer until the response with `id` comes.
 *
 * @param take Takes every other message.
 * @throws {RequestError} The server's error.
 */
export async function readResponse(
  response: Response,
  id: number | string,
  take: (message: JsonObject) => void,
): Promise<{ readonly result: JsonObject } | Interrupted> {
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith('text/event-stream') && response.body !== null) {
    let lastEventId: string | undefined;
    let retryMs = 1000;
    for await (const event of readEvents(response.body)) {
      lastEventId = event.id ?? lastEventId;
      retryMs = event.retryMs ?? retryMs;
      const message = parse(event.data);
      if (message === undefined) continue;
      if (message['id'] === id && message['method'] === undefined) return { result: resultOf(message, response.status) };
      take(message);
    }
    return { lastEventId, retryMs };
  }
  const text = await response.text();
  const message = parse(text);
  if (message !== undefined && ('result' in message || 'error' in message)) return { result: resultOf(message, response.status) };
  throw statusError(response, text);
}

/** The error of an answer that is no message of the protocol. */
export function statusError({ status }: Response, text = ''): RequestError {
  const plain = /^[^<{]{1,300}$/u.exec(text.trim())?.[0];
  const known: Record<number, string> = {
    401: 'The server wants to know who you are. Sign in with an access token.',
    403: 'The server does not let you do this.',
    404: 'There is nothing at this address.',
    429: 'Too many requests. Wait a little and try again.',
    503: 'The server cannot answer now. Try again in a moment.',
  };
  const message = known[status] ?? `The server answered with status ${status}.`;
  return new RequestError(plain === undefined || plain === 'Unauthorized' ? message : `${message} It says: ${plain}`, { status });
}

function resultOf(message: JsonObject, status: number): JsonObject {
  const { result, error } = message;
  if (isObject(result)) return result;
  const { code, message: text, data } = isObject(error) ? error : {};
  throw new RequestError(textIn(text) ?? 'The server answered with an error that has no text.', {
    code: typeof code === 'number' ? code : 0,
    status,
    data,
  });
}

/** A message as an object; `undefined` if it is none. */
export function parse(text: string): JsonObject | undefined {
  if (text === '') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Resolves after a time, or at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
