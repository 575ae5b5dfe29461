import { networkInterfaces } from 'node:os';
import Router from '@koa/router';
import { auth, discoverOAuthProtectedResourceMetadata, extractWWWAuthenticateParams } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type Koa from 'koa';
import mount from 'koa-mount';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { AuthOptions, HandlerContext, VerifiedToken } from '../../src/index.ts';
import { jwtVerifier, mcp, StoreUnavailable } from '../../src/index.ts';
import { routes } from '../intruders/routes.ts';
import type { Issuer } from '../support/issuer.ts';
import { inSeconds, startIssuer } from '../support/issuer.ts';
import { ModernClient } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { initializeParams, openSse, rawEvents } from '../support/sse.ts';
import { open, post } from '../support/wire.ts';

const audience = 'https://api.example.com/mcp';
let issuer: Issuer;
beforeAll(async () => {
  issuer = await startIssuer();
});
afterAll(() => issuer[Symbol.asyncDispose]());

const sign = (claims = {}, options = {}) =>
  issuer.sign({ iss: issuer.url, aud: audience, sub: 'ada', exp: inSeconds(60), scope: 'mcp', ...claims }, options);
const bearer = async (claims = {}) => ({ authorization: `Bearer ${await sign(claims)}` });

const said: string[] = [];
const tools = {
  who: { description: 'Says who calls', handler: (_: unknown, { mcp }: HandlerContext) => `${mcp.principal}: ${mcp.scopes?.join(' ')}` },
  book: {
    description: 'Books a table',
    scopes: ['bookings:write'],
    inputSchema: z.object({ talks: z.boolean().optional() }),
    handler: ({ talks }: { talks?: boolean }, { mcp }: HandlerContext) => {
      if (talks) mcp.log('info', 'booking');
      said.push('booked');
      return 'booked';
    },
  },
  both: { description: 'Needs two', scopes: ['a', 'b'], handler: () => 'both' },
  never: { description: 'Off', scopes: ['a'], enabled: () => false, handler: () => 'never' },
};
const resources = {
  menu: { uri: 'house://menu', scopes: ['menu:read'], handler: () => 'Soup' },
  dish: {
    uriTemplate: 'house://dish/{name}',
    scopes: ['menu:read'],
    complete: { name: () => ['soup'] },
    handler: ({ name }: { name?: string }) => ({ name }),
  },
};
const prompts = { toast: { description: 'Writes a toast', scopes: ['toasts'], handler: () => 'To Ada.' } };

const serve = (options: Partial<AuthOptions> = {}, startOptions = {}, more = {}): Promise<TestServer> =>
  start(
    {
      auth: {
        verify: jwtVerifier({ issuer: issuer.url, audience, jwks: issuer.jwks }),
        authorizationServers: [issuer.url],
        requiredScopes: ['mcp'],
        ...options,
      },
      tools,
      resources,
      prompts,
      ...more,
    },
    startOptions,
  );

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'wire', version: '1' } },
};
const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

