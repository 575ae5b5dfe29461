import { access } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { describeDatabases, openDatabase } from './database.ts';

describeDatabases('a test database', provider => {
  it('is empty, writable and gone after it was closed', async () => {
    const { url } = await (async () => {
      await using database = await openDatabase(provider);
      const { prisma } = database;
      expect(await prisma.client.count()).toBe(0);
      await prisma.client.create({
        data: {
          email: 'a@example.com',
          name: 'A',
          passwordHash: 'x',
          tags: { create: { label: 't' } },
          bookings: { create: { startsAt: new Date(0), price: '1.10' } },
        },
      });
      const other = await database.connect();
      expect(await other.booking.findFirst({ include: { client: true } })).toMatchObject({ status: 'PENDING', client: { name: 'A' } });
      return database;
    })();
    if (provider === 'sqlite') await expect(access(url.replace('file:', ''))).rejects.toThrow('ENOENT');
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
