import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('run.ts', import.meta.url));

/** Runs it as `npm run load` does; what it printed, and the code it exited with. */
function load(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  return promisify(execFile)(process.execPath, ['--import', import.meta.resolve('tsx'), script, ...args]).then(
    output => ({ ...output, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  );
}

/** What depends on how busy the machine is, and on how long a server has run. */
const figures = /^BROKEN: (?:the event loop was late|memory grew)/u;

it('npm run load, in short: no call fails, all streams are told, readers are cut and their memory comes back', async () => {
  const args = ['--seconds', '10', '--streams', '100', '--callers', '20', '--readers', '40', '--database', 'sqlite'];
  const { stdout, stderr } = await load(...args);
  const lines = stdout.trimEnd().split('\n');
  expect(
    lines.filter(line => line.startsWith('BROKEN') && !figures.test(line)),
    stderr,
  ).toEqual([]);
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ seconds: 10, streams: 100, callers: 20, database: 'sqlite' });
}, 240_000);

it.each([
  [['--database', 'mysql'], /--database: mysql is not one of sqlite, postgresql/u],
  [['--callers', 'many'], /--callers: many is not a whole number/u],
  [['--streams', '100000000'], /a process may open \d+ files, and 100000\d+ are needed: raise the limit with ulimit -n/u],
])(
  'npm run load %s is refused',
  async (args, message) => {
    const { stderr, code } = await load(...args);
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
  },
  60_000,
);
