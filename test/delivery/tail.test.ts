import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Bus } from '../../src/bus/bus.ts';
import { memoryBus } from '../../src/bus/bus.ts';
import { wakeUpTopic } from '../../src/delivery/event-log.ts';
import { Tail } from '../../src/delivery/tail.ts';
import type { Store } from '../../src/store/store.ts';
import { newEvent } from '../store/fixtures.ts';
import { away, disturbed, first, hanging, held, silentBus, withHiddenEvents } from './fixtures.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const lookMs = 1000;
const deadMs = 15_000;

function open({ bus = memoryBus(), wrap = (store: Store) => store }: { bus?: Bus; wrap?: (store: Store) => Store } = {}) {
  const disturbance = disturbed();
  const { store, hidden } = withHiddenEvents(disturbance.store);
  const errors: unknown[] = [];
  const tail = new Tail({ store: wrap(store), bus, lookMs, deadMs, onError: error => errors.push(error) });
  const heard: string[] = [];
  const listen = (stream = 's', into = heard) => tail.listen(stream, ({ data }) => into.push(data));
  const append = async (...texts: string[]) => {
    await disturbance.store.append(texts.map(text => newEvent('s', text)));
    bus.publish(wakeUpTopic);
  };
  return { ...disturbance, hidden, bus, errors, tail, heard, listen, append };
}

const unheldMs = 20;
const settle = () => vi.advanceTimersByTimeAsync(unheldMs);

describe('the start', () => {
  it('is at the end of the log: what was appended before is not delivered, what is appended from here on is', async () => {
    const { tail, append, heard, listen } = open();
    await append('old');
    listen();
    await tail.start();
    expect(tail.position).toEqual({ id: 1, gaps: [] });
    await append('a', 'b');
    await settle();
    expect([heard, tail.position]).toEqual([['a', 'b'], { id: 3, gaps: [] }]);
  });

  it('is at 0 where the log is empty', async () => {
    const { tail, append, heard, listen } = open();
    await tail.start();
    expect(tail.position).toEqual({ id: 0, gaps: [] });
    listen();
    await append('a');
    await settle();
    expect(heard).toEqual(['a']);
  });

  it('happens once, however many wait for it', async () => {
    const { tail, count } = open();
    tail.begin();
    await Promise.all([tail.start(), tail.start()]);
    await tail.start();
    tail.begin();
    expect(count('latest')).toBe(1);
  });

  it('delivers what was under way then', async () => {
    const { tail, append, heard, listen, hidden, bus } = open();
    await append('old', 'late', 'last', 'later', 'visible');
    hidden.add(2).add(4);
    listen();
    await tail.start();
    await settle();
    expect([tail.position, heard]).toEqual([{ id: 5, gaps: [2, 4] }, []]);
    hidden.clear();
    bus.publish(wakeUpTopic);
    await settle();
    expect([heard, tail.position]).toEqual([['late', 'later'], { id: 5, gaps: [] }]);
  });

  it('delivers what was under way below all that is visible', async () => {
    const { tail, append, heard, listen, hidden, bus } = open();
    await append('late', 'later', 'visible');
    hidden.add(1).add(2);
    listen();
    await tail.start();
    hidden.clear();
    bus.publish(wakeUpTopic);
    await settle();
    expect([heard, tail.position]).toEqual([['late', 'later'], { id: 3, gaps: [] }]);
  });

  it('fails for who waits for it, and is tried again by the next', async () => {
    const { tail, disturb, errors } = open();
    const end = disturb('latest', away);
    await expect(tail.start()).rejects.toThrow('away');
    tail.begin();
    await settle();
    expect(errors).toEqual([]);
    end();
    await expect(tail.start()).resolves.toBeUndefined();
  });

  it('reads what was appended between its look and its subscription', async () => {
    const { tail, disturb, append, heard, listen } = open();
    listen();
    disturb('latest', async run => {
      const found = await run();
      await append('between');
      return found;
    });
    await tail.start();
    await settle();
    expect(heard).toEqual(['between']);
  });
});

