import { afterEach, beforeEach, expect, it } from 'vitest';
import { scopedClient } from '../../src/models/compile.ts';
import type { CallContext } from '../../src/protocol/definitions.ts';
import type { PrismaClient, TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import type { Json } from './world.ts';
import { callerOf, fill } from './world.ts';

const callOf = (clientId: number): CallContext => ({ state: { user: { clientId } } }) as unknown as CallContext;

describeDatabases('a policy by operation, in the scoped client', provider => {
  const asked: string[] = [];
  /** As its type says it will be asked: everybody may read, only the owner may write, nobody may delete. */
  const where = (ctx: never, operation: string): object => {
    asked.push(operation);
    switch (operation) {
      case 'create':
      case 'update':
        return { clientId: callerOf(ctx) };
      case 'delete':
        return { id: { in: [] } };
      default:
        return {};
    }
  };

  it('is asked for the operation of an exposure that Prisma’s amounts to, and holds', async () => {
    await using db = await openDatabase(provider);
    await fill(db.prisma);
    const scope = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models: { booking: { where } } });
    const rows = { clientId: 1, startsAt: new Date(0), price: 1 };
    const foreign = { where: { id: 1 } };
    const data = { internalNote: 'mine' };
    const cases: [operation: string, args: Json, asked: string[]][] = [
      ['findFirst', {}, ['findMany']],
      ['findFirstOrThrow', {}, ['findMany']],
      ['findUniqueOrThrow', foreign, ['findUnique']],
      ['aggregate', { _count: true }, ['findMany']],
      ['groupBy', { by: ['clientId'] }, ['findMany']],
      ['count', {}, ['count']],
      ['update', { ...foreign, data }, ['update']],
      ['updateMany', { ...foreign, data }, ['update']],
      ['updateManyAndReturn', { ...foreign, data }, ['update']],
      ['upsert', { ...foreign, update: data, create: { ...rows, id: 1 } }, ['update', 'create']],
      ['upsert', { where: { id: 99 }, update: data, create: rows }, ['update', 'create']],
      ['create', { data: rows }, ['create']],
      ['createMany', { data: [rows] }, ['create']],
      ['createManyAndReturn', { data: [rows] }, ['create']],
      ['delete', foreign, ['delete']],
      ['deleteMany', foreign, ['delete']],
    ];
    const before = await db.prisma.booking.findMany({ orderBy: { id: 'asc' } });
    for (const [operation, args, expected] of cases) {
      asked.length = 0;
      const client = scope(callOf(2)) as PrismaClient;
      const result = await (client.booking as Json)[operation](args).catch((error: Json) => error.code ?? error.status);
      expect(asked, operation).toEqual(expected);
      const reads = ['findMany', 'findUnique', 'count'].includes(expected[0] as string);
      if (!reads)
        expect(result, operation).toSatisfy(
          (value: Json) => ['P2025', 'P2002', 403].includes(value) || value.count === 0 || value.length === 0,
        );
    }
    expect(await db.prisma.booking.findMany({ orderBy: { id: 'asc' } })).toEqual(before);
  });

  it('lets an upsert through that leaves what both its policies allow', async () => {
    await using db = await openDatabase(provider);
    await fill(db.prisma);
    const scope = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models: { booking: { where } } });
    const { booking } = scope(callOf(2)) as PrismaClient;
    const create = { clientId: 2, startsAt: new Date(0), price: 1 };
    expect(await booking.upsert({ where: { id: 2 }, update: { price: 3 }, create })).toMatchObject({ id: 2, clientId: 2 });
    expect(await booking.upsert({ where: { id: 99 }, update: {}, create })).toMatchObject({ clientId: 2 });
    await expect(booking.upsert({ where: { id: 2 }, update: { clientId: 1 }, create })).rejects.toMatchObject({ status: 403 });
  });
});

