import { parseArgs } from 'node:util';
import { didYouMean } from '../models/near-names.ts';

/** An option of a command. */
export interface CommandOption {
  /** What its value is, in capitals, e.g. `PATH`. Absent: it takes no value. */
  readonly value?: string;
  /** What it does, as one line of the help. */
  readonly help: string;
}

/** A command of `koa-mcp`, as data: its help follows from it. */
export interface Command {
  readonly name: string;
  /** The arguments after the command's name, as the help shows them, e.g. `MODULE`. */
  readonly operands: string;
  /** How many operands it takes: at least, at most. */
  readonly counts: readonly [min: number, max: number];
  /** What it does, as one line. */
  readonly summary: string;
  readonly options: Readonly<Record<string, CommandOption>>;
  /** The exit codes and whatever else its help says. */
  readonly notes: string;
  /** The exit code if `run` rejects. */
  readonly failure: number;
  readonly run: (given: Given) => Promise<Outcome>;
}

/** What a command has done. */
export interface Outcome {
  /** For stdout. */
  readonly text: string;
  readonly code: number;
}

/** What the user has given to a command. */
export interface Given {
  /** The folder that relative paths start from. */
  readonly cwd: string;
  readonly operands: readonly string[];
  /** The values of an option in their order; empty if it is not given. */
  readonly values: (option: string) => readonly string[];
  /** The value of an option; of several, the last. */
  readonly value: (option: string) => string | undefined;
  readonly has: (option: string) => boolean;
}

/** A command line that cannot be understood. The message says why. */
export class UsageError extends Error {
  override name = 'UsageError';
}

const help: CommandOption = { help: 'prints this text' };

/**
 * Reads the arguments of a command.
 *
 * @returns `help` if the user asks for it.
 * @throws {UsageError} An unknown option, with the nearest name; an option without its value; too few or too many operands.
 */
export function parseCommand(command: Command, args: readonly string[], cwd: string): Given | 'help' {
  const options: Readonly<Record<string, CommandOption>> = { ...command.options, help };
  const types = Object.entries(options).map(([name, { value }]) => {
    const short = name === 'help' ? { short: 'h' } : {};
    return [name, { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: true, ...short }] as const;
  });
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(types),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const operands: string[] = [];
  const values = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) throw new UsageError(`unknown option ${token.rawName}${nearOption(token.name, options)}`);
    if (option.value === undefined && token.value !== undefined) throw new UsageError(`--${token.name} takes no value`);
    if (option.value !== undefined && token.value === undefined) throw new UsageError(`--${token.name} needs a value: ${option.value}`);
    values.set(token.name, [...(values.get(token.name) ?? []), token.value ?? '']);
  }
  if (values.has('help')) return 'help';
  const [min, max] = command.counts;
  if (operands.length < min) throw new UsageError(`${command.name} needs ${command.operands}`);
  if (operands.length > max) throw new UsageError(`${command.name} does not take ${operands[max]}`);
  return {
    cwd,
    operands,
    values: option => values.get(option) ?? [],
    value: option => values.get(option)?.at(-1),
    has: option => values.has(option),
  };
}

function nearOption(name: string, options: Readonly<Record<string, CommandOption>>): string {
  return didYouMean(name, Object.keys(options)).replace('mean ', 'mean --');
}

/** The help of one command. */
export function helpOf({ name, operands, summary, options, notes }: Command): string {
  const all = Object.entries({ ...options, help }).map(([option, { value, help: text }]) => [toFlag(option, value), text] as const);
  return `${usageOf({ name, operands })}\n\n${summary}\n\n${toColumns(all)}\n${notes === '' ? '' : `\n${notes.trim()}\n`}`;
}

/** One line: how a command is used. */
export function usageOf({ name, operands }: Pick<Command, 'name' | 'operands'>): string {
  return `Usage: ${['koa-mcp', name, operands, '[options]'].filter(part => part !== '').join(' ')}`;
}

/** The help of all commands. */
export function overview(commands: readonly Command[]): string {
  return `Usage: koa-mcp COMMAND [options]

${toColumns(commands.map(({ name, summary }) => [name, summary] as const))}

\`koa-mcp COMMAND --help\` lists the options of a command.
As \`provider = "koa-mcp"\` of a generator, Prisma runs koa-mcp itself.
`;
}

function toFlag(option: string, value: string | undefined): string {
  return value === undefined ? `--${option}` : `--${option} ${value}`;
}

function toColumns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`).join('\n');
}
