import { once } from 'node:events';
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { modernRequest } from '../support/modern.ts';

/** A request: a POST if it has a body, else a GET. */
export interface Sent {
  readonly url: string;
  readonly agent: Agent | false;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An answer, read to its end. */
export interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

const patienceMs = 30_000;

/** Sends a request and reads its answer to the end. @throws {Error} The connection broke, or stood still for 30 s. */
export async function send(sent: Sent): Promise<Answered> {
  const { response } = await begin(sent);
  response.setEncoding('utf8');
  let text = '';
  for await (const part of response) text += part as string;
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}

/** Sends a request and gives its answer before the body. */
export async function begin({ url, agent, headers, body }: Sent): Promise<{ request: ClientRequest; response: IncomingMessage }> {
  const message = request(url, {
    method: body === undefined ? 'GET' : 'POST',
    agent,
    headers: {
      accept: 'application/json, text/event-stream',
      ...(body !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
      ...headers,
    },
    timeout: patienceMs,
  });
  message.on('timeout', () => message.destroy(new Error(`no byte for ${patienceMs / 1000} s`)));
  message.end(body);
  const [response] = (await once(message, 'response')) as [IncomingMessage];
  return { request: message, response };
}

/** The last message of an answer, which is JSON or a stream. */
export function lastMessage({ headers, text }: Answered): { result?: unknown; error?: { code: number; message: string } } | undefined {
  if (!headers['content-type']?.startsWith('text/event-stream')) return text === '' ? undefined : JSON.parse(text);
  const data = text.split('\n').filter(line => line.startsWith('data: {'));
  return JSON.parse(data.at(-1)?.slice('data: '.length) ?? '{}');
}

/** Whoever sends requests: in a session, or without one. */
export interface Caller {
  readonly revision: string;
  /** The body and the headers of a request. */
  make(method: string, params: Record<string, unknown>): { body: string; headers: Record<string, string> };
}

/** A caller of 2026-07-28. */
export function statelessCaller(user: string): Caller {
  return {
    revision: '2026-07-28',
    make: (method, params) => {
      const { _meta, ...others } = params;
      const { body, headers } = modernRequest(method, others, { meta: { ...(_meta as object) } });
      return { body: JSON.stringify(body), headers: { ...headers, 'x-user': user } };
    },
  };
}

/** Opens a session. @throws {Error} It is refused. */
export async function openSession({ url, agent }: Sent, user: string, revision: string): Promise<Caller> {
  const params = { protocolVersion: revision, capabilities: {}, clientInfo: { name: 'load', version: '1' } };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
  const answered = await send({ url, agent, headers: { 'x-user': user }, body });
  const id = answered.headers['mcp-session-id'];
  if (typeof id !== 'string') throw new Error(`initialize was answered ${answered.status}: ${answered.text}`);
  const headers = { 'x-user': user, 'mcp-session-id': id, 'mcp-protocol-version': revision };
  await send({ url, agent, headers, body: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }) });
  let nextId = 1;
  return {
    revision,
    make: (method, sent) => ({ body: JSON.stringify({ jsonrpc: '2.0', id: nextId++, method, params: sent }), headers }),
  };
}
