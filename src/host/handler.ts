import { ToolError } from '../errors.ts';

/**
 * Runs a host's handler. Errors of Prisma that the caller can act on become readable ones.
 *
 * Which rows and columns were concerned is not said: the host's handler may reach more than its caller may see.
 */
export async function runHandler<A, Ctx>(handler: (args: A, ctx: Ctx) => unknown, args: A, ctx: Ctx): Promise<unknown> {
  try {
    return await handler(args, ctx);
  } catch (error) {
    throw toReadable(error);
  }
}

/** Prisma's codes for what a caller asked in vain. Told by code, for several clients may be loaded. */
const readable: ReadonlyMap<unknown, readonly [status: number, message: string]> = new Map([
  ['P2025', [404, 'Not found: there is no such row']],
  ['P2002', [409, 'Already exists: another row has the same unique value']],
  ['P2003', [409, 'A related row does not exist, or other rows still refer to this one']],
]);

function toReadable(error: unknown): unknown {
  const { code, status } = (typeof error === 'object' && error !== null ? error : {}) as { code?: unknown; status?: unknown };
  const known = status === undefined ? readable.get(code) : undefined;
  return known === undefined ? error : new ToolError(known[1], { status: known[0], cause: error });
}
