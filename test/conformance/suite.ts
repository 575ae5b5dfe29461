import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from './install.ts';

const run = promisify(execFile);

/** Characters of a message: some quote whole lists. */
const maxProblem = 500;
const labels: Readonly<Record<Outcome['kind'], string>> = { scored: 'scored', unscored: 'unscored', extension: 'extension scenarios' };

/** A line of a scenario's `checks.json`. */
interface Check {
  readonly id: string;
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';
  readonly description: string;
  readonly errorMessage?: string;
}

/** What the suite says of one scenario. */
export interface Outcome {
  readonly scenario: string;
  /** `scored` decides on conformance; `extension` is of an extension of the protocol. */
  readonly kind: 'scored' | 'unscored' | 'extension';
  /** Nothing failed, nothing warned, and something was checked. */
  readonly passed: boolean;
  /** The suite has skipped it, whatever the server does. */
  readonly skipped: boolean;
  readonly warnings: number;
  /** A line for each check that failed or warned. */
  readonly problems: readonly string[];
}

/** Runs all server scenarios that a revision requires, scored or not. */
export async function runRequirements(revision: string, url: string): Promise<Outcome[]> {
  const listed = parseList((await run(suite.node, [suite.entry, 'list', '--requirements', revision])).stdout);
  const folder = await mkdtemp(join(tmpdir(), 'koa-mcp-conformance-'));
  try {
    await runServer(['--url', url, '--requirements', revision, '--output-dir', folder]);
    const checks = await readChecks(folder);
    return listed.map(({ scenario, kind }) => ({ scenario, kind, ...judge(checks.get(scenario)) }));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** `2025-11-25: 30 of 30 scored passed, 3 of 3 unscored passed, 0 warnings` */
export function summarize(revision: string, outcomes: readonly Outcome[]): string {
  const all = checked(outcomes);
  const count = (kind: Outcome['kind']) => {
    const ofKind = all.filter(outcome => outcome.kind === kind);
    return ofKind.length === 0 ? [] : [`${ofKind.filter(({ passed }) => passed).length} of ${ofKind.length} ${labels[kind]} passed`];
  };
  const warnings = all.reduce((sum, outcome) => sum + outcome.warnings, 0);
  return `${revision}: ${[...count('scored'), ...count('unscored'), `${warnings} warnings`, ...count('extension')].join(', ')}`;
}

/** The scenarios that the suite has not skipped. */
export function checked(outcomes: readonly Outcome[]): Outcome[] {
  return outcomes.filter(({ skipped }) => !skipped);
}

/** The exit code says no more than `checks.json` does, and nothing of warnings. */
async function runServer(args: readonly string[]): Promise<void> {
  try {
    await run(suite.node, [suite.entry, 'server', ...args], { maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code !== 1) throw new Error(`The suite ended with ${String(code)}: ${stderr}`, { cause: error });
  }
}

/** The server scenarios of `list --requirements`: those required under one heading, those only reported under the reason. */
function parseList(text: string): Pick<Outcome, 'scenario' | 'kind'>[] {
  const [, scored = ''] = /^Server scenarios.*\n((?: {2}- .*\n)+)/mu.exec(text) ?? [];
  const [, reported = ''] = text.split('never scored:');
  const groups = reported.split(/^ {2}(?=\S)/mu);
  return [
    ...[...scored.matchAll(/- (\S+)/gu)].map(([, scenario = '']) => ({ scenario, kind: 'scored' as const })),
    ...groups.flatMap(group => {
      const kind = group.startsWith('extension') ? ('extension' as const) : ('unscored' as const);
      return [...group.matchAll(/- (\S+) \[server\]/gu)].map(([, scenario = '']) => ({ scenario, kind }));
    }),
  ];
}

/** Each scenario has a folder `server-<scenario>-<time>`. */
async function readChecks(folder: string): Promise<Map<string, Check[]>> {
  const checks = new Map<string, Check[]>();
  for (const name of await readdir(folder)) {
    const [, scenario] = /^server-(.+?)-\d{4}-\d\d-\d\dT[\d-]+Z$/u.exec(name) ?? [];
    if (scenario !== undefined) checks.set(scenario, JSON.parse(await readFile(join(folder, name, 'checks.json'), 'utf8')) as Check[]);
  }
  return checks;
}

function judge(checks: readonly Check[] = []): Omit<Outcome, 'scenario' | 'kind'> {
  const bad = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
  // A scenario that found nothing to check has only said that its messages were valid, if that.
  const isChecked = checks.some(({ id, status }) => status === 'SUCCESS' && id !== 'wire-schema-valid');
  const problems = bad.map(
    ({ status, id, description, errorMessage }) => `${status} ${id}: ${(errorMessage ?? description).slice(0, maxProblem)}`,
  );
  return {
    passed: bad.length === 0 && isChecked,
    skipped: bad.length === 0 && !isChecked && checks.some(({ status }) => status === 'SKIPPED'),
    warnings: bad.filter(({ status }) => status === 'WARNING').length,
    problems: bad.length === 0 && !isChecked ? ['nothing was checked'] : problems,
  };
}
