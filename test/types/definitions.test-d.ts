import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { PrismaClient } from '../../generated/test/sqlite/client/client.ts';
import { mcp } from '../../src/index.ts';

declare const prisma: PrismaClient;

describe('the types of handlers', () => {
  it('come from the schema of each tool, also beside tools without one', () => {
    mcp({
      name: 'types',
      prisma,
      tools: {
        with: {
          description: 'With a schema',
          inputSchema: z.object({ id: z.coerce.number() }),
          handler: (args, ctx) => {
            expectTypeOf(args).toEqualTypeOf<{ id: number }>();
            expectTypeOf(ctx.prisma).toEqualTypeOf<PrismaClient>();
          },
        },
        without: {
          description: 'Without a schema',
          handler: args => expectTypeOf(args).toEqualTypeOf<Record<string, unknown>>(),
        },
      },
      prompts: {
        with: {
          description: 'With a schema',
          argsSchema: z.object({ name: z.string() }),
          handler: args => expectTypeOf(args).toEqualTypeOf<{ name: string }>(),
        },
        without: { description: 'Without a schema', handler: args => expectTypeOf(args).toEqualTypeOf<Record<string, string>>() },
      },
      resources: {
        with: {
          uriTemplate: 'types://{id}',
          argsSchema: z.object({ id: z.coerce.number() }),
          handler: args => expectTypeOf(args).toEqualTypeOf<{ id: number }>(),
        },
        listed: {
          uriTemplate: 'types://listed/{id}{?page}',
          argsSchema: z.object({ id: z.coerce.number(), page: z.string().optional() }),
          list: async ctx => {
            expectTypeOf(ctx.prisma).toEqualTypeOf<PrismaClient>();
            return [
              { variables: { id: 7 }, name: 'Seven' },
              { uri: 'types://listed/8', name: 'Eight', title: 'Eight' },
            ];
          },
          handler: args => expectTypeOf(args).toEqualTypeOf<{ id: number; page?: string | undefined }>(),
        },
        without: { uri: 'types://one', handler: args => expectTypeOf(args).toEqualTypeOf<Record<string, string>>() },
      },
    });
  });

  it('refuse to list a template by variables that its schema does not have', () => {
    mcp({
      name: 'types',
      resources: {
        listed: {
          uriTemplate: 'types://listed/{id}',
          argsSchema: z.object({ id: z.string() }),
          // @ts-expect-error the schema has no such variable
          list: () => [{ variables: { key: 7 }, name: 'Seven' }],
          handler: () => 1,
        },
      },
    });
  });

  it('are refused where they do not follow from the schema', () => {
    mcp({
      name: 'types',
      tools: {
        // @ts-expect-error the schema says string
        other: { description: 'x', inputSchema: z.object({ id: z.string() }), handler: ({ id }: { id: number }) => id },
      },
    });
    mcp({
      name: 'types',
      tools: {
        // @ts-expect-error nothing has checked that there is an id
        unchecked: { description: 'x', handler: ({ id }: { id: number }) => id },
      },
    });
    mcp({
      name: 'types',
      tools: {
        // @ts-expect-error a schema is zod's
        plain: { description: 'x', inputSchema: { type: 'object' }, handler: () => 1 },
      },
    });
  });
});
