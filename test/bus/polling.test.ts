import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { pollingBus } from '../../src/bus/polling-bus.ts';
import { busSuite } from './suite.ts';

busSuite('polling', async () => ({
  isQuiet: false,
  bus: async ({ onError }) => pollingBus({ intervalMs: 5, onError }),
  close: async () => {},
}));

describe('pollingBus', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('wakes every subscribed topic once per interval, by one timer that runs while there are any', async () => {
    const bus = pollingBus();
    expect(vi.getTimerCount()).toBe(0);
    const listeners = Array.from({ length: 100 }, () => vi.fn());
    const stops = listeners.map((listener, i) => bus.subscribe(`topic ${i}`, listener));
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(999);
    expect(listeners.flatMap(listener => listener.mock.calls)).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(2);
    for (let i = 0; i < 2; i++) await vi.advanceTimersByTimeAsync(1000);
    expect(listeners.map(listener => listener.mock.calls.length)).toEqual(listeners.map(() => 3));
    for (const stop of stops) stop();
    expect(vi.getTimerCount()).toBe(0);
    const again = vi.fn();
    bus.subscribe('again', again);
    await vi.advanceTimersByTimeAsync(1001);
    expect(again).toHaveBeenCalledTimes(1);
    await bus.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(bus.ready).toBe(false);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '1000'])('refuses an interval of %s ms', intervalMs => {
    expect(() => pollingBus({ intervalMs: intervalMs as number })).toThrow(/^pollingBus.intervalMs: /);
  });
});
