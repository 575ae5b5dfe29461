import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryBus } from '../../src/bus/bus.ts';
import { EVERYBODY, newConnectionName, sessionStreamOf } from '../../src/delivery/stream-ids.ts';
import type { Session } from '../../src/store/store.ts';
import type { EventStream } from '../../src/transport/event-stream.ts';
import type { Look } from '../../src/transport/live-subscriptions.ts';
import { answerLost, away, first, held } from '../delivery/fixtures.ts';
import { newEvent } from '../store/fixtures.ts';
import type { Received, TestProcess } from './service-pair.ts';
import { addSession, mailOf, openPair, openProcess, receive, settle } from './service-pair.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const deadMs = 15_000;
const storeMs = 5000;

interface OpenStream {
  readonly session: Session;
  readonly received: Received;
  break(): void;
}

/** Opens the stream of an HTTP+SSE session, as GET does, for a client that is told of live resources if there is a `look`. */
async function openWith({ environment, store }: TestProcess, look?: Look): Promise<{ session: Session; connection: EventStream }> {
  await Promise.all([environment.relay.prepare(), settle()]);
  const session = await addSession(store, { transport: 'sse', connection: newConnectionName(environment) });
  const connection = environment.streams.open();
  environment.relay.open(session.id, connection, look);
  return { session, connection };
}

/** Opens the stream of an HTTP+SSE session, and reads it. */
async function open(process: TestProcess): Promise<OpenStream> {
  const { session, connection } = await openWith(process);
  const received = receive(connection);
  await settle();
  return { session, received, break: () => void connection.destroy() };
}

async function accept({ environment }: TestProcess, session: Session, id: number | string) {
  const [relayed] = await Promise.all([environment.relay.accept(session, id), vi.advanceTimersByTimeAsync(100)]);
  return relayed;
}

const response = (id: number | string, result: object = {}): string => JSON.stringify({ jsonrpc: '2.0', id, result });
const notice = (method: string): string => JSON.stringify({ jsonrpc: '2.0', method });

/** In short: the id of a response, `error` behind that of an error, else the method. */
const heard = ({ messages }: Received): unknown[] =>
  messages.map(({ id, error, method, params }) => (error ? [id, 'error'] : (id ?? params?.uri ?? method)));

/** Kinds of the mail on a session's stream, oldest first. */
const kindsOf = async (store: TestProcess['store'], { id }: Session): Promise<unknown[]> =>
  (await mailOf(store, id)).map(text => {
    const head = JSON.parse(text.split('\n', 1)[0] ?? '') as Record<string, unknown>;
    return 'accepted' in head ? 'accepted' : 'refused' in head ? 'refused' : 'response' in head ? 'response' : 'message';
  });

it('a stream that has ended reads no live resource', async () => {
  const uri = 't://row';
  const read = () => Promise.resolve({ contents: [] });
  const { a, store } = openPair({ resources: [{ uri, name: 'row', read, live: async () => ({ result: await read(), changes: [] }) }] });
  let looks = 0;
  const sight = { digest: 'a', changes: ['row:1'] };
  const look = () => {
    looks += 1;
    return Promise.resolve(sight);
  };
  const { session, connection } = await openWith(a, look);
  await Promise.all([a.environment.setSubscribed(session.id, uri, { isSubscribed: true, sight }), settle()]);
  await Promise.all([a.rowsChanged(['row:1']), settle()]);
  expect([looks, await mailOf(store, session.id)]).toEqual([1, [expect.stringContaining(uri)]]);
  connection.destroy();
  await vi.advanceTimersByTimeAsync(5000);
  expect(looks).toBe(1);
});

