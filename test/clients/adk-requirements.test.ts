import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AppProcess } from '../support/example.ts';
import { startApp } from '../support/example.ts';
import { assertValid } from '../support/schemas.ts';
import { initializeParams, openSse, rawEvents } from '../support/sse.ts';
import { open, post } from '../support/wire.ts';

const fixture = new URL('app.ts', import.meta.url);

let app: AppProcess;
let url: string;
beforeAll(async () => {
  app = await startApp(fixture, { HEARTBEAT_MS: '100' });
  url = `${app.origin}/mcp`;
});
afterAll(() => app[Symbol.asyncDispose]());

/** What httpx, below the Python SDK, sends with everything. */
const httpx = { 'accept-encoding': 'gzip, deflate', connection: 'keep-alive', 'user-agent': 'python-httpx/0.28.1' };

/** Reads a stream as text until it contains a passage; its text so far. */
async function readTo(response: Response, passage: RegExp): Promise<string> {
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!passage.test(text)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the stream ended after ${JSON.stringify(text)}`);
    text += value;
  }
  await reader.cancel();
  return text;
}

describe('1. GET <base>/sse', () => {
  it('is answered at once with a plain event stream, the endpoint first', async () => {
    const response = await fetch(`${url}/sse`, { headers: { ...httpx, accept: 'text/event-stream', 'cache-control': 'no-store' } });
    const { status, headers } = response;
    expect([status, headers.get('content-type'), headers.get('content-encoding')]).toEqual([200, 'text/event-stream', null]);
    expect(await readTo(response, /\n\n/u)).toMatch(/^event: endpoint\ndata: \S+\n\n/u);
  });

  it('names the endpoint once, and sends no other event than messages after it', async () => {
    const abort = new AbortController();
    const response = await fetch(`${url}/sse`, { signal: abort.signal });
    const events = rawEvents(response);
    const endpoint = new URL((await events.next()).value?.data as string, url);
    const messages = ['initialize', 'tools/list', 'resources/list', 'ping'].map((method, id) => ({ jsonrpc: '2.0', id, method }));
    for (const message of messages) await post(endpoint.href, { ...message, params: initializeParams });
    for (const _ of messages) expect((await events.next()).value?.event).toBe('message');
    abort.abort();
  });
});

describe('2. the endpoint', () => {
  it('is an absolute path with a session id, which the base URL and the URL of the stream resolve alike', async () => {
    const { endpoint, close } = await openBound();
    expect(endpoint).toMatch(/^\/mcp\/messages\?sessionId=[A-Za-z0-9_-]{20,}$/u);
    expect(new URL(endpoint, app.origin).href).toBe(new URL(endpoint, `${url}/sse`).href);
    expect(new URL(endpoint, `${url}/sse/`).href).toBe(app.origin + endpoint);
    close();
  });
});

describe('3. POST to it', () => {
  it.each([
    ['httpx sends', { accept: '*/*' }],
    ['the samples of ADK add', { accept: 'text/event-stream' }],
    ['nobody could use', { accept: 'image/png', 'mcp-protocol-version': '1900-01-01', 'mcp-session-id': 'another' }],
  ])('is answered 202 with the headers that %s', async (_, headers) => {
    const { session, endpoint, close } = await openBound();
    const response = await fetch(app.origin + endpoint, {
      method: 'POST',
      headers: { ...httpx, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ jsonrpc: '2.0', id: 'a', method: 'no/such' }),
    });
    expect([response.status, await response.text()]).toEqual([202, '']);
    expect(await session.next()).toMatchObject({ id: 'a', error: { code: -32601 } });
    close();
  });

  it('is answered before the work is done', async () => {
    const { session, close } = await openBound();
    const key = randomUUID();
    const call = { jsonrpc: '2.0', id: 'call', method: 'tools/call', params: { name: 'count', arguments: { to: 1, key } } };
    expect((await session.post(call)).status).toBe(202);
    expect((await session.request('ping')).result).toEqual({});
    await fetch(`${app.origin}/proceeds/${key}`, { method: 'POST' });
    expect(await session.next()).toMatchObject({ id: 'call', result: { content: [{ text: '1' }] } });
    close();
  });
});

describe('4. a live session', () => {
  it.each(['notifications/initialized', 'notifications/cancelled', 'notifications/roots/list_changed', 'notifications/no_such'])(
    'takes %s, whatever it says, with 202',
    async method => {
      const { session, close } = await openBound();
      expect((await session.post({ jsonrpc: '2.0', method, params: { requestId: 'none' } })).status).toBe(202);
      expect((await session.request('ping')).result).toEqual({});
      close();
    },
  );

  it('ends its stream when it dies, and is unknown from then on', async () => {
    const { session, endpoint } = await openBound();
    const id = new URL(endpoint, url).searchParams.get('sessionId') as string;
    expect((await fetch(`${url}/sse`, { method: 'DELETE', headers: { 'mcp-session-id': id } })).status).toBe(204);
    expect(await session.next()).toBeUndefined();
    expect((await session.post({ jsonrpc: '2.0', id: 1, method: 'ping' })).status).toBe(404);
  });
});

describe('6. an idle stream', () => {
  const idle = {
    'of HTTP+SSE': async () => fetch(`${url}/sse`),
    'of Streamable HTTP': async () => {
      const session = await open(url);
      return fetch(url, { headers: { ...session.headers, accept: 'text/event-stream' } });
    },
  };
  it.each(Object.entries(idle))('%s gets comments, which no client takes for a message', async (_, start) => {
    const text = await readTo(await start(), /(?:: \n\n){3}/u);
    // Before them: the endpoint, or the event that primes a stream of 2025-11-25, which has an id and no data.
    const [first, ...rest] = text.split('\n\n');
    expect(first).toMatch(/^event: endpoint\ndata: \S+$|^id: \S+\ndata: $/u);
    expect(rest.filter(block => block !== ': ')).toEqual(['']);
  });

  it('ends when the app is shut down, and the process with it', async () => {
    await using stopped = await startApp(fixture);
    const sse = rawEvents(await fetch(`${stopped.origin}/mcp/sse`));
    expect((await sse.next()).value?.event).toBe('endpoint');
    const session = await open(`${stopped.origin}/mcp`);
    const stream = await session.listen(AbortSignal.timeout(20_000));
    const ends = [sse.next(), stream.next()].map(async next => (await next).done);
    expect(await stopped.stop('SIGTERM')).toEqual([0, null]);
    expect(await Promise.all(ends)).toEqual([true, true]);
  });
});

describe('7. requests', () => {
  it.each([0, 1, 'zero', ''])('with the id %j are answered with it, over both transports', async id => {
    const { session, close } = await openBound();
    await session.post({ jsonrpc: '2.0', id, method: 'ping' });
    expect(await session.next()).toEqual({ jsonrpc: '2.0', id, result: {} });
    close();
    const answer = await (await open(url)).send({ jsonrpc: '2.0', id, method: 'ping' });
    expect(answer.response).toEqual({ jsonrpc: '2.0', id, result: {} });
  });

  it.each(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])(
    'initialize for %s gets just that, over both transports',
    async revision => {
      const { session, close } = await openBound();
      const params = { ...initializeParams, protocolVersion: revision };
      expect((await session.request('initialize', params)).result?.protocolVersion).toBe(revision);
      close();
      expect((await open(url, { revision })).initialized.result?.protocolVersion).toBe(revision);
    },
  );

  it.each([
    [undefined, '2024-11-05'],
    ['2025-06-18', '2025-06-18'],
    ['2025-11-25', '2025-11-25'],
    ['2026-07-28', '2024-11-05'],
    ['1900-01-01', '2024-11-05'],
  ])('of a stream that is opened again with MCP-Protocol-Version %s are served without initialize, as of %s', async (version, served) => {
    const abort = new AbortController();
    const response = await fetch(`${url}/sse`, { headers: version ? { 'mcp-protocol-version': version } : {}, signal: abort.signal });
    const events = rawEvents(response);
    const endpoint = new URL((await events.next()).value?.data as string, url);
    await post(endpoint.href, { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'client' } });
    const message: unknown = JSON.parse((await events.next()).value?.data as string);
    assertValid(message, 'tools/call', served);
    expect(JSON.parse(message.result?.content[0].text)).toMatchObject({ revision: served });
    abort.abort();
  });
});

describe('8. Streamable HTTP', () => {
  it.each([
    ['an unknown method', 'no/such', {}, -32601],
    ['wrong params', 'tools/call', { name: 7 }, -32602],
    ['an unknown tool', 'tools/call', { name: 'no_such' }, -32602],
    ['an unknown resource', 'resources/read', { uri: 'clients://no/such' }, -32601],
  ])('answers %s with 200 and an error of JSON-RPC', async (_, method, params, code) => {
    const { status, response } = await (await open(url)).request(method, params);
    expect([status, response.error?.code]).toEqual([200, code]);
  });

  it('answers a notification with 202 and no body', async () => {
    const { status, text } = await (await open(url)).notify('notifications/no_such');
    expect([status, text]).toEqual([202, '']);
  });

  it('opens the stream for a doubled Accept and a content type without a body, and ends the session so', async () => {
    const { headers } = await open(url);
    const json = { ...headers, ...httpx, 'content-type': 'application/json', 'mcp-protocol-version': '2025-11-25' };
    const response = await fetch(url, { headers: { ...json, accept: 'application/json, text/event-stream, text/event-stream' } });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    await readTo(response, /: \n\n/u);
    expect((await fetch(url, { method: 'DELETE', headers: { ...json, accept: '*/*' } })).status).toBe(204);
  });

  it('ignores headers of 2026-07-28 on the requests of a session', async () => {
    const session = await open(url);
    const { status, response } = await session.send(
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'count', arguments: { to: 1 } } },
      { headers: { 'mcp-method': 'tools/list', 'mcp-name': 'another' } },
    );
    expect([status, response.result?.content[0].text]).toEqual([200, '1']);
  });

  it.each(['', '/'])('answers GET without a session 405 at /mcp%s: what looks for the older transport goes on looking', async slash => {
    for (const accept of ['text/event-stream', '*/*', 'application/json, text/event-stream']) {
      const response = await fetch(url + slash, { headers: { accept }, redirect: 'manual' });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST, GET, DELETE']);
    }
  });

  it.each(['/mcp/', '/mcp/?x=1'])('is served at %s, without a redirect', async path => {
    const session = await open(app.origin + path);
    expect((await session.call('count', { to: 1 })).content[0].text).toBe('1');
    const init = { headers: { ...session.headers, accept: 'text/event-stream' }, redirect: 'manual' } as const;
    await readTo(await fetch(app.origin + path, init), /: \n\n/u);
    expect((await fetch(app.origin + path, { ...init, method: 'DELETE' })).status).toBe(204);
  });
});

describe('the search for an authorization server', () => {
  const names = ['oauth-protected-resource', 'oauth-authorization-server', 'openid-configuration'];
  const paths = names.flatMap(name => [
    `/.well-known/${name}`,
    `/.well-known/${name}/mcp`,
    `/mcp/.well-known/${name}`,
    `/mcp/sse/.well-known/${name}`,
  ]);
  it.each(paths)('finds a plain 404 at %s', async path => {
    const response = await fetch(app.origin + path, { headers: { 'mcp-protocol-version': '2025-11-25' }, redirect: 'manual' });
    expect([response.status, response.headers.get('www-authenticate'), await response.text()]).toEqual([404, null, 'Not Found']);
  });
});

/** A stream with what its tests need by name. */
async function openBound() {
  const session = await openSse(`${url}/sse`);
  return { session, endpoint: session.endpoint, close: () => session.close() };
}
