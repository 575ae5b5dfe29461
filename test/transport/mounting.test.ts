import { request } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { text } from 'node:stream/consumers';
import Router from '@koa/router';
import type Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import compress from 'koa-compress';
import mount from 'koa-mount';
import session from 'koa-session';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { mcp, memoryStore } from '../../src/index.ts';
import { start } from '../support/server.ts';
import { open, post } from '../support/wire.ts';

const tools = {
  talk: {
    description: 'Logs, then echoes',
    inputSchema: z.object({ text: z.string().optional() }),
    handler: (args: { text?: string }, { mcp }: HandlerContext) => {
      mcp.log('info', 'hello');
      return args.text ?? 'nothing';
    },
  },
  query: { description: 'Shows the query', handler: (_: unknown, ctx: HandlerContext) => `${ctx.querystring} ${ctx.get('x-custom')}` },
};

async function expectService(url: string): Promise<void> {
  const client = await open(url);
  expect((await client.call('talk', { text: 'hi' })).content[0].text).toBe('hi');
  const { messages } = await client.request('tools/call', { name: 'talk' });
  expect(messages.map(({ method }) => method)).toEqual(['notifications/message', undefined]);
  const abort = new AbortController();
  await client.listen(abort.signal);
  abort.abort();
}

describe('the middleware serves', () => {
  it('below a trailing slash, with query and headers kept', async () => {
    await using server = await start({ tools });
    await expectService(`${server.url}/`);
    const client = await open(`${server.url}/?tenant=7`, { headers: { 'x-custom': 'kept' } });
    expect((await client.call('query')).content[0].text).toBe('tenant=7 kept');
  });

  it('at another path', async () => {
    await using server = await start({ tools, path: '/api/v1/agents/' }, { path: '/api/v1/agents' });
    await expectService(server.url);
  });

  it('at the root', async () => {
    await using server = await start({ tools, path: '/' });
    await expectService(server.url);
  });

  it('and leaves a request whose target is no URL to the middleware after it', async () => {
    const last: Koa.Middleware = ctx => {
      ctx.body = `not found: ${ctx.url}`;
    };
    await using server = await start({ tools }, { after: [last] });
    const { port } = new URL(server.url);
    const answer = await new Promise<string>((resolve, reject) => {
      request({ port, path: 'http://[/mcp', method: 'POST' }, response => void text(response).then(resolve, reject)).end();
    });
    expect(answer).toBe('not found: http://[/mcp');
  });

  it('behind koa-mount', async () => {
    await using server = await start({ tools }, { mount: middleware => mount('/api', middleware), path: '/api/mcp' });
    await expectService(server.url);
  });

  it('inside a router with a prefix', async () => {
    await using server = await start(
      { tools, path: '/api/mcp' },
      { mount: middleware => new Router({ prefix: '/api' }).all('/mcp', middleware as never).routes() as never },
    );
    await expectService(server.url);
  });

  it.each([
    ['before', { before: [bodyParser()] }],
    ['after', { after: [bodyParser()] }],
  ])('with a body parser %s it', async (_, options) => {
    await using server = await start({ tools }, options);
    await expectService(server.url);
  });

  it('with compression, which leaves the streams alone', async () => {
    await using server = await start({ tools }, { before: [compress({ threshold: 0 }) as Koa.Middleware] });
    await expectService(server.url);
    const client = await open(server.url);
    const listed = await client.request('tools/list', {}, { headers: { 'accept-encoding': 'gzip' } });
    expect(listed.headers.get('content-encoding')).toBe('gzip');
    const talked = await client.request('tools/call', { name: 'talk' }, { headers: { 'accept-encoding': 'gzip' } });
    expect(talked.headers.get('content-encoding')).toBeNull();
  });

  it('with cookie sessions, whose cookie is set on JSON and on streams', async () => {
    const prepare = (app: Koa) => {
      app.keys = ['a key for the test'];
      app.use(session({}, app));
    };
    const visits: Koa.Middleware = async (ctx, next) => {
      const state = ctx.session as unknown as { visits?: number };
      state.visits = (state.visits ?? 0) + 1;
      await next();
    };
    await using server = await start({ tools }, { prepare, before: [visits] });
    const client = await open(server.url);
    for (const name of ['query', 'talk']) {
      expect((await client.request('tools/call', { name })).headers.get('set-cookie')).toContain('koa.sess');
    }
  });

  it('with an error handler and a timer around, which see their errors and only theirs', async () => {
    const seen: string[] = [];
    const handler: Koa.Middleware = async (ctx, next) => {
      try {
        await next();
        seen.push(String(ctx.status));
      } catch (error) {
        seen.push((error as Error).message);
        ctx.status = 418;
        ctx.body = 'handled';
      }
    };
    await using server = await start({ tools }, { before: [handler], after: [ctx => ctx.throw(500, 'of the host')] });
    const client = await open(server.url);
    await client.request('tools/call', { name: 'talk' });
    await client.request('tools/call', { name: 'no such tool' });
    expect((await fetch(`${server.origin}/elsewhere`)).status).toBe(418);
    expect(seen).toEqual(['200', '202', '200', '200', 'of the host']);
  });

  it('without changing a `ctx.prisma` of the host', async () => {
    const own = { mine: true };
    const seen: unknown[] = [];
    const watch: Koa.Middleware = async (ctx, next) => {
      ctx['prisma'] = own;
      await next();
      seen.push(ctx['prisma']);
    };
    const tool = { description: 'Shows', handler: (_: unknown, ctx: HandlerContext) => String(ctx.prisma === own) };
    await using server = await start({ prisma: {}, sessions: { store: memoryStore() }, tools: { tool } }, { before: [watch] });
    const client = await open(server.url);
    expect((await client.call('tool')).content[0].text).toBe('false');
    expect(seen.every(prisma => prisma === own)).toBe(true);
  });

  it("beside the host's routes, which it does not touch", async () => {
    const router = new Router();
    router.post('/bookings', ctx => {
      ctx.body = ctx.request.body;
    });
    router.get('/mcp/other', ctx => {
      ctx.body = 'of the host';
    });
    await using server = await start({ tools }, { after: [bodyParser(), router.routes() as never] });
    const response = await fetch(`${server.origin}/bookings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"a":1}',
    });
    expect(await response.json()).toEqual({ a: 1 });
    expect(await (await fetch(`${server.origin}/mcp/other`)).text()).toBe('of the host');
  });

  it('at its path in exactly this case, so that a guard of the host on that path sees every request', async () => {
    await using server = await start(
      { operators: () => true },
      {
        after: [
          ctx => {
            ctx.body = `left to the host: ${ctx.path}`;
          },
        ],
      },
    );
    for (const path of [
      '/MCP',
      '/Mcp/',
      '/mcp/SSE',
      '/MCP/sse',
      '/mcp/Messages',
      '/mcp/Sessions',
      '/MCP/sessions/x',
      '/mcp/HEALTH',
      '/MCP/health/live',
    ]) {
      for (const method of ['GET', 'POST', 'DELETE']) {
        const response = await fetch(server.origin + path, { method });
        expect([method, await response.text()]).toEqual([method, `left to the host: ${path}`]);
      }
    }
  });

  it('twice in one app, each with its own tools and sessions', async () => {
    const second = mcp({ name: 'second', path: '/second', tools: { other: { description: 'Other', handler: () => 'other' } } });
    await using server = await start({ tools }, { after: [second] });
    const [first, other] = [await open(server.url), await open(`${server.origin}/second`)];
    expect((await first.result('tools/list')).tools.map(({ name }: { name: string }) => name)).toEqual(['talk', 'query']);
    expect((await other.result('tools/list')).tools.map(({ name }: { name: string }) => name)).toEqual(['other']);
    expect((await post(`${server.origin}/second`, { jsonrpc: '2.0', id: 1, method: 'ping' }, { headers: first.headers })).status).toBe(404);
    await second.close();
  });
});

describe('Host and Origin', () => {
  const get = (url: string, headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = request(url, { headers, setHost: false }, response => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on('error', reject).end();
    });
  /** Status of a GET written by hand: Node's own client would not send such headers. */
  const getRaw = async (url: string, hosts: readonly string[]): Promise<number> => {
    const { port, pathname } = new URL(url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.end(`GET ${pathname} HTTP/1.1\r\n${hosts.map(host => `Host: ${host}\r\n`).join('')}Connection: close\r\n\r\n`);
    return Number((await text(socket)).split(' ', 2)[1]);
  };

  it('of another site are answered 403, before anything else is looked at', async () => {
    await using server = await start({});
    expect(await get(server.url, { host: 'evil.example.com' })).toBe(403);
    expect(await get(server.url, { host: 'localhost.evil.example.com' })).toBe(403);
    expect(await get(server.url, { host: 'localhost', origin: 'http://evil.example.com' })).toBe(403);
    expect(await get(server.url, { host: 'localhost', origin: 'null' })).toBe(403);
    expect(await get(server.url, { host: 'localhost', origin: 'http://localhost.evil.example.com' })).toBe(403);
  });

  it.each([
    ['a path', ['localhost/evil']],
    ['a query', ['localhost?evil']],
    ['a fragment', ['localhost#evil']],
    ['a backslash', [String.raw`localhost\evil`]],
    ['a user', ['evil@localhost']],
    ['a user and a password', ['evil:x@localhost']],
    ['two ports', ['localhost:1:2']],
    ['a port that is no number', ['localhost:http']],
    ['a blank', ['local host']],
    ['a tab, which URL parsers leave out', ['local\thost']],
    ['two names', ['localhost, evil']],
    ['a bracket that is not closed', ['[::1']],
    ['two lines', ['localhost', 'evil.example.com']],
    ['two equal lines', ['localhost', 'localhost']],
  ])('with %s is no Host, and answered 400 wherever hosts are checked or not', async (_, hosts) => {
    await using server = await start({});
    await using anyHost = await start({}, { prepare: app => void Object.assign(app, { proxy: true }) });
    for (const { url } of [server, anyHost]) expect(await getRaw(url, hosts)).toBe(400);
  });

  it('of another site are known by Sec-Fetch-Site where a browser sends no Origin, as for an image', async () => {
    const store = memoryStore();
    await using server = await start({ sessions: { store }, allowedOrigins: ['https://app.example.com'] });
    const image = { host: 'localhost', accept: 'image/*,*/*' };
    for (const site of ['cross-site', 'same-site']) {
      for (const path of ['', '/sse']) expect(await get(`${server.url}${path}`, { ...image, 'sec-fetch-site': site })).toBe(403);
      const page = { host: 'localhost', origin: 'https://app.example.com', 'sec-fetch-site': site };
      expect(await get(server.url, page)).toBe(405);
    }
    expect(await store.list({ now: new Date(), take: 1 })).toEqual([]);
    for (const site of ['same-origin', 'none']) expect(await get(server.url, { ...image, 'sec-fetch-site': site })).toBe(405);
  });

  it('of this machine pass, with any port', async () => {
    await using server = await start({});
    for (const host of ['localhost', 'localhost:', '127.0.0.1:99', '[::1]:3000', 'LOCALHOST:3000']) {
      expect(await get(server.url, { host })).toBe(405);
      expect(await getRaw(server.url, [host])).toBe(405);
    }
    expect(await get(server.url, { host: 'localhost:3000', origin: 'http://localhost:8080' })).toBe(405);
  });

  it('are those of this machine for a request over 127.0.0.1 to a server that listens on all addresses', async () => {
    await using server = await start({}, { address: undefined });
    expect(await get(server.url, { host: 'localhost' })).toBe(405);
    expect(await get(server.url, { host: 'evil.example.com' })).toBe(403);
    expect(await get(server.url, { host: 'localhost', origin: 'http://localhost:8080' })).toBe(405);
  });

  it('may be any Host and no Origin on an address that others reach', async test => {
    const addresses = Object.values(networkInterfaces()).flatMap(each => each ?? []);
    const address = addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address;
    if (address === undefined) return test.skip('this machine has no address besides loopback');
    await using server = await start({}, { address: undefined });
    const url = server.url.replace('127.0.0.1', address);
    expect(await get(url, { host: 'anything.example.com' })).toBe(405);
    for (const origin of ['http://localhost:8080', 'http://127.0.0.1', 'http://[::1]:3000', `http://${address}`]) {
      expect(await get(url, { host: address, origin })).toBe(403);
    }
  });

  it('named in the options pass, and no others', async () => {
    await using server = await start({ allowedHosts: ['api.example.com'], allowedOrigins: ['https://app.example.com'] });
    expect(await get(server.url, { host: 'api.example.com:443', origin: 'https://app.example.com' })).toBe(405);
    expect(await get(server.url, { host: 'localhost' })).toBe(403);
    expect(await get(server.url, { host: 'api.example.com', origin: 'http://app.example.com' })).toBe(403);
    expect(await get(server.url, { host: 'api.example.com', origin: 'http://localhost' })).toBe(403);
  });

  it('are not guessed at behind a proxy', async () => {
    await using server = await start({}, { prepare: app => void Object.assign(app, { proxy: true }) });
    expect(await get(server.url, { host: 'anything.example.com' })).toBe(405);
    expect(await get(server.url, { host: 'anything.example.com', origin: 'https://other.example.com' })).toBe(403);
  });
});
