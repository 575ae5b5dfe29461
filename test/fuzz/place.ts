import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { plant } from '../simulation/planted-bugs.ts';
import { compile, compileChanged } from '../support/compile.ts';
import type { PlantedBug } from './planted.ts';
import type { ServerNews } from './server.ts';

/** Where the endpoint keeps its sessions. Its models are rows of SQLite in both cases. */
export const storeNames = ['memory', 'rows'] as const;
export type StoreName = (typeof storeNames)[number];

/** The process of the endpoint, seen from outside. */
export interface Place {
  readonly port: number;
  /** Set when the process has ended. */
  readonly ended: string | undefined;
  /** Told of what the process says. */
  onNews: (news: ServerNews) => void;
  /** Bytes in use after garbage collection. */
  memory(): Promise<number>;
  close(): Promise<void>;
}

/** Milliseconds of silence after which a process that speaks every half second is taken for one that does not come back. */
const stillMs = 8000;

/** Starts the process, with a planted bug if there is one. @throws {Error} The process ended. */
export async function startPlace(store: StoreName, bug?: PlantedBug): Promise<Place> {
  const script = new URL('server.ts', import.meta.url);
  const file = await (bug === undefined ? compile(script) : compileChanged(script, plant(bug)));
  const child = fork(file, [store], {
    execArgv: ['--no-warnings', '--enable-source-maps'],
    env: { ...process.env, NODE_ENV: 'test' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const said: Buffer[] = [];
  child.stderr?.on('data', (part: Buffer) => said.push(part));
  let ended: string | undefined;
  let saidAt = performance.now();
  const watch = setInterval(() => {
    if (performance.now() - saidAt < stillMs) return;
    ended ??= `the event loop does not turn for ${stillMs / 1000} s`;
    child.kill('SIGKILL');
  }, 500);
  child.on('message', () => {
    saidAt = performance.now();
  });
  child.on('exit', (code, signal) => {
    clearInterval(watch);
    ended ??= `the process ended with ${signal ?? code}: ${Buffer.concat(said).toString().slice(-3000)}`;
  });
  const { port } = await next(child, 'ready', () => ended);
  const place = {
    port,
    get ended() {
      return ended;
    },
    onNews: (_: ServerNews): void => {},
    memory: async () => {
      const answer = next(child, 'memory', () => ended);
      child.send('memory');
      return (await answer).bytes;
    },
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const over = new Promise(resolve => child.once('exit', resolve));
      child.kill();
      await over;
    },
  };
  child.on('message', (news: ServerNews) => place.onNews(news));
  return place;
}

function next<K extends ServerNews['kind']>(
  child: ChildProcess,
  kind: K,
  end: () => string | undefined,
): Promise<ServerNews & { kind: K }> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error(end()));
    const onMessage = (news: ServerNews) => {
      if (news.kind !== kind) return;
      child.off('message', onMessage);
      child.off('exit', onExit);
      resolve(news as ServerNews & { kind: K });
    };
    child.on('message', onMessage);
    child.once('exit', onExit);
  });
}
