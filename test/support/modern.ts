import type { WireMessage } from './schemas.ts';
import { assertValid } from './schemas.ts';
import { rawEvents } from './sse.ts';
import type { Exchange } from './wire.ts';
import { post } from './wire.ts';

const prefix = 'io.modelcontextprotocol/';

/** Overrides of one request. A member that is `undefined` leaves out what would be sent. */
export interface ModernOptions {
  readonly id?: unknown;
  readonly revision?: string;
  readonly capabilities?: object;
  readonly logLevel?: string;
  readonly progressToken?: string | number;
  /** Whole members of `_meta`. */
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}

/** What an `input_required` result asks, by key. */
export type InputRequests = Record<string, { method: string; params: Record<string, unknown> }>;

/** The member of the params that `Mcp-Name` repeats. */
const namedBy = new Map([
  ['resources/read', 'uri'],
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
]);

/** A request of 2026-07-28: its body, and the headers that go with it. */
export function modernRequest(
  method: string,
  params: Record<string, unknown> = {},
  options: ModernOptions = {},
): { body: WireMessage; headers: Record<string, string> } {
  const { id = 1, revision = '2026-07-28', capabilities = {}, logLevel, progressToken, meta, headers } = options;
  const named = method.startsWith('tasks/') ? 'taskId' : namedBy.get(method);
  const name = named === undefined ? undefined : params[named];
  const _meta = present({
    [`${prefix}protocolVersion`]: revision,
    [`${prefix}clientCapabilities`]: capabilities,
    [`${prefix}clientInfo`]: { name: 'modern', version: '1.0.0' },
    [`${prefix}logLevel`]: logLevel,
    progressToken,
    ...meta,
  });
  return {
    body: { jsonrpc: '2.0', id: id as number, method, params: { ...params, _meta } },
    headers: present({
      'mcp-protocol-version': revision,
      'mcp-method': method,
      'mcp-name': typeof name === 'string' ? encodeHeader(name) : undefined,
      ...headers,
    }) as Record<string, string>,
  };
}

/** A header value: as it stands if it is plain visible ASCII, else in base64. */
export function encodeHeader(text: string): string {
  const isPlain = /^[\x21-\x7E]([\x20-\x7E]*[\x21-\x7E])?$/u.test(text) && !/^=\?base64\?.*\?=$/u.test(text);
  return isPlain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

/** A client of 2026-07-28, by hand. It keeps nothing but its ids. */
export class ModernClient {
  readonly url: string;
  readonly #defaults: ModernOptions;
  #nextId = 1;

  constructor(url: string, defaults: ModernOptions = {}) {
    this.url = url;
    this.#defaults = defaults;
  }

  /** Sends a request and reads its answer to the end. */
  request(method: string, params?: Record<string, unknown>, options: ModernOptions = {}): Promise<Exchange> {
    const { body, headers } = this.#make(method, params, options);
    return post(this.url, body, { headers, revision: '2026-07-28', ...(options.signal && { signal: options.signal }) });
  }

  /** The result of a request. Throws on an error response. */
  // biome-ignore lint/suspicious/noExplicitAny: looked into freely, after the schema has passed it
  async result(method: string, params?: Record<string, unknown>, options?: ModernOptions): Promise<any> {
    const { response } = await this.request(method, params, options);
    if (response.error !== undefined) throw new Error(`${response.error.code} ${response.error.message}`);
    return response.result;
  }

  /** HTTP status and error of a request. Throws if there was none. */
  async error(
    method: string,
    params?: Record<string, unknown>,
    options?: ModernOptions,
  ): Promise<{ status: number; code: number; message: string; data?: unknown }> {
    const { status, response } = await this.request(method, params, options);
    if (response.error === undefined) throw new Error(`no error: ${JSON.stringify(response.result)}`);
    return { status, ...response.error };
  }

  // biome-ignore lint/suspicious/noExplicitAny: looked into freely, after the schema has passed it
  call(name: string, args?: unknown, options?: ModernOptions): Promise<any> {
    return this.result('tools/call', { name, arguments: args }, options);
  }

  /** Sends a request and reads its stream as it comes. */
  async stream(method: string, params?: Record<string, unknown>, options: ModernOptions = {}): Promise<ModernStream> {
    const { body, headers } = this.#make(method, params, options);
    const abort = new AbortController();
    const response = await fetch(this.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      body: JSON.stringify(body),
      signal: abort.signal,
    });
    if (response.headers.get('content-type') !== 'text/event-stream')
      throw new Error(`${method} was answered ${response.status}: ${await response.text()}`);
    return new ModernStream(response, method, abort);
  }

  /** Opens `subscriptions/listen` and reads on to its acknowledgement. */
  async listen(notifications: object, options?: ModernOptions): Promise<ModernStream & { acknowledged: WireMessage }> {
    const stream = await this.stream('subscriptions/listen', { notifications }, options);
    const acknowledged = await stream.next();
    if (acknowledged?.method !== 'notifications/subscriptions/acknowledged') throw new Error(`first came ${JSON.stringify(acknowledged)}`);
    return Object.assign(stream, { acknowledged });
  }

  #make(method: string, params: Record<string, unknown> | undefined, options: ModernOptions) {
    const { headers, meta, ...defaults } = this.#defaults;
    return modernRequest(method, params ?? {}, {
      id: this.#nextId++,
      ...defaults,
      ...options,
      headers: { ...headers, ...options.headers },
      meta: { ...meta, ...options.meta },
    });
  }
}

/** The stream that answers one request; every message has passed the schema. */
export class ModernStream {
  readonly response: Response;
  readonly #messages: AsyncGenerator<WireMessage>;
  readonly #abort: AbortController;
  /** Comments seen so far. */
  comments = 0;
  /** Event ids and `retry` fields seen so far; this revision has none. */
  readonly oddities: string[] = [];

  constructor(response: Response, method: string, abort: AbortController) {
    this.response = response;
    this.#abort = abort;
    this.#messages = this.#read(response, method);
  }

  /** The next message; `undefined` at the end. */
  async next(): Promise<WireMessage | undefined> {
    const { value, done } = await this.#messages.next();
    return done ? undefined : value;
  }

  /** All messages up to the end. */
  async rest(): Promise<WireMessage[]> {
    const messages: WireMessage[] = [];
    for (let message = await this.next(); message !== undefined; message = await this.next()) messages.push(message);
    return messages;
  }

  /** Closes the connection, which is how this era cancels. */
  close(): void {
    this.#abort.abort();
  }

  async *#read(response: Response, method: string): AsyncGenerator<WireMessage> {
    const seen = {
      onRetry: (ms: number) => void this.oddities.push(`retry: ${ms}`),
      onComment: () => {
        this.comments += 1;
      },
    };
    for await (const { id, data } of rawEvents(response, seen)) {
      if (id !== undefined) this.oddities.push(`id: ${id}`);
      const message: unknown = JSON.parse(data);
      assertValid(message, method, '2026-07-28');
      yield message;
    }
  }
}

function present(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