describe('a request that another process serves', () => {
  it('is a row before it is served, and its messages and its response are rows behind it', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const { session, received } = await open(a);
    const relayed = await accept(b, session, 1);
    expect(await mailOf(store, session.id)).toEqual([JSON.stringify({ accepted: 1, by: b.environment.node })]);
    relayed.send(notice('one'));
    relayed.send(notice('two'));
    await relayed.respond(response(1));
    await settle();
    expect(heard(received)).toEqual(['one', 'two', 1]);
    expect(await kindsOf(store, session)).toEqual(['accepted', 'message', 'message', 'message']);
  });

  it('is accepted no earlier than its row and the counter of its process are there', async () => {
    for (const verb of ['append', 'beat'] as const) {
      const { a, b } = openPair({ bus: memoryBus() });
      const { session } = await open(a);
      await b.environment.tail.start();
      // The question to the process with the stream is answered first.
      await accept(a, { ...session, connection: `x/${b.environment.node}.x` }, 0).catch(() => undefined);
      expect(await Promise.all([accept(b, session, 'first'), settle()])).toBeDefined();
      const { disturbance, proceed } = held();
      b.disturb(verb, first(1, disturbance));
      if (verb === 'beat') await vi.advanceTimersByTimeAsync(6500);
      let isAccepted = false;
      void b.environment.relay.accept(session, 1).then(() => {
        isAccepted = true;
      });
      await vi.advanceTimersByTimeAsync(1000);
      expect([verb, isAccepted]).toEqual([verb, false]);
      proceed();
      await vi.advanceTimersByTimeAsync(1000);
      expect([verb, isAccepted]).toEqual([verb, true]);
    }
  });

  it('is refused with 409 where the process with the stream has ended, and nothing is written', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const { session } = await open(a);
    await store.removeNode(a.environment.node);
    const failed = expect(b.environment.relay.accept(session, 1)).rejects.toMatchObject({ status: 409 });
    await settle();
    await failed;
    expect(await mailOf(store, session.id)).toEqual([]);
  });

  it('is refused with 409 where the stream was here and is gone, or never was anywhere', async () => {
    const { b, store } = openPair();
    for (const connection of [null, newConnectionName(b.environment), 'nonsense']) {
      const session = await addSession(store, { transport: 'sse', connection });
      await expect(b.environment.relay.accept(session, 1)).rejects.toMatchObject({ status: 409 });
    }
  });

  it('is refused with 503 where the process with the stream does not answer, and nothing is written or left', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const { session } = await open(a);
    a.fallSilent();
    const failed = expect(b.environment.relay.accept(session, 1)).rejects.toMatchObject({ status: 503 });
    await vi.advanceTimersByTimeAsync(storeMs + 500);
    await failed;
    expect(await mailOf(store, session.id)).toEqual([]);
    // Watched since, it is known to be dead.
    await vi.advanceTimersByTimeAsync(deadMs + 6000);
    await expect(b.environment.relay.accept(session, 2)).rejects.toMatchObject({ status: 409 });
    const asked = () => b.count('beat') + b.count('beats') + b.count('read');
    await vi.advanceTimersByTimeAsync(70_000);
    const before = asked();
    await vi.advanceTimersByTimeAsync(70_000);
    expect(asked()).toBe(before);
  });

  it('is asked for at once where its process was heard of lately', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const { session } = await open(a);
    await accept(b, session, 1);
    const questions = (await store.latest(100)).length;
    const relayed = await Promise.all([b.environment.relay.accept(session, 2), settle()]);
    expect(relayed).toHaveLength(2);
    expect((await store.latest(100)).length).toBe(questions + 1);
  });

  it('that could not be written fails, and is taken back should it have been written after all', async () => {
    for (const disturbance of [away, answerLost]) {
      const { a, b, store } = openPair({ bus: memoryBus() });
      const { session, received } = await open(a);
      await accept(b, session, 0).then(relayed => relayed.respond(response(0)));
      const end = b.disturb('append', disturbance);
      const failed = expect(b.environment.relay.accept(session, 1)).rejects.toThrow('within 5000 ms');
      await vi.advanceTimersByTimeAsync(storeMs);
      await failed;
      end();
      await vi.advanceTimersByTimeAsync(2000);
      expect((await kindsOf(store, session)).slice(2)).toEqual(['accepted', 'refused']);
      b.fallSilent();
      await vi.advanceTimersByTimeAsync(5 * deadMs);
      expect(heard(received)).toEqual([0]);
    }
  });

  it('that cannot be begun because the counter cannot be raised fails, and leaves nothing', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const { session } = await open(a);
    const timers = vi.getTimerCount();
    const end = b.disturb('beat', away);
    const failed = expect(b.environment.relay.accept(session, 1)).rejects.toThrow('away');
    await vi.advanceTimersByTimeAsync(1000);
    await failed;
    end();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(vi.getTimerCount()).toBe(timers);
  });

  it('that is cancelled gets no response, and no error when its process ends', async () => {
    const { a, b, store } = openPair({ bus: memoryBus() });
    const { session, received } = await open(a);
    const relayed = await accept(b, session, 1);
    await relayed.respond(undefined);
    expect(await kindsOf(store, session)).toEqual(['accepted', 'refused']);
    b.fallSilent();
    await vi.advanceTimersByTimeAsync(5 * deadMs);
    expect(heard(received)).toEqual([]);
  });

  it('gets its response once where the answers to writes are lost, and late where they fail', async () => {
    for (const disturbance of [away, answerLost]) {
      const { a, b } = openPair({ bus: memoryBus() });
      const { session, received } = await open(a);
      const relayed = await accept(b, session, 1);
      const end = b.disturb('append', disturbance);
      const responded = relayed.respond(response(1));
      await vi.advanceTimersByTimeAsync(4 * deadMs);
      end();
      await vi.advanceTimersByTimeAsync(3000);
      await responded;
      expect(heard(received)).toEqual([1]);
    }
  });

  it('gets an error where the database refuses its response', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const { session, received } = await open(a);
    const relayed = await accept(b, session, 1);
    b.disturb(
      'append',
      first(2, () => Promise.reject(new Error('no such character'))),
    );
    await relayed.respond(response(1));
    await settle();
    expect(received.messages.map(({ id, error }) => [id, error.message])).toEqual([
      [1, 'The response could not be stored; the request may have taken effect'],
    ]);
    expect(b.errors).toHaveLength(1);
  });

  it('keeps its process beating until the response is a row, and not longer', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const { session } = await open(a);
    const relayed = await accept(b, session, 1);
    await vi.advanceTimersByTimeAsync(120_000);
    const before = b.count('beat');
    await vi.advanceTimersByTimeAsync(30_000);
    expect(b.count('beat')).toBe(before + 10);
    await relayed.respond(response(1));
    const after = b.count('beat');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(b.count('beat')).toBe(after);
  });
});

