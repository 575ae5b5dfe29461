import { expect } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import type { WhereLimits } from '../../src/models/arguments/where.ts';
import type { Limits, SessionOptions } from '../../src/options.ts';
import type { Json } from '../security/world.ts';
import { ask, bearer, openAs } from '../security/world.ts';
import type { ModernStream } from '../support/modern.ts';
import { ModernClient, modernRequest } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { openReader, openSse } from '../support/sse.ts';
import type { WireSession } from '../support/wire.ts';
import { open, post } from '../support/wire.ts';

/** One limit: how a caller goes past it, and what that caller is answered. */
export interface Row {
  readonly limits?: Limits;
  readonly sessions?: SessionOptions;
  /**
   * Goes past the limit, and holds the answer to what is documented.
   *
   * @returns A function that ends it, if the caller stays beyond the limit until then.
   */
  readonly exceed: (server: TestServer) => Promise<unknown>;
}

const user = 1;
const ada = (server: TestServer): Promise<WireSession> => openAs(server.url, user);
const adaStateless = ({ url }: TestServer) => new ModernClient(url, { headers: bearer(user), capabilities: { elicitation: {} } });
const texts = { session: 'in this session', caller: 'of this caller' };
/** More than the buffers of a connection take. */
const bigBytes = 24 * 2 ** 20;
const form = { message: 'Name?', requestedSchema: z.object({ name: z.string() }) };
const patience = { timeout: 15_000 };

/** The tools of every row. Those that never end do so with their signal. */
export const tools = {
  echo: { description: 'Echo', handler: () => 'echo' },
  ask: {
    description: 'Asks twice',
    handler: async (_: unknown, { mcp }: HandlerContext) => [await mcp.elicit(form), await mcp.elicit(form)],
  },
  job: { description: 'A task until it is cancelled', task: 'required' as const, handler: () => new Promise(() => undefined) },
  never: { description: 'Never ends', handler: () => new Promise(() => undefined) },
  big: { description: 'An answer of many megabytes', handler: () => 'x'.repeat(bigBytes) },
  wide: { description: 'An answer of 100,000 bytes', handler: () => 'x'.repeat(100_000) },
  talk: {
    description: 'Goes on talking when its client is gone',
    inputSchema: z.object({ text: z.string() }),
    handler: ({ text }: { text: string }, { mcp }: HandlerContext) => {
      mcp.log('info', 'begins');
      mcp.closeStream();
      for (let times = 0; times < 20; times += 1) mcp.log('info', text);
      return 'done';
    },
  },
  flood: {
    description: 'Talks until its stream is cut',
    handler: async (_: unknown, { mcp }: HandlerContext) => {
      const text = 'x'.repeat(100_000);
      for (let step = 1; step < 10_000 && !mcp.signal.aborted; step += 1) {
        mcp.progress(step, undefined, text);
        await new Promise(setImmediate);
      }
      flooded.push(mcp.signal.aborted);
      return 'done';
    },
  },
};
/** Of each `flood` that has ended, whether its stream was cut. */
const flooded: boolean[] = [];

/** What a call is answered when `maxCalls` of its session or its caller run. */
async function exceedCalls(server: TestServer, whose: keyof typeof texts): Promise<() => Promise<unknown>> {
  const session = await ada(server);
  const abort = new AbortController();
  const never = { jsonrpc: '2.0', method: 'tools/call', params: { name: 'never' } };
  const calls = [1, 2].map(id =>
    whose === 'session'
      ? session.send({ ...never, id }, { signal: abort.signal })
      : adaStateless(server).call('never', {}, { signal: abort.signal }),
  );
  for (const call of calls) call.catch(() => undefined);
  const refusal = async () => {
    const { response } = await (whose === 'session' ? session.request('ping') : adaStateless(server).request('tools/list'));
    return response.error;
  };
  await expect.poll(refusal, patience).toMatchObject({ code: -32600, message: expect.stringContaining(`${texts[whose]} (2)`) });
  return async () => {
    abort.abort();
    if (whose === 'session') for (const requestId of [1, 2]) await session.notify('notifications/cancelled', { requestId });
  };
}

/** Calls `big` and does not read the answer. */
async function ignoreAnswer({ url }: TestServer): Promise<{ response: Response; abort: AbortController }> {
  const { body, headers } = modernRequest('tools/call', { name: 'big', arguments: {} });
  const abort = new AbortController();
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers, ...bearer(user) },
    body: JSON.stringify(body),
    signal: abort.signal,
  });
  return { response, abort };
}

