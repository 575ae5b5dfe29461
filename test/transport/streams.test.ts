import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import type Koa from 'koa';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { start } from '../support/server.ts';
import { events, open, post } from '../support/wire.ts';

const noArgs = z.object({});

describe('a call that says something before its result', () => {
  it('is answered on a stream: progress in order, then the response', async () => {
    await using server = await start({
      tools: {
        steps: {
          description: 'Reports',
          handler: (_, { mcp }: HandlerContext) => {
            mcp.progress(1, 3, 'one');
            mcp.progress(3, 3);
            mcp.progress(2, 3, 'backwards, so dropped');
            return 'done';
          },
        },
      },
    });
    const session = await open(server.url);
    const { headers, messages } = await session.request('tools/call', { name: 'steps', _meta: { progressToken: 'p' } });
    expect(headers.get('content-type')).toBe('text/event-stream');
    expect(headers.get('cache-control')).toBe('no-cache, no-transform');
    expect(messages.slice(0, -1).map(({ params }) => params)).toEqual([
      { progressToken: 'p', progress: 1, total: 3, message: 'one' },
      { progressToken: 'p', progress: 3, total: 3 },
    ]);
    expect(messages.at(-1)?.result.content).toEqual([{ type: 'text', text: 'done' }]);
  });

  it('is answered as JSON when nobody asked for progress', async () => {
    await using server = await start({
      tools: { quiet: { description: 'Reports', handler: (_, { mcp }: HandlerContext) => mcp.progress(1) } },
    });
    const session = await open(server.url);
    expect((await session.request('tools/call', { name: 'quiet' })).headers.get('content-type')).toContain('application/json');
  });

  it('sends each message when it is said, not at the end', async () => {
    let finish: (() => void) | undefined;
    await using server = await start({
      tools: {
        wait: {
          description: 'Waits',
          handler: async (_, { mcp }: HandlerContext) => {
            mcp.log('info', { step: 1 }, 'tool');
            await new Promise<void>(resolve => {
              finish = resolve;
            });
          },
        },
      },
    });
    const session = await open(server.url);
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { ...session.headers, 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name: 'wait' } }),
    });
    const stream = events(response);
    expect((await stream.next()).value?.params).toEqual({ level: 'info', logger: 'tool', data: { step: 1 } });
    finish?.();
    expect((await stream.next()).value?.id).toBe(5);
    expect((await stream.next()).done).toBe(true);
  });

  it('goes on when the client drops the connection: that is no cancellation', async () => {
    const states: string[] = [];
    let finish: (() => void) | undefined;
    let finished: (() => void) | undefined;
    const done = new Promise<void>(resolve => {
      finished = resolve;
    });
    await using server = await start({
      tools: {
        wait: {
          description: 'Waits',
          handler: async (_, { mcp }: HandlerContext) => {
            mcp.log('info', 'begun');
            await new Promise<void>(resolve => {
              finish = resolve;
            });
            states.push(mcp.signal.aborted ? 'aborted' : 'finished');
            finished?.();
          },
        },
      },
    });
    const session = await open(server.url);
    const abort = new AbortController();
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { ...session.headers, 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name: 'wait' } }),
      signal: abort.signal,
    });
    await events(response).next();
    abort.abort();
    finish?.();
    await done;
    expect(states).toEqual(['finished']);
  });
});

describe('logging', () => {
  it('sends what the level admits, after logging/setLevel', async () => {
    await using server = await start({
      tools: {
        talk: {
          description: 'Logs',
          handler: (_, { mcp }: HandlerContext) => {
            for (const level of ['debug', 'info', 'warning', 'emergency'] as const) mcp.log(level, level);
          },
        },
      },
    });
    const session = await open(server.url);
    const logged = async () => {
      const { messages } = await session.request('tools/call', { name: 'talk' });
      return messages.filter(({ method }) => method === 'notifications/message').map(({ params }) => params?.['level']);
    };
    expect(await logged()).toEqual(['debug', 'info', 'warning', 'emergency']);
    expect(await session.result('logging/setLevel', { level: 'warning' })).toEqual({});
    expect(await logged()).toEqual(['warning', 'emergency']);
    expect(await session.error('logging/setLevel', { level: 'loud' })).toMatchObject({
      code: -32602,
      message: expect.stringContaining('emergency'),
    });
    expect(await logged()).toEqual(['warning', 'emergency']);
  });
});

