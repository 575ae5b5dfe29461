import { describe, expect, it, vi } from 'vitest';
import { memoryBus } from '../../src/bus/bus.ts';
import type { EventLogOptions } from '../../src/delivery/event-log.ts';
import { EventLog } from '../../src/delivery/event-log.ts';
import type { EventPush, StoredEvent } from '../../src/session/events.ts';
import { LOG } from '../../src/session/events.ts';
import type { Store } from '../../src/session/store.ts';
import { memoryStore } from '../../src/session/store.ts';
import { newSession } from '../session/fixtures.ts';

const outage = () => Object.assign(new Error('Can’t reach the database'), { code: 'P1001' });

async function setUp(overrides: Partial<Store> = {}, options: Partial<EventLogOptions> = {}) {
  const memory = memoryStore();
  const store = { ...memory, ...overrides };
  const session = newSession({ expiresAt: new Date(Date.now() + 60_000) });
  await memory.create(session);
  const errors: unknown[] = [];
  const bus = memoryBus();
  const log = new EventLog({
    store,
    bus,
    lookMs: 20,
    replayMs: 60_000,
    maxEvents: 1000,
    maxEventBytes: 1_000_000,
    onError: error => errors.push(error),
    ...options,
  });
  const posting = (message: string) => ({ stream: 'stream', sessionId: session.id, message });
  return { memory, store, session, errors, bus, log, posting };
}

/** Follows a stream and collects what comes. */
function collect(log: EventLog, options: { after?: number; isPassive?: boolean } = {}) {
  const seen: StoredEvent[] = [];
  const tail = log.follow('stream', { after: 0, ...options, onEvents: events => void seen.push(...events) });
  return { tail, seen, data: () => seen.map(({ data }) => data) };
}

describe('an event log', () => {
  it('gives messages to whoever follows their stream, in the order of the calls', async () => {
    const { log, posting } = await setUp();
    const { data } = collect(log);
    const messages = Array.from({ length: 900 }, (_, index) => `${index}`);
    expect(await Promise.all(messages.map(message => log.post(posting(message))))).toEqual(messages.map(message => Number(message) + 1));
    await vi.waitFor(() => expect(data()).toEqual(messages));
    await log.close();
  });

  it('says which messages have no session any more', async () => {
    const { log, memory, session, posting } = await setUp();
    await memory.end(session.id);
    expect(await log.post(posting('late'))).toBeUndefined();
    await log.close();
  });

  it('writes what waits together in one go', async () => {
    const sizes: number[] = [];
    const { log, memory, posting } = await setUp({
      push: async (pushes: readonly EventPush[]) => {
        sizes.push(pushes.length);
        return memory.push(pushes);
      },
    });
    await Promise.all(['a', 'b', 'c', 'd'].map(message => log.post(posting(message))));
    expect(sizes).toEqual([1, 3]);
    await log.close();
  });

  it('keeps what it is given while the database is away, and reports the outage once', async () => {
    let isAway = true;
    let attempts = 0;
    const { log, memory, errors, posting } = await setUp({
      push: async (pushes: readonly EventPush[]) => {
        attempts += 1;
        if (isAway) throw outage();
        return memory.push(pushes);
      },
    });
    const { data } = collect(log);
    const posted = Promise.all(['a', 'b'].map(message => log.post(posting(message))));
    await vi.waitFor(() => expect(attempts).toBeGreaterThan(2));
    isAway = false;
    await posted;
    await vi.waitFor(() => expect(data()).toEqual(['a', 'b']));
    expect(errors).toHaveLength(1);
    await log.close();
  });

  it('refuses one message that no database takes without losing the others', async () => {
    const { log, memory, posting } = await setUp({
      push: async (pushes: readonly EventPush[]) => {
        if (pushes.some(push => push.data.includes('poison'))) throw new Error('value too long');
        return memory.push(pushes);
      },
    });
    const { data } = collect(log);
    const outcomes = await Promise.allSettled(['a', 'b', 'poison', 'c'].map(message => log.post(posting(message))));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    await vi.waitFor(() => expect(data()).toEqual(['a', 'b', 'c']));
    await log.close();
  });

  it('prunes what a session has, once a quarter more has come', async () => {
    const { log, memory, posting } = await setUp({}, { maxEvents: 8 });
    for (let index = 0; index < 40; index += 1) await log.post(posting(`${index}`));
    await vi.waitFor(async () => expect((await memory.read('stream', 0, 100)).length).toBeLessThanOrEqual(10));
    expect((await memory.read('stream', 0, 100)).at(-1)?.data).toBe('39');
    await log.close();
  });

  it('takes nothing after it was closed', async () => {
    const { log, memory, posting } = await setUp();
    await log.close();
    expect(await log.post(posting('late'))).toBeUndefined();
    expect(await memory.read('stream', 0, 10)).toEqual([]);
  });
});

