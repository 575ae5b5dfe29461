import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The repository, with a trailing slash. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** README.md. */
export const readme = readFileSync(`${root}README.md`, 'utf8');

/** A fenced block of code. */
export interface Fence {
  readonly language: string;
  /** Line of its first line of code, for messages. */
  readonly line: number;
  readonly text: string;
}

/** All fences, in their order. */
export const fences: readonly Fence[] = [...readme.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(
  ({ 1: language = '', 2: text = '', index }) => ({
    language,
    line: readme.slice(0, index).split('\n').length + 1,
    text,
  }),
);

/** The commands of the shell fences: comments gone, continued lines joined, chains taken apart. */
export const commands: readonly string[] = fences
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => text.replaceAll(/\\\n\s*/g, '').split('\n'))
  .filter(line => line !== '' && !line.startsWith('#'))
  .flatMap(line => line.split(' && '));

/**
 * The rows of the table with these column titles, as cells.
 *
 * @throws {Error} There is none, or there are two.
 */
export function table(...titles: readonly string[]): string[][] {
  const header = `| ${titles.join(' | ')} |\n|${'---|'.repeat(titles.length)}\n`;
  const [, text, ...more] = readme.split(header);
  if (text === undefined || more.length > 0) throw new Error(`README has ${text === undefined ? 'no' : 'more than one'} table ${header}`);
  const [rows = ''] = text.split('\n\n');
  return rows
    .trimEnd()
    .split('\n')
    .map(row => row.split(/(?<!\\)\|/).map(cell => cell.trim()))
    .map(cells => cells.slice(1, -1));
}

/** What stands in backticks. */
export function codes(cell: string | undefined): string[] {
  return [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}
