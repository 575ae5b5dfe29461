import type { EventSourceMessage } from 'eventsource-parser';
import { createParser } from 'eventsource-parser';
import type { WireMessage } from './schemas.ts';
import { assertValid } from './schemas.ts';

/** The server-sent events of a response, as they arrive: names, ids and data. */
export async function* rawEvents(response: Response): AsyncGenerator<EventSourceMessage> {
  const pending: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: event => void pending.push(event) });
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    while (pending.length > 0) yield pending.shift() as EventSourceMessage;
  }
}

/** The next `count` events, or fewer where the stream ends. */
export async function take(events: AsyncGenerator<EventSourceMessage>, count: number): Promise<EventSourceMessage[]> {
  const taken: EventSourceMessage[] = [];
  while (taken.length < count) {
    const { value, done } = await events.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

/** A client of the HTTP+SSE transport, by hand. */
export class SseSession {
  /** `data` of the `endpoint` event. */
  readonly endpoint: string;
  readonly response: Response;
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #events: AsyncGenerator<EventSourceMessage>;
  readonly #abort: AbortController;
  readonly #methods = new Map<unknown, string>();
  #nextId = 0;
  /** Until another one is negotiated. */
  #revision = '2024-11-05';

  constructor(
    url: string,
    response: Response,
    endpoint: string,
    events: AsyncGenerator<EventSourceMessage>,
    abort: AbortController,
    headers: Record<string, string>,
  ) {
    this.#url = url;
    this.response = response;
    this.endpoint = endpoint;
    this.#events = events;
    this.#abort = abort;
    this.#headers = headers;
  }

  /** Posts one message to the endpoint that the stream named. */
  post(message: unknown): Promise<Response> {
    const { id, method } = message as WireMessage;
    if (id !== undefined && method !== undefined) this.#methods.set(id, method);
    return fetch(new URL(this.endpoint, this.#url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...this.#headers },
      body: typeof message === 'string' ? message : JSON.stringify(message),
    });
  }

  /** The next message on the stream, held to the official schemas; `undefined` at its end. */
  async next(): Promise<WireMessage | undefined> {
    const { value, done } = await this.#events.next();
    if (done) return undefined;
    if (value.event !== 'message') throw new Error(`an event named ${value.event}`);
    const message: unknown = JSON.parse(value.data);
    const { id, result } = message as WireMessage;
    if (typeof result?.protocolVersion === 'string') this.#revision = result.protocolVersion;
    assertValid(message, this.#methods.get(id), this.#revision);
    return message;
  }

  /** Sends a request and reads on to its response. */
  async request(method: string, params?: unknown): Promise<WireMessage> {
    const id = this.#nextId++;
    const { status } = await this.post({ jsonrpc: '2.0', id, method, params });
    if (status !== 202) throw new Error(`${method} was answered ${status}`);
    for (;;) {
      const message = await this.next();
      if (message === undefined) throw new Error('the stream ended');
      if (message.id === id && message.method === undefined) return message;
    }
  }

  /** Goes away without a word, as clients do. */
  close(): void {
    this.#abort.abort();
  }
}

/** Opens a stream and waits for its endpoint. */
export async function openSse(url: string, { headers = {} }: { headers?: Record<string, string> } = {}): Promise<SseSession> {
  const abort = new AbortController();
  const response = await fetch(url, { headers: { accept: 'text/event-stream', ...headers }, signal: abort.signal });
  if (!response.ok) throw new Error(`GET was answered ${response.status}: ${await response.text()}`);
  const events = rawEvents(response);
  const first = (await events.next()).value as EventSourceMessage | undefined;
  if (first?.event !== 'endpoint') throw new Error(`the first event is ${JSON.stringify(first)}`);
  return new SseSession(url, response, first.data, events, abort, headers);
}

/** `initialize` as a client of 2024-11-05 sends it. */
export const initializeParams = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'sse', version: '1' } };
