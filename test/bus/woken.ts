import { randomUUID } from 'node:crypto';
import { expect, vi } from 'vitest';
import type { Bus } from '../../src/bus/bus.ts';

/** A subscription whose calls are counted and can be awaited. */
export interface Woken {
  readonly topic: string;
  readonly count: number;
  /** Resolves at the first call after this one. */
  next(): Promise<void>;
  /** Resolves when it has been called so often. */
  times(count: number): Promise<void>;
  stop(): void;
}

export function listen(bus: Bus, topic: string = randomUUID()): Woken {
  let count = 0;
  const waiting = new Set<() => void>();
  const times = (wanted: number) =>
    new Promise<void>(resolve => {
      const look = () => {
        if (count < wanted) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  const stop = bus.subscribe(topic, () => {
    count += 1;
    for (const look of waiting) look();
  });
  return {
    topic,
    get count() {
      return count;
    },
    next: () => times(count + 1),
    times,
    stop,
  };
}

/** Waits until whatever `from` published before has been heard by `to`: wake-ups of one bus arrive in order. */
export async function settle(from: Bus, to: Bus): Promise<void> {
  const fence = listen(to);
  from.publish(fence.topic);
  await fence.times(1);
  fence.stop();
}

/** Waits until wake-ups can be expected, and those of the start are over. */
export async function untilReady(...buses: Bus[]): Promise<void> {
  await vi.waitFor(() => expect(buses.map(bus => bus.ready)).not.toContain(false), { interval: 5, timeout: 15_000 });
  for (const bus of buses) await settle(bus, bus);
}
