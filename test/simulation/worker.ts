// A process that runs schedules: started and told which by simulate.ts.
import { runSchedule } from './schedule.ts';
import type { News, Order, Report } from './simulate.ts';

process.on('message', ({ from, seeds, stopsAtBreach }: Order) => void obey(from, seeds, stopsAtBreach));
// Whoever started it is gone.
process.on('disconnect', () => process.exit());

async function obey(from: number, seeds: number, stopsAtBreach: boolean): Promise<void> {
  const faults: Record<string, number> = {};
  const breaches: Report['breaches'][number][] = [];
  const counts = { schedules: 0, calls: 0, responses: 0, tasks: 0, publications: 0, events: 0, steps: 0, hash: 0 };
  for (let seed = from; seed < from + seeds; seed += 1) {
    say({ begins: seed });
    const result = await runSchedule(seed);
    counts.schedules += 1;
    for (const key of ['calls', 'responses', 'tasks', 'publications', 'events', 'steps'] as const) counts[key] += result[key];
    counts.hash = (counts.hash + result.hash) >>> 0;
    for (const [kind, times] of Object.entries(result.faults)) faults[kind] = (faults[kind] ?? 0) + times;
    breaches.push(...result.breaches.map(breach => ({ ...breach, seed })));
    if (stopsAtBreach && breaches.length > 0) break;
  }
  say({ report: { ...counts, faults, breaches } });
}

function say(news: News): void {
  process.send?.(news);
}
