import { createParser } from 'eventsource-parser';
import type { WireMessage } from '../support/schemas.ts';
import { eventually } from './eventually.ts';

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
  /** Whether it was cut, rather than ended. */
  wasCut = false;
  #failure: Error | undefined;
  readonly #abort: AbortController;
  readonly #options: ReaderOptions;

  constructor(response: Response, abort: AbortController, options: ReaderOptions) {
    this.response = response;
    this.#abort = abort;
    this.#options = options;
    this.over = this.#read().then(
      () => {
        this.isOver = true;
      },
      () => {
        this.isOver = true;
        this.wasCut = true;
      },
    );
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

  /** Waits until the stream is over; all its messages. */
  async end(): Promise<WireMessage[]> {
    await this.#ask(() => this.isOver || undefined, 'the end of the stream');
    return this.messages;
  }

  /** Goes away without a word, as clients do. */
  close(): void {
    this.#abort.abort();
  }

  async #ask<T>(look: () => T | undefined, what: string): Promise<T> {
    const found = await eventually(look, () => `${what}; there were ${this.#summary()}`);
    if (this.#failure !== undefined) throw this.#failure;
    return found;
  }

  async #read(): Promise<void> {
    const parser = createParser({
      onEvent: ({ id, event, data }) => {
        if (id !== undefined) this.lastEventId = id;
        if (event === 'endpoint') this.endpoint = data;
        else if (data !== '') this.#take(id, data);
      },
      onRetry: ms => {
        this.retryMs = ms;
      },
    });
    const decoder = new TextDecoder();
    for await (const chunk of this.response.body as unknown as AsyncIterable<Uint8Array>)
      parser.feed(decoder.decode(chunk, { stream: true }));
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
