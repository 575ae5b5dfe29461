import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { callOf, seeded, serve, userOf } from './served.ts';

const own = (ctx: never): { clientId: number } => ({ clientId: userOf(ctx)?.clientId ?? 0 });
const all = ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'] as const;
const booking = { startsAt: '2026-05-01T09:00:00Z', price: '12.50' };

describeDatabases('writing', provider => {
  let db: TestDatabase;
  beforeEach(async () => {
    db = await seeded(provider);
  });
  afterEach(() => db.close());

  describe('without a policy', () => {
    let served: Served;
    beforeEach(() => {
      served = serve(db, {
        booking: { operations: all, include: { client: { select: { name: true } } } },
        membership: { operations: all },
        auditLog: { operations: all },
      });
    });

    it('creates a row and returns it whole', async () => {
      const row = await served.run('booking_create', { data: { ...booking, clientId: 1, meta: { a: [1] } } });
      expect(row).toEqual({
        id: 8,
        clientId: 1,
        roomId: null,
        startsAt: '2026-05-01T09:00:00.000Z',
        status: 'PENDING',
        price: '12.5',
        meta: { a: [1] },
        internalNote: null,
        client: { name: 'Ada' },
      });
      expect(await served.run('booking_findUnique', { where: { id: 8 } })).toEqual(row);
    });

    it.each([
      [2 ** 53, 'integer that SQLite stores and cannot read'],
      [-(2 ** 53), 'integer that SQLite stores and cannot read'],
      [2 ** 53 - 1, 'integer'],
      [1e300, 'number'],
      [1.5, 'number'],
    ])('leaves no Json behind that cannot be read: %j, an %s', async (meta, kind) => {
      const many = serve(db, { booking: { operations: ['findMany', 'create', 'createMany', 'update', 'updateMany'] } });
      const data = { ...booking, clientId: 1, meta };
      const writes: [string, object][] = [
        ['create', { data }],
        ['createMany', { data: [data, data] }],
        ['update', { where: { id: 1 }, data: { meta } }],
        ['updateMany', { where: { id: { in: [1, 2] } }, data: { meta } }],
      ];
      const isStored = provider === 'postgresql' || !kind.includes('SQLite');
      for (const [operation, args] of writes) {
        if (isStored) await many.run(`booking_${operation}`, args);
        else expect(await many.fail(`booking_${operation}`, args)).toContain('nothing was changed');
      }
      const { rows } = await many.run('booking_findMany');
      expect(rows.filter((row: Json) => row.meta === meta).length).toBe(isStored ? 5 : 0);
    });

    it('updates only what is named, and returns the row as it is now', async () => {
      expect(await served.run('booking_update', { where: { id: 1 }, data: { status: 'CANCELLED', roomId: null } })).toMatchObject({
        id: 1,
        status: 'CANCELLED',
        roomId: null,
        internalNote: 'window',
        client: { name: 'Ada' },
      });
    });

    it('deletes a row and returns what it was, without its relations', async () => {
      const row = await served.run('booking_delete', { where: { id: 7 } });
      expect(row).toMatchObject({ id: 7, status: 'CANCELLED' });
      expect(row).not.toHaveProperty('client');
      expect(await db.prisma.booking.count()).toBe(6);
    });

    it('writes by compound keys, BigInt and Bytes', async () => {
      const where = { clientId_roomId: { clientId: 2, roomId: 'blue' } };
      expect(await served.run('membership_update', { where, data: { level: 'guest' } })).toMatchObject({ level: 'guest', slot: 3 });
      expect(await served.run('membership_delete', { where })).toMatchObject({ clientId: 2, roomId: 'blue' });
      expect(await served.run('auditLog_create', { data: { id: '12', payload: 'AQI=', ratio: 1.25 } })).toEqual({
        id: '12',
        payload: 'AQI=',
        ratio: 1.25,
        actor: null,
      });
    });

    it('is one query of Prisma, for there is nothing to check', async () => {
      await served.run('booking_create', { data: { ...booking, clientId: 1 } });
      await served.run('booking_update', { where: { id: 1 }, data: { price: '1' } });
      expect(db.queries.map(({ operation }) => operation)).toEqual(['create', 'update']);
    });

    it.each<[tool: string, args: Json, message: string]>([
      ['booking_create', {}, 'data: expected an object, got nothing'],
      ['booking_create', { data: {} }, 'data: clientId, startsAt, price are required'],
      [
        'booking_create',
        { data: { ...booking, clientId: 1, id: 5 } },
        'data.id: Booking has no column "id" to write (clientId, roomId, startsAt, status, price, meta, internalNote)',
      ],
      ['booking_create', { data: { ...booking, clientId: 1, nope: 5 } }, 'data.nope: Booking has no column "nope" to write'],
      [
        'booking_create',
        { data: { ...booking, client: { create: { email: 'x' } } } },
        'data.client: Booking has no column "client" to write',
      ],
      ['booking_create', { data: { ...booking, clientId: { increment: 1 } } }, 'data.clientId: expected an integer, got an object'],
      ['booking_create', { data: { ...booking, clientId: 1, price: null } }, 'data.price: must not be null'],
      ['booking_create', { data: { ...booking, clientId: 1, status: 'DONE' } }, 'data.status: not one of PENDING, CONFIRMED, CANCELLED'],
      ['booking_create', { data: { ...booking, clientId: 1, startsAt: 'tomorrow' } }, 'data.startsAt: not an ISO 8601 date-time'],
      ['booking_create', { data: { ...booking, clientId: 1 }, select: { id: true } }, 'select: unknown argument (data)'],
      ['booking_update', { where: { id: 1 }, data: {} }, 'data: name at least one of clientId, roomId,'],
      ['booking_update', { where: { id: 1 }, data: { id: 2 } }, 'data.id: Booking has no column "id" to write'],
      ['booking_update', { where: {}, data: { price: '1' } }, 'where: name the row by id'],
      ['booking_update', { where: { status: 'PENDING' }, data: { price: '1' } }, 'where.status: Booking has no unique key "status" (id)'],
      ['booking_update', { data: { price: '1' } }, 'where: expected an object, got nothing'],
      ['booking_delete', {}, 'where: expected an object, got nothing'],
      ['booking_delete', { where: { id: { gt: 0 } } }, 'where.id: expected the value itself, got an object'],
      [
        'membership_update',
        { where: { clientId_roomId: { clientId: 1 } }, data: { slot: 9 } },
        'where.clientId_roomId.roomId: is required',
      ],
      [
        'membership_update',
        { where: { clientId_roomId: { clientId: 1, roomId: 'red', slot: 1 } }, data: { slot: 9 } },
        'where.clientId_roomId.slot: not a part of the key (clientId, roomId)',
      ],
    ])('%s refuses %o and changes nothing', async (tool, args, message) => {
      expect(await served.fail(tool, args)).toContain(message);
      expect(db.queries).toEqual([]);
    });
  });

  describe('under a row policy', () => {
    let served: Served;
    beforeEach(() => {
      served = serve(db, { booking: { operations: all, where: own }, client: { where: (ctx: never) => ({ id: own(ctx).clientId }) } });
    });

    it('lets a caller create what the policy covers, and rolls back what it does not', async () => {
      expect(await served.run('booking_create', { data: { ...booking, clientId: 1 } }, callOf(1))).toMatchObject({ clientId: 1 });
      const unrelated = serve(db, { booking: { operations: all, where: own } });
      expect(await unrelated.fail('booking_create', { data: { ...booking, clientId: 2 } }, callOf(1))).toBe(
        'not allowed: this create would leave a Booking that you may not have; nothing was changed',
      );
      expect(await db.prisma.booking.count()).toBe(8);
    });

    it('keeps a caller from handing a row to somebody else', async () => {
      const unrelated = serve(db, { booking: { operations: all, where: own } });
      expect(await unrelated.fail('booking_update', { where: { id: 1 }, data: { clientId: 2, price: '99' } }, callOf(1))).toContain(
        'not allowed: this update would leave',
      );
      expect(await db.prisma.booking.findUnique({ where: { id: 1 } })).toMatchObject({ clientId: 1, internalNote: 'window' });
    });

    it('answers a write to a row out of sight like one to a missing row', async () => {
      for (const id of [4, 99]) {
        expect(await served.fail('booking_update', { where: { id }, data: { price: '1' } }, callOf(1))).toBe(
          'not found: no Booking matches where',
        );
        expect(await served.fail('booking_delete', { where: { id } }, callOf(1))).toBe('not found: no Booking matches where');
      }
      expect(await db.prisma.booking.findUnique({ where: { id: 4 } })).toMatchObject({ clientId: 2 });
    });

    it('lets the policy look at relations of the row a write leaves behind', async () => {
      const active = serve(db, { booking: { operations: all, where: { room: { is: { active: true } } } } });
      expect(await active.run('booking_update', { where: { id: 1 }, data: { price: '3' } })).toMatchObject({ price: '3' });
      expect(await active.fail('booking_update', { where: { id: 1 }, data: { roomId: 'blue' } })).toContain('not allowed');
      expect(await active.fail('booking_create', { data: { ...booking, clientId: 1, roomId: 'blue' } })).toContain('not allowed');
      expect(await active.run('booking_create', { data: { ...booking, clientId: 1, roomId: 'red' } })).toMatchObject({ roomId: 'red' });
    });

    it('asks the policy for the operation at hand', async () => {
      const byOperation = serve(db, {
        booking: { operations: all, where: (_ctx: never, operation: string) => (operation === 'delete' ? { id: 7 } : {}) },
      });
      expect(await byOperation.fail('booking_delete', { where: { id: 1 } })).toContain('not found');
      expect(await byOperation.run('booking_delete', { where: { id: 7 } })).toMatchObject({ id: 7 });
      expect(await byOperation.run('booking_update', { where: { id: 1 }, data: { price: '1' } })).toMatchObject({ price: '1' });
    });
  });

  describe('foreign keys', () => {
    let served: Served;
    beforeEach(() => {
      served = serve(db, {
        booking: { operations: all },
        client: { where: (ctx: never) => ({ id: own(ctx).clientId }) },
        membership: { operations: all },
        room: { where: { active: true } },
      });
    });

    it('to a row out of sight are answered like those to a missing row', async () => {
      for (const clientId of [2, 99]) {
        expect(await served.fail('booking_create', { data: { ...booking, clientId } }, callOf(1))).toBe(
          'data.clientId: the related row does not exist',
        );
        expect(await served.fail('booking_update', { where: { id: 1 }, data: { clientId } }, callOf(1))).toBe(
          'data.clientId: the related row does not exist',
        );
      }
      for (const roomId of ['blue', 'green']) {
        expect(await served.fail('booking_update', { where: { id: 1 }, data: { roomId } }, callOf(1))).toBe(
          'data.roomId: the related row does not exist',
        );
      }
      expect(await db.prisma.booking.count()).toBe(7);
    });

    it('to a row in sight are written, and so is null', async () => {
      expect(await served.run('booking_create', { data: { ...booking, clientId: 1, roomId: 'red' } }, callOf(1))).toMatchObject({
        roomId: 'red',
      });
      expect(await served.run('booking_update', { where: { id: 1 }, data: { roomId: null } }, callOf(1))).toMatchObject({ roomId: null });
    });

    it('are not looked up where the caller did not set them', async () => {
      expect(await served.run('booking_update', { where: { id: 4 }, data: { price: '1' } }, callOf(1))).toMatchObject({
        clientId: 2,
        price: '1',
      });
      const forced = serve(db, { booking: { operations: all, data: { clientId: 2 } }, client: { where: { id: 1 } } });
      expect(await forced.run('booking_create', { data: booking })).toMatchObject({ clientId: 2 });
      const overruled = serve(db, { booking: { operations: all, data: () => ({ clientId: 2 }) }, client: { where: { id: 1 } } });
      expect(await overruled.run('booking_create', { data: { ...booking, clientId: 1 } })).toMatchObject({ clientId: 2 });
    });

    it('of two columns are checked whole, with the stored column where the caller sets one of them', async () => {
      await db.prisma.seat.createMany({
        data: [
          { row: 1, number: 1, owner: '1' },
          { row: 1, number: 2, owner: '2' },
          { row: 1, number: 3, owner: '1' },
          { row: 2, number: 2, owner: '1' },
        ],
      });
      const { run, fail } = serve(db, {
        seat: { where: (ctx: never) => ({ owner: `${own(ctx).clientId}` }) },
        ticket: { operations: all },
      });
      const refused = 'the related row does not exist';
      for (const number of [2, 9])
        expect(await fail('ticket_create', { data: { id: 1, row: 1, number } }, callOf(1))).toBe(`data.row, number: ${refused}`);
      expect(await run('ticket_create', { data: { id: 1, row: 1, number: 1 } }, callOf(1))).toMatchObject({ row: 1, number: 1 });
      const update = { where: { id: 1 } };
      for (const number of [2, 9])
        expect(await fail('ticket_update', { ...update, data: { number } }, callOf(1))).toBe(`data.row, number: ${refused}`);
      expect(await run('ticket_update', { ...update, data: { number: 3 } }, callOf(1))).toMatchObject({ row: 1, number: 3 });
      expect(await fail('ticket_update', { ...update, data: { row: 2 } }, callOf(1))).toBe(`data.row, number: ${refused}`);
      expect(await run('ticket_update', { ...update, data: { row: 2, number: 2 } }, callOf(1))).toMatchObject({ row: 2, number: 2 });
      expect(await run('ticket_update', { ...update, data: { number: null } }, callOf(1))).toMatchObject({ row: 2, number: null });
    });
  });

  describe('forced data', () => {
    it('is merged last on create and update, and the caller cannot name it', async () => {
      const served = serve(db, { booking: { operations: all, data: { clientId: 2, status: 'CONFIRMED' } } });
      expect(await served.run('booking_create', { data: booking })).toMatchObject({ clientId: 2, status: 'CONFIRMED' });
      expect(await served.run('booking_update', { where: { id: 2 }, data: { price: '1' } })).toMatchObject({
        clientId: 2,
        status: 'CONFIRMED',
      });
      expect(await served.fail('booking_create', { data: { ...booking, clientId: 1 } })).toContain(
        'data.clientId: Booking has no column "clientId" to write',
      );
    });

    it('from a function wins over the caller’s, and gets context and operation', async () => {
      const seen: string[] = [];
      const data = async (ctx: never, operation: string) => {
        seen.push(operation);
        return own(ctx);
      };
      const served = serve(db, { booking: { operations: all, data } });
      expect(await served.run('booking_create', { data: { ...booking, clientId: 1 } }, callOf(3))).toMatchObject({ clientId: 3 });
      expect(await served.run('booking_update', { where: { id: 1 }, data: { price: '1' } }, callOf(2))).toMatchObject({ clientId: 2 });
      expect(seen).toEqual(['create', 'update']);
    });

    it.each<[value: unknown, message: string]>([
      [{ clientId: undefined }, "models.booking.data.clientId: is undefined, so the caller's value would stand"],
      [undefined, 'models.booking.data: expected an object of column values'],
      [{ client: { connect: { id: 1 } } }, 'models.booking.data.client: is no column of Booking; set clientId'],
      [{ nope: 1 }, 'models.booking.data.nope: Booking has no field'],
    ])('of %o from a function fails closed, towards the app', async (value, message) => {
      const { tools } = serve(db, { booking: { operations: ['create'], data: () => value } });
      await expect(tools[0]?.call({ data: { ...booking, clientId: 1 } }, callOf())).rejects.toThrow(message);
      expect(await db.prisma.booking.count()).toBe(7);
    });

    it('that lacks a hidden required column is the app’s error, and says nothing to the caller', async () => {
      const { tools } = serve(db, { client: { operations: ['create'], data: () => ({}) } });
      const called = Promise.resolve(tools[0]?.call({ data: { email: 'x', name: 'X' } }, callOf()));
      const error = (await called.catch((reason: unknown) => reason)) as Error;
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toBe('models.client.data: returned no passwordHash for create, which Client needs and callers cannot set');
    });
  });
});
