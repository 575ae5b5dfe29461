import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { compile } from '../support/compile.ts';

/** The fixture, serving in a process of its own. */
export interface FixtureServer extends AsyncDisposable {
  readonly url: string;
}

/** Starts the fixture on a free port, on the Node that runs this. */
export async function startFixture(): Promise<FixtureServer> {
  const child = spawn(process.execPath, [await compile(new URL('fixture.ts', import.meta.url))], {
    cwd: new URL('../..', import.meta.url),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const url = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([line]) => String(line)),
    exited.then(([code]) => {
      throw new Error(`The fixture ended with ${String(code)} before it listened`);
    }),
  ]);
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await exited;
    },
  };
}
