import { parseArgs } from 'node:util';
import { print, wholeNumber } from '../support/command-line.ts';
import { plantedBugs } from './planted-bugs.ts';
import type { Report } from './simulate.ts';
import { simulate } from './simulate.ts';

// `npm run simulate`: runs many schedules and says how many promises were broken, replays one, or looks whether planted bugs are found.

const usage = `npm run simulate -- [options]
  --seeds N      schedules (default 1000)
  --from S       the first seed (default 1)
  --workers N    processes that run them (default 2)
  --stop         ends at the first breach
  --bug NAME     puts a bug of planted-bugs.ts into the source first; it has to be found
  --bugs         the same with each of them in turn, until it is found (default 2000 schedules)
  --seed S       runs this one and prints each of its events
  --brief        with --seed: prints its breaches only`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
    seed: { type: 'string' },
    bug: { type: 'string' },
    bugs: { type: 'boolean', default: false },
    stop: { type: 'boolean', default: false },
    brief: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) print(usage);
else if (values.seed !== undefined && values.bug !== undefined) throw new TypeError('--bug: not with --seed, but with --from S --seeds 1');
else if (values.seed !== undefined) await replay(wholeNumber('seed', values.seed), values.brief);
else if (values.bugs) await findBugs(wholeNumber('seeds', values.seeds ?? '2000'));
else await runAll(wholeNumber('seeds', values.seeds ?? '1000'));

async function runAll(seeds: number): Promise<void> {
  const [from, workers] = [wholeNumber('from', values.from), wholeNumber('workers', values.workers)];
  const bug = plantedBugs.find(({ name }) => name === values.bug);
  if (values.bug !== undefined && bug === undefined)
    throw new TypeError(`--bug: ${values.bug} is none of ${plantedBugs.map(({ name }) => name).join(', ')}`);
  const report = await simulate({ from, seeds, workers, bug, stopsAtBreach: values.stop, print });
  printKinds(report);
  const { schedules, calls, responses, tasks, publications, events, faults, breaches } = report;
  const counted = Object.entries(faults).map(([kind, times]) => `${kind} ${times}`);
  print(
    `${schedules} schedules, ${calls} calls, ${responses} responses, ${tasks} tasks, ${publications} publications, ${events} events heard; ` +
      `faults: ${counted.join(', ')}; breaches: ${breaches.length}`,
  );
  if (bug !== undefined) print(`${bug.name}: found by ${new Set(breaches.map(({ seed }) => seed)).size} of ${schedules} schedules`);
  process.exitCode = breaches.length > 0 === (bug !== undefined) ? 0 : 1;
}

/** Says of each planted bug which schedule finds it first. */
async function findBugs(seeds: number): Promise<void> {
  const from = wholeNumber('from', values.from);
  for (const bug of plantedBugs) {
    const { schedules, breaches } = await simulate({ from, seeds, workers: 1, bug, stopsAtBreach: true });
    const [first] = breaches;
    if (first === undefined) process.exitCode = 1;
    print(
      first === undefined
        ? `${bug.name}: not found by ${schedules} schedules`
        : `${bug.name}: found by schedule ${schedules}, --from ${first.seed}: promise ${first.promise}: ${first.kind}: ${first.text}`,
    );
  }
}

/** How often which promise was broken, and by which seeds first. */
function printKinds({ breaches }: Report): void {
  const seedsOf = new Map<string, Set<number>>();
  for (const { promise, kind, seed } of breaches) {
    const name = `promise ${promise}: ${kind}`;
    seedsOf.set(name, (seedsOf.get(name) ?? new Set()).add(seed));
  }
  for (const [name, seeds] of [...seedsOf].sort())
    print(`${name}: ${seeds.size} schedules, e.g. --seed ${[...seeds].slice(0, 5).join(', ')}`);
}

async function replay(seed: number, isBrief: boolean): Promise<void> {
  // It replaces timers and clocks, so it is loaded only where that is wanted.
  const { runSchedule } = await import('./schedule.ts');
  const { breaches, faults, hash, steps } = await runSchedule(seed, isBrief ? undefined : print);
  for (const { promise, kind, text, atMs } of breaches) print(`promise ${promise}: ${kind}: ${text} (at ${(atMs / 1000).toFixed(3)} s)`);
  print(`seed ${seed}: ${steps} events, hash ${hash}, faults: ${JSON.stringify(faults)}, breaches: ${breaches.length}`);
  process.exitCode = breaches.length === 0 ? 0 : 1;
}
