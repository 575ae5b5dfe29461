import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { root } from '../readme/readme.ts';

/** How a command has ended. */
export interface Outcome {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command, as `npx koa-mcp` does. */
export async function koaMcp(cwd: string, ...args: readonly string[]): Promise<Outcome> {
  const bin = path.join(root, 'dist/cli/bin.js');
  const child = spawn(process.execPath, [bin, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const [[code], stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)]);
  return { code: code as unknown, stdout, stderr };
}
