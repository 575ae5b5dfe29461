import { expect, it } from 'vitest';
import type { PrismaClient } from './database.ts';
import { describeDatabases, openDatabase } from './database.ts';

describeDatabases('a test database', provider => {
  it('is empty and writable, and so is the next one after it was closed', async () => {
    for (let round = 0; round < 2; round += 1) {
      await using database = await openDatabase(provider);
      const { prisma } = database;
      expect(await prisma.client.count()).toBe(0);
      const { id } = await prisma.client.create({
        data: {
          email: 'a@example.com',
          name: 'A',
          passwordHash: 'x',
          tags: { create: { label: 't' } },
          bookings: { create: { startsAt: new Date(0), price: '1.10' } },
        },
      });
      expect(id).toBe(1);
      const other = await database.connect();
      expect(await other.booking.findFirst({ include: { client: true } })).toMatchObject({ status: 'PENDING', client: { name: 'A' } });
    }
  });

  it('is not opened again after a test changed its tables, a setting of its connection or left a transaction open', async () => {
    const urls = new Set<string>();
    const use = async (spoil: (prisma: PrismaClient) => unknown = () => {}) => {
      await using database = await openDatabase(provider);
      urls.add(database.url);
      expect(await database.prisma.room.count()).toBe(0);
      await spoil(database.prisma);
    };
    await use(prisma => prisma.$executeRawUnsafe('ALTER TABLE "Room" ADD COLUMN "more" TEXT'));
    if (provider === 'sqlite') await use(prisma => prisma.$executeRawUnsafe('PRAGMA foreign_keys = OFF'));
    let left: Promise<unknown> | undefined;
    let release = () => {};
    const released = new Promise<void>(resolve => {
      release = resolve;
    });
    await use(
      prisma =>
        new Promise<void>(begun => {
          const stay = async (tx: Pick<PrismaClient, 'room'>) => {
            await tx.room.create({ data: { code: 'left', capacity: 1 } });
            begun();
            await released;
          };
          left = expect(prisma.$transaction(stay, { timeout: 500 })).rejects.toThrow();
        }),
    );
    await use();
    release();
    await left;
    // The client of SQLite has one connection: it waits for the end of the transaction, and the database is clean then.
    expect(urls.size).toBe(3);
  });

  it('records what reached Prisma, and the SQL', async () => {
    await using database = await openDatabase(provider, { record: true });
    await database.prisma.room.findMany({ where: { active: true } });
    expect(database.queries).toEqual([{ model: 'Room', operation: 'findMany', args: { where: { active: true } } }]);
    expect(database.statements.join()).toMatch(/SELECT .*Room/);
  });

  it('waits for a writer of another client instead of failing', async () => {
    await using database = await openDatabase(provider);
    const other = await database.connect();
    await Promise.all(
      [database.prisma, other].flatMap(client =>
        [1, 2, 3].map(async () => client.room.create({ data: { code: crypto.randomUUID(), capacity: 1 } })),
      ),
    );
    expect(await database.prisma.room.count()).toBe(6);
  });
});
