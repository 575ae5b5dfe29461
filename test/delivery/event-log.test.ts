import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryBus } from '../../src/bus/bus.ts';
import { EventLog, wakeUpTopic } from '../../src/delivery/event-log.ts';
import { StoreUnavailable } from '../../src/errors.ts';
import type { NewEvent } from '../../src/store/store.ts';
import type { Disturbance } from './fixtures.ts';
import { answerLost, away, disturbed, first, hanging, held } from './fixtures.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const lookMs = 1000;
const replayMs = 60_000;

function open() {
  const disturbance = disturbed();
  const bus = memoryBus();
  const errors: unknown[] = [];
  let wakeUps = 0;
  bus.subscribe(wakeUpTopic, () => {
    wakeUps += 1;
  });
  const log = new EventLog({ store: disturbance.store, bus, node: 'run', lookMs, replayMs, onError: error => errors.push(error) });
  const post = (data: string, options: { withinMs?: number; key?: string; isQuiet?: boolean } = {}) => {
    const { key, isQuiet = false, ...within } = options;
    return log.post({ stream: 's', sessionId: null, data, key, isQuiet }, within);
  };
  const rows = async () => (await disturbance.store.findEvents({ streams: ['s'], after: 0, limit: 10_000 })).map(({ data }) => data);
  return { ...disturbance, bus, log, errors, post, rows, wakeUps: () => wakeUps };
}

/** What became of a promise so far. */
function outcome(promise: Promise<unknown>): { state: string; error?: unknown } {
  const settled: { state: string; error?: unknown } = { state: 'waits' };
  promise.then(
    () => {
      settled.state = 'done';
    },
    (error: unknown) => Object.assign(settled, { state: 'failed', error }),
  );
  return settled;
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, index) => String(from + index));

describe('a post', () => {
  it('resolves once the event is a row, and wakes the readers after that', async () => {
    const { disturb, post, rows, wakeUps } = open();
    const { disturbance, proceed } = held();
    disturb('append', disturbance);
    const posted = outcome(post('a'));
    await settle();
    expect([posted.state, wakeUps()]).toEqual(['waits', 0]);
    proceed();
    await settle();
    expect([posted.state, wakeUps(), await rows()]).toEqual(['done', 1, ['a']]);
  });

  it('wakes nobody where it is quiet and alone', async () => {
    const { post, rows, wakeUps } = open();
    await post('quiet', { isQuiet: true });
    expect([await rows(), wakeUps()]).toEqual([['quiet'], 0]);
    await Promise.all([post('first'), post('loud'), post('quiet too', { isQuiet: true })]);
    expect([await rows(), wakeUps()]).toEqual([['quiet', 'first', 'loud', 'quiet too'], 2]);
  });

  it('is written with its stream, its session, and an expiry after replayMs', async () => {
    const { disturb, log } = open();
    let written: NewEvent | undefined;
    disturb('append', async (run, [events]) => {
      [written] = events as NewEvent[];
      return run();
    });
    await log.post({ stream: 'x', sessionId: 'session', data: 'text' });
    const expiresAt = new Date(Date.now() + replayMs);
    expect(written).toEqual({ key: 'run.1', stream: 'x', sessionId: 'session', data: 'text', expiresAt });
  });

  it('is one row where another of the same key is there, whoever wrote it', async () => {
    const { post, rows } = open();
    await post('first', { key: 'end' });
    await post('second', { key: 'end' });
    await post('third');
    expect(await rows()).toEqual(['first', 'third']);
  });
});

