import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { root } from './readme/readme.ts';

interface Package {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

let manifest: Package;
let locked: Readonly<Record<string, Package>>;
beforeAll(async () => {
  manifest = JSON.parse(await readFile(`${root}package.json`, 'utf8')) as Package;
  locked = (JSON.parse(await readFile(`${root}package-lock.json`, 'utf8')) as { packages: Record<string, Package> }).packages;
});

/** The folder of a dependency, as Node finds it from a package's folder: the nearest one. */
function find(from: string, name: string): string {
  const nested = from.split('/node_modules/');
  const folders = nested.map((_, depth) => `${nested.slice(0, nested.length - depth).join('/node_modules/')}/`);
  const place = [...folders, ''].map(folder => `${folder}node_modules/${name}`).find(candidate => candidate in locked);
  if (place === undefined) throw new Error(`${name} is not in package-lock.json`);
  return place;
}

/** All packages that a package's dependencies bring, by their folders. */
function installed(from: string, found = new Set<string>()): Set<string> {
  for (const name of Object.keys(locked[from]?.dependencies ?? {})) {
    const place = find(from, name);
    if (found.has(place)) continue;
    found.add(place);
    installed(place, found);
  }
  return found;
}

describe('the package', () => {
  it('takes ranges of its dependencies, so that an app has one copy of each', () => {
    const ranges = Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies });
    expect(ranges.filter(([, range]) => !range.startsWith('^'))).toEqual([]);
  });

  it('brings few packages with it', () => {
    expect(Object.keys(manifest.dependencies ?? {})).toEqual(['@koa/router', '@prisma/generator-helper', 'jose', 'koa-bodyparser']);
    expect(installed('').size).toBeLessThanOrEqual(60);
  });

  it('is small, and has no tests, sources or maps', async () => {
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root });
    const [{ size, unpackedSize, files }] = JSON.parse(stdout) as [{ size: number; unpackedSize: number; files: { path: string }[] }];
    expect(files.map(({ path }) => path).filter(path => /^(?:src|test|example-app)\/|\.map$|\.test\./u.test(path))).toEqual([]);
    expect([size, unpackedSize].map(bytes => Math.ceil(bytes / 2 ** 20))).toEqual([1, 2]);
  });
});
