/** Rows that one statement names by a key of one column. Prisma refuses a statement with more than 999 values on SQLite (P2029). */
const maxNamed = 500;
/** Rows that one statement names by a key of several columns. SQLite refuses an expression with more than 1,000 levels, and each OR is one. */
const maxNamedByColumns = 100;
/** Milliseconds that a transaction may take that writes more rows than one statement names. Prisma's own default is 5,000. */
const manyRowsMs = 60_000;

/** The options of a transaction that may write any number of rows. */
export const manyRows: { readonly timeout: number } = { timeout: manyRowsMs };

/** Whether one statement can name so many rows by any key. */
export function isFew(rows: number): boolean {
  return rows <= maxNamedByColumns;
}

/** Parts of a list of rows, each small enough for one statement that names its rows by these columns. */
export function chunksOf<T>(rows: readonly T[], columns: readonly string[]): T[][] {
  const size = columns.length === 1 ? maxNamed : maxNamedByColumns;
  const chunks: T[][] = [];
  for (let start = 0; start < rows.length; start += size) chunks.push(rows.slice(start, start + size));
  return chunks;
}

/** The values of a key as text. Dates, decimals and bytes are compared by value. */
export function keyText(values: readonly unknown[]): string {
  return values
    .map(value => (value instanceof Uint8Array ? Buffer.from(value).toString('base64') : String((value as Date)?.valueOf())))
    .join('\u0000');
}
