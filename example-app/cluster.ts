/**
 * `npm run example:cluster`: three processes of the app over one database, behind a load balancer without sticky sessions. Enter kills one of
 * them at random, and a new one takes its place.
 */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { isPostgres } from './database.ts';
import type { Target } from './proxy.ts';
import { roundRobin } from './proxy.ts';

const databaseUrl = process.env['DATABASE_URL'] ?? 'postgresql://postgres@127.0.0.1:5432/koa_mcp_example';
const host = process.env['HOST'] ?? '127.0.0.1';
const requestedPort = Number(process.env['PORT'] ?? 3000);

const running = new Map<ChildProcess, Target>();
const targets: Target[] = [];
const proxy = roundRobin(targets);
let closing: Promise<void> | undefined;

try {
  if (isPostgres(databaseUrl)) await createDatabase(databaseUrl);
  await Promise.all([startProcess(), startProcess(), startProcess()]);
  await once(proxy.listen(requestedPort, host), 'listening').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'EADDRINUSE' ? new Error(`${host}:${requestedPort} is taken; set PORT`) : error;
  });
} catch (error) {
  await fail(error);
}

const { port } = proxy.address() as { port: number };
const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/mcp`;
console.log(
  `cluster: ${url} – processes ${targets.map(({ name }) => name).join(', ')}; the header X-Served-By names the one that answered`,
);
console.log('cluster: press Enter to kill one of them, Ctrl-C to end');

const keyboard = createInterface({ input: process.stdin });
keyboard.on('line', killOne);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void close());

/** Starts a process and waits until it listens. When it ends before the cluster does, another one is started. */
async function startProcess(): Promise<Target> {
  const child = fork(fileURLToPath(new URL('server.ts', import.meta.url)), {
    env: { ...process.env, DATABASE_URL: databaseUrl, PORT: '0', HOST: '127.0.0.1' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const listening = once(child, 'message') as Promise<[{ port: number }]>;
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`a process ended with ${code} before it listened`)));
  const [message] = await Promise.race([listening, ended]);
  const target = { name: String(child.pid), port: message.port };
  running.set(child, target);
  targets.push(target);
  child.once('exit', () => {
    running.delete(child);
    targets.splice(targets.indexOf(target), 1);
    if (closing === undefined) void replace(target);
  });
  return target;
}

async function replace({ name }: Target): Promise<void> {
  try {
    console.log(`cluster: ${(await startProcess()).name} has taken the place of ${name}`);
  } catch (error) {
    await fail(error);
  }
}

function killOne(): void {
  const children = [...running.keys()];
  const child = children[Math.floor(Math.random() * children.length)];
  if (child?.kill('SIGKILL')) console.log(`cluster: killed ${child.pid}`);
}

async function close(): Promise<void> {
  closing ??= (async () => {
    keyboard.close();
    proxy.close();
    await Promise.all(
      [...running.keys()].map(child => {
        child.kill('SIGTERM');
        return once(child, 'exit');
      }),
    );
    proxy.closeAllConnections();
  })();
  await closing;
}

async function fail(error: unknown): Promise<never> {
  console.error(`cluster: ${error instanceof Error ? error.message : String(error)}`);
  // The processes end when this one is gone.
  process.exit(1);
}

/** Creates the database if PostgreSQL has none of this name. @throws {Error} No PostgreSQL answers. */
async function createDatabase(connectionString: string): Promise<void> {
  const { host: server, pathname } = new URL(connectionString);
  try {
    await query(connectionString, 'SELECT 1');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== '3D000') {
      throw new Error(
        `no PostgreSQL answers at ${server} (${code ?? message}). Start one, or set DATABASE_URL: to another one, or to a SQLite file ` +
          '(file:./cluster.db), over which messages between processes take up to a second.',
      );
    }
    await query(
      new URL('/postgres', connectionString).href,
      `CREATE DATABASE ${pg.escapeIdentifier(decodeURIComponent(pathname.slice(1)))}`,
    );
  }
}

async function query(connectionString: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end();
  }
}
