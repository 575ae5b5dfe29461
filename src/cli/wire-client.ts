/** What a server sends: a response, a notification or a request. */
export interface WireMessage {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** An error that a server has answered a request with. */
export class ServerError extends Error {
  override name = 'ServerError';
  readonly code: number;
  readonly data: unknown;

  constructor(method: string, { code, message, data }: NonNullable<WireMessage['error']>) {
    super(`${method} failed: ${message} (${code})`);
    this.code = code;
    this.data = data;
  }
}

/** An HTTP answer without a JSON-RPC response. */
export class HttpError extends Error {
  override name = 'HttpError';
  readonly status: number;

  constructor(method: string, response: Response, text: string) {
    const challenge = response.headers.get('www-authenticate');
    const remedy = response.status === 401 ? "; pass an access token with --header 'Authorization: Bearer …'" : '';
    const detail = challenge ?? (text.trim().split('\n')[0] ?? '').slice(0, 200);
    super(`${method} was answered HTTP ${response.status}${detail === '' ? '' : `: ${detail}`}${remedy}`);
    this.status = response.status;
  }
}

/** Where and how a client connects. */
export interface ClientOptions {
  readonly url: URL;
  /** Headers of every request. */
  readonly headers: Headers;
  /** The only revision to speak. @default the newest that both speak */
  readonly revision?: string | undefined;
  /** Told of every message that answers no request of this client: notifications, and requests of the server. */
  readonly onMessage: (message: WireMessage) => void;
  readonly version: string;
}

/** What a server says of itself. */
export interface ServerDescription {
  readonly revision: string;
  readonly info: unknown;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly instructions: unknown;
}

/** The newest revision without sessions, and the newest with them. */
const stateless = '2026-07-28';
const newestLegacy = '2025-11-25';
const legacy = ['2024-11-05', '2025-03-26', '2025-06-18', newestLegacy];
/** The revisions that the client speaks, oldest first. */
export const spoken: readonly string[] = [...legacy, stateless];

const prefix = 'io.modelcontextprotocol/';
const methodNotFound = -32601;
const internalError = -32603;
/** How often a broken stream of one request is resumed. */
const maxResumes = 10;

/** The member of the params that the header `Mcp-Name` repeats. */
const namedBy: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
]);

/** A client of one server, for as long as one command runs. */
export interface WireClient extends AsyncDisposable {
  readonly server: ServerDescription;
  /**
   * Sends a request and waits for its result.
   *
   * @param headers More headers, such as the mirrored arguments of a tool.
   * @throws {ServerError} The answer is an error. @throws {HttpError} There is no JSON-RPC answer.
   */
  readonly request: (method: string, params?: object, headers?: Headers) => Promise<Readonly<Record<string, unknown>>>;
}

/**
 * Connects to an MCP endpoint and negotiates the newest revision that both speak: first the stateless one, then `initialize`, then the HTTP+SSE
 * transport of 2024-11-05.
 *
 * @throws {Error} Nothing answers, the server speaks none of the revisions, or refuses the caller.
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#backwards-compatibility
 */
export async function connect(options: ClientOptions): Promise<WireClient> {
  const { revision } = options;
  if (revision === undefined || revision === stateless) {
    const client = await connectStateless(options);
    if (client !== undefined) return client;
  }
  if (revision === '2024-11-05') return connectSse(options).catch(() => connectLegacy(options));
  try {
    return await connectLegacy(options);
  } catch (error) {
    const isOlder = error instanceof HttpError && [400, 404, 405].includes(error.status);
    if (!isOlder || revision !== undefined) throw error;
    return connectSse(options).catch(() => {
      throw error;
    });
  }
}

