import type { WireMessage } from '../support/schemas.ts';
import type { EventReader, Received } from './event-reader.ts';
import { openReader } from './event-reader.ts';
import { eventually } from './eventually.ts';

export interface SseClientOptions {
  /** Of the stream's request. */
  readonly headers?: Record<string, string>;
  /** Throws if a message is not as it must be; `method` is what it answers. */
  readonly check?: (message: WireMessage, method: string | undefined) => void;
  readonly onMessage?: (received: Received) => void;
}

/** A client of the HTTP+SSE transport whose messages go where their headers say. */
export class SseClient {
  readonly reader: EventReader;
  readonly #url: string;
  readonly #methods: Map<unknown, string>;
  #nextId = 1;

  constructor(url: string, reader: EventReader, methods: Map<unknown, string>) {
    this.#url = url;
    this.reader = reader;
    this.#methods = methods;
  }

  get sessionId(): string {
    return this.reader.response.headers.get('mcp-session-id') ?? '';
  }

  post(message: WireMessage, headers: Record<string, string> = {}): Promise<Response> {
    if (message.id !== undefined && message.method !== undefined) this.#methods.set(message.id, message.method);
    return fetch(new URL(this.reader.endpoint ?? '', this.#url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(message),
    });
  }

  /** Sends a request; its id. @throws {Error} It is not accepted. */
  async send(method: string, params?: Record<string, unknown>, headers?: Record<string, string>): Promise<number> {
    const id = this.#nextId++;
    const { status } = await this.post({ jsonrpc: '2.0', id, method, ...(params && { params }) }, headers);
    if (status !== 202) throw new Error(`${method} was answered ${status}`);
    return id;
  }

  /** The response to a request. */
  answer(id: number): Promise<WireMessage> {
    return this.reader.until(message => message.id === id && message.method === undefined, `the response to ${id}`);
  }

  /** Sends a request and waits for its response. */
  async request(method: string, params?: Record<string, unknown>, headers?: Record<string, string>): Promise<WireMessage> {
    return this.answer(await this.send(method, params, headers));
  }
}

/** Opens a stream and waits for its endpoint. */
export async function openSseClient(origin: string, { headers = {}, check, onMessage }: SseClientOptions = {}): Promise<SseClient> {
  const url = `${origin}/mcp/sse`;
  const methods = new Map<unknown, string>();
  const reader = await openReader({
    url,
    headers,
    ...(onMessage && { onMessage }),
    ...(check && { check: message => check(message, message.method === undefined ? methods.get(message.id) : undefined) }),
  });
  await eventually(() => reader.endpoint ?? (reader.isOver ? '' : undefined), 'the endpoint');
  return new SseClient(url, reader, methods);
}
