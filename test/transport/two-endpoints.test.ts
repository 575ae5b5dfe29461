import type { EventSourceMessage } from 'eventsource-parser';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { memoryBus } from '../../src/bus/bus.ts';
import type { HandlerContext } from '../../src/index.ts';
import { memoryStore } from '../../src/index.ts';
import type { Store } from '../../src/store/store.ts';
import type { DisturbedStore } from '../delivery/fixtures.ts';
import { away, disturbed, first, hanging, held } from '../delivery/fixtures.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import type { SseSession } from '../support/sse.ts';
import { initializeParams, openSse, rawEvents, take } from '../support/sse.ts';
import type { WireSession } from '../support/wire.ts';
import { open, post } from '../support/wire.ts';

/** An endpoint that looks for news every 20 ms, over a store that a test can disturb. */
async function endpoint(
  shared: Store,
  { bus = memoryBus(), limits = {}, ...options }: Parameters<typeof start>[0] = {},
): Promise<TestServer & DisturbedStore> {
  const disturbance = disturbed(shared);
  const server = await start({
    bus,
    sessions: { store: disturbance.store, lookMs: 20, deadMs: 2000, cacheMs: 50 },
    limits: { storeMs: 1000, ...limits },
    resources: { hours: { uri: 'test://hours', handler: () => '9 to 5' } },
    ...options,
  });
  return Object.assign(server, disturbance);
}

const get = async (url: string, session: WireSession, lastId?: string, signal?: AbortSignal): Promise<Response> =>
  fetch(url, {
    headers: { ...session.headers, accept: 'text/event-stream', ...(lastId !== undefined && { 'last-event-id': lastId }) },
    ...(signal && { signal }),
  });

const methods = (events: EventSourceMessage[]): unknown[] =>
  events.map(({ data }) => (data === '' ? '' : (JSON.parse(data) as { method: string }).method.replace('notifications/', '')));

/** An HTTP+SSE session whose stream is at `a`, and whose client posts to `b` by `elsewhere`. */
async function openSseAcross(a: TestServer, b: TestServer): Promise<{ session: SseSession; elsewhere: SseSession['post'] }> {
  const session = await openSse(`${a.url}/sse`);
  await session.request('initialize', initializeParams);
  const moved = Object.defineProperty(session, 'endpoint', { value: b.origin + session.endpoint });
  return { session, elsewhere: message => moved.post(message) };
}

/** A tool that runs until it is told to end, or aborted. */
function gate() {
  let finish: (() => void) | undefined;
  let begin: ((signal: AbortSignal) => void) | undefined;
  const begun = new Promise<AbortSignal>(resolve => {
    begin = resolve;
  });
  const tool = {
    description: 'Waits',
    handler: async (_: unknown, { mcp }: HandlerContext) => {
      begin?.(mcp.signal);
      await new Promise<void>(resolve => {
        finish = resolve;
        mcp.signal.addEventListener('abort', () => resolve());
      });
      return 'done';
    },
  };
  return { tool, begun, finish: () => finish?.() };
}

describe('the stream of a session', () => {
  it('goes on at another endpoint behind Last-Event-ID, and hears subscriptions made at either', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store);
    const session = await open(a.url);
    const stream = rawEvents(await get(a.url, session));
    await b.mcp.listChanged('tools');
    const received = await take(stream, 2);
    expect(methods(received)).toEqual(['', 'tools/list_changed']);
    expect(
      (
        await post(
          b.url,
          { jsonrpc: '2.0', id: 1, method: 'resources/subscribe', params: { uri: 'test://hours' } },
          { headers: session.headers },
        )
      ).status,
    ).toBe(200);
    await b.mcp.resourceUpdated('test://hours');
    expect(methods(await take(stream, 1))).toEqual(['resources/updated']);
    const resumed = rawEvents(await get(b.url, session, received[1]?.id));
    expect(methods(await take(resumed, 1))).toEqual(['resources/updated']);
    expect((await stream.next()).done).toBe(true);
    await a.mcp.listChanged('prompts');
    expect(methods(await take(resumed, 1))).toEqual(['prompts/list_changed']);
  });

  it('that cannot be opened is answered 503 with Retry-After, and the session is not kept alive by it', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    const session = await open(a.url);
    for (const disturbance of [away, hanging]) {
      const end = a.disturb('subscriptions', disturbance);
      const response = await get(a.url, session);
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
      end();
    }
    expect(a.errors.splice(0)).toHaveLength(2);
    await a.mcp.close({ deadlineMs: 1000 });
    // Retained sessions are looked for when the uses are written.
    expect(a.count('existing')).toBe(0);
  });

  it('is answered 404 where its session ended meanwhile', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    const session = await open(a.url);
    a.disturb('subscriptions', async run => {
      await store.end(session.id);
      return run();
    });
    a.disturb('update', async run => {
      await store.end(session.id);
      return run();
    });
    expect((await get(a.url, session)).status).toBe(404);
    expect((await session.request('ping')).status).toBe(404);
  });
});

