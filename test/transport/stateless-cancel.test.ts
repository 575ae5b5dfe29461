import { EventEmitter, once } from 'node:events';
import type Koa from 'koa';
import { describe, expect, it } from 'vitest';
import type { HandlerContext } from '../../src/index.ts';
import { ModernClient } from '../support/modern.ts';
import { start } from '../support/server.ts';

/** A server whose tool tells how it went, and can be told to go on. */
async function startSlow() {
  const happened = new EventEmitter();
  const server = await start({
    tools: {
      slow: {
        description: 'Runs until the client goes away',
        handler: async (_: unknown, { mcp }: HandlerContext) => {
          happened.emit('started', mcp);
          mcp.progress(1);
          const how = await new Promise(resolve => {
            mcp.signal.addEventListener('abort', () => resolve('aborted'));
            happened.once('go', () => resolve('done'));
          });
          happened.emit('ended', how);
          return how;
        },
      },
    },
  });
  return Object.assign(server, { happened, client: new ModernClient(server.url) });
}

describe('a client that goes away', () => {
  it('cancels a call that has a JSON body to come', async () => {
    await using server = await startSlow();
    const abort = new AbortController();
    const [started, ended] = [once(server.happened, 'started'), once(server.happened, 'ended')];
    const call = server.client.request('tools/call', { name: 'slow' }, { signal: abort.signal });
    await started;
    abort.abort();
    await expect(call).rejects.toThrow('aborted');
    expect(await ended).toEqual(['aborted']);
  });

  it('cancels a call whose stream has begun', async () => {
    await using server = await startSlow();
    const ended = once(server.happened, 'ended');
    const stream = await server.client.stream('tools/call', { name: 'slow' }, { progressToken: 'p' });
    expect((await stream.next())?.method).toBe('notifications/progress');
    stream.close();
    expect(await ended).toEqual(['aborted']);
  });

  it('cancels no other call, not even one of the same id', async () => {
    await using server = await startSlow();
    const abort = new AbortController();
    const gone = server.client.request('tools/call', { name: 'slow' }, { id: 1, signal: abort.signal });
    await once(server.happened, 'started');
    const [started, ended] = [once(server.happened, 'started'), once(server.happened, 'ended')];
    const stays = server.client.call('slow', {}, { id: 1 });
    await started;
    abort.abort();
    await expect(gone).rejects.toThrow('aborted');
    expect(await ended).toEqual(['aborted']);
    server.happened.emit('go');
    expect((await stays).content[0].text).toBe('done');
  });

  it('cancels before the handler begins if it goes while the host still asks who it is', async () => {
    const happened = new EventEmitter();
    let runs = 0;
    const before: Koa.Middleware[] = [
      async (ctx, next) => {
        ctx.res.once('close', () => happened.emit('closed'));
        await next();
        happened.emit('over');
      },
    ];
    const options = {
      principal: async () => {
        const go = once(happened, 'go');
        happened.emit('asked');
        await go;
        return 'ada';
      },
      tools: { count: { description: 'Counts its runs', handler: () => `${++runs}` } },
    };
    await using server = await start(options, { before });
    const abort = new AbortController();
    const [asked, closed, over] = [once(happened, 'asked'), once(happened, 'closed'), once(happened, 'over')];
    const call = new ModernClient(server.url).request('tools/call', { name: 'count' }, { signal: abort.signal });
    await asked;
    abort.abort();
    await expect(call).rejects.toThrow('aborted');
    await closed;
    happened.emit('go');
    await over;
    expect(runs).toBe(0);
  });

  it('leaves nothing to be said: what a handler reports afterwards goes nowhere, and nothing breaks', async () => {
    await using server = await startSlow();
    const [started, ended] = [once(server.happened, 'started'), once(server.happened, 'ended')];
    const stream = await server.client.stream('tools/call', { name: 'slow' }, { progressToken: 'p', logLevel: 'debug' });
    const [mcp] = (await started) as [HandlerContext['mcp']];
    stream.close();
    await ended;
    mcp.progress(2);
    mcp.log('error', 'late');
    expect((await server.client.request('tools/list')).status).toBe(200);
  });
});

describe('a server that closes', () => {
  it('lets a call finish within its deadline', async () => {
    await using server = await startSlow();
    const started = once(server.happened, 'started');
    const call = server.client.call('slow');
    await started;
    const closed = server.mcp.close({ deadlineMs: 10_000 });
    server.happened.emit('go');
    expect((await call).content[0].text).toBe('done');
    await closed;
  });

  it('gives a call up after its deadline and says so: 503 and -32603', async () => {
    await using server = await startSlow();
    const [started, ended] = [once(server.happened, 'started'), once(server.happened, 'ended')];
    const call = server.client.error('tools/call', { name: 'slow' });
    await started;
    await server.mcp.close({ deadlineMs: 0 });
    expect(await call).toMatchObject({
      status: 503,
      code: -32603,
      message: 'The server is closing; whether the request took effect is unknown',
    });
    expect(await ended).toEqual(['aborted']);
  });
});

describe('notifications/cancelled', () => {
  it('is answered 202 and cancels nothing: ids of different clients are the same', async () => {
    await using server = await startSlow();
    const started = once(server.happened, 'started');
    const call = server.client.call('slow', {}, { id: 5 });
    await started;
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'mcp-protocol-version': '2026-07-28' },
      body: JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5 } }),
    });
    expect([response.status, await response.text()]).toEqual([202, '']);
    server.happened.emit('go');
    expect((await call).content[0].text).toBe('done');
  });
});

describe('a stream of a call', () => {
  it('ends with the response, and has neither event ids nor `retry` nor a priming event', async () => {
    await using server = await startSlow();
    const stream = await server.client.stream('tools/call', { name: 'slow' }, { progressToken: 'p' });
    expect((await stream.next())?.method).toBe('notifications/progress');
    server.happened.emit('go');
    const rest = await stream.rest();
    expect(rest.map(({ id, result }) => [id, result?.resultType])).toEqual([[1, 'complete']]);
    expect(stream.oddities).toEqual([]);
    expect(stream.response.headers.get('x-accel-buffering')).toBe('no');
    expect(stream.response.headers.has('mcp-session-id')).toBe(false);
  });

  it('ignores Last-Event-ID', async () => {
    await using server = await startSlow();
    expect((await server.client.request('tools/list', {}, { headers: { 'last-event-id': '1' } })).status).toBe(200);
  });
});
