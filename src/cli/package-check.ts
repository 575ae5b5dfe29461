import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Finding } from './finding.ts';

interface Manifest {
  readonly version: string;
  readonly engines: { readonly node: string };
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/**
 * Checks the versions of Node and of the packages that the app and koa-mcp share.
 *
 * @param folder The folder of the app's module.
 */
export async function checkPackages(folder: string): Promise<Finding[]> {
  const own = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as Manifest;
  const peers = Object.entries(own.peerDependencies).filter(([name]) => !name.startsWith('@types/'));
  const findings = await Promise.all(
    peers.map(async ([name, range]) => checkPeer(name, { range, version: await versionOf(name, folder), own })),
  );
  return [checkNode(own), { check: 'koa-mcp', status: 'ok', found: own.version }, ...findings.flat(), ...(await checkPrisma(folder))];
}

function checkNode({ engines }: Manifest): Finding {
  const { node } = process.versions;
  const isNew = compare(node, engines.node.replace('>=', '')) >= 0;
  return isNew
    ? { check: 'node', status: 'ok', found: node }
    : { check: 'node', status: 'problem', found: node, remedy: `Use Node ${engines.node}` };
}

function checkPeer(name: string, { range, version, own }: { range: string; version: string | undefined; own: Manifest }): Finding[] {
  if (version === undefined) {
    if (own.peerDependenciesMeta[name]?.optional === true) return [];
    return [{ check: name, status: 'problem', found: 'not installed', remedy: `npm install ${name}` }];
  }
  if (satisfies(version, range)) return [{ check: name, status: 'ok', found: version }];
  return [{ check: name, status: 'problem', found: version, remedy: `Install a version of ${range}` }];
}

/** Prisma's command and its client must be of one version. */
async function checkPrisma(folder: string): Promise<Finding[]> {
  const [command, client] = await Promise.all([versionOf('prisma', folder), versionOf('@prisma/client', folder)]);
  if (command === undefined || client === undefined || command === client) {
    return command === undefined ? [] : [{ check: 'prisma', status: 'ok', found: command }];
  }
  const remedy = `npm install --save-dev prisma@${client}`;
  return [{ check: 'prisma', status: 'warning', found: `${command}, but @prisma/client is ${client}`, remedy }];
}

/** The version of a package as the files of a folder load it. Reads package.json itself, because a package may not export it. */
async function versionOf(name: string, folder: string): Promise<string | undefined> {
  const text = await readFile(path.join(folder, 'node_modules', name, 'package.json'), 'utf8').catch(() => undefined);
  if (text !== undefined) return (JSON.parse(text) as { version?: string }).version;
  const parent = path.dirname(folder);
  return parent === folder ? undefined : versionOf(name, parent);
}

/** Whether a version is in a range such as `^2.16 || ^3`. */
function satisfies(version: string, range: string): boolean {
  return range.split('||').some(part => {
    const least = part.trim().replace('^', '');
    return version.split('.')[0] === least.split('.')[0] && compare(version, least) >= 0;
  });
}

/** Below 0 if `a` is older than `b`. */
function compare(a: string, b: string): number {
  const [left, right] = [a, b].map(version => version.split('-')[0]?.split('.').map(Number) ?? []);
  for (let index = 0; index < 3; index += 1) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
