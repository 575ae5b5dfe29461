import type { Announcers } from './announcers.ts';
import { startAnnouncers } from './announcers.ts';
import type { Closing } from './closing.ts';
import { announcedUri, seededSessionIds } from './databases.ts';
import { announce } from './host.ts';
import type { Turn } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { spreadOf } from './statistics.ts';
import type { OpenStream } from './streams.ts';
import { closeStreams, openStreams } from './streams.ts';
import { wallClock } from './tools.ts';
import type { Workload } from './workloads.ts';

/** Milliseconds from an announcement until the last of the open streams of a lane has brought it, the median of a turn. */
export async function fanningOut(workload: Workload, options: BenchOptions, closing: Closing): Promise<Turn> {
  const announcers = await startAnnouncers(workload, options, closing);
  const opened = new Map<string, readonly OpenStream[]>();
  for (const { lane, url } of announcers.values()) {
    const streams = await openStreams(url, seededSessionIds(lane.database?.seed));
    closing.use({ [Symbol.asyncDispose]: () => closeStreams(streams) });
    opened.set(lane.name, streams);
  }
  return async ({ name }, forMs) => {
    const { url, cpuMicros } = announcers.get(name) as Announcers;
    const before = await cpuMicros();
    const takenMs: number[] = [];
    for (const startedAt = performance.now(); takenMs.length === 0 || performance.now() - startedAt < forMs; ) {
      const arrived = lastArrival(opened.get(name) ?? []);
      const announced = await announce(url, announcedUri, 0);
      takenMs.push((await arrived) - announced.startedAt);
    }
    return { figure: spreadOf(takenMs).median, cpuMicros: ((await cpuMicros()) - before) / takenMs.length };
  };
}

/** When the next event has arrived on each of the streams, by `wallClock`. Nothing else is under way on them but comments. */
function lastArrival(streams: readonly OpenStream[]): Promise<number> {
  let missing = streams.length;
  return new Promise(resolve => {
    for (const { response } of streams) {
      const onData = (chunk: Buffer): void => {
        if (!chunk.includes('notifications/resources/updated')) return;
        response.off('data', onData);
        missing -= 1;
        if (missing === 0) resolve(wallClock());
      };
      response.on('data', onData);
    }
  });
}
