import { describe, expect, expectTypeOf, it } from 'vitest';
import { live } from '../../src/index.ts';
import { compileModels } from '../../src/models/compile.ts';
import type { LiveListener } from '../../src/models/live/live-client.ts';
import type { PrismaClient, TestDatabase } from '../support/database.ts';
import { describeDatabases, describePostgres } from '../support/database.ts';
import { seeded } from './served.ts';

const startsAt = new Date('2027-01-01T09:00:00Z');
const models = { booking: {}, client: {}, membership: {} };

/** A live client, and the changes that it has told, one list for each commit. */
function watch(
  db: TestDatabase,
  listener: Partial<LiveListener> = {},
  exposed: object = models,
): { prisma: PrismaClient; told: string[][]; errors: unknown[] } {
  const prisma = live(db.prisma);
  const told: string[][] = [];
  const errors: unknown[] = [];
  const compiled = compileModels({ name: 'test', prisma, datamodel: db.datamodel, models: exposed as typeof models });
  compiled.live?.listen({
    committed: changes => void told.push([...changes]),
    onError: error => void errors.push(error),
    ...listener,
  });
  return { prisma, told, errors };
}

describeDatabases('a live client', provider => {
  it('tells which row each write has written, in whichever way it names the row', async () => {
    await using db = await seeded(provider);
    const { prisma, told, errors } = watch(db);
    const { booking, client, membership } = prisma;
    const data = { id: 70, clientId: 1, startsAt, price: 1 };
    const member = { clientId: 1, roomId: 'blue', level: 'none', slot: 9 };
    const writes: [() => PromiseLike<unknown>, string[]][] = [
      [() => booking.create({ data }), ['booking:70']],
      [() => booking.update({ where: { id: 70 }, data: { price: 2 }, select: { price: true } }), ['booking:70']],
      [() => booking.update({ where: { id: 70 }, data: { price: 3 }, omit: { id: true } }), ['booking:70']],
      [() => booking.upsert({ where: { id: 70 }, create: data, update: { price: 4 }, select: { price: true } }), ['booking:70']],
      [() => client.update({ where: { email: 'ada@example.com' }, data: { name: 'A' }, select: { name: true } }), ['client:1']],
      [() => membership.create({ data: member }), ['membership:1/blue']],
      [() => membership.update({ where: { roomSlot: { roomId: 'blue', slot: 9 } }, data: { level: 'x' } }), ['membership:1/blue']],
      [() => booking.updateMany({ data: { price: 5 } }), ['booking:*']],
      [() => booking.createManyAndReturn({ data: [{ ...data, id: 71 }] }), ['booking:*']],
      [() => booking.updateManyAndReturn({ where: { id: 71 }, data: { price: 6 } }), ['booking:*']],
      [() => booking.update({ where: { id: 71 }, data: { id: 72 } }), ['booking:*']],
      // The row that had the key before is gone.
      [() => booking.upsert({ where: { id: 72 }, create: data, update: { id: 73 } }), ['booking:*']],
      // The database changes the foreign keys that refer to it.
      [() => client.update({ where: { id: 3 }, data: { id: 33 } }), ['client:*', 'booking:*', 'membership:*']],
      [() => booking.update({ where: { id: 70 }, data: { price: 6 } }).client(), ['booking:70']],
      // Neither the call nor the related row tells which client it is.
      [() => client.update({ where: { email: 'ada@example.com' }, data: { name: 'B' } }).bookings(), ['client:*']],
      [
        () => membership.update({ where: { clientId_roomId: { clientId: 1, roomId: 'blue' } }, data: { level: 'y' } }),
        ['membership:1/blue'],
      ],
      [() => client.update({ where: { id: 2 }, data: { bookings: { create: { startsAt, price: 7 } } } }), ['client:2', 'booking:*']],
      [
        () =>
          client.update({
            where: { id: 2 },
            data: { bookings: { create: [{ startsAt, price: 7, room: { create: { code: 'G', capacity: 1 } } }] } },
          }),
        ['client:2', 'booking:*', 'room:*'],
      ],
      [() => booking.delete({ where: { id: 70 }, select: { price: true } }), ['booking:70']],
      // The database deletes its memberships too.
      [() => client.delete({ where: { id: 33 } }).catch(() => undefined), []],
      [() => booking.update({ where: { id: 1 }, data: { price: 8 } }).finally(() => undefined), ['booking:1']],
      [() => client.deleteMany({ where: { id: 999 } }), ['client:*', 'booking:*', 'membership:*']],
    ];
    for (const [write, changes] of writes) {
      told.length = 0;
      await write();
      expect(new Set(told.flat()), write.toString()).toEqual(new Set(changes));
    }
    expect(errors).toEqual([]);
  });

  it('gives each result as it is without live()', async () => {
    await using db = await seeded(provider);
    const { prisma } = watch(db);
    const where = { id: 1 };
    const writes = ({ booking, $transaction }: PrismaClient) =>
      [
        () => booking.update({ where, data: { status: 'PENDING' } }),
        () => booking.update({ where, data: { status: 'PENDING' }, select: { status: true } }),
        () => booking.update({ where, data: { status: 'PENDING' }, omit: { id: true, meta: true } }),
        () => booking.update({ where, data: { status: 'PENDING' }, select: { status: true } }).finally(() => undefined),
        () => booking.update({ where, data: { status: 'PENDING' }, include: { client: true } }),
        () => booking.update({ where, data: { status: 'PENDING' } }).client({ select: { name: true } }),
        () => booking.updateMany({ where, data: { status: 'PENDING' } }),
        () => booking.updateManyAndReturn({ where, data: { status: 'PENDING' }, select: { status: true } }),
        () => $transaction([booking.update({ where, data: { status: 'PENDING' }, select: { status: true } }), booking.count()]),
        () => $transaction(tx => tx.booking.update({ where, data: { status: 'PENDING' }, select: { status: true } })),
      ] as const;
    const expected = writes(bound(db.prisma));
    for (const [index, write] of writes(bound(prisma)).entries()) expect(await write()).toEqual(await expected[index]?.());
    const missing = { where: { id: 999 }, data: { status: 'PENDING' } } as const;
    await expect(prisma.booking.update(missing)).rejects.toMatchObject({ code: 'P2025' });
  });

  it('tells a transaction once it is committed, and nothing of one that is rolled back', async () => {
    await using db = await seeded(provider);
    const { prisma, told } = watch(db);
    const change = (client: Pick<PrismaClient, 'booking'>, id: number) => client.booking.update({ where: { id }, data: { price: 3 } });
    await prisma.$transaction(async tx => {
      await change(tx, 1);
      await change(tx, 2);
      expect(told).toEqual([]);
    });
    expect(told).toEqual([['booking:1', 'booking:2']]);
    const rolledBack = prisma.$transaction(async tx => {
      await change(tx, 1);
      throw new Error('no');
    });
    await expect(rolledBack).rejects.toThrow('no');
    await expect(prisma.$transaction([change(prisma, 1), change(prisma, 999)])).rejects.toMatchObject({ code: 'P2025' });
    expect(told).toHaveLength(1);
    await prisma.$transaction([change(prisma, 4), change(prisma, 5)]);
    expect(told.flat()).toEqual(['booking:1', 'booking:2', 'booking:4', 'booking:5']);
  });

  it('gives a transaction its options', async () => {
    await using db = await seeded(provider);
    const { prisma } = watch(db);
    const isolationLevel = 'Chaos' as never;
    await expect(prisma.$transaction(tx => tx.booking.count(), { isolationLevel })).rejects.toThrow();
    await expect(prisma.$transaction([prisma.booking.count(), prisma.room.count()], { isolationLevel })).rejects.toThrow();
    await prisma.$transaction(tx => tx.booking.count(), { isolationLevel: 'Serializable' });
  });

  it('tells an endpoint nothing once the endpoint has stopped listening', async () => {
    await using db = await seeded(provider);
    const prisma = live(db.prisma);
    const told: string[][] = [[], []];
    const stops = told.map(changes =>
      compileModels({ name: 'test', prisma, datamodel: db.datamodel, models }).live?.listen({
        committed: some => void changes.push(...some),
        onError: error => expect.unreachable(String(error)),
      }),
    );
    const change = (id: number) => prisma.booking.update({ where: { id }, data: { price: 3 }, select: { price: true } });
    expect(await change(1)).toEqual({ price: expect.anything() });
    stops[0]?.();
    await change(2);
    expect(told).toEqual([['booking:1'], ['booking:1', 'booking:2']]);
  });

  it('sees the writes of a client that extends it, and of one that it extends', async () => {
    await using db = await seeded(provider);
    const { prisma, told } = watch(db);
    const extended = prisma.$extends({ query: { booking: { update: ({ args, query }) => query(args) } } });
    await extended.booking.update({ where: { id: 1 }, data: { price: 3 } });
    await extended.$transaction(tx => tx.booking.update({ where: { id: 2 }, data: { price: 3 } }));
    expect(told).toEqual([['booking:1'], ['booking:2']]);
    expect(live(prisma)).toBe(prisma);
  });

  it('never fails a write because its changes cannot be told', async () => {
    await using db = await seeded(provider);
    const { prisma, errors } = watch(db, {
      committed: () => {
        throw new Error('lost');
      },
    });
    await prisma.booking.update({ where: { id: 1 }, data: { price: 3 } });
    await prisma.$transaction(tx => tx.booking.update({ where: { id: 1 }, data: { price: 3 } }));
    expect(errors.map(String)).toEqual(['Error: lost', 'Error: lost']);
  });
});

