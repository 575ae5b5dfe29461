import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { emptyDatabase } from '../support/database.ts';
import { startExample } from '../support/example.ts';
import { freePort } from '../support/free-port.ts';

const script = (name: string) => fileURLToPath(new URL(`../../example-app/${name}`, import.meta.url));

/** A command of the example, with what it has printed so far. */
interface Command extends AsyncDisposable {
  /** Waits until the output fits. @throws {Error} It ended before. */
  reads(pattern: RegExp): Promise<RegExpExecArray>;
  write(text: string): void;
  /** Waits for the end. */
  exit(): Promise<{ code: number | null; output: string }>;
  signal(signal: NodeJS.Signals): void;
}

function start(file: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Command {
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), script(file), ...args], {
    env: { ...process.env, ...environment },
  });
  let output = '';
  const take = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const closed = once(child, 'close');
  return {
    async reads(pattern) {
      for (;;) {
        const found = pattern.exec(output);
        if (found !== null) return found;
        const more = await Promise.race([once(child.stdout, 'data'), closed.then(() => undefined)]);
        if (more === undefined) throw new Error(`${file} ended before it printed ${pattern}: ${output}`);
      }
    },
    write: text => void child.stdin.write(text),
    exit: async () => {
      await closed;
      return { code: child.exitCode, output };
    },
    signal: signal => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}

async function runAgent(url: string): Promise<string> {
  const { code, output } = await start('agent.ts', [url]).exit();
  expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('it is gone.') });
  return output;
}

const servedBy = async (origin: string) => (await fetch(`${origin}/clients`)).headers.get('x-served-by');

describe.each(['postgresql', 'sqlite'] as const)('the cluster of the example over %s', provider => {
  it('serves one session from all of its processes, replaces one that is killed, and ends', async () => {
    await using place = await emptyDatabase(provider);
    // PostgreSQL has no database of this name yet. It is removed with those of the test run.
    const url = provider === 'postgresql' ? `${place.url}_cluster` : place.url;
    await using cluster = start('cluster.ts', [], { PORT: '0', DATABASE_URL: url });
    const [, origin = '', list = ''] = await cluster.reads(/(http:\S+)\/mcp – processes ([\d, ]+);/);
    const names = list.split(', ').toSorted();
    expect(names).toHaveLength(3);
    const answered = [await servedBy(origin), await servedBy(origin), await servedBy(origin)];
    expect(answered.toSorted()).toEqual(names);

    const [, processes = ''] = /These processes have answered: ([\d, ]+)\./.exec(await runAgent(`${origin}/mcp`)) ?? [];
    expect(processes.split(', ').toSorted()).toEqual(names);

    cluster.write('\n');
    const [, killed = ''] = await cluster.reads(/killed (\d+)/);
    const [, taken = '', replaced = ''] = await cluster.reads(/(\d+) has taken the place of (\d+)/);
    expect([names.includes(killed), replaced]).toEqual([true, killed]);
    const now = [await servedBy(origin), await servedBy(origin), await servedBy(origin)];
    expect(now.toSorted()).toEqual([...names.filter(name => name !== killed), taken].toSorted());

    cluster.signal('SIGINT');
    expect((await cluster.exit()).code).toBe(0);
    for (const name of now) expect(() => process.kill(Number(name), 0)).toThrow('ESRCH');
  }, 120_000);
});

it('the cluster says what to do where no PostgreSQL answers', async () => {
  const { code, output } = await start('cluster.ts', [], { DATABASE_URL: 'postgresql://postgres@127.0.0.1:1/none' }).exit();
  expect(code).toBe(1);
  expect(output).toMatch(/^cluster: no PostgreSQL answers at 127\.0\.0\.1:1 \(ECONNREFUSED\)\. Start one, or set DATABASE_URL/);
});

describe('the agent of the example', () => {
  it('books, is told of a change, and cancels, which it is asked about', async () => {
    await using place = await emptyDatabase('sqlite');
    await using example = await startExample({ DATABASE_URL: place.url });
    const output = await runAgent(`${example.origin}/mcp`);
    expect(output).toMatch(/^1\. Connected to reservations 1\.0\.0 as staff: revision 2025-11-25/);
    expect(output).toMatch(/get_client finds Ada Lovelace, client 1\./);
    expect(output).toMatch(/is told that reservations:\/\/booking\/1001 has changed\.\n\d+\. Now it is .*"people":4/);
    expect(output).toMatch(/The server asks: Delete the Booking .*"id":1001/);
  }, 60_000);

  it('says what to do where no example runs', async () => {
    const origin = `http://127.0.0.1:${await freePort()}`;
    const { code, output } = await start('agent.ts', [`${origin}/mcp`]).exit();
    expect([code, output]).toEqual([1, expect.stringContaining(`Nothing listens at ${origin}: run npm run example`)]);
  });
});