describe('listeners', () => {
  it('hear their own stream, in the order of the log, also where there is more than one read', async () => {
    const { tail, append, heard, listen, store } = open();
    await tail.start();
    listen();
    const other: string[] = [];
    listen('other', other);
    const texts = Array.from({ length: 1200 }, (_, index) => String(index));
    await store.append(texts.map(text => newEvent(Number(text) % 2 ? 'other' : 's', text)));
    await append('end');
    await settle();
    expect(heard).toEqual([...texts.filter(text => Number(text) % 2 === 0), 'end']);
    expect(other).toEqual(texts.filter(text => Number(text) % 2 === 1));
  });

  it('hear nothing once they let go, and two of one stream hear it both', async () => {
    const { tail, append, listen } = open();
    await tail.start();
    const [one, two]: [string[], string[]] = [[], []];
    const stop = listen('s', one);
    listen('s', two);
    await append('a');
    await settle();
    stop();
    stop();
    await append('b');
    await settle();
    expect([one, two]).toEqual([['a'], ['a', 'b']]);
  });

  it('may listen again to a stream that somebody let go of twice', async () => {
    const { tail, append, heard, listen } = open();
    await tail.start();
    const stop = listen('s', []);
    stop();
    listen();
    stop();
    await append('a');
    await settle();
    expect(heard).toEqual(['a']);
  });

  it('find the position right behind their event', async () => {
    const { tail, append } = open();
    await tail.start();
    const seen: number[][] = [];
    tail.listen('s', ({ id }) => seen.push([id, tail.position.id]));
    await append('a', 'b', 'c');
    await settle();
    expect(seen).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });

  it('that throw are reported, and keep nobody from hearing', async () => {
    const { tail, append, heard, listen, errors } = open();
    await tail.start();
    tail.listen('s', () => {
      throw new Error('broken');
    });
    listen();
    await append('a', 'b');
    await settle();
    expect([heard, errors.map(error => (error as Error).message)]).toEqual([
      ['a', 'b'],
      ['broken', 'broken'],
    ]);
  });
});

describe('events that become visible late', () => {
  it('are delivered once when they are there, and move only the gaps', async () => {
    const { tail, append, heard, listen, hidden, bus } = open();
    await tail.start();
    listen();
    hidden.add(2).add(3);
    await append('a', 'late', 'later', 'd');
    await settle();
    expect([heard, tail.position]).toEqual([['a', 'd'], { id: 4, gaps: [2, 3] }]);
    hidden.delete(3);
    bus.publish(wakeUpTopic);
    await settle();
    expect([heard, tail.position]).toEqual([['a', 'd', 'later'], { id: 4, gaps: [2] }]);
    hidden.clear();
    await append('e');
    await settle();
    expect([heard, tail.position]).toEqual([['a', 'd', 'later', 'late', 'e'], { id: 5, gaps: [] }]);
  });

  it('are asked for during a minute, and then no longer', async () => {
    const { tail, append, heard, listen, hidden } = open();
    tail.hold();
    await tail.start();
    listen();
    hidden.add(1).add(3);
    await append('late', 'b');
    await vi.advanceTimersByTimeAsync(30_000);
    await append('later', 'd');
    await settle();
    expect(tail.position).toEqual({ id: 4, gaps: [1, 3] });
    await vi.advanceTimersByTimeAsync(29_000);
    expect(tail.position).toEqual({ id: 4, gaps: [1, 3] });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(tail.position).toEqual({ id: 4, gaps: [3] });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(tail.position).toEqual({ id: 4, gaps: [] });
    hidden.clear();
    await vi.advanceTimersByTimeAsync(5 * lookMs);
    expect(heard).toEqual(['b', 'd']);
  });

  it('are asked for where they are among the thousand greatest', async () => {
    const { tail, store, hidden } = open();
    await tail.start();
    const events = Array.from({ length: 2500 }, (_, index) => newEvent('x', String(index)));
    await store.append(events);
    for (let id = 1; id < 2500; id += 1) if (id !== 700) hidden.add(id);
    tail.wake();
    await settle();
    const { id, gaps } = tail.position;
    expect([id, gaps.length, gaps[0], gaps.at(-1)]).toEqual([2500, 1000, 1500, 2499]);
  });

  it('keep the greatest gaps where new ones come', async () => {
    const { tail, store, hidden, append } = open();
    await tail.start();
    await store.append(Array.from({ length: 800 }, () => newEvent('x', '')));
    for (let id = 1; id < 800; id += 1) hidden.add(id);
    tail.wake();
    await settle();
    await store.append(Array.from({ length: 800 }, () => newEvent('x', '')));
    for (let id = 801; id < 1600; id += 1) hidden.add(id);
    await append('end');
    await settle();
    const { gaps } = tail.position;
    expect([gaps.length, gaps[0], gaps.at(-1)]).toEqual([1000, 599, 1599]);
  });
});

