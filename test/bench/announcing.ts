import { isDeepStrictEqual } from 'node:util';
import type { Announcers } from './announcers.ts';
import { startAnnouncers } from './announcers.ts';
import type { Closing } from './closing.ts';
import { announcedUri } from './databases.ts';
import { announce } from './host.ts';
import type { Turn } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { spreadOf } from './statistics.ts';
import type { Workload } from './workloads.ts';
import { watchRows } from './written-rows.ts';

/** Announcements a second of all processes of a lane together, each of which makes one after the other. */
export async function publishing(workload: Workload, options: BenchOptions, closing: Closing): Promise<Turn> {
  const announcers = await startAnnouncers(workload, options, closing);
  return async ({ name }, forMs) => {
    const { urls, cpuMicros } = announcers.get(name) as Announcers;
    const before = await cpuMicros();
    const startedAt = performance.now();
    const announced = await Promise.all(urls.map(url => announce(url, announcedUri, forMs)));
    const seconds = (performance.now() - startedAt) / 1000;
    const count = announced.reduce((sum, { tookMs }) => sum + tookMs.length, 0);
    return { figure: count / seconds, cpuMicros: ((await cpuMicros()) - before) / count };
  };
}

/**
 * Milliseconds of one announcement, the median of a turn.
 *
 * @throws {Error} The announcements of a turn wrote anything but one row each.
 */
export async function announcing(workload: Workload, options: BenchOptions, closing: Closing): Promise<Turn> {
  const announcers = await startAnnouncers(workload, options, closing);
  return async ({ name }, forMs) => {
    const { url, lane, database, cpuMicros } = announcers.get(name) as Announcers;
    await using rows = await watchRows(database);
    const before = await cpuMicros();
    const { tookMs } = await announce(url, lane.announces === 'list' ? undefined : announcedUri, forMs);
    const after = await cpuMicros();
    const written = await rows.written();
    if (!isDeepStrictEqual(written, { McpEvent: tookMs.length })) {
      throw new Error(`${name}: ${tookMs.length} announcements wrote ${JSON.stringify(written)} instead of one row each`);
    }
    return { figure: spreadOf(tookMs).median, cpuMicros: (after - before) / tookMs.length };
  };
}
