import type { JsonObject } from '../protocol/definitions.ts';
import { readEvents } from './event-stream.ts';
import { isObject, RequestError, textIn } from './wire.ts';

/** Where requests go, and who sends them. */
export interface Endpoint {
  readonly url: string;
  readonly fetch: typeof fetch;
  /** The headers of every request, such as `Authorization`. */
  readonly headers: Readonly<Record<string, string>>;
  /** The client, as servers are told. */
  readonly clientInfo: { readonly name: string; readonly version: string };
  /** What the client can be asked, as 2026-07-28 says it. */
  readonly capabilities: JsonObject;
}

interface Sent {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** Sends one message. @throws {RequestError} The network failed. */
export function post(endpoint: Endpoint, message: JsonObject, { headers, signal }: Sent): Promise<Response> {
  const types = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' };
  return send(endpoint, { method: 'POST', headers: { ...types, ...headers }, body: JSON.stringify(message), signal });
}

/** Asks for a stream. @throws {RequestError} The network failed. */
export function get(endpoint: Endpoint, { headers, signal }: Sent): Promise<Response> {
  return send(endpoint, { method: 'GET', headers: { Accept: 'text/event-stream', ...headers }, signal });
}

/** Sends one HTTP request. @throws {RequestError} The network failed. @throws The reason of the signal. */
export async function send(
  { url, fetch, headers: always }: Endpoint,
  { headers, signal, ...request }: Sent & { readonly method: string; readonly body?: string; readonly keepalive?: boolean },
): Promise<Response> {
  const all = new Headers(always);
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  try {
    return await fetch(url, { ...request, headers: all, signal: signal ?? null });
  } catch (error) {
    signal?.throwIfAborted();
    throw new RequestError('The server does not answer. It may be down or restarting; try again.', { cause: error });
  }
}

/** A stream that has ended before the response came. */
export interface Interrupted {
  readonly lastEventId: string | undefined;
  readonly retryMs: number | undefined;
}

/** The error of a request whose connection broke. */
export function broken(): RequestError {
  return new RequestError('The connection broke before the answer came. The call may have taken effect.');
}

/** Whether the body of an answer is a stream of events. */
export function isEventStream(response: Response): response is Response & { readonly body: ReadableStream<Uint8Array> } {
  return response.ok && response.body !== null && (response.headers.get('content-type') ?? '').startsWith('text/event-stream');
}

/**
 * Reads the messages of an answer until the response with `id` comes.
 *
 * @param take Takes every other message.
 * @throws {RequestError} The server's error, or the connection broke. @throws The reason of the signal.
 */
export async function readResponse(
  response: Response,
  { id, take, signal }: { readonly id: unknown; readonly take: (message: JsonObject) => void; readonly signal: AbortSignal },
): Promise<{ readonly result: JsonObject } | Interrupted> {
  if (isEventStream(response)) {
    let lastEventId: string | undefined;
    let retryMs: number | undefined;
    for await (const event of readEvents(response.body)) {
      lastEventId = event.id ?? lastEventId;
      retryMs = event.retryMs ?? retryMs;
      const message = parse(event.data);
      if (message === undefined) continue;
      if (message['id'] === id && message['method'] === undefined) return { result: resultOf(message, response) };
      take(message);
    }
    signal.throwIfAborted();
    return { lastEventId, retryMs };
  }
  const text = await response.text().catch(() => {
    signal.throwIfAborted();
    throw broken();
  });
  const message = parse(text);
  if (message !== undefined && ('result' in message || 'error' in message)) return { result: resultOf(message, response) };
  throw statusError(response, text);
}

/** The result of a response. @throws {RequestError} The response is an error. */
export function resultOf({ result, error }: JsonObject, response?: Response): JsonObject {
  if (isObject(result)) return result;
  throw errorIn(error, response);
}

/** The error in a message of the protocol. */
export function errorIn(error: unknown, response?: Response): RequestError {
  const { code, message, data } = isObject(error) ? error : {};
  return new RequestError(textIn(message) ?? 'The server answered with an error that has no text.', {
    code: typeof code === 'number' ? code : 0,
    status: response?.status ?? 0,
    data,
    challenge: challengeOf(response),
  });
}

/** Reads the body of an answer that refuses a request, and makes the error of it. */
export async function refusalOf(response: Response): Promise<RequestError> {
  const text = await response.text().catch(() => '');
  const error = parse(text)?.['error'];
  return isObject(error) ? errorIn(error, response) : statusError(response, text);
}

/** The error of an answer that is no message of the protocol. */
function statusError(response: Response, text: string): RequestError {
  const { status } = response;
  const plain = /^[^<{]{1,300}$/u.exec(text.trim())?.[0];
  const known: Record<number, string> = {
    401: 'The server wants to know who you are. Sign in with an access token.',
    403: 'The server does not let you do this.',
    404: 'There is nothing at this address.',
    429: 'Too many requests. Wait a little and try again.',
    503: 'The server cannot answer now. Try again in a moment.',
  };
  const message = known[status] ?? `The server answered with status ${status}.`;
  return new RequestError(plain === undefined || plain === 'Unauthorized' ? message : `${message} It says: ${plain}`, {
    status,
    challenge: challengeOf(response),
  });
}

function challengeOf(response: Response | undefined): string | undefined {
  return response?.headers.get('www-authenticate') ?? undefined;
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
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
