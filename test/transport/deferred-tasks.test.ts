import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { McpError, mcp, memoryStore, StoreUnavailable, ToolError } from '../../src/index.ts';
import type { Store } from '../../src/store/store.ts';
import { answerLost, away, first } from '../delivery/fixtures.ts';
import { client, endpointsWith, session, startTask, statusOf, until } from './task-endpoints.ts';

/** The jobs that handlers have handed over: ids of tasks, by floor. */
const queue = new Map<string, string>();

const inputSchema = z.object({ floor: z.string() });
const deferring = {
  inputSchema,
  handler: ({ floor }: { floor: string }, { mcp: call }: HandlerContext) => call.defer(taskId => queue.set(floor, taskId)),
};
const tools = {
  clean: { description: 'Leaves the work to a queue', task: 'required' as const, ...deferring },
  count: { description: 'Leaves a number to a queue', task: 'required' as const, outputSchema: z.object({ rooms: z.int() }), ...deferring },
  careless: { description: 'Does not know that a plain call cannot be deferred', task: 'optional' as const, ...deferring },
  broken: {
    description: 'Has a queue that does not work',
    task: 'required' as const,
    handler: (_: unknown, { mcp: call }: HandlerContext) =>
      call.defer(() => {
        throw new ToolError('The queue is full');
      }),
  },
  forgetful: {
    description: 'Returns and throws what it likes once it has handed over',
    task: 'required' as const,
    inputSchema: z.object({ floor: z.string(), throws: z.boolean() }),
    outputSchema: z.object({ rooms: z.int() }),
    handler: async ({ floor, throws }: { floor: string; throws: boolean }, { mcp: call }: HandlerContext) => {
      await call.defer(taskId => queue.set(floor, taskId));
      if (throws) throw new Error('too late');
      return 'not what outputSchema wants';
    },
  },
  stay: {
    description: 'Ends with its process',
    task: 'required' as const,
    handler: (_: unknown, { mcp: call }: HandlerContext) =>
      new Promise((_resolve, reject) => call.signal.addEventListener('abort', () => reject(call.signal.reason as Error))),
  },
  quick: { description: 'Ends by itself', task: 'required' as const, handler: () => 'done' },
};

const endpoint = endpointsWith(tools);
/** An app process that serves no HTTP. */
const worker = (store: Store, onError?: (error: unknown) => void) =>
  mcp({ name: 'test', tools, sessions: { store, lookMs: 20, deadMs: 1000 }, limits: { storeMs: 500 }, ...(onError && { onError }) });
const taken = (floor: string): Promise<string> =>
  expect
    .poll(() => queue.get(floor))
    .toEqual(expect.any(String))
    .then(() => queue.get(floor) ?? '');
const resultOf = async (of: ReturnType<typeof client>, taskId: string) => (await of.result('tasks/get', { taskId })).result;

