import { tmpdir } from 'node:os';
import { vi } from 'vitest';
import type { Command } from '../../src/cli/command-line.ts';
import { parseCommand } from '../../src/cli/command-line.ts';

/** How a command has ended, in this process. */
export interface Ran {
  readonly text: string;
  readonly code: number;
  /** What it has printed to stderr. */
  readonly stderr: string;
}

/** Runs a command as `koa-mcp` does. @throws what the command throws. */
export async function runCommand(command: Command, args: readonly string[], cwd: string = tmpdir()): Promise<Ran> {
  const given = parseCommand(command, args, cwd);
  if (given === 'help') throw new Error('asked for help');
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    const { text, code } = await command.run(given);
    return { text, code, stderr: stderr.mock.calls.map(([line]) => String(line)).join('') };
  } finally {
    stderr.mockRestore();
  }
}
