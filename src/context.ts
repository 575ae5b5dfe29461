import type Koa from 'koa';
import type { CallContext, McpContext } from './protocol/definitions.ts';

/**
 * The context that a handler, row policy or completion gets: the host's own Koa context of the HTTP request, with `mcp` and `prisma`.
 *
 * A handler answers by its return value. The transport sets `ctx.body`, `ctx.status` and the like.
 */
export type HandlerContext<C = unknown> = Koa.ParameterizedContext & {
  readonly mcp: McpContext;
  /** The host's Prisma client, scoped to this caller by the row policies of `models`. `undefined` if `mcp()` got no `prisma`. */
  readonly prisma: C;
};

/**
 * Makes the function that builds a handler's context: the Koa context itself, with `mcp` and `prisma` added to it.
 *
 * If these names are taken (by an earlier call of the same batch, or by the host's own `ctx.prisma`), the function returns an object that
 * inherits from the Koa context. It does so only then: an object that becomes a prototype loses its fast layout, which halves the calls per
 * second.
 *
 * @param scope Returns the caller's scoped client. Called when a handler first reads `prisma`.
 */
export function handlerContexts(scope: ((ctx: CallContext) => unknown) | undefined): (ctx: Koa.Context, mcp: McpContext) => CallContext {
  // All contexts share one getter. With a getter each they would all differ in layout, which costs more than the rest of a call.
  const prisma: PropertyDescriptor & ThisType<Scoped> = {
    get() {
      this[client] ??= scope?.(this);
      return this[client];
    },
    enumerable: true,
    configurable: true,
  };
  return (ctx, mcp) => {
    const isTaken = Object.hasOwn(ctx, 'mcp') || (scope !== undefined && 'prisma' in ctx);
    const context = (isTaken ? Object.create(ctx) : ctx) as Scoped;
    context.mcp = mcp;
    if (scope === undefined) return context;
    context[client] = undefined;
    return Object.defineProperty(context, 'prisma', prisma);
  };
}

/** The property that holds a context's scoped client. */
const client = Symbol('prisma');

interface Scoped {
  mcp: McpContext;
  [client]: unknown;
}
