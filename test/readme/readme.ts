import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The repository, with a trailing slash. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** A Markdown file that users read. */
export interface Page {
  /** Its path in the repository. */
  readonly file: string;
  readonly text: string;
}

/** README.md and the pages of docs. */
export const pages: readonly Page[] = [
  'README.md',
  ...readdirSync(`${root}docs`)
    .filter(file => file.endsWith('.md'))
    .map(file => `docs/${file}`),
].map(file => ({ file, text: readFileSync(root + file, 'utf8') }));

/** README.md. */
export const readme = pages[0]?.text ?? '';

/** A fenced block of code. */
export interface Fence {
  /** The path of its page. */
  readonly file: string;
  readonly language: string;
  /** Line of its first line of code, for messages. */
  readonly line: number;
  readonly text: string;
}

/** All fences of all pages, in their order. */
export const fences: readonly Fence[] = pages.flatMap(({ file, text: page }) =>
  [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(({ 1: language = '', 2: text = '', index }) => ({
    file,
    language,
    line: page.slice(0, index).split('\n').length + 1,
    text,
  })),
);

/** The commands of the shell fences: comments gone, continued lines joined, chains taken apart. */
export const commands: readonly string[] = fences
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => text.replaceAll(/\\\n\s*/g, '').split('\n'))
  .filter(line => line !== '' && !line.startsWith('#'))
  .flatMap(line => line.split(' && '));

/**
 * The rows of the table with these column titles, as cells, on whichever page it is.
 *
 * @throws {Error} There is none, or there are two.
 */
export function table(...titles: readonly string[]): string[][] {
  const header = `| ${titles.join(' | ')} |\n|${'---|'.repeat(titles.length)}\n`;
  const [text, ...more] = pages.flatMap(page => page.text.split(header).slice(1));
  if (text === undefined || more.length > 0) {
    throw new Error(`README and docs have ${text === undefined ? 'no' : 'more than one'} table ${header}`);
  }
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
