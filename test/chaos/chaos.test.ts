import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { requirePostgres } from '../support/database.ts';
import { random } from './random.ts';

const script = fileURLToPath(new URL('run.ts', import.meta.url));

/** Runs it as `npm run chaos` does; what it printed, and the code it exited with. */
function chaos(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  return promisify(execFile)(process.execPath, ['--import', import.meta.resolve('tsx'), script, ...args]).then(
    output => ({ ...output, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  );
}

it('npm run chaos, in short: the database is slow and loses answers, processes are killed, and no promise is broken', async test => {
  await requirePostgres(test);
  const { stdout, code } = await chaos('--seconds', '1', '--clients', '20', '--seed', '1', '--fault', 'latency,lost-answer,kill');
  expect(stdout, `exit code ${code}`).toContain('all promises were kept; again with --seed 1');
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
  expect(report).toMatchObject({
    clients: 20,
    seed: 1,
    database: 'postgresql',
    bus: 'postgres',
    broken: 0,
    faultFigures: { latency: { turns: 1 }, 'lost-answer': { turns: 1 }, kill: { turns: 1, faults: 3 } },
  });
  const figures = report['faultFigures'] as Record<string, { faults: number }>;
  for (const fault of ['latency', 'lost-answer']) expect(figures[fault]?.faults, fault).toBeGreaterThan(0);
  expect([Number(report['results']) > 0, Number(report['events']) > 0]).toEqual([true, true]);
}, 300_000);

it.each([
  [['--fault', 'earthquake'], /--fault: earthquake is not one of kill, /u],
  [['--database', 'sqlite', '--fault', 'black-hole'], /--fault black-hole: does not apply to sqlite with --bus polling/u],
  [['--database', 'sqlite', '--bus', 'postgres'], /--bus postgres: --database sqlite has no notifications/u],
])(
  'npm run chaos %s is refused',
  async (args, message) => {
    const { stderr, code } = await chaos(...args);
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
  },
  60_000,
);

it('the choices of a run are those of its seed', () => {
  const choices = (seed: number) => {
    const { between, chance, pick, next } = random(seed);
    return Array.from({ length: 100 }, () => [between(1, 6), chance(0.5), pick(['a', 'b', 'c']), next()]);
  };
  expect(choices(7)).toEqual(choices(7));
  expect(choices(7)).not.toEqual(choices(8));
  const drawn = choices(7).map(([number]) => number as number);
  expect([Math.min(...drawn), Math.max(...drawn)]).toEqual([1, 6]);
});
