import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Nodes } from '../../src/delivery/nodes.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { Store } from '../../src/store/store.ts';
import { away, disturbed, hanging, held } from './fixtures.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const deadMs = 15_000;
const beatMs = 3000;

function open(node: string, shared: Store = memoryStore()) {
  const disturbance = disturbed(shared);
  const errors: unknown[] = [];
  const askedNodes: string[] = [];
  let answer: (node: string) => Promise<void> = () => Promise.resolve();
  const nodes = new Nodes({
    store: disturbance.store,
    node,
    deadMs,
    onError: error => errors.push(error),
    ask: other => {
      askedNodes.push(other);
      return answer(other);
    },
  });
  return {
    ...disturbance,
    nodes,
    errors,
    askedNodes,
    answerWith: (with_: (node: string) => Promise<void>) => {
      answer = with_;
    },
  };
}

function pair() {
  const store = memoryStore();
  return { store, a: open('a', store), b: open('b', store) };
}

const beatOf = async (store: Store, node: string) => (await store.beats([node])).get(node);
const settle = () => vi.advanceTimersByTimeAsync(0);

/** When `node` was said to be dead, in milliseconds from here. */
function watch({ nodes }: { nodes: Nodes }, node: string): { deadAt: number[]; stop: () => void } {
  const from = performance.now();
  const deadAt: number[] = [];
  return { deadAt, stop: nodes.watch(node, () => deadAt.push(performance.now() - from)) };
}

describe('the counter of a process', () => {
  it('rises a fifth of deadMs apart while it is held, and not while nobody holds it', async () => {
    const { nodes, store, count } = open('a');
    await vi.advanceTimersByTimeAsync(10 * deadMs);
    expect(count('beat')).toBe(0);
    const releases = [nodes.hold(), nodes.hold()];
    await settle();
    expect(await beatOf(store, 'a')).toBe(1);
    await vi.advanceTimersByTimeAsync(5 * beatMs);
    expect(await beatOf(store, 'a')).toBe(6);
    releases[0]?.();
    releases[0]?.();
    await vi.advanceTimersByTimeAsync(beatMs);
    expect(await beatOf(store, 'a')).toBe(7);
    releases[1]?.();
    await vi.advanceTimersByTimeAsync(10 * deadMs);
    expect([await beatOf(store, 'a'), vi.getTimerCount()]).toEqual([7, 0]);
  });

  it('does not rise with each hold: held again at once it has risen lately', async () => {
    const { nodes, count } = open('a');
    for (let index = 0; index < 10; index += 1) {
      nodes.hold()();
      await settle();
    }
    expect(count('beat')).toBe(1);
    await vi.advanceTimersByTimeAsync(beatMs + 1);
    nodes.hold();
    await settle();
    expect(count('beat')).toBe(2);
  });

  it('is a row that outlives its last beat by ten minutes and deadMs', async () => {
    const { nodes, disturb } = open('a');
    const expiries: unknown[] = [];
    disturb('beat', (run, [, expiresAt]) => {
      expiries.push(expiresAt);
      return run();
    });
    await nodes.beat();
    expect(expiries).toEqual([new Date(Date.now() + 600_000 + deadMs)]);
  });

  it('is raised once for all that ask at the same time', async () => {
    const { nodes, count } = open('a');
    await Promise.all([nodes.beat(), nodes.beat()]);
    expect(count('beat')).toBe(1);
    await nodes.beat();
    expect(count('beat')).toBe(2);
  });

  it('is there when ready resolves, and not raised again where it was lately', async () => {
    const { nodes, store, count } = open('a');
    await nodes.ready();
    expect(await beatOf(store, 'a')).toBe(1);
    await vi.advanceTimersByTimeAsync(2 * beatMs);
    await nodes.ready();
    expect(count('beat')).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await nodes.ready();
    expect(count('beat')).toBe(2);
  });

  it('ready fails while the database is away', async () => {
    const { nodes, disturb, errors } = open('a');
    disturb('beat', away);
    await expect(nodes.ready()).rejects.toThrow('away');
    await expect(nodes.ready()).rejects.toThrow('away');
    expect(errors).toHaveLength(1);
  });

  it('that cannot be raised is reported once per outage, and tried on', async () => {
    const { nodes, store, disturb, errors } = open('a');
    nodes.hold();
    let end = disturb('beat', away);
    await vi.advanceTimersByTimeAsync(4 * beatMs);
    end();
    await vi.advanceTimersByTimeAsync(beatMs);
    const risen = (await beatOf(store, 'a')) ?? 0;
    await vi.advanceTimersByTimeAsync(beatMs);
    expect([errors.length, await beatOf(store, 'a')]).toEqual([1, risen + 1]);
    end = disturb('beat', away);
    await vi.advanceTimersByTimeAsync(4 * beatMs);
    expect(errors).toHaveLength(2);
    end();
  });
});

