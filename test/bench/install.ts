import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The nested package of the other contenders; it has a lock file of its own. */
export const peers: URL = new URL('peers/', import.meta.url);

/** Installs the pinned contenders and autocannon, unless they are there. */
export async function installPeers(): Promise<void> {
  const pinned = await peerVersions();
  const installed = await Promise.all(Object.keys(pinned).map(installedVersion));
  if (Object.values(pinned).every((version, index) => version === installed[index])) return;
  const npm = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  await promisify(execFile)('npm', npm, { cwd: fileURLToPath(peers), shell: process.platform === 'win32' });
}

/** The pinned version of each package. */
export async function peerVersions(): Promise<Readonly<Record<string, string>>> {
  return ((await readJson('package.json')) as { dependencies: Record<string, string> }).dependencies;
}

async function installedVersion(name: string): Promise<string | undefined> {
  try {
    return ((await readJson(`node_modules/${name}/package.json`)) as { version: string }).version;
  } catch {
    return undefined;
  }
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(path, peers), 'utf8')) as unknown;
}
