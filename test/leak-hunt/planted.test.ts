import { expect, it } from 'vitest';
import { providers } from '../support/database.ts';
import { huntApart } from './apart.ts';
import { plantedBugs } from './planted.ts';
import { shortcomings } from './tallies.ts';

/** Milliseconds of the machine's time, of which a busy one may need more. */
const patienceMs = 900_000;

it.each(plantedBugs)(
  'finds the planted bug $name within 5,000 requests',
  async bug => {
    const { finding } = await huntApart({ provider: 'sqlite', seed: bug.seed ?? 1, requests: 5000, bug });
    expect(finding).toBeDefined();
  },
  patienceMs,
);

it.each(providers)(
  'finds no leak in 10,000 requests to %s',
  async provider => {
    const report = await huntApart({ provider, seed: 11, requests: 10_000 });
    expect(report.finding).toBeUndefined();
    expect(shortcomings(report)).toEqual([]);
  },
  patienceMs,
);

it(
  'replays a request of a hunt alone, with the same finding',
  async () => {
    const bug = plantedBugs.find(({ name }) => name === 'count-without-policy');
    const { finding } = await huntApart({ provider: 'sqlite', seed: 7, requests: 1000, bug });
    expect(finding?.what).toMatch(/the answer is wrong/);
    const again = await huntApart({ provider: 'sqlite', seed: 7, from: finding?.request ?? 0, requests: 1, bug });
    expect(again.finding).toEqual(finding);
  },
  patienceMs,
);
