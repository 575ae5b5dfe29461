import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { maxRowsLookedThrough } from '../../src/models/queries/distinct-rows.ts';
import { maxFoldedGroups } from '../../src/models/queries/fold-groups.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { callOf, seeded, serve, userOf } from './served.ts';

const operations = ['findUnique', 'findFirst', 'findMany', 'count', 'aggregate', 'groupBy'];

describeDatabases('reading beyond rows', provider => {
  let db: TestDatabase;
  let open: Served;
  let scoped: Served;

  beforeAll(async () => {
    db = await seeded(provider);
    open = serve(db, {
      client: { operations },
      booking: { operations, omit: { internalNote: true }, include: { client: { select: { name: true } } } },
      room: { operations, take: 1 },
      auditLog: { operations },
      membership: { operations },
      member: { operations },
    });
    scoped = serve(db, { booking: { operations, where: (ctx: never) => ({ clientId: userOf(ctx)?.clientId ?? -1 }) } });
  });
  afterAll(() => db.close());

  describe('findFirst', () => {
    it('gives the first row in the order of the caller, or in that of the model', async () => {
      const select = { id: true };
      expect(await open.run('booking_findFirst', { where: { status: 'PENDING' }, orderBy: { startsAt: 'desc' }, select })).toEqual({
        id: 6,
      });
      expect(await open.run('booking_findFirst', { select: { id: true, client: true } })).toEqual({ id: 1, client: { name: 'Ada' } });
    });

    it('answers as findUnique if there is no such row, or none in sight', async () => {
      const message = 'not found: no Booking matches where';
      expect(await open.fail('booking_findFirst', { where: { id: 99 } })).toBe(message);
      expect(await scoped.fail('booking_findFirst', { where: { id: 4 } }, callOf(1))).toBe(message);
      expect((await scoped.run('booking_findFirst', { orderBy: { id: 'desc' } }, callOf(1))).id).toBe(3);
    });

    it('includes a related row if its policy shows it', async () => {
      const related = serve(db, {
        booking: { operations, include: { client: { select: { name: true } } } },
        client: { where: (ctx: never) => ({ id: userOf(ctx)?.clientId ?? -1 }) },
      });
      const args = { where: { id: 1 }, select: { client: true } };
      expect(await related.run('booking_findFirst', args, callOf(1))).toEqual({ client: { name: 'Ada' } });
      expect(await related.run('booking_findFirst', args, callOf(2))).toEqual({ client: null });
    });

    it('refuses distinct, which would change nothing', async () => {
      expect(await open.fail('booking_findFirst', { distinct: ['status'] })).toBe(
        'distinct: unknown argument (where, select, orderBy); the first row is the same without it',
      );
    });
  });

  describe('findMany with distinct', () => {
    it('gives the first row of each value, in the order of the rows', async () => {
      const { rows, ...rest } = await open.run('booking_findMany', { distinct: ['roomId'], orderBy: [{ startsAt: 'desc' }] });
      expect(rows.map(({ id, roomId }: Json) => [id, roomId])).toEqual([
        [7, 'red'],
        [6, null],
        [5, 'blue'],
      ]);
      expect(rows[0].client).toEqual({ name: 'Linus' });
      expect(rest).toEqual({});
    });

    it('tells pairs of values apart, and says if there are more', async () => {
      const args = { distinct: ['status', 'roomId'], select: { id: true }, take: 4 };
      expect(await open.run('booking_findMany', args)).toEqual({ rows: [1, 2, 3, 5].map(id => ({ id })), truncated: true });
      expect(await open.run('booking_findMany', { ...args, take: 5 })).toEqual({ rows: [1, 2, 3, 5, 7].map(id => ({ id })) });
    });

    it('sees no hidden row', async () => {
      const { rows } = await scoped.run('booking_findMany', { distinct: ['roomId'], orderBy: { startsAt: 'desc' } }, callOf(2));
      expect(rows.map(({ id }: Json) => id)).toEqual([5, 4]);
    });

    it('asks the database for a bounded number of rows', async () => {
      db.queries.length = 0;
      await open.run('booking_findMany', { distinct: ['status'] });
      expect(db.queries.map(({ args }) => (args as Json).take)).toEqual([maxRowsLookedThrough + 1, undefined]);
    });

    it.each<[args: Json, message: string]>([
      [
        { distinct: ['status'], cursor: 'WzFd' },
        'cursor: rows that are distinct have no pages; narrow where, or read the values with groupBy',
      ],
      [{ distinct: ['internalNote'] }, 'distinct[0]: Booking has no column "internalNote" to tell rows apart'],
      [{ distinct: ['meta'] }, 'distinct[0]: Booking has no column "meta" to tell rows apart'],
      [{ distinct: [] }, 'distinct: name at least one of id,'],
      [{ distinct: ['stat'] }, '; did you mean status?'],
    ])('refuses %j', async (args, message) => {
      expect(await open.fail('booking_findMany', args)).toContain(message);
    });
  });

  describe('aggregate', () => {
    it('computes each figure of the rows that match', async () => {
      const args = {
        where: { clientId: 1 },
        _count: true,
        _sum: { price: true, id: true },
        _avg: { price: true, id: true },
        _min: { startsAt: true, price: true },
        _max: { roomId: true },
      };
      expect(await open.run('booking_aggregate', args)).toEqual({
        _count: 3,
        _sum: { price: '34.5', id: 6 },
        _avg: { price: '11.5', id: 2 },
        _min: { startsAt: '2026-03-01T09:00:00.000Z', price: '10.5' },
        _max: { roomId: 'red' },
      });
    });

    it('gives null where there are no values, as Prisma does', async () => {
      const args = { where: { id: 99 }, _count: true, _sum: { price: true }, _max: { startsAt: true } };
      expect(await open.run('booking_aggregate', args)).toEqual({ _count: 0, _sum: { price: null }, _max: { startsAt: null } });
    });

    it('sees the rows of the caller only', async () => {
      const args = { _count: true, _sum: { price: true }, _max: { id: true } };
      expect(await scoped.run('booking_aggregate', args, callOf(1))).toEqual({ _count: 3, _sum: { price: '34.5' }, _max: { id: 3 } });
      expect(await scoped.run('booking_aggregate', args)).toEqual({ _count: 0, _sum: { price: null }, _max: { id: null } });
    });

    it('writes a BigInt as a string, and its average as a number', async () => {
      const where = { id: { lt: '1000' } };
      expect(await open.run('auditLog_aggregate', { where, _sum: { id: true, ratio: true }, _avg: { id: true } })).toEqual({
        _sum: { id: '-5', ratio: -2 },
        _avg: { id: -5 },
      });
    });

    it.each<[args: Json, message: string]>([
      [{}, '_count: name at least one aggregate, such as { "_count": true }'],
      [{ _count: false }, '_count: name at least one aggregate, such as { "_count": true }'],
      [{ _sum: { internalNote: true } }, '_sum.internalNote: Booking has no column "internalNote" for _sum (id, clientId, price)'],
      [{ _sum: { roomId: true } }, '_sum.roomId: Booking has no column "roomId" for _sum (id, clientId, price)'],
      [{ _min: { internalNote: true } }, '_min.internalNote: Booking has no column "internalNote" for _min'],
      [{ _max: { meta: true } }, '_max.meta: Booking has no column "meta" for _max'],
      [{ _count: { internalNote: true } }, '_count.internalNote: Booking has no column "internalNote" for _count'],
      [{ _avg: { pric: true } }, '; did you mean price?'],
      [{ _avg: ['price'] }, '_avg: expected an object such as { "price": true }, got an array'],
      [{ _avg: { price: 1 } }, '_avg.price: expected true or false, got a number'],
      [{ sum: { price: true } }, 'sum: unknown argument (where, _count, _sum, _avg, _min, _max); did you mean _sum?'],
      [{ average: { price: true } }, '; did you mean _avg?'],
    ])('refuses %j', async (args, message) => {
      expect(await open.fail('booking_aggregate', args)).toContain(message);
    });

    it('says what to do about a figure that no number can hold', async () => {
      const extreme = [9223372036854775807n, 9223372036854775806n];
      await db.prisma.auditLog.createMany({ data: extreme.map(id => ({ id, payload: new Uint8Array(), ratio: 0 })) });
      const asked = open.run('auditLog_aggregate', { _sum: { id: true } }).then(JSON.stringify, (error: Error) => error.message);
      expect(await asked).toBe(
        provider === 'sqlite'
          ? 'a sum, average or extreme is out of the range of numbers that this database can return; narrow where'
          : '{"_sum":{"id":"18455751272964292599"}}',
      );
      await db.prisma.auditLog.deleteMany({ where: { id: { in: extreme } } });
    });
  });

  describe('groupBy', () => {
    it('tells bookings by status and week in one call', async () => {
      const { groups } = await open.run('booking_groupBy', { by: ['startsAt:week', 'status'], _count: true, _sum: { price: true } });
      const told = groups.map(({ startsAt, status, _count, _sum }: Json) => [startsAt, status, _count, _sum.price].join(' '));
      // SQLite orders an enum by its text, PostgreSQL as the schema does.
      expect(told.toSorted()).toEqual([
        '2026-02-23 CONFIRMED 1 10.5',
        '2026-03-02 CANCELLED 2 29',
        '2026-03-02 CONFIRMED 1 13.5',
        '2026-03-02 PENDING 3 41.5',
      ]);
      expect(groups.map(({ startsAt }: Json) => startsAt)).toEqual(['2026-02-23', '2026-03-02', '2026-03-02', '2026-03-02']);
    });

    it.each<[by: string, starts: string[]]>([
      ['startsAt:day', ['2026-03-01', '2026-03-02', '2026-03-03', '2026-03-04', '2026-03-05', '2026-03-06', '2026-03-07']],
      ['startsAt:month', ['2026-03-01']],
      ['startsAt:year', ['2026-01-01']],
      ['startsAt', [1, 2, 3, 4, 5, 6, 7].map(day => `2026-03-0${day}T09:00:00.000Z`)],
    ])('groups by %s', async (by, starts) => {
      const { groups } = await open.run('booking_groupBy', { by: [by] });
      expect(groups.map(({ startsAt }: Json) => startsAt)).toEqual(starts);
    });

    it('puts rows without a date together', async () => {
      const { groups } = await open.run('membership_groupBy', { by: ['expiresAt:year'], _count: true, orderBy: { _count: 'desc' } });
      expect(groups).toEqual([
        { expiresAt: null, _count: 2 },
        { expiresAt: '2027-01-01', _count: 1 },
      ]);
    });

    it.each(['startsAt:month', 'clientId'])('orders by an aggregate and filters by another, grouped by %s', async by => {
      const args = {
        by: ['clientId', ...(by === 'clientId' ? [] : [by])],
        _count: true,
        _avg: { price: true },
        having: { _count: { gt: 1 } },
      };
      const { groups } = await open.run('booking_groupBy', { ...args, orderBy: { _sum: { price: 'asc' } } });
      expect(groups.map(({ clientId, _count, _avg }: Json) => [clientId, _count, _avg.price])).toEqual([
        [2, 2, '14'],
        [3, 2, '16'],
        [1, 3, '11.5'],
      ]);
      const having = { OR: [{ price: { _sum: { gt: '34' }, _min: { lt: '12' } } }, { NOT: { _count: { lte: 2 } } }] };
      expect((await open.run('booking_groupBy', { ...args, having })).groups).toMatchObject([{ clientId: 1, _count: 3 }]);
    });

    it('gives at most `take` groups, and says if there are more', async () => {
      expect(await open.run('booking_groupBy', { by: ['startsAt:day'], take: 1, orderBy: { startsAt: 'desc' } })).toEqual({
        groups: [{ startsAt: '2026-03-07' }],
        truncated: true,
      });
      expect(await open.run('room_groupBy', { by: ['code'] })).toEqual({ groups: [{ code: 'B' }], truncated: true });
      expect(await open.fail('room_groupBy', { by: ['code'], take: 2 })).toBe(
        'take: expected a whole number from 1 to 1; to see other groups, narrow where or turn orderBy',
      );
    });

    it('sees the rows of the caller only', async () => {
      const args = { by: ['clientId', 'startsAt:year'], _count: true, _max: { id: true } };
      expect((await scoped.run('booking_groupBy', args, callOf(2))).groups).toEqual([
        { clientId: 2, startsAt: '2026-01-01', _count: 2, _max: { id: 5 } },
      ]);
      expect((await scoped.run('booking_groupBy', args)).groups).toEqual([]);
    });

    it('takes the further forms that Prisma has', async () => {
      const call = async (args: Json) => open.tools.find(({ name }) => name === 'booking_groupBy')?.call(args, callOf());
      const args = { by: 'status', _count: { _all: true, roomId: true }, orderBy: [{ _count: { id: 'desc' } }], take: 1 };
      expect((await call(args))?.structuredContent).toEqual({
        groups: [{ status: 'PENDING', _count: { _all: 3, roomId: 1 } }],
        truncated: true,
      });
      expect((await call({ ...args, by: [{ startsAt: 'year' }] }))?.structuredContent).toEqual({
        groups: [{ startsAt: '2026-01-01', _count: { _all: 7, roomId: 5 } }],
      });
    });

    it('orders by the same aggregate of two columns', async () => {
      const orderBy = { _count: { clientId: 'asc', roomId: 'asc' } };
      const { groups } = await open.run('booking_groupBy', { by: ['clientId'], orderBy });
      expect(groups.map(({ clientId }: Json) => clientId)).toEqual([3, 2, 1]);
    });

    it('finds groups in which a column has no value, and takes sums that no Int holds', async () => {
      const groupsOf = async (having: Json) => (await open.run('booking_groupBy', { by: ['id'], having })).groups.map(({ id }: Json) => id);
      expect(await groupsOf({ roomId: { _max: null } })).toEqual([2, 6]);
      expect(await groupsOf({ clientId: { _sum: { lt: 5_000_000_000 } } })).toEqual([1, 2, 3, 4, 5, 6, 7]);
    });

    it.each<[args: Json, message: string]>([
      [{}, 'by: name at least one of id, clientId, roomId, startsAt, status, price'],
      [{ by: ['internalNote'] }, 'by[0]: Booking has no column "internalNote" to group by (id, clientId, roomId, startsAt, status, price)'],
      [{ by: ['nothing'] }, 'by[0]: Booking has no column "nothing" to group by (id, clientId, roomId, startsAt, status, price)'],
      [{ by: ['meta'] }, 'by[0]: Booking has no column "meta" to group by'],
      [{ by: ['client'] }, '; group by clientId'],
      [{ by: ['starts_at:week'] }, '; did you mean startsAt?'],
      [{ by: ['startsAt:weekly'] }, 'by[0]: expected "startsAt" with one of day, week, month, year'],
      [{ by: ['status:week'] }, 'by[0]: status is no date; write "status" alone'],
      [{ by: ['startsAt', 'startsAt:week'] }, 'by[1]: startsAt is there already; name each column once'],
      [{ by: ['status'], having: { internalNote: { _count: 1 } } }, 'having.internalNote: Booking has no column "internalNote" ('],
      [{ by: ['status'], having: { internalNote: { _min: 'a' } } }, 'having.internalNote: Booking has no column "internalNote" ('],
      [{ by: ['status'], having: { client: { is: {} } } }, 'having.client: Booking has no column "client"'],
      [{ by: ['status'], having: { status: 'PENDING' } }, '; conditions on the column belong into where'],
      [{ by: ['status'], having: { _sum: { price: { gt: 1 } } } }, '; write { column: { _sum: … } }'],
      [{ by: ['status'], having: { price: { _sum: { contains: '1' } } } }, 'having.price._sum.contains: not a filter for _sum of price'],
      [{ by: ['status'], having: { price: { _sum: null } } }, 'having.price._sum.equals: _sum of price is never null here'],
      [{ by: ['status'], having: { OR: [] } }, 'having.OR: expected at least one condition'],
      [{ by: ['status'], having: { AND: [{}] } }, 'having.AND[0]: expected a condition'],
      [
        { by: ['status'], orderBy: { internalNote: 'asc' } },
        'orderBy.internalNote: groups have no "internalNote" to order by (status, _count,',
      ],
      [{ by: ['status'], orderBy: { price: 'asc' } }, 'orderBy.price: groups have no "price" to order by (status, _count,'],
      [{ by: ['status'], orderBy: { _max: { internalNote: 'asc' } } }, 'orderBy._max.internalNote: Booking has no column "internalNote"'],
      [
        { by: ['status'], orderBy: { _count: { internalNote: 'asc' } } },
        'orderBy._count.internalNote: Booking has no column "internalNote"',
      ],
      [
        { by: ['startsAt:week'], _min: { roomId: true } },
        '_min.roomId: Booking has no column "roomId" for _min (id, clientId, startsAt, price)',
      ],
      ...['having', 'orderBy'].map((place): [Json, string] => [
        { by: ['startsAt:week'], [place]: place === 'having' ? { roomId: { _min: 'red' } } : { _min: { roomId: 'asc' } } },
        ' Booking has no column "roomId" for _min (id, clientId, startsAt, price)',
      ]),
      [{ by: ['status'], groupBy: ['x'] }, '; did you mean by?'],
      [{ by: ['status'], distinct: ['x'] }, '; groups are distinct'],
    ])('refuses %j', async (args, message) => {
      expect(await open.fail('booking_groupBy', args)).toContain(message);
    });

    it('holds `having` to the limits of a `where`', async () => {
      const limited = serve(db, { booking: { operations } }, { maxConditions: 3, maxDepth: 1, maxValues: 2 });
      const fail = (having: Json) => limited.fail('booking_groupBy', { by: ['status'], having });
      expect(await fail({ _count: { gt: 1, lt: 9, not: 3 } })).toContain('limits.where.maxConditions');
      expect(await fail({ NOT: { NOT: { _count: 1 } } })).toContain('limits.where.maxDepth');
      expect(await fail({ _count: { in: [1, 2, 3] } })).toContain('limits.where.maxValues');
    });
  });

  it.each<[operation: string, args: Json, answer: Json]>([
    ['count', {}, { count: 0 }],
    ['aggregate', { _count: true }, { _count: 0 }],
    ['groupBy', { by: ['status'], _count: true }, { groups: [] }],
    ['groupBy', { by: ['startsAt:year'], _count: true }, { groups: [] }],
  ])('%s with %j does not filter by rows of a related model that are out of sight', async (operation, args, answer) => {
    const related = serve(db, { booking: { operations }, client: { where: (ctx: never) => ({ id: userOf(ctx)?.clientId ?? -1 }) } });
    const where = { client: { is: { name: 'Ada' } } };
    expect(await related.run(`booking_${operation}`, { where, ...args }, callOf(2))).toEqual(answer);
    expect(await related.run(`booking_${operation}`, { where, ...args }, callOf(1))).not.toEqual(answer);
  });

  it('offers no figure and no group that the database does not have, whatever the type of the column', async () => {
    const models = provider === 'postgresql' ? ['member', 'native'] : ['member'];
    await db.prisma.member.create({
      data: { id: 1, nick: 'a', facts: {}, score: 1, points: 2n, ratio: 0.5, amount: '1.5', mood: 'CALM', seenAt: new Date(0) },
    });
    if (provider === 'postgresql') {
      await db.prisma.$executeRawUnsafe(
        `INSERT INTO "Native" (other, code, fixed, address, bits, flags, markup, small, oid, real, exact, cash, day, time, zoned)
         VALUES (gen_random_uuid(), 'a', 'ab', '1.2.3.4', b'101', b'1', '<a/>', 1, 2, 0.5, 1.25, 3.5, now(), now(), now())`,
      );
    }
    const all = serve(db, Object.fromEntries(models.map(key => [key, { operations }])));
    const computed: string[] = [];
    for (const { key, fields } of Object.values(db.datamodel.models).filter(model => models.includes(model.key))) {
      for (const { name } of fields.filter(({ kind }) => kind !== 'object')) {
        for (const [tool, args] of [
          ...['_sum', '_avg', '_min', '_max'].map(each => ['aggregate', { [each]: { [name]: true } }] as const),
          ['groupBy', { by: [name], _count: true, having: { [name]: { _count: { gte: 0 } } } }] as const,
          ['groupBy', { by: [`${name}:month`] }] as const,
        ]) {
          const outcome = await all.run(`${key}_${tool}`, args).then(
            () => computed.push(`${key} ${Object.keys(args)[0]} ${JSON.stringify(Object.values(args)[0])}`),
            (error: Error) => error.message,
          );
          if (typeof outcome === 'string') expect(outcome).toMatch(/has no column ".*" (for _|to group by)|is no date/);
        }
      }
    }
    expect(computed).toContain('member _sum {"amount":true}');
    expect(computed).toContain('member by ["seenAt:month"]');
    expect(computed).toHaveLength(provider === 'postgresql' ? 95 : 49);
    await db.prisma.member.deleteMany();
  });

  it('refuses what it would have to put together of too much', async () => {
    const date = provider === 'sqlite' ? `date('2000-01-01', '+' || n || ' days') || 'T00:00:00.000+00:00'` : `date '2000-01-01' + n`;
    await db.prisma.$executeRawUnsafe(
      `WITH RECURSIVE days(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM days WHERE n < ${maxFoldedGroups})
       INSERT INTO "Booking" ("id", "clientId", "startsAt", "price") SELECT 1000 + n, 1, ${date}, 1 FROM days`,
    );
    const where = { id: { gte: 1000 } };
    expect(await open.fail('booking_groupBy', { where, by: ['startsAt:year'] })).toContain(`at most ${maxFoldedGroups} different dates`);
    const rows = `more than ${maxRowsLookedThrough} rows to look through`;
    expect(await open.fail('booking_findMany', { where, distinct: ['clientId'] })).toContain(rows);
    // The first rows are enough, and a limit is the last number that is taken.
    const two = { where: { id: { gte: 7 } }, distinct: ['clientId'], select: { id: true } };
    expect(await open.run('booking_findMany', { ...two, take: 1 })).toEqual({ rows: [{ id: 7 }], truncated: true });
    const most = { id: { gte: 1000, lt: 1000 + maxFoldedGroups } };
    const yearly = await open.run('booking_groupBy', { by: ['startsAt:year'], where: most, _count: true });
    expect(yearly.groups[0]).toEqual({ startsAt: '2000-01-01', _count: 366 });
    const all = { id: { gte: 1000, lt: 1000 + maxRowsLookedThrough } };
    expect((await open.run('booking_findMany', { where: all, distinct: ['clientId'] })).rows).toHaveLength(1);
    const first = { id: { gte: 1000, lt: 1366 } };
    expect((await open.run('booking_groupBy', { by: ['startsAt:year'], where: first, _count: true })).groups).toEqual([
      { startsAt: '2000-01-01', _count: 366 },
    ]);
    await db.prisma.booking.deleteMany({ where });
  });
});
