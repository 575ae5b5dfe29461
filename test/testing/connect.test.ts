import Router from '@koa/router';
import Koa from 'koa';
import type { McpOptions } from 'koa-mcp';
import { mcp } from 'koa-mcp';
import type { TestClient } from 'koa-mcp/testing';
import { connect, RequestError } from 'koa-mcp/testing';
import mount from 'koa-mount';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** An app whose sign-in takes a token, and keeps a user who is known already. */
function start(options: Partial<McpOptions> = {}) {
  const app = new Koa();
  const paths: string[] = [];
  app.use(async (ctx, next) => {
    paths.push(ctx.path);
    const token = ctx.get('authorization').replace('Bearer ', '');
    if (token === 'wrong') return ctx.throw(401, 'Unknown token');
    ctx.state['user'] ??= token === '' ? undefined : { id: token };
    await next();
  });
  const endpoint = mcp({
    name: 'house',
    principal: ctx => ctx.state['user']?.id,
    tools: {
      who: {
        description: 'Says who calls',
        handler: (_, ctx) => ({ user: ctx.state['user'] ?? null, ip: ctx.ip, client: ctx.mcp.client.info }),
      },
      add: {
        description: 'Adds',
        inputSchema: z.object({ a: z.number(), b: z.int().meta({ 'x-mcp-header': 'B' }) }),
        handler: ({ a, b }: { a: number; b: number }) => `${a + b}`,
      },
      ask: {
        description: 'Asks for a name',
        handler: async (_, ctx) => {
          const answer = await ctx.mcp.elicit({ message: 'Name?', requestedSchema: z.object({ name: z.string() }) });
          return answer.action === 'accept' ? answer.content.name : answer.action;
        },
      },
      think: {
        description: 'Asks the model of the client',
        handler: async (_, ctx) => ctx.mcp.sample({ messages: [{ role: 'user', content: { type: 'text', text: 'Hi' } }], maxTokens: 5 }),
      },
      roots: { description: 'Asks for roots', handler: async (_, ctx) => ({ roots: await ctx.mcp.roots() }) },
      count: {
        description: 'Counts to three',
        handler: (_, ctx) => {
          for (let step = 1; step <= 3; step += 1) ctx.mcp.progress(step, 3);
          return 'three';
        },
      },
      wait: {
        description: 'Waits until it is cancelled',
        handler: (_, ctx) =>
          new Promise(resolve => {
            waited.push('begun');
            ctx.mcp.signal.addEventListener('abort', () => resolve(waited.push('aborted')));
          }),
      },
    },
    resources: {
      room: { uri: 'house://room', handler: () => 'a room' },
      item: { uriTemplate: 'house://item/{id}', handler: ({ id }) => `item ${id}`, complete: { id: () => ['1', '12'] } },
    },
    prompts: {
      greet: {
        description: 'Greets',
        argsSchema: z.object({ name: z.string() }),
        handler: ({ name }: { name: string }) => `Say hello to ${name}`,
      },
    },
    limits: { pageSize: 2 },
    ...options,
  } as McpOptions);
  app.use(endpoint);
  ends.push(() => endpoint.close({ deadlineMs: 1000 }));
  return { app, endpoint, paths };
}
const waited: string[] = [];

const revisions = ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;

