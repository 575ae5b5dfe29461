import { describe, expect, it } from 'vitest';
import type { HandlerContext } from '../../src/index.ts';
import { McpError, memoryStore, UrlElicitationRequired } from '../../src/index.ts';
import type { McpContext } from '../../src/protocol/definitions.ts';
import { tasksExtension } from '../../src/protocol/revisions.ts';
import { ModernClient } from '../support/modern.ts';
import { start } from '../support/server.ts';
import { initializeParams, openSse } from '../support/sse.ts';
import { open } from '../support/wire.ts';

const capabilities = { elicitation: { url: {} } };
const page = { message: 'Connect', url: 'https://example.com/connect' };
const pageWith = (mcp: McpContext) => ({ ...page, elicitationId: mcp.newElicitationId() });
const connect = {
  description: 'Needs a page',
  handler: (_: unknown, { mcp }: HandlerContext) => {
    throw new UrlElicitationRequired([pageWith(mcp)]);
  },
};

describe('a page that must be visited first', () => {
  it('needs a list of pages', () => {
    expect(() => new UrlElicitationRequired([])).toThrow(TypeError);
  });

  it('may be named by an McpError', async () => {
    const handler = () => {
      throw new McpError('UrlElicitationRequired', 'Not yet', { data: { elicitations: [page, { ...page, message: 'And here' }] } });
    };
    await using server = await start({ tools: { connect: { description: 'Needs pages', handler } } });
    const session = await open(server.url, { capabilities });
    const { response } = await session.request('tools/call', { name: 'connect' });
    const elicitationId = expect.any(String);
    expect(response.error).toEqual({
      code: -32042,
      message: 'Not yet',
      data: {
        elicitations: [
          { mode: 'url', ...page, elicitationId },
          { mode: 'url', ...page, message: 'And here', elicitationId },
        ],
      },
    });
    const { inputRequests } = await new ModernClient(server.url, { capabilities }).call('connect');
    expect(Object.keys(inputRequests)).toEqual(['elicitation_create_1', 'elicitation_create_2']);
  });

  it.each([undefined, { elicitations: [] }, { elicitations: [{ url: 5 }] }])('is not sent to clients with the data %j', async data => {
    const handler = () => {
      throw new McpError('UrlElicitationRequired', 'Not yet', { data });
    };
    await using server = await start({ tools: { connect: { description: 'Names no pages', handler } } });
    const session = await open(server.url, { capabilities });
    expect((await session.call('connect')).content[0].text).toMatch(/^Internal error/);
    expect(server.errors.splice(0).map(({ message }) => message)).toEqual([expect.stringContaining('must name at least one page')]);
  });

  it('is asked for by prompts and resources, too', async () => {
    await using server = await start({
      prompts: { connect: { ...connect } },
      resources: { connect: { uri: 'test://connect', handler: connect.handler } },
    });
    const session = await open(server.url, { capabilities });
    const modern = new ModernClient(server.url, { capabilities });
    for (const [method, params] of [
      ['prompts/get', { name: 'connect' }],
      ['resources/read', { uri: 'test://connect' }],
    ] as const) {
      expect((await session.request(method, params)).response.error?.code).toBe(-32042);
      expect((await modern.result(method, params)).resultType).toBe('input_required');
    }
  });

  it('fails a task in which it is needed: with its error in 2025-11-25, and as the app’s mistake in 2026-07-28', async () => {
    await using server = await start({ tools: { connect: { ...connect, task: 'required' } } });
    const session = await open(server.url, { capabilities });
    const { task } = await session.result('tools/call', { name: 'connect', task: {} });
    const { response } = await session.request('tasks/result', { taskId: task.taskId });
    expect(response.error).toMatchObject({ code: -32042, data: { elicitations: [{ mode: 'url', ...page }] } });
    const modern = new ModernClient(server.url, { capabilities: { ...capabilities, extensions: { [tasksExtension]: {} } } });
    const { taskId } = await modern.call('connect');
    await expect.poll(async () => (await modern.result('tasks/get', { taskId })).status).toBe('completed');
    expect((await modern.result('tasks/get', { taskId })).result.isError).toBe(true);
    expect(server.errors.splice(0).map(({ message }) => message)).toEqual(['A task cannot be called again; ask with elicit()']);
  });

  it('must have an id that its own session has made', async () => {
    const ids: string[] = [];
    const handler = (_: unknown, { mcp }: HandlerContext) => {
      ids.push(mcp.newElicitationId());
      throw new UrlElicitationRequired([{ ...page, elicitationId: ids[0] ?? '' }]);
    };
    await using server = await start({ tools: { connect: { description: 'Keeps its first id', handler } } });
    const [first, second] = [await open(server.url, { capabilities }), await open(server.url, { capabilities })];
    const { response } = await first.request('tools/call', { name: 'connect' });
    expect(response.error?.data).toMatchObject({ elicitations: [{ elicitationId: ids[0] }] });
    expect((await second.call('connect')).isError).toBe(true);
    expect(server.errors.splice(0).map(({ message }) => message)).toEqual([
      expect.stringContaining('must come from ctx.mcp.newElicitationId()'),
    ]);
  });
});

describe('elicitationComplete', () => {
  const idOf = (error: { data?: unknown } | undefined): string => {
    const { elicitations } = (error?.data ?? { elicitations: [] }) as { elicitations: { elicitationId: string }[] };
    return elicitations[0]?.elicitationId ?? '';
  };

  it('is heard by the client on the stream that it has at another process, also if it opens that later', async () => {
    const store = memoryStore();
    const options = { tools: { connect }, sessions: { store, lookMs: 20 } };
    await using here = await start(options);
    await using elsewhere = await start(options);
    const session = await open(here.url, { capabilities });
    const idFor = async () => idOf((await session.request('tools/call', { name: 'connect' })).response.error);
    const ids = [await idFor(), await idFor()];
    await elsewhere.mcp.elicitationComplete(ids[0] ?? '');
    const abort = new AbortController();
    const messages = await session.listen(abort.signal);
    expect((await messages.next()).value).toMatchObject({
      method: 'notifications/elicitation/complete',
      params: { elicitationId: ids[0] },
    });
    await elsewhere.mcp.elicitationComplete(ids[1] ?? '');
    expect((await messages.next()).value).toMatchObject({ params: { elicitationId: ids[1] } });
    abort.abort();
  });

  it('is heard by a client of HTTP+SSE', async () => {
    await using server = await start({ tools: { connect } });
    const session = await openSse(`${server.url}/sse`);
    await session.request('initialize', { ...initializeParams, protocolVersion: '2025-11-25', capabilities });
    const elicitationId = idOf((await session.request('tools/call', { name: 'connect' })).error);
    await server.mcp.elicitationComplete(elicitationId);
    expect(await session.next()).toMatchObject({ method: 'notifications/elicitation/complete', params: { elicitationId } });
  });
});
