import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryBus } from '../../src/bus/bus.ts';
import { encodeStreamMail } from '../../src/delivery/messages.ts';
import { newConnectionName, nodeMailOf, sessionStreamOf } from '../../src/delivery/stream-ids.ts';
import { away, hanging, held, silentBus } from '../delivery/fixtures.ts';
import { newEvent } from '../store/fixtures.ts';
import type { Received, TestProcess } from './service-pair.ts';
import { addSession, openPair, openProcess, receive, settle } from './service-pair.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const notice = '{"jsonrpc":"2.0","method":"x"}';
const response = '{"jsonrpc":"2.0","id":1,"result":{}}';

/** A promise, and whether it has settled. */
function watched(promise: Promise<unknown>): { isDone: boolean } {
  const state = { isDone: false };
  void promise.then(() => {
    state.isDone = true;
  });
  return state;
}

async function openSession({ environment, store }: TestProcess): Promise<Received> {
  const { id } = await addSession(store);
  const [connection] = await Promise.all([environment.sessionStreams.open(id, { from: undefined, primes: true }), settle()]);
  return receive(connection as NonNullable<typeof connection>);
}

async function openSse({ environment, store }: TestProcess) {
  await Promise.all([environment.relay.prepare(), settle()]);
  const session = await addSession(store, { transport: 'sse', connection: newConnectionName(environment) });
  const connection = environment.streams.open();
  environment.relay.open(session.id, connection);
  return { session, received: receive(connection) };
}

/** A call that runs until it is aborted or finished. */
function startCall({ environment }: TestProcess, sessionId: string) {
  const aborted: unknown[] = [];
  const finish = environment.calls.start({
    id: 1,
    sessionId,
    waitedMs: 0,
    abort: (reason: unknown) => {
      aborted.push(reason);
      finish();
    },
  } as never);
  return { aborted, finish };
}

describe('drain', () => {
  it('ends session streams one after the other with a hint, and resolves when nothing runs', async () => {
    const { a } = openPair();
    const streams = [await openSession(a), await openSession(a), await openSession(a)];
    const drained = watched(a.drain(10_000));
    await vi.advanceTimersByTimeAsync(0);
    expect([streams.map(({ isOver }) => isOver), drained.isDone]).toEqual([[true, false, false], false]);
    await vi.advanceTimersByTimeAsync(20);
    expect(streams.map(({ isOver, retries }) => [isOver, retries])).toEqual(Array(3).fill([true, [1000]]));
    expect(drained.isDone).toBe(true);
  });

  it('waits for calls, and for responses that are due on HTTP+SSE streams, and ends each stream when it is idle', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const [idle, waiting, serving] = [await openSse(a), await openSse(a), await openSse(a)];
    const [relayed] = await Promise.all([b.environment.relay.accept(waiting.session, 1), vi.advanceTimersByTimeAsync(100)]);
    const call = startCall(a, serving.session.id);
    const accepted = a.environment.relay.acceptHere(serving.session.id, 1);
    const drained = watched(a.drain(10_000));
    await vi.advanceTimersByTimeAsync(2500);
    expect([idle, waiting, serving].map(({ received }) => received.isOver)).toEqual([true, false, false]);
    call.finish();
    await accepted?.respond(undefined);
    await vi.advanceTimersByTimeAsync(200);
    expect([waiting, serving].map(({ received }) => received.isOver)).toEqual([false, true]);
    expect([drained.isDone, call.aborted]).toEqual([false, []]);
    await relayed.respond(response);
    await vi.advanceTimersByTimeAsync(200);
    expect([waiting.received.messages, waiting.received.isOver, drained.isDone]).toEqual([[JSON.parse(response)], true, true]);
  });

  it('tells other processes to accept nothing more for its HTTP+SSE streams, and waits for what they have accepted before that', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const { session, received } = await openSse(a);
    await b.environment.tail.start();
    const accept = (id: number) => Promise.allSettled([b.environment.relay.accept(session, id), vi.advanceTimersByTimeAsync(100)]);
    const [first] = await accept(1);
    if (first.status === 'fulfilled') await first.value.respond(undefined);
    const { disturbance, proceed } = held();
    const end = b.disturb('append', disturbance);
    const accepting = b.environment.relay.accept(session, 2);
    const drained = watched(a.drain(10_000));
    await vi.advanceTimersByTimeAsync(500);
    const [refused] = await accept(3);
    expect(refused).toMatchObject({ status: 'rejected', reason: { status: 503 } });
    end();
    proceed();
    const relayed = await accepting;
    await vi.advanceTimersByTimeAsync(3000);
    expect([received.isOver, drained.isDone]).toEqual([false, false]);
    await relayed.respond(response.replace('1', '2'));
    await vi.advanceTimersByTimeAsync(500);
    expect([received.messages.map(({ id }) => id), received.isOver, drained.isDone]).toEqual([[2], true, true]);
  });

  it('resolves at its deadline though a call runs, which it leaves alone', async () => {
    const { a } = openPair();
    const call = startCall(a, 'session');
    const drained = watched(a.drain(2000));
    await vi.advanceTimersByTimeAsync(1900);
    expect(drained.isDone).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    expect([drained.isDone, call.aborted]).toEqual([true, []]);
  });

  it('resolves at its deadline though the log cannot be read, and ends no stream whose requests it does not know', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const { session, received } = await openSse(a);
    await Promise.all([b.environment.relay.accept(session, 1), vi.advanceTimersByTimeAsync(100)]);
    const end = a.disturb('read', hanging);
    const drained = watched(a.drain(2000));
    await vi.advanceTimersByTimeAsync(1900);
    expect([drained.isDone, received.isOver]).toEqual([false, false]);
    await vi.advanceTimersByTimeAsync(200);
    expect(drained.isDone).toBe(true);
    end();
  });

  it('takes what is new all the same', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    await a.drain(100);
    const stream = await openSession(a);
    await b.listChanged('tools');
    await settle();
    expect(stream.messages).toHaveLength(1);
    expect(a.environment.isClosing).toBe(false);
  });
});

