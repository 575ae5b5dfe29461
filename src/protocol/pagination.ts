import { McpError } from '../errors.ts';
import type { JsonObject } from './definitions.ts';

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | undefined;
}

/**
 * One page of a list. A cursor holds the position of a page and the list's name, nothing about the caller, so it is good on every process.
 *
 * @throws {McpError} -32602 for a cursor that this list did not give.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/pagination
 */
export function paginate<T>(list: string, items: readonly T[], params: JsonObject | undefined, pageSize: number): Page<T> {
  const start = parseCursor(list, params?.['cursor'], { length: items.length, pageSize });
  const end = start + pageSize;
  return {
    items: start === 0 && end >= items.length ? items : items.slice(start, end),
    nextCursor: end < items.length ? encodeCursor(list, end) : undefined,
  };
}

function encodeCursor(list: string, start: number): string {
  return Buffer.from(`${list}:${start}`).toString('base64url');
}

function parseCursor(list: string, cursor: unknown, { length, pageSize }: { length: number; pageSize: number }): number {
  if (cursor === undefined) return 0;
  const start =
    typeof cursor === 'string'
      ? Number(
          Buffer.from(cursor, 'base64url')
            .toString()
            .slice(list.length + 1),
        )
      : Number.NaN;
  if (!Number.isInteger(start) || start <= 0 || start >= length || start % pageSize !== 0 || encodeCursor(list, start) !== cursor) {
    throw new McpError('InvalidParams', 'Invalid params: `cursor` is not one that this list gave; list again without it');
  }
  return start;
}
