import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { memoryStore } from '../../src/index.ts';
import { answerLost, away, first, held } from '../delivery/fixtures.ts';
import { ModernClient } from '../support/modern.ts';
import type { WireMessage } from '../support/schemas.ts';
import { expectNoneLost } from './many-tasks.ts';
import { at, client, endpointsWith, postTo, resultStream, session, startTask, statusOf, until } from './task-endpoints.ts';

type Asking = HandlerContext['mcp'];

const form = (key: string) => ({ key, message: `${key}?`, requestedSchema: z.object({ answer: z.string() }) });
const accept = (answer: string) => ({ action: 'accept', content: { answer } });
const askName = (mcp: Asking) => mcp.elicit(form('name'));

/** What happened in the handlers, in whichever process. */
const happened: string[] = [];

const tools = {
  quick: { description: 'Ends at once', task: 'optional' as const, handler: () => 'done' },
  wait: {
    description: 'Waits until it is given up',
    task: 'optional' as const,
    handler: (_: unknown, { mcp }: HandlerContext) =>
      new Promise((_resolve, reject) => {
        happened.push(`began ${mcp.task?.id}`);
        mcp.signal.addEventListener('abort', () => {
          happened.push(`aborted ${mcp.task?.id}`);
          reject(mcp.signal.reason as Error);
        });
      }),
  },
  ask: {
    description: 'Asks one thing after the other',
    task: 'optional' as const,
    handler: async (_: unknown, { mcp }: HandlerContext) => ({ answers: [await mcp.elicit(form('one')), await mcp.elicit(form('two'))] }),
  },
  survey: {
    description: 'Asks two things at once',
    task: 'optional' as const,
    handler: async (_: unknown, { mcp }: HandlerContext) => ({ answers: await Promise.all(['a', 'b'].map(key => mcp.elicit(form(key)))) }),
  },
  greet: {
    description: 'Asks before it is a task',
    inputSchema: z.object({ loud: z.boolean().default(false) }),
    task: 'required' as const,
    beforeTask: async ({ loud }: { loud: boolean }, ctx: HandlerContext) => {
      const answer = await askName(ctx.mcp);
      if (answer.action !== 'accept') ctx.throw(400, 'No name, no task');
      happened.push(`before ${String(loud)} ${ctx.mcp.task?.id ?? 'no task'}`);
    },
    handler: async (_: unknown, { mcp }: HandlerContext) => {
      const answer = await askName(mcp);
      return answer.action === 'accept' ? `Hello ${answer.content.answer}` : 'Hello';
    },
  },
  repeat: {
    description: 'Asks under the same key again',
    task: 'optional' as const,
    handler: async (_: unknown, { mcp }: HandlerContext) => ({
      answers: await Promise.all(['x_2', 'x', 'x'].map(key => mcp.elicit(form(key)))),
    }),
  },
  report: {
    description: 'Reports progress, then waits',
    task: 'optional' as const,
    handler: async (_: unknown, { mcp }: HandlerContext) => {
      mcp.progress(1, 3);
      mcp.progress(2, 3, 'two of them');
      mcp.log('info', 'nobody reads this');
      await mcp.elicit(form('go'));
    },
  },
};

const endpoint = endpointsWith(tools);