describe('close', () => {
  it('in good order ends everything, writes what waits, and takes the row of the process away', async () => {
    const { a, store } = openPair({ bus: memoryBus() });
    const [session, sse] = [await openSession(a), await openSse(a)];
    const listener = receive(a.environment.listeners.open({ id: 1, filter: { toolsListChanged: true }, principal: null }));
    await settle();
    expect((await store.beats([a.environment.node])).size).toBe(1);
    const posted = watched(Promise.all([a.listChanged('tools'), a.listChanged('prompts')]));
    const closed = watched(a.close(10_000));
    await vi.advanceTimersByTimeAsync(100);
    expect([closed.isDone, posted.isDone, a.environment.isClosing]).toEqual([true, true, true]);
    expect([session.isOver, sse.received.isOver, listener.isOver]).toEqual([true, true, true]);
    expect(listener.messages.at(-1)).toMatchObject({ id: 1 });
    expect((await store.beats([a.environment.node])).size).toBe(0);
    expect(await store.latest(10)).toHaveLength(3);
    await expect(a.listChanged('tools')).rejects.toThrow('closing');
    expect(a.errors).toEqual([]);
  });

  it('lets calls finish for a while, and then tells them that the server is closing', async () => {
    const { a } = openPair();
    const [quick, slow] = [startCall(a, 'session'), startCall(a, 'session')];
    const closed = watched(a.close(10_000));
    await vi.advanceTimersByTimeAsync(1000);
    quick.finish();
    await vi.advanceTimersByTimeAsync(5000);
    expect([quick.aborted, slow.aborted, closed.isDone]).toEqual([[], [], false]);
    await vi.advanceTimersByTimeAsync(1100);
    expect(slow.aborted).toEqual([expect.objectContaining({ status: 503 })]);
    expect([quick.aborted, closed.isDone]).toEqual([[], true]);
  });

  it('hands what clients have not received over as rows before it resolves', async () => {
    const { a, store } = openPair();
    const connection = a.environment.streams.open();
    const stream = a.environment.callStreams.open(`mcp_${'a'.repeat(43)}`, connection, 1);
    const received = receive(connection);
    stream.prime();
    stream.send(notice);
    await settle();
    const closed = watched(a.close(1000));
    await vi.advanceTimersByTimeAsync(1000);
    expect([closed.isDone, received.isOver, received.retries]).toEqual([true, true, [1000]]);
    expect(await store.findEvents({ streams: [stream.id], after: 0, limit: 10 })).toHaveLength(1);
  });

  it('writes where the streams of sessions were', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const session = await addSession(store);
    const open = async ({ environment }: TestProcess) => {
      const [connection] = await Promise.all([environment.sessionStreams.open(session.id, { from: undefined, primes: true }), settle()]);
      const received = receive(connection as NonNullable<typeof connection>);
      await settle();
      return received;
    };
    await open(a);
    await b.listChanged('tools');
    await vi.advanceTimersByTimeAsync(12_000);
    await Promise.all([a.close(1000), vi.advanceTimersByTimeAsync(1000)]);
    expect((await open(b)).messages).toEqual([]);
  });

  it('waits for writes that take their time, and says to nobody that they failed', async () => {
    const { a, store } = openPair();
    a.disturb('append', async run => {
      await new Promise(resolve => setTimeout(resolve, 1000));
      return run();
    });
    const told = Promise.all([a.listChanged('tools'), a.listChanged('prompts')]);
    const closed = watched(a.close(5000));
    await vi.advanceTimersByTimeAsync(1500);
    expect(closed.isDone).toBe(false);
    await vi.advanceTimersByTimeAsync(1000);
    await told;
    expect([closed.isDone, (await store.latest(10)).length]).toEqual([true, 2]);
  });

  it('waits until the positions of streams are written', async () => {
    const { a } = openPair();
    await openSession(a);
    const { disturbance, proceed } = held();
    a.disturb('update', disturbance);
    const closed = watched(a.close(4000));
    await vi.advanceTimersByTimeAsync(2000);
    expect([closed.isDone, proceed]).toEqual([false, expect.any(Function)]);
    proceed();
    await settle();
    expect(closed.isDone).toBe(true);
  });

  it.each([
    ['hangs', hanging],
    ['is away', away],
  ])('resolves at its deadline while the database %s: streams end, and nothing is left', async (_, disturbance) => {
    const { a } = openPair({ bus: memoryBus() });
    const [session, sse] = [await openSession(a), await openSse(a)];
    const listener = receive(a.environment.listeners.open({ id: 1, filter: { toolsListChanged: true }, principal: null }));
    const connection = a.environment.streams.open();
    const call = a.environment.callStreams.open(`mcp_${'a'.repeat(43)}`, connection, 1);
    call.send(notice);
    a.environment.callMail.open('session');
    await settle();
    a.disturbAll(disturbance);
    const posts = [a.listChanged('tools'), a.listChanged('prompts')].map(post =>
      post.then(
        () => 'done',
        () => 'failed',
      ),
    );
    const closed = watched(a.close(2000));
    await vi.advanceTimersByTimeAsync(2010);
    expect(closed.isDone).toBe(true);
    expect(await Promise.all(posts)).toEqual(['failed', 'failed']);
    await settle();
    expect([session.isOver, sse.received.isOver, listener.isOver, connection.destroyed]).toEqual([true, true, true, true]);
    // The other process has two timers of its own.
    await vi.advanceTimersByTimeAsync(60_000);
    expect(vi.getTimerCount()).toBe(2);
    const asked = a.asked.length;
    await vi.advanceTimersByTimeAsync(120_000);
    expect(a.asked.length).toBe(asked);
  });

  it('cuts what nobody reads, at its deadline', async () => {
    const { a } = openPair();
    const connection = a.environment.streams.open();
    connection.send(notice);
    const closed = watched(a.close(1000));
    await vi.advanceTimersByTimeAsync(1000);
    await settle();
    expect([closed.isDone, connection.destroyed]).toEqual([true, true]);
  });

  it('cuts what nobody reads early enough to take the row of the process away before its deadline', async () => {
    const { a, store } = openPair();
    await openSession(a);
    const connection = a.environment.streams.open();
    connection.send(notice);
    await settle();
    expect((await store.beats([a.environment.node])).size).toBe(1);
    const closed = watched(a.close(1000));
    await vi.advanceTimersByTimeAsync(800);
    expect([closed.isDone, connection.destroyed, (await store.beats([a.environment.node])).size]).toEqual([true, true, 0]);
  });

  it('sends the responses on HTTP+SSE streams that other processes have written and no wake-up told of', async () => {
    const { a, store } = openPair({ bus: silentBus });
    const { session, received } = await openSse(a);
    await settle();
    const mail = [
      { accepted: 1, by: 'other' },
      { message: response, of: 1, isResponse: true },
    ];
    await store.append(mail.map(each => newEvent(sessionStreamOf(session.id), encodeStreamMail(each))));
    await Promise.all([a.close(10_000), vi.advanceTimersByTimeAsync(100)]);
    expect([received.messages, received.isOver]).toEqual([[JSON.parse(response)], true]);
  });

  it('leaves no timer that would keep the host from ending until its deadline', async () => {
    const a = openProcess();
    await openSession(a);
    await openSse(a);
    const connection = a.environment.streams.open();
    receive(connection);
    a.environment.callStreams.open('session', connection, 1).send(response, true);
    await settle();
    await Promise.all([a.drain(60_000), vi.advanceTimersByTimeAsync(3000)]);
    await Promise.all([a.close(60_000), vi.advanceTimersByTimeAsync(1000)]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a process', () => {
  it('raises its counter when another asks it to', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    await a.environment.tail.start();
    await b.environment.tail.start();
    await store.append([newEvent(nodeMailOf(b.environment.node), '{"beat":true}')]);
    b.environment.tail.wake();
    await settle();
    expect([...(await store.beats([a.environment.node, b.environment.node])).keys()]).toEqual([b.environment.node]);
  });

  it('ends with a session whatever it has of it, and of no other', async () => {
    const { a, store } = openPair();
    const [one, other] = [await addSession(store), await addSession(store)];
    const sse = await openSse(a);
    const streams: Received[] = [sse.received];
    for (const { id } of [one, other]) {
      const connection = a.environment.streams.open();
      a.environment.callStreams.open(id, connection, 1);
      const [stream] = await Promise.all([a.environment.sessionStreams.open(id, { from: undefined, primes: true }), settle()]);
      streams.push(receive(connection), receive(stream as NonNullable<typeof stream>));
    }
    const calls = [startCall(a, one.id), startCall(a, other.id)];
    await a.environment.sessions.end(one.id);
    await a.environment.sessions.end(sse.session.id);
    await settle();
    expect(streams.map(({ isOver }) => isOver)).toEqual([true, true, true, false, false]);
    expect(calls.map(({ aborted }) => aborted.length)).toEqual([1, 0]);
  });

  it('takes the mail of a call that takes long, until it ends', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const timers = vi.getTimerCount();
    const call = startCall(a, 'session');
    await vi.advanceTimersByTimeAsync(1500);
    await b.environment.callMail.send('session', { cancel: 2 });
    await settle();
    expect(call.aborted).toEqual([]);
    await b.environment.callMail.send('session', { cancel: 1, reason: 'why' });
    await settle();
    expect(call.aborted).toEqual([expect.objectContaining({ message: 'why' })]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(vi.getTimerCount()).toBe(timers);
  });

  it('tells others of a session that changed or ended, who read it anew', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    await a.environment.tail.start();
    await b.environment.tail.start();
    const session = await addSession(store);
    expect(await b.environment.sessions.find(session.id, null)).toMatchObject({ logLevel: null });
    await a.environment.sessions.update(session.id, { logLevel: 'error' });
    await settle();
    expect(await b.environment.sessions.find(session.id, null)).toMatchObject({ logLevel: 'error' });
    await a.environment.sessions.end(session.id);
    await settle();
    expect(await b.environment.sessions.find(session.id, null)).toBeUndefined();
  });
});

