import { keyText } from '../datamodel/scalars.ts';
import type { Row } from '../declaration/delegates.ts';
import { refuse } from '../messages.ts';

/** Rows that are looked through for those that are distinct. */
export const maxRowsLookedThrough = 10_000;

/**
 * The first row of those that are equal in some columns, of rows in their order. Prisma's own `distinct` reads all rows of a query into memory.
 *
 * @param rows At most `maxRowsLookedThrough + 1`.
 * @param most Rows to give at most.
 */
export function distinctRows(rows: readonly Row[], columns: readonly string[], most: number): Row[] {
  const found = new Map<string, Row>();
  for (const row of rows.slice(0, maxRowsLookedThrough)) {
    const id = idOf(row, columns);
    if (!found.has(id)) found.set(id, row);
    if (found.size === most) return [...found.values()];
  }
  if (rows.length > maxRowsLookedThrough) {
    refuse('distinct', `there are more than ${maxRowsLookedThrough} rows to look through; narrow where`);
  }
  return [...found.values()];
}

/** Rows in the order in which others with the same keys are. */
export function inOrderOf(others: readonly Row[], rows: readonly Row[], key: readonly string[]): Row[] {
  const byKey = new Map(rows.map(row => [idOf(row, key), row]));
  return others.map(other => byKey.get(idOf(other, key))).filter(row => row !== undefined);
}

function idOf(row: Row, columns: readonly string[]): string {
  return keyText(columns.map(name => row[name]));
}