describe('a call', () => {
  it('is cancelled by way of another endpoint once it takes long, and a later one of the same id is not', async () => {
    const store = memoryStore();
    const bus = memoryBus();
    const { tool, begun } = gate();
    await using a = await endpoint(store, { bus, tools: { tool } });
    await using b = await endpoint(store, { bus });
    const session = await open(a.url);
    const call = session.send({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'tool' } });
    const signal = await begun;
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7, reason: 'elsewhere' } };
    expect((await post(b.url, cancel, { headers: session.headers })).status).toBe(202);
    const { status, text } = await call;
    expect([status, text, (signal.reason as Error).message]).toEqual([202, '', 'elsewhere']);
    const again = await session.send({ jsonrpc: '2.0', id: 7, method: 'ping' });
    expect(again.response.result).toEqual({});
  });

  it('takes the answer to its question from another endpoint', async () => {
    const store = memoryStore();
    await using a = await endpoint(store, {
      tools: {
        ask: {
          description: 'Asks',
          handler: async (_: unknown, { mcp }: HandlerContext) => {
            const { action } = await mcp.elicit({ message: 'Sure?', requestedSchema: z.object({ sure: z.boolean() }) });
            return action;
          },
        },
      },
    });
    await using b = await endpoint(store);
    const session = await open(a.url, { capabilities: { elicitation: {} } });
    const response = await fetch(a.url, {
      method: 'POST',
      headers: { ...session.headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'ask' } }),
    });
    const stream = rawEvents(response);
    const [, question] = await take(stream, 2);
    const { id } = JSON.parse(question?.data ?? '') as { id: string };
    const answer = { jsonrpc: '2.0', id, result: { action: 'accept', content: { sure: true } } };
    expect((await post(b.url, answer, { headers: session.headers })).status).toBe(202);
    const [result] = await take(stream, 1);
    expect(JSON.parse(result?.data ?? '')).toMatchObject({ id: 7, result: { content: [{ text: 'accept' }] } });
    expect((await stream.next()).done).toBe(true);
  });
});

