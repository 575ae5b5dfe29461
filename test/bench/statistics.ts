/** What one lane did in one round. */
export interface Sample {
  /** In the unit of the kind. */
  readonly figure: number;
  /** Processor time of the contender for one call, in microseconds: what other processes take away does not count in it. */
  readonly cpuMicros?: number;
}

/** The samples of each lane, one per round. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

/** The middle of some figures, and how far they spread. */
export interface Spread {
  readonly median: number;
  /** A quarter of the figures is below. */
  readonly low: number;
  /** A quarter of the figures is above. */
  readonly high: number;
}

/** `[1, 2, 3, 4, 5]` → `{ median: 3, low: 2, high: 4 }`; between two figures it interpolates. */
export function spreadOf(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), low: quantile(sorted, 0.25), high: quantile(sorted, 0.75) };
}

/** The ratios of figures that were measured in the same round. */
export function ratiosOf(figures: readonly number[], against: readonly number[]): number[] {
  return figures.map((figure, round) => figure / (against[round] as number));
}

function quantile(sorted: readonly number[], part: number): number {
  const position = (sorted.length - 1) * part;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}