describe('with auth', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await serve({}, {}, { operators: () => true });
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const metadata = () => `${server.origin}/.well-known/oauth-protected-resource/mcp`;

  describe.each(routes)('%s', (_, make) => {
    const send = async (authorization?: string): Promise<Response> => {
      const [url, init] = make(server.url);
      const response = await fetch(url, { ...init, headers: { ...init.headers, ...(authorization !== undefined && { authorization }) } });
      if (response.headers.get('content-type') === 'text/event-stream') await response.body?.cancel();
      return response;
    };

    it('is answered 401 without a token, with the place of the metadata and the scopes to ask for', async () => {
      const response = await send();
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe(`Bearer scope="mcp", resource_metadata="${metadata()}"`);
      expect(await response.json()).toMatchObject({ error: { code: -32600, message: expect.stringContaining('Unauthorized') } });
    });

    it('is answered 403 and insufficient_scope without a required scope', async () => {
      const response = await send((await bearer({ scope: 'other' })).authorization);
      expect(response.status).toBe(403);
      expect(response.headers.get('www-authenticate')).toBe(
        `Bearer error="insufficient_scope", error_description="Forbidden: this needs the scope mcp", scope="mcp", resource_metadata="${metadata()}"`,
      );
    });

    it('is served with a good token', async () => {
      const { status } = await send((await bearer()).authorization);
      expect([200, 204, 400, 404, 405, 415]).toContain(status);
    });
  });

  it('leaves the probes open', async () => {
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  });

  it('serves the metadata of the endpoint to everybody', async () => {
    for (const url of [metadata(), `${metadata()}/sse`, `${metadata()}/`]) {
      const response = await fetch(url, { headers: { origin: 'https://inspector.example.com' } });
      expect(await response.json()).toEqual({
        resource: server.url,
        authorization_servers: [issuer.url],
        scopes_supported: ['mcp', 'bookings:write', 'a', 'b', 'menu:read', 'toasts'],
        bearer_methods_supported: ['header'],
      });
      expect(response.headers.get('content-type')).toMatch(/^application\/json/);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
    }
    expect((await fetch(metadata(), { method: 'HEAD' })).status).toBe(200);
    const preflight = await fetch(metadata(), { method: 'OPTIONS', headers: { origin: 'https://inspector.example.com' } });
    expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([204, '*']);
    expect((await fetch(metadata(), { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${server.origin}/.well-known/oauth-protected-resource/other`)).status).toBe(404);
    expect((await fetch(`${server.origin}/.well-known/oauth-protected-resource`)).status).toBe(404);
  });

  it('checks the host and the origin before the token', async () => {
    const response = await fetch(server.url, { method: 'POST', headers: { ...json, origin: 'https://evil.example.com' } });
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([403, null]);
  });

  it("binds sessions to the token's principal", async () => {
    const ada = await open(server.url, { headers: await bearer() });
    expect((await ada.call('who')).content[0].text).toBe('ada: mcp');
    const grace = await post(
      ada.url,
      { jsonrpc: '2.0', id: 9, method: 'ping' },
      { headers: { ...ada.headers, ...(await bearer({ sub: 'grace' })) } },
    );
    expect(grace.status).toBe(404);
    const renewed = await ada.send({ jsonrpc: '2.0', id: 9, method: 'ping' }, { headers: await bearer({ scope: 'mcp more' }) });
    expect(renewed.response.result).toEqual({});
    expect((await new ModernClient(server.url, { headers: await bearer() }).call('who')).content[0].text).toBe('ada: mcp');
  });
});

describe('scopes of tools, resources and prompts', () => {
  const eras = [
    ['2025-11-25', async (server: TestServer, scope: string) => open(server.url, { headers: await bearer({ scope }) })],
    ['2026-07-28', async (server: TestServer, scope: string) => new ModernClient(server.url, { headers: await bearer({ scope }) })],
  ] as const;

  it.each(eras)('in %s show what the caller may use, and nothing else', async (_, connect) => {
    await using server = await serve();
    const lists = async (scope: string) => {
      const client = await connect(server, scope);
      const names = async (method: string, key: string) =>
        (await client.result(method))[key].map(({ name }: { name: string }) => name) as string[];
      return [
        await names('tools/list', 'tools'),
        await names('resources/list', 'resources'),
        await names('resources/templates/list', 'resourceTemplates'),
        await names('prompts/list', 'prompts'),
      ];
    };
    expect(await lists('mcp')).toEqual([['who'], [], [], []]);
    expect(await lists('mcp bookings:write a menu:read')).toEqual([['who', 'book'], ['menu'], ['dish'], []]);
    expect(await lists('mcp a b toasts')).toEqual([['who', 'both'], [], [], ['toast']]);
    expect(await lists('mcp')).toEqual([['who'], [], [], []]);
  });

  it.each([
    ['a tool', 'tools/call', { name: 'book', arguments: {} }, 'mcp bookings:write'],
    ['a tool with two', 'tools/call', { name: 'both', arguments: {} }, 'mcp a b'],
    ['a resource', 'resources/read', { uri: 'house://menu' }, 'mcp menu:read'],
    ['a resource of a template', 'resources/read', { uri: 'house://dish/soup' }, 'mcp menu:read'],
    ['a prompt', 'prompts/get', { name: 'toast' }, 'mcp toasts'],
    [
      'a completion',
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'house://dish/{name}' }, argument: { name: 'name', value: '' } },
      'mcp menu:read',
    ],
  ])('of %s are asked for with a 403, and then it is served', async (_, method, params, scope) => {
    await using server = await serve();
    for (const [, connect] of eras) {
      const poor = await (await connect(server, 'mcp other')).request(method, params);
      expect([poor.status, poor.headers.get('content-type')]).toEqual([403, 'application/json; charset=utf-8']);
      expect(poor.headers.get('www-authenticate')).toContain(`error="insufficient_scope"`);
      expect(poor.headers.get('www-authenticate')).toContain(`scope="${scope}"`);
      expect(poor.response.error).toMatchObject({ code: -32600, data: { scopes: scope.split(' ').slice(1) } });
      const rich = await (await connect(server, scope)).request(method, params);
      expect([rich.status, rich.response.error]).toEqual([200, undefined]);
    }
  });

  it('names the scopes that the token has here too, so that a new token keeps them', async () => {
    await using server = await serve();
    const client = new ModernClient(server.url, { headers: await bearer({ scope: 'mcp a toasts elsewhere' }) });
    const { headers } = await client.request('tools/call', { name: 'both' });
    expect(headers.get('www-authenticate')).toContain('scope="mcp a toasts b"');
  });

  it('run no handler, open no stream, and keep the session', async () => {
    await using server = await serve();
    said.length = 0;
    const session = await open(server.url, { headers: await bearer() });
    const refused = await session.request('tools/call', { name: 'book', arguments: { talks: true } });
    expect([refused.status, refused.messages.length, said]).toEqual([403, 1, []]);
    const allowed = await session.send(
      { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'book', arguments: { talks: true } } },
      { headers: await bearer({ scope: 'mcp bookings:write' }) },
    );
    expect([allowed.status, allowed.messages.length, said]).toEqual([200, 2, ['booked']]);
  });

  it('are no way to learn of a tool that is off for the caller', async () => {
    await using server = await serve();
    for (const name of ['never', 'unknown']) {
      const { status, response } = await new ModernClient(server.url, { headers: await bearer() }).request('tools/call', { name });
      expect([status, response.error?.message]).toEqual([200, `Unknown tool: ${name}`]);
    }
  });

  it('are asked for before a subscription, in a session and by subscriptions/listen', async () => {
    await using server = await serve();
    for (const uri of ['house://menu', 'house://dish/soup']) {
      const session = await open(server.url, { headers: await bearer() });
      expect((await session.request('resources/subscribe', { uri })).status).toBe(403);
      const client = new ModernClient(server.url, { headers: await bearer() });
      const { status, headers } = await client.request('subscriptions/listen', { notifications: { resourceSubscriptions: [uri] } });
      expect(status).toBe(403);
      expect(headers.get('www-authenticate')).toContain('scope="mcp menu:read"');
    }
  });

  it('are an error of the message in a batch and over HTTP+SSE, whose clients end at a 403', async () => {
    await using server = await serve();
    const session = await open(server.url, { revision: '2025-03-26', headers: await bearer() });
    const call = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'book', arguments: {} } };
    const { status, messages } = await session.send([call, { jsonrpc: '2.0', id: 8, method: 'ping' }]);
    expect(status).toBe(200);
    const refused = { id: 7, error: { code: -32600, data: { scopes: ['bookings:write'] } } };
    expect(messages.find(({ id }) => id === 7)).toMatchObject(refused);
    expect(messages.find(({ id }) => id === 8)).toMatchObject({ result: {} });

    const headers = await bearer();
    const stream = rawEvents(await fetch(`${server.url}/sse`, { headers: { ...headers, accept: 'text/event-stream' } }));
    const endpoint = (await stream.next()).value?.data ?? '';
    const posted = await fetch(server.origin + endpoint, { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(call) });
    expect(posted.status).toBe(202);
    expect(JSON.parse((await stream.next()).value?.data ?? '')).toMatchObject(refused);
    await stream.return(undefined);
  });
});

describe('the verifier of the app', () => {
  const ask = async (verify: AuthOptions['verify']) => {
    await using server = await serve({ verify, requiredScopes: [] }, {}, {});
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { ...json, authorization: 'Bearer abc' },
      body: JSON.stringify(initialize),
    });
    return { status: response.status, challenge: response.headers.get('www-authenticate'), errors: server.errors.splice(0) };
  };

  it('gets the token and the Koa context, in which it may leave the user for policies', async () => {
    const verify = async (token: string, ctx: Koa.Context) => {
      ctx.state['user'] = { tenant: 7 };
      return { principal: `user of ${token}` };
    };
    const see = { description: 'Sees', handler: (_: unknown, ctx: HandlerContext) => `${ctx.mcp.principal} ${ctx.state['user'].tenant}` };
    await using server = await serve({ verify, requiredScopes: [] }, {}, { tools: { see } });
    const session = await open(server.url, { headers: { authorization: 'Bearer abc' } });
    expect((await session.call('see')).content[0].text).toBe('user of abc 7');
  });

  it.each([
    ['undefined', () => undefined, 401],
    ['null, as JavaScript may', () => null as unknown as undefined, 401],
    ['a rejection', () => Promise.reject(new Error('bad signature')), 401],
    ['a token that has expired', () => ({ principal: 'ada', expiresAt: new Date(Date.now() - 1) }), 401],
  ])('refuses by %s', async (_, verify, status) => {
    const answer = await ask(verify);
    expect(answer).toMatchObject({ status, errors: [], challenge: expect.stringContaining('error="invalid_token"') });
  });

  it.each([
    ['a status from 500 on', Object.assign(new Error('away'), { status: 503 })],
    ['a database that is away', new StoreUnavailable('away')],
    ['a network that is away', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })],
  ])('is answered 503, not as a bad token, by an error of %s', async (_, error) => {
    const { status, challenge, errors } = await ask(() => Promise.reject(error));
    expect([status, challenge, errors]).toEqual([503, null, [error]]);
  });

  it('reports mistakes of its own, and lets nobody in', async () => {
    const { status, errors } = await ask(() => {
      throw new TypeError('x is undefined');
    });
    expect([status, errors.length]).toEqual([401, 1]);
  });

  it.each([
    [{ principal: '' }, 'principal'],
    [{}, 'principal'],
    [{ principal: 'ada', scopes: 'a b' }, 'scopes'],
    [{ principal: 'ada', expiresAt: 5 }, 'expiresAt'],
    [{ principal: 'ada', expiresAt: new Date('never') }, 'expiresAt'],
  ])('is answered 500 if it returns %j', async (token, member) => {
    const { status, errors } = await ask(() => token as unknown as VerifiedToken);
    expect(status).toBe(500);
    expect(errors[0]?.message).toContain(member);
  });
});

describe('the metadata', () => {
  const read = async (response: Response) => {
    expect(response.status).toBe(401);
    const { resourceMetadataUrl } = extractWWWAuthenticateParams(response);
    return { url: String(resourceMetadataUrl), document: await documentAt(resourceMetadataUrl as URL) };
  };
  const documentAt = async (url: string | URL) => (await (await fetch(url)).json()) as { resource: string };

  it('is found below a prefix of koa-mount, and at its place at the root by resourceMetadata()', async () => {
    const both = (endpoint: ReturnType<typeof mcp>): Koa.Middleware => {
      const [mounted, root] = [mount('/api', endpoint), endpoint.resourceMetadata('/api/')];
      return (ctx, next) => root(ctx, () => mounted(ctx, next));
    };
    await using server = await serve({}, { mount: both, path: '/api/mcp' });
    const { url, document } = await read(await fetch(server.url, { method: 'POST' }));
    expect(url).toBe(`${server.origin}/api/.well-known/oauth-protected-resource/mcp`);
    expect(document).toMatchObject({ resource: server.url });
    const atRoot = await fetch(`${server.origin}/.well-known/oauth-protected-resource/api/mcp`);
    expect(await atRoot.json()).toEqual(document);
    expect((await fetch(`${server.origin}/.well-known/oauth-protected-resource/evil/mcp`)).status).toBe(404);
  });

  it('is found for an endpoint in a router, by resourceMetadata()', async () => {
    const routed = (endpoint: ReturnType<typeof mcp>): Koa.Middleware => {
      const routes = new Router().all('/api/mcp', endpoint as never).routes() as unknown as Koa.Middleware;
      const root = endpoint.resourceMetadata();
      return (ctx, next) => root(ctx, () => routes(ctx, next));
    };
    await using server = await serve({}, { mount: routed, path: '/api/mcp' }, { path: '/api/mcp' });
    const { document } = await read(await fetch(server.url, { method: 'POST' }));
    expect(document).toMatchObject({ resource: server.url });
  });

  it('names an endpoint at the root', async () => {
    await using server = await serve({}, {}, { path: '/' });
    const { url, document } = await read(await fetch(server.url, { method: 'POST' }));
    expect([url, document.resource]).toEqual([`${server.origin}/.well-known/oauth-protected-resource`, server.origin]);
  });

  it('names the public URL that the app declares, below whatever prefix a proxy has taken off', async () => {
    for (const [resource, url] of [
      ['https://api.example.com/mcp', 'https://api.example.com/.well-known/oauth-protected-resource/mcp'],
      ['https://api.example.com/agents/mcp', 'https://api.example.com/agents/.well-known/oauth-protected-resource/mcp'],
      ['https://mcp.example.com/', 'https://mcp.example.com/.well-known/oauth-protected-resource'],
    ] as const) {
      await using server = await serve({ resource });
      const response = await fetch(server.url, { method: 'POST' });
      expect(String(extractWWWAuthenticateParams(response).resourceMetadataUrl)).toBe(url);
      const document = await documentAt(`${server.origin}/.well-known/oauth-protected-resource/mcp`);
      expect(document.resource).toBe(resource);
    }
  });

  it('believes X-Forwarded headers only with app.proxy', async () => {
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'api.example.com', 'x-forwarded-prefix': '/agents' };
    const ask = async (prepare: (app: Koa) => void, more = {}) => {
      await using server = await serve({}, { prepare });
      const response = await fetch(server.url, { method: 'POST', headers: { ...headers, ...more } });
      return response.headers.get('www-authenticate')?.replace(server.origin, 'here');
    };
    expect(await ask(() => undefined)).toContain('"here/.well-known/oauth-protected-resource/mcp"');
    const trust = (app: Koa) => {
      app.proxy = true;
    };
    expect(await ask(trust)).toContain('"https://api.example.com/agents/.well-known/oauth-protected-resource/mcp"');
    expect(await ask(trust, { 'x-forwarded-host': 'a", scope="all' })).toBeUndefined();
  });

  it("lets the official SDK's client begin to sign in", async () => {
    await using server = await serve();
    const found = await discoverOAuthProtectedResourceMetadata(server.url);
    expect(found.authorization_servers).toEqual([issuer.url]);

    let asked: URL | undefined;
    const provider = {
      redirectUrl: 'http://localhost:1/callback',
      clientMetadata: { redirect_uris: ['http://localhost:1/callback'] },
      clientInformation: () => ({ client_id: 'sdk' }),
      tokens: () => undefined,
      saveTokens: () => undefined,
      saveCodeVerifier: () => undefined,
      codeVerifier: () => 'verifier',
      redirectToAuthorization: (url: URL) => {
        asked = url;
      },
    };
    const transport = new StreamableHTTPClientTransport(new URL(server.url), { authProvider: provider });
    await expect(new Client({ name: 'sdk', version: '1' }).connect(transport as never)).rejects.toThrow('Unauthorized');
    expect(asked?.origin).toBe(issuer.url);
    expect(Object.fromEntries(asked?.searchParams ?? [])).toMatchObject({ client_id: 'sdk', scope: 'mcp', resource: server.url });
    expect(auth).toBeTypeOf('function');
  });
});

describe('a token that expires', () => {
  const soon = (ms = 400) => ({
    verify: () => ({ principal: 'ada', scopes: ['mcp', 'bookings:write'], expiresAt: new Date(Date.now() + ms) }),
  });
  const headers = { authorization: 'Bearer abc' };
  const drain = async (response: Response) => {
    const texts: string[] = [];
    for await (const { data } of rawEvents(response)) texts.push(data);
    return texts;
  };

  it('ends the stream of its session, of HTTP+SSE and of subscriptions/listen', async () => {
    await using server = await serve(soon(1500));
    const session = await open(server.url, { headers });
    const stream = { ...headers, accept: 'text/event-stream' };
    const get = await fetch(server.url, { headers: { ...session.headers, accept: 'text/event-stream' } });
    const sse = await fetch(`${server.url}/sse`, { headers: stream });
    const listening = await new ModernClient(server.url, { headers }).listen({ toolsListChanged: true });
    expect([get.status, sse.status]).toEqual([200, 200]);
    expect((await drain(sse)).length).toBe(1);
    await drain(get);
    expect(await listening.rest()).toEqual([]);
    // The session itself lives on, for the client's next token.
    expect((await session.request('ping')).response.result).toEqual({});
  });

  it('ends the stream of a call, which goes on; with a new token the client gets the rest', async () => {
    let finish: () => void = () => undefined;
    const slow = {
      description: 'Waits',
      handler: async (_: unknown, { mcp }: HandlerContext) => {
        mcp.log('info', 'begun');
        await new Promise<void>(resolve => {
          finish = resolve;
        });
        return 'done';
      },
    };
    await using server = await serve(soon(1000), {}, { tools: { slow } });
    const session = await open(server.url, { headers });
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { ...session.headers, ...json },
      body: JSON.stringify({ jsonrpc: '2.0', id: 5, method: 'tools/call', params: { name: 'slow' } }),
    });
    const ids: string[] = [];
    for await (const { id } of rawEvents(response)) if (id !== undefined) ids.push(id);
    finish();
    const resumed = await fetch(server.url, {
      headers: { ...session.headers, accept: 'text/event-stream', 'last-event-id': ids.at(-1) ?? '' },
    });
    const texts = await drain(resumed);
    expect(JSON.parse(texts.at(-1) ?? '')).toMatchObject({ id: 5, result: { content: [{ text: 'done' }] } });
  });

  it('ends the stream of HTTP+SSE with an error for each request without a response', async () => {
    const forever = { description: 'Never ends', handler: () => new Promise(() => undefined) };
    await using server = await serve(soon(1000), {}, { tools: { forever } });
    const session = await openSse(`${server.url}/sse`, { headers });
    await session.request('initialize', initializeParams);
    const id = await session.send('tools/call', { name: 'forever' });
    expect((await session.answer(id)).error).toMatchObject({ code: -32603, message: expect.stringMatching(/ends.*unknown/u) });
    await session.reader.end();
  });

  it.each(['2025-03-26', '2025-06-18', '2026-07-28'])(
    'lets a stream of %s, which its client cannot resume yet, end with its call',
    async revision => {
      const slow = { description: 'Waits', handler: () => new Promise(resolve => setTimeout(() => resolve('done'), 1000)) };
      await using server = await serve(soon(500), {}, { tools: { slow }, limits: { heartbeatMs: 20 } });
      const call = { name: 'slow' };
      const { headers: answered, response } =
        revision === '2026-07-28'
          ? await new ModernClient(server.url, { headers }).request('tools/call', call)
          : await (await open(server.url, { revision, headers })).request('tools/call', call);
      expect(answered.get('content-type')).toBe('text/event-stream');
      expect(response.result.content[0].text).toBe('done');
    },
  );

  it('lets a call without a stream be answered', async () => {
    const slow = { description: 'Waits', handler: () => new Promise(resolve => setTimeout(() => resolve('done'), 300)) };
    await using server = await serve(soon(150), {}, { tools: { slow } });
    const { response } = await new ModernClient(server.url, { headers }).request('tools/call', { name: 'slow' });
    expect(response.result.content[0].text).toBe('done');
  });

  it('may be good for longer than a timer can wait', async () => {
    await using server = await serve(soon(3_000_000_000));
    const listening = await new ModernClient(server.url, { headers }).listen({ toolsListChanged: true });
    const ended = listening.next().then(() => 'ended');
    const waited = new Promise(resolve => setTimeout(() => resolve('open'), 100));
    expect(await Promise.race([ended, waited])).toBe('open');
    listening.close();
    await ended.catch(() => undefined);
  });
});

describe('without auth', () => {
  it('there is no metadata, no challenge and no scope', async () => {
    await using server = await start({ tools: { who: tools.who } });
    expect((await fetch(`${server.origin}/.well-known/oauth-protected-resource/mcp`)).status).toBe(404);
    const session = await open(server.url, { headers: { authorization: 'Bearer whatever' } });
    expect((await session.call('who')).content[0].text).toBe('undefined: undefined');
    expect(() => server.mcp.resourceMetadata()).toThrow('resourceMetadata: needs the option `auth`');
  });

  const verify: AuthOptions['verify'] = () => undefined;
  it.each([
    [{ auth: {} }, 'auth.verify: must be a function'],
    [{ auth: { verify } }, 'auth.authorizationServers: must be an array of URLs'],
    [{ auth: { verify, authorizationServers: [] } }, 'auth.authorizationServers: must be'],
    [{ auth: { verify, authorizationServers: ['login'] } }, 'auth.authorizationServers: must be'],
    [{ auth: { verify, authorizationServers: ['https://a.example.com'], issuer: 1 } }, 'auth.issuer: no such option'],
    [{ auth: { verify, authorizationServers: ['https://a.example.com'], requiredScopes: 'a' } }, 'auth.requiredScopes: must'],
    [{ auth: { verify, authorizationServers: ['https://a.example.com'], requiredScopes: ['a b'] } }, 'auth.requiredScopes'],
    [{ auth: { verify, authorizationServers: ['https://a.example.com'], resource: '/mcp' } }, 'auth.resource: must be'],
    [
      { auth: { verify, authorizationServers: ['https://a.example.com'] }, principal: () => 'ada' },
      'principal: cannot be combined with `auth`',
    ],
    [{ tools: { book: { ...tools.book, scopes: ['a'] } } }, 'tools.book.scopes: nothing checks them without `auth`'],
    [{ tools: { book: { ...tools.book, scopes: 'a' } } }, 'tools.book.scopes: must be an array of scopes'],
    [{ resources: { menu: resources.menu } }, 'resources.menu.scopes: nothing checks them'],
    [{ prompts: { toast: prompts.toast } }, 'prompts.toast.scopes: nothing checks them'],
  ])('refuses at start %#', (options, message) => {
    expect(() => mcp({ name: 'x', ...options } as never)).toThrow(message);
    expect(() => mcp({ name: 'x', ...options } as never)).toThrow(TypeError);
  });

  const outside = Object.values(networkInterfaces())
    .flat()
    .find(each => each?.family === 'IPv4' && !each.internal)?.address;

  it.skipIf(outside === undefined)('warns once of guests from another machine, unless the app says who calls', async () => {
    const warnings: string[] = [];
    const note = (warning: Error) => warnings.push(warning.message);
    process.on('warning', note);
    const count = async (options: object, host: string) => {
      await using server = await start({ tools: { who: tools.who }, ...options }, { address: undefined });
      const url = server.url.replace('127.0.0.1', host);
      for (let times = 0; times < 2; times += 1) await post(url, initialize);
      await new Promise(setImmediate);
      return warnings.splice(0).filter(text => text.includes('a guest has called')).length;
    };
    expect(await count({}, outside as string)).toBe(1);
    expect(await count({}, '127.0.0.1')).toBe(0);
    expect(await count({ principal: () => undefined }, outside as string)).toBe(0);
    expect(await count({ auth: { verify: () => ({ principal: 'ada' }), authorizationServers: [issuer.url] } }, outside as string)).toBe(0);
    process.off('warning', note);
  });
});
