import { parseArgs } from 'node:util';
import { print, wholeNumber } from '../support/command-line.ts';
import { providers } from '../support/database.ts';
import { runChaos } from './chaos.ts';
import { faultNames } from './fault.ts';
import { buses } from './place.ts';

// `npm run chaos`: clients, and what goes wrong meanwhile; the figures, and as the last line all of them as JSON.

const usage = `npm run chaos -- [options]
  --seconds N      how long faults are injected (default 60); then the clients have time to recover
  --clients N      clients at once (default 100)
  --seed S         what decides clients and faults (default: the time)
  --database NAME  postgresql or sqlite (default postgresql)
  --bus NAME       ${buses.join(', ')} (default postgres; with SQLite polling)
  --fault NAMES    only these faults, separated by commas: ${faultNames.join(', ')}`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    clients: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    database: { type: 'string', default: 'postgresql' },
    bus: { type: 'string' },
    fault: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  print(usage);
  process.exit();
}
const seconds = wholeNumber('seconds', values.seconds);
const clients = wholeNumber('clients', values.clients);
const seed = wholeNumber('seed', values.seed);
const provider = oneOf('--database', providers, values.database);
const bus = oneOf('--bus', buses, values.bus ?? (provider === 'sqlite' ? 'polling' : 'postgres'));
if (provider === 'sqlite' && bus === 'postgres') throw new TypeError('--bus postgres: --database sqlite has no notifications');
const faults = values.fault?.split(',').map(name => oneOf('--fault', faultNames, name));

const report = await runChaos({ seconds, clients, seed, provider, bus, faults, print });
const { reported, allowed, broken } = report;
for (const [what, texts] of Object.entries({ reported, allowed, broken }))
  for (const { example, count } of grouped(texts).slice(0, 50)) print(`${what} ${count} times: ${example}`);
print(`${broken.length === 0 ? 'all promises were kept' : `${broken.length} promises were broken`}; again with --seed ${seed}`);
print(JSON.stringify({ ...report, reported: reported.length, allowed: allowed.length, broken: broken.length }));
process.exit(broken.length === 0 ? 0 : 1);

/** What differs in names and numbers only is shown once. */
function grouped(texts: readonly string[]): { example: string; count: number }[] {
  const groups = new Map<string, { example: string; count: number }>();
  for (const example of texts) {
    const kind = example.slice(0, 160).replaceAll(/\(ref \w+\)|\b[abc]\d+\b|[\d.]+/gu, '#');
    const group = groups.get(kind) ?? { example, count: 0 };
    group.count += 1;
    groups.set(kind, group);
  }
  return [...groups.values()];
}

function oneOf<T extends string>(option: string, names: readonly T[], name: string): T {
  const found = names.find(each => each === name);
  if (found === undefined) throw new TypeError(`${option}: ${name} is not one of ${names.join(', ')}`);
  return found;
}
