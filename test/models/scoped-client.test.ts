import { afterAll, beforeAll, describe, expect, expectTypeOf, it, vi } from 'vitest';
import { scopedClient } from '../../src/models/compile.ts';
import type { PrismaClient, TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { Json } from './served.ts';
import { callOf, seeded, userOf } from './served.ts';

const own = (ctx: never): number => userOf(ctx)?.clientId ?? 0;

describeDatabases('the scoped client, reading', provider => {
  let db: TestDatabase;
  let grace: PrismaClient;
  let scopeOf: (clientId?: number) => PrismaClient;

  beforeAll(async () => {
    db = await seeded(provider);
    const scope = scopedClient({
      prisma: db.prisma,
      datamodel: db.datamodel,
      models: { client: { where: (ctx: never) => ({ id: own(ctx) }) }, booking: { where: async (ctx: never) => ({ clientId: own(ctx) }) } },
    });
    scopeOf = clientId => scope(callOf(clientId)) as PrismaClient;
    grace = scopeOf(2);
  });
  afterAll(() => db.close());

  const ids = (rows: { id: number }[]): number[] => rows.map(({ id }) => id);

  it('holds every top-level read to the policy', async () => {
    expect(ids(await grace.booking.findMany())).toEqual([4, 5]);
    expect(ids(await grace.booking.findMany({ where: { OR: [{ clientId: 1 }, { status: 'CONFIRMED' }] } }))).toEqual([4]);
    expect(await grace.booking.findUnique({ where: { id: 1 } })).toBeNull();
    expect(await grace.booking.findUnique({ where: { id: 4 } })).toMatchObject({ id: 4 });
    expect(await grace.booking.findUnique({ where: { id: 4, AND: { OR: [] } } })).toBeNull();
    expect(await grace.booking.findFirst({ where: { clientId: 1 } })).toBeNull();
    await expect(grace.booking.findUniqueOrThrow({ where: { id: 1 } })).rejects.toMatchObject({ code: 'P2025' });
    await expect(grace.booking.findFirstOrThrow({ where: { id: 1 } })).rejects.toMatchObject({ code: 'P2025' });
    expect(await grace.booking.count()).toBe(2);
    expect(await grace.booking.count({ where: { clientId: 1 } })).toBe(0);
    expect(await grace.booking.aggregate({ _max: { id: true }, _count: true })).toEqual({ _max: { id: 5 }, _count: 2 });
    expect(await grace.booking.groupBy({ by: ['clientId'], _count: true })).toEqual([{ clientId: 2, _count: 2 }]);
  });

  it('never shows more than the policy through a vacuous where', async () => {
    // As code without types may write it.
    const vacuous: Json[] = [{}, { AND: [] }, { NOT: [] }, { id: undefined }, undefined];
    for (const where of vacuous) expect(await grace.booking.count({ where })).toBe(2);
    for (const where of [{ OR: [] }, { AND: [{ OR: [] }] }, { AND: { OR: [] } }]) expect(await grace.booking.count({ where })).toBe(0);
  });

  it('holds lists and counts of relations to the policy, of whatever model', async () => {
    const room = await grace.room.findUnique({
      where: { id: 'red' },
      include: { bookings: true, _count: { select: { bookings: true, memberships: true } } },
    });
    expect(ids(room?.bookings ?? [])).toEqual([4]);
    expect(room?._count).toEqual({ bookings: 1, memberships: 2 });
    const filtered = await grace.room.findMany({
      select: {
        bookings: { where: { status: 'PENDING' }, select: { id: true } },
        _count: { select: { bookings: { where: { id: { gt: 0 } } } } },
      },
      orderBy: { id: 'asc' },
    });
    expect(filtered).toEqual([
      { bookings: [{ id: 5 }], _count: { bookings: 1 } },
      { bookings: [], _count: { bookings: 1 } },
    ]);
    const client = await grace.client.findUnique({ where: { email: 'grace@example.com' }, include: { _count: true } });
    expect(client?._count).toEqual({ referrals: 0, bookings: 2, tags: 1, memberships: 2 });
    const tag = await grace.tag.findFirst({ include: { clients: { select: { name: true } }, _count: true } });
    expect(tag).toMatchObject({ clients: [{ name: 'Grace' }], _count: { clients: 1 } });
  });

  it('gives null for a single row out of sight, though the relation is required', async () => {
    const rows = await grace.membership.findMany({ include: { client: true }, orderBy: { slot: 'asc' } });
    expect(rows.map(({ slot, client }) => [slot, client?.name ?? null])).toEqual([
      [1, null],
      [2, 'Grace'],
      [3, 'Grace'],
    ]);
    expect(
      await grace.membership.findMany({ select: { slot: true, client: { select: { name: true } } }, orderBy: { slot: 'asc' }, take: 2 }),
    ).toEqual([
      { slot: 1, client: null },
      { slot: 2, client: { name: 'Grace' } },
    ]);
  });

  it('gives a single row in the shape that was asked for', async () => {
    const asked = {
      include: { client: { omit: { passwordHash: true, id: true }, include: { tags: true, _count: { select: { bookings: true } } } } },
      omit: { clientId: true },
    } as const;
    const where = { clientId_roomId: { clientId: 2, roomId: 'red' } };
    expect(await grace.membership.findUnique({ where, ...asked })).toEqual(await db.prisma.membership.findUnique({ where, ...asked }));
    const narrow = {
      select: {
        level: true,
        client: { select: { email: true, bookings: { select: { id: true, client: { select: { name: true } } }, orderBy: { id: 'asc' } } } },
      },
    } as const;
    expect(await grace.membership.findUnique({ where, ...narrow })).toEqual(await db.prisma.membership.findUnique({ where, ...narrow }));
  });

  it('gives each row the single row of its own key, where keys of two columns look alike when joined', async () => {
    const models = { seat: { where: { owner: 'grace' } } };
    const client = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models })(callOf(2)) as PrismaClient;
    const [first, second] = [
      { row: 1, number: 12 },
      { row: 11, number: 2 },
    ];
    await db.prisma.seat.createMany({ data: [first, second].map(key => ({ ...key, owner: 'grace' })) });
    await db.prisma.ticket.createMany({ data: [first, second].map((key, id) => ({ ...key, id })) });
    expect(await client.ticket.findMany({ include: { seat: true }, orderBy: { id: 'asc' } })).toMatchObject([
      { seat: first },
      { seat: second },
    ]);
  });

  it('reaches the far side of a chain of relations within every policy on the way', async () => {
    const rooms = await scopeOf(3).room.findMany({
      where: { id: 'red' },
      include: { bookings: { include: { client: { include: { referredBy: true } } } } },
    });
    expect(rooms[0]?.bookings.map(({ id, client }) => [id, client.name, client.referredBy])).toEqual([[7, 'Linus', null]]);
  });

  it('holds relation filters of the host’s own where to the policy', async () => {
    expect(await grace.room.count({ where: { bookings: { some: { clientId: 1 } } } })).toBe(0);
    expect(await grace.room.count({ where: { bookings: { none: { clientId: 1 } } } })).toBe(2);
    expect(await grace.room.count({ where: { bookings: { every: { status: 'CONFIRMED' } } } })).toBe(1);
    expect(await grace.membership.count({ where: { client: { name: 'Ada' } } })).toBe(0);
    expect(await grace.membership.count({ where: { NOT: { client: { is: { name: 'Grace' } } } } })).toBe(1);
    expect(await grace.room.aggregate({ _count: true, where: { bookings: { some: { client: { name: 'Grace' } } } } })).toEqual({
      _count: 2,
    });
  });

  it('holds relation filters beside a unique key to the policy, below AND, OR and NOT too', async () => {
    const find = (where: object): Promise<Json> => grace.room.findUnique({ where: { id: 'red', ...where } });
    const [hidden, own] = [{ bookings: { some: { clientId: 1 } } }, { bookings: { some: { clientId: 2 } } }];
    expect(await Promise.all([hidden, { OR: [hidden] }, { AND: [hidden] }, { NOT: own }].map(find))).toEqual([null, null, null, null]);
    for (const where of [own, { OR: [own] }, { AND: [own] }, { NOT: hidden }]) expect(await find(where)).toMatchObject({ id: 'red' });
  });

  it('leaves models without a policy alone', async () => {
    db.queries.length = 0;
    const args = { where: { code: { in: ['R'] } }, select: { id: true } };
    expect(await grace.room.findMany(args)).toEqual([{ id: 'red' }]);
    expect(db.queries).toEqual([{ model: 'Room', operation: 'findMany', args }]);
  });

  it('follows a relation from a row, as Prisma’s fluent calls do', async () => {
    expect(await grace.booking.findUnique({ where: { id: 4 } }).client()).toMatchObject({ name: 'Grace' });
    expect(await grace.booking.findUnique({ where: { id: 1 } }).client()).toBeNull();
    expect(await grace.room.findUnique({ where: { id: 'red' } }).bookings({ select: { id: true } })).toEqual([{ id: 4 }]);
  });

  it('starts a query when it is awaited, and once', async () => {
    db.queries.length = 0;
    const query = grace.room.findMany();
    await Promise.resolve();
    expect(db.queries).toHaveLength(0);
    await query;
    await query;
    expect(db.queries).toHaveLength(1);
  });

  it('refuses what it cannot scope, before the database', () => {
    db.queries.length = 0;
    const refused = /^ctx\.prisma\.\$?\w+(\.\w+)?: cannot be held to row policies; use /;
    const raw = grace as Json;
    for (const name of ['$queryRaw', '$queryRawUnsafe', '$executeRaw', '$executeRawUnsafe', '$extends'])
      expect(() => raw[name]('SELECT 1'), name).toThrow(refused);
    expect(raw.$parent).toBeUndefined();
    expect(raw.booking.$parent).toBeUndefined();
    expect(db.queries).toEqual([]);
  });

  it('refuses methods that a client extension added to a delegate', async () => {
    const prisma = db.prisma.$extends({ model: { booking: { everything: () => db.prisma.booking.findMany() } } });
    const scope = scopedClient({ prisma, datamodel: db.datamodel, models: { booking: { where: { id: 1 } } } });
    const scoped = scope(callOf()) as typeof prisma;
    expect(() => scoped.booking.everything()).toThrow('ctx.prisma.booking.everything: cannot be held to row policies');
    expect(await scoped.booking.count()).toBe(1);
  });

  it('calls what an extension added to the client on the scoped client', async () => {
    const prisma = db.prisma.$extends({
      client: {
        countBookings() {
          return (this as unknown as PrismaClient).booking.count();
        },
      },
    });
    const scoped = scopedClient({ prisma, datamodel: db.datamodel, models: { booking: { where: { id: 1 } } } })(callOf()) as typeof prisma;
    expect(await scoped.countBookings()).toBe(1);
  });

  it('is the host’s own client where there is no policy to keep', () => {
    const scope = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models: { booking: { omit: { meta: true } } } });
    expect(scope(callOf())).toBe(db.prisma);
  });

  it('asks a policy once per model and operation in one call, and anew in the next', async () => {
    const where = vi.fn(async (_ctx: unknown, _operation: string) => ({ clientId: 1 }));
    const scope = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models: { booking: { where } } });
    const scoped = scope(callOf()) as PrismaClient;
    await Promise.all([
      scoped.booking.findMany(),
      scoped.booking.findMany(),
      scoped.booking.count(),
      scoped.room.findMany({ include: { bookings: true } }),
    ]);
    expect(where.mock.calls.map(([, operation]) => operation).sort()).toEqual(['count', 'findMany']);
    await (scope(callOf()) as PrismaClient).booking.count();
    expect(where).toHaveBeenCalledTimes(3);
  });

  it('gives Date, Decimal and the rest as Prisma does, for it serves the host', async () => {
    const booking = await grace.booking.findUniqueOrThrow({ where: { id: 4 } });
    expectTypeOf(booking.startsAt).toEqualTypeOf<Date>();
    expect(booking.startsAt).toBeInstanceOf(Date);
    expect(booking.price.toFixed(2)).toBe('13.50');
    expect(await scopeOf(2).client.findFirst()).toHaveProperty('passwordHash', 'x');
  });
});

describe('a scope without database', () => {
  it('refuses a declaration that cannot be right', () => {
    expect(() => scopedClient({ prisma: {}, datamodel: { models: {}, enums: {} }, models: { booking: {} } })).toThrow(
      'models.booking: the datamodel has no model `booking`',
    );
  });
});