describe.each(revisions)('a client in the same process, revision %s', revision => {
  async function open(more: Parameters<typeof connect>[1] = {}): Promise<TestClient & { endpoint: ReturnType<typeof start>['endpoint'] }> {
    const { app, endpoint } = start();
    const client = await connect(app, { revision, ...more });
    ends.push(() => client.close());
    return { ...client, endpoint };
  }
  const textOf = async (client: TestClient, name: string, args?: Record<string, unknown>): Promise<unknown> => {
    const { content } = await client.callTool(name, args);
    return (content[0] as { text: string }).text;
  };

  it('knows the server', async () => {
    const client = await open();
    expect(client.server).toMatchObject({ revision, info: { name: 'house' }, capabilities: { tools: {} } });
    expect(client.server.sessionId === undefined).toBe(revision === '2026-07-28');
  });

  it('lists all pages of tools, resources, templates and prompts', async () => {
    const client = await open();
    expect((await client.listTools()).map(({ name }) => name)).toEqual(['who', 'add', 'ask', 'think', 'roots', 'count', 'wait']);
    expect((await client.listResources()).map(({ uri }) => uri)).toEqual(['house://room']);
    expect((await client.listResourceTemplates()).map(({ uriTemplate }) => uriTemplate)).toEqual(['house://item/{id}']);
    expect((await client.listPrompts()).map(({ name }) => name)).toEqual(['greet']);
  });

  it('calls a tool as the user of `user`, from this machine', async () => {
    const client = await open({ user: { id: 'ada' }, clientInfo: { name: 'mine', version: '2' } });
    expect(JSON.parse((await textOf(client, 'who')) as string)).toEqual({
      user: { id: 'ada' },
      ip: '127.0.0.1',
      client: { name: 'mine', version: '2' },
    });
  });

  it('calls a tool as the user of a token', async () => {
    const client = await open({ headers: { authorization: 'Bearer bob' } });
    expect(JSON.parse((await textOf(client, 'who')) as string)).toMatchObject({ user: { id: 'bob' } });
  });

  it('gives arguments, also those that headers repeat', async () => {
    expect(await textOf(await open(), 'add', { a: 1, b: 2 })).toBe('3');
  });

  it('reads a resource, gets a prompt, completes an argument', async () => {
    const client = await open();
    expect(await client.readResource('house://item/7')).toMatchObject({ contents: [{ text: 'item 7' }] });
    expect(await client.getPrompt('greet', { name: 'Ada' })).toMatchObject({ messages: [{ content: { text: 'Say hello to Ada' } }] });
    expect(await client.complete({ uriTemplate: 'house://item/{id}' }, { name: 'id', value: '1' })).toEqual(['1', '12']);
  });

  it('answers what the server asks', async () => {
    const client = await open({
      onElicit: ({ message }) => ({ action: 'accept', content: { name: `${message as string} Ada` } }),
      onSample: () => ({ role: 'assistant', model: 'none', content: { type: 'text', text: 'Hello' } }),
      onRoots: () => [{ uri: 'file:///home', name: 'home' }],
    });
    // Elicitation came with 2025-06-18.
    if (revision >= '2025-06-18') expect(await textOf(client, 'ask')).toBe('Name? Ada');
    expect(await textOf(client, 'think')).toContain('Hello');
    expect(await textOf(client, 'roots')).toContain('file:///home');
  });

  it('has only the capabilities that it can answer', async () => {
    const client = await open();
    const refused = await client.callTool('ask').catch((error: RequestError) => error);
    expect(JSON.stringify(refused instanceof RequestError ? refused.message : refused)).toContain('elicitation');
  });

  it('is told of progress', async () => {
    const client = await open();
    const steps: number[] = [];
    await client.callTool('count', {}, { onProgress: ({ progress }) => steps.push(progress) });
    expect(steps).toEqual([1, 2, 3]);
  });

  it('is told of a resource that it is subscribed to', async () => {
    const client = await open();
    await client.subscribe('house://room');
    await client.endpoint.resourceUpdated('house://room');
    expect(await client.notification('notifications/resources/updated', ({ uri }) => uri === 'house://room')).toMatchObject({
      params: { uri: 'house://room' },
    });
    expect(client.notifications.filter(({ method }) => method === 'notifications/resources/updated')).toHaveLength(1);
  });

  it('cancels a call', async () => {
    waited.length = 0;
    const client = await open();
    const abort = new AbortController();
    const call = client.callTool('wait', {}, { signal: abort.signal, onProgress: () => undefined });
    call.catch(() => undefined);
    await expect.poll(() => waited).toEqual(['begun']);
    abort.abort();
    await expect(call).rejects.toThrow(/abort/iu);
    await expect.poll(() => waited).toEqual(['begun', 'aborted']);
  });

  it('rejects with the error of the server', async () => {
    const client = await open();
    await expect(client.readResource('house://cellar')).rejects.toMatchObject({
      name: 'RequestError',
      code: revision === '2026-07-28' ? -32602 : -32002,
    });
    await expect(client.callTool('nothing')).rejects.toMatchObject({ code: -32602, message: expect.stringContaining('nothing') });
  });

  it('ends its session', async () => {
    const client = await open();
    const count = async () => (await client.endpoint.sessions.list()).sessions.length;
    expect(await count()).toBe(revision === '2026-07-28' ? 0 : 1);
    await client.close();
    // A session of 2024-11-05 ends with its stream, which the server notices a little later.
    await expect.poll(count).toBe(0);
  });
});

it('several clients of one app are several callers', async () => {
  const { app } = start();
  await using ada = await connect(app, { user: { id: 'ada' } });
  await using guest = await connect(app);
  const users = await Promise.all([ada, guest].map(async client => (await client.callTool('who')).structuredContent));
  expect(users).toMatchObject([{ user: { id: 'ada' } }, { user: null }]);
});

it('the newest revision is the default', async () => {
  await using client = await connect(start().app);
  expect(client.server.revision).toBe('2026-07-28');
});

it('the app stays as it is: other requests have no user', async () => {
  const { app } = start();
  await using _ = await connect(app, { user: { id: 'ada' } });
  expect(Object.hasOwn(app, 'createContext')).toBe(false);
});

it('an endpoint below a mount or a router is found at its path', async () => {
  const { endpoint } = start({ path: '/mcp' });
  const mounted = new Koa().use(mount('/api', endpoint));
  await using client = await connect(mounted, { path: '/api/mcp' });
  expect(client.server.info).toMatchObject({ name: 'house' });
  const routed = new Koa().use(new Router().all('/mcp', endpoint as never).routes() as never);
  await using other = await connect(routed);
  expect(other.server.info).toMatchObject({ name: 'house' });
});

it.each(['2026-07-28', '2025-11-25'] as const)('a client that the app refuses hears why, revision %s', async revision => {
  const { app } = start();
  app.silent = true;
  await expect(connect(app, { revision, headers: { authorization: 'Bearer wrong' } })).rejects.toMatchObject({
    name: 'RequestError',
    status: 401,
  });
  await expect(connect(app, { revision, path: '/nowhere' })).rejects.toMatchObject({ name: 'RequestError', status: 404 });
});
