import type { IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { inspectCommand } from '../../src/cli/inspect.ts';
import { patiently } from '../../src/cli/patience.ts';
import { spoken } from '../../src/client/negotiate.ts';
import type { HandlerContext } from '../../src/index.ts';
import { revisions } from '../../src/protocol/revisions.ts';
import { serve } from '../support/by-hand.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { runCommand } from './run-command.ts';

const inspect = (...args: string[]) => runCommand(inspectCommand, args);

const numbered = (index: number) => [`tool_${index}`, { description: `Tool ${index}. More.`, handler: () => index }] as const;

let server: TestServer;
beforeAll(async () => {
  server = await start({
    name: 'house',
    version: '3.2.1',
    instructions: 'Ask first.',
    limits: { pageSize: 2 },
    principal: ctx => ctx.get('x-user') || undefined,
    tools: {
      ...Object.fromEntries(Array.from({ length: 5 }, (_, index) => numbered(index))),
      echo: {
        description: 'Gives back what it gets',
        inputSchema: z.object({ code: z.string(), count: z.number().optional(), list: z.array(z.number()).optional() }),
        handler: args => args,
      },
      work: {
        description: 'Works',
        handler: (_args, ctx) => {
          ctx.mcp.progress(1, 2, 'halfway');
          ctx.mcp.log('info', 'nearly done');
          return 'done';
        },
      },
      fail: {
        description: 'Fails',
        handler: (_args, ctx) => ctx.throw(404, 'There is none'),
      },
      here: {
        description: 'Says where',
        inputSchema: z.object({ region: z.string().meta({ 'x-mcp-header': 'Region' }) }),
        handler: args => args,
      },
      me: { description: 'Says who calls', handler: (_args, ctx) => ctx.mcp.principal ?? 'a guest' },
      ask: {
        description: 'Asks',
        handler: (_args, ctx) => ctx.mcp.elicit({ message: 'Sure?', requestedSchema: z.object({ sure: z.boolean() }) }),
      },
    },
    resources: {
      menu: { uri: 'house://menu', description: 'The menu', handler: () => 'Soup' },
      dish: { uriTemplate: 'house://dish/{name}', description: 'A dish', handler: ({ name }) => ({ name }) },
    },
    prompts: {
      toast: { description: 'A toast', argsSchema: z.object({ to: z.string() }), handler: ({ to }) => `Write a toast to ${to}.` },
    },
  });
});
afterAll(() => server[Symbol.asyncDispose]());

describe('koa-mcp inspect', () => {
  it('lists tools with their arguments, resources, templates and prompts, of all pages', async () => {
    const { text, code } = await inspect(server.url);
    expect(code).toBe(0);
    expect(text).toMatch(/^house 3\.2\.1, revision 2026-07-28\n\nAsk first\.\n\ntools \(11\)\n {2}tool_0 {2}Tool 0\.\n/);
    expect(text).toContain('  echo    (code, count?, list?) Gives back what it gets\n');
    expect(text).toContain('resources (1)\n  house://menu  The menu\n\nresource templates (1)\n  house://dish/{name}  A dish\n');
    expect(text).toContain('prompts (1)\n  toast  (to) A toast\n');
  });

  it('speaks every revision that koa-mcp knows', () => {
    expect(spoken).toEqual(revisions.map(({ id }) => id));
  });

  it.each(spoken)('lists and calls in %s, and prints progress and log messages to stderr', async revision => {
    const url = revision === '2024-11-05' ? `${server.url}/sse` : server.url;
    const listed = JSON.parse((await inspect(url, '--revision', revision, '--json')).text);
    expect(listed.server).toMatchObject({ revision, info: { name: 'house' }, instructions: 'Ask first.' });
    expect([listed.tools, listed.resources, listed.resourceTemplates, listed.prompts].map(({ length }) => length)).toEqual([11, 1, 1, 1]);
    const { text, code, stderr } = await inspect(url, 'call', 'work', '--revision', revision);
    expect([text, code]).toEqual(['done\n', 0]);
    expect(stderr).toMatch(/^progress 1 of 2(?:: halfway)?\ninfo: nearly done\n$/);
    await vi.waitFor(async () => expect((await server.mcp.sessions.list()).sessions).toEqual([]));
  });

  it('takes arguments as the tool wants them', async () => {
    const call = ['call', 'echo', '--json', '--arg', 'code=007', '--arg', 'count=7'];
    expect(JSON.parse((await inspect(server.url, ...call)).text)).toMatchObject({ structuredContent: { code: '007', count: 7 } });
    const both = await inspect(server.url, 'call', 'echo', '--args', '{"code":"x","list":[1]}', '--arg', 'code=a=b');
    expect(JSON.parse(both.text)).toEqual({ code: 'a=b', list: [1] });
  });

  it('repeats arguments in headers where the tool says so', async () => {
    const { text } = await inspect(server.url, 'call', 'here', '--arg', 'region=Köln', '--revision', '2026-07-28');
    expect(JSON.parse(text)).toEqual({ region: 'Köln' });
  });

  it.each(['2026-07-28', '2025-11-25'])('runs a tool as a task if it must be one, or with --task, in %s', async revision => {
    const handler = (_: unknown, { mcp }: HandlerContext) => `finished${mcp.task === undefined ? '' : ' as a task'}`;
    await using tasks = await start({
      tools: {
        must: { description: 'Is a task', task: 'required', handler },
        can: { description: 'Can be a task', task: 'optional', handler },
        plain: { description: 'Is no task', handler },
      },
    });
    const call = async (...args: string[]) => inspect(tasks.url, 'call', ...args, '--revision', revision);
    const must = await call('must');
    expect(must.text).toBe('finished as a task\n');
    expect(must.stderr).toMatch(/^task \S+ working/);
    expect((await call('can', '--task')).text).toBe('finished as a task\n');
    expect((await call('can')).text).toBe(revision === '2026-07-28' ? 'finished as a task\n' : 'finished\n');
    expect((await call('plain')).text).toBe('finished\n');
    const insisting = call('plain', '--task');
    if (revision === '2026-07-28') expect((await insisting).text).toBe('finished\n');
    else await expect(insisting).rejects.toThrow('plain does not run as a task');
  });

  it('reads resources and gets prompts', async () => {
    expect((await inspect(server.url, 'read', 'house://menu')).text).toBe('Soup\n');
    expect((await inspect(server.url, 'read', 'house://dish/soup')).text).toBe('{"name":"soup"}\n');
    expect((await inspect(server.url, 'prompt', 'toast', '--arg', 'to=7')).text).toBe('user: Write a toast to 7.\n');
  });

  it('sends headers', async () => {
    expect((await inspect(server.url, 'call', 'me')).text).toBe('a guest\n');
    expect((await inspect(server.url, 'call', 'me', '--header', 'X-User: ada')).text).toBe('ada\n');
  });

  it('ends with 1 if the result of a tool is an error, and prints it', async () => {
    expect(await inspect(server.url, 'call', 'fail')).toMatchObject({ code: 1, text: 'There is none\n' });
  });

  it.each([
    [['call', 'nope'], /^tools\/call failed: .*nope.* \(-32602\)$/],
    [['read', 'house://nope'], /^resources\/read failed: /],
    [['call', 'ask'], /^tools\/call /],
  ])('fails for %j with the reason', async (args, message) => {
    await expect(inspect(server.url, ...args)).rejects.toThrow(message);
  });

  it.each([
    [['nope'], 'nope is not the URL of an endpoint'],
    [['http://a/mcp', 'cal', 'x'], 'inspect does not have cal; it has call, read and prompt'],
    [['http://a/mcp', 'call'], 'call needs what to call'],
    [['http://a/mcp', 'call', 'x', '--arg', 'y'], '--arg y is not NAME=VALUE'],
    [['http://a/mcp', '--revision', '2020-01-01'], '--revision is one of 2024-11-05'],
    [['http://a/mcp', '--task'], '--task goes with call TOOL'],
    [['http://a/mcp', '--header', 'nope'], '--header nope is not NAME: VALUE'],
  ])('refuses %j', async (args, message) => {
    const url = args[0] === 'http://a/mcp' ? [server.url, ...args.slice(1)] : args;
    await expect(inspect(...url)).rejects.toThrow(message);
  });

  it('says that nothing answers', async () => {
    const { url } = await serve(() => {}).then(async closed => {
      await closed[Symbol.asyncDispose]();
      return closed;
    });
    await expect(inspect(url)).rejects.toThrow(/ cannot be reached: .*ECONNREFUSED/);
  });

  it('says what an access token is passed with', async () => {
    await using refusing = await serve((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer realm="house"' }).end();
    });
    await expect(inspect(refusing.url)).rejects.toThrow(
      'was answered HTTP 401: Bearer realm="house"; pass an access token with --header \'Authorization: Bearer …\'',
    );
  });

  it('speaks with a server of the official SDK that has sessions only', async () => {
    const official = new McpServer({ name: 'official', version: '1.0.0' });
    official.registerTool('add', { inputSchema: { a: z.number(), b: z.number() } }, ({ a, b }) => ({
      content: [{ type: 'text', text: String(a + b) }],
    }));
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: () => 'one' });
    await official.connect(transport);
    await using older = await serve((request, response) => void transport.handleRequest(request, response));
    expect(await inspect(older.url, 'call', 'add', '--arg', 'a=1', '--arg', 'b=2')).toMatchObject({ code: 0, text: '3\n' });
    await official.close();
  });

  it('resumes the stream of a call that was cut', async () => {
    const answer = async (request: IncomingMessage): Promise<{ id?: number; method?: string }> => {
      return request.method === 'POST' ? ((await json(request)) as { id?: number; method?: string }) : {};
    };
    const seen: unknown[] = [];
    let called: number | undefined;
    await using cutting = await serve(async (request, response) => {
      const { id, method } = await answer(request);
      const stream = (text: string) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(text);
      const result = (value: object) => JSON.stringify({ jsonrpc: '2.0', id, result: value });
      seen.push(method ?? `${request.method} ${String(request.headers['last-event-id'])}`);
      if (method === 'initialize') {
        const head = { 'content-type': 'application/json', 'mcp-session-id': 's' };
        response.writeHead(200, head).end(result({ protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: {} }));
      } else if (method === 'tools/list') stream(`data: ${result({ tools: [] })}\r\n\r\n`);
      else if (method === 'tools/call') {
        called = id;
        stream('id: 7\r\nretry: 1\r\ndata: \r\n\r\n');
      } else if (request.method === 'GET') stream(`id: 8\ndata: {"jsonrpc":"2.0","id":${called},\ndata: "result":{"content":[]}}\n\n`);
      else response.writeHead(202).end();
    });
    expect((await inspect(cutting.url, 'call', 'x', '--json', '--revision', '2025-11-25')).text).toBe('{\n  "content": []\n}\n');
    expect(seen).toEqual(['initialize', 'notifications/initialized', 'tools/list', 'tools/call', 'GET 7', 'DELETE undefined']);
  });

  it('ends a list whose cursors go round', async () => {
    await using round = await serve(async (request, response) => {
      const { id } = (await json(request)) as { id: number };
      const result = { supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, tools: [], nextCursor: 'again' };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
    });
    await expect(inspect(round.url)).rejects.toThrow('tools/list gives the cursor "again" twice');
  });
});

describe('a command that waits', () => {
  it('says after two seconds what for, and then no more', async () => {
    vi.useFakeTimers();
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    let finish = (_value: string) => {};
    const work = patiently('waiting for the sun', new Promise<string>(resolve => (finish = resolve)));
    await vi.advanceTimersByTimeAsync(1_999);
    expect(stderr).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(stderr.mock.calls).toEqual([['waiting for the sun, 2 s\n']]);
    finish('up');
    expect(await work).toBe('up');
    expect(vi.getTimerCount()).toBe(0);
    stderr.mockRestore();
    vi.useRealTimers();
  });
});
