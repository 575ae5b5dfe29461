import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, describePostgres } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { callOf, seeded, serve, userOf } from './served.ts';

const own = (ctx: never): { clientId: number } => ({ clientId: userOf(ctx)?.clientId ?? 0 });
const bulk = ['createMany', 'updateMany', 'upsert', 'deleteMany'] as const;
const all = ['findMany', 'create', 'update', 'delete', ...bulk] as const;
const booking = { startsAt: '2026-05-01T09:00:00Z', price: '12.50' };

describeDatabases('writing many rows', provider => {
  let db: TestDatabase;
  beforeEach(async () => {
    db = await seeded(provider);
  });
  afterEach(() => db.close());

  const bookings = (): Promise<Json[]> => db.prisma.booking.findMany({ orderBy: { id: 'asc' } });
  const statuses = async (): Promise<string> => (await bookings()).map(({ status }) => status.charAt(0)).join('');

  describe('without a policy', () => {
    let served: Served;
    beforeEach(() => {
      served = serve(db, { booking: { operations: all, maxWrites: 3 }, membership: { operations: all }, auditLog: { operations: all } });
    });

    it('creates rows and returns their keys in their order', async () => {
      const data = [
        { ...booking, clientId: 1 },
        { ...booking, clientId: 2, status: 'CONFIRMED' },
        { ...booking, clientId: 3 },
      ];
      expect(await served.run('booking_createMany', { data: data.slice(0, 1) })).toEqual({ count: 1, keys: [{ id: 8 }] });
      const { keys } = await served.run('booking_createMany', { data });
      expect(keys).toEqual([{ id: 9 }, { id: 10 }, { id: 11 }]);
      expect((await bookings()).slice(8).map(({ clientId }) => clientId)).toEqual([1, 2, 3]);
      const memberships = [{ clientId: 3, roomId: 'red', level: 'x', slot: 7 }];
      expect(await served.run('membership_createMany', { data: memberships })).toEqual({
        count: 1,
        keys: [{ clientId_roomId: { clientId: 3, roomId: 'red' } }],
      });
      expect(await served.run('auditLog_createMany', { data: [{ id: '12', payload: 'AQI=', ratio: 1 }] })).toEqual({
        count: 1,
        keys: [{ id: '12' }],
      });
    });

    it('creates all rows or none', async () => {
      const rows = [
        { clientId: 3, roomId: 'red', level: 'x', slot: 7 },
        { clientId: 1, roomId: 'red', level: 'x', slot: 8 },
      ];
      expect(await served.fail('membership_createMany', { data: rows })).toBe(
        'already exists: there is another Membership with the same clientId, roomId',
      );
      expect(
        await served.fail('booking_createMany', {
          data: [
            { ...booking, clientId: 1 },
            { ...booking, clientId: 99 },
          ],
        }),
      ).toContain('the related row does not exist');
      expect(await db.prisma.membership.count()).toBe(3);
      expect(await db.prisma.booking.count()).toBe(7);
    });

    it('updates and deletes the rows that match, and tells how many', async () => {
      expect(await served.run('booking_updateMany', { where: { status: 'PENDING' }, data: { status: 'CONFIRMED' } })).toEqual({ count: 3 });
      expect(await statuses()).toBe('CCCCCCC');
      expect(await served.run('booking_deleteMany', { where: { id: { in: [2, 3, 99] } } })).toEqual({ count: 2 });
      expect((await bookings()).map(({ id }) => id)).toEqual([1, 4, 5, 6, 7]);
      expect(await served.run('booking_updateMany', { where: { id: 99 }, data: { price: '1' } })).toEqual({ count: 0 });
      expect(await served.run('booking_deleteMany', { where: { id: 99 } })).toEqual({ count: 0 });
    });

    it('finds rows by relation filters as reads do, also where Prisma’s own writes do not', async () => {
      const related = serve(db, { booking: { operations: all }, client: {} });
      const update = (client: object) =>
        related.run('booking_updateMany', { where: { NOT: { client } }, data: { price: { increment: '1' } } });
      expect(await update({ is: { name: 'Ada' } })).toEqual({ count: 4 });
      // Only Ada has a phone: for the others the database says NULL.
      expect(await update({ is: { phone: '1' } })).toEqual({ count: 0 });
      expect((await bookings()).map(({ price }) => String(price))).toEqual(['10.5', '11.5', '12.5', '14.5', '15.5', '16.5', '17.5']);
    });

    it('finds rows for a dry run, and writes none', async () => {
      const before = await bookings();
      const where = { status: 'PENDING' };
      const found = { count: 3, keys: [{ id: 2 }, { id: 5 }, { id: 6 }], dryRun: true };
      expect(await served.run('booking_updateMany', { where, data: { price: '1' }, dryRun: true })).toEqual(found);
      expect(await served.run('booking_deleteMany', { where, dryRun: true })).toEqual(found);
      expect(await served.fail('booking_updateMany', { where, data: { price: 'x' }, dryRun: true })).toContain('data.price: ');
      expect(await served.run('booking_deleteMany', { where: { id: 7 }, dryRun: false })).toEqual({ count: 1 });
      expect(await bookings()).toEqual(before.slice(0, -1));
    });

    it('writes nothing if more rows match than maxWrites, and tells how many do', async () => {
      const before = await bookings();
      const says = (operation: string) =>
        `where: 7 rows match, more than the 3 that one ${operation} writes (models.booking.maxWrites); nothing was changed; narrow it`;
      const where = { id: { gt: 0 } };
      expect(await served.fail('booking_updateMany', { where, data: { price: '1' } })).toBe(says('updateMany'));
      expect(await served.fail('booking_updateMany', { where, data: { price: '1' }, dryRun: true })).toBe(says('updateMany'));
      expect(await served.fail('booking_deleteMany', { where })).toBe(says('deleteMany'));
      expect(await served.fail('booking_createMany', { data: Array.from({ length: 4 }, () => ({ ...booking, clientId: 1 })) })).toBe(
        'data: has 4 rows, more than the 3 that one createMany writes (models.booking.maxWrites); give fewer, in several calls',
      );
      expect(await bookings()).toEqual(before);
    });

    it('upserts', async () => {
      const args = { create: { ...booking, clientId: 1 }, update: { price: '3' } };
      expect(await served.run('booking_upsert', { where: { id: 2 }, ...args })).toMatchObject({ id: 2, price: '3', clientId: 1 });
      expect(await served.run('booking_upsert', { where: { id: 99 }, ...args })).toMatchObject({ id: 8, price: '12.5' });
      const where = { clientId_roomId: { clientId: 3, roomId: 'red' } };
      const create = { clientId: 3, roomId: 'red', level: 'x', slot: 7 };
      expect(await served.run('membership_upsert', { where, create, update: {} })).toMatchObject(create);
      expect(await served.run('membership_upsert', { where, create, update: {} })).toMatchObject(create);
      expect(await served.run('membership_upsert', { where, create, update: { level: 'y' } })).toMatchObject({ ...create, level: 'y' });
      expect(await db.prisma.membership.count()).toBe(4);
    });

    it('upserts once where several calls do it at the same time', async () => {
      const where = { clientId_roomId: { clientId: 3, roomId: 'red' } };
      const args = { where, create: { clientId: 3, roomId: 'red', level: 'x', slot: 7 }, update: { level: 'y' } };
      await Promise.all([served.run('membership_upsert', args), served.run('membership_upsert', args)]);
      expect(await db.prisma.membership.findUnique({ where })).toMatchObject({ level: 'y' });
    });
  });

  it('has no limit with Infinity, and one of 100 by default', async () => {
    const data = Array.from({ length: 1200 }, () => ({ ...booking, clientId: 1 }));
    const unlimited = serve(db, { booking: { operations: all, maxWrites: Number.POSITIVE_INFINITY, where: { clientId: { gt: 0 } } } });
    const { count, keys, truncated } = await unlimited.run('booking_createMany', { data });
    expect([count, keys.length, truncated]).toEqual([1200, 100, true]);
    expect(await unlimited.run('booking_createMany', { data: data.slice(0, 100) })).not.toHaveProperty('truncated');
    const where = { clientId: 1 };
    expect(await unlimited.run('booking_updateMany', { where, data: { status: 'CONFIRMED', price: '5' } })).toEqual({ count: 1303 });
    const limited = serve(db, { booking: { operations: all } });
    expect(await limited.fail('booking_deleteMany', { where })).toContain('where: 1303 rows match, more than the 100 that');
    expect(await unlimited.run('booking_deleteMany', { where })).toEqual({ count: 1303 });
    expect(await db.prisma.booking.count()).toBe(4);
  });

  describe('under a row policy', () => {
    let served: Served;
    beforeEach(() => {
      served = serve(db, {
        booking: { operations: all, where: (ctx: never) => ({ ...own(ctx), status: { not: 'CANCELLED' } }) },
        membership: { operations: all, where: own },
        client: { where: (ctx: never) => ({ id: own(ctx).clientId }) },
      });
    });

    it('writes rows in sight only, and does not count others', async () => {
      const where = { id: { gt: 0 } };
      expect(await served.run('booking_deleteMany', { where, dryRun: true }, callOf(2))).toMatchObject({
        count: 2,
        keys: [{ id: 4 }, { id: 5 }],
      });
      expect(await served.run('booking_updateMany', { where, data: { internalNote: 'mine' } }, callOf(2))).toEqual({ count: 2 });
      expect(await served.run('booking_deleteMany', { where: { OR: [{ id: 1 }, { id: 4 }] } }, callOf(2))).toEqual({ count: 1 });
      expect((await bookings()).map(({ id, internalNote }) => [id, internalNote])).toEqual([
        [1, 'window'],
        [2, null],
        [3, 'late'],
        [5, 'mine'],
        [6, 'window'],
        [7, null],
      ]);
    });

    it('counts rows in sight only against maxWrites', async () => {
      const few = serve(db, { booking: { operations: all, where: own, maxWrites: 1 } });
      expect(await few.fail('booking_deleteMany', { where: { id: { gt: 0 } } }, callOf(2))).toContain('where: 2 rows match');
    });

    it('rolls all rows back if one would leave the policy', async () => {
      const before = await bookings();
      const says = (operation: string) => `not allowed: this ${operation} would leave a Booking that you may not have; nothing was changed`;
      expect(await served.fail('booking_updateMany', { where: { id: { gt: 0 } }, data: { status: 'CANCELLED' } }, callOf(2))).toBe(
        says('updateMany'),
      );
      const mine = { ...booking, clientId: 2 };
      expect(await served.fail('booking_createMany', { data: [mine, { ...mine, status: 'CANCELLED' }] }, callOf(2))).toBe(
        says('createMany'),
      );
      const args = { where: { id: 4 }, create: mine, update: { status: 'CANCELLED' } };
      expect(await served.fail('booking_upsert', args, callOf(2))).toBe(says('update'));
      expect(await bookings()).toEqual(before);
    });

    it('answers an upsert of a row out of sight like a create with its key', async () => {
      const where = { clientId_roomId: { clientId: 1, roomId: 'red' } };
      const unrelated = serve(db, { membership: { operations: all, where: { clientId: 2 } } });
      const create = { clientId: 1, roomId: 'red', level: 'x', slot: 7 };
      const taken = 'already exists: there is another Membership with the same clientId, roomId';
      expect(await unrelated.fail('membership_create', { data: create })).toBe(taken);
      expect(await unrelated.fail('membership_upsert', { where, create, update: { level: 'x' } })).toBe(taken);
      expect(await db.prisma.membership.findUnique({ where })).toMatchObject({ level: 'full', slot: 1 });
    });

    it('checks the foreign keys of every row', async () => {
      const before = await bookings();
      const hidden = 'data.clientId: the related row does not exist';
      for (const clientId of [1, 99]) {
        const data = [
          { ...booking, clientId: 2 },
          { ...booking, clientId },
        ];
        expect(await served.fail('booking_createMany', { data }, callOf(2))).toBe(hidden);
        expect(await served.fail('booking_updateMany', { where: { id: 4 }, data: { clientId } }, callOf(2))).toBe(hidden);
        const upsert = { where: { id: 99 }, create: { ...booking, clientId }, update: {} };
        expect(await served.fail('booking_upsert', upsert, callOf(2))).toBe(hidden);
      }
      expect(await bookings()).toEqual(before);
    });

    it('checks foreign keys of two columns with the stored column of each row', async () => {
      await db.prisma.seat.createMany({
        data: [
          { row: 1, number: 1, owner: '1' },
          { row: 1, number: 2, owner: '1' },
          { row: 2, number: 1, owner: '1' },
          { row: 2, number: 2, owner: '2' },
        ],
      });
      const seats = serve(db, { seat: { where: (ctx: never) => ({ owner: `${own(ctx).clientId}` }) }, ticket: { operations: all } });
      const data = [
        { id: 1, row: 1, number: 1 },
        { id: 2, row: 2, number: 1 },
      ];
      await seats.run('ticket_createMany', { data }, callOf(1));
      const change = { where: { id: { gt: 0 } }, data: { number: 2 } };
      expect(await seats.fail('ticket_updateMany', change, callOf(1))).toBe('data.row, number: the related row does not exist');
      expect(await seats.run('ticket_updateMany', { ...change, where: { row: 1 } }, callOf(1))).toEqual({ count: 1 });
      expect(await db.prisma.ticket.findMany({ orderBy: { id: 'asc' } })).toMatchObject([{ number: 2 }, { number: 1 }]);
    });

    it('finds a row again whose key the app changes', async () => {
      await db.prisma.room.create({ data: { id: 'green', code: 'G', capacity: 1 } });
      const moving = serve(db, { membership: { operations: all, where: own, data: { roomId: 'green' } } });
      const change = { where: { slot: { in: [1, 2] } }, data: { level: 'x' } };
      expect(await moving.run('membership_updateMany', change, callOf(2))).toEqual({ count: 1 });
      expect(await db.prisma.membership.findMany({ where: { roomId: 'green' } })).toMatchObject([{ clientId: 2, slot: 2 }]);
      const counting = serve(db, { membership: { operations: all, data: { clientId: { increment: 1 } } } });
      expect(await counting.fail('membership_updateMany', change)).toBe('data.clientId: is a part of the key; set it to a value');
    });

    it('does not filter by rows of a related model that are out of sight', async () => {
      const where = { client: { is: { name: 'Ada' } } };
      const related = serve(db, {
        booking: { operations: all },
        client: { where: (ctx: never) => ({ id: own(ctx).clientId }) },
      });
      expect(await related.run('booking_deleteMany', { where }, callOf(2))).toEqual({ count: 0 });
      expect(await related.run('booking_updateMany', { where: { NOT: where }, data: { price: '1' } }, callOf(2))).toEqual({ count: 7 });
    });

    it('asks the policy and the forced data for the operations of single rows', async () => {
      const seen: string[] = [];
      const asked = serve(db, {
        booking: {
          operations: all,
          where: (_: never, operation: string) => {
            seen.push(`where ${operation}`);
            return {};
          },
          data: (_: never, operation: string) => {
            seen.push(`data ${operation}`);
            return { clientId: 3 };
          },
        },
      });
      const told = async (tool: string, args: object) => {
        seen.length = 0;
        await asked.run(tool, args);
        return seen.join();
      };
      expect(await told('booking_createMany', { data: [booking, booking] })).toBe('data create,where create');
      expect(await told('booking_updateMany', { where: { id: { in: [1, 4] } }, data: { price: '1' } })).toBe('data update,where update');
      expect(await told('booking_updateMany', { where: { id: 7 }, data: { price: '1' }, dryRun: true })).toBe('data update,where update');
      expect(await told('booking_deleteMany', { where: { id: 7 }, dryRun: true })).toBe('where delete');
      expect(await told('booking_deleteMany', { where: { id: 7 } })).toBe('where delete');
      expect(await told('booking_upsert', { where: { id: 2 }, create: booking, update: {} })).toBe(
        'data create,data update,where create,where update',
      );
      expect((await bookings()).map(({ clientId }) => clientId)).toEqual([3, 3, 1, 3, 2, 3, 3, 3]);
    });
  });

  it('refuses arithmetic that leaves the range of a column, in any of the rows', async () => {
    const served = serve(db, { membership: { operations: all } });
    await db.prisma.membership.update({ where: { clientId_roomId: { clientId: 2, roomId: 'blue' } }, data: { slot: 2 ** 31 - 1 } });
    expect(await served.fail('membership_updateMany', { where: { clientId: 2 }, data: { slot: { increment: 100 } } })).toMatch(
      /out of the range of/,
    );
    expect((await db.prisma.membership.findMany({ orderBy: { slot: 'asc' } })).map(({ slot }) => slot)).toEqual([1, 2, 2 ** 31 - 1]);
  });
});