async function exceedUnsent(server: TestServer): Promise<() => void> {
  const unread = await ignoreAnswer(server);
  expect(await adaStateless(server).error('tools/call', { name: 'echo' })).toMatchObject({
    status: 503,
    message: expect.stringContaining('nothing was done'),
  });
  return () => unread.abort.abort();
}

async function exceedEvents(server: TestServer, text: string): Promise<void> {
  const session = await ada(server);
  const headers = { ...session.headers, 'mcp-protocol-version': session.revision };
  const call = { jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'talk', arguments: { text } } };
  const before = await openReader({ url: server.url, headers, body: call });
  await before.end();
  const resumed = await openReader({
    url: server.url,
    headers: { ...headers, accept: 'text/event-stream', 'last-event-id': before.lastEventId ?? '' },
  });
  expect((await resumed.end()).at(-1)).toMatchObject({ id: 7, error: { message: expect.stringMatching(/^More than/u) } });
}

const write = (internalNote: string) => ({
  data: { clientId: user, startsAt: '2026-05-01T09:00:00.000Z', price: '1', internalNote },
  idempotencyKey: internalNote,
});

/** A `where` that exceeds a limit of 1, and the tool that gets it. */
const wheres: Record<keyof WhereLimits, readonly [tool: string, where: Json, limit?: number]> = {
  maxDepth: ['booking_findMany', { AND: [{ OR: [{ AND: [{ id: 1 }] }] }] }],
  maxConditions: ['booking_findMany', { OR: [{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }] }, 3],
  maxValues: ['booking_findMany', { id: { in: [1, 2] } }],
  maxRelations: ['booking_findMany', { OR: [{ client: { id: 1 } }, { room: { id: 'red' } }] }],
  maxHops: ['booking_findMany', { client: { referredBy: { id: 1 } } }],
  maxListFilters: ['client_findMany', { bookings: { some: {} }, referrals: { some: {} } }],
  maxListHops: ['client_findMany', { referrals: { some: { bookings: { some: {} } } } }],
  maxWildcards: ['client_findMany', { name: { contains: '%%' } }],
  maxPatternCharacters: ['client_findMany', { name: { contains: 'ab' } }],
  maxTextWork: ['client_findMany', { name: { contains: 'aaa' } }],
};

/** The rows of `limits.where`. */
export const whereRows: Record<keyof WhereLimits, Row> = Object.fromEntries(
  Object.entries(wheres).map(([name, [tool, where, limit = 1]]): [string, Row] => [
    name,
    {
      // Enough of what the others count.
      limits: { where: { maxListFilters: 5, maxListHops: 5, maxTextWork: 100, [name]: limit } },
      exceed: async server => {
        expect(await ask(await ada(server), tool, { where })).toContain(name === 'maxDepth' ? 'deeper than' : `limits.where.${name}`);
      },
    },
  ]),
) as Record<keyof WhereLimits, Row>;

/** The rows of `sessions`. */
export const sessionRows: Partial<Record<keyof SessionOptions, Row>> = {
  maxPerPrincipal: {
    sessions: { maxPerPrincipal: 3 },
    exceed: async server => {
      const sessions: WireSession[] = [];
      for (let count = 0; count < 5; count += 1) sessions.push(await ada(server));
      await expect.poll(async () => (await server.mcp.sessions.list({ principal: String(user) })).sessions.length, patience).toBe(3);
      expect((await sessions[0]?.request('ping'))?.status).toBe(404);
    },
  },
};

