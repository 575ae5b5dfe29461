import type { Revision } from '../../src/protocol/revisions.ts';
import { bearer } from '../security/world.ts';
import { ModernClient, modernRequest } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { events, open } from '../support/wire.ts';

/** What a request was answered, as far as two answers can be compared. */
export interface Answer {
  /** 0 if the server closed the connection without an answer. */
  readonly status: number;
  /** All but `date`. */
  readonly headers: Readonly<Record<string, string>>;
  /** `(stream)` for a stream that stays open. */
  readonly body: string;
}

/** One HTTP request below the path of the endpoint. */
export interface Send {
  /** Behind the path of the endpoint. @default '' */
  readonly path?: string;
  /** @default 'POST' */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Somebody with a client of one revision: a user by the id of a `Client` row, or nobody. */
export interface Party {
  readonly user: number | undefined;
  readonly row: Revision;
  /** The headers that sign the user in and name the revision, and in a revision with sessions the session. */
  readonly headers: Readonly<Record<string, string>>;
  /** Empty in a revision without sessions. */
  readonly sessionId: string;
  /** Sends a request as it stands, with the sign-in of the user and without the session. */
  send(request: Send): Promise<Answer>;
  /** Sends a JSON-RPC request in the way of the revision. */
  request(method: string, params?: Record<string, unknown>): Promise<Answer>;
  /** Posts a notification or a response in the way of the revision. */
  post(message: object): Promise<Answer>;
  /** The result of a request. @throws {Error} It is answered with an error. */
  // biome-ignore lint/suspicious/noExplicitAny: looked into freely, after the schema has passed it
  result(method: string, params?: Record<string, unknown>): Promise<any>;
}

export interface PartyOptions {
  readonly row: Revision;
  /** @default nobody */
  readonly user?: number | undefined;
  readonly capabilities?: object;
}

/** Connects a client; in a revision with sessions it opens one. */
export async function connect({ url }: Pick<TestServer, 'url'>, { row, user, capabilities = {} }: PartyOptions): Promise<Party> {
  const signIn = user === undefined ? {} : bearer(user);
  const send = (request: Send) => sendTo(url, { ...request, headers: { ...signIn, ...request.headers } });
  if (row.era === 'modern') {
    const client = new ModernClient(url, { headers: signIn, revision: row.id, capabilities });
    return {
      user,
      row,
      headers: { ...signIn, 'mcp-protocol-version': row.id },
      sessionId: '',
      send,
      request: (method, params) => {
        const { body, headers } = modernRequest(method, params, { id: 7, revision: row.id, capabilities });
        return send({ headers, body });
      },
      post: body => {
        const { method } = body as { method?: string };
        return send({ headers: { 'mcp-protocol-version': row.id, ...(method !== undefined && { 'mcp-method': method }) }, body });
      },
      result: (method, params) => client.result(method, params),
    };
  }
  const session = await open(url, { revision: row.id, headers: signIn, capabilities });
  const headers = { ...session.headers, 'mcp-protocol-version': row.id };
  const post = (body: object) => send({ headers, body });
  return {
    user,
    row,
    headers,
    sessionId: session.id,
    send,
    request: (method, params) => post({ jsonrpc: '2.0', id: 7, method, params }),
    post,
    result: (method, params) => session.result(method, params),
  };
}

async function sendTo(url: string, { path = '', method = 'POST', headers, body }: Send): Promise<Answer> {
  const init = {
    method,
    headers: {
      accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  };
  try {
    const response = await fetch(url + path, init);
    const { date: _, ...compared } = Object.fromEntries(response.headers);
    return { status: response.status, headers: compared, body: await bodyOf(response, body) };
  } catch (error) {
    // A server that refuses a header which is too large closes the connection, maybe while it is being sent.
    if (error instanceof TypeError && error.message === 'fetch failed') return { status: 0, headers: {}, body: '' };
    throw error;
  }
}

/** A stream that answers a request is read to the response, or to the acknowledgement of `subscriptions/listen`; no other is read. */
async function bodyOf(response: Response, sent: unknown): Promise<string> {
  if (response.headers.get('content-type') !== 'text/event-stream') return response.text();
  if (sent === undefined) {
    await response.body?.cancel();
    return '(stream)';
  }
  for await (const message of events(response)) {
    if (message.method === undefined || message.method === 'notifications/subscriptions/acknowledged') return JSON.stringify(message);
  }
  return '(stream)';
}

/** Whether an answer says no: by its status, by a JSON-RPC error, or by the error of a tool. */
export function isRefused({ status, body }: Answer): boolean {
  if (status === 0 || status >= 400) return true;
  if (!body.startsWith('{')) return false;
  const { error, result } = JSON.parse(body) as { error?: object; result?: { isError?: boolean } };
  return error !== undefined || result?.isError === true;
}