describe('posts while another is being written', () => {
  it('wait, and are written together, in the order of the calls', async () => {
    const { disturb, post, rows, count } = open();
    const { disturbance, proceed } = held();
    disturb('append', first(1, disturbance));
    const posts = numbers(50).map(data => post(data));
    await settle();
    expect(count('append')).toBe(1);
    proceed();
    await Promise.all(posts);
    expect([await rows(), count('append')]).toEqual([numbers(50), 2]);
  });

  it('are written at most a hundred at once', async () => {
    const { disturb, post, rows } = open();
    const sizes: number[] = [];
    disturb('append', (run, [events]) => {
      sizes.push((events as unknown[]).length);
      return run();
    });
    await Promise.all(numbers(201).map(data => post(data)));
    expect(sizes).toEqual([1, 100, 100]);
    expect(await rows()).toEqual(numbers(201));
  });

  it('are written at most a million characters at once, but for one event that is longer', async () => {
    const { disturb, post } = open();
    const sizes: number[][] = [];
    disturb('append', (run, [events]) => {
      sizes.push((events as NewEvent[]).map(({ data }) => data.length));
      return run();
    });
    await Promise.all([5, 400_000, 600_000, 1, 1_500_000, 2, 3].map(length => post('x'.repeat(length))));
    expect(sizes).toEqual([[5], [400_000, 600_000], [1], [1_500_000], [2, 3]]);
  });
});

