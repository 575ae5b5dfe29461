import { expect, it } from 'vitest';
import { scopedClient } from '../../src/models/scope.ts';
import type { CallContext } from '../../src/protocol/definitions.ts';
import type { PrismaClient } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import type { Json } from './world.ts';
import { callerOf, fill } from './world.ts';

const callOf = (clientId: number): CallContext => ({ state: { user: { clientId } } }) as unknown as CallContext;

describeDatabases('a policy by operation, in the scoped client', provider => {
  const asked: string[] = [];
  /** As its type says it will be asked: everybody may read, only the owner may write, nobody may delete. */
  const where = (ctx: never, operation: string): object => {
    asked.push(operation);
    switch (operation) {
      case 'create':
      case 'update':
        return { clientId: callerOf(ctx) };
      case 'delete':
        return { id: { in: [] } };
      default:
        return {};
    }
  };

  it('is asked for the operation of an exposure that Prisma’s amounts to, and holds', async () => {
    await using db = await openDatabase(provider);
    await fill(db.prisma);
    const scope = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models: { booking: { where } } });
    const rows = { clientId: 1, startsAt: new Date(0), price: 1 };
    const foreign = { where: { id: 1 } };
    const data = { internalNote: 'mine' };
    const cases: [operation: string, args: Json, asked: string[]][] = [
      ['findFirst', {}, ['findMany']],
      ['findFirstOrThrow', {}, ['findMany']],
      ['findUniqueOrThrow', foreign, ['findUnique']],
      ['aggregate', { _count: true }, ['findMany']],
      ['groupBy', { by: ['clientId'] }, ['findMany']],
      ['count', {}, ['count']],
      ['update', { ...foreign, data }, ['update']],
      ['updateMany', { ...foreign, data }, ['update']],
      ['updateManyAndReturn', { ...foreign, data }, ['update']],
      ['upsert', { ...foreign, update: data, create: { ...rows, id: 1 } }, ['update', 'create']],
      ['upsert', { where: { id: 99 }, update: data, create: rows }, ['update', 'create']],
      ['create', { data: rows }, ['create']],
      ['createMany', { data: [rows] }, ['create']],
      ['createManyAndReturn', { data: [rows] }, ['create']],
      ['delete', foreign, ['delete']],
      ['deleteMany', foreign, ['delete']],
    ];
    const before = await db.prisma.booking.findMany({ orderBy: { id: 'asc' } });
    for (const [operation, args, expected] of cases) {
      asked.length = 0;
      const client = scope(callOf(2)) as PrismaClient;
      const result = await (client.booking as Json)[operation](args).catch((error: Json) => error.code ?? error.status);
      expect(asked, operation).toEqual(expected);
      const reads = ['findMany', 'findUnique', 'count'].includes(expected[0] as string);
      if (!reads)
        expect(result, operation).toSatisfy(
          (value: Json) => ['P2025', 'P2002', 403].includes(value) || value.count === 0 || value.length === 0,
        );
    }
    expect(await db.prisma.booking.findMany({ orderBy: { id: 'asc' } })).toEqual(before);
  });

  it('lets an upsert through that leaves what both its policies allow', async () => {
    await using db = await openDatabase(provider);
    await fill(db.prisma);
    const scope = scopedClient({ prisma: db.prisma, datamodel: db.datamodel, models: { booking: { where } } });
    const { booking } = scope(callOf(2)) as PrismaClient;
    const create = { clientId: 2, startsAt: new Date(0), price: 1 };
    expect(await booking.upsert({ where: { id: 2 }, update: { price: 3 }, create })).toMatchObject({ id: 2, clientId: 2 });
    expect(await booking.upsert({ where: { id: 99 }, update: {}, create })).toMatchObject({ clientId: 2 });
    await expect(booking.upsert({ where: { id: 2 }, update: { clientId: 1 }, create })).rejects.toMatchObject({ status: 403 });
  });
});
