import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../support/free-port.ts';
import { installNested } from '../support/nested-package.ts';

/** Where the nested package is; it has a lock file of its own. */
const folder = new URL('inspector/', import.meta.url);
const path = (name: string) => fileURLToPath(new URL(`node_modules/${name}`, folder));
/** The Node that runs the Inspector, which needs 22. */
const node = path('node/bin/node');
const entry = path('@modelcontextprotocol/inspector/clients/launcher/build/index.js');

/** How the Inspector reaches a server. */
export interface Target {
  readonly url: string;
  readonly transport: 'http' | 'sse';
  /** `modern` is 2026-07-28. @default 'legacy' */
  readonly era?: 'legacy' | 'modern';
  readonly token: string;
}

/** The MCP Inspector: its command line, and its page. */
export interface Inspector extends AsyncDisposable {
  /** Runs one method by the command line. @returns The result. @throws {Error} It exited with another code than 0. */
  run(target: Target, ...args: string[]): Promise<unknown>;
  /** Starts the server of the page for one target. The page is at `url`. */
  serve(target: Target): Promise<AsyncDisposable & { readonly url: string }>;
}

/** Installs the Inspector where that has not been done. */
export async function loadInspector(): Promise<Inspector> {
  // Vite, one of its dependencies, names napi-windows-process-start-time.
  await installNested(folder, { runsScripts: true, command: 'install' });
  const storage = await mkdtemp(join(tmpdir(), 'koa-mcp-inspector-'));
  const env = {
    ...process.env,
    MCP_STORAGE_DIR: storage,
    MCP_INSPECTOR_SECRET_STORE: 'memory',
    MCP_AUTO_OPEN_ENABLED: 'false',
    MCP_SANDBOX_PORT: '0',
  };
  const targetOf = ({ transport, era = 'legacy', token }: Target) => [
    ...['--transport', transport, '--protocol-era', era],
    ...['--header', `Authorization: Bearer ${token}`],
  ];
  return {
    run: async (target, ...args) => {
      const all = [entry, '--cli', target.url, ...targetOf(target), '--format', 'json', ...args];
      const { stdout } = await promisify(execFile)(node, all, { env, maxBuffer: 2 ** 25 });
      return (JSON.parse(stdout) as { result: unknown }).result;
    },
    serve: async target => {
      const child = spawn(node, [entry, '--web', '--server-url', target.url, ...targetOf(target)], {
        env: { ...env, CLIENT_PORT: String(await freePort()) },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      const url = await new Promise<string>((resolve, reject) => {
        const take = (chunk: Buffer) => {
          output += chunk.toString();
          const [found] = /http:\/\/127\.0\.0\.1:\d+\?MCP_INSPECTOR_API_TOKEN=\w+/u.exec(output) ?? [];
          if (found !== undefined) resolve(found);
        };
        child.stdout.on('data', take);
        child.stderr.on('data', take);
        child.once('close', code => reject(new Error(`the Inspector ended with ${String(code)}: ${output}`)));
      });
      return {
        url,
        [Symbol.asyncDispose]: async () => {
          const exit = once(child, 'exit');
          child.kill('SIGTERM');
          await exit;
        },
      };
    },
    [Symbol.asyncDispose]: () => rm(storage, { recursive: true, force: true }),
  };
}
