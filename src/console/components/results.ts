import { isObject } from '../../client/wire.ts';
import type { JsonObject } from '../../protocol/definitions.ts';

/** Rows found in a result, and what stands beside them. */
export interface FoundRows {
  readonly rows: readonly JsonObject[];
  /** The other members of the result, such as `nextCursor`. */
  readonly others: JsonObject;
}

/**
 * The rows of a result: a list of objects, or the one member of an object that is such a list.
 *
 * `{ rows: [{ id: 1 }], truncated: true }` → `{ rows: [{ id: 1 }], others: { truncated: true } }`
 */
export function rowsIn(value: unknown): FoundRows | undefined {
  if (isRows(value)) return { rows: value, others: {} };
  if (!isObject(value)) return undefined;
  const lists = Object.entries(value).filter(
    ([name, member]) => Array.isArray(member) && (isRows(member) || (name === 'rows' && member.length === 0)),
  );
  const [only] = lists;
  if (lists.length !== 1 || only === undefined) return undefined;
  const others = Object.entries(value).filter(([name]) => name !== only[0]);
  // An object with much beside its list is an object that has a list.
  return others.length > 4 ? undefined : { rows: only[1] as JsonObject[], others: Object.fromEntries(others) };
}

function isRows(value: unknown): value is JsonObject[] {
  return Array.isArray(value) && value.length > 0 && value.every(isObject);
}

/** The names of all columns of some rows, in the order in which they appear. */
export function columnsIn(rows: readonly JsonObject[]): string[] {
  return [...new Set(rows.flatMap(row => Object.keys(row)))];
}

/** The order of two cells: empty ones last, numbers by size, everything else as text. */
export function compareCells(a: unknown, b: unknown): number {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
  if (b === null || b === undefined) return -1;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return textOf(a).localeCompare(textOf(b), undefined, { numeric: true });
}

/** A value as one line of text. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** The data of a result: its structured content, or else its only text if that is JSON. */
export function dataOf(result: JsonObject): unknown {
  const { structuredContent, content } = result;
  if (structuredContent !== undefined) return structuredContent;
  const blocks = Array.isArray(content) ? content : [];
  const [only] = blocks.filter(isObject);
  if (blocks.length !== 1 || only?.['type'] !== 'text') return undefined;
  return jsonIn(only['text']);
}

/** An object or a list that a text holds as JSON. */
export function jsonIn(text: unknown): unknown {
  if (typeof text !== 'string' || !/^\s*[[{]/u.test(text)) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
