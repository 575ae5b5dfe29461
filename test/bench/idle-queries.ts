import { setTimeout as delay } from 'node:timers/promises';
import { startAnnouncers } from './announcers.ts';
import type { Closing } from './closing.ts';
import { seededSessionIds } from './databases.ts';
import { queriesOf } from './host.ts';
import type { BenchOptions } from './options.ts';
import type { Samples } from './statistics.ts';
import { closeStreams, openStreams } from './streams.ts';
import type { Workload } from './workloads.ts';

/** What a process does about its sessions it does at least once in this time, with the defaults of koa-mcp. */
const cycleMs = 60_000;
/** What opening and the first uses of a stream cause is over then. */
const settleMs = 3_000;

/** Statements a second that the processes of all lanes ask while nothing happens on their streams, counted at the same time. */
export async function idleQueries(workload: Workload, options: BenchOptions, closing: Closing): Promise<Samples> {
  const announcers = [...(await startAnnouncers(workload, options, closing)).values()];
  for (const { lane, url } of announcers) {
    const streams = await openStreams(url, seededSessionIds(lane.database?.seed));
    closing.use({ [Symbol.asyncDispose]: () => closeStreams(streams) });
  }
  await delay(settleMs);
  const count = () => Promise.all(announcers.map(({ url }) => queriesOf(url)));
  const before = await count();
  const startedAt = performance.now();
  await delay(cycleMs);
  const after = await count();
  const seconds = (performance.now() - startedAt) / 1000;
  return new Map(
    announcers.map(({ lane }, index) => {
      const queries = (after[index] as number) - (before[index] as number);
      return [lane.name, [{ figure: queries / seconds }]];
    }),
  );
}
