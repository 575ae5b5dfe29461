import { expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';
import { storeNames } from './place.ts';
import { plantedBugs } from './planted.ts';

/** Milliseconds of the machine's time, of which a busy one may need more. */
const patienceMs = 300_000;

it.each(plantedBugs)(
  'finds the planted bug $name within 2,000 exchanges',
  async bug => {
    const { failures } = await fuzz({ store: 'memory', seed: 1, requests: 2000, bug, maxFailures: 1 });
    expect(failures[0]?.what).toMatch(bug.says);
  },
  patienceMs,
);

it('repeats an exchange alone, with the same failure', async () => {
  const bug = plantedBugs.find(({ name }) => name === 'trusted-type');
  const [found] = (await fuzz({ store: 'memory', seed: 1, requests: 2000, bug, maxFailures: 1 })).failures;
  const [again] = (await fuzz({ store: 'memory', seed: 1, from: found?.number ?? 0, requests: 1, bug })).failures;
  expect(again?.number).toBe(found?.number);
  expect(again?.what).toMatch(/internal error/);
}, 120_000);

it.each(storeNames)(
  'finds no failure in 5,000 exchanges with sessions in %s',
  async store => {
    const { failures, unexplainedHolds: _, ...report } = await fuzz({ store, seed: 21, requests: 5000 });
    expect(failures).toEqual([]);
    expect(report.growthBytes).toBeDefined();
  },
  patienceMs,
);
