import { request } from 'node:http';
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type Koa from 'koa';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { modernRequest } from '../support/modern.ts';
import { pageFetch } from '../support/page.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';

const origin = 'https://inspector.example.com';
const page = pageFetch(origin);
const strangers = pageFetch('https://evil.example.com');
const tools = {
  talk: {
    description: 'Logs, then echoes',
    inputSchema: z.object({ text: z.string().meta({ 'x-mcp-header': 'Text' }).optional() }),
    handler: ({ text }: { text?: string | undefined }, { mcp }: HandlerContext) => {
      mcp.log('info', 'hello');
      return text ?? 'nothing';
    },
  },
};
const signIn: Koa.Middleware = (ctx, next) => {
  if (ctx.method !== 'OPTIONS' && ctx.get('Authorization') !== 'Bearer ada') ctx.throw(401);
  ctx.state['user'] = 'ada';
  return next();
};
const headers = { authorization: 'Bearer ada' };
const json = { ...headers, accept: 'application/json, text/event-stream', 'content-type': 'application/json' };
const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });

describe('a page of an origin in `cors.origins`', () => {
  it.each([
    ['a session', 'legacy', ''],
    ['the stateless era, with an argument in a header', { pin: '2026-07-28' }, ''],
    ['HTTP+SSE', 'legacy', '/sse'],
  ] as const)('connects, calls and closes with %s', async (_, mode, path) => {
    await using server = await start({ tools, cors: { origins: [origin] } }, { before: [signIn] });
    const client = new Client({ name: 'page', version: '1' }, { capabilities: {}, versionNegotiation: { mode } });
    const options = { fetch: page, requestInit: { headers } };
    const url = new URL(server.url + path);
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- what clients of 2024-11-05 connect with
    const transport = path === '' ? new StreamableHTTPClientTransport(url, options) : new SSEClientTransport(url, options);
    await client.connect(transport);
    expect(await client.callTool({ name: 'talk', arguments: { text: 'hi' } })).toMatchObject({ content: [{ type: 'text', text: 'hi' }] });
    if (transport instanceof StreamableHTTPClientTransport && mode === 'legacy') {
      expect(transport.sessionId).toMatch(/./u);
      await transport.terminateSession();
      expect((await server.mcp.sessions.list()).sessions).toEqual([]);
    }
    await client.close();
  });

  it('sees why it was refused', async () => {
    const principal = (ctx: Koa.Context) => ctx.throw(401, 'Sign in', { headers: { 'WWW-Authenticate': 'Bearer' } });
    await using server = await start({ cors: { origins: [origin] } });
    await using closed = await start({ cors: { origins: [origin] }, principal });
    const noSession = await page(server.url, { method: 'POST', headers: json, body: ping });
    expect([noSession.status, await noSession.text()]).toEqual([400, expect.stringContaining('Mcp-Session-Id is missing')]);
    expect((await page(server.url)).status).toBe(405);
    const unknown = await page(closed.url, { method: 'POST', headers: { ...json, 'mcp-session-id': 'x' }, body: ping });
    expect([unknown.status, unknown.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    const { body, headers: modern } = modernRequest('tools/list');
    const stateless = await page(closed.url, { method: 'POST', headers: { ...json, ...modern }, body: JSON.stringify(body) });
    expect(stateless.status).toBe(401);
    expect(closed.errors.splice(0)).toHaveLength(2);
    await server.mcp.close();
    expect((await page(server.url, { method: 'POST', headers: json, body: ping })).status).toBe(503);
  });

  it('is asked about by preflights of every route, each answered 204 with its methods', async () => {
    await using server = await start({ cors: { origins: [origin] }, operators: () => true });
    const asked = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-own,mcp-param-text' };
    const answers = await Promise.all(
      ['', '/', '/sse', '/messages?sessionId=1', '/sessions', '/sessions/1'].map(async path => {
        const preflight = await fetch(server.url + path, { method: 'OPTIONS', headers: asked });
        expect(preflight.headers.get('access-control-allow-origin')).toBe(origin);
        expect(preflight.headers.get('access-control-allow-credentials')).toBeNull();
        expect(preflight.headers.get('access-control-allow-headers')).toBe(
          'Content-Type, Accept, Authorization, Mcp-Session-Id, Mcp-Protocol-Version, Last-Event-ID, Mcp-Method, Mcp-Name, mcp-param-text',
        );
        return [path, preflight.status, preflight.headers.get('access-control-allow-methods')];
      }),
    );
    expect(answers).toEqual([
      ['', 204, 'POST, GET, DELETE'],
      ['/', 204, 'POST, GET, DELETE'],
      ['/sse', 204, 'GET, POST, DELETE'],
      ['/messages?sessionId=1', 204, 'POST'],
      ['/sessions', 204, 'GET'],
      ['/sessions/1', 204, 'DELETE'],
    ]);
  });
});

describe('cors', () => {
  it('varies every answer by Origin, also those without one, streams, and those whose host varies them too', async () => {
    const vary: Koa.Middleware = (ctx, next) => {
      ctx.vary('Accept-Language');
      return next();
    };
    await using server = await start({ tools, cors: { origins: [origin] } }, { before: [vary] });
    const session = await open(server.url);
    const talked = await session.request('tools/call', { name: 'talk' });
    expect(talked.headers.get('content-type')).toBe('text/event-stream');
    for (const answer of [talked, await session.request('ping'), await fetch(server.url), await fetch(server.url, { headers: { origin } })])
      expect(answer.headers.get('vary')).toBe('Accept-Language, Origin');
  });

  it('leaves other origins out: the Origin check refuses them, and their browsers hide the answer', async () => {
    await using server = await start({ cors: { origins: [origin] } });
    await expect(strangers(server.url, { method: 'POST', headers: json, body: ping })).rejects.toThrow('CORS: 403');
    await expect(strangers(server.url)).rejects.toThrow('CORS: 403');
    await expect(pageFetch('http://localhost:6274')(server.url)).rejects.toThrow('CORS: 403');
  });

  it('leaves `allowedOrigins` and the names of this machine allowed', async () => {
    const allowed = 'https://app.example.com';
    await using server = await start({ cors: { origins: [origin] }, allowedOrigins: [allowed] });
    await using local = await start({ cors: { origins: [origin] } });
    expect((await fetch(server.url, { headers: { origin: allowed } })).status).toBe(405);
    expect((await fetch(server.url, { headers: { origin: 'http://localhost:6274' } })).status).toBe(403);
    expect((await fetch(local.url, { headers: { origin: 'http://localhost:6274' } })).status).toBe(405);
  });

  it('`*` allows every origin, and still no image of another site and no other Host', async () => {
    await using server = await start({ cors: { origins: ['*'] } });
    for (const each of [page, strangers, pageFetch('null')]) expect((await each(server.url)).status).toBe(405);
    const cross = { 'sec-fetch-site': 'cross-site' };
    expect((await fetch(server.url, { headers: cross })).status).toBe(403);
    const rebound = await new Promise(resolve => {
      request(server.url, { headers: { host: 'evil.example.com', origin } }, response => resolve(response.resume().statusCode)).end();
    });
    expect(rebound).toBe(403);
  });

  it('is off by default: no page of another origin can call, and preflights are answered 405', async () => {
    await using server = await start({ allowedOrigins: [origin] });
    const answer = await fetch(server.url, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } });
    expect([answer.status, answer.headers.get('access-control-allow-origin'), answer.headers.get('vary')]).toEqual([405, null, null]);
    await expect(page(server.url, { method: 'POST', headers: json, body: ping })).rejects.toThrow('CORS: 405');
  });

  it('answers OPTIONS that is no preflight 405 with the methods', async () => {
    await using server = await start({ cors: { origins: [origin] } });
    const answer = await fetch(server.url, { method: 'OPTIONS', headers: { origin } });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST, GET, DELETE']);
  });
});
