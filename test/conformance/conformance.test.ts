import { beforeAll, describe, expect, it } from 'vitest';
import { installSuite } from './install.ts';
import { startFixture } from './server.ts';
import { checked, runRequirements, summarize } from './suite.ts';

// Counts are part of the expectation: a suite that ran nothing would find nothing.
const sets = [
  ['2025-11-25', '2025-11-25: 30 of 30 scored passed, 3 of 3 unscored passed, 0 warnings'],
  ['2026-07-28', '2026-07-28: 37 of 37 scored passed, 3 of 3 unscored passed, 0 warnings, 9 of 9 extension scenarios passed'],
] as const;

describe('the official conformance suite', () => {
  beforeAll(installSuite, 300_000);

  it.each(sets)(
    'passes every server scenario that %s requires, those it only reports, and those of the extension of tasks',
    { timeout: 120_000 },
    async (revision, counts) => {
      await using server = await startFixture();
      const outcomes = checked(await runRequirements(revision, server.url));
      expect(outcomes.filter(({ passed }) => !passed)).toEqual([]);
      expect(summarize(revision, outcomes)).toBe(counts);
    },
  );
});