/** `undefined`: the server does not speak this revision. */
async function connectStateless(options: ClientOptions): Promise<WireClient | undefined> {
  const http = new HttpChannel(options);
  const meta = {
    [`${prefix}protocolVersion`]: stateless,
    [`${prefix}clientCapabilities`]: {},
    [`${prefix}clientInfo`]: { name: 'koa-mcp', version: options.version },
    [`${prefix}logLevel`]: 'info',
  };
  const request: WireClient['request'] = async (method, params = {}, more = new Headers()) => {
    const headers = new Headers(more);
    headers.set('mcp-protocol-version', stateless);
    headers.set('mcp-method', method);
    const name: unknown = Reflect.get(params, namedBy.get(method) ?? '');
    if (typeof name === 'string') headers.set('mcp-name', headerValue(name));
    const result = await http.request(method, { ...params, _meta: { ...meta, progressToken: 1 } }, headers);
    if (result['resultType'] === 'input_required') {
      throw new Error(`${method} needs answers of its user (input_required), which this command cannot give`);
    }
    return result;
  };
  try {
    const { capabilities, instructions, _meta } = await request('server/discover');
    const info: unknown = Reflect.get(Object(_meta), `${prefix}serverInfo`);
    const server = { revision: stateless, info, capabilities: Object(capabilities) as Record<string, unknown>, instructions };
    return { server, request, [Symbol.asyncDispose]: async () => {} };
  } catch (error) {
    if (options.revision !== undefined || !isOlderServer(error)) throw error;
    return undefined;
  }
}

/** Whether the answer to a stateless request comes from a server that only has revisions with `initialize`. */
function isOlderServer(error: unknown): boolean {
  if (error instanceof HttpError) return error.status >= 400 && error.status < 500 && error.status !== 401 && error.status !== 403;
  return error instanceof ServerError && error.code !== internalError;
}

async function connectLegacy(options: ClientOptions): Promise<WireClient> {
  return initialize(new HttpChannel(options), options);
}

/** Initializes a session over a channel. */
async function initialize(channel: Channel, { revision = newestLegacy, version }: ClientOptions): Promise<WireClient> {
  const params = { protocolVersion: revision, capabilities: {}, clientInfo: { name: 'koa-mcp', version } };
  const initialized = await channel.request('initialize', params, new Headers());
  const negotiated = String(initialized['protocolVersion']);
  if (!legacy.includes(negotiated)) throw new Error(`the server speaks revision ${negotiated}, which this command does not`);
  channel.negotiated(negotiated);
  await channel.notify('notifications/initialized');
  const capabilities = Object(initialized['capabilities']) as Record<string, unknown>;
  const { serverInfo: info, instructions } = initialized;
  let calls = 0;
  const request: WireClient['request'] = (method, sent = {}, headers = new Headers()) => {
    calls += 1;
    return channel.request(method, { ...sent, _meta: { progressToken: calls } }, headers);
  };
  return {
    server: { revision: negotiated, info, capabilities, instructions },
    request,
    [Symbol.asyncDispose]: () => channel.close(),
  };
}

/** A way to send messages and to get the responses. */
interface Channel {
  request(method: string, params: object, headers: Headers): Promise<Readonly<Record<string, unknown>>>;
  notify(method: string): Promise<void>;
  negotiated(revision: string): void;
  close(): Promise<void>;
}

function resultOf(method: string, { result, error }: WireMessage): Readonly<Record<string, unknown>> {
  if (error !== undefined) throw new ServerError(method, error);
  return result ?? {};
}