describe('close', () => {
  it('removes the row, stops the timer, and raises nothing any more', async () => {
    const { nodes, store, count } = open('a');
    nodes.hold();
    nodes.watch('b', () => undefined);
    await settle();
    await nodes.close();
    expect([await beatOf(store, 'a'), vi.getTimerCount()]).toEqual([undefined, 0]);
    const beats = count('beat');
    await nodes.beat();
    nodes.hold();
    await vi.advanceTimersByTimeAsync(10 * deadMs);
    expect([count('beat'), await beatOf(store, 'a'), vi.getTimerCount()]).toEqual([beats, undefined, 0]);
  });

  it('asks nothing of the database where there never was a row', async () => {
    const { nodes, asked } = open('a');
    await nodes.close();
    expect(asked).toEqual([]);
  });

  it('waits for a beat under way, so that the row stays away', async () => {
    const { nodes, store, disturb } = open('a');
    const { disturbance, proceed } = held();
    disturb('beat', disturbance);
    nodes.hold();
    await settle();
    const closed = nodes.close();
    await settle();
    proceed();
    await closed;
    expect(await beatOf(store, 'a')).toBeUndefined();
  });

  it('removes the row that a beat may have made though it failed', async () => {
    const { nodes, store, disturb } = open('a');
    disturb('beat', async run => {
      await run();
      throw new Error('lost');
    });
    await expect(nodes.beat()).rejects.toThrow('lost');
    expect(await beatOf(store, 'a')).toBe(1);
    await nodes.close();
    expect(await beatOf(store, 'a')).toBeUndefined();
  });
});

