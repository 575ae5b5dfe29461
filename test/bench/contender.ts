import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ContenderName, Setup } from './setup.ts';

/** A contender that listens. */
export interface Contender extends AsyncDisposable {
  readonly url: string;
  /** What it has used so far; for `memory` garbage is collected first. */
  used(what: 'memory' | 'time'): Promise<Used>;
}

export interface Used {
  /** Of all its threads. */
  readonly cpuMicros: number;
  /** Of JavaScript and of what it holds outside its heap. */
  readonly heapBytes: number;
}

/** Starts a contender as a process of its own, as in production. @throws {Error} It ended before it listened. */
export async function startContender(name: ContenderName, setup: Setup): Promise<Contender> {
  const child = fork(fileURLToPath(new URL('child.ts', import.meta.url)), [moduleOf(name), JSON.stringify(setup)], {
    execArgv: ['--import', import.meta.resolve('tsx'), '--expose-gc'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const exited = once(child, 'exit');
  const ask = <T>() => Promise.race([once(child, 'message').then(([message]) => message as T), failed(name, exited)]);
  try {
    const { port } = await ask<{ port: number }>();
    return {
      url: `http://127.0.0.1:${port}/mcp`,
      used: what => {
        const answer = ask<Used>();
        child.send(what);
        return answer;
      },
      [Symbol.asyncDispose]: () => stop(child, exited),
    };
  } catch (error) {
    await stop(child, exited);
    throw error;
  }
}

function moduleOf(name: ContenderName): string {
  const own = new URL(`contenders/${name}.ts`, import.meta.url);
  return existsSync(own) ? own.href : new URL(`peers/${name}.mjs`, import.meta.url).href;
}

async function failed(name: string, exited: Promise<unknown[]>): Promise<never> {
  const [code, signal] = await exited;
  throw new Error(`${name} ended with ${String(code ?? signal)}`);
}

async function stop(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await exited;
}
