import { expect, it } from 'vitest';
import { plantedBugs } from './planted-bugs.ts';
import { simulate } from './simulate.ts';

/** Milliseconds of the machine's time, of which a busy one may need more. */
const patienceMs = 900_000;

it(
  'finds no promise broken in 300 schedules',
  async () => {
    // Behind those of `simulation.test.ts`.
    const { breaches, schedules } = await simulate({ from: 41, seeds: 300 });
    expect(breaches).toEqual([]);
    expect(schedules).toBe(300);
  },
  patienceMs,
);

it.each(plantedBugs)(
  'finds the planted bug $name within 2,000 schedules',
  async bug => {
    const { breaches } = await simulate({ from: bug.seed, seeds: 2000, workers: 1, bug, stopsAtBreach: true });
    expect(breaches).not.toEqual([]);
  },
  patienceMs,
);