describe('a stream that is followed', () => {
  it('is found to have news without any wake-up', async () => {
    const { log, memory, session } = await setUp();
    const { data } = collect(log);
    await memory.push([{ stream: 'stream', sessionId: session.id, data: ['silent'], expiresAt: new Date(Date.now() + 60_000) }]);
    await vi.waitFor(() => expect(data()).toEqual(['silent']));
    await log.close();
  });

  it('is not looked at where it is passive and nothing else looks, until something does', async () => {
    const { log, memory, store, session } = await setUp();
    const last = vi.spyOn(store, 'last');
    const { data } = collect(log, { isPassive: true });
    await memory.push([{ stream: 'stream', sessionId: session.id, data: ['silent'], expiresAt: new Date(Date.now() + 60_000) }]);
    expect(log.isLooking).toBe(false);
    expect(last).not.toHaveBeenCalled();
    const release = log.hold();
    await vi.waitFor(() => expect(data()).toEqual(['silent']));
    release();
    expect(log.isLooking).toBe(false);
    await log.close();
  });

  it('is read again where its events were not taken', async () => {
    const { log, posting, errors } = await setUp();
    const outcomes = [() => false, () => Promise.reject(new Error('not now')), () => undefined];
    const seen: string[] = [];
    log.follow('stream', {
      after: 0,
      onEvents: events => {
        seen.push(events.map(({ data }) => data).join());
        return outcomes.shift()?.();
      },
    });
    await log.post(posting('a'));
    await vi.waitFor(() => expect(seen).toEqual(['a', 'a', 'a']));
    expect(errors).toEqual([new Error('not now')]);
    await log.close();
  });

  it('goes on from where it was moved to', async () => {
    const { log, posting } = await setUp();
    for (const message of ['a', 'b', 'c']) await log.post(posting(message));
    const { tail, data } = collect(log, { after: 3 });
    tail.moveTo(1);
    await vi.waitFor(() => expect(data()).toEqual(['b', 'c']));
    await log.close();
  });

  it('shows those that are consumed what is left, from its beginning, each time', async () => {
    const { log, posting } = await setUp();
    const seen: string[] = [];
    log.follow('stream', {
      after: 0,
      isConsumed: true,
      onEvents: async events => {
        seen.push(events.map(({ data }) => data).join());
        await log.remove(
          'stream',
          events.filter(({ data }) => data === 'a').map(({ seq }) => seq),
        );
      },
    });
    await log.post(posting('a'));
    await vi.waitFor(() => expect(seen).toEqual(['a']));
    await log.post(posting('b'));
    await vi.waitFor(() => expect(seen.slice(0, 3)).toEqual(['a', 'b', 'b']));
    await log.close();
  });

  it('is one of many that a bus wakes at once: one query finds those with news', async () => {
    const { log, memory, store, bus, session } = await setUp({}, { lookMs: 1_000_000 });
    const last = vi.spyOn(store, 'last');
    const read = vi.fn();
    for (let index = 0; index < 50; index += 1) log.follow(`stream ${index}`, { after: 0, onEvents: read });
    await memory.push([{ stream: 'stream 7', sessionId: session.id, data: ['news'], expiresAt: new Date(Date.now() + 60_000) }]);
    for (let index = 0; index < 50; index += 1) bus.publish(`stream ${index}`);
    await vi.waitFor(() => expect(read).toHaveBeenCalledOnce());
    expect(last.mock.calls.map(([streams]) => streams.length)).toEqual([50]);
    await log.close();
  });

  it('has nothing more to tell when it was stopped', async () => {
    const { log, posting, memory } = await setUp();
    const { tail, data } = collect(log);
    tail.stop();
    await log.post(posting('a'));
    await log.post({ stream: LOG, sessionId: null, message: 'b' });
    expect(await memory.read('stream', 0, 10)).toHaveLength(1);
    expect(data()).toEqual([]);
    await log.close();
  });
});
