import type Koa from 'koa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { McpError } from '../../src/index.ts';
import { tasksExtension } from '../../src/protocol/revisions.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import type { Peer } from './peer.ts';
import { connect } from './peer.ts';
import { describeRevisions, errorTable, statusOf } from './revisions.ts';

const tools = {
  sum: {
    description: 'Adds, perhaps as a task',
    inputSchema: z.object({ a: z.number(), b: z.number() }),
    outputSchema: z.number(),
    task: 'optional' as const,
    handler: ({ a, b }: { a: number; b: number }) => a + b,
  },
  which: {
    description: 'Says which task it is',
    task: 'required' as const,
    handler: (_: unknown, { mcp }: HandlerContext) => ({ task: mcp.task?.id ?? 'none', revision: mcp.revision }),
  },
  refuse: {
    description: 'Fails for the model',
    task: 'optional' as const,
    handler: (_: unknown, ctx: HandlerContext) => ctx.throw(409, 'That slot is taken'),
  },
  crash: {
    description: 'Fails for the client',
    task: 'optional' as const,
    handler: () => {
      throw new McpError('InvalidParams', 'No such thing', { data: { a: 1 }, code: 42 });
    },
  },
  plain: { description: 'Never a task', handler: (_: unknown, { mcp }: HandlerContext) => ({ task: mcp.task?.id ?? 'none' }) },
};
const terminal = new Set(['completed', 'failed', 'cancelled']);

