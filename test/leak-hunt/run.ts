import { inspect, parseArgs } from 'node:util';
import { print, wholeNumber } from '../support/command-line.ts';
import type { Provider } from '../support/database.ts';
import { providers } from '../support/database.ts';
import { huntApart } from './apart.ts';
import type { Finding, Report } from './hunt.ts';
import { plantedBugs } from './planted.ts';
import { describeTallies, shortcomings, sum } from './tallies.ts';

// `npm run leak-hunt`: asks an endpoint many things, and ends at the first answer that tells or does more than its caller may know or do.

const usage = `npm run leak-hunt -- [options]
  --requests N     requests in all (default 10000)
  --seed S         what decides data, declarations and requests (default 1)
  --database NAME  sqlite, postgresql or both (default both: half of the requests each)
  --only K         replays request K alone, in one database
  --bugs           puts each bug of planted.ts into the source, and looks in how many requests it is found (default 5000)
  --bug NAME       the same with one bug`;

const { values } = parseArgs({
  options: {
    requests: { type: 'string' },
    seed: { type: 'string', default: '1' },
    database: { type: 'string', default: 'both' },
    only: { type: 'string' },
    bugs: { type: 'boolean', default: false },
    bug: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const seed = wholeNumber('seed', values.seed);
const databases = providers.filter(name => values.database === 'both' || values.database === name);
if (databases.length === 0) throw new TypeError(`--database: ${values.database} is not sqlite, postgresql or both`);

if (values.help) print(usage);
else if (values.bugs || values.bug !== undefined) await findBugs(wholeNumber('requests', values.requests ?? '5000'));
else if (values.only !== undefined) await replay(wholeNumber('only', values.only));
else await huntAll(wholeNumber('requests', values.requests ?? '10000'));

async function huntAll(requests: number): Promise<void> {
  const reports = new Map<Provider, Report>();
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;
  const done = () => [...reports.values()].reduce((all, report) => all + report.requests, 0);
  const progress = setInterval(() => print(`${done()} of ${requests} requests in ${seconds().toFixed(0)} s`), 2000);
  const share = Math.ceil(requests / databases.length);
  await Promise.all(
    databases.map(async provider => {
      const onProgress = (report: Report) => void reports.set(provider, report);
      reports.set(provider, await huntApart({ provider, seed, requests: share, onProgress }));
    }),
  ).finally(() => clearInterval(progress));
  const report = sum([...reports.values()]);
  const findings = [...reports.values()].flatMap(({ finding }) => (finding === undefined ? [] : [finding]));
  for (const finding of findings) describe(finding);
  for (const line of describeTallies(report)) print(line);
  const missing = findings.length > 0 ? [] : shortcomings(report);
  for (const text of missing) print(`the hunt is too tame: ${text}`);
  print(
    `${report.requests} requests in ${seconds().toFixed(0)} s (${(report.requests / seconds()).toFixed(0)} a second), ${report.twins} also in the twin, ` +
      `${report.compared} compared with it; leaks: ${findings.length}; seed ${seed}`,
  );
  process.exitCode = findings.length + missing.length === 0 ? 0 : 1;
}

async function replay(number: number): Promise<void> {
  const [provider] = databases;
  if (provider === undefined || databases.length > 1) throw new TypeError('--only: give --database sqlite or --database postgresql');
  const { finding } = await huntApart({ provider, seed, from: number, requests: 1 });
  if (finding === undefined) print(`request ${number} of seed ${seed} is answered as it must be`);
  else describe(finding);
  process.exitCode = finding === undefined ? 0 : 1;
}

async function findBugs(requests: number): Promise<void> {
  const bugs = plantedBugs.filter(({ name }) => values.bug === undefined || values.bug === name);
  if (bugs.length === 0) throw new TypeError(`--bug: ${values.bug} is none of ${plantedBugs.map(({ name }) => name).join(', ')}`);
  for (const bug of bugs) {
    for (const provider of databases) {
      const { finding, requests: made } = await huntApart({ provider, seed, requests, bug });
      if (finding === undefined) process.exitCode = 1;
      const found = finding === undefined ? 'not found' : `found by request ${finding.request}: ${finding.what}`;
      print(`${bug.name} (${provider}): ${found}, ${made} requests`);
    }
  }
}

function describe({ call, expected, got, policies, caller, what, provider, request, era }: Finding): void {
  const show = (value: unknown) => inspect(value, { depth: 20, breakLength: 140 });
  print(`LEAK: ${what}`);
  print(`  again with: npm run leak-hunt -- --seed ${seed} --database ${provider} --only ${request}`);
  print(`  caller: ${show(caller)}, revision ${era}`);
  print(`  call: ${call.method} ${JSON.stringify(call.params)}`);
  print(`  expected: ${show(expected)}`);
  print(`  got: ${show(got)}`);
  print(`  policies: ${show(policies)}`);
}