describeDatabases('a reference to a row out of sight, in the scoped client', provider => {
  const own = (ctx: never): object => ({ id: callerOf(ctx) });
  const there = { name: 'ToolError', message: 'data.clientId: the related row does not exist' };
  const row = { startsAt: new Date(0), price: 1 };
  let db: TestDatabase;
  let mine: PrismaClient;
  beforeEach(async () => {
    db = await openDatabase(provider);
    await fill(db.prisma);
    mine = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models: { client: { where: own } } })(callOf(2)) as PrismaClient;
  });
  afterEach(() => db.close());

  it('by its foreign key is answered like one to a row that does not exist, and nothing is written', async () => {
    const before = await db.prisma.booking.findMany({ orderBy: { id: 'asc' } });
    for (const clientId of [1, 99]) {
      const data = { ...row, clientId };
      const writes: (() => Promise<unknown>)[] = [
        () => mine.booking.create({ data }),
        () => mine.booking.createMany({ data: [{ ...row, clientId: 2 }, data] }),
        () => mine.booking.createManyAndReturn({ data: [data] }),
        () => mine.booking.update({ where: { id: 2 }, data: { clientId } }),
        () => mine.booking.update({ where: { id: 2 }, data: { clientId: { set: clientId } } }),
        () => mine.booking.updateMany({ where: { id: 2 }, data: { clientId } }),
        () => mine.booking.upsert({ where: { id: 2 }, update: { clientId }, create: { ...row, clientId: 2 } }),
        () => mine.booking.upsert({ where: { id: 999 }, update: {}, create: data }),
        () => mine.room.update({ where: { id: 'red' }, data: { bookings: { create: data } } }),
        () => mine.room.update({ where: { id: 'red' }, data: { bookings: { createMany: { data: [data] } } } }),
        () => mine.room.update({ where: { id: 'red' }, data: { bookings: { updateMany: { where: {}, data: { clientId } } } } }),
        () => mine.room.create({ data: { code: 'x', capacity: 1, bookings: { connectOrCreate: { where: { id: 999 }, create: data } } } }),
      ];
      for (const write of writes) await expect(write(), String(write)).rejects.toMatchObject(there);
    }
    expect(await db.prisma.booking.findMany({ orderBy: { id: 'asc' } })).toEqual(before);
  });

  it('is refused where the key cannot be read off the data', async () => {
    await expect(mine.booking.update({ where: { id: 2 }, data: { clientId: { increment: 1 } } })).rejects.toThrow(
      'ctx.prisma.booking: data.clientId: is no plain value, so models.client.where cannot be checked; set the value itself',
    );
  });

  it('is written where it is in sight, and where it is null', async () => {
    expect(await mine.booking.create({ data: { ...row, clientId: 2 } })).toMatchObject({ clientId: 2 });
    expect(await mine.booking.createMany({ data: [{ ...row, clientId: 2 }] })).toEqual({ count: 1 });
    expect(await mine.client.update({ where: { id: 2 }, data: { referredById: null } })).toMatchObject({ referredById: null });
  });

  it('cannot be asked for by an order', async () => {
    const orders: [string, () => Promise<unknown>][] = [
      ['booking.findMany: orderBy.client', () => mine.booking.findMany({ orderBy: { client: { name: 'asc' } } })],
      ['booking.findFirst: orderBy.client', () => mine.booking.findFirst({ orderBy: [{ id: 'asc' }, { client: { notes: 'asc' } }] })],
      [
        'room: memberships.orderBy.client',
        () => mine.room.findMany({ include: { memberships: { orderBy: { client: { name: 'asc' } } } } }),
      ],
      ['tag.findMany: orderBy.clients', () => mine.tag.findMany({ orderBy: { clients: { _count: 'asc' } } })],
    ];
    for (const [path, query] of orders) {
      const where = path.split('.').at(-1) ?? '';
      await expect(query(), where).rejects.toThrow(`ctx.prisma.${path}: models.client.where cannot reach into an order`);
    }
    expect(await mine.booking.findMany({ orderBy: { room: { code: 'asc' } } })).toHaveLength(6);
  });
});

describeDatabases('a row out of sight, in the scoped client', provider => {
  it('is no cursor: a page after it is as empty as one after a row that does not exist', async () => {
    await using db = await openDatabase(provider);
    await fill(db.prisma);
    const models = { booking: { where: (ctx: never) => ({ clientId: callerOf(ctx) }) } };
    const client = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models })(callOf(2)) as PrismaClient;
    const ids = async (cursor: Json): Promise<number[]> =>
      (await client.booking.findMany({ cursor, orderBy: [{ startsAt: 'asc' }, { id: 'asc' }] })).map(({ id }) => id);
    expect(await ids({ id: 3 })).toEqual([3, 4]);
    for (const id of [1, 99]) {
      expect(await ids({ id })).toEqual([]);
      const page = { cursor: { id }, orderBy: { id: 'asc' } } as const;
      expect(await client.booking.findFirst(page)).toBeNull();
      await expect(client.booking.findFirstOrThrow(page)).rejects.toMatchObject({ code: 'P2025' });
      expect(await client.booking.count(page)).toBe(0);
      expect(await client.booking.aggregate({ ...page, _max: { id: true } })).toEqual({ _max: { id: null } });
      expect(await client.$transaction(tx => tx.booking.findMany(page))).toEqual([]);
    }
    await expect(client.client.findMany({ include: { bookings: { cursor: { id: 1 }, orderBy: { id: 'asc' } } } })).rejects.toThrow(
      'ctx.prisma.client: bookings.cursor: models.booking.where cannot check it; page through ctx.prisma.booking',
    );
  });

  it('keeps its related row: nobody takes it by connecting the row to another', async () => {
    await using db = await openDatabase(provider);
    for (const id of [1, 2]) await db.prisma.member.create({ data: { id, nick: `nick ${id}`, facts: {} } });
    await db.prisma.badge.createMany({ data: [1, 2].map(id => ({ id, text: `badge ${id}`, level: id, memberId: id })) });
    const models = { badge: { where: { level: 1 } } };
    const client = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models })(callOf(2)) as PrismaClient;
    const member = { connect: { id: 2 } };
    const refused = 'models.badge.where cannot check the row that would lose it; set memberId itself';
    await expect(client.badge.update({ where: { id: 1 }, data: { member } })).rejects.toThrow(refused);
    await expect(client.badge.create({ data: { id: 3, text: 'new', level: 1, member } })).rejects.toThrow(refused);
    await expect(
      client.badge.update({
        where: { id: 1 },
        data: { member: { connectOrCreate: { where: { id: 2 }, create: { id: 2, nick: 'x', facts: {} } } } },
      }),
    ).rejects.toThrow(refused);
    await expect(client.badge.update({ where: { id: 1 }, data: { memberId: 2 } })).rejects.toMatchObject({ code: 'P2002' });
    expect(await db.prisma.badge.findMany({ orderBy: { id: 'asc' }, select: { memberId: true } })).toEqual([
      { memberId: 1 },
      { memberId: 2 },
    ]);
  });
});
