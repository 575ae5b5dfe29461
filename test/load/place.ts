import { fork } from 'node:child_process';
import { compile } from '../support/compile.ts';
import type { Provider } from '../support/database.ts';

/** Rows that callers read. Those that they create come behind them. */
export const rowCount = 500;
/** Characters of the answer of `big`: more than the buffers of a connection take. */
export const bigCharacters = 7 * 2 ** 20;
/** Limits of the endpoint that differ from the defaults. The others are as every app has them. */
export const maxStreamBufferBytes: number = 2 ** 20;
export const sendMs = 5000;
/** A caller of the load sends fewer; one that is to be refused gets there soon. */
export const callsPerMinute = 12_000;
/** A resource whose every update costs a stream much. */
export const longUri = `load://long/${'x'.repeat(8000)}`;

/** What the process of the endpoint is asked. */
export interface Answers {
  /** In use after garbage collection, and what the system had given to the process before it. */
  readonly memory: { readonly usedMiB: number; readonly rssMiB: number };
  /**
   * How late the event loop was since the last such question, as `monitorEventLoopDelay` measures it: its own 10 ms are included. `ownP99Ms` is
   * without the time that other processes had the cores. `cpu` is the share of one core that the process used.
   */
  readonly delay: LoopDelay;
  readonly connections: number;
  readonly announce: unknown;
  /** A hundred updates of `longUri`. */
  readonly update: unknown;
}
export type Ask = keyof Answers;

export interface LoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly ownP99Ms: number;
  readonly cpu: number;
}

/** What the process says. */
export type ServerNews =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'problem'; readonly text: string }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown };

/** The process of the endpoint, seen from outside. */
export interface Place {
  readonly origin: string;
  readonly url: string;
  /** Errors that reached the app, the first ten. */
  readonly problems: string[];
  ask<K extends Ask>(what: K): Promise<Answers[K]>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts the process. @throws {Error} It ended before it was ready. */
export async function startPlace(provider: Provider): Promise<Place> {
  const child = fork(await compile(new URL('server.ts', import.meta.url)), [provider], {
    execArgv: ['--no-warnings', '--enable-source-maps'],
    env: { ...process.env, NODE_ENV: 'production' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const said: Buffer[] = [];
  child.stderr?.on('data', (part: Buffer) => said.push(part));
  const problems: string[] = [];
  const waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: Error) => void }>();
  let nextId = 0;
  const ended = new Promise<void>(resolve => {
    child.once('exit', (code, signal) => {
      const error = new Error(`the server ended with ${signal ?? code}: ${Buffer.concat(said).toString().slice(-3000)}`);
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
      resolve();
    });
  });
  const port = await new Promise<number>((resolve, reject) => {
    waiting.set(-1, { resolve, reject });
    child.on('message', (news: ServerNews) => {
      if (news.kind === 'ready') resolve(news.port);
      else if (news.kind === 'problem') {
        if (problems.length < 10) problems.push(news.text);
      } else {
        waiting.get(news.id)?.resolve(news.answer as never);
        waiting.delete(news.id);
      }
    });
  });
  waiting.delete(-1);
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    url: `${origin}/mcp`,
    problems,
    ask: what =>
      new Promise((resolve, reject) => {
        const id = nextId++;
        waiting.set(id, { resolve, reject });
        child.send({ id, ask: what });
      }),
    [Symbol.asyncDispose]: async () => {
      child.kill();
      const patience = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(patience);
    },
  };
}
