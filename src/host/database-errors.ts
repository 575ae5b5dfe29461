import type { ExplainedError } from '../protocol/call.ts';
import { isObject } from '../protocol/jsonrpc.ts';

/** The texts for errors of Prisma that a caller can act on, by code. Prisma's own texts name columns and queries. */
const explained: ReadonlyMap<unknown, ExplainedError> = new Map([
  ['P2002', { message: 'Already exists: another row has the same unique value' }],
  ['P2003', { message: 'Refused: a related row does not exist, or other rows still refer to this one' }],
  ['P2014', { message: 'Refused: other rows still refer to this one' }],
  ['P2025', { message: 'Not found: no such row', isNotFound: true }],
  ['P2034', { message: 'The database was busy with a conflicting change; try again' }],
]);

/** Prisma gave up waiting for a connection, for a transaction to start or end, or for a lock. */
const busy: ExplainedError = { message: 'The database is too busy to answer; try again later', isReported: true };
const busyCodes: ReadonlySet<unknown> = new Set(['P1008', 'P2024', 'P2028']);

/** Explains an error of Prisma that a handler let through. It is recognised by its code, because several clients may be loaded. */
export function explainDatabaseError(error: unknown): ExplainedError | undefined {
  if (!isObject(error)) return undefined;
  return busyCodes.has(error['code']) ? busy : explained.get(error['code']);
}
