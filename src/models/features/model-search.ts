import type { Exposure } from '../datamodel/graph.ts';
import { nearest } from '../near-names.ts';

/** Finds exposures by words of their names, descriptions and visible columns. The best match comes first. */
export type ModelSearch = (query: string) => readonly Exposure[];

/** Points of one word of the query, by the place where it is found. */
const points = { name: 8, partOfName: 4, description: 2, column: 1 };

/** Words that say nothing about a model. A query of these alone is searched for all the same. */
const commonWords: ReadonlySet<string> = new Set(
  'a an the of in on at to for from by with and or is are was all any each what which who when where how many list show get find'.split(
    ' ',
  ),
);

/** The words of one exposure. */
interface Entry {
  readonly exposure: Exposure;
  readonly name: string;
  readonly nameWords: readonly string[];
  readonly descriptionWords: readonly string[];
  readonly columnWords: readonly string[];
}

/**
 * The search over these exposures. A query without words finds all of them, in their order. A word finds words that begin with it, in singular
 * or plural. If nothing is found, a misspelt name finds its model.
 */
export function modelSearch(exposures: readonly Exposure[]): ModelSearch {
  let entries: readonly Entry[] | undefined;
  return query => {
    const words = [...new Set(wordsOf(query))].slice(0, maxWords);
    const telling = words.filter(word => !commonWords.has(word));
    const wanted = telling.length === 0 ? words : telling;
    if (wanted.length === 0) return exposures;
    entries ??= exposures.map(toEntry);
    const found = entries
      .map(entry => ({ entry, scores: wanted.map(word => scoreOf(entry, word)) }))
      .map(({ entry, scores }) => ({
        entry,
        score: scores.reduce((sum, score) => sum + score, 0),
        words: scores.filter(score => score > 0).length,
      }))
      .filter(({ score }) => score > 0)
      .toSorted((a, b) => b.score - a.score || b.words - a.words || a.entry.name.length - b.entry.name.length);
    if (found.length > 0) return found.map(({ entry }) => entry.exposure);
    const near = nearest(
      query,
      exposures.map(({ node }) => node.key),
    );
    return exposures.filter(({ node }) => node.key === near);
  };
}

function toEntry(exposure: Exposure): Entry {
  const { node, description = '', columns, filterable } = exposure;
  const nameWords = wordsOf(node.name);
  const columnWords = new Set([...columns.keys(), ...filterable.keys()].flatMap(wordsOf));
  return { exposure, name: nameWords.join(''), nameWords, descriptionWords: wordsOf(description), columnWords: [...columnWords] };
}

function scoreOf({ name, nameWords, descriptionWords, columnWords }: Entry, word: string): number {
  // Many words begin with two letters, such as those of "of" and "do".
  const isShort = word.length < 3;
  const begins = (words: readonly string[]): boolean => words.some(known => (isShort ? known === word : known.startsWith(word)));
  if (name === word || nameWords.includes(word)) return points.name;
  if (begins(nameWords) || (!isShort && name.includes(word))) return points.partOfName;
  if (begins(descriptionWords)) return points.description;
  return begins(columnWords) ? points.column : 0;
}

/** `BookingStatuses of_clients` → `booking`, `status`, `of`, `client` */
function wordsOf(text: string): string[] {
  return text
    .slice(0, maxChars)
    .replaceAll(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .replaceAll(/(\p{Lu}+)(\p{Lu}\p{Ll})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter(word => word !== '')
    .map(singular);
}

const maxChars = 1000;
/** Words of a query that are looked for. */
const maxWords = 12;

function singular(word: string): string {
  if (word.length > 4 && word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  if (word.length > 4 && /(ss|x|ch|sh|us)es$/.test(word)) return word.slice(0, -2);
  return word.length > 3 && word.endsWith('s') && !/(ss|us|is)$/.test(word) ? word.slice(0, -1) : word;
}
