import type { SpawnOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { compile } from './compile.ts';

const example = new URL('../../example-app/server.ts', import.meta.url);

/** An app as a process of its own, with the built package. */
export interface AppProcess {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  readonly port: number;
  /** All it has written so far. */
  output(): string;
  /** Sends a signal and waits for the end; exit code and signal. */
  stop(signal: NodeJS.Signals): Promise<unknown[]>;
  /** Kills it if it still runs. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts the example and waits for its line.
 *
 * @param environment `DATABASE_URL`, and `PORT` (default: a free one).
 * @throws {Error} It ended before it listened; the message has its output.
 */
export function startExample(environment: Readonly<Record<string, string>>): Promise<AppProcess> {
  return startApp(example, environment);
}

/** Starts a script that prints the URL of its MCP endpoint once it listens. @throws as `startExample` */
export async function startApp(script: URL, environment: Readonly<Record<string, string>> = {}): Promise<AppProcess> {
  return startNode([await compile(script)], { env: { ...process.env, PORT: '0', ...environment } });
}

/** Starts Node with these arguments: an app that prints the URL of its MCP endpoint once it listens. @throws as `startExample` */
export async function startNode(args: readonly string[], options: Pick<SpawnOptions, 'cwd' | 'env'>): Promise<AppProcess> {
  const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const origin = await new Promise<string>((resolve, reject) => {
    const take = (chunk: Buffer) => {
      text += chunk.toString();
      const [, found] = /(http:\/\/\S+)\/mcp\s/.exec(text) ?? [];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('close', code => reject(new Error(`the app ended with ${String(code)}: ${text}`)));
  });
  const stop = (signal: NodeJS.Signals) => {
    const exit = once(child, 'exit');
    child.kill(signal);
    return exit;
  };
  const runs = () => child.exitCode === null && child.signalCode === null;
  return {
    origin,
    port: Number(new URL(origin).port),
    output: () => text,
    stop,
    [Symbol.asyncDispose]: async () => {
      if (runs()) await stop('SIGKILL');
    },
  };
}
