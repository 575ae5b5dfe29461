import type { JsonObject } from '../protocol/definitions.ts';
import type { Channel, Receiver } from './channel.ts';
import type { StreamEvent } from './event-stream.ts';
import { readEvents } from './event-stream.ts';
import type { Endpoint } from './post.ts';
import { get, isEventStream, parse, post, refusalOf, resultOf } from './post.ts';
import { openSession } from './session-connection.ts';
import type { Connection, Listener } from './wire.ts';
import { RequestError } from './wire.ts';

/** The revision whose sessions are over HTTP+SSE. */
export const httpSseRevision = '2024-11-05';

/**
 * Opens a session over HTTP+SSE, the transport of 2024-11-05.
 *
 * @param endpoint Its `url` is that of the stream.
 * @throws {RequestError} The server refuses, or its stream is none of this transport.
 * @see https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse
 */
export async function connectHttpSse(endpoint: Endpoint, listener: Listener): Promise<Connection> {
  return openSession(await openChannel(endpoint), endpoint, { revision: httpSseRevision, listener });
}

/** Opens the stream, and waits for its first event: the URL that messages go to. */
async function openChannel(endpoint: Endpoint): Promise<Channel> {
  const abort = new AbortController();
  const response = await get(endpoint, { headers: {}, signal: abort.signal });
  if (!isEventStream(response)) throw await refusalOf(response);
  const events = readEvents(response.body);
  try {
    const url = messagesUrl(endpoint.url, (await events.next()).value);
    const sessionId = response.headers.get('mcp-session-id') ?? undefined;
    return new HttpSse({ endpoint: { ...endpoint, url }, events, abort, sessionId });
  } catch (error) {
    abort.abort();
    throw error;
  }
}

/** @throws {RequestError} The event names no URL, or one of another origin, which is not to get the caller's headers. */
function messagesUrl(streamUrl: string, first: StreamEvent | undefined): string {
  if (first?.event !== 'endpoint' || !URL.canParse(first.data, streamUrl)) {
    throw new RequestError('The stream does not begin with the event `endpoint`.');
  }
  const { href, origin } = new URL(first.data, streamUrl);
  if (origin !== new URL(streamUrl).origin) throw new RequestError(`The event \`endpoint\` names another origin: ${origin}.`);
  return href;
}

interface HttpSseOptions {
  /** Where messages go. */
  readonly endpoint: Endpoint;
  readonly events: AsyncIterable<StreamEvent>;
  /** Ends the stream. Aborts with the reason once the stream has ended. */
  readonly abort: AbortController;
  readonly sessionId: string | undefined;
}

interface Waiting {
  readonly resolve: (response: JsonObject) => void;
  readonly reject: (error: unknown) => void;
}

/** Messages by POST, and all that the server says on one stream. The session ends with the stream. */
class HttpSse implements Channel {
  readonly sessionId: string | undefined;
  readonly #endpoint: Endpoint;
  readonly #events: AsyncIterable<StreamEvent>;
  readonly #abort: AbortController;
  readonly #waiting = new Map<unknown, Waiting>();
  #receiver: Receiver | undefined;

  constructor({ endpoint, events, abort, sessionId }: HttpSseOptions) {
    this.sessionId = sessionId;
    this.#endpoint = endpoint;
    this.#events = events;
    this.#abort = abort;
  }

  initialize(request: JsonObject, receiver: Receiver): Promise<JsonObject> {
    this.#receiver = receiver;
    void this.#read().then(
      () => this.#end(new RequestError('The stream has ended, and with it the session.')),
      error => this.#end(error),
    );
    return this.exchange(request, undefined);
  }

  async #read(): Promise<void> {
    for await (const { event, data } of this.#events) {
      const message = event === 'message' ? parse(data) : undefined;
      if (message === undefined) continue;
      const waiting = message['method'] === undefined ? this.#waiting.get(message['id']) : undefined;
      if (waiting === undefined) this.#receiver?.take(message);
      else waiting.resolve(message);
    }
  }

  #end(why: unknown): void {
    const isClosed = this.#abort.signal.aborted;
    this.#abort.abort(why);
    for (const { reject } of this.#waiting.values()) reject(this.#abort.signal.reason);
    this.#receiver?.streamChanged('off');
    if (!isClosed) this.#receiver?.lost();
  }

  async exchange(request: JsonObject, signal: AbortSignal | undefined): Promise<JsonObject> {
    const { id } = request;
    const answered = new Promise<JsonObject>((resolve, reject) => void this.#waiting.set(id, { resolve, reject }));
    // If the POST fails, nobody waits for the answer.
    answered.catch(() => undefined);
    const cancel = () => this.#waiting.get(id)?.reject(signal?.reason);
    signal?.addEventListener('abort', cancel);
    try {
      await this.#post(request, signal);
      return resultOf(await answered);
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.#waiting.delete(id);
    }
  }

  send(message: JsonObject): Promise<void> {
    return this.#post(message, undefined);
  }

  async #post(message: JsonObject, given: AbortSignal | undefined): Promise<void> {
    const signal = given === undefined ? this.#abort.signal : AbortSignal.any([given, this.#abort.signal]);
    const response = await post(this.#endpoint, message, { headers: {}, signal });
    if (!response.ok) throw await refusalOf(response);
    await response.body?.cancel();
  }

  async listen(): Promise<void> {
    if (!this.#abort.signal.aborted) this.#receiver?.streamChanged('open');
  }

  async close(): Promise<void> {
    this.#abort.abort();
  }
}
