import { internalErrorText, McpError } from '../errors.ts';
import type { Call } from './call.ts';
import { CallEnded } from './call.ts';
import type { JsonObject } from './definitions.ts';
import { isObject } from './jsonrpc.ts';

/** What the model reads of a Prisma error, by code. It never reads the error's own text, which names columns and queries. */
const prismaMessages: ReadonlyMap<unknown, string> = new Map([
  ['P2002', 'Already exists: another row has the same unique value'],
  ['P2003', 'Refused: a related row does not exist, or other rows still refer to this one'],
  ['P2014', 'Refused: other rows still refer to this one'],
  ['P2025', 'Not found: no such row'],
  ['P2034', 'The database was busy with a conflicting change; try again'],
]);

/** Prisma gave up waiting for a connection, for a transaction to start or end, or for a lock. */
const busyCodes: ReadonlySet<unknown> = new Set(['P1008', 'P2024', 'P2028']);

/**
 * The text for the model of an error that a handler threw.
 *
 * The error's own message if it has `expose: true`, or a 4xx `status` without `expose: false` (Koa's convention). A fixed text for Prisma's codes
 * that a caller can act on. For any other error, a reference that `report` gives.
 */
export function describeError(error: unknown, report: (error: unknown) => string): string {
  const { expose, status, message, code } = membersOf(error);
  const shown = typeof expose === 'boolean' ? expose : typeof status === 'number' && status >= 400 && status < 500;
  if (shown && typeof message === 'string' && message !== '') return message;
  if (busyCodes.has(code)) return `The database is too busy to answer; try again later (ref ${report(error)})`;
  return prismaMessages.get(code) ?? internalErrorText(report(error));
}

/**
 * Waits for a handler whose errors the client gets as JSON-RPC errors.
 *
 * @throws {McpError} The handler's own; else -32602 for an error with a `status` below 500, and -32603 for any other.
 */
export async function waitForHandler<T>(call: Call, handler: () => Promise<T>): Promise<T> {
  try {
    return await call.race(handler());
  } catch (error) {
    if (McpError.isError(error) || error instanceof CallEnded) throw error;
    const { status } = membersOf(error);
    const type = typeof status === 'number' && status < 500 ? 'InvalidParams' : 'InternalError';
    throw new McpError(
      type,
      describeError(error, unexposed => call.report(unexposed)),
      { cause: error },
    );
  }
}

/** The members of a thrown value, which need not be an object. */
export function membersOf(error: unknown): JsonObject {
  return isObject(error) ? error : {};
}