describe('notifications/cancelled', () => {
  const slow = () => {
    let began: ((signal: AbortSignal) => void) | undefined;
    const begun = new Promise<AbortSignal>(resolve => {
      began = resolve;
    });
    const tool = {
      description: 'Never ends',
      inputSchema: noArgs,
      handler: (_: unknown, { mcp }: HandlerContext) => {
        began?.(mcp.signal);
        return new Promise(() => undefined);
      },
    };
    return { tool, begun };
  };

  it('aborts the handler and the request gets no response', async () => {
    const { tool, begun } = slow();
    await using server = await start({ tools: { slow: tool } });
    const session = await open(server.url);
    const call = session.send({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'slow' } });
    const signal = await begun;
    expect((await session.notify('notifications/cancelled', { requestId: 7, reason: 'changed my mind' })).status).toBe(202);
    expect(signal.aborted).toBe(true);
    expect((signal.reason as Error).message).toBe('changed my mind');
    const { status, text } = await call;
    expect([status, text]).toEqual([202, '']);
  });

  it('matches the id with its type, and the session', async () => {
    const { tool, begun } = slow();
    await using server = await start({ tools: { slow: tool } });
    const [session, other] = [await open(server.url), await open(server.url)];
    const call = session.send({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'slow' } });
    const signal = await begun;
    await session.notify('notifications/cancelled', { requestId: '7' });
    await other.notify('notifications/cancelled', { requestId: 7 });
    expect(signal.aborted).toBe(false);
    await session.notify('notifications/cancelled', { requestId: 7 });
    expect(signal.aborted).toBe(true);
    await call;
  });
});

