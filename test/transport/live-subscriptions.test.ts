import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Sight } from '../../src/protocol/definitions.ts';
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
  const look = async () => {
    state.looks += 1;
    if (state.failure !== undefined) throw state.failure;
    return Promise.resolve(sight());
  };
  const tell = () => {
    state.told += 1;
  };
  const live = new LiveSubscriptions(shared, { look, tell });
  live.add(uri, options.isKnown === false ? undefined : sight());
  return { state, live };
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
});
