/** What a model may read of a Prisma error that a host's own handler let through: never its text, which names columns and queries. */
const prismaMessages: ReadonlyMap<unknown, string> = new Map([
  ['P2002', 'Already exists: another row has the same unique value'],
  ['P2003', 'Refused: a related row does not exist, or other rows still refer to this one'],
  ['P2014', 'Refused: other rows still refer to this one'],
  ['P2025', 'Not found: no such row'],
  ['P2034', 'The database was busy with a conflicting change; try again'],
]);

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
  return prismaMessages.get(code) ?? `Internal error (ref ${report(error)})`;
}
