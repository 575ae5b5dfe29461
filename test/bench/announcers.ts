import type { Closing } from './closing.ts';
import type { Contender } from './contender.ts';
import { startContender } from './contender.ts';
import type { BenchDatabase } from './databases.ts';
import { makeDatabase } from './databases.ts';
import type { BenchOptions } from './options.ts';
import type { Lane, Workload } from './workloads.ts';

/** The processes of a lane, each with the tool of `Setup.hostTool`. */
export interface Announcers {
  readonly lane: Lane;
  /** The first of them. */
  readonly url: string;
  readonly urls: readonly string[];
  /** What they share. */
  readonly database: BenchDatabase;
  /** Processor time of all of them so far, in microseconds. */
  cpuMicros(): Promise<number>;
}

/** Starts the processes of each lane, with one database for those of a lane. */
export async function startAnnouncers(
  { lanes }: Pick<Workload, 'lanes'>,
  { build }: Pick<BenchOptions, 'build'>,
  closing: Closing,
): Promise<ReadonlyMap<string, Announcers>> {
  const announcers = new Map<string, Announcers>();
  for (const lane of lanes) {
    const database = closing.use(await makeDatabase('postgresql', lane.database?.seed));
    const setup = { ...lane.setup, ...(build && { build }), database: { provider: database.provider, url: database.url } };
    const first = closing.use(await startContender(lane.contender, setup));
    const processes: Contender[] = [first];
    while (processes.length < (lane.processes ?? 1)) processes.push(closing.use(await startContender(lane.contender, setup)));
    announcers.set(lane.name, {
      lane,
      url: first.url,
      urls: processes.map(({ url }) => url),
      database,
      cpuMicros: async () => {
        const used = await Promise.all(processes.map(contender => contender.used('time')));
        return used.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0);
      },
    });
  }
  return announcers;
}
