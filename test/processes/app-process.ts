import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { compile } from '../support/compile.ts';
import type { Numbered, Order, Report, Settings } from './protocol.ts';

/** A process of the test app. */
export interface AppProcess {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** Errors that reached the app and nobody took yet. */
  readonly problems: string[];
  /** Keys of its calls, each time one was begun or aborted. */
  readonly ran: string[];
  readonly aborted: Set<string>;
  /** Has it do something; rejects if that fails, or the process ends before it is done. The value is what the order asked for. */
  order(order: Order): Promise<unknown>;
  /** Whether it serves no more: it was told to close, was stopped, or ended by itself. */
  isDone(): boolean;
  /** Ends it and waits for its end. */
  stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Makes it stand still until `resume()`: its connections stay, and nothing is said on them. */
  pause(): void;
  resume(): void;
}

/**
 * Starts a process of the test app and waits until it listens.
 *
 * @param onExit Told of an end that nobody ordered.
 */
export async function startProcess(settings: Settings, onExit: (text: string) => void): Promise<AppProcess> {
  const child = fork(await compile(new URL('app.ts', import.meta.url)), [JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const problems: string[] = [];
  const ran: string[] = [];
  const aborted = new Set<string>();
  const orders = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let output = '';
  let isStopping = false;
  let isClosed = false;
  let next = 0;
  const note = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout?.on('data', note);
  child.stderr?.on('data', note);
  child.on('exit', (code, signal) => {
    for (const { reject } of orders.values()) reject(new Error(`process ${settings.name} has ended`));
    if (!isStopping) onExit(`process ${settings.name} ended by itself (${signal ?? code}): ${output}`);
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`process ${settings.name} did not start: ${output}`)));
    child.on('message', (report: Report) => {
      if ('port' in report) return resolve(report.port);
      if ('problem' in report) return problems.push(report.problem);
      if ('ran' in report) return ran.push(report.ran);
      if ('aborted' in report) return aborted.add(report.aborted);
      const order = orders.get(report.done);
      orders.delete(report.done);
      if (report.failure === undefined) order?.resolve(report.value);
      else order?.reject(new Error(report.failure));
    });
  });
  return {
    name: settings.name,
    pid: child.pid ?? 0,
    port,
    problems,
    ran,
    aborted,
    order(order) {
      if (!child.connected) return Promise.reject(new Error(`process ${settings.name} has ended`));
      const number = next++;
      if (order.do === 'close') isClosed = true;
      return new Promise((resolve, reject) => {
        orders.set(number, { resolve, reject });
        // It may be ending just now.
        child.send({ number, order } satisfies Numbered, error => error && reject(error));
      });
    },
    isDone: () => isClosed || child.exitCode !== null || child.signalCode !== null,
    async stop(signal) {
      isStopping = true;
      await end(child, signal);
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
