import { readFile } from 'node:fs/promises';
import os from 'node:os';
import { peerVersions } from './install.ts';
import type { BenchOptions } from './options.ts';

/** Where and with what the figures came out. */
export interface BenchEnvironment {
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: string;
}

const own = ['@koa/router', '@prisma/client', 'koa', 'koa-bodyparser', 'pg', 'zod'];

export async function describeEnvironment(options: BenchOptions): Promise<BenchEnvironment> {
  const versions = await Promise.all(['koa-mcp', ...own].map(async name => [name, await versionOf(name)] as const));
  const cpus = os.cpus();
  const memoryGb = Math.round(os.totalmem() / 1024 ** 3);
  return {
    machine: `${cpus.length} × ${cpus[0]?.model.trim() ?? 'unknown'}, ${memoryGb} GB, ${os.type()} ${os.release()}`,
    versions: { node: process.version, ...Object.fromEntries(versions), ...(await peerVersions()) },
    settings: describeSettings(options),
  };
}

function describeSettings({ rounds, roundMs, warmUpMs, connections, build }: BenchOptions): string {
  return [
    `${rounds} rounds of ${roundMs} ms on each contender in turn, after ${warmUpMs} ms of warm-up`,
    `${connections} connections`,
    'NODE_ENV=production, loopback',
    ...(build === undefined ? [] : [`koa-mcp of ${build}`]),
  ].join('; ');
}

async function versionOf(name: string): Promise<string> {
  const place = name === 'koa-mcp' ? '../../package.json' : `../../node_modules/${name}/package.json`;
  return (JSON.parse(await readFile(new URL(place, import.meta.url), 'utf8')) as { version: string }).version;
}