describe('the standalone stream', () => {
  it('carries list_changed, once for each session however many streams it has', async () => {
    await using server = await start({ tools: { one: { description: 'One', handler: () => 'one' } } });
    const session = await open(server.url);
    const abort = new AbortController();
    const streams = [await session.listen(abort.signal), await session.listen(abort.signal)];
    await server.mcp.listChanged('tools');
    await server.mcp.listChanged('prompts');
    const received = [(await streams[1]?.next())?.value, (await streams[1]?.next())?.value];
    expect(received.map(message => message?.method)).toEqual(['notifications/tools/list_changed', 'notifications/prompts/list_changed']);
    abort.abort();
  });

  it('carries resources/updated to subscribers only', async () => {
    await using server = await start({ resources: { hours: { uri: 'test://hours', handler: () => '9 to 5' } } });
    const abort = new AbortController();
    const [subscriber, other] = [await open(server.url), await open(server.url)];
    const [mine, theirs] = [await subscriber.listen(abort.signal), await other.listen(abort.signal)];
    expect(await subscriber.result('resources/subscribe', { uri: 'test://hours' })).toEqual({});
    await server.mcp.resourceUpdated('test://hours');
    await server.mcp.listChanged('resources');
    expect((await mine.next()).value).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/resources/updated',
      params: { uri: 'test://hours' },
    });
    expect((await theirs.next()).value?.method).toBe('notifications/resources/list_changed');
    expect(await subscriber.result('resources/unsubscribe', { uri: 'test://hours' })).toEqual({});
    await server.mcp.resourceUpdated('test://hours');
    await server.mcp.listChanged('tools');
    expect([(await mine.next()).value?.method, (await mine.next()).value?.method]).toEqual([
      'notifications/resources/list_changed',
      'notifications/tools/list_changed',
    ]);
    abort.abort();
  });

  it('is answered 405 without a session id, 404 for an unknown one, 406 without the media type', async () => {
    await using server = await start({});
    const session = await open(server.url);
    const get = async (headers: Record<string, string>) => (await fetch(server.url, { headers })).status;
    expect(await get({ accept: 'text/event-stream' })).toBe(405);
    expect(await get({ accept: 'text/event-stream', 'mcp-session-id': 'mcp_no' })).toBe(404);
    expect(await get({ ...session.headers, accept: 'application/json' })).toBe(406);
  });

  it('is opened for a client that sends a doubled Accept and a Content-Type without a body', async () => {
    await using server = await start({});
    const session = await open(server.url);
    const accept = 'application/json, text/event-stream, text/event-stream';
    const response = await fetch(server.url, { headers: { ...session.headers, accept, 'content-type': 'application/json' } });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    await response.body?.cancel();
  });

  it('gets a comment now and then, so that no proxy cuts it', async () => {
    await using server = await start({ limits: { heartbeatMs: 20 } });
    const session = await open(server.url, { revision: '2025-06-18' });
    const response = await fetch(server.url, { headers: { ...session.headers, accept: 'text/event-stream' } });
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk);
      if (text.length >= 12) break;
    }
    expect(text).toMatch(/^(?:: \n\n){3,}$/u);
  });

  it('is no error of the app when its client goes away', async () => {
    const gone = new EventEmitter();
    const watch: Koa.Middleware = (ctx, next) => {
      if (ctx.method === 'GET') ctx.res.once('close', () => setImmediate(() => gone.emit('close')));
      return next();
    };
    await using server = await start({}, { before: [watch] });
    const session = await open(server.url);
    const abort = new AbortController();
    await session.listen(abort.signal);
    abort.abort();
    await once(gone, 'close');
    expect(server.errors).toEqual([]);
  });

  it('keeps its session in use until it is closed, and not longer', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
    try {
      const gone = new EventEmitter();
      const watch: Koa.Middleware = (ctx, next) => {
        if (ctx.method === 'GET') ctx.res.once('close', () => setImmediate(() => gone.emit('close')));
        return next();
      };
      await using server = await start({ sessions: { idleMs: 120_000 } }, { before: [watch] });
      const session = await open(server.url);
      const abort = new AbortController();
      await session.listen(abort.signal);
      await vi.advanceTimersByTimeAsync(600_000);
      expect((await session.request('ping')).status).toBe(200);
      const closed = once(gone, 'close');
      abort.abort();
      await closed;
      await vi.advanceTimersByTimeAsync(600_000);
      expect((await session.request('ping')).status).toBe(404);
    } finally {
      vi.useRealTimers();
    }
  });

  it('closes the oldest past the ceiling', async () => {
    await using server = await start({ limits: { maxStreams: 2 } });
    const session = await open(server.url);
    const abort = new AbortController();
    const first = await session.listen(abort.signal);
    await session.listen(abort.signal);
    await session.listen(abort.signal);
    expect((await first.next()).done).toBe(true);
    abort.abort();
  });

  it('is closed when its reader is too slow, and the server goes on', async () => {
    await using server = await start({ limits: { maxStreamBufferBytes: 100_000 } });
    const session = await open(server.url);
    const { port } = new URL(server.url);
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.pause();
    socket.write(`GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nMcp-Session-Id: ${session.id}\r\n\r\n`);
    await post(server.url, '{}', { headers: session.headers });
    const message = 'x'.repeat(1000);
    const closed = once(socket, 'close');
    for (let sent = 0; sent < 20_000 && !socket.destroyed; sent += 1) {
      await server.mcp.listChanged('tools');
      if (sent % 50 === 0) await server.mcp.resourceUpdated(`test://${message}`);
    }
    socket.resume();
    await closed;
    expect(await session.result('ping')).toEqual({});
  });
});

describe('DELETE', () => {
  it('ends the session: its streams end, its calls are given up, and it is gone', async () => {
    let began: ((signal: AbortSignal) => void) | undefined;
    const begun = new Promise<AbortSignal>(resolve => {
      began = resolve;
    });
    await using server = await start({
      tools: {
        slow: {
          description: 'Never ends',
          handler: (_, { mcp }: HandlerContext) => {
            began?.(mcp.signal);
            return new Promise(() => undefined);
          },
        },
      },
    });
    const session = await open(server.url);
    const stream = await session.listen(new AbortController().signal);
    const call = session.request('tools/call', { name: 'slow' });
    const signal = await begun;
    const response = await fetch(server.url, { method: 'DELETE', headers: { ...session.headers, 'content-type': 'application/json' } });
    expect(response.status).toBe(204);
    expect((await stream.next()).done).toBe(true);
    expect(signal.aborted).toBe(true);
    expect((await call).status).toBe(202);
    expect((await session.request('ping')).status).toBe(404);
    expect((await fetch(server.url, { method: 'DELETE', headers: session.headers })).status).toBe(404);
  });

  it('is answered 400 without a session id', async () => {
    await using server = await start({});
    expect((await fetch(server.url, { method: 'DELETE' })).status).toBe(400);
  });
});