describe('subscriptions of stateless clients', () => {
  it('hear what another process announces, within lookMs, as far as they asked for it', async () => {
    const { a, b } = openPair();
    const { listeners } = a.environment;
    const all = receive(listeners.open({ id: 1, filter: { toolsListChanged: true, resourceSubscriptions: ['t://1'] }, principal: null }));
    const none = receive(listeners.open({ id: 'two', filter: { promptsListChanged: true }, principal: null }));
    await settle();
    await Promise.all([b.listChanged('tools'), b.resourceUpdated('t://1'), b.resourceUpdated('t://2'), b.listChanged('resources')]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(all.messages.slice(1).map(({ method }) => method)).toEqual([
      'notifications/tools/list_changed',
      'notifications/resources/updated',
    ]);
    expect(none.messages).toHaveLength(1);
  });

  it('are refused past maxListeners, and taken again when one has left; nothing is left of them', async () => {
    const { a } = openPair({ maxListeners: 2 });
    const timers = vi.getTimerCount();
    const { listeners } = a.environment;
    const streams = [1, 2].map(id => listeners.open({ id, filter: {}, principal: null }));
    expect(() => listeners.open({ id: 3, filter: {}, principal: null })).toThrow('Too many subscriptions');
    await settle();
    streams[0]?.destroy();
    await settle();
    const next = listeners.open({ id: 3, filter: {}, principal: null });
    for (const stream of [next, streams[1]]) stream?.destroy();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(vi.getTimerCount()).toBe(timers);
  });

  it('end without a word where their process cannot read the log', async () => {
    const { a } = openPair();
    const stream = receive(a.environment.listeners.open({ id: 1, filter: { toolsListChanged: true }, principal: null }));
    await settle();
    a.disturb('read', away);
    await vi.advanceTimersByTimeAsync(16_000);
    expect([stream.isOver, stream.messages.length]).toEqual([true, 1]);
  });
});