/** Streamable HTTP, with and without a session. */
class HttpChannel implements Channel {
  readonly #options: ClientOptions;
  readonly #session = new Headers();
  #nextId = 1;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  async request(method: string, params: object, headers: Headers): Promise<Readonly<Record<string, unknown>>> {
    const id = this.#nextId++;
    const response = await this.#post({ jsonrpc: '2.0', id, method, params }, headers);
    const session = response.headers.get('mcp-session-id');
    if (session !== null) this.#session.set('mcp-session-id', session);
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    const message = response.ok && isStream ? await this.#readStream(response, { id, method }) : await toMessage(response, method);
    return resultOf(method, message);
  }

  async notify(method: string): Promise<void> {
    const response = await this.#post({ jsonrpc: '2.0', method });
    const text = await response.text();
    if (!response.ok) throw new HttpError(method, response, text);
  }

  negotiated(revision: string): void {
    this.#session.set('mcp-protocol-version', revision);
  }

  /** Ends the session. A server may not allow that (405). */
  async close(): Promise<void> {
    if (!this.#session.has('mcp-session-id')) return;
    const response = await fetch(this.#options.url, { method: 'DELETE', headers: this.#headers() });
    await response.body?.cancel();
  }

  #headers(more: Headers = new Headers()): Headers {
    return merged(this.#options.headers, this.#session, more);
  }

  #post(message: object, more?: Headers): Promise<Response> {
    const headers = this.#headers(more);
    headers.set('content-type', 'application/json');
    headers.set('accept', 'application/json, text/event-stream');
    return fetch(this.#options.url, { method: 'POST', headers, body: JSON.stringify(message) });
  }

  /** Reads the stream of one request to its response. A stream that ends before is resumed behind its last event (2025-11-25 and older). */
  async #readStream(first: Response, { id, method }: { id: number; method: string }): Promise<WireMessage> {
    let response = first;
    let lastEventId: string | undefined;
    let retryMs = 1000;
    for (let resumes = 0; ; resumes += 1) {
      try {
        for await (const event of events(response)) {
          lastEventId = event.id ?? lastEventId;
          retryMs = event.retryMs ?? retryMs;
          if (event.data === '') continue;
          const message = JSON.parse(event.data) as WireMessage;
          if (message.id === id && message.method === undefined) return message;
          await this.#take(message);
        }
      } catch (error) {
        if (lastEventId === undefined || error instanceof SyntaxError) throw error;
      }
      if (lastEventId === undefined || resumes === maxResumes) throw new Error(`${method}: the stream has ended without the response`);
      await new Promise(resolve => setTimeout(resolve, retryMs));
      const headers = this.#headers(new Headers({ accept: 'text/event-stream', 'last-event-id': lastEventId }));
      response = await fetch(this.#options.url, { headers });
      if (!response.ok) throw new HttpError(method, response, await response.text());
    }
  }

  async #take(message: WireMessage): Promise<void> {
    this.#options.onMessage(message);
    const answer = answerTo(message);
    if (answer !== undefined) await (await this.#post(answer)).body?.cancel();
  }
}

/** The answer to a request of the server. The client has declared no capabilities, so only `ping` has a result. */
function answerTo({ id, method }: WireMessage): object | undefined {
  if (method === undefined || id === undefined) return undefined;
  if (method === 'ping') return { jsonrpc: '2.0', id, result: {} };
  return { jsonrpc: '2.0', id, error: { code: methodNotFound, message: `This client does not have ${method}` } };
}

async function toMessage(response: Response, method: string): Promise<WireMessage> {
  const text = await response.text();
  try {
    const message = JSON.parse(text) as WireMessage;
    if (typeof message === 'object' && (message.result !== undefined || typeof message.error?.message === 'string')) {
      if (response.status === 401) throw new HttpError(method, response, text);
      return message;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new HttpError(method, response, text);
}

/** Opens the stream of the HTTP+SSE transport and initializes. */
async function connectSse(options: ClientOptions): Promise<WireClient> {
  const abort = new AbortController();
  const headers = merged(options.headers, new Headers({ accept: 'text/event-stream' }));
  const response = await fetch(options.url, { headers, signal: abort.signal });
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  if (!response.ok || !isStream) throw new HttpError('GET', response, await response.text());
  const channel = new SseChannel(options, events(response), abort);
  await channel.open();
  return initialize(channel, { ...options, revision: '2024-11-05' });
}

/** HTTP+SSE of 2024-11-05: requests by POST, all answers on one stream. */
class SseChannel implements Channel {
  readonly #options: ClientOptions;
  readonly #events: AsyncGenerator<StreamEvent>;
  readonly #abort: AbortController;
  readonly #waiting = new Map<unknown, { readonly resolve: (message: WireMessage) => void; readonly reject: (error: unknown) => void }>();
  #endpoint: URL;
  #nextId = 1;

  constructor(options: ClientOptions, stream: AsyncGenerator<StreamEvent>, abort: AbortController) {
    this.#options = options;
    this.#events = stream;
    this.#abort = abort;
    this.#endpoint = options.url;
  }

  /** Waits for the address that messages go to. @throws {Error} The stream says none, or one of another origin. */
  async open(): Promise<void> {
    const { value } = (await this.#events.next()) as IteratorResult<StreamEvent, undefined>;
    if (value?.name !== 'endpoint') throw new Error('the stream does not begin with an endpoint event');
    this.#endpoint = new URL(value.data, this.#options.url);
    if (this.#endpoint.origin !== this.#options.url.origin)
      throw new Error(`the endpoint event names another origin: ${this.#endpoint.origin}`);
    this.#read().catch((error: unknown) => {
      for (const { reject } of this.#waiting.values()) reject(error);
    });
  }

  async request(method: string, params: object): Promise<Readonly<Record<string, unknown>>> {
    const id = this.#nextId++;
    const answered = new Promise<WireMessage>((resolve, reject) => void this.#waiting.set(id, { resolve, reject }));
    answered.catch(() => undefined);
    await this.#post(method, { jsonrpc: '2.0', id, method, params });
    return resultOf(method, await answered);
  }

  async notify(method: string): Promise<void> {
    await this.#post(method, { jsonrpc: '2.0', method });
  }

  negotiated(): void {
    // This revision has no version header.
  }

  async close(): Promise<void> {
    this.#abort.abort();
  }

  async #post(method: string, message: object): Promise<void> {
    const headers = merged(this.#options.headers, new Headers({ 'content-type': 'application/json' }));
    const response = await fetch(this.#endpoint, { method: 'POST', headers, body: JSON.stringify(message) });
    const text = await response.text();
    if (!response.ok) throw new HttpError(method, response, text);
  }

  async #read(): Promise<void> {
    for await (const { data } of this.#events) {
      if (data === '') continue;
      const message = JSON.parse(data) as WireMessage;
      const waiting = message.method === undefined ? this.#waiting.get(message.id) : undefined;
      if (waiting !== undefined) waiting.resolve(message);
      else {
        this.#options.onMessage(message);
        const answer = answerTo(message);
        if (answer !== undefined) await this.#post('answer', answer);
      }
    }
    throw new Error('the stream has ended');
  }
}

function merged(...all: readonly Headers[]): Headers {
  const headers = new Headers();
  for (const each of all) for (const [name, value] of each) headers.set(name, value);
  return headers;
}

/** A header value as 2026-07-28 wants it: as it stands if it is visible ASCII, else in base64. */
export function headerValue(text: string): string {
  const isPlain = /^[\x21-\x7E](?:[\x20-\x7E]*[\x21-\x7E])?$/u.test(text) && !text.startsWith('=?');
  return isPlain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}

interface StreamEvent {
  readonly name: string;
  readonly data: string;
  readonly id: string | undefined;
  readonly retryMs: number | undefined;
}

/** The events of a stream. @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */
async function* events(response: Response): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let text = '';
  const body: AsyncIterable<Uint8Array> | null = response.body;
  if (body === null) return;
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    // A carriage return at the end may be the first half of a line end.
    const blocks = text.split(/\r\n\r\n|\n\n|\r\r(?!$)/);
    text = blocks.pop() ?? '';
    for (const block of blocks) yield toEvent(block);
  }
}

function toEvent(block: string): StreamEvent {
  const fields = block
    .split(/\r\n|\n|\r/)
    .map(line => /^([^:]*)(?:: ?(.*))?$/s.exec(line))
    .map(match => [match?.[1] ?? '', match?.[2] ?? ''] as const);
  const last = (name: string) => fields.findLast(([field]) => field === name)?.[1];
  const retry = last('retry');
  return {
    name: last('event') ?? 'message',
    data: fields
      .filter(([field]) => field === 'data')
      .map(([, value]) => value)
      .join('\n'),
    id: last('id'),
    retryMs: retry === undefined ? undefined : Number(retry),
  };
}
