import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { defaults } from '../../src/options.ts';
import type { Sight } from '../../src/protocol/definitions.ts';
import { registry } from '../../src/protocol/registry.ts';
import { Streams } from '../../src/transport/event-stream.ts';
import { Listeners } from '../../src/transport/listeners.ts';
import { LiveResources, LiveSubscriptions } from '../../src/transport/live-subscriptions.ts';

const lookMs = 1000;
const uri = 'test://booking/1';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** A subscriber of one resource, whose contents the test sets. */
function subscribe(options: { isKnown?: boolean } = {}) {
  const state = { digest: 'a' as string | null, looks: 0, told: 0, errors: [] as unknown[], failure: undefined as Error | undefined };
  const sight = (): Sight => ({ digest: state.digest, changes: ['booking:1', 'booking:*'] });
  const shared = new LiveResources({ isLive: () => true, lookMs, storeMs: 500, onError: error => void state.errors.push(error) });
  let waiting: Promise<void> | undefined;
  /** Lets looks wait for the returned function, and those that begin later no more. */
  const looking = {
    wait: () => {
      let answer: () => void = () => undefined;
      waiting = new Promise(resolve => {
        answer = resolve;
      });
      return () => answer();
    },
    end: () => {
      waiting = undefined;
    },
  };
  const look = async () => {
    state.looks += 1;
    if (state.failure !== undefined) throw state.failure;
    const seen = sight();
    await waiting;
    return seen;
  };
  const tell = () => {
    state.told += 1;
  };
  const live = new LiveSubscriptions(shared, { look, tell });
  live.add(uri, options.isKnown === false ? undefined : sight());
  return { state, live, looking, shared, look };
}

const after = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it('looks at most once in lookMs, tells once for many changes, and tells the last of them', async () => {
  const { state, live } = subscribe();
  await after(0);
  expect(state).toMatchObject({ looks: 1, told: 0 });
  await after(lookMs);
  for (let change = 1; change <= 5; change += 1) {
    state.digest = `b${change}`;
    live.change(change, ['booking:1']);
    await after(100);
  }
  expect(state).toMatchObject({ looks: 2, told: 1 });
  expect(live.pending).toEqual([2, 3, 4, 5]);
  await after(lookMs - 500);
  expect(state).toMatchObject({ looks: 3, told: 2 });
  expect(live.pending).toEqual([]);
  await after(10 * lookMs);
  expect(state.looks).toBe(3);
});

it('does not look after a change of another row, and tells nothing if the contents are the same', async () => {
  const { state, live } = subscribe();
  await after(lookMs);
  live.change(1, ['booking:2', 'client:*']);
  await after(lookMs);
  expect(state.looks).toBe(1);
  live.change(2, ['booking:*']);
  await after(lookMs);
  expect(state).toMatchObject({ looks: 2, told: 0 });
});

it('tells of a resource that is gone once, and of what comes back', async () => {
  const { state, live } = subscribe();
  await after(lookMs);
  for (const [digest, told] of [
    [null, 1],
    [null, 1],
    ['a', 2],
  ] as const) {
    state.digest = digest;
    live.change(1, ['booking:1']);
    await after(lookMs);
    expect(state.told).toBe(told);
  }
});

it('without knowing what the subscriber saw, tells of a change that concerns it, and of a resource that is gone', async () => {
  const [seen, other, gone] = [subscribe({ isKnown: false }), subscribe({ isKnown: false }), subscribe({ isKnown: false })];
  seen.live.change(1, ['booking:1']);
  other.live.change(1, ['booking:2']);
  gone.state.digest = null;
  await after(lookMs);
  expect([seen, other, gone].map(({ state }) => state.told)).toEqual([1, 0, 1]);
});

it('looks again in lookMs if it could not read, and reports that once', async () => {
  const { state, live } = subscribe();
  await after(lookMs);
  state.failure = new Error('away');
  state.digest = 'b';
  live.change(1, ['booking:1']);
  await after(3 * lookMs);
  expect(state.told).toBe(0);
  expect(state.errors).toEqual([state.failure]);
  expect(live.pending).toEqual([1]);
  state.failure = undefined;
  await after(lookMs);
  expect(state.told).toBe(1);
  expect(live.pending).toEqual([]);
  // An outage after a look that could read is another one.
  state.failure = new Error('away again');
  live.change(2, ['booking:1']);
  await after(2 * lookMs);
  expect(state.errors.map(String)).toEqual(['Error: away', 'Error: away again']);
});

it('gives up a look that takes too long, and looks again', async () => {
  const { state, live, looking } = subscribe();
  await after(lookMs);
  state.digest = 'b';
  const answer = looking.wait();
  live.change(1, ['booking:1']);
  await after(500);
  expect(state.errors.map(String)).toEqual(['Error: A live resource could not be read within 500 ms; it is read again']);
  looking.end();
  await after(lookMs);
  expect(state).toMatchObject({ looks: 3, told: 1 });
  answer();
});

it('keeps a change that comes during a look for the next one', async () => {
  const { state, live, looking } = subscribe();
  await after(lookMs);
  const answer = looking.wait();
  live.change(1, ['booking:1']);
  await after(10);
  live.change(2, ['booking:1']);
  looking.end();
  answer();
  await after(0);
  expect(state).toMatchObject({ looks: 2, told: 0 });
  expect(live.pending).toEqual([2]);
  state.digest = 'b';
  await after(lookMs);
  expect(state).toMatchObject({ looks: 3, told: 1 });
});

it('tells nothing of a subscription that ends during a look', async () => {
  const { state, live, looking } = subscribe();
  await after(lookMs);
  state.digest = 'b';
  const answer = looking.wait();
  live.change(1, ['booking:1']);
  await after(10);
  live.delete(uri);
  answer();
  await after(lookMs);
  expect(state).toMatchObject({ looks: 2, told: 0 });
});

it('does not look for a stream of 2026-07-28 that has ended', async () => {
  const { state, live, shared, look } = subscribe();
  live.close();
  const listeners = new Listeners({
    streams: new Streams(defaults.limits),
    registry: registry({ info: { name: 'test', version: '1' } }, { tools: [], resources: [], resourceTemplates: [], prompts: [] }),
    live: shared,
    maxListeners: 1,
    maxListenersPerPrincipal: 1,
    hold: () => () => undefined,
  });
  const stream = listeners.open({ id: 1, filter: { resourceSubscriptions: [uri] }, principal: null, look });
  await after(10);
  expect(state.looks).toBe(1);
  listeners.rowsChanged(1, ['booking:1']);
  stream.destroy();
  await after(3 * lookMs);
  expect(state.looks).toBe(1);
});

it('asks for no change again if only the first look is still to come', () => {
  expect(subscribe().live.pending).toEqual([]);
});

it('runs 8 looks at once, also after some of them have ended', async () => {
  const shared = new LiveResources({ isLive: () => true, lookMs, storeMs: 500, onError: () => undefined });
  const ends: (() => void)[] = [];
  const run = () => shared.run(() => new Promise<void>(resolve => ends.push(resolve)));
  const looks = Array.from({ length: 12 }, run);
  expect(ends).toHaveLength(8);
  for (const end of ends.slice(0, 4)) end();
  await after(0);
  expect(ends).toHaveLength(12);
  looks.push(run());
  await after(0);
  expect(ends).toHaveLength(12);
  for (const end of ends) end();
  await after(0);
  expect(ends).toHaveLength(13);
  ends.at(-1)?.();
  await Promise.all(looks);
});
