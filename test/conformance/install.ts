import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const folder = new URL('./', import.meta.url);

/** The suite's entry, and the Node that runs it: it needs 22, while the server under test stays on the one that runs this. */
export const suite: { readonly node: string; readonly entry: string } = {
  node: fileURLToPath(new URL('node_modules/node/bin/node', folder)),
  entry: fileURLToPath(new URL('node_modules/@modelcontextprotocol/conformance/dist/index.js', folder)),
};

/** Installs the pinned suite, unless it is there. */
export async function installSuite(): Promise<void> {
  const pinned = ((await readJson('package.json')) as { dependencies: Record<string, string> }).dependencies;
  const installed = await Promise.all(Object.entries(pinned).map(([name, version]) => isInstalled(name, version)));
  if (installed.every(Boolean)) return;
  await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, shell: process.platform === 'win32' });
}

async function isInstalled(name: string, version: string): Promise<boolean> {
  try {
    return ((await readJson(`node_modules/${name}/package.json`)) as { version: string }).version === version;
  } catch {
    return false;
  }
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(path, folder), 'utf8')) as unknown;
}