describe('another process', () => {
  it('is dead once its counter stood still for deadMs, which is said once', async () => {
    const { a, b } = pair();
    const release = b.nodes.hold();
    await settle();
    const { deadAt } = watch(a, 'b');
    await vi.advanceTimersByTimeAsync(10 * deadMs);
    expect(deadAt).toEqual([]);
    release();
    await vi.advanceTimersByTimeAsync(deadMs - 1);
    expect(deadAt).toEqual([]);
    await vi.advanceTimersByTimeAsync(10 * deadMs);
    expect(deadAt).toHaveLength(1);
    expect((deadAt[0] ?? 0) - 10 * deadMs).toBeLessThanOrEqual(deadMs + 2 * beatMs);
  });

  it('is not dead where it still beats, though slowly', async () => {
    const { a, b } = pair();
    await b.nodes.beat();
    const { deadAt } = watch(a, 'b');
    for (let index = 0; index < 20; index += 1) {
      await vi.advanceTimersByTimeAsync(deadMs - 2 * beatMs);
      await b.nodes.beat();
    }
    expect(deadAt).toEqual([]);
  });

  it('is dead after deadMs of looks in which it never had a row: its first may be under way', async () => {
    const { a } = pair();
    const { deadAt } = watch(a, 'b');
    await vi.advanceTimersByTimeAsync(5 * beatMs);
    expect(deadAt).toEqual([]);
    await vi.advanceTimersByTimeAsync(beatMs);
    expect(deadAt).toEqual([6 * beatMs]);
  });

  it('is not dead where its first row comes late', async () => {
    const { a, b } = pair();
    const { deadAt } = watch(a, 'b');
    await vi.advanceTimersByTimeAsync(4 * beatMs);
    b.nodes.hold();
    await vi.advanceTimersByTimeAsync(10 * beatMs);
    expect(deadAt).toEqual([]);
  });

  it('is dead when its row goes: it ended in good order', async () => {
    const { a, b } = pair();
    b.nodes.hold();
    await settle();
    const { deadAt } = watch(a, 'b');
    await vi.advanceTimersByTimeAsync(4 * beatMs);
    await b.nodes.close();
    await vi.advanceTimersByTimeAsync(beatMs);
    expect(deadAt).toHaveLength(1);
  });

  it('is told to all who watch, but for those who stopped', async () => {
    const { a } = pair();
    const [one, two, three] = [watch(a, 'b'), watch(a, 'b'), watch(a, 'b')];
    two.stop();
    await vi.advanceTimersByTimeAsync(6 * beatMs);
    expect([one, two, three].map(({ deadAt }) => deadAt.length)).toEqual([1, 0, 1]);
  });

  it('is said to be dead again to whoever watches it later', async () => {
    const { a } = pair();
    watch(a, 'b');
    await vi.advanceTimersByTimeAsync(6 * beatMs);
    const { deadAt } = watch(a, 'b');
    await vi.advanceTimersByTimeAsync(beatMs);
    expect(deadAt).toHaveLength(1);
  });

  it('is not looked at once nobody watches it', async () => {
    const { a, b } = pair();
    b.nodes.hold();
    await settle();
    const { stop } = watch(a, 'b');
    await vi.advanceTimersByTimeAsync(2 * beatMs);
    expect(a.count('beats')).toBe(2);
    stop();
    await vi.advanceTimersByTimeAsync(10 * beatMs);
    expect(a.count('beats')).toBe(2);
    await b.nodes.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is looked at with all others in one query', async () => {
    const { a, b, store } = pair();
    b.nodes.hold();
    await store.beat('c', new Date());
    await settle();
    watch(a, 'b');
    watch(a, 'c');
    await vi.advanceTimersByTimeAsync(3 * beatMs);
    expect(a.count('beats')).toBe(3);
  });

  it('is not dead by an outage of the database that this process has had', async () => {
    const { a, b } = pair();
    b.nodes.hold();
    await settle();
    const { deadAt } = watch(a, 'b');
    await vi.advanceTimersByTimeAsync(2 * beatMs);
    const ends = [a.disturb('beats', away), b.disturb('beat', away)];
    await vi.advanceTimersByTimeAsync(10 * deadMs);
    for (const end of ends) end();
    await vi.advanceTimersByTimeAsync(3 * deadMs);
    expect([deadAt, a.errors.length]).toEqual([[], 1]);
  });

  it('that stood still before an outage has to stand still for deadMs after it', async () => {
    const { a, store } = pair();
    await store.beat('b', new Date());
    const { deadAt } = watch(a, 'b');
    await vi.advanceTimersByTimeAsync(deadMs - beatMs);
    const end = a.disturb('beats', away);
    await vi.advanceTimersByTimeAsync(2 * beatMs);
    end();
    const from = performance.now();
    await vi.advanceTimersByTimeAsync(deadMs);
    expect(deadAt).toEqual([]);
    await vi.advanceTimersByTimeAsync(2 * beatMs);
    expect(deadAt).toHaveLength(1);
    expect(performance.now() - from).toBeLessThanOrEqual(deadMs + 2 * beatMs);
  });

  it('is not dead by a pause of this process: time in which it could not look does not count', async () => {
    const { a, b, store } = pair();
    b.nodes.hold();
    await settle();
    const { deadAt } = watch(a, 'b');
    await vi.advanceTimersByTimeAsync(2 * beatMs);
    const real = performance.now.bind(performance);
    const pause = vi.spyOn(performance, 'now').mockImplementation(() => real() + 10 * deadMs);
    const stop = b.disturb('beat', away);
    await vi.advanceTimersByTimeAsync(2 * beatMs);
    expect(deadAt).toEqual([]);
    stop();
    await vi.advanceTimersByTimeAsync(10 * deadMs);
    expect([deadAt, (await beatOf(store, 'b')) ?? 0]).toEqual([[], expect.any(Number)]);
    pause.mockRestore();
  });

  it('is not this one: nobody is told of its own death', async () => {
    const { a } = pair();
    const { deadAt } = watch(a, 'a');
    await vi.advanceTimersByTimeAsync(5 * deadMs);
    expect(deadAt).toEqual([]);
  });

  it('is compared by no clock of the wall', async () => {
    const { a, b } = pair();
    b.nodes.hold();
    await settle();
    const { deadAt } = watch(a, 'b');
    await vi.advanceTimersByTimeAsync(beatMs);
    vi.setSystemTime(Date.now() + 3_600_000);
    await vi.advanceTimersByTimeAsync(2 * deadMs);
    vi.setSystemTime(Date.now() - 7_200_000);
    await vi.advanceTimersByTimeAsync(2 * deadMs);
    expect(deadAt).toEqual([]);
  });
});

