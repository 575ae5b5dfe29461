import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { TestDatabase } from '../support/database.ts';
import { openDatabase } from '../support/database.ts';
import { ModernClient } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { openSse } from '../support/sse.ts';
import { open } from '../support/wire.ts';
import { bearer, callerOf, fill, serve } from './world.ts';

/** An id is no credential: whoever learns one of somebody else's is answered as if it were made up. */
describe('the ids of one caller, used by another', () => {
  let db: TestDatabase;
  let server: TestServer;
  const thieves: [who: string, headers: Record<string, string>][] = [
    ['another client', bearer(1)],
    ['a guest', {}],
  ];
  const accept = 'application/json, text/event-stream';
  const called: number[] = [];

  beforeAll(async () => {
    db = await openDatabase('sqlite');
    await fill(db.prisma);
    const whoami = {
      description: 'Says who calls',
      handler: (_args: unknown, ctx: unknown) => {
        called.push(callerOf(ctx));
        return String(callerOf(ctx));
      },
    };
    const confirm = {
      description: 'Asks first',
      handler: async (_args: unknown, ctx: { mcp: { elicit(form: object): Promise<{ content?: unknown }> } }) => {
        const { content } = await ctx.mcp.elicit({ message: 'Sure?', requestedSchema: z.object({ sure: z.boolean() }) });
        return JSON.stringify(content);
      },
    };
    server = await serve(db, { room: {} }, { whoami, confirm });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await db.close();
  });

  const send = (path: string, method: string, headers: Record<string, string>, body?: unknown): Promise<Response> =>
    fetch(server.origin + path, {
      method,
      headers: { accept, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const callWhoami = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami' } };

  it.each(thieves)('open no session of Streamable HTTP to %s, on any route', async (_who, headers) => {
    const session = await open(server.url, { headers: bearer(2), revision: '2025-03-26' });
    called.length = 0;
    const stolen = { ...headers, 'mcp-session-id': session.id };
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };
    const tries: [path: string, method: string, body?: unknown][] = [
      ...[callWhoami, [callWhoami, callWhoami], cancelled, { jsonrpc: '2.0', id: 1, result: {} }].map(
        body => ['/mcp', 'POST', body] as [string, string, unknown],
      ),
      ['/mcp', 'GET'],
      ['/mcp', 'DELETE'],
      [`/mcp/messages?sessionId=${session.id}`, 'POST', callWhoami],
      [`/mcp/sse?sessionId=${session.id}`, 'POST', callWhoami],
      ['/mcp/sse', 'POST', callWhoami],
    ];
    for (const [path, method, body] of tries) {
      const response = await send(path, method, stolen, body);
      expect(response.status, `${method} ${path}`).toBe(404);
      expect(await response.text()).not.toContain(session.id);
    }
    expect(called).toEqual([]);
    expect((await session.call('whoami')).content[0].text).toBe('2');
  });

  it.each(thieves)('open no session of HTTP+SSE to %s, and no stream of it', async (_who, headers) => {
    const session = await openSse(`${server.url}/sse`, { headers: bearer(2) });
    called.length = 0;
    const id = new URL(session.endpoint, server.origin).searchParams.get('sessionId') ?? '';
    expect(id).toMatch(/^mcp_/);
    for (const [path, more] of [
      [session.endpoint, {}],
      [`/mcp/sse?sessionId=${id}`, {}],
      ['/mcp/messages', { 'mcp-session-id': id }],
      ['/mcp', { 'mcp-session-id': id }],
    ] as [string, Record<string, string>][]) {
      expect((await send(path, 'POST', { ...headers, ...more }, callWhoami)).status, path).toBe(404);
    }
    expect((await send('/mcp', 'DELETE', { ...headers, 'mcp-session-id': id })).status).toBe(404);
    expect(called).toEqual([]);
    await session.post(callWhoami);
    expect((await session.next())?.result.content[0].text).toBe('2');
    session.close();
  });

  it.each(thieves)('replay no stream to %s', async (_who, headers) => {
    const victim = await open(server.url, { headers: bearer(2) });
    const abort = new AbortController();
    const listening = await fetch(server.url, { headers: { ...victim.headers, accept: 'text/event-stream' }, signal: abort.signal });
    const { value } = await (listening.body as ReadableStream<Uint8Array>).getReader().read();
    const [, eventId = ''] = /^id: ?(.+)$/m.exec(new TextDecoder().decode(value)) ?? [];
    expect(eventId).not.toBe('');
    const own = await open(server.url, { headers });
    const replay = await send('/mcp', 'GET', { ...headers, 'mcp-session-id': own.id, 'last-event-id': eventId });
    expect(replay.status).toBe(400);
    abort.abort();
  });

  it.each(thieves)('continue no call of the stateless revision for %s, and spoil none', async (_who, headers) => {
    const capabilities = { elicitation: { form: {} } };
    const victim = new ModernClient(server.url, { headers: bearer(2), capabilities });
    const asked = await victim.result('tools/call', { name: 'confirm' });
    expect(asked.resultType).toBe('input_required');
    const [key = ''] = Object.keys(asked.inputRequests);
    const inputResponses = { [key]: { action: 'accept', content: { sure: true } } };
    const retry = { name: 'confirm', requestState: asked.requestState, inputResponses };
    const thief = new ModernClient(server.url, { headers, capabilities });
    expect(await thief.error('tools/call', retry)).toMatchObject({ code: -32602 });
    const own = await victim.request('tools/call', retry);
    expect(own.response.result?.content ?? own.response.error).toEqual([{ type: 'text', text: '{"sure":true}' }]);
  });
});
