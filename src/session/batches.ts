/** Values in one query: below the bind variable limit of every database (SQLite before 3.32: 999). */
export const BATCH = 500;

/** Cuts a list into lists of `size`. */
export function* batches<T>(values: readonly T[], size: number = BATCH): Generator<readonly T[]> {
  for (let start = 0; start < values.length; start += size) yield values.slice(start, start + size);
}
