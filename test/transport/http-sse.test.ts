import type Koa from 'koa';
import mount from 'koa-mount';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { memoryStore } from '../../src/index.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import type { SseSession } from '../support/sse.ts';
import { initializeParams, openSse } from '../support/sse.ts';
import { open, post } from '../support/wire.ts';

function deferred<T = void>() {
  let resolve: ((value: T) => void) | undefined;
  const promise = new Promise<T>(settle => {
    resolve = settle;
  });
  return { promise, resolve: (value: T) => resolve?.(value) };
}

const trustProxy = (app: Koa) => {
  app.proxy = true;
};

const echo = { description: 'Echoes', inputSchema: z.object({ text: z.string() }), handler: ({ text }: { text: string }) => text };

async function expectService(session: SseSession): Promise<void> {
  expect((await session.request('initialize', initializeParams)).result?.protocolVersion).toBe('2024-11-05');
  expect((await session.request('tools/list')).result?.tools.length).toBeGreaterThan(0);
  expect((await session.request('tools/call', { name: 'echo', arguments: { text: 'hi' } })).result?.content[0].text).toBe('hi');
}

describe('GET <path>/sse', () => {
  it('names the message endpoint first, as an absolute path, and the session in a header too', async () => {
    await using server = await start({ tools: { echo } });
    const session = await openSse(`${server.url}/sse`);
    const { headers } = session.response;
    expect(session.endpoint).toBe(`/mcp/messages?sessionId=${headers.get('mcp-session-id')}`);
    expect([headers.get('content-type'), headers.get('x-accel-buffering')]).toEqual(['text/event-stream', 'no']);
    await expectService(session);
    session.close();
  });

  it.each(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])('negotiates %s like any other transport', async revision => {
    await using server = await start({ tools: { echo } });
    const session = await openSse(`${server.url}/sse`);
    const { result } = await session.request('initialize', { ...initializeParams, protocolVersion: revision });
    expect(result?.protocolVersion).toBe(revision);
    const tool = (await session.request('tools/list')).result?.tools[0];
    expect(tool.name).toBe('echo');
    session.close();
  });

  it('serves without a new initialize, as after a reconnect', async () => {
    await using server = await start({ tools: { echo } });
    const session = await openSse(`${server.url}/sse`);
    expect((await session.request('tools/call', { name: 'echo', arguments: { text: 'hi' } })).result?.content[0].text).toBe('hi');
    session.close();
  });

  it.each([
    ['at the root', { path: '/' }, {}, '/sse', '/messages'],
    ['at the root with a trailing slash', { path: '/' }, {}, '/sse/', '/messages'],
    ['with a trailing slash', {}, {}, '/mcp/sse/', '/mcp/messages'],
    ['behind koa-mount', {}, { mount: (middleware: Koa.Middleware) => mount('/api', middleware) }, '/api/mcp/sse', '/api/mcp/messages'],
  ])('is served %s', async (_, options, startOptions, path, messages) => {
    await using server = await start({ tools: { echo }, ...options }, startOptions);
    const session = await openSse(server.origin + path);
    expect(session.endpoint.split('?')[0]).toBe(messages);
    await expectService(session);
    session.close();
  });

  it('names the prefix that a trusted proxy has taken off, and no other', async () => {
    await using trusting = await start({ tools: { echo } }, { prepare: trustProxy });
    await using plain = await start({ tools: { echo } });
    const headers = { 'x-forwarded-prefix': '/tenant/7/' };
    const [behind, direct] = [await openSse(`${trusting.url}/sse`, { headers }), await openSse(`${plain.url}/sse`, { headers })];
    expect(behind.endpoint).toMatch(/^\/tenant\/7\/mcp\/messages\?/u);
    expect(direct.endpoint).toMatch(/^\/mcp\/messages\?/u);
    behind.close();
    direct.close();
  });

  it.each([
    '//evil.example.com',
    String.raw`/\evil.example.com`,
    '/\t/evil.example.com',
    '/ok//evil',
    '/a, /b',
    '/a?b',
    '/a#b',
    'https://evil.example.com',
    '/',
  ])('names no prefix for X-Forwarded-Prefix %j, so that messages are posted to the origin of the stream', async prefix => {
    await using server = await start({ tools: { echo } }, { prepare: trustProxy });
    const session = await openSse(`${server.url}/sse`, { headers: { 'x-forwarded-prefix': prefix } });
    expect(session.endpoint).toMatch(/^\/mcp\/messages\?/u);
    session.close();
  });

  it('ends the session when the client goes: running calls are aborted and no row is left', async () => {
    const store = memoryStore();
    const began = deferred<AbortSignal>();
    const aborted = deferred();
    await using server = await start({
      sessions: { store },
      tools: {
        slow: {
          description: 'Never ends',
          handler: (_: unknown, { mcp }: HandlerContext) => {
            mcp.signal.addEventListener('abort', () => aborted.resolve());
            began.resolve(mcp.signal);
            return new Promise(() => undefined);
          },
        },
      },
    });
    const session = await openSse(`${server.url}/sse`);
    const id = session.response.headers.get('mcp-session-id') as string;
    await session.post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'slow' } });
    await began.promise;
    expect(await store.find(id)).toBeDefined();
    session.close();
    await aborted.promise;
    await expect.poll(() => store.find(id)).toBeUndefined();
    expect((await session.post({ jsonrpc: '2.0', id: 2, method: 'ping' })).status).toBe(404);
  });

  it('ends when its session is ended', async () => {
    await using server = await start({ tools: { echo } });
    const session = await openSse(`${server.url}/sse`);
    const id = session.response.headers.get('mcp-session-id') as string;
    const { status } = await fetch(`${server.url}/sse`, { method: 'DELETE', headers: { 'mcp-session-id': id } });
    expect(status).toBe(204);
    expect(await session.next()).toBeUndefined();
  });
});

