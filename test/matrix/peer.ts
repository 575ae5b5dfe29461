import type { Revision } from '../../src/protocol/revisions.ts';
import { ModernClient } from '../support/modern.ts';
import type { WireMessage } from '../support/schemas.ts';
import { assertValid } from '../support/schemas.ts';
import type { Exchange, WireSession } from '../support/wire.ts';
import { events, open, post } from '../support/wire.ts';

export interface Question {
  readonly method: string;
  readonly params: Record<string, unknown>;
}

export interface RequestOptions {
  readonly id?: unknown;
  readonly progressToken?: string | number;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** A client of any revision: what is the same to say for all, whatever its revision makes of it. */
export interface Peer {
  /** Result of `initialize` or `server/discover`. */
  // biome-ignore lint/suspicious/noExplicitAny: looked into freely, after the schema has passed it
  readonly hello: any;
  /** Headers that the handshake was answered with. */
  readonly headers: Headers;
  request(method: string, params?: Record<string, unknown>, options?: RequestOptions): Promise<Exchange>;
  /** Posts a body with the headers of this client. */
  raw(body: unknown, headers?: Record<string, string>): Promise<Exchange>;
  /** Whatever the revision has for "nothing below this level". */
  setLogLevel(level: string): Promise<void>;
  /** Calls a tool and answers what the server asks meanwhile. */
  converse(
    tool: string,
    args: object,
    answer: (question: Question, index: number) => object | Promise<object>,
  ): Promise<{ asked: Question[]; response: WireMessage }>;
  /** Hears of changes: of all lists, and of these resources. */
  watch(uris: string[]): Promise<{ next(): Promise<WireMessage | undefined>; close(): void }>;
  /** Calls a tool with this id, which can be cancelled in the revision's way. */
  begin(tool: string, id: number): { done: Promise<unknown>; cancel(): Promise<void>; disconnect(): void };
}

/** Connects a client that declares these capabilities. */
export function connect(url: string, row: Revision, capabilities: object = {}): Promise<Peer> {
  return row.era === 'legacy' ? connectLegacy(url, row, capabilities) : connectModern(url, row, capabilities);
}

async function connectLegacy(url: string, row: Revision, capabilities: object): Promise<Peer> {
  const session = await open(url, { revision: row.id, capabilities, headers: { 'mcp-protocol-version': row.id } });
  let nextId = 1000;
  const body = (method: string, params?: object, { id, progressToken }: RequestOptions = {}) => ({
    jsonrpc: '2.0',
    id: id ?? nextId++,
    method,
    params: { ...params, ...(progressToken !== undefined && { _meta: { progressToken } }) },
  });
  return {
    hello: session.initialized.result,
    headers: session.answered,
    request: (method, params, options = {}) =>
      session.send(body(method, params, options), {
        ...(options.headers && { headers: options.headers }),
        ...(options.signal && { signal: options.signal }),
      }),
    raw: (message, headers = {}) => session.send(message, { headers }),
    setLogLevel: async level => void (await session.result('logging/setLevel', { level })),
    converse: (tool, args, answer) => converseLegacy(session, body('tools/call', { name: tool, arguments: args }), answer),
    watch: async uris => {
      for (const uri of uris) await session.result('resources/subscribe', { uri });
      const abort = new AbortController();
      const messages = await session.listen(abort.signal);
      return { next: async () => (await messages.next()).value as WireMessage | undefined, close: () => abort.abort() };
    },
    begin: (tool, id) => {
      const abort = new AbortController();
      const done = session.send(body('tools/call', { name: tool }, { id }), { signal: abort.signal }).catch((error: unknown) => error);
      return {
        done,
        cancel: async () => void (await session.notify('notifications/cancelled', { requestId: id })),
        disconnect: () => abort.abort(),
      };
    },
  };
}

async function converseLegacy(
  session: WireSession,
  body: object,
  answer: (question: Question, index: number) => object | Promise<object>,
): Promise<{ asked: Question[]; response: WireMessage }> {
  const asked: Question[] = [];
  const response = await fetch(session.url, {
    method: 'POST',
    headers: { ...session.headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify(body),
  });
  const isStream = response.headers.get('content-type') === 'text/event-stream';
  const messages = isStream ? events(response) : [(await response.json()) as WireMessage];
  for await (const message of messages) {
    assertValid(message, 'tools/call', session.revision);
    if (message.method === undefined) return { asked, response: message };
    if (message.id === undefined) continue;
    const question = { method: message.method, params: message.params ?? {} };
    asked.push(question);
    const { status } = await session.send({ jsonrpc: '2.0', id: message.id, result: await answer(question, asked.length - 1) });
    if (status !== 202) throw new Error(`an answer was answered ${status}`);
  }
  throw new Error('the stream ended without a response');
}

async function connectModern(url: string, row: Revision, capabilities: object): Promise<Peer> {
  let logLevel: string | undefined;
  const client = new ModernClient(url, { revision: row.id, capabilities });
  const level = () => ({ ...(logLevel !== undefined && { logLevel }) });
  const { headers, response } = await client.request('server/discover');
  return {
    hello: response.result,
    headers,
    request: (method, params, options = {}) => client.request(method, params, { ...options, ...level() }),
    raw: (message, more = {}) =>
      post(url, message, {
        revision: row.id,
        headers: { 'mcp-protocol-version': row.id, 'mcp-method': String((message as WireMessage).method), ...more },
      }),
    setLogLevel: async wanted => {
      logLevel = wanted;
    },
    converse: async (tool, args, answer) => {
      const asked: Question[] = [];
      const params = { name: tool, arguments: args };
      let { response: reply } = await client.request('tools/call', params);
      while (reply.result?.resultType === 'input_required') {
        const inputResponses: Record<string, object> = {};
        for (const [key, question] of Object.entries(reply.result.inputRequests as Record<string, Question>)) {
          asked.push(question);
          inputResponses[key] = await answer(question, asked.length - 1);
        }
        const { requestState } = reply.result as { requestState: string };
        ({ response: reply } = await client.request('tools/call', { ...params, inputResponses, requestState }));
      }
      return { asked, response: reply };
    },
    watch: async uris => {
      const all = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
      return client.listen({ ...all, resourceSubscriptions: uris });
    },
    begin: (tool, id) => {
      const abort = new AbortController();
      const done = client.request('tools/call', { name: tool }, { id, signal: abort.signal }).catch((error: unknown) => error);
      return { done, cancel: async () => abort.abort(), disconnect: () => abort.abort() };
    },
  };
}
