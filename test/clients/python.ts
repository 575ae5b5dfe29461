import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { CallOptions, ClientKind, ConnectOptions, TestClient } from './client.ts';
import { allAbilities, headersOf, only, toToolResult } from './client.ts';

const driver = fileURLToPath(new URL('python/driver.py', import.meta.url));
/** Where python/install.sh puts it. */
const unpacked = fileURLToPath(new URL('../../node_modules/.cache/python-mcp/python', import.meta.url));
const python = [unpacked, 'python3'].find(hasSdk);

const problem =
  python === undefined ? { problem: 'no Python with the package `mcp` 1.x is here; test/clients/python/install.sh unpacks Debian’s' } : {};

/** The Python SDK the way Google ADK uses it, over both of its transports. */
export const pythonSdk: readonly ClientKind[] = [
  {
    name: 'Python SDK as in ADK, over Streamable HTTP',
    transport: 'streamable',
    revision: '2025-11-25',
    can: new Set(allAbilities),
    ...problem,
    connect: (origin, options = {}) => connect('http', `${origin}/mcp`, options),
  },
  {
    name: 'Python SDK as in ADK, over SSE',
    transport: 'sse',
    revision: '2025-11-25',
    can: new Set(allAbilities),
    ...problem,
    connect: (origin, options = {}) => connect('sse', `${origin}/mcp/sse`, options),
  },
];

interface Answer {
  readonly id: number;
  readonly progress?: [number, number | undefined];
  readonly error?: string;
  readonly result?: unknown;
}

/** The driver as a process, and commands to it. */
class Driver {
  readonly child: ChildProcess;
  readonly #waiting = new Map<number, { take: (answer: Answer) => void; fail: (error: Error) => void }>();
  #nextId = 0;
  #errors = '';

  constructor(args: string[]) {
    this.child = spawn(python ?? 'python3', [driver, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr?.on('data', chunk => {
      this.#errors += String(chunk);
    });
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', line => {
      const answer = JSON.parse(line) as Answer;
      this.#waiting.get(answer.id)?.take(answer);
    });
    this.child.once('close', code => {
      for (const { fail } of this.#waiting.values()) fail(new Error(`the driver ended with ${String(code)}: ${this.#errors}`));
    });
  }

  /** Runs one of the driver's operations. */
  // biome-ignore lint/suspicious/noExplicitAny: results are looked into freely
  run(op: string, args: unknown[] = [], { onProgress, signal }: CallOptions = {}): Promise<any> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const take = ({ progress, error, result }: Answer) => {
        if (progress !== undefined) return onProgress?.(...progress);
        this.#waiting.delete(id);
        if (error === undefined) resolve(result);
        else reject(new Error(error));
      };
      this.#waiting.set(id, { take, fail: reject });
      signal?.addEventListener('abort', () => this.#write({ cancel: id }));
      this.#write({ id, op, args });
    });
  }

  #write(message: object): void {
    this.child.stdin?.write(`${JSON.stringify(message)}\n`);
  }
}

async function connect(kind: string, url: string, options: ConnectOptions): Promise<TestClient> {
  const running = new Driver([kind, url, JSON.stringify(headersOf(options))]);
  let sessionId = (await running.run('connect')) as string;
  const list = async (op: string, member: string, key: string) =>
    ((await running.run(op))[member] as Record<string, string>[]).map(item => item[key] ?? '');
  return {
    sessionId: () => sessionId,
    listTools: () => list('list_tools', 'tools', 'name'),
    callTool: async (name, args = {}, callOptions = {}) => {
      const result = toToolResult(await running.run('call_tool', [name, args], callOptions));
      // Another one if this call had to open it anew.
      sessionId = await running.run('connect');
      return result;
    },
    listResources: () => list('list_resources', 'resources', 'uri'),
    listTemplates: () => list('list_resource_templates', 'resourceTemplates', 'uriTemplate'),
    readResource: async uri => only<{ text: string }>((await running.run('read_resource', [uri])).contents).text,
    listPrompts: () => list('list_prompts', 'prompts', 'name'),
    getPrompt: async (name, args) =>
      ((await running.run('get_prompt', [name, args])).messages as [{ content: { text: string } }])[0].content.text,
    [Symbol.asyncDispose]: async () => {
      const exit = once(running.child, 'exit');
      running.child.stdin?.end();
      await exit;
    },
  };
}

function hasSdk(command: string): boolean {
  const check = 'import importlib.metadata as m, mcp.client.sse, mcp.client.streamable_http; assert m.version("mcp").startswith("1.")';
  return spawnSync(command, ['-c', check]).status === 0;
}
