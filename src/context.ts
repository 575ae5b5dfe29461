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
 * Makes a handler's context: an object of its own whose prototype is the Koa context, so that calls of one batch do not meet in it.
 *
 * @param scope Gives the caller's scoped client, when a handler first asks for it.
 */
export function handlerContext(ctx: Koa.Context, mcp: McpContext, scope: ((ctx: CallContext) => unknown) | undefined): CallContext {
  const context = Object.create(ctx) as { mcp: McpContext };
  context.mcp = mcp;
  if (scope !== undefined) {
    let prisma: unknown;
    Object.defineProperty(context, 'prisma', { get: () => (prisma ??= scope(context)), enumerable: true });
  }
  return context;
}