describe('long events', () => {
  /** A store that reads data of more than ten characters only when asked for it. */
  const short = (store: Store): Store => ({
    ...store,
    read: async query =>
      (await store.read(query)).map(event => ({ ...event, data: (event.data?.length ?? 0) > 10 ? undefined : event.data })),
  });

  it('are read whole where somebody listens, and left alone where nobody does', async () => {
    const { tail, append, heard, listen, store, count } = open({ wrap: short });
    await tail.start();
    listen();
    await store.append([newEvent('other', 'long enough to be left alone')]);
    tail.wake();
    await settle();
    expect(count('findEvents')).toBe(0);
    await append('a', 'the first long one', 'b', 'the second long one', 'c');
    await settle();
    expect([heard, count('findEvents')]).toEqual([['a', 'the first long one', 'b', 'the second long one', 'c'], 1]);
    expect(tail.position).toEqual({ id: 6, gaps: [] });
  });

  it('reach a listener that began while others were read', async () => {
    const { tail, listen, heard, store, disturb, bus } = open({ wrap: short });
    await tail.start();
    listen();
    const other: string[] = [];
    disturb(
      'findEvents',
      first(1, run => {
        listen('other', other);
        return run();
      }),
    );
    await store.append([newEvent('other', 'long for the other'), newEvent('s', 'long for the first')]);
    bus.publish(wakeUpTopic);
    await settle();
    expect([heard, other]).toEqual([['long for the first'], ['long for the other']]);
  });

  it('that are gone by then are passed', async () => {
    const { tail, append, listen, heard, disturb } = open({ wrap: short });
    await tail.start();
    listen();
    disturb('findEvents', () => Promise.resolve([]));
    await append('long, and gone by now', 'b');
    await settle();
    expect([heard, tail.position.id]).toEqual([['b'], 2]);
  });

  it('are read again where reading them failed, and delivered once', async () => {
    const { tail, append, listen, heard, disturb } = open({ wrap: short });
    tail.hold();
    await tail.start();
    listen();
    disturb('findEvents', first(2, away));
    await append('a', 'a long text to read');
    await vi.advanceTimersByTimeAsync(3 * lookMs);
    expect(heard).toEqual(['a', 'a long text to read']);
  });
});