describe('the process with the stream', () => {
  it('answers in place of a process that fell silent, once, and drops the response that comes late', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const { session, received } = await open(a);
    const relayed = await accept(b, session, 1);
    const end = b.disturbAll(away);
    await vi.advanceTimersByTimeAsync(deadMs - 1000);
    expect(heard(received)).toEqual([]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(heard(received)).toEqual([[1, 'error']]);
    expect(received.messages[0].error).toEqual({
      code: -32603,
      message: 'The process that served this request has ended; whether the request took effect is unknown',
    });
    end();
    await relayed.respond(response(1));
    await vi.advanceTimersByTimeAsync(2000);
    expect(heard(received)).toEqual([[1, 'error']]);
  });

  it('sends the response to a request that uses the id of one it gave up', async () => {
    const bus = memoryBus();
    const { a, b, store } = openPair({ bus });
    const c = openProcess(store, { bus });
    const { session, received } = await open(a);
    await accept(c, session, 1);
    c.fallSilent();
    await vi.advanceTimersByTimeAsync(deadMs + 10_000);
    const again = await accept(b, session, 1);
    await again.respond(response(1));
    await settle();
    expect(heard(received)).toEqual([[1, 'error'], 1]);
  });

  it('says nothing of a process that falls silent after its response', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const { session, received } = await open(a);
    await accept(b, session, 1).then(relayed => relayed.respond(response(1)));
    b.fallSilent();
    await vi.advanceTimersByTimeAsync(5 * deadMs);
    expect(heard(received)).toEqual([1]);
  });

  it('answers each request of a process that fell silent, whatever the type of its id', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const { session, received } = await open(a);
    for (const id of [1, '1', 2]) await accept(b, session, id);
    await accept(b, session, 3).then(relayed => relayed.respond(response(3)));
    b.fallSilent();
    await vi.advanceTimersByTimeAsync(3 * deadMs);
    expect(heard(received)).toEqual([3, [1, 'error'], ['1', 'error'], [2, 'error']]);
  });

  it('carries what everybody is told, and updates of what the session subscribed to', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const { session, received } = await open(a);
    const other = await open(a);
    await b.resourceUpdated('t://1');
    await b.environment.setSubscribed(session.id, 't://1', { isSubscribed: true });
    await b.resourceUpdated('t://1');
    await b.listChanged('tools');
    await b.environment.setSubscribed(session.id, 't://1', { isSubscribed: false });
    await b.resourceUpdated('t://1');
    await settle();
    expect(heard(received)).toEqual(['t://1', 'notifications/tools/list_changed']);
    expect(heard(other.received)).toEqual(['notifications/tools/list_changed']);
  });

  it('skips mail that it cannot read', async () => {
    const { a, store } = openPair();
    const { session, received } = await open(a);
    await store.append(['', '{}', 'x\ny'].map(data => newEvent(sessionStreamOf(session.id), data)));
    await store.append([newEvent(EVERYBODY, '{')]);
    await a.listChanged('tools');
    await settle();
    expect([heard(received), a.errors]).toEqual([['notifications/tools/list_changed'], []]);
  });

  it('knows which streams it has, and writes to them', async () => {
    const { a } = openPair();
    const { relay } = a.environment;
    const stream = await open(a);
    expect([relay.size, relay.acceptHere('other', 1)]).toEqual([1, undefined]);
    const accepted = relay.acceptHere(stream.session.id, 1);
    expect(accepted?.send(notice('here'))).toBe(true);
    await accepted?.respond(response(1));
    await settle();
    expect(heard(stream.received)).toEqual(['here', 1]);
    stream.break();
    await settle();
    expect([relay.size, accepted?.send(notice('late')), relay.acceptHere(stream.session.id, 2)]).toEqual([0, false, undefined]);
  });

  it('lets go of everything when a stream closes', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const timers = vi.getTimerCount();
    const { session, break: leave } = await open(a);
    const relayed = await accept(b, session, 1);
    await settle();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(a.count('beats')).toBeGreaterThan(2);
    leave();
    await settle();
    const looks = a.count('beats');
    await vi.advanceTimersByTimeAsync(30_000);
    expect(a.count('beats')).toBe(looks);
    await relayed.respond(response(1));
    await vi.advanceTimersByTimeAsync(120_000);
    expect(vi.getTimerCount()).toBe(timers);
  });

  it('is prepared when its counter is raised and its tail has started, and lets go where that fails', async () => {
    const { store } = openPair();
    for (const verb of ['beat', 'latest'] as const) {
      const process = openProcess(store);
      const timers = vi.getTimerCount();
      const end = process.disturb(verb, away);
      await expect(process.environment.relay.prepare()).rejects.toThrow('away');
      end();
      await vi.advanceTimersByTimeAsync(60_000);
      expect(vi.getTimerCount()).toBe(timers);
      await Promise.all([process.environment.relay.prepare(), settle()]);
      expect(await store.beats([process.environment.node])).not.toEqual(new Map());
      const latest = process.count('latest');
      await process.environment.tail.start();
      expect(process.count('latest')).toBe(latest);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(vi.getTimerCount()).toBe(timers);
    }
  });

  it('ends the stream of a session that has ended, and no other', async () => {
    const { a } = openPair();
    const streams = [await open(a), await open(a)];
    a.environment.relay.endSession(streams[0]?.session.id ?? '');
    await settle();
    expect(streams.map(({ received }) => received.isOver)).toEqual([true, false]);
  });

  it('ends all streams where it cannot read the log', async () => {
    const { a } = openPair();
    const streams = [await open(a), await open(a)];
    a.disturb('read', away);
    await vi.advanceTimersByTimeAsync(deadMs + 1000);
    expect(streams.map(({ received }) => received.isOver)).toEqual([true, true]);
  });

  it('answers what was accepted, here and by other processes, before it ends all streams', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const { session, received } = await open(a);
    await accept(b, session, 1).then(relayed => relayed.respond(response(1)));
    for (const id of [2, '2']) await accept(b, session, id);
    await a.environment.tail.catchUp();
    const here = [3, 4, 5].map(id => a.environment.relay.acceptHere(session.id, id));
    await here[0]?.respond(response(3));
    await here[1]?.respond(undefined);
    a.environment.relay.endAll();
    await here[2]?.respond(response(5));
    await settle();
    const errors = [
      [2, 'error'],
      ['2', 'error'],
      [5, 'error'],
    ];
    expect([heard(received), received.isOver]).toEqual([[1, 3, ...errors], true]);
    expect(received.messages[2].error).toEqual({
      code: -32603,
      message: 'The stream of this session ends; whether the request took effect is unknown',
    });
  });

  it('ends those on which no response is due', async () => {
    const { a, b } = openPair({ bus: memoryBus() });
    const [idle, waiting, serving] = [await open(a), await open(a), await open(a)];
    const relayed = await accept(b, waiting.session, 1);
    await a.environment.tail.catchUp();
    a.environment.relay.acceptHere(serving.session.id, 1);
    a.environment.relay.endIdle();
    await settle();
    expect([idle, waiting, serving].map(({ received }) => received.isOver)).toEqual([true, false, false]);
    await relayed.respond(response(1));
    await settle();
    a.environment.relay.endIdle();
    await settle();
    expect([waiting, serving].map(({ received }) => [heard(received), received.isOver])).toEqual([
      [[1], true],
      [[], false],
    ]);
  });
});
