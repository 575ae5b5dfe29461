import type { Command } from './command-line.ts';
import { loadEndpoints } from './endpoint-module.ts';
import { toText } from './report-text.ts';

/** `koa-mcp check`. */
export const checkCommand: Command = {
  name: 'check',
  operands: 'MODULE',
  counts: [1, 1],
  summary: 'Reports what an endpoint exposes: models, columns, row policies, tools, tokens, limits of agents.',
  options: {
    json: { help: 'the report as JSON: an array with one report for each endpoint' },
    strict: { help: 'warnings fail the check too' },
  },
  notes: `MODULE is a file that exports what mcp() returns, or the Koa app that uses it. It must not listen.
It ends with 0; with 1 if a limit is exceeded (or there is a warning, with --strict); with 2 if it cannot report.`,
  failure: 2,
  async run({ cwd, operands: [module = ''], has }) {
    const { text, failed } = await check({ cwd, module, json: has('json'), strict: has('strict') });
    return { text, code: failed ? 1 : 0 };
  },
};

/** What `check` reads, and how it answers. */
export interface CheckOptions {
  /** The host's root; a relative module starts here. */
  readonly cwd: string;
  /** File of a module that exports an endpoint, or a Koa app that uses one. */
  readonly module: string;
  /** Prints JSON: an array with one report for each endpoint. */
  readonly json: boolean;
  /** Fails on warnings too. */
  readonly strict: boolean;
}

/** What `check` found. */
export interface CheckResult {
  readonly text: string;
  /** Whether a limit is exceeded or, under `strict`, there is a warning. */
  readonly failed: boolean;
}

/**
 * Imports a module of the host, and reports on each endpoint that it exports.
 *
 * @throws {Error} No such file, a module that cannot be loaded, or one that exports no endpoint.
 */
export async function check({ cwd, module, json, strict }: CheckOptions): Promise<CheckResult> {
  const reports = (await loadEndpoints(cwd, module)).map(endpoint => endpoint.report());
  return {
    text: json ? `${JSON.stringify(reports, undefined, 2)}\n` : reports.map(toText).join('\n'),
    failed: reports.some(({ limits, warnings }) => limits.some(({ isExceeded }) => isExceeded) || (strict && warnings.length > 0)),
  };
}
