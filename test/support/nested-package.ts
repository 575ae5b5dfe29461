import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/**
 * Installs a package of the tests that has a lock file of its own, unless the pinned versions are there.
 *
 * @param folder Where its `package.json` is.
 * @param options.runsScripts Whether the install scripts run that the package allows: the package `node` unpacks itself by one.
 * @param options.command `install` is for a lock file that lacks an optional package which the registry does not have: `ci` refuses it.
 */
export async function installNested(
  folder: URL,
  { runsScripts = false, command = 'ci' }: { runsScripts?: boolean; command?: 'ci' | 'install' } = {},
): Promise<void> {
  const pinned = await pinnedVersions(folder);
  const installed = await Promise.all(Object.keys(pinned).map(name => installedVersion(folder, name)));
  if (Object.values(pinned).every((version, index) => version === installed[index])) return;
  const npm = [command, '--no-audit', '--no-fund', ...(runsScripts ? [] : ['--ignore-scripts'])];
  await promisify(execFile)('npm', npm, { cwd: fileURLToPath(folder), shell: process.platform === 'win32' });
}

/** The version of each package that is pinned in a folder. */
export async function pinnedVersions(folder: URL): Promise<Readonly<Record<string, string>>> {
  return (await readPackage(folder, './')).dependencies ?? {};
}

async function installedVersion(folder: URL, name: string): Promise<string | undefined> {
  try {
    return (await readPackage(folder, `node_modules/${name}/`)).version;
  } catch {
    return undefined;
  }
}

async function readPackage(folder: URL, path: string): Promise<{ version?: string; dependencies?: Record<string, string> }> {
  return JSON.parse(await readFile(new URL(`${path}package.json`, folder), 'utf8'));
}
