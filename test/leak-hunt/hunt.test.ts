import { expect, it } from 'vitest';
import { describeDatabases } from '../support/database.ts';
import { huntApart } from './apart.ts';
import { plantedBugs } from './planted.ts';
import { shortcomings } from './tallies.ts';

/** Milliseconds of the machine's time, of which a busy one may need more. */
const patienceMs = 240_000;

describeDatabases('the leak hunt', provider => {
  it(
    'finds no leak, and a good part of its requests finds something',
    async () => {
      const requests = provider === 'sqlite' ? 1000 : 500;
      const report = await huntApart({ provider, seed: 7, requests });
      expect(report.finding).toBeUndefined();
      expect(report.requests).toBe(requests);
      expect(report.compared).toBeGreaterThan(requests / 5);
      expect(shortcomings(report)).toEqual([]);
    },
    patienceMs,
  );
});

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
