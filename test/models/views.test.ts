import { describe, expect, it } from 'vitest';
import { describeDatabases, openDatabase, postgresAvailable } from '../support/database.ts';
import { fillMembers } from './nullable.ts';
import { serve } from './served.ts';

describeDatabases('a view', provider => {
  it('is read like a table, under its policy', async () => {
    await using db = await openDatabase(provider);
    await fillMembers(db);
    const served = serve(db, { author: { where: { docs: { gt: 0 } }, orderBy: { nick: 'asc' } } });
    const { count } = await served.run('author_count');
    expect(count).toBe(await db.prisma.author.count({ where: { docs: { gt: 0 } } }));
    expect(count).toBeLessThan(await db.prisma.author.count());
    expect(await served.run('author_findMany', { where: { id: { lte: 2 } }, orderBy: { id: 'asc' } })).toMatchObject({
      rows: [
        { id: 1, nick: 'nick 1', docs: 1 },
        { id: 2, nick: 'nick 2', docs: 1 },
      ],
    });
    expect(await served.run('author_findUnique', { where: { id: 3 } })).toMatchObject({ nick: 'nick 3' });
  });
});

describe.skipIf(!postgresAvailable() && !process.env['CI'])('a model with a required column whose type Prisma does not have', () => {
  it('is read, updated and deleted', async () => {
    await using db = await openDatabase('postgresql');
    await db.prisma.$executeRawUnsafe(`INSERT INTO "Place" ("id", "name", "spot") VALUES (1, 'Ghent', point(1, 2))`);
    const served = serve(db, { place: { operations: ['findMany', 'update', 'delete'] } });
    const row = { id: 1, name: 'Gent', kind: 'CALM' };
    expect(await served.run('place_update', { where: { id: 1 }, data: { name: 'Gent' } })).toEqual(row);
    expect(await served.run('place_findMany')).toEqual({ rows: [row] });
    expect(await served.run('place_delete', { where: { id: 1 } })).toEqual(row);
  });
});
