import type Koa from 'koa';
import type { CallContext, McpContext } from './protocol/definitions.ts';

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
 * Makes what makes a handler's context: the Koa context itself with `mcp` and `prisma` on it. Further calls of a batch, and hosts
 * with a `ctx.prisma` of their own, get an object that inherits from it, so that they do not meet. (Not every call: an object that becomes a
 * prototype loses its fast layout, which halves the calls a second.)
 *
 * @param scope Gives the caller's scoped client, when a handler first asks for it.
 */
export function handlerContexts(scope: ((ctx: CallContext) => unknown) | undefined): (ctx: Koa.Context, mcp: McpContext) => CallContext {
  // One getter for all contexts: with a getter each they would all differ in layout, which costs more than the rest of a call.
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

/** Where a context keeps its scoped client. */
const client = Symbol('prisma');

interface Scoped {
  mcp: McpContext;
  [client]: unknown;
}
