import { units } from './measure.ts';
import type { Sample, Samples, Spread } from './statistics.ts';
import { ratiosOf, spreadOf } from './statistics.ts';
import type { Kind, Lane, Target, Workload } from './workloads.ts';

/** A workload with what came out. */
export interface Result {
  readonly name: string;
  readonly title: string;
  readonly kind: Kind;
  readonly unit: string;
  readonly lanes: readonly LaneResult[];
  readonly targets: readonly Outcome[];
}

export interface LaneResult extends Spread {
  readonly name: string;
  readonly contender: Lane['contender'];
  /** Median of the processor time of one call, in microseconds. */
  readonly cpuMicros?: number;
  /** One per round. */
  readonly figures: readonly number[];
}

/** A target with the ratios that were measured. */
export interface Outcome extends Target {
  readonly ratio: Spread;
  /** Of the processor times of one call, the other way round: independent of what else the machine does. */
  readonly cpuRatio?: number;
  readonly met: boolean;
}

/** Sums up the rounds of a workload. */
export function resultOf({ name, title, kind, lanes, targets }: Workload, samples: Samples): Result {
  const measured = lanes.flatMap(lane => {
    const each = samples.get(lane.name) ?? [];
    return each.length === 0 ? [] : [laneResult(lane, each)];
  });
  const outcomes = targets.flatMap(target => outcomeOf(target, measured) ?? []);
  return { name, title, kind, unit: units[kind], lanes: measured, targets: outcomes };
}

/** How many targets were measured, and how many met: the last line. */
export function tally(results: readonly Result[]): { readonly measured: number; readonly met: number } {
  const outcomes = results.flatMap(({ targets }) => targets);
  return { measured: outcomes.length, met: outcomes.filter(({ met }) => met).length };
}

/** How much of a target must be left, by processor time, for `--guard`: wide enough for any machine. */
const guarded = 0.7;

/** What has become clearly slower against bare Koa, whatever else the machine does. */
export function lossesOf(results: readonly Result[]): string[] {
  return results.flatMap(({ name, targets }) =>
    targets.flatMap(({ of, against, atLeast, cpuRatio }) => {
      const bound = (atLeast ?? 0) * guarded;
      if (against !== 'koa' || cpuRatio === undefined || cpuRatio >= bound) return [];
      return [`${name}: ${of} / ${against} by processor time is ${cpuRatio.toFixed(2)}, below ${bound.toFixed(2)}`];
    }),
  );
}

function laneResult({ name, contender }: Lane, samples: readonly Sample[]): LaneResult {
  const figures = samples.map(({ figure }) => figure);
  const times = samples.flatMap(({ cpuMicros }) => cpuMicros ?? []);
  return { name, contender, ...spreadOf(figures), ...(times.length > 0 && { cpuMicros: spreadOf(times).median }), figures };
}

function outcomeOf(target: Target, lanes: readonly LaneResult[]): Outcome | undefined {
  const [of, against] = [target.of, target.against].map(name => lanes.find(lane => lane.name === name));
  if (of === undefined || against === undefined) return undefined;
  const ratio = spreadOf(ratiosOf(of.figures, against.figures));
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = target;
  const met = ratio.median >= atLeast && ratio.median <= atMost;
  const isTimed = of.cpuMicros !== undefined && against.cpuMicros !== undefined && target.atLeast !== undefined;
  return { ...target, ratio, ...(isTimed && { cpuRatio: against.cpuMicros / of.cpuMicros }), met };
}
