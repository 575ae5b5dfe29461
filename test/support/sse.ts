import type { EventSourceMessage, ParserCallbacks } from 'eventsource-parser';
import { createParser } from 'eventsource-parser';
import type { WireMessage } from './schemas.ts';
import { assertValid } from './schemas.ts';

/** The server-sent events of a response, as they arrive: names, ids and data. */
export async function* rawEvents(
  response: Response,
  others: Pick<ParserCallbacks, 'onRetry' | 'onComment'> = {},
): AsyncGenerator<EventSourceMessage> {
  const pending: EventSourceMessage[] = [];
  const parser = createParser({ ...others, onEvent: event => void pending.push(event) });
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

/** One event that carried a message. */
export interface Received {
  readonly id: string | undefined;
  readonly message: WireMessage;
}

export interface ReaderOptions {
  readonly url: string;
  readonly headers?: Record<string, string>;
  /** A message to POST. @default none: GET */
  readonly body?: unknown;
  /** Throws if a message is not as it must be. */
  readonly check?: (message: WireMessage) => void;
  /** Told of every event as it arrives. */
  readonly onMessage?: (received: Received) => void;
  /** Milliseconds after which the request is given up if there is no answer. @default for ever */
  readonly patienceMs?: number;
}

/** An answer that is a stream of events, read as they come. What does not fit is thrown at whoever asks next. */
export class EventReader {
  readonly response: Response;
  /** Resolves when the stream has ended or was cut. */
  readonly over: Promise<void>;
  /** Everything so far. */
  readonly received: Received[] = [];
  /** Of the last event that had one, with data or without. */
  lastEventId: string | undefined;
  /** As the server last asked. */
  retryMs: number | undefined;
  /** Data of an `endpoint` event. */
  endpoint: string | undefined;
  /** Whether the stream has ended or was cut. */
  isOver = false;
  /** How many comments there were. */
  comments = 0;
  /** Whether it was cut, rather than ended. */
  wasCut = false;
  #failure: Error | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #abort: AbortController;
  readonly #options: ReaderOptions;

  constructor(response: Response, abort: AbortController, options: ReaderOptions) {
    this.response = response;
    this.#abort = abort;
    this.#options = options;
    this.over = this.#read()
      .catch(() => {
        this.wasCut = true;
      })
      .then(() => {
        this.isOver = true;
        this.#changed();
      });
  }

  /** Messages so far. */
  get messages(): WireMessage[] {
    return this.received.map(({ message }) => message);
  }

  /** The first message, past or to come, that is wanted. @throws {Error} The stream is over without it, or it does not come. */
  async until(isWanted: (message: WireMessage) => boolean, what = 'a message'): Promise<WireMessage> {
    return this.#ask(() => {
      const found = this.messages.find(isWanted);
      if (found === undefined && this.isOver) throw new Error(`the stream is over without ${what}: ${this.#summary()}`);
      return found;
    }, what);
  }

  /** Waits for a number of messages in all. */
  async count(count: number): Promise<WireMessage[]> {
    await this.#ask(() => this.received.length >= count || undefined, `${count} messages`);
    return this.messages;
  }

  /** Waits for a number of comments in all, which a stream gets while there is nothing to say. */
  async untilComments(count: number): Promise<void> {
    await this.#ask(() => this.comments >= count || undefined, `${count} comments`);
  }

  /** Waits until the stream is over; all its messages. */
  async end(): Promise<WireMessage[]> {
    await this.#ask(() => this.isOver || undefined, 'the end of the stream');
    return this.messages;
  }

  /** The data of the `endpoint` event; an empty text if the stream ends without one. */
  untilEndpoint(): Promise<string> {
    return this.#ask(() => this.endpoint ?? (this.isOver ? '' : undefined), 'the endpoint');
  }

  /** The message at this place; `undefined` if the stream is over before. */
  at(index: number): Promise<WireMessage | undefined> {
    const look = () => (this.received.length > index || this.isOver ? { message: this.received[index]?.message } : undefined);
    return this.#ask(look, `message ${index}`).then(({ message }) => message);
  }

  /** Goes away without a word, as clients do. */
  close(): void {
    this.#abort.abort();
  }

  /** Waits until `look` finds something. It looks after each event, and when the stream is over. */
  async #ask<T>(look: () => T | undefined, what: string): Promise<T> {
    const until = performance.now() + waitMs;
    for (;;) {
      const found = look();
      if (this.#failure !== undefined) throw this.#failure;
      if (found !== undefined) return found;
      const left = until - performance.now();
      if (left <= 0) throw new Error(`after ${waitMs / 1000} s there is still not ${what}; there were ${this.#summary()}`);
      await this.#change(left);
    }
  }

  /** Resolves at the next event, at the end of the stream, or after so many milliseconds. */
  #change(withinMs: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, withinMs);
      this.#waiting.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #changed(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  async #read(): Promise<void> {
    const onRetry = (ms: number) => {
      this.retryMs = ms;
    };
    const onComment = () => {
      this.comments += 1;
      this.#changed();
    };
    for await (const { id, event, data } of rawEvents(this.response, { onRetry, onComment })) {
      if (id !== undefined) this.lastEventId = id;
      if (event === 'endpoint') this.endpoint = data;
      else if (data !== '') this.#take(id, data);
      this.#changed();
    }
  }

  #take(id: string | undefined, data: string): void {
    try {
      const message = JSON.parse(data) as WireMessage;
      const received = { id, message };
      this.received.push(received);
      this.#options.onMessage?.(received);
      this.#options.check?.(message);
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  #summary(): string {
    return JSON.stringify(this.received.slice(-20)).slice(0, 2000);
  }
}

