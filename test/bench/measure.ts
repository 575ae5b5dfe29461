import { announcing, publishing } from './announcing.ts';
import type { Closing } from './closing.ts';
import { crossings } from './crossing.ts';
import { fanningOut } from './fan-out.ts';
import { idleQueries } from './idle-queries.ts';
import type { Running } from './lanes.ts';
import { checkAnswers, startLanes } from './lanes.ts';
import { measureThroughput } from './load.ts';
import { measureMemory } from './memory.ts';
import type { BenchOptions } from './options.ts';
import type { Pace } from './pace.ts';
import { paceOf } from './pace.ts';
import { measureStartUp } from './start-up.ts';
import type { Sample, Samples } from './statistics.ts';
import type { Kind, Lane, Workload } from './workloads.ts';

/** What a figure of each kind is. */
export const units: Readonly<Record<Kind, string>> = {
  throughput: 'calls/s',
  'look-up': 'µs a call',
  memory: 'kB a stream',
  crossing: 'ms',
  publishing: 'announcements/s',
  announcing: 'ms',
  'fan-out': 'ms',
  'idle-queries': 'queries/s',
  'start-up': 'ms',
};

/** Measures a lane for a while. */
export type Turn = (lane: Lane, forMs: number) => Promise<Sample>;

/** How a workload is measured. */
interface Measuring {
  readonly workload: Workload;
  readonly options: BenchOptions;
  /** Gets whatever is started and made. */
  readonly closing: Closing;
  /** When it should be done, if it must be; asked for when everything is ready. */
  readonly pace: () => Pace;
}

/**
 * Measures a workload.
 *
 * @param forMs How long that may take, starts included, where the options have a budget.
 */
export function measure(workload: Workload, options: BenchOptions, closing: Closing, forMs: number): Promise<Samples> {
  const endsAt = Date.now() + forMs;
  const pace = () => paceOf(options, workload.lanes.length, endsAt - Date.now());
  return kinds[workload.kind]({ workload, options, closing, pace });
}

const kinds: Readonly<Record<Kind, (measuring: Measuring) => Promise<Samples>>> = {
  throughput: measuring => measureLoad(measuring, perSecond => perSecond),
  'look-up': measuring => measureLoad(measuring, perSecond => 1_000_000 / perSecond),
  memory: ({ workload: { lanes }, options, closing }) =>
    // Each round starts its processes anew, and they differ little.
    inRounds(options.quick ? 1 : options.rounds, lanes, closing, async lane => ({ figure: await measureMemory(lane, options) })),
  crossing: measuring => measureTurns(measuring, crossings),
  publishing: measuring => measureTurns(measuring, publishing),
  announcing: measuring => measureTurns(measuring, announcing),
  'fan-out': measuring => measureTurns(measuring, fanningOut),
  'idle-queries': ({ workload, options, closing }) => idleQueries(workload, options, closing),
  'start-up': ({ workload: { lanes }, options: { rounds, build }, closing }) =>
    inRounds(rounds, lanes, closing, async ({ setup }) => ({ figure: await measureStartUp(setup.models ?? 1, build) })),
};

/** Starts all lanes, checks that they answer alike, and then puts load on one after the other. */
async function measureLoad({ workload, options, closing, pace }: Measuring, toFigure: (perSecond: number) => number): Promise<Samples> {
  const running = await startLanes(workload, options, closing);
  await checkAnswers(running);
  const { rounds, roundMs, warmUpMs } = pace();
  const load = async ({ contender, posts }: Running, ms: number): Promise<Sample> => {
    const before = await contender.used('time');
    const { calls, perSecond } = await measureThroughput(contender.url, posts, options.connections, ms);
    const after = await contender.used('time');
    return { figure: toFigure(perSecond), cpuMicros: (after.cpuMicros - before.cpuMicros) / calls };
  };
  for (const each of running) await load(each, warmUpMs);
  const named = running.map(each => ({ ...each, name: each.lane.name }));
  return inRounds(rounds, named, closing, each => load(each, roundMs));
}

/** Prepares all lanes, and then measures one after the other. */
async function measureTurns(
  { workload, options, closing, pace }: Measuring,
  prepare: (workload: Workload, options: BenchOptions, closing: Closing) => Promise<Turn>,
): Promise<Samples> {
  const turn = await prepare(workload, options, closing);
  const { rounds, roundMs, warmUpMs } = pace();
  for (const lane of workload.lanes) await turn(lane, warmUpMs);
  return inRounds(rounds, workload.lanes, closing, lane => turn(lane, roundMs));
}

/** A B C, A B C, …: a machine that slows down slows all of them down. */
async function inRounds<T extends { readonly name: string }>(
  rounds: number,
  lanes: readonly T[],
  closing: Closing,
  measureOne: (lane: T) => Promise<Sample>,
): Promise<Samples> {
  const samples = new Map<string, Sample[]>(lanes.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const lane of lanes) {
      closing.assertOpen();
      samples.get(lane.name)?.push(await measureOne(lane));
    }
  }
  return samples;
}