describePostgres('a write of many rows, while somebody else changes one of them', () => {
  it.each<[tool: string, args: object]>([
    ['booking_deleteMany', {}],
    ['booking_updateMany', { data: { price: '1' } }],
  ])('%s writes nothing if the row no longer meets where', async (tool, args) => {
    await using db = await seeded('postgresql');
    const other = await db.connect();
    const prisma = db.prisma.$extends({
      query: {
        booking: {
          findMany: async ({ args: found, query }) => {
            const rows = await query(found);
            await other.booking.update({ where: { id: 2 }, data: { status: 'CONFIRMED' } });
            return rows;
          },
        },
      },
    });
    const served = serve({ ...db, prisma: prisma as never }, { booking: { operations: all } });
    expect(await served.fail(tool, { where: { status: 'PENDING' }, ...args })).toContain('conflict: somebody else has just changed');
    const left = await other.booking.findMany({ where: { id: { in: [2, 5, 6] } }, orderBy: { id: 'asc' } });
    expect(left.map(({ price }) => String(price))).toEqual(['11.5', '14.5', '15.5']);
  });
});

it('a deletion of many rows is done also where the database deletes one of them with another', async () => {
  await using db = await seeded('sqlite');
  await db.prisma
    .$executeRaw`CREATE TRIGGER together AFTER DELETE ON "Booking" WHEN OLD.id = 1 BEGIN DELETE FROM "Booking" WHERE id = 2; END`;
  const served = serve(db, { booking: { operations: all } });
  expect(await served.run('booking_deleteMany', { where: { id: { in: [1, 2] } } })).toEqual({ count: 2 });
  expect(await db.prisma.booking.count()).toBe(5);
  await db.prisma.$executeRaw`DROP TRIGGER together`;
});

