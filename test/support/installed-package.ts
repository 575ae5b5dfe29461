import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** The environment of `prisma generate`, which looks for its schema engine, a download of its own, and does not run it. */
export const withoutEngine: NodeJS.ProcessEnv = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath };

/** A folder of its own, in which an ES module finds the installed packages. */
export interface InstalledFolder extends AsyncDisposable {
  readonly path: string;
}

/** Packs this package as it would be published, and installs it with other packages, named as for `npm install`. It must be built. */
export async function installPackage(packages: readonly string[]): Promise<InstalledFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-installed-'));
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
  const tarballs = (await readdir(folder)).filter(name => name.endsWith('.tgz')).map(name => `./${name}`);
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages, ...tarballs], { cwd: folder });
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}
