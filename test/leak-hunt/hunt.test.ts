import { expect, it } from 'vitest';
import { describeDatabases } from '../support/database.ts';
import { huntApart } from './apart.ts';

/** Milliseconds of the machine's time, of which a busy one may need more. */
const patienceMs = 240_000;

describeDatabases('the leak hunt', provider => {
  it(
    'finds no leak, and a good part of its requests finds something',
    async () => {
      const requests = provider === 'sqlite' ? 400 : 200;
      const report = await huntApart({ provider, seed: 7, requests });
      expect(report.finding).toBeUndefined();
      expect(report.requests).toBe(requests);
      expect(report.compared).toBeGreaterThan(requests / 5);
    },
    patienceMs,
  );
});
