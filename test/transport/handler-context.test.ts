import type Koa from 'koa';
import { describe, expect, it, vi } from 'vitest';
import { handlerContexts } from '../../src/context.ts';
import type { CallContext, McpContext } from '../../src/protocol/definitions.ts';

const mcpOf = (principal: string) => ({ principal }) as McpContext;
const clientOf = (ctx: CallContext) => (ctx as unknown as { prisma: unknown }).prisma;

describe('a handler’s context', () => {
  it('is the Koa context for the first call of a request, and one of its own for each further call', () => {
    const ctx = { path: '/mcp' } as Koa.Context;
    const create = handlerContexts(undefined);
    const first = create(ctx, mcpOf('ann'));
    const second = create(ctx, mcpOf('bob'));
    expect(first).toBe(ctx);
    expect(second).not.toBe(ctx);
    expect(second).toMatchObject({ path: '/mcp', mcp: { principal: 'bob' } });
    expect(first.mcp.principal).toBe('ann');
    expect('prisma' in first).toBe(false);
  });

  it('makes its client when a handler first asks for it, once, and shares it with no other call', () => {
    const scope = vi.fn((ctx: CallContext) => ({ of: ctx.mcp.principal }));
    const create = handlerContexts(scope);
    const ctx = {} as Koa.Context;
    const first = create(ctx, mcpOf('ann'));
    expect(scope).not.toHaveBeenCalled();
    expect(clientOf(first)).toEqual({ of: 'ann' });
    const second = create(ctx, mcpOf('bob'));
    expect(clientOf(second)).toEqual({ of: 'bob' });
    expect(clientOf(first)).toBe(clientOf(first));
    expect(scope).toHaveBeenCalledTimes(2);
  });

  it('leaves a client of the host’s own on the Koa context as it is', () => {
    const own = {};
    const ctx = { prisma: own } as unknown as Koa.Context;
    const context = handlerContexts(() => 'scoped')(ctx, mcpOf('ann'));
    expect(clientOf(context)).toBe('scoped');
    expect(ctx['prisma']).toBe(own);
  });
});