describe('a task in several processes', () => {
  it('is found by all of them, and so is its result, also by a process that starts later', async () => {
    const store = memoryStore();
    const a = await endpoint(store);
    await using b = await endpoint(store);
    const taskId = await startTask(client(a), 'quick');
    await until(client(b), taskId, 'completed');
    await a[Symbol.asyncDispose]();
    await using c = await endpoint(store);
    expect((await client(c).result('tasks/get', { taskId })).result.content).toEqual([{ type: 'text', text: 'done' }]);
  });

  it('asks through one, and is answered through another, one key at a time', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store);
    await using c = await endpoint(store);
    const taskId = await startTask(client(a), 'survey');
    await until(client(b), taskId, 'input_required');
    await expect.poll(async () => Object.keys((await client(b).result('tasks/get', { taskId })).inputRequests)).toEqual(['a', 'b']);
    await client(c).result('tasks/update', { taskId, inputResponses: { b: accept('second'), unknown: {} } });
    const { status, inputRequests } = await client(b).result('tasks/get', { taskId });
    expect([status, inputRequests]).toMatchObject(['input_required', { a: { method: 'elicitation/create', params: { message: 'a?' } } }]);
    expect(Object.keys(inputRequests)).toEqual(['a']);
    // A second answer to an answered question changes nothing.
    await client(b).result('tasks/update', { taskId, inputResponses: { b: accept('too late') } });
    await client(b).result('tasks/update', { taskId, inputResponses: { a: accept('first') } });
    await until(client(c), taskId, 'completed');
    const { structuredContent } = (await client(c).result('tasks/get', { taskId })).result;
    expect(structuredContent.answers).toEqual([accept('first'), accept('second')]);
  });

  it('asks a client of 2025-11-25 on the stream of `tasks/result` in one process, and is answered in a third', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store);
    await using c = await endpoint(store);
    const ada = await session(a);
    const { task } = await ada.result('tools/call', { name: 'ask', task: {} });
    const messages = await resultStream(ada, b, task.taskId);
    const asked: unknown[] = [];
    let response: WireMessage | undefined;
    for await (const message of messages) {
      if (message.method === undefined) response = message;
      else if (message.id !== undefined) {
        asked.push(message.params);
        const answer = { jsonrpc: '2.0', id: message.id, result: accept(String(asked.length)) };
        expect((await postTo(c, ada, answer)).status).toBe(202);
      }
    }
    const related = { 'io.modelcontextprotocol/related-task': { taskId: task.taskId } };
    expect(asked).toMatchObject([
      { message: 'one?', _meta: related },
      { message: 'two?', _meta: related },
    ]);
    expect(response?.result).toMatchObject({ structuredContent: { answers: [accept('1'), accept('2')] }, _meta: related });
  });

  it('hears that its client refuses to answer', async () => {
    await using a = await endpoint(memoryStore());
    const ada = await session(a);
    const { task } = await ada.result('tools/call', { name: 'ask', task: {} });
    for await (const message of await resultStream(ada, a, task.taskId)) {
      if (message.method === undefined)
        expect(message.result).toMatchObject({ isError: true, content: [{ text: 'The client did not answer: not now' }] });
      else await ada.send({ jsonrpc: '2.0', id: message.id, error: { code: -1, message: 'not now' } });
    }
    expect((await ada.result('tasks/get', { taskId: task.taskId })).status).toBe('failed');
  });

  it('is cancelled through another, in both eras, and stays so', async () => {
    const store = memoryStore();
    // Looks at the versions of rows come far too late here: the process of the task reads of the change in the log.
    await using a = await endpoint(store, { sessions: { deadMs: 600_000 } });
    await using b = await endpoint(store);
    const taskId = await startTask(client(a), 'wait');
    await client(b).result('tasks/cancel', { taskId });
    expect(await statusOf(client(b), taskId)).toBe('cancelled');
    await expect.poll(() => happened).toContain(`aborted ${taskId}`);
    await client(b).result('tasks/cancel', { taskId });
    const ada = await session(b);
    const { task } = await ada.result('tools/call', { name: 'wait', task: {} });
    expect(await (await session(a)).result('tasks/cancel', { taskId: task.taskId })).toMatchObject({ status: 'cancelled' });
    await expect.poll(() => happened).toContain(`aborted ${task.taskId}`);
    expect((await ada.error('tasks/cancel', { taskId: task.taskId })).code).toBe(-32602);
    expect(await ada.error('tasks/result', { taskId: task.taskId })).toMatchObject({ message: 'The task was cancelled' });
  });

  it('is unknown to another principal, whatever it asks in whichever era', async () => {
    await using a = await endpoint(memoryStore());
    const taskId = await startTask(client(a), 'wait');
    const eve = await session(a, 'eve');
    const errors = [
      ...(await Promise.all(['tasks/get', 'tasks/result', 'tasks/cancel'].map(method => eve.error(method, { taskId })))),
      await client(a, 'eve').error('tasks/get', { taskId }),
      await client(a, '').error('tasks/get', { taskId }),
      await client(a, 'eve').error('tasks/update', { taskId, inputResponses: {} }),
      await client(a, 'eve').error('tasks/cancel', { taskId }),
    ];
    const unknown = await eve.error('tasks/get', { taskId: 'a'.repeat(43) });
    for (const { code, message } of errors) expect({ code, message }).toEqual({ code: unknown.code, message: unknown.message });
    expect((await eve.result('tasks/list')).tasks).toEqual([]);
    expect(await statusOf(client(a), taskId)).toBe('working');
  });

  it('fails when its process falls silent, for whoever asks or waits', async () => {
    const store = memoryStore();
    const a = await endpoint(store);
    await using b = await endpoint(store);
    const taskId = await startTask(client(a), 'wait');
    const ada = await session(b);
    const waiting = ada.error('tasks/result', { taskId });
    await expect.poll(() => happened).toContain(`began ${taskId}`);
    for (const verb of ['beat', 'updateTask', 'removeNode'] as const) a.disturb(verb, away);
    expect(await waiting).toMatchObject({ code: -32603, message: expect.stringContaining('process that ran the task has ended') });
    expect(await client(b).result('tasks/get', { taskId })).toMatchObject({ status: 'failed', error: { code: -32603 } });
    // The process lives on, and notices.
    await expect.poll(() => happened).toContain(`aborted ${taskId}`);
    a.errors.length = 0;
    await a[Symbol.asyncDispose]().catch(() => undefined);
  });
});

