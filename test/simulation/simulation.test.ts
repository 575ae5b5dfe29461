import { expect, it } from 'vitest';
import { faultKinds } from './settings.ts';
import { simulate } from './simulate.ts';

/** Milliseconds of the machine's time, of which a busy one may need more. */
const patienceMs = 300_000;

it(
  'runs a seed the same way twice, whatever ran before it',
  async () => {
    const first = await simulate({ from: 1, seeds: 3, workers: 1 });
    const second = await simulate({ from: 1, seeds: 3, workers: 1 });
    expect(second).toEqual(first);
    const [alone, before] = [await simulate({ from: 3, seeds: 1 }), await simulate({ from: 1, seeds: 2, workers: 1 })];
    expect((alone.hash + before.hash) >>> 0).toBe(first.hash);
  },
  patienceMs,
);

it(
  'finds no promise broken in 40 schedules, which inject faults of every kind',
  async () => {
    const { breaches, schedules, tasks, faults } = await simulate({ from: 1, seeds: 40 });
    expect(breaches).toEqual([]);
    expect(schedules).toBe(40);
    expect(tasks).toBeGreaterThan(50);
    expect(faultKinds.filter(kind => faults[kind] === undefined)).toEqual([]);
  },
  patienceMs,
);