describe('reading', () => {
  it('needs no wake-up while somebody holds the tail', async () => {
    const { tail, append, heard, listen, count } = open({ bus: silentBus });
    const release = tail.hold();
    await tail.start();
    listen();
    await append('a');
    await vi.advanceTimersByTimeAsync(lookMs);
    expect(heard).toEqual(['a']);
    release();
    release();
    const reads = count('read');
    await append('b');
    await vi.advanceTimersByTimeAsync(10 * lookMs);
    expect([heard, count('read'), vi.getTimerCount()]).toEqual([['a'], reads, 0]);
    tail.hold();
    await settle();
    expect(heard).toEqual(['a', 'b']);
  });

  it('goes on until the last holder lets go', async () => {
    const { tail, count } = open();
    const releases = [tail.hold(), tail.hold()];
    await tail.start();
    releases[0]?.();
    releases[0]?.();
    await settle();
    const reads = count('read');
    await vi.advanceTimersByTimeAsync(3 * lookMs);
    expect(count('read')).toBe(reads + 3);
    releases[1]?.();
    await vi.advanceTimersByTimeAsync(3 * lookMs);
    expect(count('read')).toBe(reads + 3);
  });

  it('waits for more wake-ups while nobody holds the tail', async () => {
    const { tail, count, append } = open();
    await tail.start();
    await settle();
    const reads = count('read');
    for (const text of ['a', 'b', 'c']) await append(text);
    await vi.advanceTimersByTimeAsync(unheldMs - 1);
    expect(count('read')).toBe(reads);
    await vi.advanceTimersByTimeAsync(1);
    expect([count('read'), tail.position.id, vi.getTimerCount()]).toEqual([reads + 1, 3, 0]);
    await append('d');
    tail.hold();
    await vi.advanceTimersByTimeAsync(0);
    expect(tail.position.id).toBe(4);
  });

  it('is done once it has caught up, with what came while it was read too', async () => {
    const { tail, append, disturb, errors } = open({ bus: silentBus });
    await tail.catchUp();
    tail.hold();
    await tail.start();
    await settle();
    await append('a');
    disturb(
      'read',
      first(1, async run => {
        const found = await run();
        await append('b');
        void tail.catchUp();
        return found;
      }),
    );
    await tail.catchUp();
    expect(tail.position.id).toBe(2);
    disturb('read', away);
    await tail.catchUp();
    expect(errors).toHaveLength(1);
    tail.close();
    await tail.catchUp();
  });

  it('of many wake-ups at once is one, and one more for what came meanwhile', async () => {
    const { tail, disturb, count, heard, listen, append } = open();
    tail.hold();
    await tail.start();
    await settle();
    listen();
    const { disturbance, proceed } = held('after');
    disturb('read', first(1, disturbance));
    const reads = count('read');
    tail.wake();
    await settle();
    await append('meanwhile');
    for (let index = 0; index < 5; index += 1) tail.wake();
    await settle();
    expect(count('read')).toBe(reads + 1);
    proceed();
    await settle();
    expect([count('read'), heard]).toEqual([reads + 2, ['meanwhile']]);
  });

  it('starts a tail that was only held', async () => {
    const { tail, append, heard, listen } = open();
    listen();
    tail.hold();
    await settle();
    await append('a');
    await settle();
    expect(heard).toEqual(['a']);
  });

  it('goes on after a failure, which is reported once, and once more the next time', async () => {
    const { tail, append, heard, listen, disturb, errors } = open();
    tail.hold();
    await tail.start();
    await settle();
    listen();
    let end = disturb('read', away);
    await append('a');
    await vi.advanceTimersByTimeAsync(3 * lookMs);
    expect([errors.length, heard]).toEqual([1, []]);
    end();
    await vi.advanceTimersByTimeAsync(lookMs);
    expect(heard).toEqual(['a']);
    end = disturb('read', away);
    await vi.advanceTimersByTimeAsync(3 * lookMs);
    expect(errors).toHaveLength(2);
    end();
  });

  it('by `readNow` begins after it was called, also while another read runs, and says whether the database answered', async () => {
    const { tail, heard, listen, append, disturb } = open();
    await tail.start();
    await settle();
    listen();
    const { disturbance, proceed } = held('after');
    const end = disturb('read', disturbance);
    const earlier = tail.readNow();
    // The running read cannot see this event any more.
    await settle();
    end();
    await append('a');
    const later = tail.readNow().then(isRead => [isRead, ...heard]);
    proceed();
    expect(await earlier).toBe(true);
    expect(await later).toEqual([true, 'a']);
    disturb('read', away);
    expect(await tail.readNow()).toBe(false);
  });

  it('by `readNow` goes on until it has delivered more events than one read gives', async () => {
    const { tail, heard, listen, append } = open();
    await tail.start();
    listen();
    await append(...Array.from({ length: 1200 }, (_, index) => `${index}`));
    expect([await tail.readNow(), heard.length]).toEqual([true, 1200]);
  });

  it('by `readNow` is over with close', async () => {
    const { tail, disturb } = open();
    expect(await tail.readNow()).toBe(false);
    await tail.start();
    await settle();
    disturb('read', hanging);
    const readings = [tail.readNow(), tail.readNow()];
    await settle();
    tail.close();
    readings.push(tail.readNow());
    expect(await Promise.race([readings[1], settle()])).toBe(false);
    expect(await readings[2]).toBe(false);
  });

  it('ends with close', async () => {
    const { tail, append, heard, listen, count } = open();
    tail.hold();
    await tail.start();
    listen();
    await settle();
    const reads = count('read');
    tail.close();
    await append('a');
    tail.wake();
    await vi.advanceTimersByTimeAsync(10 * lookMs);
    expect([heard, count('read'), vi.getTimerCount()]).toEqual([[], reads, 0]);
  });

  it('delivers nothing of a read that was under way at close', async () => {
    const { tail, append, heard, listen, disturb } = open();
    await tail.start();
    await settle();
    listen();
    disturb('read', async run => {
      const found = await run();
      tail.close();
      return found;
    });
    await append('a');
    await settle();
    expect(heard).toEqual([]);
  });

  it('does not begin after close, not even where the start was under way', async () => {
    const { tail, disturb, count, append } = open();
    disturb('latest', async run => {
      const found = await run();
      tail.close();
      return found;
    });
    await tail.start();
    tail.begin();
    await append('a');
    await settle();
    expect([count('read'), count('latest')]).toEqual([0, 1]);
  });

  it('lets go of the bus, which outlives the endpoint, with close, and does not subscribe after it', async () => {
    const listeners = new Set<() => void>();
    const bus: Bus = {
      ...silentBus,
      subscribe: (_, listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    };
    const started = open({ bus });
    await started.tail.start();
    expect(listeners.size).toBe(1);
    started.tail.close();
    const late = open({ bus });
    const start = late.tail.start();
    late.tail.close();
    await start;
    expect(listeners.size).toBe(0);
  });
});

describe('a tail that cannot read', () => {
  it.each(['read', 'latest'] as const)('is deaf after deadMs of failures of %s, and again after as long', async verb => {
    const { tail, disturb } = open();
    const deafAt: number[] = [];
    tail.onDeaf(() => deafAt.push(performance.now() - startedAt));
    if (verb === 'read') await tail.start();
    await settle();
    const end = disturb(verb, away);
    const startedAt = performance.now();
    const release = tail.hold();
    await vi.advanceTimersByTimeAsync(deadMs - 1);
    expect(deafAt).toEqual([]);
    await vi.advanceTimersByTimeAsync(1 + deadMs);
    expect(deafAt).toEqual([deadMs, 2 * deadMs]);
    end();
    await vi.advanceTimersByTimeAsync(3 * deadMs);
    expect(deafAt).toHaveLength(2);
    release();
  });

  it('counts from the last read that succeeded', async () => {
    const { tail, disturb } = open();
    let deaf = 0;
    tail.onDeaf(() => {
      deaf += 1;
    });
    tail.hold();
    await tail.start();
    await vi.advanceTimersByTimeAsync(10 * deadMs);
    disturb('read', away);
    await vi.advanceTimersByTimeAsync(deadMs - 1);
    expect(deaf).toBe(0);
    await vi.advanceTimersByTimeAsync(lookMs);
    expect(deaf).toBe(1);
  });

  it('is not deaf while nobody holds it, and counts from the time it is held', async () => {
    const { tail, disturb } = open();
    let deaf = 0;
    tail.onDeaf(() => {
      deaf += 1;
    });
    await tail.start();
    disturb('read', away);
    await vi.advanceTimersByTimeAsync(10 * deadMs);
    tail.wake();
    await settle();
    expect(deaf).toBe(0);
    tail.hold();
    await vi.advanceTimersByTimeAsync(deadMs - 1);
    expect(deaf).toBe(0);
    await vi.advanceTimersByTimeAsync(lookMs);
    expect(deaf).toBe(1);
  });

  it('asks nothing of the database while nobody holds it and nobody wakes it', async () => {
    const { tail, asked } = open();
    await tail.start();
    await settle();
    const before = asked.length;
    await vi.advanceTimersByTimeAsync(10 * deadMs);
    expect(asked.length).toBe(before);
  });

  it('asks one question at a time of a database that hangs', async () => {
    const { tail, disturb, count } = open();
    await tail.start();
    await settle();
    disturb('read', hanging);
    tail.hold();
    const reads = count('read');
    await vi.advanceTimersByTimeAsync(20 * lookMs);
    expect(count('read') - reads).toBeLessThanOrEqual(1);
  });
});
