import { describe, expectTypeOf, it } from 'vitest';
import type { PrismaClient as PostgresClient } from '../../generated/test/postgresql/client/client.ts';
import type { PrismaClient } from '../../generated/test/sqlite/client/client.ts';
import { mcp } from '../../src/index.ts';
import type { ModelKey, Models } from '../../src/models/declaration/declaration.ts';
import type { PolicyOperation } from '../../src/models/declaration/operations.ts';

interface Ctx {
  readonly state: { readonly user: { readonly clientId: number } };
}

/** Takes `models` where `mcp()` does: the client's type comes from `prisma` alone. */
declare function expose<C>(prisma: C, models: Models<NoInfer<C>, Ctx>): void;
declare const prisma: PrismaClient;
declare const postgres: PostgresClient;

const extend = () => prisma.$extends({ query: { $allModels: { $allOperations: ({ args, query }) => query(args) } } });

describe('the type of the option models', () => {
  it('has the client properties that are models as keys', () => {
    expectTypeOf<ModelKey<PrismaClient>>().toEqualTypeOf<
      | 'client'
      | 'booking'
      | 'room'
      | 'tag'
      | 'auditLog'
      | 'membership'
      | 'member'
      | 'doc'
      | 'badge'
      | 'author'
      | 'seat'
      | 'ticket'
      | 'mcpSession'
      | 'mcpSubscription'
      | 'mcpEvent'
      | 'mcpNode'
      | 'mcpContinuation'
      | 'mcpIdempotencyKey'
      | 'mcpAuditEntry'
      | 'mcpTask'
    >();
    expectTypeOf<ModelKey<PostgresClient>>().toEqualTypeOf<ModelKey<PrismaClient> | 'listing' | 'entry' | 'native' | 'place'>();
    expectTypeOf<ModelKey<unknown>>().toEqualTypeOf<never>();
  });

  it('takes what the README shows', () => {
    expose(prisma, {
      client: { omit: { email: true } },
      booking: {
        operations: ['findUnique', 'findMany', 'create', 'update'],
        where: ctx => ({ client: { id: ctx.state.user.clientId } }),
        include: { client: { select: { name: true } } },
        orderBy: { startsAt: 'asc' },
        take: 50,
        data: ctx => ({ clientId: ctx.state.user.clientId }),
        description: 'Bookings',
      },
    });
  });

  it('keeps the literals that functions return, which enum columns need', () => {
    expose(prisma, { booking: { where: ctx => ({ clientId: ctx.state.user.clientId, status: 'PENDING' }) } });
    expose(prisma, { booking: { where: () => ({ status: 'PENDING' }), data: () => ({ status: 'PENDING' }) } });
    expose(prisma, { booking: { where: async ctx => ({ status: ctx.state.user.clientId === 1 ? 'PENDING' : 'CONFIRMED' }) } });
    expose(prisma, {
      booking: {
        where: (_, operation) => {
          if (operation === 'delete') return { status: 'CANCELLED' };
          return {};
        },
      },
    });
  });

  it('keeps them where the client and the function are in one object, and the function takes nothing', () => {
    mcp({ name: 'x', prisma, models: { booking: { where: () => ({ status: 'PENDING' }), data: () => ({ status: 'PENDING' }) } } });
    mcp({ name: 'x', prisma, models: { booking: { where: async () => ({ OR: [{ status: { in: ['PENDING', 'CONFIRMED'] } }] }) } } });
    mcp({ models: { booking: { where: () => ({ client: { id: 1 }, status: 'PENDING' }) } }, name: 'x', prisma });
    // @ts-expect-error no such status
    mcp({ name: 'x', prisma, models: { booking: { where: () => ({ status: 'LOST' }) } } });
    // @ts-expect-error no such status
    mcp({ name: 'x', prisma, models: { booking: { where: () => ({ OR: [{ status: { in: ['PENDING', 'LOST'] } }] }) } } });
    // @ts-expect-error no such column
    mcp({ name: 'x', prisma, models: { booking: { where: async () => ({ nope: 'x' }) } } });
  });

  it('takes a view, and a model that Prisma cannot create rows of, without the operations that they do not have', () => {
    mcp({ name: 'x', prisma, models: { author: { operations: ['findUnique', 'count'], where: { mood: 'CALM' }, omit: { label: true } } } });
    mcp({ name: 'x', prisma: postgres, models: { place: { operations: ['findMany', 'update', 'delete'], data: { name: 'x' } } } });
    // @ts-expect-error a view has no writes
    mcp({ name: 'x', prisma, models: { author: { operations: ['findMany', 'update'] } } });
    // @ts-expect-error a required column has a type that Prisma does not have
    mcp({ name: 'x', prisma: postgres, models: { place: { operations: ['create'] } } });
    // @ts-expect-error such a column has no JSON form
    mcp({ name: 'x', prisma: postgres, models: { place: { omit: { spot: true } } } });
  });

  it('takes scopes for all operations, for reads and writes, and for one operation', () => {
    expose(prisma, { booking: { scopes: ['a'] }, client: { scopes: { read: ['a'], write: [], findMany: ['b'] } } });
    // @ts-expect-error there is no such operation
    expose(prisma, { booking: { scopes: { findAll: ['a'] } } });
    // @ts-expect-error scopes are a list
    expose(prisma, { booking: { scopes: { read: 'a' } } });
  });

  it('takes writes of many rows, their limit, and writes to confirm', () => {
    expose(prisma, {
      booking: { operations: ['createMany', 'updateMany', 'upsert', 'deleteMany'], maxWrites: 10, confirm: ['deleteMany'] },
    });
    // @ts-expect-error a read needs no confirmation
    expose(prisma, { booking: { operations: ['findMany'], confirm: ['findMany'] } });
    expose(prisma, { booking: { operations: ['create', 'deleteMany'], idempotent: ['create', 'deleteMany'] } });
    // @ts-expect-error a read takes no idempotency key
    expose(prisma, { booking: { operations: ['findMany'], idempotent: ['findMany'] } });
    // @ts-expect-error a view has no writes
    expose(prisma, { author: { operations: ['deleteMany'] } });
    // @ts-expect-error no number of rows
    expose(prisma, { booking: { maxWrites: '10' } });
    // @ts-expect-error a required column has a type that Prisma does not have
    expose(postgres, { place: { operations: ['upsert'] } });
  });

  it('gives the functions of prompts and search a row any of whose columns may be hidden, in the form of results', () => {
    mcp({
      name: 'x',
      prisma,
      models: {
        booking: {
          where: () => ({ status: 'PENDING' }),
          include: { client: { select: { name: true } } },
          prompts: {
            summary: {
              description: 'x',
              key: 'id',
              message: (row, ctx) => {
                expectTypeOf(row.startsAt).toEqualTypeOf<string | undefined>();
                expectTypeOf(row.price).toEqualTypeOf<string | undefined>();
                expectTypeOf(row.roomId).toEqualTypeOf<string | null | undefined>();
                expectTypeOf(row.client?.name).toEqualTypeOf<string | undefined>();
                expectTypeOf(row.client?.bookings?.[0]?.status).toEqualTypeOf<'PENDING' | 'CONFIRMED' | 'CANCELLED' | undefined>();
                expectTypeOf(ctx.mcp.principal).toEqualTypeOf<string | undefined>();
                // @ts-expect-error no such column
                expectTypeOf(row.nope).toBeAny();
                return 'x';
              },
            },
          },
          search: { columns: ['internalNote'], title: ({ client }) => client?.name, url: async ({ id }) => `https://x.example/${id}` },
        },
        membership: {
          prompts: {
            explain: {
              description: 'x',
              key: 'clientId_roomId',
              message: async () => [{ role: 'user', content: { type: 'text', text: 'x' } }],
            },
          },
        },
        auditLog: {
          prompts: {
            show: {
              description: 'x',
              message: row => {
                expectTypeOf(row.id).toEqualTypeOf<string | undefined>();
                expectTypeOf(row.payload).toEqualTypeOf<string | undefined>();
                expectTypeOf(row.ratio).toEqualTypeOf<number | undefined>();
                return 'x';
              },
            },
          },
        },
      },
    });
  });

  it('refuses what is wrong in prompts and search at the property', () => {
    expose(prisma, {
      booking: {
        prompts: {
          // @ts-expect-error no unique key
          summary: { description: 'x', key: 'clientId', message: 'x' },
        },
      },
    });
    expose(prisma, {
      booking: {
        prompts: {
          // @ts-expect-error no description
          summary: { message: 'x' },
        },
      },
    });
    expose(prisma, {
      booking: {
        prompts: {
          summary: {
            description: 'x',
            message: 'x',
            // @ts-expect-error no such option
            handler: 1,
          },
        },
      },
    });
    expose(prisma, {
      booking: {
        search: {
          // @ts-expect-error no such column
          columns: ['nope'],
        },
      },
    });
    expose(prisma, {
      booking: {
        search: {
          columns: ['internalNote'],
          // @ts-expect-error no such column
          title: 'nope',
        },
      },
    });
  });

  it('takes an extended client', () => {
    const extended = {} as ReturnType<typeof extend>;
    expose(extended, { booking: { where: { status: 'PENDING' }, omit: { internalNote: true }, include: { room: true } } });
    // @ts-expect-error no such model
    expose(extended, { bookings: {} });
    expose(extended, {
      booking: {
        // @ts-expect-error no such column
        omit: { nope: true },
      },
    });
  });

  it('gives the functions the context and the operation', () => {
    expose(prisma, {
      booking: {
        where: (ctx, operation) => {
          expectTypeOf(ctx).toEqualTypeOf<Ctx>();
          expectTypeOf(operation).toEqualTypeOf<PolicyOperation>();
          return { clientId: ctx.state.user.clientId };
        },
        data: async (ctx, operation) => {
          expectTypeOf(operation).toEqualTypeOf<PolicyOperation>();
          return { clientId: ctx.state.user.clientId };
        },
      },
      client: { where: async ctx => ({ id: ctx.state.user.clientId }) },
    });
  });

  it('refuses an unknown model, option or operation at the property', () => {
    expose(prisma, {
      // @ts-expect-error no such model
      bookings: {},
    });
    expose(prisma, {
      // @ts-expect-error a method of the client is no model
      $connect: {},
    });
    expose(prisma, {
      booking: {
        // @ts-expect-error no such option
        operation: ['findMany'],
      },
    });
    expose(prisma, { booking: { style: 'compact' }, client: { style: 'tools' } });
    expose(prisma, {
      booking: {
        // @ts-expect-error no such style
        style: 'small',
      },
    });
    expose(prisma, {
      booking: {
        operations: [
          'findMany',
          // @ts-expect-error no such operation
          'findLast',
        ],
      },
    });
  });

  it('takes every operation that reads, of tables and views', () => {
    const reads = ['findUnique', 'findFirst', 'findMany', 'count', 'aggregate', 'groupBy'] as const;
    expose(prisma, { booking: { operations: reads }, author: { operations: reads } });
    expose(postgres, { place: { operations: reads } });
  });

  it('refuses an unknown column at the property', () => {
    expose(prisma, {
      booking: {
        select: {
          id: true,
          // @ts-expect-error no such column
          nope: true,
        },
      },
    });
    expose(prisma, {
      booking: {
        omit: {
          internalNote: true,
          // @ts-expect-error a relation is no column
          client: true,
        },
      },
    });
    expose(prisma, {
      booking: {
        where: {
          client: {
            // @ts-expect-error no such column
            nope: 1,
          },
        },
      },
    });
    expose(prisma, {
      booking: {
        orderBy: {
          // @ts-expect-error no such column
          nope: 'asc',
        },
      },
    });
    expose(prisma, {
      booking: {
        // @ts-expect-error no such direction
        orderBy: { startsAt: 'up' },
      },
    });
    expose(prisma, {
      booking: {
        data: {
          // @ts-expect-error no such column
          nope: 1,
        },
      },
    });
  });

  it('refuses an unknown enum value at the property', () => {
    expose(prisma, {
      booking: {
        where: {
          // @ts-expect-error no such status
          status: 'LOST',
        },
        data: {
          // @ts-expect-error no such status
          status: 'LOST',
        },
      },
    });
    expose(prisma, {
      booking: {
        // @ts-expect-error no such status
        where: () => ({ status: 'LOST' }),
      },
    });
    expose(prisma, {
      booking: {
        // @ts-expect-error no such column
        where: () => ({ nope: 1 }),
      },
    });
  });

  it('takes select or omit, never both', () => {
    expose(prisma, {
      // @ts-expect-error one of the two
      booking: { select: { id: true }, omit: { internalNote: true } },
    });
    expose(prisma, {
      booking: {
        include: {
          // @ts-expect-error one of the two
          client: { select: { id: true }, omit: { email: true } },
        },
      },
    });
  });

  it('types the args of a relation as Prisma does', () => {
    expose(prisma, {
      client: {
        include: {
          bookings: {
            select: { id: true, startsAt: true },
            where: { status: { in: ['PENDING'] } },
            orderBy: [{ startsAt: 'desc' }],
            take: 5,
            include: { room: { where: { active: true }, omit: { capacity: true } } },
          },
          referredBy: { select: { name: true } },
          tags: true,
        },
      },
    });
    expose(prisma, {
      client: {
        include: {
          // @ts-expect-error no such relation
          rooms: true,
        },
      },
    });
    expose(prisma, {
      client: {
        include: {
          // @ts-expect-error a column is no relation
          email: true,
        },
      },
    });
    expose(prisma, {
      booking: {
        include: {
          client: {
            // @ts-expect-error one row has no order
            orderBy: { name: 'asc' },
          },
        },
      },
    });
    expose(prisma, {
      client: {
        include: {
          bookings: {
            select: {
              // @ts-expect-error no such column of Booking
              email: true,
            },
          },
        },
      },
    });
    expose(prisma, {
      client: {
        include: {
          bookings: {
            // @ts-expect-error the caller's part
            cursor: { id: 1 },
          },
        },
      },
    });
    expose(prisma, {
      client: {
        include: {
          // @ts-expect-error counts are not rows
          _count: true,
        },
      },
    });
  });

  it('forces columns with the values Prisma takes, foreign keys included, and no nested writes', () => {
    expose(prisma, {
      booking: { data: { clientId: 1, roomId: null, price: '1.10', startsAt: new Date(0), meta: { a: [1] }, status: 'PENDING' } },
      auditLog: { data: { id: 1n, payload: new Uint8Array(1) } },
      membership: { data: { clientId: 1, slot: 2 } },
    });
    expose(prisma, {
      booking: {
        data: {
          // @ts-expect-error a nested write
          client: { connect: { id: 1 } },
        },
      },
    });
    expose(prisma, {
      booking: {
        data: {
          // @ts-expect-error not a number
          clientId: 'one',
        },
      },
    });
  });
});