describeDatabases('a write of many rows that must be refused', provider => {
  let served: Served;
  let queries: readonly unknown[];
  let shared: TestDatabase;
  beforeAll(async () => {
    shared = await seeded(provider);
    queries = shared.queries;
    served = serve(shared, { booking: { operations: all }, membership: { operations: all }, auditLog: { operations: all } });
  });
  afterAll(() => shared.close());

  it.each<[tool: string, args: Json, message: string]>([
    ...[
      {},
      { AND: [] },
      { NOT: [] },
      { OR: [{ id: 1 }, {}] },
      { id: { notIn: [] } },
      { NOT: { id: { in: [] } } },
      { NOT: [{ OR: [] }] },
    ].map((where): [string, Json, string] => ['booking_deleteMany', { where }, 'where: every row meets it; name the rows to write']),
    ['auditLog_deleteMany', { where: { AND: [{ OR: [{ id: { not: { in: [] } } }] }] } }, 'where: every row meets it'],
    ['membership_updateMany', { where: { level: { contains: '' } }, data: { level: 'x' } }, 'where: every row meets it'],
    ['booking_updateMany', { where: {}, data: { price: '1' }, dryRun: true }, 'where: every row meets it'],
    ['booking_updateMany', { data: { price: '1' } }, 'where: expected an object, got nothing'],
    ['booking_updateMany', { where: { id: 1 }, data: {} }, 'data: name at least one of clientId, roomId,'],
    ['booking_updateMany', { where: { id: 1 }, data: { id: 2 } }, 'data.id: Booking has no column "id" to write'],
    ['booking_updateMany', { where: { id: 1 }, data: { price: '1' }, dryRun: 1 }, 'dryRun: expected true or false, got a number'],
    ['booking_deleteMany', { where: { id: 1 }, take: 1 }, 'take: unknown argument (where, dryRun)'],
    ['booking_createMany', { data: { ...booking, clientId: 1 } }, 'data: expected an array of rows, got an object'],
    ['booking_createMany', { data: [] }, 'data: has no rows; give at least one'],
    ['booking_createMany', { data: [{ ...booking, clientId: 1 }, booking] }, 'data[1].clientId: is required'],
    ['booking_createMany', { data: [{ ...booking, clientId: 1 }], skipDuplicates: true }, 'skipDuplicates: unknown argument (data)'],
    ['booking_upsert', { where: { id: 1 }, create: booking, update: {} }, 'create.clientId: is required'],
    ['booking_upsert', { where: { id: 1 }, create: { ...booking, clientId: 1 }, update: { id: 3 } }, 'update.id: Booking has no column'],
    ['booking_upsert', { where: { id: 1 }, create: { ...booking, clientId: 1 } }, 'update: expected an object, got nothing'],
    ['booking_upsert', { where: {}, create: { ...booking, clientId: 1 }, update: {} }, 'where: name the row by id'],
  ])('%s refuses %o and changes nothing', async (tool, args, message) => {
    expect(await served.fail(tool, args)).toContain(message);
    expect(queries).toEqual([]);
  });
});

