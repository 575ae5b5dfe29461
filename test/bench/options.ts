import path from 'node:path';
import { parseArgs } from 'node:util';

/** What the command line says. */
export interface BenchOptions {
  readonly list: boolean;
  readonly help: boolean;
  /** Whether a clear loss against bare Koa, by processor time, is a failure. */
  readonly guard: boolean;
  /** Names of workloads, or their beginnings; empty for all. */
  readonly only: readonly string[];
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
  readonly connections: number;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  /** The folder of another build of koa-mcp. */
  readonly build: string | undefined;
}

export const usage = `npm run bench -- [options]
  --only NAMES         workloads by name or by its beginning, separated by commas; --list names them
  --rounds N           rounds (default 9)
  --round-ms N         load on one contender in one round (default 2000)
  --warm-up-ms N       load on each contender beforehand (default 3000)
  --connections N      connections of the load generator (default 16)
  --json FILE          writes all figures
  --svg FILE           writes a chart
  --build DIR          another build of koa-mcp than dist/
  --guard              fails where a ratio to bare Koa, by processor time, is below 0.7 of its target
  --list               names the workloads`;

/** Reads the command line. @throws {TypeError} What is wrong with it. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      guard: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      'round-ms': { type: 'string' },
      'warm-up-ms': { type: 'string' },
      connections: { type: 'string' },
      json: { type: 'string' },
      svg: { type: 'string' },
      build: { type: 'string' },
    },
  });
  return {
    list: values.list,
    help: values.help,
    guard: values.guard,
    only: (values.only ?? []).flatMap(names => names.split(',')).filter(name => name !== ''),
    rounds: count('rounds', values.rounds, 9),
    roundMs: count('round-ms', values['round-ms'], 2000),
    warmUpMs: count('warm-up-ms', values['warm-up-ms'], 3000),
    connections: count('connections', values.connections, 16),
    json: values.json,
    svg: values.svg,
    build: values.build === undefined ? undefined : path.resolve(values.build),
  };
}

function count(name: string, value: string | undefined, byDefault: number): number {
  if (value === undefined) return byDefault;
  if (!/^[1-9]\d{0,6}$/.test(value)) throw new TypeError(`--${name} is a whole number from 1, not ${value}`);
  return Number(value);
}