describe('a deferred task', () => {
  it('is completed by a process without HTTP, for clients that poll, wait and listen in two others', async () => {
    const store = memoryStore();
    // Looks at the versions of rows come far too late here: the processes read of the change in the log.
    await using a = await endpoint(store, { sessions: { deadMs: 600_000 } });
    await using b = await endpoint(store, { sessions: { deadMs: 600_000 } });
    const elsewhere = worker(store);
    const taskId = await startTask(client(a), 'clean', { floor: 'first' });
    expect(await taken('first')).toBe(taskId);
    const waiting = session(b).then(of => of.result('tasks/result', { taskId }));
    const stream = await client(b).listen({ taskIds: [taskId] });
    expect(await stream.next()).toMatchObject({ params: { status: 'working' } });
    expect(await elsewhere.tasks.progress(taskId, 'Room 3 of 20')).toBe(true);
    expect(await stream.next()).toMatchObject({ params: { status: 'working', statusMessage: 'Room 3 of 20' } });
    expect(await elsewhere.tasks.complete(taskId, 'The first floor is clean')).toBe(true);
    const content = [{ type: 'text', text: 'The first floor is clean' }];
    expect(await stream.next()).toMatchObject({ params: { status: 'completed', result: { content } } });
    expect(await waiting).toMatchObject({ content });
    expect(await resultOf(client(a), taskId)).toMatchObject({ content });
    stream.close();
    await elsewhere.close();
  });

  it('goes on after the process that started it has gone, and ends with its own result', async () => {
    const store = memoryStore();
    const a = await endpoint(store);
    await using b = await endpoint(store);
    const taskId = await startTask(client(a), 'clean', { floor: 'orphan' });
    await taken('orphan');
    await expect.poll(async () => (await store.findTask(taskId))?.node).toBe('');
    const own = await startTask(client(a), 'stay');
    for (const verb of ['beat', 'updateTask', 'removeNode'] as const) a.disturb(verb, away);
    await until(client(b), own, 'failed');
    expect(await statusOf(client(b), taskId)).toBe('working');
    expect(await b.mcp.tasks.complete(taskId, 'clean')).toBe(true);
    expect((await resultOf(client(b), taskId)).content[0].text).toBe('clean');
    a.errors.length = 0;
    await a[Symbol.asyncDispose]().catch(() => undefined);
  });

  it('does not hold up drain() and close()', async () => {
    const store = memoryStore();
    const a = await endpoint(store);
    const taskId = await startTask(client(a), 'clean', { floor: 'drained' });
    await taken('drained');
    await expect.poll(async () => (await store.findTask(taskId))?.node).toBe('');
    await a.mcp.drain({ deadlineMs: 60_000 });
    await a[Symbol.asyncDispose]();
    expect((await store.findTask(taskId))?.status).toBe('working');
  });

  it('is checked, converted and limited as the result of a handler is', async () => {
    await using a = await endpoint(memoryStore(), { limits: { maxResultBytes: 1000 } });
    const end = async (name: string, floor: string, result: unknown) => {
      const taskId = await startTask(client(a), name, { floor });
      expect(await a.mcp.tasks.complete(await taken(floor), result)).toBe(true);
      return resultOf(client(a), taskId);
    };
    expect(await end('count', 'good', { rooms: 20, secret: 1 })).toMatchObject({ structuredContent: { rooms: 20 } });
    expect((await end('count', 'good', { rooms: 20, secret: 1 })).structuredContent).not.toHaveProperty('secret');
    expect(await end('clean', 'row', { floor: 1 })).toMatchObject({ structuredContent: { floor: 1 } });
    expect(await end('clean', 'none', undefined)).toMatchObject({ content: [] });
    expect(await end('clean', 'large', 'x'.repeat(2000))).toMatchObject({ isError: true, content: [{ text: /larger than 1000 bytes/u }] });
    expect(a.errors).toEqual([]);
    const wrong = await end('count', 'wrong', { rooms: 'many' });
    expect(wrong).toMatchObject({ isError: true, content: [{ text: expect.stringMatching(/^Internal error \(ref [0-9a-f]{8}\)$/u) }] });
    const [reported] = a.errors.splice(0) as (Error & { ref: string })[];
    expect(reported?.message).toMatch(/tools\.count.*does not match outputSchema/u);
    expect(wrong.content[0].text).toContain(reported?.ref);
  });

  it('fails as a handler that throws does', async () => {
    await using a = await endpoint(memoryStore());
    const fail = async (floor: string, error: unknown) => {
      const taskId = await startTask(client(a), 'count', { floor });
      expect(await a.mcp.tasks.fail(await taken(floor), error)).toBe(true);
      return client(a).result('tasks/get', { taskId });
    };
    expect(await fail('told', new ToolError('No such floor'))).toMatchObject({
      status: 'completed',
      result: { isError: true, content: [{ text: 'No such floor' }] },
    });
    expect(await fail('refused', new McpError('InvalidParams', 'Which floor?'))).toMatchObject({
      status: 'failed',
      error: { code: -32602, message: 'Which floor?' },
    });
    expect(a.errors).toEqual([]);
    for (const secret of [new Error('secret'), 'secret']) {
      const { result } = await fail(`secret ${typeof secret}`, secret);
      expect(result.content[0].text).toMatch(/^Internal error \(ref/u);
      expect(String(a.errors.splice(0)[0])).toContain('secret');
    }
  });

  it('is cancelled by its client, and its worker learns of it', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    const elsewhere = worker(store);
    const taskId = await startTask(client(a), 'clean', { floor: 'cancelled' });
    await taken('cancelled');
    expect(await elsewhere.tasks.progress(taskId, 'Room 1')).toBe(true);
    await client(a).result('tasks/cancel', { taskId });
    expect(await elsewhere.tasks.progress(taskId, 'Room 2')).toBe(false);
    expect(await elsewhere.tasks.complete(taskId, 'clean')).toBe(false);
    expect(await elsewhere.tasks.fail(taskId, new Error('too late'))).toBe(false);
    expect(await elsewhere.tasks.find(taskId)).toMatchObject({ id: taskId, principal: 'ada', tool: 'clean', status: 'cancelled' });
    expect(await client(a).result('tasks/get', { taskId })).not.toHaveProperty('result');
    await elsewhere.close();
  });

  it('ends once, whoever is first of many workers', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    const workers = Array.from({ length: 5 }, () => worker(store));
    const taskId = await startTask(client(a), 'clean', { floor: 'raced' });
    await taken('raced');
    const ends = await Promise.all(workers.map((each, index) => each.tasks.complete(taskId, `worker ${index}`)));
    expect(ends.filter(Boolean)).toHaveLength(1);
    expect((await resultOf(client(a), taskId)).content[0].text).toBe(`worker ${ends.indexOf(true)}`);
    await Promise.all(workers.map(each => each.close()));
  });

  it('may end before its handler has', async () => {
    const store = memoryStore();
    const eager = worker(store);
    const ends: boolean[] = [];
    await using a = await endpoint(store, {
      tools: {
        clean: {
          description: 'Has a queue that works at once',
          task: 'required',
          handler: (_, { mcp: call }) => call.defer(async taskId => ends.push(await eager.tasks.complete(taskId, 'at once'))),
        },
      },
    });
    const taskId = await startTask(client(a), 'clean');
    await until(client(a), taskId, 'completed');
    expect((await resultOf(client(a), taskId)).content[0].text).toBe('at once');
    expect(ends).toEqual([true]);
    await eager.close();
  });

  it('is over after its time, and counts among those that run until then', async () => {
    const store = memoryStore();
    await using a = await endpoint(store, { limits: { maxTasks: 1, taskMs: 1500 } });
    const taskId = await startTask(client(a), 'clean', { floor: 'late' });
    await taken('late');
    expect(await client(a).error('tools/call', { name: 'quick' })).toMatchObject({ message: expect.stringContaining('maxTasks') });
    await expect.poll(() => a.mcp.tasks.find(taskId), { timeout: 5000 }).toBeUndefined();
    expect(await a.mcp.tasks.complete(taskId, 'clean')).toBe(false);
    expect(await a.mcp.tasks.progress(taskId, 'Room 1')).toBe(false);
    await until(client(a), await startTask(client(a), 'quick'), 'completed');
  });

  it('is handed over whatever its handler does afterwards', async () => {
    await using a = await endpoint(memoryStore());
    for (const throws of [false, true]) {
      const floor = `forgotten ${throws}`;
      const taskId = await startTask(client(a), 'forgetful', { floor, throws });
      await taken(floor);
      expect(await a.mcp.tasks.complete(taskId, { rooms: 3 })).toBe(true);
      expect((await resultOf(client(a), taskId)).structuredContent).toEqual({ rooms: 3 });
    }
    expect(a.errors).toEqual([]);
  });

  it('is none if the hand-over fails, or in a plain call, and the app is told why', async () => {
    await using a = await endpoint(memoryStore());
    const taskId = await startTask(client(a), 'broken');
    await until(client(a), taskId, 'completed');
    expect(await resultOf(client(a), taskId)).toMatchObject({ isError: true, content: [{ text: 'The queue is full' }] });
    const plain = await (await session(a)).call('careless', { floor: 'plain' });
    expect(plain).toMatchObject({ isError: true, content: [{ text: expect.stringMatching(/^Internal error/u) }] });
    expect(a.errors.splice(0)).toMatchObject([{ message: expect.stringContaining("this call is no task; set `task: 'required'`") }]);
    expect(queue.has('plain')).toBe(false);
  });

  it('needs its tool to be completed, and nothing but its row to fail', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    const bare = mcp({ name: 'test', sessions: { store } });
    const taskId = await startTask(client(a), 'clean', { floor: 'bare' });
    await taken('bare');
    await expect(bare.tasks.complete(taskId, 'clean')).rejects.toThrow('`tools` has no clean');
    expect(await bare.tasks.fail(taskId, new ToolError('No worker knows this tool'))).toBe(true);
    expect((await resultOf(client(a), taskId)).content[0].text).toBe('No worker knows this tool');
    for (const unknown of ['a'.repeat(43), '', "' OR 1=1 --"]) {
      expect(await bare.tasks.find(unknown)).toBeUndefined();
      expect(await bare.tasks.complete(unknown)).toBe(false);
    }
    await bare.close();
  });

  it('is handed over and ended although the database is away for a while', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    for (const outage of [away, answerLost]) {
      const heal = a.disturb('updateTask', first(3, outage));
      const taskId = await startTask(client(a), 'clean', { floor: outage.name });
      await taken(outage.name);
      await expect.poll(async () => (await store.findTask(taskId))?.node).toBe('');
      heal();
      const healed = a.disturb('updateTask', first(1, outage));
      await expect(a.mcp.tasks.complete(taskId, 'clean')).rejects.toThrow(StoreUnavailable);
      healed();
      // After a lost answer, the first try has ended it.
      expect(await a.mcp.tasks.complete(taskId, 'clean')).toBe(outage === away);
      expect((await resultOf(client(a), taskId)).content[0].text).toBe('clean');
    }
    a.errors.length = 0;
  });
});