describeRevisions('tasks', row => {
  let server: TestServer;
  let peer: Peer;
  beforeAll(async () => {
    server = await start({ tools, principal: (ctx: Koa.Context) => ctx.get('x-user') || 'ada' });
    peer = await connect(server.url, row, row.tasks?.decides === 'server' ? { extensions: { [tasksExtension]: {} } } : {});
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** Calls a tool as a task, in the revision's way. */
  const startTask = async (name: string, args: object = {}) => {
    const { response } = await peer.request('tools/call', { name, arguments: args, ...(row.tasks?.decides === 'client' && { task: {} }) });
    return response.result?.task ?? response.result;
  };
  const getTask = async (taskId: string) => (await peer.request('tasks/get', { taskId })).response.result;
  /** Polls until the task has ended, and gets its result or error in the revision's way. */
  const endOf = async (taskId: string) => {
    await expect.poll(async () => terminal.has((await getTask(taskId)).status)).toBe(true);
    const task = await getTask(taskId);
    if (row.tasks?.decides === 'server') return { task, result: task.result, error: task.error };
    const { result, error } = (await peer.request('tasks/result', { taskId })).response;
    return { task, result, error };
  };

  it('are listed for each tool where tools have that member', async () => {
    const { response } = await peer.request('tools/list');
    const shown = response.result.tools.map(({ name, execution }: Record<string, unknown>) => [name, execution]);
    const has = row.fields.tool.includes('execution');
    const expected = Object.entries(tools).map(([name, tool]) => ['task' in tool && has ? { taskSupport: tool.task } : undefined, name]);
    expect(shown).toEqual(expected.map(([execution, name]) => [name, execution]));
  });

  if (row.tasks === undefined) {
    it('do not exist: a tool that may run as one is called, and one that must is refused', async () => {
      const { response } = await peer.request('tools/call', { name: 'sum', arguments: { a: 1, b: 2 }, task: {} });
      expect(response.result.content).toEqual([{ type: 'text', text: '3' }]);
      const refused = await peer.request('tools/call', { name: 'which' });
      expect(refused.response.error).toMatchObject({ code: -32601, message: expect.stringContaining(`revision ${row.id}`) });
      expect((await peer.request('tasks/get', { taskId: 'a' })).response.error?.code).toBe(-32601);
    });
    return;
  }
  const { decides, isError, ttl, pollInterval } = row.tasks;

  it('are found at once by the id that starts one, and give what a plain call gives', async () => {
    const { response: plain } = await connect(server.url, row).then(other =>
      other.request('tools/call', { name: 'sum', arguments: { a: 1, b: 2 } }),
    );
    const created = await startTask('sum', { a: 1, b: 2 });
    expect(created).toMatchObject({ status: 'working', [ttl]: 3_600_000, [pollInterval]: 1000 });
    expect((await getTask(created.taskId)).taskId).toBe(created.taskId);
    const { task, result } = await endOf(created.taskId);
    expect([task.status, task.statusMessage]).toEqual(['completed', undefined]);
    const { content, structuredContent } = plain.result;
    expect(result).toMatchObject({ content, structuredContent });
  });

  it('run the handler of a plain call, which knows its task', async () => {
    const { taskId } = await startTask('which');
    const { result } = await endOf(taskId);
    expect(JSON.parse(result.content[0].text)).toEqual({ task: taskId, revision: row.id });
    const { response } = await peer.request('tools/call', { name: 'plain' });
    expect(JSON.parse(response.result.content[0].text)).toEqual({ task: 'none' });
  });

  it(`are ${isError} with an error for the model, and failed with one for the client`, async () => {
    const refused = await endOf((await startTask('refuse')).taskId);
    expect(refused.task.status).toBe(isError);
    expect(refused.result).toMatchObject({ isError: true, content: [{ text: 'That slot is taken' }] });
    const crashed = await endOf((await startTask('crash')).taskId);
    expect(crashed.task).toMatchObject({ status: 'failed', statusMessage: 'No such thing' });
    expect(crashed.error).toEqual({ code: 42, message: 'No such thing', data: { a: 1 } });
    const invalid = await endOf((await startTask('sum', { a: 'x' })).taskId);
    expect(invalid.task.status).toBe(isError);
  });

  it('name themselves in the `_meta` of their result only where results are fetched by themselves', async () => {
    const { taskId } = await startTask('sum', { a: 1, b: 2 });
    const { result } = await endOf(taskId);
    const related = decides === 'client' ? { taskId } : undefined;
    expect(result._meta?.['io.modelcontextprotocol/related-task']).toEqual(related);
  });

  it('are the same unknown to another principal, and under an id that never was', async () => {
    const { taskId } = await startTask('sum', { a: 1, b: 2 });
    const other = await connect(server.url, row, decides === 'server' ? { extensions: { [tasksExtension]: {} } } : {});
    const headers = { 'x-user': 'eve' };
    for (const method of [...row.methods].filter(name => name.startsWith('tasks/') && name !== 'tasks/list')) {
      const foreign = decides === 'server' ? await other.request(method, { taskId }, { headers }) : undefined;
      const unknown = await peer.request(method, { taskId: `${taskId.slice(1)}A` });
      const hostile = await peer.request(method, { taskId: "' OR 1=1 --" });
      expect(unknown.response.error).toMatchObject({ code: -32602, message: expect.stringContaining('Unknown task') });
      for (const same of [foreign, hostile]) if (same !== undefined) expect(same.response.error).toEqual(unknown.response.error);
      expect((await peer.request(method, {})).response.error?.code).toBe(-32602);
    }
  });

  it('are refused where the client cannot have them', async () => {
    const unable = await connect(server.url, row);
    const { response, status } = await unable.request('tools/call', { name: 'which' });
    const error = decides === 'server' ? errorTable.MissingRequiredClientCapability : errorTable.MethodNotFound;
    expect([response.error?.code, status]).toEqual([error.code, statusOf(row, error)]);
    if (decides === 'server') {
      const data = { requiredCapabilities: { extensions: { [tasksExtension]: {} } } };
      expect(response.error?.data).toEqual(data);
      for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel'])
        expect((await unable.request(method, { taskId: 'a' })).response.error).toMatchObject({ code: -32021, data });
      expect((await unable.request('tools/call', { name: 'sum', arguments: { a: 1, b: 2 }, task: {} })).response.result.resultType).toBe(
        'complete',
      );
      return;
    }
    expect((await peer.request('tools/call', { name: 'plain', task: {} })).response.error?.code).toBe(-32601);
    for (const task of ['x', { ttl: 'x' }, { ttl: -1 }])
      expect((await peer.request('tools/call', { name: 'sum', arguments: { a: 1, b: 2 }, task })).response.error?.code).toBe(-32602);
  });

  it('are kept as long as asked for, at most as long as allowed, where the client can ask', async () => {
    const kept = async (task: object) =>
      (await peer.request('tools/call', { name: 'sum', arguments: { a: 1, b: 2 }, task })).response.result;
    if (decides === 'server') expect((await kept({ ttl: 5000 }))[ttl]).toBe(3_600_000);
    else {
      const times = await Promise.all([5000, 1e12, 0, null].map(async each => (await kept({ ttl: each })).task[ttl]));
      expect(times).toEqual([5000, 3_600_000, 1000, 3_600_000]);
    }
  });

  if (decides === 'client')
    it('are listed page by page, newest first, for their caller', async () => {
      const own = await connect(server.url, row);
      const ids = [];
      for (let index = 0; index < 3; index += 1) ids.push((await startTask('sum', { a: index, b: 0 })).taskId);
      const { tasks, nextCursor } = (await own.request('tasks/list')).response.result;
      expect(nextCursor).toBeUndefined();
      const listed = tasks.map(({ taskId }: { taskId: string }) => taskId);
      expect(ids.every(id => listed.includes(id))).toBe(true);
      expect((await own.request('tasks/list', { cursor: 'x' })).response.error?.code).toBe(-32602);
    });
});