describe('POST <path>/messages', () => {
  it('answers 202 without a body at once, and on the stream when the work is done, in order of completion', async () => {
    const gate = deferred();
    await using server = await start({
      tools: { echo, slow: { description: 'Waits', handler: () => gate.promise.then(() => 'slow') } },
    });
    const session = await openSse(`${server.url}/sse`);
    const posts = [
      { jsonrpc: '2.0', id: 0, method: 'initialize', params: initializeParams },
      { jsonrpc: '2.0', id: 'call', method: 'tools/call', params: { name: 'slow' } },
      { jsonrpc: '2.0', id: 2, method: 'tools/list' },
    ];
    for (const message of posts) {
      const response = await session.post(message);
      expect([response.status, await response.text()]).toEqual([202, '']);
    }
    expect([(await session.next())?.id, (await session.next())?.id]).toEqual([0, 2]);
    gate.resolve();
    expect(await session.next()).toMatchObject({ id: 'call', result: { content: [{ text: 'slow' }] } });
    session.close();
  });

  it('answers each of fifty parallel messages once', async () => {
    await using server = await start({ tools: { echo } });
    const session = await openSse(`${server.url}/sse`);
    const ids = Array.from({ length: 50 }, (_, id) => id);
    const statuses = await Promise.all(
      ids.map(
        async id =>
          (await session.post({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'echo', arguments: { text: `${id}` } } })).status,
      ),
    );
    expect(new Set(statuses)).toEqual(new Set([202]));
    const answers = [];
    for (const _ of ids) answers.push(await session.next());
    expect(answers.map(answer => answer?.result?.content[0].text).sort()).toEqual(ids.map(String).sort());
    session.close();
  });

  it('carries logs and progress of a call on the same stream, before its response', async () => {
    await using server = await start({
      tools: {
        talk: {
          description: 'Talks',
          handler: (_: unknown, { mcp }: HandlerContext) => {
            mcp.log('info', 'hello');
            mcp.progress(1, 2, 'a message that this revision does not have');
          },
        },
      },
    });
    const session = await openSse(`${server.url}/sse`);
    await session.post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'talk', _meta: { progressToken: 7 } } });
    const messages = [await session.next(), await session.next(), await session.next()];
    expect(messages.map(message => message?.method ?? message?.id)).toEqual(['notifications/message', 'notifications/progress', 1]);
    expect(messages[1]?.params).toEqual({ progressToken: 7, progress: 1, total: 2 });
    session.close();
  });

  it('takes a cancellation while the call runs; the call is not answered', async () => {
    const began = deferred<AbortSignal>();
    await using server = await start({
      tools: {
        slow: {
          description: 'Never ends',
          handler: (_: unknown, { mcp }: HandlerContext) => {
            began.resolve(mcp.signal);
            return new Promise(() => undefined);
          },
        },
      },
    });
    const session = await openSse(`${server.url}/sse`);
    await session.post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'slow' } });
    const signal = await began.promise;
    await session.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    expect(signal.aborted).toBe(true);
    expect((await session.request('ping')).result).toEqual({});
    session.close();
  });

  it('carries a question to the client and its answer back', async () => {
    await using server = await start({
      tools: {
        roots: {
          description: 'Asks',
          handler: async (_: unknown, { mcp }: HandlerContext) => (await mcp.roots()).map(({ uri }) => uri).join(),
        },
      },
    });
    const session = await openSse(`${server.url}/sse`);
    await session.request('initialize', { ...initializeParams, capabilities: { roots: {} } });
    await session.post({ jsonrpc: '2.0', id: 9, method: 'tools/call', params: { name: 'roots' } });
    const asked = await session.next();
    expect(asked?.method).toBe('roots/list');
    await session.post({ jsonrpc: '2.0', id: asked?.id, result: { roots: [{ uri: 'file:///a' }] } });
    expect((await session.next())?.result?.content[0].text).toBe('file:///a');
    session.close();
  });

  it.each([
    ['no session id', '', 400],
    ['an unknown session', '?sessionId=mcp_unknown', 404],
    ['two session ids', '?sessionId=a&sessionId=b', 400],
  ])('with %s is refused, saying what to do', async (_, query, status) => {
    await using server = await start({});
    const answer = await post(`${server.url}/messages${query}`, { jsonrpc: '2.0', id: 1, method: 'ping' });
    expect([answer.status, answer.messages[0]?.error?.message]).toEqual([status, expect.stringContaining('stream')]);
  });

  it.each([
    ['not JSON', '{', 400],
    ['no message', '{"a":1}', 400],
  ])('with %s is refused and the session goes on', async (_, body, status) => {
    await using server = await start({ tools: { echo } });
    const session = await openSse(`${server.url}/sse`);
    expect((await session.post(body)).status).toBe(status);
    await expectService(session);
    session.close();
  });

  it('refuses the session of another principal, and of another transport, as unknown', async () => {
    const signIn: Koa.Middleware = (ctx, next) => {
      ctx.state['user'] = ctx.get('x-user') || undefined;
      return next();
    };
    await using server = await start({ tools: { echo } }, { before: [signIn] });
    const session = await openSse(`${server.url}/sse`, { headers: { 'x-user': 'ada' } });
    const id = session.response.headers.get('mcp-session-id') as string;
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    expect((await post(`${server.url}/messages?sessionId=${id}`, ping, { headers: { 'x-user': 'grace' } })).status).toBe(404);
    expect((await post(`${server.url}/messages?sessionId=${id}`, ping)).status).toBe(404);
    expect((await post(server.url, ping, { headers: { 'x-user': 'ada', 'mcp-session-id': id } })).status).toBe(404);
    const streamable = await open(server.url, { headers: { 'x-user': 'ada' } });
    expect((await post(`${server.url}/messages?sessionId=${streamable.id}`, ping, { headers: { 'x-user': 'ada' } })).status).toBe(404);
    expect((await session.request('ping')).result).toEqual({});
    session.close();
  });

  it('answers other methods 405 with Allow', async () => {
    await using server = await start({});
    const response = await fetch(`${server.url}/messages`);
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  });
});