describe('a task', () => {
  it('is a row before its client knows of it, and none is left if the database loses its answer', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    const restore = a.disturb('createTask', first(1, answerLost));
    expect((await client(a).error('tools/call', { name: 'quick' })).status).toBe(503);
    restore();
    const ada = await session(a);
    await expect
      .poll(async () => (await ada.result('tasks/list')).tasks.map(({ status }: { status: string }) => status))
      .toEqual(['failed']);
    a.errors.length = 0;
  });

  it('keeps its result although the database is away when it ends', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store);
    for (const outage of [away, answerLost]) {
      const heal = a.disturb('updateTask', first(4, outage));
      const taskId = await startTask(client(a), 'quick');
      await until(client(b), taskId, 'completed');
      heal();
    }
    a.errors.length = 0;
  });

  it('asks its first questions as a call, and never again', async () => {
    await using a = await endpoint(memoryStore());
    const ada = client(a);
    const params = { name: 'greet', arguments: { loud: true } };
    const { resultType, inputRequests, requestState } = await ada.result('tools/call', params);
    expect([resultType, Object.keys(inputRequests)]).toEqual(['input_required', ['name']]);
    const created = await ada.result('tools/call', { ...params, requestState, inputResponses: { name: accept('Ada') } });
    expect(created).toMatchObject({ resultType: 'task', status: 'working' });
    expect(happened).toContain('before true no task');
    await until(ada, created.taskId, 'completed');
    expect((await ada.result('tasks/get', { taskId: created.taskId })).result.content[0].text).toBe('Hello Ada');
    const refused = await ada.result('tools/call', { ...params, inputResponses: { name: { action: 'decline' } } });
    expect(refused).toMatchObject({ resultType: 'complete', isError: true, content: [{ text: 'No name, no task' }] });
  });

  it('asks each question under a key of its own', async () => {
    await using a = await endpoint(memoryStore());
    const taskId = await startTask(client(a), 'repeat');
    const keys = async () => Object.keys((await client(a).result('tasks/get', { taskId })).inputRequests ?? {}).sort();
    await expect.poll(keys).toEqual(['x', 'x_2', 'x_3']);
    const inputResponses = { x_2: accept('1'), x: accept('2'), x_3: accept('3') };
    await client(a).result('tasks/update', { taskId, inputResponses });
    await until(client(a), taskId, 'completed');
    const { structuredContent } = (await client(a).result('tasks/get', { taskId })).result;
    expect(structuredContent.answers).toEqual(['1', '2', '3'].map(accept));
  });

  it('shows its progress as its message', async () => {
    await using a = await endpoint(memoryStore());
    const taskId = await startTask(client(a), 'report');
    const message = async () => (await client(a).result('tasks/get', { taskId })).statusMessage;
    await expect.poll(message, { timeout: 5000 }).toBe('two of them');
    await client(a).result('tasks/update', { taskId, inputResponses: { go: accept('') } });
    await until(client(a), taskId, 'completed');
    expect(await message()).toBeUndefined();
  });

  it('is told of by `subscriptions/listen`, wherever it runs, to its own caller only', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store);
    const taskId = await startTask(client(a), 'ask');
    const foreign = await startTask(client(a, 'eve'), 'wait');
    await until(client(a), taskId, 'input_required');
    const stream = await client(b).listen({ taskIds: [taskId, foreign, 'unknown', taskId] });
    expect(stream.acknowledged.params).toMatchObject({ notifications: { taskIds: [taskId] } });
    const heard = [];
    for (const key of ['one', 'two']) {
      let message = await stream.next();
      while (message?.params?.['status'] !== 'input_required' || !(key in (message.params['inputRequests'] as object)))
        message = await stream.next();
      heard.push(message.params);
      await client(a).result('tasks/update', { taskId, inputResponses: { [key]: accept(key) } });
    }
    let message = await stream.next();
    while (message?.params?.['status'] !== 'completed') message = await stream.next();
    expect(heard).toMatchObject([{ taskId }, { taskId }]);
    expect(message.params).toMatchObject({ taskId, result: { structuredContent: { answers: [accept('one'), accept('two')] } } });
    stream.close();
    const unable = new ModernClient(b.url, { headers: { 'x-user': 'ada' } });
    expect((await unable.error('subscriptions/listen', { notifications: { taskIds: [taskId] } })).code).toBe(-32021);
    expect((await client(b).error('subscriptions/listen', { notifications: { taskIds: [1] } })).code).toBe(-32602);
  });

  it('of 2025-11-25 is told of on the stream of the session that started it, wherever both are, and on no other', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store);
    const ada = await session(a);
    const end = new AbortController();
    const stream = await at(b, ada).listen(end.signal);
    const others = await (await session(b)).listen(end.signal);
    const { taskId } = (await ada.result('tools/call', { name: 'ask', task: {} })).task;
    const heard: unknown[] = [];
    for await (const { method, params } of stream) {
      heard.push([method, params?.['taskId'], params?.['status']]);
      const [key] = Object.keys((await client(a).result('tasks/get', { taskId })).inputRequests ?? {});
      if (key !== undefined) await client(b).result('tasks/update', { taskId, inputResponses: { [key]: accept(key) } });
      if (params?.['status'] === 'completed') break;
    }
    const statuses = ['input_required', 'working', 'input_required', 'working', 'completed'];
    expect(heard).toEqual(statuses.map(status => ['notifications/tasks/status', taskId, status]));
    await b.mcp.listChanged('tools');
    expect((await others.next()).value).toMatchObject({ method: 'notifications/tools/list_changed' });
    end.abort();
  });

  it('is refused beyond `maxTasks` of a principal until one ends; as many that have ended are kept', async () => {
    await using a = await endpoint(memoryStore(), { limits: { maxTasks: 2 } });
    const ada = client(a);
    const [one = ''] = [await startTask(ada, 'wait'), await startTask(ada, 'wait')];
    expect(await ada.error('tools/call', { name: 'wait' })).toMatchObject({ code: -32600, message: expect.stringContaining('maxTasks') });
    const other = await startTask(client(a, 'eve'), 'wait');
    expect(await statusOf(client(a, 'eve'), other)).toBe('working');
    await ada.result('tasks/cancel', { taskId: one });
    const ids = [one];
    for (let index = 0; index < 3; index += 1) {
      const taskId = await startTask(ada, 'quick');
      await until(ada, taskId, 'completed');
      ids.push(taskId);
    }
    // One runs, two that have ended were kept when the last began, and the last has ended since.
    await expect.poll(async () => (await session(a).then(of => of.result('tasks/list'))).tasks.length).toBe(4);
    const oldest = await ada.error('tasks/get', { taskId: one });
    expect([oldest.code, await statusOf(ada, String(ids.at(-1)))]).toEqual([-32602, 'completed']);
  });

  it('is gone after its time, and so is its handler', async () => {
    const store = memoryStore();
    await using a = await endpoint(store, { limits: { taskMs: 300 }, sessions: { sweepMs: 50 } });
    const ids = await Promise.all(['wait', 'quick'].map(name => startTask(client(a), name)));
    await expect.poll(() => happened).toContain(`aborted ${ids[0]}`);
    for (const taskId of ids) await expect.poll(() => store.findTask(taskId)).toBeUndefined();
    await using b = await endpoint(memoryStore(), { limits: { taskMs: 300 } });
    const unswept = await startTask(client(b), 'wait');
    await expect.poll(() => happened).toContain(`aborted ${unswept}`);
    expect((await client(b).error('tasks/get', { taskId: unswept })).code).toBe(-32602);
    expect((await client(a).error('tasks/get', { taskId: ids[1] })).code).toBe(-32602);
  });

  it('of 200 at once is lost none, and none of their rows is left', () => expectNoneLost(memoryStore(), 200), 60_000);

  it('fails when its process is closed, and says so', async () => {
    const store = memoryStore();
    const a = await endpoint(store);
    await using b = await endpoint(store);
    const taskId = await startTask(client(a), 'wait');
    await a.mcp.close({ deadlineMs: 500 });
    await a[Symbol.asyncDispose]();
    expect(await client(b).result('tasks/get', { taskId })).toMatchObject({
      status: 'failed',
      statusMessage: expect.stringContaining('closed'),
    });
  });

  it('does not begin in a process that was closed before its row was there', async () => {
    const store = memoryStore();
    const a = await endpoint(store, { limits: { storeMs: 10_000 }, sessions: { deadMs: 20_000 } });
    const { disturbance, proceed } = held();
    a.disturb('createTask', disturbance);
    const refused = client(a).error('tools/call', { name: 'wait' });
    await expect.poll(() => a.count('createTask')).toBe(1);
    await a.mcp.close({ deadlineMs: 500 });
    proceed();
    expect((await refused).status).toBe(503);
    const rows = () => store.listTasks({ principal: 'ada', now: new Date(), take: 10 });
    await expect.poll(async () => (await rows()).map(({ status }) => status)).toEqual(['failed']);
    expect(happened).not.toContain(`began ${(await rows())[0]?.id}`);
    a.errors.length = 0;
    await a[Symbol.asyncDispose]();
  });

  it('is nothing that a client can ask for where no tool runs as one', async () => {
    await using a = await endpoint(memoryStore(), { tools: { plain: { description: 'Never a task', handler: () => 'plain' } } });
    const ada = await session(a);
    expect(ada.initialized.result.capabilities.tasks).toBeUndefined();
    expect((await ada.result('tools/call', { name: 'plain', task: {} })).content).toEqual([{ type: 'text', text: 'plain' }]);
    expect((await client(a).result('server/discover')).capabilities.extensions).toBeUndefined();
  });

  it('of a guest is found by its id, and listed for nobody', async () => {
    await using a = await endpoint(memoryStore());
    const guest = await session(a, '');
    const { task } = await guest.result('tools/call', { name: 'quick', task: {} });
    expect((await (await session(a, '')).result('tasks/get', { taskId: task.taskId })).taskId).toBe(task.taskId);
    expect((await guest.error('tasks/list')).code).toBe(-32601);
    expect(guest.initialized.result.capabilities.tasks).toEqual({ cancel: {}, requests: { tools: { call: {} } } });
    expect((await session(a)).initialized.result.capabilities.tasks.list).toEqual({});
  });

  it('is listed page by page, newest first', async () => {
    await using a = await endpoint(memoryStore(), { limits: { pageSize: 2 } });
    const ada = await session(a);
    vi.useFakeTimers({ toFake: ['Date'] });
    const ids: string[] = [];
    try {
      for (let index = 0; index < 5; index += 1) {
        vi.setSystemTime(Date.now() + 1000);
        ids.push((await ada.result('tools/call', { name: 'quick', task: {} })).task.taskId);
      }
    } finally {
      vi.useRealTimers();
    }
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const { tasks, nextCursor } = await ada.result('tasks/list', cursor === undefined ? {} : { cursor });
      pages.push(tasks.map(({ taskId }: { taskId: string }) => taskId));
      cursor = nextCursor;
    } while (cursor !== undefined);
    expect(pages).toEqual([ids.slice(3).reverse(), ids.slice(1, 3).reverse(), ids.slice(0, 1)]);
  });
});
