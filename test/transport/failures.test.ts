import type Koa from 'koa';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { memoryStore, prismaStore, StoreUnavailable } from '../../src/index.ts';
import { emptyDatabase } from '../support/database.ts';
import { modernRequest } from '../support/modern.ts';
import { start } from '../support/server.ts';
import { open, post } from '../support/wire.ts';

const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };

describe('a failure behind the endpoint', () => {
  it.each(['rejects', 'hangs'])(
    'that %s because the database is away is answered 503 with Retry-After within limits.storeMs, and all goes on afterwards',
    async how => {
      const store = memoryStore();
      let away = false;
      const fail = () => (how === 'hangs' ? new Promise<never>(() => {}) : Promise.reject(new StoreUnavailable('db.internal:5432')));
      const failing = { ...store, find: (id: string) => (away ? fail() : store.find(id)) };
      await using server = await start({ sessions: { store: failing, cacheMs: 1 }, limits: { storeMs: 100 } });
      const session = await open(server.url);
      await expect.poll(async () => (await session.request('ping')).status).toBe(200);
      away = true;
      await expect.poll(async () => (await session.request('ping')).status).toBe(503);
      const { headers, text, messages } = await session.request('ping');
      expect([headers.get('retry-after'), messages[0]?.error?.code]).toEqual(['1', -32603]);
      expect(text).not.toContain('db.internal');
      away = false;
      expect(await session.result('ping')).toEqual({});
      expect(new Set(server.errors.splice(0).map(({ name }) => name))).toEqual(new Set(['StoreUnavailable']));
    },
  );

  it('like tables that were never made is answered 500 as JSON-RPC, with a reference, and reported', async () => {
    await using database = await emptyDatabase('sqlite');
    const { PrismaLibSql } = await import('@prisma/adapter-libsql');
    const { PrismaClient } = await import('../../generated/test/sqlite/client/client.ts');
    const prisma = new PrismaClient({ adapter: new PrismaLibSql({ url: database.url }) });
    await using server = await start({ sessions: { store: prismaStore(prisma) } });
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } };
    const { status, text, messages } = await post(server.url, { jsonrpc: '2.0', id: 1, method: 'initialize', params });
    expect([status, messages[0]?.error?.message]).toEqual([500, expect.stringMatching(/^Internal error \(ref [0-9a-f]{8}\)$/u)]);
    expect(text).not.toContain('McpEvent');
    expect(server.errors.splice(0).map(({ message }) => message)).toEqual([expect.stringContaining('McpEvent')]);
    await prisma.$disconnect();
  });

  it('of a store in the middle of a request is answered 503 too, in both eras', async () => {
    const store = memoryStore();
    const away = () => Promise.reject(new StoreUnavailable('db.internal:5432'));
    const resources = { note: { uri: 'test://note', handler: () => 'note' } };
    const tools = {
      ask: {
        description: 'Asks',
        handler: (_: unknown, { mcp }: HandlerContext) => mcp.elicit({ message: 'Sure?', requestedSchema: z.object({ yes: z.boolean() }) }),
      },
    };
    await using server = await start({ resources, tools, sessions: { store: { ...store, subscribe: away, saveContinuation: away } } });
    const session = await open(server.url);
    const refused = await session.request('resources/subscribe', { uri: 'test://note' });
    expect([refused.status, refused.headers.get('retry-after'), refused.messages[0]?.error?.code]).toEqual([503, '1', -32603]);
    const { body, headers } = modernRequest('tools/call', { name: 'ask', arguments: {} }, { capabilities: { elicitation: { form: {} } } });
    const modern = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    expect([modern.status, modern.headers.get('retry-after'), await modern.json()]).toMatchObject([503, '1', { error: { code: -32603 } }]);
    expect(server.errors.splice(0).map(({ name }) => name)).toEqual(['StoreUnavailable', 'StoreUnavailable']);
  });

  it('that the host threw as an answer of its own stays the host’s', async () => {
    const seen: unknown[] = [];
    const handler: Koa.Middleware = async (_ctx, next) => {
      await next().catch((error: unknown) => {
        seen.push((error as { status?: unknown }).status);
        throw error;
      });
    };
    await using server = await start(
      { principal: ctx => ctx.throw(401, 'Sign in', { headers: { 'WWW-Authenticate': 'Bearer' } }) },
      { before: [handler] },
    );
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'mcp-session-id': 'mcp_x' },
      body: JSON.stringify(ping),
    });
    expect([response.status, response.headers.get('www-authenticate'), seen]).toEqual([401, 'Bearer', [401]]);
    server.errors.length = 0;
  });
});
