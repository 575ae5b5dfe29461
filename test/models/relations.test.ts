import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { callOf, seeded, serve, userOf } from './served.ts';

/** Callers see the clients up to their own id, and bookings that are not cancelled. */
const policies = {
  client: { where: (ctx: never) => ({ id: { lte: userOf(ctx)?.clientId ?? 0 } }) },
  booking: { where: { status: { not: 'CANCELLED' } } },
} as const;

describeDatabases('relations', provider => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await seeded(provider);
  });
  afterAll(() => db.close());

  describe('filtered by the caller', () => {
    let served: Served;
    beforeAll(() => {
      served = serve(db, { ...policies, room: {} });
    });
    const find = async (model: string, where: Json, caller = 3): Promise<Json[]> =>
      (await served.run(`${model}_findMany`, { where }, callOf(caller))).rows.map((row: Json) => row.id);

    // Cancelled: 3 (of 1, blue) and 7 (of 3, red).
    it.each<[where: Json, found: number[]]>([
      [{ bookings: { some: {} } }, [1, 2, 3]],
      [{ bookings: { some: { roomId: 'blue' } } }, [2]],
      [{ bookings: { some: { status: 'CANCELLED' } } }, []],
      [{ bookings: { none: { status: 'CANCELLED' } } }, [1, 2, 3]],
      [{ bookings: { none: { roomId: 'red' } } }, [3]],
      // As in SQL, no room is neither red nor another.
      [{ bookings: { every: { roomId: 'red' } } }, [1, 3]],
      [{ bookings: { every: { OR: [{ roomId: 'red' }, { roomId: null }] } } }, [1, 3]],
      [{ bookings: { every: { roomId: null } } }, [3]],
      [{ bookings: { every: {} } }, [1, 2, 3]],
      [{ NOT: { bookings: { some: { roomId: 'blue' } } } }, [1, 3]],
      [{ referrals: { some: {} } }, [1]],
      [{ referredBy: null }, [1, 2]],
      [{ referredBy: { isNot: null } }, [3]],
    ])('clients where %o: rows that a policy hides do not count', async (where, found) => {
      expect(await find('client', where)).toEqual(found);
    });

    it.each<[where: Json, caller: number, found: number[]]>([
      [{ client: { name: 'Grace' } }, 3, [4, 5]],
      [{ client: { name: 'Grace' } }, 1, []],
      [{ client: { is: {} } }, 1, [1, 2]],
      [{ client: { isNot: { name: 'Ada' } } }, 3, [4, 5, 6]],
      [{ client: { isNot: { name: 'Grace' } } }, 1, [1, 2, 4, 5, 6]],
      [{ client: null }, 3, []],
      [{ client: null }, 1, [4, 5, 6]],
      [{ client: { isNot: null } }, 1, [1, 2]],
      [{ room: null }, 3, [2, 6]],
      [{ room: { isNot: null } }, 3, [1, 4, 5]],
      [{ room: { bookings: { some: { status: 'PENDING' } } } }, 3, [5]],
      [{ room: { bookings: { every: { client: { name: 'Ada' } } } } }, 3, []],
      [{ client: { referredBy: { name: 'Ada' } } }, 3, [6]],
    ])('bookings where %o, seen by client %i', async (where, caller, found) => {
      expect(await find('booking', where, caller)).toEqual(found);
    });

    it('counts by the same rules', async () => {
      expect(await served.run('client_count', { where: { bookings: { some: { status: 'CANCELLED' } } } }, callOf(3))).toEqual({ count: 0 });
    });
  });

  describe('included by the host', () => {
    it('gives one row, or null where the policy hides it, even where the relation is required', async () => {
      const served = serve(db, {
        client: { ...policies.client, select: { id: true, name: true } },
        booking: { include: { client: true }, select: { id: true } },
      });
      const { rows } = await served.run('booking_findMany', {}, callOf(2));
      expect(rows.map((row: Json) => row.client?.name ?? null)).toEqual(['Ada', 'Ada', 'Ada', 'Grace', 'Grace', null, null]);
      expect(await served.run('booking_findUnique', { where: { id: 6 } }, callOf(2))).toEqual({ id: 6, client: null });
      expect(await served.run('booking_findUnique', { where: { id: 6 } }, callOf(3))).toEqual({ id: 6, client: { id: 3, name: 'Linus' } });
    });

    it('never asks Prisma for the columns of a hidden row', async () => {
      const served = serve(db, { client: policies.client, booking: { include: { client: true } } });
      db.queries.length = 0;
      await served.run('booking_findUnique', { where: { id: 6 } }, callOf(1));
      expect(db.queries.map(({ model }) => model)).toEqual(['Booking', 'Client']);
      expect(db.queries[0]?.args).not.toHaveProperty('select.client');
      expect(db.queries[1]?.args).toHaveProperty('where', { AND: [{ id: { in: [3] } }, { id: { lte: 1 } }] });
    });

    it('leaves the query whole where no policy is in reach', async () => {
      const served = serve(db, { client: { select: { name: true, id: true } }, booking: { include: { client: true } } });
      db.queries.length = 0;
      await served.run('booking_findUnique', { where: { id: 6 } });
      expect(db.queries).toHaveLength(1);
      expect(db.queries[0]?.args).toHaveProperty('select.client', { select: { id: true, name: true } });
    });

    it('gives lists within the policy, in the related order, and says which was cut', async () => {
      const served = serve(db, {
        client: { select: { id: true }, include: { bookings: { select: { id: true }, take: 2 }, referrals: { select: { id: true } } } },
        booking: { where: policies.booking.where, orderBy: { startsAt: 'desc' } },
      });
      const { rows } = await served.run('client_findMany');
      expect(rows).toEqual([
        { id: 1, bookings: [{ id: 2 }, { id: 1 }], referrals: [{ id: 3 }] },
        { id: 2, bookings: [{ id: 5 }, { id: 4 }], referrals: [] },
        { id: 3, bookings: [{ id: 6 }], referrals: [] },
      ]);
      const narrow = serve(db, { client: { select: { id: true }, include: { bookings: { select: { id: true }, take: 1 } } }, booking: {} });
      expect(await narrow.run('client_findUnique', { where: { id: 1 } })).toEqual({
        id: 1,
        bookings: [{ id: 1 }],
        _truncated: ['bookings'],
      });
    });

    it('takes the host’s own where, order and nested relations, with every policy on the way', async () => {
      const served = serve(db, {
        room: {
          select: { code: true, id: true },
          include: {
            bookings: {
              select: { id: true },
              where: { id: { gt: 1 } },
              orderBy: { id: 'desc' },
              include: { client: { select: { name: true } } },
            },
          },
        },
        ...policies,
      });
      expect(await served.run('room_findUnique', { where: { id: 'red' } }, callOf(1))).toEqual({
        id: 'red',
        code: 'R',
        bookings: [{ id: 4, client: null }],
      });
      expect(await served.run('room_findUnique', { where: { id: 'red' } }, callOf(2))).toMatchObject({
        bookings: [{ client: { name: 'Grace' } }],
      });
    });

    it('reaches a row over several single relations, each within its policy', async () => {
      const served = serve(db, {
        client: { where: (ctx: never) => ({ NOT: { id: userOf(ctx)?.clientId ?? 0 } }), select: { name: true, id: true } },
        booking: { select: { id: true }, include: { client: { include: { referredBy: true } } } },
      });
      const linus = await served.run('booking_findUnique', { where: { id: 6 } }, callOf(2));
      expect(linus.client).toEqual({ id: 3, name: 'Linus', referredBy: { id: 1, name: 'Ada' } });
      expect((await served.run('booking_findUnique', { where: { id: 6 } }, callOf(1))).client).toEqual({
        id: 3,
        name: 'Linus',
        referredBy: null,
      });
      expect((await served.run('booking_findUnique', { where: { id: 6 } }, callOf(3))).client).toBeNull();
    });

    it('counts related rows within the policy', async () => {
      const served = serve(db, {
        client: { select: { id: true }, include: { _count: { select: { bookings: true, tags: true } } } },
        booking: policies.booking,
      });
      expect((await served.run('client_findMany')).rows).toEqual([
        { id: 1, _count: { bookings: 2, tags: 1 } },
        { id: 2, _count: { bookings: 2, tags: 1 } },
        { id: 3, _count: { bookings: 1, tags: 0 } },
      ]);
    });

    it('shows of a model that is not exposed only what its select names', async () => {
      const served = serve(db, { booking: { select: { id: true }, include: { room: { select: { code: true } } } } });
      expect(await served.run('booking_findUnique', { where: { id: 1 } })).toEqual({ id: 1, room: { code: 'R' } });
      expect(await served.fail('booking_findMany', { where: { room: { code: 'R' } } })).toContain(
        'where.room: Booking has no column "room"',
      );
    });

    it('leaves a relation out where a narrower select does not name it', async () => {
      const served = serve(db, { client: policies.client, booking: { include: { client: true } } });
      db.queries.length = 0;
      expect(await served.run('booking_findUnique', { where: { id: 1 }, select: { id: true } }, callOf(1))).toEqual({ id: 1 });
      expect(db.queries).toHaveLength(1);
      const both = await served.run('booking_findUnique', { where: { id: 1 }, select: { id: true, client: true } }, callOf(1));
      expect(Object.keys(both)).toEqual(['id', 'client']);
    });
  });
});