describe('POST <path>/sse', () => {
  const inSession = async (server: TestServer, send: (id: string) => [string, Record<string, string>]) => {
    const session = await openSse(`${server.url}/sse`);
    const [query, headers] = send(session.response.headers.get('mcp-session-id') as string);
    const { status } = await post(`${server.url}/sse${query}`, { jsonrpc: '2.0', id: 5, method: 'no/such' }, { headers });
    const answer = await session.next();
    session.close();
    return [status, answer?.id];
  };

  it('takes messages of a session of its own, named in the query or the header', async () => {
    await using server = await start({});
    expect(await inSession(server, id => [`?sessionId=${id}`, {}])).toEqual([202, 5]);
    expect(await inSession(server, id => ['', { 'mcp-session-id': id }])).toEqual([202, 5]);
  });

  it('serves Streamable HTTP to clients that were pointed at it, with its stream and its end', async () => {
    await using server = await start({ tools: { echo } });
    const session = await open(`${server.url}/sse`);
    expect((await session.call('echo', { text: 'hi' })).content[0].text).toBe('hi');
    const abort = new AbortController();
    const stream = await session.listen(abort.signal);
    await server.mcp.listChanged('tools');
    expect((await stream.next()).value?.method).toBe('notifications/tools/list_changed');
    abort.abort();
    expect((await fetch(`${server.url}/sse`, { method: 'DELETE', headers: session.headers })).status).toBe(204);
  });
});
