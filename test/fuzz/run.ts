import { parseArgs } from 'node:util';
import { print, wholeNumber } from '../support/command-line.ts';
import type { Failure } from './client.ts';
import type { Report } from './fuzz.ts';
import { fuzz } from './fuzz.ts';
import type { StoreName } from './place.ts';
import { storeNames } from './place.ts';
import { plantedBugs } from './planted.ts';

// `npm run fuzz`: sends an endpoint valid exchanges with changes, over raw sockets, and says which promise it breaks.

const usage = `npm run fuzz -- [options]
  --requests N     exchanges in all (default 10000); most are one HTTP request
  --seed S         what decides them (default 1)
  --store NAME     memory, rows or both: where sessions are kept (default both: half of the exchanges each)
  --only K         repeats exchange K alone, with one store
  --bugs           puts each bug of planted.ts into the source, and looks in how many exchanges it is found
  --bug NAME       the same with one bug`;

const { values } = parseArgs({
  options: {
    requests: { type: 'string' },
    seed: { type: 'string', default: '1' },
    store: { type: 'string', default: 'both' },
    only: { type: 'string' },
    bugs: { type: 'boolean', default: false },
    bug: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const seed = wholeNumber('seed', values.seed);
const stores = storeNames.filter(name => values.store === 'both' || values.store === name);
if (stores.length === 0) throw new TypeError(`--store: ${values.store} is not memory, rows or both`);

if (values.help) print(usage);
else if (values.bugs || values.bug !== undefined) await findBugs(wholeNumber('requests', values.requests ?? '2000'));
else if (values.only !== undefined) await replay(wholeNumber('only', values.only));
else await fuzzAll(wholeNumber('requests', values.requests ?? '10000'));

async function fuzzAll(requests: number): Promise<void> {
  const share = Math.ceil(requests / stores.length);
  for (const store of stores) {
    const startedAt = performance.now();
    const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(0);
    let done = 0;
    const onProgress = (count: number) => {
      done = count;
    };
    const progress = setInterval(() => print(`${store}: ${done} of ${share} exchanges in ${seconds()} s`), 5000);
    const report = await fuzz({ store, seed, requests: share, onProgress }).finally(() => clearInterval(progress));
    for (const failure of report.failures) describe(failure, store);
    if (report.failures.length > 0) process.exitCode = 1;
    const { cases, unexplainedHolds } = report;
    for (const [name, count] of [...cases].sort(([, a], [, b]) => b - a)) print(`${String(count).padStart(7)} ${name}`);
    if (unexplainedHolds.length > 0)
      print(
        `the event loop stood still ${unexplainedHolds.length} times, which no exchange alone repeats: ${unexplainedHolds.join(', ')} ms`,
      );
    print(`${store}: ${figures(report)}; ${seconds()} s; seed ${seed}`);
  }
}

function figures({ requests, sent, accepted, statuses, failures, growthBytes }: Report): string {
  const counts = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
  const growth = growthBytes === undefined ? '' : `; memory ${(growthBytes / 2 ** 20).toFixed(1)} MiB`;
  return `${requests} exchanges, ${sent} requests, ${accepted} past parsing (${((accepted / sent) * 100).toFixed(0)} %); ${counts.join(', ')}${growth}; failures: ${failures.length}`;
}

async function replay(number: number): Promise<void> {
  const [store] = stores;
  if (store === undefined || stores.length > 1) throw new TypeError('--only: give --store memory or --store rows');
  const { failures } = await fuzz({ store, seed, from: number, requests: 1 });
  if (failures.length === 0) print(`exchange ${number} of seed ${seed} is answered as it must be`);
  for (const failure of failures) describe(failure, store);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

async function findBugs(requests: number): Promise<void> {
  const bugs = plantedBugs.filter(({ name }) => values.bug === undefined || values.bug === name);
  if (bugs.length === 0) throw new TypeError(`--bug: ${values.bug} is none of ${plantedBugs.map(({ name }) => name).join(', ')}`);
  for (const bug of bugs) {
    const { failures } = await fuzz({ store: 'memory', seed, requests, bug, maxFailures: 1 });
    const [found] = failures;
    if (found === undefined) process.exitCode = 1;
    print(`${bug.name}: ${found === undefined ? 'not found' : `found by exchange ${found.number}: ${found.what.slice(0, 200)}`}`);
  }
}

function describe({ number, what, sent, got }: Failure, store: StoreName): void {
  print(`FAILURE: ${what}`);
  print(`  again with: npm run fuzz -- --seed ${seed} --store ${store} --only ${number}`);
  for (const [title, text] of [
    ['sent', sent],
    ['got', got],
  ] as const)
    if (text !== '') print(`  ${title}:\n${text.replaceAll(/^/gmu, '    ')}`);
}