describePostgres('a live client', () => {
  it('tells of a row as it is read, however the write has spelled its key', async () => {
    const [id, ...others] = [
      '0189f7a4-7a52-7b3c-8a50-6d8ad9d9b0f1',
      '0189F7A4-7A52-7B3C-8A50-6D8AD9D9B0F1',
      '0189f7a47a527b3c8a506d8ad9d9b0f1',
    ];
    await using db = await seeded('postgresql');
    const { prisma, told } = watch(db, {}, { native: {} });
    const { native } = prisma as unknown as { native: { update: (args: object) => Promise<unknown> } };
    await db.prisma.$executeRawUnsafe(`INSERT INTO "Native" ("id") VALUES ('${id}')`);
    for (const spelled of [id, ...others]) await native.update({ where: { id: spelled }, data: { code: 'ab' } });
    expect(told).toEqual([id, ...others].map(() => [`native:${id}`]));
    const { live: writes } = compileModels({ name: 'test', prisma, datamodel: db.datamodel, models: { native: {} } });
    expect([id, ...others].map(named => writes?.changeOf('native', { id: named }))).toEqual([`native:${id}`, 'native:*', 'native:*']);
  });
});

describe('live()', () => {
  it('takes only a Prisma client, and gives one of the same type', () => {
    expect(() => live({})).toThrow('live(): takes a Prisma client');
    expectTypeOf(live<PrismaClient>).returns.toEqualTypeOf<PrismaClient>();
  });
});

/** The client with `$transaction` as a function of its own. */
function bound(client: PrismaClient): PrismaClient {
  return { booking: client.booking, $transaction: client.$transaction.bind(client) } as unknown as PrismaClient;
}
