import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scopedClient } from '../../src/models/compile.ts';
import type { PrismaClient, TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { Json } from './served.ts';
import { callOf, seeded, userOf } from './served.ts';

const own = (ctx: never): number => userOf(ctx)?.clientId ?? 0;
const slot = { startsAt: new Date('2026-05-01T09:00:00Z'), price: '1' };
const notAllowed = {
  name: 'ToolError',
  status: 403,
  message: expect.stringMatching(/^not allowed: this \w+ would leave a Booking that you may not have; nothing was changed$/),
};
/** Said of a client out of sight as of one that does not exist. */
const noClient = { name: 'ToolError', message: 'data.clientId: the related row does not exist' };

describeDatabases('the scoped client, writing', provider => {
  let db: TestDatabase;
  let grace: PrismaClient;

  beforeEach(async () => {
    db = await seeded(provider);
    const scope = scopedClient({
      prisma: db.prisma,
      datamodel: db.datamodel,
      models: {
        client: { where: (ctx: never) => ({ id: own(ctx) }) },
        booking: { where: (ctx: never) => ({ clientId: own(ctx), status: { not: 'CANCELLED' } }) },
      },
    });
    grace = scope(callOf(2)) as PrismaClient;
  });
  afterEach(() => db.close());

  const bookings = (): Promise<Json[]> => db.prisma.booking.findMany({ orderBy: { id: 'asc' } });

  describe('one row', () => {
    it('is updated in sight, and not found out of it', async () => {
      expect(await grace.booking.update({ where: { id: 4 }, data: { price: '2' } })).toMatchObject({ id: 4, clientId: 2 });
      await expect(grace.booking.update({ where: { id: 1 }, data: { price: '2' } })).rejects.toMatchObject({ code: 'P2025' });
      expect(String((await bookings())[0].price)).toBe('10.5');
    });

    it('that leaves the policy is rolled back', async () => {
      const before = await bookings();
      await expect(grace.booking.update({ where: { id: 4 }, data: { clientId: 1 } })).rejects.toMatchObject(noClient);
      await expect(grace.booking.update({ where: { id: 4 }, data: { status: 'CANCELLED' } })).rejects.toMatchObject(notAllowed);
      await expect(grace.booking.create({ data: { ...slot, clientId: 1 } })).rejects.toMatchObject(noClient);
      await expect(grace.booking.upsert({ where: { id: 99 }, create: { ...slot, clientId: 1 }, update: {} })).rejects.toMatchObject(
        noClient,
      );
      await expect(
        grace.booking.upsert({ where: { id: 4 }, create: { ...slot, clientId: 2 }, update: { clientId: 1 } }),
      ).rejects.toMatchObject(noClient);
      expect(await bookings()).toEqual(before);
    });

    it('is created, upserted and deleted within the policy, in the shape asked for', async () => {
      const created = await grace.booking.create({
        data: { ...slot, clientId: 2 },
        select: { id: true, client: { select: { name: true } } },
      });
      expect(created).toEqual({ id: 8, client: { name: 'Grace' } });
      const upserted = await grace.booking.upsert({
        where: { id: 4 },
        create: { ...slot, clientId: 2 },
        update: { price: '7' },
        include: { room: true },
      });
      expect(upserted).toMatchObject({ id: 4, room: { code: 'R' } });
      expect(await grace.booking.delete({ where: { id: 8 }, select: { id: true } })).toEqual({ id: 8 });
      await expect(grace.booking.delete({ where: { id: 1 } })).rejects.toMatchObject({ code: 'P2025' });
      expect(await db.prisma.booking.count()).toBe(7);
    });
  });

  describe('many rows', () => {
    it('are changed in sight only', async () => {
      expect(await grace.booking.updateMany({ data: { internalNote: 'mine' } })).toEqual({ count: 2 });
      expect(await grace.booking.deleteMany({ where: { id: { in: [1, 4] } } })).toEqual({ count: 1 });
      expect((await bookings()).map(({ id, internalNote }) => [id, internalNote])).toEqual([
        [1, 'window'],
        [2, null],
        [3, 'late'],
        [5, 'mine'],
        [6, 'window'],
        [7, null],
      ]);
      expect(await grace.booking.updateMany({ where: { clientId: 1 }, data: { price: '0' } })).toEqual({ count: 0 });
    });

    it('that leave the policy are rolled back, all of them', async () => {
      const before = await bookings();
      await expect(grace.booking.updateMany({ data: { clientId: 1 } })).rejects.toMatchObject(noClient);
      await expect(grace.booking.updateManyAndReturn({ where: { id: 4 }, data: { status: 'CANCELLED' } })).rejects.toMatchObject(
        notAllowed,
      );
      await expect(
        grace.booking.createMany({
          data: [
            { ...slot, clientId: 2 },
            { ...slot, clientId: 1 },
          ],
        }),
      ).rejects.toMatchObject(noClient);
      await expect(grace.booking.createManyAndReturn({ data: [{ ...slot, clientId: 1 }] })).rejects.toMatchObject(noClient);
      const cancelled = { ...slot, clientId: 2, status: 'CANCELLED' as const };
      await expect(grace.booking.createMany({ data: [{ ...slot, clientId: 2 }, cancelled] })).rejects.toMatchObject(notAllowed);
      expect(await bookings()).toEqual(before);
    });

    it('are created and returned within the policy', async () => {
      expect(
        await grace.booking.createMany({
          data: [
            { ...slot, clientId: 2 },
            { ...slot, clientId: 2 },
          ],
        }),
      ).toEqual({ count: 2 });
      expect(await grace.booking.createManyAndReturn({ data: [{ ...slot, clientId: 2 }], select: { clientId: true } })).toEqual([
        { clientId: 2 },
      ]);
      expect(await grace.booking.updateManyAndReturn({ where: { id: 4 }, data: { price: '3' }, select: { id: true } })).toEqual([
        { id: 4 },
      ]);
    });

    it('are changed up to the limit of the query', async () => {
      expect(await grace.booking.updateMany({ data: { internalNote: 'mine' }, limit: 1 })).toEqual({ count: 1 });
      expect(await db.prisma.booking.count({ where: { internalNote: 'mine' } })).toBe(1);
    });

    it('are created without duplicates where the database can skip them', async () => {
      // Prisma's types for SQLite do not have it.
      const skipDuplicates: object = { skipDuplicates: true };
      const created = grace.booking.createMany({
        data: [
          { ...slot, id: 4, clientId: 2 },
          { ...slot, clientId: 2 },
        ],
        ...skipDuplicates,
      });
      if (provider === 'sqlite') await expect(created).rejects.toThrow('skipDuplicates');
      else expect(await created).toEqual({ count: 1 });
    });

    it('of models without a policy go through as they are', async () => {
      db.queries.length = 0;
      await grace.tag.createMany({ data: [{ label: 'a' }] });
      await grace.tag.updateMany({ where: { label: 'a' }, data: { label: 'b' } });
      expect(db.queries.map(({ operation }) => operation)).toEqual(['createMany', 'updateMany']);
    });
  });

  describe('nested writes', () => {
    it.each<[title: string, write: (client: PrismaClient) => Promise<unknown>, path: string]>([
      [
        'create',
        client => client.room.update({ where: { id: 'red' }, data: { bookings: { create: { ...slot, clientId: 1 } } } }),
        'ctx.prisma.room: data.bookings.create',
      ],
      [
        'createMany',
        client => client.room.update({ where: { id: 'red' }, data: { bookings: { createMany: { data: [{ ...slot, clientId: 1 }] } } } }),
        'ctx.prisma.room: data.bookings.createMany',
      ],
      [
        'updateMany',
        client => client.room.update({ where: { id: 'red' }, data: { bookings: { updateMany: { where: {}, data: { price: '0' } } } } }),
        'ctx.prisma.room: data.bookings.updateMany',
      ],
      [
        'deleteMany',
        client => client.room.update({ where: { id: 'red' }, data: { bookings: { deleteMany: {} } } }),
        'ctx.prisma.room: data.bookings.deleteMany',
      ],
      [
        'set',
        client => client.room.update({ where: { id: 'red' }, data: { bookings: { set: [] } } }),
        'ctx.prisma.room: data.bookings.set',
      ],
      [
        'connect of a list',
        client => client.room.update({ where: { id: 'red' }, data: { bookings: { connect: { id: 1 } } } }),
        'ctx.prisma.room: data.bookings.connect',
      ],
      [
        'create of a single row',
        client => client.booking.update({ where: { id: 4 }, data: { client: { update: { name: 'x' } } } }),
        'ctx.prisma.booking: data.client.update',
      ],
      [
        'upsert’s create',
        client =>
          client.room.upsert({
            where: { id: 'red' },
            update: {},
            create: { code: 'x', capacity: 1, bookings: { create: { ...slot, clientId: 1 } } },
          }),
        'ctx.prisma.room: create.bookings.create',
      ],
      [
        'upsert’s update',
        client =>
          client.room.upsert({
            where: { id: 'red' },
            create: { code: 'x', capacity: 1 },
            update: { bookings: { create: { ...slot, clientId: 1 } } },
          }),
        'ctx.prisma.room: update.bookings.create',
      ],
      [
        'one in the create of a connectOrCreate',
        client =>
          client.membership.create({
            data: {
              level: 'x',
              slot: 9,
              client: { connect: { id: 2 } },
              room: {
                connectOrCreate: {
                  where: { code: 'y' },
                  create: { code: 'y', capacity: 1, bookings: { create: { ...slot, clientId: 1 } } },
                },
              },
            },
          }),
        'ctx.prisma.membership: data.room.connectOrCreate.bookings.create',
      ],
      [
        'one behind a model without a policy',
        client =>
          client.membership.create({
            data: {
              level: 'x',
              slot: 9,
              client: { connect: { id: 2 } },
              room: { create: { code: 'y', capacity: 1, bookings: { create: { ...slot, clientId: 1 } } } },
            },
          }),
        'ctx.prisma.membership: data.room.create.bookings.create',
      ],
    ])('of %s into a model with a policy is refused by its path', async (_title, write, path) => {
      db.queries.length = 0;
      await expect(write(grace)).rejects.toThrow(`${path}: models.`);
      expect(db.queries).toEqual([]);
    });

    it.each<[title: string, memberships: (hidden: { clientId: 1; level: 'x'; slot: 9 }) => object]>([
      ['create', row => ({ create: row })],
      ['createMany', row => ({ createMany: { data: [{ ...row, clientId: 3, slot: 8 }, row] } })],
      ['connectOrCreate', row => ({ connectOrCreate: { where: { clientId_roomId: { clientId: 3, roomId: 'blue' } }, create: row } })],
      ['update', ({ clientId }) => ({ update: { where: { roomSlot: { roomId: 'blue', slot: 3 } }, data: { clientId } } })],
      ['updateMany', ({ clientId }) => ({ updateMany: { where: {}, data: { clientId } } })],
      ['upsert’s create', row => ({ upsert: { where: { roomSlot: { roomId: 'blue', slot: 9 } }, create: row, update: {} } })],
      [
        'upsert’s update',
        ({ clientId, ...row }) => ({
          upsert: { where: { roomSlot: { roomId: 'blue', slot: 3 } }, create: { ...row, clientId: 2 }, update: { clientId } },
        }),
      ],
    ])('of %s into a model without a policy cannot refer to a row out of sight', async (_title, memberships) => {
      const before = await db.prisma.membership.findMany();
      const data = { memberships: memberships({ clientId: 1, level: 'x', slot: 9 }) };
      await expect(grace.room.update({ where: { id: 'blue' }, data })).rejects.toMatchObject(noClient);
      expect(await db.prisma.membership.findMany()).toEqual(before);
    });

    it('are found in an object of any class', async () => {
      class Nested {
        create = { ...slot, clientId: 1 };
      }
      const data = { bookings: new Nested() };
      await expect(grace.room.update({ where: { id: 'red' }, data })).rejects.toThrow('ctx.prisma.room: data.bookings.create: models.');
    });

    it('connect to a row in sight, and to no other', async () => {
      expect(
        await grace.booking.create({ data: { ...slot, client: { connect: { id: 2 } }, room: { connect: { code: 'R' } } } }),
      ).toMatchObject({ clientId: 2, roomId: 'red' });
      await expect(grace.booking.create({ data: { ...slot, client: { connect: { id: 1 } } } })).rejects.toMatchObject({ code: 'P2025' });
      expect(await grace.booking.update({ where: { id: 4 }, data: { room: { disconnect: true } } })).toMatchObject({ roomId: null });
    });

    it('connect to a row that meets the conditions of the query too', async () => {
      const connect = (name: string) => grace.booking.create({ data: { ...slot, client: { connect: { id: 2, AND: { name } } } } });
      await expect(connect('Ada')).rejects.toMatchObject({ code: 'P2025' });
      expect(await connect('Grace')).toMatchObject({ clientId: 2 });
    });

    it('connect in an upsert that updates to a row in sight, and to no other', async () => {
      const upsert = (id: number): Promise<unknown> =>
        grace.booking.upsert({
          where: { id: 4 },
          create: { ...slot, client: { connect: { id: 2 } } },
          update: { price: '3', client: { connect: { id } } },
        });
      await expect(upsert(1)).rejects.toMatchObject({ code: 'P2025' });
      expect(await upsert(2)).toMatchObject({ id: 4, clientId: 2 });
    });

    it('of disconnect is refused where another row has the foreign key, because its policy decides', async () => {
      const models = { badge: { where: { text: { not: 'secret' } } } };
      const client = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models })(callOf(2)) as PrismaClient;
      await db.prisma.member.create({ data: { id: 1, nick: 'a', facts: {}, badge: { create: { id: 1, text: 'secret' } } } });
      await expect(client.member.update({ where: { id: 1 }, data: { badge: { disconnect: true } } })).rejects.toThrow(
        'ctx.prisma.member: data.badge.disconnect: models.badge.where cannot reach into a nested write',
      );
      expect(await db.prisma.badge.findUnique({ where: { id: 1 } })).toMatchObject({ memberId: 1 });
    });

    it.each(['connect', 'connectOrCreate'])(
      'of %s are refused where they would take a row from another one, because its policy decides',
      async operation => {
        const models = { badge: { where: { text: { not: 'secret' } } } };
        const client = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models })(callOf(2)) as PrismaClient;
        await db.prisma.member.create({ data: { id: 1, nick: 'a', facts: {}, badge: { create: { id: 1, text: 'secret' } } } });
        const where = { id: 1 };
        const member =
          operation === 'connect' ? { connect: where } : { connectOrCreate: { where, create: { id: 2, nick: 'b', facts: {} } } };
        await expect(client.badge.create({ data: { id: 2, text: 'mine', member } })).rejects.toThrow(
          `ctx.prisma.badge: data.member.${operation}: models.badge.where cannot check the row that would lose it; set memberId itself`,
        );
        expect(await db.prisma.badge.findMany()).toMatchObject([{ id: 1, memberId: 1 }]);
      },
    );

    it('into models without a policy go through', async () => {
      const room = await grace.membership.create({
        data: { level: 'x', slot: 9, client: { connect: { id: 2 } }, room: { create: { code: 'y', capacity: 1 } } },
        include: { room: true },
      });
      expect(room.room.code).toBe('y');
    });
  });

  describe('foreign keys', () => {
    it('are each checked, also where two of them have the same value', async () => {
      await db.prisma.room.create({ data: { id: '2', code: 'S', capacity: 1 } });
      const models = { client: { where: { id: 2 } }, room: { where: { active: false } } };
      const client = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models })(callOf(2)) as PrismaClient;
      await expect(client.booking.create({ data: { ...slot, clientId: 2, roomId: '2' } })).rejects.toMatchObject({
        message: 'data.roomId: the related row does not exist',
      });
      expect(await client.booking.create({ data: { ...slot, clientId: 2, roomId: 'blue' } })).toMatchObject({ roomId: 'blue' });
    });

    it('of two columns are set as a whole by an update: the stored part is not known before it', async () => {
      const models = { seat: { where: { owner: 'grace' } } };
      const client = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models })(callOf(2)) as PrismaClient;
      await db.prisma.seat.createMany({
        data: [
          { row: 1, number: 1, owner: 'grace' },
          { row: 1, number: 2, owner: 'ada' },
        ],
      });
      await client.ticket.create({ data: { id: 1, row: 1, number: 1 } });
      await expect(client.ticket.update({ where: { id: 1 }, data: { number: 2 } })).rejects.toThrow(
        'ctx.prisma.ticket: data: sets a part of the key row, number, so models.seat.where cannot be checked; set all of it',
      );
      await expect(client.ticket.update({ where: { id: 1 }, data: { row: 1, number: 2 } })).rejects.toMatchObject({
        message: 'data.row, number: the related row does not exist',
      });
      expect(await db.prisma.ticket.findMany()).toMatchObject([{ id: 1, row: 1, number: 1 }]);
      expect(await client.ticket.update({ where: { id: 1 }, data: { number: null, row: null } })).toMatchObject({ number: null });
    });
  });

  describe('$transaction', () => {
    it('with a function keeps the scope, and rolls back with it', async () => {
      await expect(
        grace.$transaction(async tx => {
          expect(await tx.booking.count()).toBe(2);
          expect(await tx.booking.findUnique({ where: { id: 1 } })).toBeNull();
          await tx.booking.create({ data: { ...slot, clientId: 2 } });
          expect(await tx.booking.count()).toBe(3);
          await tx.booking.update({ where: { id: 4 }, data: { clientId: 1 } });
        }),
      ).rejects.toMatchObject(noClient);
      expect(await db.prisma.booking.count()).toBe(7);
      const result = await grace.$transaction(async tx => (await tx.booking.create({ data: { ...slot, clientId: 2 } })).id);
      expect(await db.prisma.booking.findUnique({ where: { id: result } })).toMatchObject({ clientId: 2 });
    });

    it('with a function refuses raw SQL too', async () => {
      await expect(grace.$transaction(async tx => tx.$queryRawUnsafe('SELECT 1'))).rejects.toThrow(
        'ctx.prisma.$queryRawUnsafe: cannot be held to row policies',
      );
    });

    it('with a list runs all queries in one transaction, in order', async () => {
      const [created, count] = await grace.$transaction([grace.booking.create({ data: { ...slot, clientId: 2 } }), grace.booking.count()]);
      expect(created.clientId).toBe(2);
      expect(count).toBe(3);
      await expect(
        grace.$transaction([
          grace.booking.create({ data: { ...slot, clientId: 2 } }),
          grace.booking.update({ where: { id: 4 }, data: { clientId: 1 } }),
        ]),
      ).rejects.toMatchObject(noClient);
      expect(await db.prisma.booking.count()).toBe(8);
    });

    it('with a list of anything else is refused', async () => {
      await expect(grace.$transaction([db.prisma.booking.count()])).rejects.toThrow('ctx.prisma.$transaction: takes queries of ctx.prisma');
    });
  });
});
