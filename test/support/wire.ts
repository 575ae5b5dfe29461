import { revisions } from '../../src/protocol/revisions.ts';
import type { WireMessage } from './schemas.ts';
import { assertValid } from './schemas.ts';
import { rawEvents } from './sse.ts';

/** A POST's answer: HTTP facts and the messages, each held to the official schemas. */
export interface Exchange {
  readonly status: number;
  readonly headers: Headers;
  /** Body as text; empty for a stream. */
  readonly text: string;
  readonly messages: WireMessage[];
  /** The response; throws if there was none. */
  readonly response: WireMessage;
}

export interface SendOptions {
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
  /** Whose schema the answer must pass. @default what the request or the answer names, else the newest legacy one */
  readonly revision?: string;
}

const clientInfo = { name: 'wire', version: '1.0.0' };

/** POSTs any body and reads the answer to its end. */
export async function post(url: string, body: unknown, { headers, signal, revision }: SendOptions = {}): Promise<Exchange> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(signal && { signal }),
  });
  const isStream = response.headers.get('content-type') === 'text/event-stream';
  const messages: WireMessage[] = [];
  let text = '';
  if (isStream) for await (const message of events(response)) messages.push(message);
  else {
    text = await response.text();
    if (response.headers.get('content-type')?.startsWith('application/json')) messages.push(...[JSON.parse(text)].flat());
  }
  const methods = new Map([body].flat().map(sent => [(sent as WireMessage)?.id, (sent as WireMessage)?.method]));
  for (const message of messages)
    assertValid(message, methods.get(message.id), revision ?? message.result?.protocolVersion ?? revisionOf(body));
  return {
    status: response.status,
    headers: response.headers,
    text,
    messages,
    get response() {
      const found = messages.find(message => message.method === undefined);
      if (found === undefined) throw new Error(`no response: ${response.status} ${text}`);
      return found;
    },
  };
}

/** The revision that a stateless request names. */
function revisionOf(body: unknown): string | undefined {
  const meta = (body as WireMessage | undefined)?.params?.['_meta'] as Record<string, unknown> | undefined;
  const version = meta?.['io.modelcontextprotocol/protocolVersion'];
  return revisions.find(({ id, era }) => era === 'modern' && id === version)?.id;
}

/** The JSON-RPC messages of an event stream, as they arrive. */
export async function* events(response: Response): AsyncGenerator<WireMessage> {
  for await (const { data } of rawEvents(response)) if (data !== '') yield JSON.parse(data) as WireMessage;
}

/** A session, by hand. */
export class WireSession {
  readonly url: string;
  readonly id: string;
  readonly initialized: WireMessage;
  /** Headers that `initialize` was answered with. */
  readonly answered: Headers;
  readonly #headers: Record<string, string>;
  #nextId = 1;

  constructor(url: string, id: string, initialized: WireMessage, headers: Record<string, string>, answered: Headers) {
    this.url = url;
    this.id = id;
    this.initialized = initialized;
    this.#headers = headers;
    this.answered = answered;
  }

  /** As negotiated. */
  get revision(): string {
    return this.initialized.result.protocolVersion as string;
  }

  get headers(): Record<string, string> {
    return { ...this.#headers, 'mcp-session-id': this.id };
  }

  /** Sends a request with the next id. */
  request(method: string, params?: unknown, options: SendOptions = {}): Promise<Exchange> {
    return this.send({ jsonrpc: '2.0', id: this.#nextId++, method, params }, options);
  }

  notify(method: string, params?: unknown): Promise<Exchange> {
    return this.send({ jsonrpc: '2.0', method, params });
  }

  send(body: unknown, { headers, ...options }: SendOptions = {}): Promise<Exchange> {
    return post(this.url, body, { revision: this.revision, ...options, headers: { ...this.headers, ...headers } });
  }

  /** The result of a request. Throws on an error response. */
  // biome-ignore lint/suspicious/noExplicitAny: looked into freely, after the schema has passed it
  async result(method: string, params?: unknown): Promise<any> {
    const { response } = await this.request(method, params);
    if (response.error !== undefined) throw new Error(`${response.error.code} ${response.error.message}`);
    return response.result;
  }

  /** The error of a request. Throws if there was none. */
  async error(method: string, params?: unknown): Promise<NonNullable<WireMessage['error']>> {
    const { response } = await this.request(method, params);
    if (response.error === undefined) throw new Error(`no error: ${JSON.stringify(response.result)}`);
    return response.error;
  }

  // biome-ignore lint/suspicious/noExplicitAny: looked into freely, after the schema has passed it
  call(name: string, args?: unknown): Promise<any> {
    return this.result('tools/call', { name, arguments: args });
  }

  /** Opens the standalone stream; ends with `signal`. */
  async listen(signal: AbortSignal): Promise<AsyncGenerator<WireMessage>> {
    const response = await fetch(this.url, { headers: { ...this.headers, accept: 'text/event-stream' }, signal });
    if (!response.ok) throw new Error(`GET answered ${response.status}: ${await response.text()}`);
    return checked(response, this.revision);
  }
}

async function* checked(response: Response, revision: string): AsyncGenerator<WireMessage> {
  for await (const message of events(response)) {
    assertValid(message, undefined, revision);
    yield message;
  }
}

export interface OpenOptions {
  readonly revision?: string;
  readonly headers?: Record<string, string>;
  readonly capabilities?: object;
}

/** Initializes a session. */
export async function open(
  url: string,
  { revision = '2025-11-25', headers = {}, capabilities = {} }: OpenOptions = {},
): Promise<WireSession> {
  const params = { protocolVersion: revision, capabilities, clientInfo };
  const { headers: answered, response } = await post(url, { jsonrpc: '2.0', id: 0, method: 'initialize', params }, { headers });
  const id = answered.get('mcp-session-id');
  if (id === null) throw new Error(`no session: ${JSON.stringify(response)}`);
  const session = new WireSession(url, id, response, headers, answered);
  await session.notify('notifications/initialized');
  return session;
}
