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
  const { workloads: chosen, leftOut } = choose(workloads, options, postgresAvailable());
  await installPeers();
  const { machine, versions, settings } = await describeEnvironment(options);
  const versionList = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  print(`machine: ${machine}\nversions: ${versionList.join(', ')}\nsettings: ${settings}\n`);
  for (const each of leftOut) print(`left out: ${each}\n`);
  print('\n');
  const results: Result[] = [];
  const failed: string[] = [];
  for (const [index, workload] of chosen.entries()) {
    const place = `[${index + 1}/${chosen.length}] ${workload.name}`;
    const onRound = (done: number) => progress(`${place}: ${done} of ${options.rounds} rounds`);
    progress(`${place}: starts`);
    const result = await run(workload, options, onRound).catch((error: unknown) => {
      if (interrupted) process.exit(130);
      failed.push(`${workload.name}: ${String(error)}`);
    });
    progress('');
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
async function run(workload: Workload, options: BenchOptions, onRound: (done: number) => void): Promise<Result> {
  const closing = new Closing();
  const interrupt = () => {
    interrupted = true;
    void closing[Symbol.asyncDispose]();
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    return resultOf(workload, await measure({ workload, options, closing, onRound }));
  } finally {
    await closing[Symbol.asyncDispose]();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** Shows how far the run is, on a terminal only: each text takes the place of the one before. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`);
}

function print(text: string): void {
  process.stdout.write(text);
}
