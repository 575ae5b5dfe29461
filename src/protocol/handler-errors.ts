import { McpError } from '../errors.ts';

/** What a model may read of a Prisma error that a host's own handler let through: never its text, which names columns and queries. */
const prismaMessages: ReadonlyMap<unknown, string> = new Map([
  ['P2002', 'Already exists: another row has the same unique value'],
  ['P2003', 'Refused: a related row does not exist, or other rows still refer to this one'],
  ['P2014', 'Refused: other rows still refer to this one'],
  ['P2025', 'Not found: no such row'],
  ['P2034', 'The database was busy with a conflicting change; try again'],
]);

/** Prisma gave up waiting: for a connection, for a transaction to start or end, for a lock. */
const busyCodes: ReadonlySet<unknown> = new Set(['P1008', 'P2024', 'P2028']);

/**
 * What a model may read of an error that a handler threw.
 *
 * An error with `expose: true`, or a 4xx `status` without `expose: false`, says its own message (Koa's convention); a Prisma error that a caller
 * can act on is told by its code; any other goes to `report` and leaves a reference.
 */
export function describeError(error: unknown, report: (error: unknown) => string): string {
  const { expose, status, message, code } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  const shown = typeof expose === 'boolean' ? expose : typeof status === 'number' && status >= 400 && status < 500;
  if (shown && typeof message === 'string' && message !== '') return message;
  if (busyCodes.has(code)) return `The database is too busy to answer; try again later (ref ${report(error)})`;
  return prismaMessages.get(code) ?? `Internal error (ref ${report(error)})`;
}

/** The same as a JSON-RPC error: -32602 for what the caller can mend, a 4xx `status`, else -32603. */
export function toMcpError(error: unknown, report: (error: unknown) => string): McpError {
  const { status } = (typeof error === 'object' && error !== null ? error : {}) as { status?: unknown };
  const type = typeof status === 'number' && status < 500 ? 'InvalidParams' : 'InternalError';
  return new McpError(type, describeError(error, report), { cause: error });
}
