import type Koa from 'koa';
import type { McpContext } from './protocol/context.ts';
import type { CallContext } from './protocol/definitions.ts';

/**
 * What a handler, row policy or completion gets: the host's own Koa context of the HTTP request, with `mcp` and `prisma`.
 *
 * A response is what the handler returns; `ctx.body`, `ctx.status` and the like are the transport's.
 */
export type HandlerContext<C = unknown> = Koa.ParameterizedContext & {
  readonly mcp: McpContext;
  /** The host's client, scoped to this caller: the row policies of `models` hold in it. `undefined` without `prisma`. */
  readonly prisma: C;
};

/**
 * Makes a handler's context: the Koa context itself with `mcp` and `prisma` on it. Further calls of a batch, and hosts
 * with a `ctx.prisma` of their own, get an object that inherits from it, so that they do not meet. (Not every call: an object that becomes a
 * prototype loses its fast layout, which halves the calls a second.)
 *
 * @param scope Gives the caller's scoped client, when a handler first asks for it.
 */
export function handlerContext(ctx: Koa.Context, mcp: McpContext, scope: ((ctx: CallContext) => unknown) | undefined): CallContext {
  const isTaken = Object.hasOwn(ctx, 'mcp') || (scope !== undefined && 'prisma' in ctx);
  const context = (isTaken ? Object.create(ctx) : ctx) as { mcp: McpContext };
  context.mcp = mcp;
  if (scope !== undefined) {
    let prisma: unknown;
    Object.defineProperty(context, 'prisma', { get: () => (prisma ??= scope(context)), enumerable: true, configurable: true });
  }
  return context;
}