describe('the declaration of bulk writes', () => {
  const { compile } = { compile: (models: Record<string, object>) => serve(fake, models) };
  const fake = { prisma: { booking: { findMany: () => [] } } } as unknown as TestDatabase;

  it.each<[object, string]>([
    [{ maxWrites: 0 }, 'models.booking.maxWrites: expected a whole number of rows, 1 or more, got 0'],
    [{ maxWrites: undefined }, 'models.booking.maxWrites: is undefined; leave the key out'],
    [{ confirm: undefined }, 'models.booking.confirm: is undefined; leave the key out'],
    [{ confirm: ['delete'] }, 'models.booking.confirm: there is no `delete` to confirm; operations has no write'],
    [
      { operations: ['delete', 'deleteMany'], confirm: ['deleteAll'] },
      'models.booking.confirm: there is no `deleteAll` to confirm; the writes in operations are delete, deleteMany',
    ],
    [{ operations: ['createMany'], omit: { price: true } }, 'models.booking: createMany needs price, which is hidden'],
    [{ operations: ['upsert'], omit: { price: true } }, 'models.booking: upsert needs price, which is hidden'],
    [{ operations: ['upsert'], omit: { id: true }, select: undefined }, 'models.booking.select: is undefined'],
  ])('refuses %o', async (declared, message) => {
    const { datamodel } = await import('../../generated/test/sqlite/mcp/datamodel.ts');
    Object.assign(fake, { datamodel });
    expect(() => compile({ booking: declared })).toThrow(message);
  });
});
