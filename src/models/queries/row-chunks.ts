import type { Exposure, ModelNode } from '../datamodel/graph.ts';
import { rowKey, rowsWhere } from '../datamodel/graph.ts';
import type { Delegate, Row } from '../declaration/delegates.ts';
import { call } from '../declaration/delegates.ts';
import type { Operation } from '../declaration/operations.ts';
import { isBulk } from '../declaration/operations.ts';
import type { RowFilter } from '../policy/policy.ts';
import { both } from '../policy/policy.ts';
import { outsidePolicy } from './prisma-errors.ts';

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

/** The options of a transaction for a bulk write. */
export function bulkOptions({ maxWrites }: Exposure): readonly (typeof manyRows)[] {
  return isFew(maxWrites) ? [] : [manyRows];
}

/** The options of a transaction for an operation. */
export function transactionOptions(exposure: Exposure, operation: Operation): readonly (typeof manyRows)[] {
  return isBulk(operation) ? bulkOptions(exposure) : [];
}

/** Parts of a list of rows, each small enough for one statement that names its rows by these columns. */
export function chunksOf<T>(rows: readonly T[], columns: readonly string[]): T[][] {
  const size = columns.length === 1 ? maxNamed : maxNamedByColumns;
  const chunks: T[][] = [];
  for (let start = 0; start < rows.length; start += size) chunks.push(rows.slice(start, start + size));
  return chunks;
}

/** Runs a query for each part of a list of rows, one after the other. Gives all rows that the queries give. */
export async function queryChunks<T>(
  rows: readonly T[],
  columns: readonly string[],
  query: (chunk: readonly T[]) => Promise<readonly Row[]>,
): Promise<Row[]> {
  const found: Row[] = [];
  for (const chunk of chunksOf(rows, columns)) found.push(...(await query(chunk)));
  return found;
}

/** Throws unless the policy shows all of these rows, which a write has left behind. */
export async function assertInside(
  delegate: Delegate,
  node: ModelNode,
  operation: string,
  { rows, filter }: { readonly rows: readonly Row[]; readonly filter: RowFilter },
): Promise<void> {
  if (filter === undefined) return;
  const { fields } = rowKey(node);
  for (const chunk of chunksOf(rows, fields)) {
    const left = await call(delegate, 'count', { where: both(rowsWhere(fields, chunk), filter) });
    if (left !== chunk.length) throw outsidePolicy(node, operation);
  }
}
