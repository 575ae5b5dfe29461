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
export interface Measuring {
  readonly workload: Workload;
  readonly options: BenchOptions;
  /** Gets whatever is started and made. */
  readonly closing: Closing;
  /** Told before each round: how many are done. */
  readonly onRound: (done: number) => void;
}

/** Measures a workload. */
export function measure(measuring: Measuring): Promise<Samples> {
  return kinds[measuring.workload.kind](measuring);
}

const kinds: Readonly<Record<Kind, (measuring: Measuring) => Promise<Samples>>> = {
  throughput: measuring => measureLoad(measuring, perSecond => perSecond),
  'look-up': measuring => measureLoad(measuring, perSecond => 1_000_000 / perSecond),
  memory: measuring =>
    inRounds(measuring, measuring.workload.lanes, async lane => ({ figure: await measureMemory(lane, measuring.options) })),
  crossing: measuring => measureTurns(measuring, crossings),
  publishing: measuring => measureTurns(measuring, publishing),
  announcing: measuring => measureTurns(measuring, announcing),
  'fan-out': measuring => measureTurns(measuring, fanningOut),
  'idle-queries': ({ workload, options, closing }) => idleQueries(workload, options, closing),
  'start-up': measuring =>
    inRounds(measuring, measuring.workload.lanes, async ({ setup }) => ({
      figure: await measureStartUp(setup.models ?? 1, measuring.options.build),
    })),
};

/** Starts all lanes, checks that they answer alike, and then puts load on one after the other. */
async function measureLoad(measuring: Measuring, toFigure: (perSecond: number) => number): Promise<Samples> {
  const { workload, options, closing } = measuring;
  const running = await startLanes(workload, options, closing);
  await checkAnswers(running);
  const load = async ({ contender, posts }: Running, ms: number): Promise<Sample> => {
    const before = await contender.used('time');
    const { calls, perSecond } = await measureThroughput(contender.url, posts, options.connections, ms);
    const after = await contender.used('time');
    return { figure: toFigure(perSecond), cpuMicros: (after.cpuMicros - before.cpuMicros) / calls };
  };
  for (const each of running) await load(each, options.warmUpMs);
  const named = running.map(each => ({ ...each, name: each.lane.name }));
  return inRounds(measuring, named, each => load(each, options.roundMs));
}

/** Prepares all lanes, and then measures one after the other. */
async function measureTurns(
  measuring: Measuring,
  prepare: (workload: Workload, options: BenchOptions, closing: Closing) => Promise<Turn>,
): Promise<Samples> {
  const { workload, options, closing } = measuring;
  const turn = await prepare(workload, options, closing);
  for (const lane of workload.lanes) await turn(lane, options.warmUpMs);
  return inRounds(measuring, workload.lanes, lane => turn(lane, options.roundMs));
}

/** A B C, A B C, …: a machine that slows down slows all of them down. */
async function inRounds<T extends { readonly name: string }>(
  { options: { rounds }, closing, onRound }: Measuring,
  lanes: readonly T[],
  measureOne: (lane: T) => Promise<Sample>,
): Promise<Samples> {
  const samples = new Map<string, Sample[]>(lanes.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    onRound(round);
    for (const lane of lanes) {
      closing.assertOpen();
      samples.get(lane.name)?.push(await measureOne(lane));
    }
  }
  return samples;
}
