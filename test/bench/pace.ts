import type { BenchOptions } from './options.ts';

/** How long to measure. */
export interface Pace {
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
}

/** What a short run still needs for its ratios to mean something. */
const leastRoundMs = 100;
const leastWarmUpMs = 200;

/**
 * The pace of the options; where they have a budget, what fits into the time left.
 *
 * @param leftMs For this workload.
 */
export function paceOf({ rounds, roundMs, warmUpMs, budgetMs }: BenchOptions, lanes: number, leftMs: number): Pace {
  if (budgetMs === undefined) return { rounds, roundMs, warmUpMs };
  const laneMs = leftMs / lanes;
  return {
    rounds,
    roundMs: Math.round(Math.min(roundMs, Math.max(leastRoundMs, (laneMs * 0.6) / rounds))),
    warmUpMs: Math.round(Math.min(warmUpMs, Math.max(leastWarmUpMs, laneMs * 0.4))),
  };
}

/** Shares out the budget: the time for a workload of so many lanes, where so many are left to be measured, itself included. */
export function shareMs(leftMs: number, lanes: number, lanesLeft: number): number {
  return Math.max(0, (leftMs * lanes) / lanesLeft);
}
