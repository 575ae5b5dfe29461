import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chown, constants, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { createClient } from 'redis';
import { freePort } from '../support/free-port.ts';

/** A server that belongs to this run alone, so that it may be stopped. */
export interface OwnServer<Signal extends NodeJS.Signals> extends AsyncDisposable {
  /** It stays the same when the server is started again. */
  readonly url: string;
  /** Starts it and waits until it answers. */
  start(): Promise<void>;
  /** Ends it and waits for its end. */
  stop(signal: Signal): Promise<void>;
}

/** `SIGINT` ends its connections in good order; `SIGQUIT` is a crash, from which the next start recovers. */
export type OwnPostgres = OwnServer<'SIGINT' | 'SIGQUIT'>;
export type OwnRedis = OwnServer<'SIGKILL'>;

/** Connections that the PostgreSQL server takes at most, those of superusers included. */
export const maxConnections = 40;

/** Starts a PostgreSQL server with an empty cluster. @throws {MissingServer} This machine has no programs for it. */
export async function ownPostgres(): Promise<OwnPostgres> {
  const bin = await folderOf('initdb', ['/usr/lib/postgresql']);
  if (bin === undefined) throw new MissingServer('there is no `initdb` and no `postgres` on this machine');
  const user = await unprivilegedUser();
  const folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-postgres-'));
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const data = path.join(folder, 'data');
  const options = { ...user, cwd: folder, env: { ...process.env, LC_ALL: 'C' } };
  await promisify(execFile)(
    path.join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'],
    options,
  );
  const port = await freePort();
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    max_connections: maxConnections,
    // The server crashes, the machine does not: what was committed stays without being forced to the disk.
    fsync: 'off',
  };
  const args = ['-D', data, '-p', `${port}`, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const run = () => spawn(path.join(bin, 'postgres'), args, { ...options, stdio: 'ignore' });
  return serve({ name: 'PostgreSQL', url, folder, run, lastSignal: 'SIGQUIT', answers: () => postgresAnswers(url) });
}

/** Starts a Redis server that keeps nothing. @throws {MissingServer} This machine has no program for it. */
export async function ownRedis(): Promise<OwnRedis> {
  const bin = await folderOf('redis-server', []);
  if (bin === undefined) throw new MissingServer('there is no `redis-server` on this machine');
  const folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-redis-'));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
  const run = () => spawn(path.join(bin, 'redis-server'), args, { stdio: 'ignore' });
  return serve({ name: 'Redis', url, folder, run, lastSignal: 'SIGKILL', answers: () => redisAnswers(url) });
}

/** This machine cannot run a server; the message says why. */
export class MissingServer extends Error {
  override readonly name = 'MissingServer';
}

interface Program<Signal extends NodeJS.Signals> {
  readonly name: string;
  readonly url: string;
  readonly folder: string;
  readonly run: () => ChildProcess;
  readonly lastSignal: Signal;
  readonly answers: () => Promise<boolean>;
}

/** Starts a program as a server of its own. */
export async function serve<Signal extends NodeJS.Signals>(program: Program<Signal>): Promise<OwnServer<Signal>> {
  const { name, url, folder, run, lastSignal, answers } = program;
  let child: ChildProcess | undefined;
  const isRunning = () => child !== undefined && child.exitCode === null && child.signalCode === null;
  // It must not outlive whoever started it.
  const abandon = () => void child?.kill(lastSignal);
  process.once('exit', abandon);
  const start = async () => {
    child = run();
    child.once('error', () => {});
    while (!(await answers())) {
      if (!isRunning()) throw new Error(`${name} ended instead of starting (${child.signalCode ?? child.exitCode})`);
      await delay(20);
    }
  };
  const stop = async (signal: Signal) => {
    if (child === undefined || !isRunning()) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  await start();
  return {
    url,
    start,
    stop,
    async [Symbol.asyncDispose]() {
      process.off('exit', abandon);
      await stop(lastSignal);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function postgresAnswers(connectionString: string): Promise<boolean> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 1000 });
  client.on('error', () => {});
  return client
    .connect()
    .then(() => true)
    .catch(() => false)
    .finally(() => client.end().catch(() => undefined));
}

async function redisAnswers(url: string): Promise<boolean> {
  const client = createClient({ url, socket: { connectTimeout: 1000, reconnectStrategy: false } });
  client.on('error', () => {});
  return client
    .connect()
    .then(() => client.destroy())
    .then(() => true)
    .catch(() => false);
}

/** PostgreSQL refuses to run as root: then as its own user. */
async function unprivilegedUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (option: string) => Number((await promisify(execFile)('id', [option, 'postgres'])).stdout);
  try {
    return { uid: await id('-u'), gid: await id('-g') };
  } catch {
    throw new MissingServer('PostgreSQL does not run as root, and there is no user `postgres` on this machine');
  }
}

/** Where a program is: on the path, or in `<folder>/<version>/bin`. */
async function folderOf(program: string, folders: readonly string[]): Promise<string | undefined> {
  const versions = await Promise.all(
    folders.map(async folder => {
      const names = await readdir(folder).catch((): string[] => []);
      return names.toSorted((a, b) => Number(b) - Number(a)).map(version => path.join(folder, version, 'bin'));
    }),
  );
  for (const folder of [...(process.env['PATH'] ?? '').split(path.delimiter), ...versions.flat()]) {
    const isThere = await access(path.join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return folder;
  }
  return undefined;
}