describe('HTTP+SSE', () => {
  it('answers on the stream what is posted to another endpoint', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store, { tools: { echo: { description: 'Echoes', handler: () => 'hi' } } });
    const { session, elsewhere } = await openSseAcross(a, b);
    const { status } = await elsewhere({ jsonrpc: '2.0', id: 'x', method: 'tools/call', params: { name: 'echo' } });
    expect(status).toBe(202);
    expect(await session.next()).toMatchObject({ id: 'x', result: { content: [{ text: 'hi' }] } });
    await b.mcp.listChanged('tools');
    expect((await session.next())?.method).toBe('notifications/tools/list_changed');
    session.close();
  });

  it('answers 503 where the process with the stream does not answer, and 409 once it has ended; then its session is gone', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store);
    const { session, elsewhere } = await openSseAcross(a, b);
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    const end = a.disturbAll(hanging);
    const silent = await elsewhere(ping);
    expect([silent.status, silent.headers.get('retry-after')]).toEqual([503, '1']);
    await expect.poll(async () => (await elsewhere(ping)).status, { timeout: 10_000, interval: 50 }).toBe(409);
    expect((await elsewhere(ping)).status).toBe(404);
    end();
    expect(await session.next()).toBeUndefined();
    await expect.poll(() => a.errors.map(String).join()).toContain('`end`');
    a.errors.splice(0);
  });

  it('is not acknowledged where its process cannot read the log: 503', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store);
    const { session, elsewhere } = await openSseAcross(a, b);
    const end = b.disturb('latest', away);
    expect((await elsewhere({ jsonrpc: '2.0', id: 1, method: 'ping' })).status).toBe(503);
    end();
    expect((await elsewhere({ jsonrpc: '2.0', id: 2, method: 'ping' })).status).toBe(202);
    expect(await session.next()).toMatchObject({ id: 2 });
    expect(b.errors.splice(0)).toHaveLength(1);
    session.close();
  });

  it('is not acknowledged before its request is a row: 503 where it cannot be written', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store);
    const { session, elsewhere } = await openSseAcross(a, b);
    expect((await elsewhere({ jsonrpc: '2.0', id: 1, method: 'ping' })).status).toBe(202);
    expect(await session.next()).toMatchObject({ id: 1 });
    const end = b.disturb('append', away);
    expect((await elsewhere({ jsonrpc: '2.0', id: 2, method: 'ping' })).status).toBe(503);
    end();
    expect(b.errors.splice(0).length).toBeGreaterThan(0);
    expect((await elsewhere({ jsonrpc: '2.0', id: 3, method: 'ping' })).status).toBe(202);
    expect(await session.next()).toMatchObject({ id: 3 });
    session.close();
  });

  it('is answered before close() of its process resolves, though it waits for the database', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store);
    const { session, elsewhere } = await openSseAcross(a, b);
    const { disturbance, proceed } = held();
    b.disturb('append', disturbance);
    const order: string[] = [];
    const appends = b.count('append');
    const posted = elsewhere({ jsonrpc: '2.0', id: 1, method: 'ping' }).then(({ status }) => order.push(`answered ${status}`));
    await expect.poll(() => b.count('append')).toBeGreaterThan(appends);
    const closed = b.mcp.close().then(() => order.push('closed'));
    await new Promise(setImmediate);
    proceed();
    await Promise.all([posted, closed]);
    expect(order).toEqual(['answered 202', 'closed']);
    expect(await session.next()).toMatchObject({ id: 1 });
    session.close();
  });

  it('leaves nothing where its stream cannot be opened', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    a.disturb('create', first(1, away));
    await expect(openSse(`${a.url}/sse`)).rejects.toThrow('503');
    expect(a.errors.splice(0)).toHaveLength(1);
    const beats = a.count('beat');
    // Another process with an open stream beats meanwhile.
    await using b = await endpoint(store);
    const session = await openSse(`${b.url}/sse`);
    await expect.poll(() => b.count('beat'), { timeout: 10_000 }).toBeGreaterThan(4);
    expect(a.count('beat')).toBe(beats);
    session.close();
  });
});

describe('an endpoint', () => {
  it('says 503 for its health while it drains, serves on, and refuses when it closes', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    const session = await open(a.url);
    const health = async () => (await fetch(`${a.url}/health`)).status;
    expect(await health()).toBe(200);
    await a.mcp.drain({ deadlineMs: 1000 });
    expect([await health(), (await session.request('ping')).status]).toEqual([503, 200]);
    await a.mcp.close({ deadlineMs: 1000 });
    const { status, headers } = await session.request('ping');
    expect([status, headers.get('retry-after')]).toEqual([503, '1']);
  });

  it('runs no call that could miss its answers: it has to read the log first', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    const ran: string[] = [];
    const mark = { description: 'Says that it ran', handler: () => String(ran.push('mark')) };
    await using b = await endpoint(store, { tools: { mark } });
    const session = await open(a.url);
    const end = b.disturb('latest', away);
    const call = () => post(b.url, { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'mark' } }, { headers: session.headers });
    expect([(await call()).status, ran]).toEqual([503, []]);
    end();
    expect([(await call()).status, ran]).toEqual([200, ['mark']]);
    expect(b.errors.splice(0)).toHaveLength(1);
  });

  it('answers 503 to a request that waited for the database while it closed', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await using b = await endpoint(store);
    const session = await open(a.url);
    let release: (() => void) | undefined;
    b.disturb('find', async run => {
      await new Promise<void>(resolve => (release = resolve));
      return run();
    });
    const answer = post(b.url, { jsonrpc: '2.0', id: 1, method: 'ping' }, { headers: session.headers });
    await expect.poll(() => b.count('find')).toBe(1);
    await b.mcp.close({ deadlineMs: 1000 });
    release?.();
    const { status, headers, messages } = await answer;
    expect([status, headers.get('retry-after'), messages[0]?.error?.code]).toEqual([503, '1', -32603]);
  });

  it('asks nothing of the database for a request of the app that is not for it', async () => {
    const store = memoryStore();
    await using a = await endpoint(store);
    await fetch(`${a.origin}/elsewhere`);
    expect(a.asked).toEqual([]);
  });
});