/** The rows of `limits`. */
export const limitRows: Partial<Record<keyof Limits, Row>> = {
  maxBodyBytes: {
    limits: { maxBodyBytes: 10_000 },
    exceed: async server => {
      expect((await (await ada(server)).request('ping', { text: 'x'.repeat(10_000) })).status).toBe(413);
    },
  },
  maxBodyValues: {
    limits: { maxBodyValues: 1000 },
    exceed: async server => {
      expect((await (await ada(server)).request('ping', { numbers: Array.from({ length: 1001 }, () => 1) })).status).toBe(413);
    },
  },
  maxDepth: {
    limits: { maxDepth: 12 },
    exceed: async server => {
      const text = `${'['.repeat(20)}${']'.repeat(20)}`;
      const session = await ada(server);
      expect((await session.send(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${text}}}`)).status).toBe(400);
    },
  },
  maxBatch: {
    limits: { maxBatch: 2 },
    exceed: async server => {
      const session = await open(server.url, { revision: '2025-03-26', headers: bearer(user) });
      expect((await session.send([1, 2, 3].map(id => ({ jsonrpc: '2.0', id, method: 'ping' })))).status).toBe(400);
    },
  },
  maxUriCharacters: {
    limits: { maxUriCharacters: 100 },
    exceed: async server => {
      const uri = `test://item/${'x'.repeat(100)}`;
      expect(await (await ada(server)).error('resources/read', { uri })).toMatchObject({ code: -32602 });
    },
  },
  maxCalls: {
    limits: { maxCalls: 2 },
    exceed: async server => {
      const ends = [await exceedCalls(server, 'session'), await exceedCalls(server, 'caller')];
      return async () => {
        for (const end of ends) await end();
      };
    },
  },
  callsPerMinute: {
    limits: { callsPerMinute: 60 },
    exceed: async server => {
      const session = await ada(server);
      for (let count = 0; count < 60; count += 1) expect((await session.request('ping')).status).toBe(200);
      const { status, headers } = await session.request('ping');
      expect([status, headers.get('retry-after')]).toEqual([429, expect.stringMatching(/^\d+$/u)]);
    },
  },
  initializesPerMinute: {
    limits: { initializesPerMinute: 3 },
    exceed: async server => {
      for (let count = 0; count < 2; count += 1) await ada(server);
      (await openSse(`${server.url}/sse`, { headers: bearer(user) })).close();
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } };
      const { status } = await post(server.url, { jsonrpc: '2.0', id: 0, method: 'initialize', params }, { headers: bearer(user) });
      expect(status).toBe(429);
    },
  },
  maxSubscriptions: {
    limits: { maxSubscriptions: 2 },
    exceed: async server => {
      const session = await ada(server);
      for (const id of [1, 2]) await session.result('resources/subscribe', { uri: `test://item/${id}` });
      expect(await session.error('resources/subscribe', { uri: 'test://item/3' })).toMatchObject({ code: -32602 });
    },
  },
  maxStreams: {
    limits: { maxStreams: 2 },
    exceed: async server => {
      const { headers } = await ada(server);
      const get = () => openReader({ url: server.url, headers: { ...headers, accept: 'text/event-stream' } });
      const streams = [await get(), await get(), await get()];
      await streams[0]?.end();
      expect(streams.at(-1)?.isOver).toBe(false);
      return () => {
        for (const stream of streams) stream.close();
      };
    },
  },
  maxListeners: {
    limits: { maxListeners: 4, maxListenersPerPrincipal: 3 },
    exceed: async server => {
      const streams: ModernStream[] = [];
      for (let count = 0; count < 3; count += 1) streams.push(await adaStateless(server).listen({ toolsListChanged: true }));
      // The neighbour has the fourth.
      const guest = new ModernClient(server.url);
      expect((await guest.error('subscriptions/listen', { notifications: {} })).message).toContain('at once (4)');
      return () => {
        for (const stream of streams) stream.close();
      };
    },
  },
  maxListenersPerPrincipal: {
    limits: { maxListenersPerPrincipal: 1 },
    exceed: async server => {
      const stream = await adaStateless(server).listen({ toolsListChanged: true });
      expect((await adaStateless(server).error('subscriptions/listen', { notifications: {} })).message).toContain('of this caller (1)');
      return () => stream.close();
    },
  },
  maxContinuations: {
    limits: { maxContinuations: 2 },
    exceed: async server => {
      const client = adaStateless(server);
      const states: string[] = [];
      for (let count = 0; count < 4; count += 1) states.push((await client.call('ask')).requestState);
      const inputResponses = { elicitation_create_1: { action: 'accept', content: { name: 'x' } } };
      expect(await client.error('tools/call', { name: 'ask', requestState: states[0], inputResponses })).toMatchObject({ code: -32602 });
    },
  },
  maxContinuationBytes: {
    limits: { maxContinuationBytes: 200 },
    exceed: async server => {
      const client = adaStateless(server);
      const { requestState } = await client.call('ask');
      const inputResponses = { elicitation_create_1: { action: 'accept', content: { name: 'x'.repeat(300) } } };
      const { message } = await client.error('tools/call', { name: 'ask', requestState, inputResponses });
      expect(message).toContain('limits.maxContinuationBytes');
    },
  },
  maxIdempotencyKeys: {
    limits: { maxIdempotencyKeys: 2 },
    exceed: async server => {
      const session = await ada(server);
      const first = await ask(session, 'booking_create', write('a'));
      for (const key of ['b', 'c', 'd']) await ask(session, 'booking_create', write(key));
      // Old keys are removed behind the write.
      await expect.poll(async () => (await ask(session, 'booking_create', write('a'))).id, patience).toBeGreaterThan(first.id);
    },
  },
  maxIdempotencyBytes: {
    limits: { maxIdempotencyBytes: 400 },
    exceed: async server => {
      const session = await ada(server);
      const long = write('long');
      long.data.internalNote = 'x'.repeat(500);
      expect(await ask(session, 'booking_create', long)).toMatchObject({ internalNote: long.data.internalNote });
      expect(await ask(session, 'booking_create', long)).toContain('limits.maxIdempotencyBytes');
    },
  },
  maxUnsentBytes: {
    limits: { maxResultBytes: 2 * bigBytes, maxUnsentBytesPerPrincipal: bigBytes, maxUnsentBytes: 2 * bigBytes },
    exceed: async server => {
      const end = await exceedUnsent(server);
      const guest = new ModernClient(server.url);
      expect((await guest.error('tools/call', { name: 'big' })).message).toContain('result is dropped');
      return end;
    },
  },
  maxUnsentBytesPerPrincipal: {
    limits: { maxResultBytes: 2 * bigBytes, maxUnsentBytesPerPrincipal: bigBytes },
    exceed: exceedUnsent,
  },
  sendMs: {
    limits: { maxResultBytes: 2 * bigBytes, maxUnsentBytesPerPrincipal: bigBytes, sendMs: 100 },
    exceed: async server => {
      const { response } = await ignoreAnswer(server);
      await expect.poll(async () => (await adaStateless(server).request('tools/call', { name: 'echo' })).status, patience).toBe(200);
      await expect(response.text()).rejects.toThrow();
    },
  },
  maxStreamBufferBytes: {
    limits: { maxStreamBufferBytes: 200_000 },
    exceed: async server => {
      flooded.length = 0;
      const { body, headers } = modernRequest('tools/call', { name: 'flood', arguments: {} }, { progressToken: 1 });
      const response = await fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers, ...bearer(user) },
        body: JSON.stringify(body),
      });
      await expect.poll(() => flooded, patience).toEqual([true]);
      await expect(response.text()).rejects.toThrow();
    },
  },
  maxResultBytes: {
    limits: { maxResultBytes: 50_000 },
    exceed: async server => {
      const { isError, content } = await (await ada(server)).call('wide');
      expect([isError, content[0].text]).toEqual([true, expect.stringContaining('50000 bytes')]);
    },
  },
  handlerMs: {
    limits: { handlerMs: 1500 },
    exceed: async server => {
      const { isError, content } = await (await ada(server)).call('never');
      expect([isError, content[0].text]).toEqual([true, expect.stringContaining('1.5 s')]);
    },
  },
  inputMs: {
    limits: { inputMs: 300 },
    exceed: async server => {
      const session = await open(server.url, { headers: bearer(user), capabilities: { elicitation: {} } });
      const { messages } = await session.request('tools/call', { name: 'ask' });
      expect(messages.at(-1)?.result).toMatchObject({ isError: true });
    },
  },
  maxTasks: {
    limits: { maxTasks: 2 },
    exceed: async server => {
      const session = await ada(server);
      const begin = () => session.request('tools/call', { name: 'job', task: {} });
      const ids = [await begin(), await begin()].map(({ response }) => response.result.task.taskId);
      expect((await begin()).response.error?.message).toContain('Too many tasks at once of this caller (2, limits.maxTasks)');
      return async () => {
        for (const taskId of ids) await session.result('tasks/cancel', { taskId });
      };
    },
  },
  maxEvents: { limits: { maxEvents: 5 }, exceed: server => exceedEvents(server, 'x') },
  maxEventBytes: { limits: { maxEventBytes: 1000 }, exceed: server => exceedEvents(server, 'x'.repeat(500)) },
};

/** The limits that a caller does not run into, and why. */
export const limitsWithoutRow: Partial<Record<keyof Limits, string>> = {
  idempotencyMs: 'a time after which keys end, whoever has them',
  taskMs: 'a time after which a task ends, whoever has it',
  heartbeatMs: 'a time between comments',
  replayMs: 'a time after which messages end, whoever they are for',
  storeMs: 'the time of the database',
  pageSize: 'a list goes on in the next page',
  maxInstances: 'the app lists them, not a caller',
};
/** The same of `sessions`. */
export const sessionsWithoutRow: Partial<Record<keyof SessionOptions, string>> = {
  idleMs: 'a time after which a session ends that is not used',
  continuationMs: 'a time after which a continuation ends',
  cacheMs: 'a time between reads',
  touchMs: 'a time between writes',
  sweepMs: 'a time between deletions',
  lookMs: 'a time between reads',
  deadMs: 'the time of a process',
};
