import { writeFile } from 'node:fs/promises';
import { chartOf } from './chart.ts';
import { choose } from './choose.ts';
import { Closing } from './closing.ts';
import { postgresAvailable } from './databases.ts';
import { describeEnvironment } from './environment.ts';
import { installPeers } from './install.ts';
import { measure } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { parseOptions, usage } from './options.ts';
import { shareMs } from './pace.ts';
import { describeResult, describeTargets } from './report.ts';
import type { Result } from './results.ts';
import { lossesOf, resultOf, tally } from './results.ts';
import type { Workload } from './workloads.ts';
import { workloads } from './workloads.ts';

// `npm run bench`: see `usage`. The last line counts the targets that were met.

let interrupted = false;
try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) print(`${usage}\n`);
  else if (options.list) print(workloads.map(({ name, title }) => `${name.padEnd(24)} ${title}\n`).join(''));
  else await bench(options);
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  process.stderr.write(`${error.message}\n${usage}\n`);
  process.exitCode = 2;
}

async function bench(options: BenchOptions): Promise<void> {
  const { workloads: chosen, leftOut: notChosen } = choose(workloads, options, postgresAvailable());
  const leftOut = [...notChosen];
  await installPeers();
  const { machine, versions, settings } = await describeEnvironment(options);
  const versionList = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  print(`machine: ${machine}\nversions: ${versionList.join(', ')}\nsettings: ${settings}\n`);
  for (const each of leftOut) print(`left out: ${each}\n`);
  print('\n');
  const results: Result[] = [];
  const failed: string[] = [];
  const endsAt = Date.now() + (options.budgetMs ?? 0);
  for (const [index, workload] of chosen.entries()) {
    if (options.budgetMs !== undefined && Date.now() > endsAt) {
      leftOut.push(`${workload.name}: no time was left`);
      print(`left out: ${leftOut.at(-1)}\n`);
      continue;
    }
    const lanesLeft = chosen.slice(index).reduce((sum, { lanes }) => sum + lanes.length, 0);
    const forMs = shareMs(endsAt - Date.now(), workload.lanes.length, lanesLeft);
    const result = await run(workload, options, forMs).catch((error: unknown) => {
      if (interrupted) process.exit(130);
      failed.push(`${workload.name}: ${String(error)}`);
    });
    if (result === undefined) continue;
    print(`${describeResult(result)}\n`);
    results.push(result);
  }
  if (options.guard) failed.push(...lossesOf(results));
  for (const each of failed) process.stderr.write(`failed: ${each}\n`);
  if (failed.length > 0) process.exitCode = 1;
  const targets = tally(results);
  if (options.json !== undefined) {
    const report = { date: new Date().toISOString(), machine, versions, settings, leftOut, failed, results, targets };
    await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  if (options.svg !== undefined) await writeFile(options.svg, chartOf(results, `Node ${process.version}, ${machine}`));
  print(`${describeTargets(results)}targets: ${targets.met} of ${targets.measured} met\n`);
}

/** Measures a workload, and ends and drops all that was started and made for it, also when it is interrupted. */
async function run(workload: Workload, options: BenchOptions, forMs: number): Promise<Result> {
  const closing = new Closing();
  const interrupt = () => {
    interrupted = true;
    void closing[Symbol.asyncDispose]();
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return resultOf(workload, await measure(workload, options, closing, forMs));
  } finally {
    await closing[Symbol.asyncDispose]();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function print(text: string): void {
  process.stdout.write(text);
}