describe('life', () => {
  it('of this process is known without a look', async () => {
    const { a } = pair();
    expect([await a.nodes.life('a', 100), a.asked]).toEqual(['alive', []]);
  });

  it('is dead at once where there is no row', async () => {
    const { a } = pair();
    expect([await a.nodes.life('b', 100), a.askedNodes]).toEqual(['dead', []]);
  });

  it('is alive when the process answers, which it is asked to once', async () => {
    const { a, b } = pair();
    await b.nodes.beat();
    a.answerWith(async () => {
      setTimeout(() => void b.nodes.beat(), 100);
    });
    const life = a.nodes.life('b', 1000);
    await vi.advanceTimersByTimeAsync(160);
    expect([await life, a.askedNodes]).toEqual(['alive', ['b']]);
  });

  it('is alive without a question where it was heard of lately, for a minute', async () => {
    const { a, b } = pair();
    b.nodes.hold();
    await settle();
    a.answerWith(() => b.nodes.beat());
    const asked = a.nodes.life('b', 1000);
    await vi.advanceTimersByTimeAsync(50);
    expect(await asked).toBe('alive');
    await vi.advanceTimersByTimeAsync(50_000);
    const looks = a.count('beats');
    expect([await a.nodes.life('b', 1000), a.askedNodes, a.count('beats')]).toEqual(['alive', ['b'], looks]);
    await vi.advanceTimersByTimeAsync(65_000);
    const after = a.count('beats');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(a.count('beats')).toBe(after);
  });

  it('is unknown where the process does not answer in time', async () => {
    const { a, b } = pair();
    await b.nodes.beat();
    let settledAt: number | undefined;
    const from = performance.now();
    const life = a.nodes.life('b', 1000).finally(() => {
      settledAt = performance.now() - from;
    });
    await vi.advanceTimersByTimeAsync(999);
    expect(settledAt).toBeUndefined();
    await vi.advanceTimersByTimeAsync(260);
    expect(await life).toBe('unknown');
  });

  it('is dead once it has been silent for deadMs', async () => {
    const { a, b } = pair();
    await b.nodes.beat();
    const life = a.nodes.life('b', 2 * deadMs);
    await vi.advanceTimersByTimeAsync(deadMs + 300);
    expect(await life).toBe('dead');
  });

  it('is dead when its row goes while it is waited for', async () => {
    const { a, b } = pair();
    await b.nodes.beat();
    const life = a.nodes.life('b', 1000);
    await vi.advanceTimersByTimeAsync(100);
    await b.nodes.close();
    await vi.advanceTimersByTimeAsync(300);
    expect(await life).toBe('dead');
  });

  it('fails where the database does not answer, also the question', async () => {
    const { a, b } = pair();
    await b.nodes.beat();
    const end = a.disturb('beats', away);
    await expect(a.nodes.life('b', 1000)).rejects.toThrow('away');
    end();
    a.answerWith(() => Promise.reject(new Error('not asked')));
    await expect(a.nodes.life('b', 1000)).rejects.toThrow('not asked');
  });

  it('waits no longer than it may where a look hangs', async () => {
    const { a, b } = pair();
    await b.nodes.beat();
    a.disturb('beats', hanging);
    watch(a, 'b');
    await vi.advanceTimersByTimeAsync(beatMs);
    const life = a.nodes.life('b', 1000);
    await vi.advanceTimersByTimeAsync(1300);
    expect(await life).toBe('unknown');
  });
});