describe('while the database is away', () => {
  it('posts wait, are tried again each lookMs, and become rows in order', async () => {
    const { disturb, post, rows, count } = open();
    const end = disturb('append', away);
    const posts = [outcome(post('a')), outcome(post('b'))];
    await settle();
    expect(count('append')).toBe(1);
    await vi.advanceTimersByTimeAsync(lookMs - 1);
    expect(count('append')).toBe(1);
    await vi.advanceTimersByTimeAsync(1 + lookMs);
    expect([count('append'), posts.map(({ state }) => state)]).toEqual([3, ['waits', 'waits']]);
    posts.push(outcome(post('c')));
    end();
    await vi.advanceTimersByTimeAsync(lookMs);
    expect([posts.map(({ state }) => state), await rows()]).toEqual([
      ['done', 'done', 'done'],
      ['a', 'b', 'c'],
    ]);
  });

  it('an event whose answer was lost is not there twice', async () => {
    const { disturb, post, rows } = open();
    disturb('append', first(3, answerLost));
    const posts = Promise.all(['a', 'b', 'c'].map(data => post(data)));
    await vi.advanceTimersByTimeAsync(4 * lookMs);
    await posts;
    expect(await rows()).toEqual(['a', 'b', 'c']);
  });

  it('a batch of which a part was written is completed, in order', async () => {
    const { store, disturb, post, rows } = open();
    await post('first');
    const partly: Disturbance = async (_, [events]) => {
      end();
      await store.append((events as NewEvent[]).slice(0, 2));
      throw new StoreUnavailable('in the middle');
    };
    const end = disturb('append', partly);
    const posts = Promise.all(['a', 'b', 'c', 'd'].map(data => post(data)));
    await vi.advanceTimersByTimeAsync(2 * lookMs);
    await posts;
    expect(await rows()).toEqual(['first', 'a', 'b', 'c', 'd']);
  });

  it('is reported once, and once more when it is away again', async () => {
    const { disturb, post, errors } = open();
    let end = disturb('append', away);
    const posts = [post('a')];
    await vi.advanceTimersByTimeAsync(5 * lookMs);
    expect(errors).toEqual([expect.any(StoreUnavailable)]);
    end();
    await vi.advanceTimersByTimeAsync(lookMs);
    end = disturb('append', away);
    posts.push(post('b'));
    await vi.advanceTimersByTimeAsync(5 * lookMs);
    expect(errors).toHaveLength(2);
    end();
    await vi.advanceTimersByTimeAsync(lookMs);
    await Promise.all(posts);
  });

  it('a post that never began is dropped after withinMs, and never written', async () => {
    const { disturb, post, rows } = open();
    const end = disturb('append', away);
    const begun = outcome(post('begun'));
    await settle();
    const late = outcome(post('late', { withinMs: 300 }));
    await vi.advanceTimersByTimeAsync(299);
    expect(late.state).toBe('waits');
    await vi.advanceTimersByTimeAsync(1);
    expect(late).toEqual({ state: 'failed', error: expect.any(StoreUnavailable) });
    expect(late.error).toMatchObject({ message: expect.stringContaining('300 ms') });
    end();
    await vi.advanceTimersByTimeAsync(2 * lookMs);
    expect([begun.state, await rows()]).toEqual(['done', ['begun']]);
  });

  it('a post that began is told after withinMs too, and written all the same', async () => {
    const { disturb, post, rows } = open();
    const end = disturb('append', away);
    const begun = outcome(post('begun', { withinMs: 300 }));
    await vi.advanceTimersByTimeAsync(300);
    expect(begun).toEqual({ state: 'failed', error: expect.any(StoreUnavailable) });
    end();
    await vi.advanceTimersByTimeAsync(2 * lookMs);
    expect(await rows()).toEqual(['begun']);
  });

  it('a post in time leaves no timer', async () => {
    const { post } = open();
    await post('a', { withinMs: 300 });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('posts that waited for replayMs are given up, and only those', async () => {
    const { disturb, post, rows } = open();
    const end = disturb('append', away);
    const old = outcome(post('old'));
    await vi.advanceTimersByTimeAsync(replayMs / 2);
    const young = outcome(post('young'));
    await vi.advanceTimersByTimeAsync(replayMs / 2 - 2 * lookMs);
    expect(old.state).toBe('waits');
    await vi.advanceTimersByTimeAsync(3 * lookMs);
    expect([old.state, old.error, young.state]).toEqual(['failed', expect.any(StoreUnavailable), 'waits']);
    end();
    await vi.advanceTimersByTimeAsync(lookMs);
    expect([young.state, await rows()]).toEqual(['done', ['young']]);
  });

  it('a clock that jumps ahead makes no post expire', async () => {
    const { disturb, post, rows } = open();
    const end = disturb('append', away);
    const posted = outcome(post('a'));
    await vi.advanceTimersByTimeAsync(lookMs);
    vi.setSystemTime(Date.now() + 10 * replayMs);
    await vi.advanceTimersByTimeAsync(lookMs);
    end();
    await vi.advanceTimersByTimeAsync(lookMs);
    expect([posted.state, await rows()]).toEqual(['done', ['a']]);
  });

  it('more than 64 million characters do not wait, and what waits no longer counts', async () => {
    const { disturb, post } = open();
    const end = disturb('append', away);
    const large = 'x'.repeat(16 * 1024 * 1024);
    const posts = numbers(4).map(() => outcome(post(large)));
    await settle();
    await expect(post('one more')).rejects.toThrow(/^More than 67108864 characters wait/u);
    end();
    await vi.advanceTimersByTimeAsync(lookMs);
    expect(posts.map(({ state }) => state)).toEqual(['done', 'done', 'done', 'done']);
    await post('one more');
  });

  it('characters of posts that gave up no longer count', async () => {
    const { disturb, post } = open();
    disturb('append', away);
    const begun = outcome(post('begun'));
    await settle();
    const posts = numbers(4).map(() => outcome(post('x'.repeat(16 * 1024 * 1024), { withinMs: 10 })));
    await vi.advanceTimersByTimeAsync(10);
    expect(posts.map(({ state }) => state)).toEqual(['failed', 'failed', 'failed', 'failed']);
    const next = outcome(post('x'.repeat(16 * 1024 * 1024)));
    await settle();
    expect([begun.state, next.state]).toEqual(['waits', 'waits']);
  });

  it('one event that is larger than all that may wait is taken where nothing waits', async () => {
    const { post, rows } = open();
    await post('x'.repeat(64 * 1024 * 1024 + 1));
    expect(await rows()).toHaveLength(1);
  });
});

describe('an event that the database refuses', () => {
  const refuses =
    (bad: string): Disturbance =>
    (run, [events]) =>
      (events as NewEvent[]).some(({ data }) => data === bad) ? Promise.reject(new Error('no such character')) : run();

  it('fails for its poster alone: those before and behind it are written, in order', async () => {
    const { disturb, post, rows, errors } = open();
    disturb('append', refuses('bad'));
    const posts = ['a', 'b', 'bad', 'c', 'd'].map(data => outcome(post(data)));
    await settle();
    expect(posts.map(({ state }) => state)).toEqual(['done', 'done', 'failed', 'done', 'done']);
    expect(posts[2]?.error).toMatchObject({ message: 'no such character' });
    expect(await rows()).toEqual(['a', 'b', 'c', 'd']);
    expect(errors).toEqual([]);
  });

  it('does not change the order where the database goes away meanwhile', async () => {
    const { disturb, post, rows } = open();
    let isAway = false;
    disturb('append', (run, [events]) => {
      const texts = (events as NewEvent[]).map(({ data }) => data);
      if (texts.includes('bad')) return Promise.reject(new Error('no such character'));
      if (texts[0] !== 'a' || isAway) return run();
      isAway = true;
      return Promise.reject(new StoreUnavailable('away'));
    });
    const posts = ['zero', 'a', 'bad', 'c'].map(data => outcome(post(data)));
    await vi.advanceTimersByTimeAsync(2 * lookMs);
    expect(posts.map(({ state }) => state)).toEqual(['done', 'done', 'failed', 'done']);
    expect(await rows()).toEqual(['zero', 'a', 'c']);
  });
});

describe('close', () => {
  it('takes no more posts', async () => {
    const { log, post, rows } = open();
    await log.close(1000);
    await expect(post('late')).rejects.toThrow(StoreUnavailable);
    expect(await rows()).toEqual([]);
  });

  it('writes what waits, and resolves then', async () => {
    const { log, post, rows } = open();
    const posts = Promise.all(numbers(150).map(data => post(data)));
    await log.close(1000);
    await posts;
    expect(await rows()).toEqual(numbers(150));
    expect(vi.getTimerCount()).toBe(0);
  });

  it('tries at once where a try is due later', async () => {
    const { disturb, log, post, rows } = open();
    const end = disturb('append', away);
    const posted = outcome(post('a'));
    await settle();
    end();
    const closed = outcome(log.close(lookMs / 2));
    await settle();
    expect([posted.state, closed.state, await rows()]).toEqual(['done', 'done', ['a']]);
  });

  it.each([
    ['is away', away],
    ['hangs', hanging],
  ])('resolves at its deadline while the database %s, and tells those who wait', async (_, disturbance) => {
    const { disturb, log, post, count } = open();
    disturb('append', disturbance);
    const posts = [outcome(post('a')), outcome(post('b'))];
    await settle();
    const closed = outcome(log.close(2000));
    await vi.advanceTimersByTimeAsync(1999);
    expect([closed.state, posts.map(({ state }) => state)]).toEqual(['waits', ['waits', 'waits']]);
    await vi.advanceTimersByTimeAsync(1);
    expect([closed.state, posts.map(({ state }) => state)]).toEqual(['done', ['failed', 'failed']]);
    expect(posts.map(({ error }) => error)).toEqual([expect.any(StoreUnavailable), expect.any(StoreUnavailable)]);
    const tries = count('append');
    await vi.advanceTimersByTimeAsync(10 * lookMs);
    expect([count('append'), vi.getTimerCount()]).toEqual([tries, 0]);
  });

  it('may be called again', async () => {
    const { disturb, log, post } = open();
    disturb('append', hanging);
    const posted = outcome(post('a'));
    await settle();
    const [closed, again] = [outcome(log.close(2000)), outcome(log.close(0))];
    await vi.advanceTimersByTimeAsync(2000);
    expect([closed.state, again.state, posted.state]).toEqual(['done', 'done', 'failed']);
  });
});