/** Sends a request that is answered with a stream. @throws {Error} It is answered otherwise. */
export async function openReader(options: ReaderOptions): Promise<EventReader> {
  const { url, headers, body, patienceMs } = options;
  const abort = new AbortController();
  const timer = patienceMs === undefined ? undefined : setTimeout(() => abort.abort(), patienceMs);
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { accept: 'text/event-stream, application/json', 'content-type': 'application/json', ...headers },
    signal: abort.signal,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).finally(() => clearTimeout(timer));
  if (response.headers.get('content-type') !== 'text/event-stream') {
    const text = await response.text().catch(() => undefined);
    throw new UnexpectedAnswer(response, text);
  }
  return new EventReader(response, abort, options);
}

/** An answer that is no stream. */
export class UnexpectedAnswer extends Error {
  readonly response: Response;
  /** `undefined` if the connection broke. */
  readonly text: string | undefined;

  constructor(response: Response, text: string | undefined) {
    super(`answered ${response.status}: ${text?.slice(0, 500)}`);
    this.response = response;
    this.text = text;
  }
}

/** How a client of HTTP+SSE opens its stream, and who looks at what comes on it. */
export interface SseOptions {
  /** Of every request. */
  readonly headers?: Record<string, string>;
  /** Of the stream's request alone. */
  readonly streamHeaders?: Record<string, string>;
  /** Throws if a message is not as it must be; `method` is what it answers. @default the official schema of the revision */
  readonly check?: (message: WireMessage, method: string | undefined) => void;
  readonly onMessage?: (received: Received) => void;
}

/** A client of the HTTP+SSE transport, by hand. */
export class SseSession {
  readonly reader: EventReader;
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #methods: Map<unknown, string>;
  #nextId = 0;
  #nextMessage = 0;

  constructor(url: string, reader: EventReader, headers: Record<string, string>, methods: Map<unknown, string>) {
    this.#url = url;
    this.reader = reader;
    this.#headers = headers;
    this.#methods = methods;
  }

  get response(): Response {
    return this.reader.response;
  }

  /** `data` of the `endpoint` event. */
  get endpoint(): string {
    return this.reader.endpoint ?? '';
  }

  get sessionId(): string {
    return this.response.headers.get('mcp-session-id') ?? '';
  }

  /** Posts one message to the endpoint that the stream named. */
  post(message: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const { id, method } = message as WireMessage;
    if (id !== undefined && method !== undefined) this.#methods.set(id, method);
    return fetch(new URL(this.endpoint, this.#url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...this.#headers, ...headers },
      body: typeof message === 'string' ? message : JSON.stringify(message),
    });
  }

  /** The next message on the stream; `undefined` at its end. */
  next(): Promise<WireMessage | undefined> {
    return this.reader.at(this.#nextMessage++);
  }

  /** Sends a request; its id. @throws {Error} It is not accepted. */
  async send(method: string, params?: unknown, headers?: Record<string, string>): Promise<number> {
    const id = this.#nextId++;
    const { status } = await this.post({ jsonrpc: '2.0', id, method, params }, headers);
    if (status !== 202) throw new Error(`${method} was answered ${status}`);
    return id;
  }

  /** The response to a request, among the messages from this place on. `next()` goes on behind it. */
  async answer(id: number, from = 0): Promise<WireMessage> {
    for (let index = from; ; index += 1) {
      const message = await this.reader.at(index);
      if (message === undefined) throw new Error(`the stream is over without the response to ${id}`);
      if (message.id !== id || message.method !== undefined) continue;
      this.#nextMessage = Math.max(this.#nextMessage, index + 1);
      return message;
    }
  }

  /** Sends a request and waits for its response. */
  async request(method: string, params?: unknown, headers?: Record<string, string>): Promise<WireMessage> {
    const { length } = this.reader.received;
    return this.answer(await this.send(method, params, headers), length);
  }

  /** Goes away without a word, as clients do. */
  close(): void {
    this.reader.close();
  }
}

/** Opens a stream and waits for its endpoint. @param url Of the stream, e.g. `http://127.0.0.1:3000/mcp/sse`. */
export async function openSse(
  url: string,
  { headers = {}, streamHeaders = {}, check = official(), onMessage }: SseOptions = {},
): Promise<SseSession> {
  const methods = new Map<unknown, string>();
  const reader = await openReader({
    url,
    headers: { accept: 'text/event-stream', ...headers, ...streamHeaders },
    ...(onMessage && { onMessage }),
    check: message => check(message, message.method === undefined ? methods.get(message.id) : undefined),
  });
  await reader.untilEndpoint();
  return new SseSession(url, reader, headers, methods);
}

/** Holds messages to the schema of 2024-11-05 until another revision is negotiated. */
function official(): NonNullable<SseOptions['check']> {
  let revision = '2024-11-05';
  return (message, method) => {
    if (typeof message.result?.protocolVersion === 'string') revision = message.result.protocolVersion;
    assertValid(message, method, revision);
  };
}

/** `initialize` as a client of 2024-11-05 sends it. */
export const initializeParams = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'sse', version: '1' } };

/** Milliseconds that a test waits for what must come. */
const waitMs = 15_000;
