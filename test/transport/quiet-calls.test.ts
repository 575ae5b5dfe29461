import { EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import type Koa from 'koa';
import { describe, expect, it } from 'vitest';
import { McpError } from '../../src/errors.ts';
import type { HandlerContext } from '../../src/index.ts';
import { modernRequest } from '../support/modern.ts';
import { start } from '../support/server.ts';
import { openReader } from '../support/sse.ts';
import { open, post } from '../support/wire.ts';

/** A server whose tool says nothing until the test tells it how to end, and tells how it ended. */
async function startQuiet() {
  const happened = new EventEmitter();
  const note: Koa.Middleware = async (ctx, next) => {
    await next();
    if (ctx.body instanceof Readable) ctx.res.once('close', () => happened.emit('stream closed'));
  };
  const handler = async (_: unknown, { mcp }: HandlerContext) => {
    happened.emit('started');
    const end: unknown = await new Promise(resolve => {
      mcp.signal.addEventListener('abort', () => resolve('aborted'));
      happened.once('go', resolve);
    });
    happened.emit('ended', end);
    if (end instanceof Error) throw end;
    return String(end);
  };
  const tools = { quiet: { description: 'Says nothing', handler } };
  const server = await start({ limits: { heartbeatMs: 20 }, tools }, { before: [note] });
  return Object.assign(server, { happened });
}

const call = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'quiet' } };
const sessionRevisions = ['2025-03-26', '2025-06-18', '2025-11-25'];

/** A call of the tool, in a session of its own where the revision has sessions. */
async function callOf(url: string, revision: string) {
  if (revision === '2026-07-28') return { url, ...modernRequest('tools/call', { name: 'quiet' }, { id: 7 }) };
  const { headers } = await open(url, { revision });
  return { url, body: call, headers };
}

describe.each([...sessionRevisions, '2026-07-28'])('a call of %s that says nothing for `heartbeatMs`', revision => {
  it('is answered on a stream with comments, and then with its result', async () => {
    await using server = await startQuiet();
    const reader = await openReader(await callOf(server.url, revision));
    expect([reader.response.status, reader.response.headers.get('x-accel-buffering')]).toEqual([200, 'no']);
    await reader.untilComments(3);
    // Only clients of 2025-11-25 take an event id before the first message.
    expect(reader.lastEventId === undefined).toBe(revision !== '2025-11-25');
    server.happened.emit('go', 'done');
    expect(await reader.end()).toMatchObject([{ id: 7, result: { content: [{ text: 'done' }] } }]);
    expect(reader.received[0]?.id === undefined).toBe(revision === '2026-07-28');
  });

  it('reports an error on the stream, with the status 200', async () => {
    await using server = await startQuiet();
    const reader = await openReader(await callOf(server.url, revision));
    server.happened.emit('go', new McpError('InvalidParams', 'No such room', { status: 400 }));
    expect(await reader.end()).toMatchObject([{ id: 7, error: { code: -32602, message: 'No such room' } }]);
  });

  it('is answered as JSON if its client accepts no stream', async () => {
    await using server = await startQuiet();
    const { body, headers } = await callOf(server.url, revision);
    const answer = post(server.url, body, { headers: { ...headers, accept: 'application/json' } });
    await once(server.happened, 'started');
    // This call began later, so the other one has been silent for longer.
    const later = await openReader(await callOf(server.url, revision));
    await later.untilComments(2);
    server.happened.emit('go', 'done');
    const { headers: answered, response } = await answer;
    expect(answered.get('content-type')).toBe('application/json; charset=utf-8');
    expect(response.result).toMatchObject({ content: [{ text: 'done' }] });
    await later.end();
  });
});

describe('a client that leaves such a call', () => {
  it.each(sessionRevisions)('does not cancel it in %s', async revision => {
    await using server = await startQuiet();
    const [closed, ended] = [once(server.happened, 'stream closed'), once(server.happened, 'ended')];
    const reader = await openReader(await callOf(server.url, revision));
    reader.close();
    await closed;
    server.happened.emit('go', 'done');
    expect(await ended).toEqual(['done']);
  });

  it('gets its result in 2025-11-25 when it comes back with Last-Event-ID', async () => {
    await using server = await startQuiet();
    const { url, body, headers } = await callOf(server.url, '2025-11-25');
    const reader = await openReader({ url, body, headers });
    await reader.untilComments(1);
    reader.close();
    const resumed = await openReader({ url, headers: { ...headers, 'last-event-id': reader.lastEventId ?? '' } });
    server.happened.emit('go', 'done');
    expect(await resumed.end()).toMatchObject([{ id: 7, result: { content: [{ text: 'done' }] } }]);
  });

  it('cancels it in 2026-07-28', async () => {
    await using server = await startQuiet();
    const ended = once(server.happened, 'ended');
    const reader = await openReader(await callOf(server.url, '2026-07-28'));
    reader.close();
    expect(await ended).toEqual(['aborted']);
  });
});

describe('a batch in which a call says nothing for `heartbeatMs`', () => {
  it('is answered on a stream that begins with the responses to the others', async () => {
    await using server = await startQuiet();
    const { url, headers } = await callOf(server.url, '2025-03-26');
    const reader = await openReader({ url, headers, body: [{ jsonrpc: '2.0', id: 1, method: 'ping' }, call] });
    expect(await reader.count(1)).toMatchObject([{ id: 1, result: {} }]);
    await reader.untilComments(2);
    server.happened.emit('go', 'done');
    expect(await reader.end()).toMatchObject([{ id: 1 }, { id: 7, result: { content: [{ text: 'done' }] } }]);
  });
});
