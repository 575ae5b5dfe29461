import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const project = fileURLToPath(new URL('tsconfig.json', import.meta.url));

/** `tsc -p .` and the type tests of vitest use version 6. */
it.each([
  ['ts59', '5.9'],
  ['ts7', '7.0'],
])(
  'the types hold in TypeScript of %s',
  async (name, version) => {
    const tsc = path.join(path.dirname(require.resolve(`${name}/package.json`)), 'bin/tsc');
    const { stdout } = await run(process.execPath, [tsc, '--version']);
    expect(stdout).toContain(`Version ${version}`);
    await expect(run(process.execPath, [tsc, '-p', project, '--pretty', 'false'])).resolves.toMatchObject({ stdout: '' });
  },
  240_000,
);
