import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { requirePostgres } from '../support/database.ts';
import { random } from './random.ts';

const script = fileURLToPath(new URL('run.ts', import.meta.url));

it('npm run chaos, in short: processes are killed, and no promise is broken', async test => {
  await requirePostgres(test);
  const args = ['--import', import.meta.resolve('tsx'), script, '--seconds', '8', '--clients', '20', '--seed', '1'];
  const { stdout, code } = await promisify(execFile)(process.execPath, args).then(
    ({ stdout }) => ({ stdout, code: 0 }),
    (error: { stdout: string; code: number }) => error,
  );
  expect(stdout, `exit code ${code}`).toContain('all promises were kept; again with --seed 1');
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, number>;
  expect(report).toMatchObject({ seconds: 8, clients: 20, seed: 1, bus: 'postgres', broken: 0 });
  expect([(report['kills'] ?? 0) + (report['gracefulEnds'] ?? 0) > 0, (report['answered'] ?? 0) > 0]).toEqual([true, true]);
}, 150_000);

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
