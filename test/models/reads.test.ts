import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { callOf, seeded, serve, userOf } from './served.ts';

describeDatabases('reading', provider => {
  let db: TestDatabase;
  let open: Served;
  let scoped: Served;

  beforeAll(async () => {
    db = await seeded(provider);
    open = serve(db, { client: {}, booking: { orderBy: { startsAt: 'asc' } }, auditLog: {}, membership: {}, room: { take: 1 } });
    scoped = serve(db, { booking: { where: (ctx: never) => ({ clientId: userOf(ctx)?.clientId ?? -1 }) } });
  });
  afterAll(() => db.close());

  const ids = (page: Json): number[] => page.rows.map((row: Json) => row.id);

  describe('findUnique', () => {
    it('gives the row with every visible column as JSON', async () => {
      expect(await open.run('booking_findUnique', { where: { id: 1 } })).toEqual({
        id: 1,
        clientId: 1,
        roomId: 'red',
        startsAt: '2026-03-01T09:00:00.000Z',
        status: 'CONFIRMED',
        price: '10.5',
        meta: { index: 0 },
        internalNote: 'window',
      });
    });

    it('asks Prisma for nothing but the visible columns', async () => {
      db.queries.length = 0;
      await open.run('client_findUnique', { where: { id: 1 } });
      expect(db.queries).toEqual([
        {
          model: 'Client',
          operation: 'findUnique',
          args: {
            where: { id: 1 },
            select: { id: true, email: true, name: true, phone: true, joinedAt: true, notes: true, referredById: true, updatedAt: true },
          },
        },
      ]);
    });

    it('takes any visible unique key, compound ones included', async () => {
      expect(await open.run('client_findUnique', { where: { email: 'grace@example.com' } })).toMatchObject({ id: 2 });
      const row = { clientId: 2, roomId: 'red', level: 'full', slot: 2, expiresAt: null };
      expect(await open.run('membership_findUnique', { where: { clientId_roomId: { clientId: 2, roomId: 'red' } } })).toEqual(row);
      expect(await open.run('membership_findUnique', { where: { roomSlot: { roomId: 'red', slot: 2 } } })).toEqual(row);
      expect(await open.run('membership_findUnique', { where: { level_slot: { level: 'full', slot: 2 } } })).toEqual(row);
    });

    it('carries BigInt, Bytes and Float', async () => {
      expect(await open.run('auditLog_findUnique', { where: { id: '9007199254740991' } })).toEqual({
        id: '9007199254740991',
        payload: 'AP8K',
        ratio: 0.1,
        actor: 'ada',
      });
    });

    it('gives only what a narrower select names', async () => {
      expect(await open.run('client_findUnique', { where: { id: 1 }, select: { name: true, email: false } })).toEqual({ name: 'Ada' });
    });

    it('answers a missing row and one out of sight alike', async () => {
      const message = 'not found: no Booking matches where';
      expect(await scoped.fail('booking_findUnique', { where: { id: 99 } }, callOf(1))).toBe(message);
      expect(await scoped.fail('booking_findUnique', { where: { id: 4 } }, callOf(1))).toBe(message);
      expect(await scoped.fail('booking_findUnique', { where: { id: 1 } })).toBe(message);
      expect(await scoped.run('booking_findUnique', { where: { id: 4 } }, callOf(2))).toMatchObject({ id: 4 });
    });

    it.each<[args: Json, message: string]>([
      [{}, 'where: expected an object, got nothing'],
      [{ where: {} }, 'where: name the row by exactly one of id, email'],
      [{ where: { id: 1, email: 'a' } }, 'where: name the row by exactly one of id, email'],
      [{ where: { name: 'Ada' } }, 'where.name: Client has no unique key "name" (id, email)'],
      [{ where: { passwordHash: 'x' } }, 'where.passwordHash: Client has no unique key "passwordHash" (id, email)'],
      [{ where: { AND: [] } }, 'where.AND: Client has no unique key "AND" (id, email)'],
      [{ where: { id: '1' } }, 'where.id: expected an integer, got a string'],
      [{ where: { id: { gt: 0 } } }, 'where.id: expected the value itself, got an object'],
      [{ where: { id: null } }, 'where.id: expected an integer, got null'],
      [{ where: { id: 1 }, include: { bookings: true } }, 'include: unknown argument (where, select)'],
      [{ where: { id: 1 }, select: { passwordHash: true } }, 'select.passwordHash: Client has no column "passwordHash" (id, email,'],
      [{ where: { id: 1 }, select: { nope: true } }, 'select.nope: Client has no column "nope" (id, email,'],
      [{ where: { id: 1 }, select: { id: 1 } }, 'select.id: expected true or false, got a number'],
      [{ where: { id: 1 }, select: { id: false } }, 'select: name at least one of id, email,'],
      [{ where: { id: 1 }, select: ['id'] }, 'select: expected an object such as { "id": true }, got an array'],
    ])('refuses %o', async (args, message) => {
      expect(await open.fail('client_findUnique', args)).toContain(message);
    });
  });

  describe('findMany', () => {
    it('gives the rows in the declared order, with no word of a cut where nothing was cut', async () => {
      expect(await open.run('client_findMany', { select: { id: true, name: true } })).toEqual({
        rows: [
          { id: 1, name: 'Ada' },
          { id: 2, name: 'Grace' },
          { id: 3, name: 'Linus' },
        ],
      });
    });

    it('says so when the cap cut something, and not when the rows fit exactly', async () => {
      const page = await open.run('room_findMany', { select: { code: true } });
      expect(page).toEqual({ rows: [{ code: 'B' }], nextCursor: expect.any(String), truncated: true });
      expect(await open.run('room_findMany', { where: { code: 'B' }, select: { code: true } })).toEqual({ rows: [{ code: 'B' }] });
      expect(await open.run('booking_findMany', { take: 7, select: { id: true } })).not.toHaveProperty('truncated');
      expect(await open.run('booking_findMany', { take: 6, select: { id: true } })).toHaveProperty('truncated', true);
    });

    it.each<[title: string, where: Json, found: number[]]>([
      ['equality', { status: 'PENDING' }, [2, 5, 6]],
      ['in', { id: { in: [1, 7, 99] } }, [1, 7]],
      ['an empty in', { id: { in: [] } }, []],
      ['null', { roomId: null }, [2, 6]],
      ['not null', { roomId: { not: null } }, [1, 3, 4, 5, 7]],
      ['text', { internalNote: { contains: 'indo' } }, [1, 6]],
      ['dates', { startsAt: { gte: '2026-03-03T00:00:00Z', lt: '2026-03-05T00:00:00Z' } }, [3, 4]],
      ['decimals', { price: { gt: '14.5' } }, [6, 7]],
      ['Json', { meta: { index: 3 } }, []],
      ['AND', { AND: [{ roomId: 'red' }, { status: 'CONFIRMED' }] }, [1, 4]],
      ['OR', { OR: [{ id: 1 }, { id: 2 }] }, [1, 2]],
      ['an empty OR', { OR: [] }, []],
      ['an empty OR inside AND', { AND: [{ OR: [] }] }, []],
      ['NOT', { NOT: { roomId: 'red' }, clientId: { lte: 2 } }, [3, 5]],
    ])('finds by %s', async (title, where, found) => {
      if (title === 'Json') {
        expect(await open.fail('booking_findMany', { where })).toContain('where.meta.index: not a filter for meta (equals, not, path,');
        expect(ids(await open.run('booking_findMany', { where: { meta: { equals: { index: 3 } } } }))).toEqual([4]);
      } else expect(ids(await open.run('booking_findMany', { where }))).toEqual(found);
    });

    it('keeps the policy whatever the caller asks', async () => {
      for (const where of [{}, { clientId: 2 }, { OR: [{ clientId: 2 }, { id: { gt: 0 } }] }, { NOT: { clientId: 1 } }, { OR: [] }]) {
        const page = await scoped.run('booking_findMany', { where }, callOf(1));
        expect(page.rows.every((row: Json) => row.clientId === 1)).toBe(true);
      }
      expect(ids(await scoped.run('booking_findMany', {}, callOf(1)))).toEqual([1, 2, 3]);
      expect(ids(await scoped.run('booking_findMany'))).toEqual([]);
    });

    it.each([
      [[{ roomId: 'asc' }]],
      [[{ roomId: 'desc' }]],
      [[{ internalNote: 'asc' }, { status: 'desc' }]],
      [[{ price: 'desc' }]],
      [{ startsAt: 'asc' }],
      [undefined],
    ])('pages through every row once, ordered by %o', async orderBy => {
      const whole = ids(await open.run('booking_findMany', { orderBy }));
      expect(whole).toHaveLength(7);
      for (const take of [1, 2, 3]) {
        const seen: number[] = [];
        let cursor: string | undefined;
        do {
          const page = await open.run('booking_findMany', { orderBy, take, cursor });
          expect(page.rows.length).toBeLessThanOrEqual(take);
          seen.push(...ids(page));
          cursor = page.nextCursor;
        } while (cursor !== undefined);
        expect(seen).toEqual(whole);
      }
    });

    it('asks for the order of the caller, completed with the key', async () => {
      db.queries.length = 0;
      await open.run('booking_findMany', { orderBy: { status: 'desc', price: 'asc' } });
      await open.run('booking_findMany', { orderBy: [{ id: 'desc' }, { status: 'asc' }, { id: 'asc' }] });
      await open.run('membership_findMany', { orderBy: [{ roomId: 'asc' }] });
      expect(db.queries.map(({ args }) => (args as Json).orderBy)).toEqual([
        [{ status: 'desc' }, { price: 'asc' }, { id: 'asc' }],
        [{ id: 'desc' }, { status: 'asc' }],
        [{ roomId: 'asc' }, { clientId: 'asc' }],
      ]);
    });

    it('pages by a compound key, and by one whose column a narrower select leaves out', async () => {
      const first = await open.run('membership_findMany', { take: 2, select: { slot: true } });
      expect(first.rows).toEqual([{ slot: 1 }, { slot: 3 }]);
      expect(await open.run('membership_findMany', { take: 2, select: { slot: true }, cursor: first.nextCursor })).toEqual({
        rows: [{ slot: 2 }],
      });
      const audit = await open.run('auditLog_findMany', { take: 1 });
      expect((await open.run('auditLog_findMany', { cursor: audit.nextCursor })).rows).toMatchObject([{ id: '9007199254740991' }]);
    });

    it('names the last row by its key where the key is a foreign key that only a row under a policy needed', async () => {
      const rooms = serve(db, { membership: { include: { room: { select: { code: true } } } }, room: { where: { capacity: { gt: 0 } } } });
      const page = { take: 1, select: { level: true, room: true } };
      const levels: unknown[] = [];
      let cursor: string | undefined;
      do {
        const { rows, nextCursor } = await rooms.run('membership_findMany', { ...page, cursor });
        levels.push(...rows);
        cursor = nextCursor;
      } while (cursor !== undefined);
      expect(levels).toEqual([
        { level: 'full', room: { code: 'R' } },
        { level: 'half', room: { code: 'B' } },
        { level: 'full', room: { code: 'R' } },
      ]);
    });

    it('holds a cursor to the policy: one of a row out of sight is like one of a row that is gone', async () => {
      const foreign = (await scoped.run('booking_findMany', { take: 1 }, callOf(2))).nextCursor;
      const gone = Buffer.from('[99]').toString('base64url');
      const message = 'cursor: its row is gone; leave cursor out to start from the first row';
      expect(await scoped.fail('booking_findMany', { cursor: foreign }, callOf(1))).toBe(message);
      expect(await scoped.fail('booking_findMany', { cursor: gone }, callOf(1))).toBe(message);
      expect(ids(await scoped.run('booking_findMany', { cursor: foreign }, callOf(2)))).toEqual([5]);
    });

    it.each<[args: Json, message: string]>([
      [{ take: 0 }, 'take: expected a whole number from 1 to 25'],
      [{ take: 26 }, 'take: expected a whole number from 1 to 25'],
      [{ take: -1 }, 'take: expected a whole number from 1 to 25'],
      [{ take: '5' }, 'take: expected a whole number from 1 to 25'],
      [{ skip: 1 }, 'skip: unknown argument (where, select, orderBy, take, cursor, distinct)'],
      [{ cursor: 1 }, 'cursor: expected the nextCursor of an earlier result'],
      [{ cursor: 'rubbish' }, 'cursor: not a nextCursor of this tool'],
      [{ cursor: Buffer.from('[1,2]').toString('base64url') }, 'cursor: not a nextCursor of this tool'],
      [{ cursor: Buffer.from('["x"]').toString('base64url') }, 'cursor: expected an integer, got a string'],
      [{ cursor: Buffer.from('[{"gt":0}]').toString('base64url') }, 'cursor: expected an integer, got an object'],
      [{ orderBy: 'name' }, 'orderBy: expected an object such as { "id": "asc" }, got a string'],
      [{ orderBy: { name: 'up' } }, 'orderBy.name: expected "asc" or "desc"'],
      [{ orderBy: [{ name: { sort: 'up' } }] }, 'orderBy[0].name.sort: expected "asc" or "desc"'],
      [{ orderBy: { passwordHash: 'asc' } }, 'orderBy.passwordHash: Client has no column "passwordHash" to order by (id, email,'],
      [{ orderBy: { nope: 'asc' } }, 'orderBy.nope: Client has no column "nope" to order by (id, email,'],
      [
        { orderBy: { referredBy: { passwordHash: 'asc' } } },
        'orderBy.referredBy.passwordHash: Client has no column "passwordHash" to order by',
      ],
      [{ orderBy: { bookings: { price: 'asc' } } }, 'orderBy.bookings.price: a list can be ordered by _count only'],
      [{ where: { name: 1 } }, 'where.name: expected a string, got a number'],
    ])('refuses %o', async (args, message) => {
      expect(await open.fail('client_findMany', args)).toContain(message);
    });
  });

  describe('count', () => {
    it('counts what matches, within the policy', async () => {
      expect(await open.run('booking_count')).toEqual({ count: 7 });
      expect(await open.run('booking_count', { where: { status: 'PENDING' } })).toEqual({ count: 3 });
      expect(await scoped.run('booking_count', { where: { status: 'PENDING' } }, callOf(1))).toEqual({ count: 1 });
      expect(await scoped.run('booking_count')).toEqual({ count: 0 });
      expect(await open.fail('booking_count', { take: 1 })).toBe('take: unknown argument (where)');
    });
  });
});
