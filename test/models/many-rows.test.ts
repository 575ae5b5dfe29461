import { afterAll, beforeAll, expect, it } from 'vitest';
import { scopedClient } from '../../src/models/compile.ts';
import type { PrismaClient, TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import { callOf, seeded } from './served.ts';

/** More rows than one statement has values on any database. */
const rows = 40_000;
const startsAt = new Date('2026-05-01T09:00:00Z');

describeDatabases('the scoped client, writing 40,000 rows', provider => {
  let db: TestDatabase;
  let scoped: PrismaClient;

  beforeAll(async () => {
    db = await seeded(provider);
    scoped = scopedClient({
      prisma: db.prisma,
      datamodel: db.datamodel,
      models: {
        client: { where: { name: { not: 'Ada' } } },
        booking: { where: { status: { not: 'CANCELLED' }, room: { is: null } } },
      },
    })(callOf(2)) as PrismaClient;
    await db.prisma.booking.deleteMany();
  });
  afterAll(() => db.close());

  const clients = Array.from({ length: rows }, (_, index) => ({ email: `${index}`, name: 'X', passwordHash: 'x', joinedAt: startsAt }));

  it('creates them, each with a reference of its own', { timeout: 240_000 }, async () => {
    expect(await scoped.client.createMany({ data: clients })).toEqual({ count: rows });
    const ids = await db.prisma.client.findMany({ where: { name: 'X' }, select: { id: true }, orderBy: { id: 'asc' } });
    const data = ids.map(({ id }) => ({ clientId: id, startsAt, price: '1' }));
    expect(await scoped.booking.createMany({ data })).toEqual({ count: rows });
    const hidden = [...data.slice(1), { clientId: 1, startsAt, price: '1' }];
    await expect(scoped.booking.createMany({ data: hidden })).rejects.toThrow('data.clientId: the related row does not exist');
    expect(await db.prisma.booking.count()).toBe(rows);
  });

  it('updates and returns them, or none', { timeout: 240_000 }, async () => {
    expect(await scoped.booking.updateMany({ data: { price: '2' } })).toEqual({ count: rows });
    const updated = await scoped.booking.updateManyAndReturn({ data: { price: '3' }, include: { client: { select: { name: true } } } });
    expect(updated).toHaveLength(rows);
    expect(updated.at(-1)).toMatchObject({ client: { name: 'X' } });
    await expect(scoped.booking.updateMany({ data: { status: 'CANCELLED' } })).rejects.toThrow('not allowed: ');
    expect(await db.prisma.booking.count({ where: { price: '3', status: 'PENDING' } })).toBe(rows);
  });

  it('deletes them', { timeout: 240_000 }, async () => {
    expect(await scoped.booking.deleteMany()).toEqual({ count: rows });
  });
});
