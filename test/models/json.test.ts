import { afterAll, beforeAll, expect, it } from 'vitest';
import { Prisma } from '../../generated/test/sqlite/client/client.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { serve } from './served.ts';

/** Members by id: `extra` may be SQL NULL, `facts` may not. */
const rows: [extra: Json, facts: Json][] = [
  [Prisma.DbNull, Prisma.JsonNull],
  [Prisma.JsonNull, { a: null }],
  [{ a: null }, { a: { b: [1, 'x'] } }],
  [{ a: { 'b c': 'one & two', 'x.y': 5 } }, { list: [{ n: 'one' }, { n: 'two' }] }],
  [{ b: 7 }, 'text'],
];

describeDatabases('a Json column', provider => {
  let db: TestDatabase;
  let served: Served;
  beforeAll(async () => {
    db = await openDatabase(provider);
    served = serve(db, { member: { operations: ['findMany', 'findUnique', 'create', 'update', 'count'] } });
    for (const [index, [extra, facts]] of rows.entries()) {
      await db.prisma.member.create({ data: { id: index + 1, nick: `member ${index + 1}`, extra, facts } });
    }
  });
  afterAll(() => db.close());

  const found = async (where: Json): Promise<number[]> =>
    (await served.run('member_findMany', { where, select: { id: true }, orderBy: { id: 'asc' } })).rows.map(({ id }: Json) => id);

  it.each<[title: string, where: Json, ids: number[]]>([
    ['no value at all', { extra: null }, [1, 2]],
    ['the same with equals', { extra: { equals: null } }, [1, 2]],
    ['a value', { extra: { not: null } }, [3, 4, 5]],
    ['a value, in other words', { NOT: { extra: null } }, [3, 4, 5]],
    ['null in a required column', { facts: null }, [1]],
    ['a value in a required column', { facts: { not: null } }, [2, 3, 4, 5]],
    ['no value at a path', { extra: { path: ['a'], equals: null } }, [1, 2, 3, 5]],
    ['a value at a path', { extra: { path: ['a'], not: null } }, [4]],
    ['a number at a path', { extra: { path: ['b'], equals: 7 } }, [5]],
    ['a key with a space', { extra: { path: ['a', 'b c'], equals: 'one & two' } }, [4]],
    ['a key with a dot', { extra: { path: ['a', 'x.y'], equals: 5 } }, [4]],
    ['an item of an array', { facts: { path: ['list', 1, 'n'], equals: 'two' } }, [4]],
    ['a part of a text', { extra: { path: ['a', 'b c'], string_contains: '&' } }, [4]],
    ['the start of a text', { facts: { path: ['list', 0, 'n'], string_starts_with: 'on' } }, [4]],
    ['the end of a text', { facts: { path: ['list', 0, 'n'], string_ends_with: 'ne' } }, [4]],
    ['the first item', { facts: { path: ['a', 'b'], array_starts_with: 1 } }, [3]],
    ['the last item', { facts: { path: ['a', 'b'], array_ends_with: 'x' } }, [3]],
    ['a whole value', { facts: 'text' }, [5]],
    ['a whole object', { extra: { equals: { b: 7 } } }, [5]],
    ['two conditions at a path', { extra: { path: ['a', 'b c'], string_contains: 'one', not: 'one' } }, [4]],
    ['one of two', { OR: [{ facts: 'text' }, { extra: { path: ['a', 'x.y'], equals: 5 } }] }, [4, 5]],
  ])('is filtered by %s', async (_title, where, ids) => {
    expect(await found(where)).toEqual(ids);
  });

  it.runIf(provider === 'postgresql').each<[where: Json, ids: number[]]>([
    [{ facts: { path: ['a', 'b'], array_contains: ['x'] } }, [3]],
    [{ extra: { path: ['b'], gt: 6, lte: 7 } }, [5]],
    [{ extra: { path: ['b'], lt: 7 } }, []],
    [{ facts: { path: ['list', 0, 'n'], gte: 'one' } }, [4]],
  ])('is filtered by what PostgreSQL alone has: %o', async (where, ids) => {
    expect(await found(where)).toEqual(ids);
  });

  it.each<[where: Json, message: string]>([
    [{ extra: { a: 1 } }, 'where.extra.a: not a filter for extra (equals, not, path, string_contains,'],
    [{ extra: { a: 1 } }, 'to compare with a whole object, put it into equals'],
    [
      { extra: { path: '$.a', equals: 1 } },
      'where.extra.path: expected an array of 1 to 32 keys and indexes, such as ["items", 0, "name"]',
    ],
    [{ extra: { path: [], equals: 1 } }, 'where.extra.path: expected an array of 1 to 32'],
    [{ extra: { path: ['a', -1], equals: 1 } }, 'where.extra.path: expected an array of 1 to 32'],
    [{ extra: { path: ['a'] } }, 'where.extra: expected a value or one of equals, not, path,'],
    [{ extra: {} }, 'where.extra: expected a value or one of equals, not, path,'],
    [{ extra: { string_contains: 'x' } }, 'where.extra.string_contains: goes with path, such as "path": ["key"]'],
    [{ extra: { path: ['a'], string_contains: 1 } }, 'where.extra.string_contains: expected a string, got a number'],
    [{ extra: { path: ['a'], string_contains: 'a\\' } }, 'where.extra.string_contains: must not end with a single backslash'],
    [{ extra: { path: ['a'], array_starts_with: null } }, 'where.extra.array_starts_with: expected a value, got null'],
    [{ extra: { path: ['a'], string_contains: '%'.repeat(21) } }, 'more than 10 wildcards (% and _)'],
  ])('refuses the filter %o', async (where, message) => {
    expect(await served.fail('member_count', { where })).toContain(message);
  });

  it('refuses what the database cannot do, and says so', async () => {
    const gt = { extra: { path: ['b'], gt: { a: 1 } } };
    const message =
      provider === 'sqlite' ? 'where.extra.gt: not a filter for extra' : 'where.extra.gt: expected a number or a string, got an object';
    expect(await served.fail('member_count', { where: gt })).toContain(message);
    if (provider === 'sqlite') {
      const quoted = { extra: { path: ['a"b'], equals: 1 } };
      expect(await served.fail('member_count', { where: quoted })).toBe(
        'where.extra.path: this database cannot look for a key with a quote or a backslash',
      );
    }
  });

  it('is set to null on create and on update, as SQL NULL where the column has it', async () => {
    const created = await served.run('member_create', { data: { id: 9, nick: 'nine', extra: null, facts: null } });
    expect(created).toMatchObject({ extra: null, facts: null });
    const stored = { extra: { equals: Prisma.DbNull }, facts: { equals: Prisma.JsonNull } };
    expect(await db.prisma.member.count({ where: { id: 9, ...stored } })).toBe(1);
    await served.run('member_update', { where: { id: 9 }, data: { extra: { set: 1 }, facts: [1] } });
    expect(await served.run('member_findUnique', { where: { id: 9 } })).toMatchObject({ extra: { set: 1 }, facts: [1] });
    await served.run('member_update', { where: { id: 9 }, data: { extra: null, facts: null } });
    expect(await db.prisma.member.count({ where: { id: 9, ...stored } })).toBe(1);
    await db.prisma.member.delete({ where: { id: 9 } });
  });
});

describeDatabases('a condition on a text inside Json', provider => {
  it('of every related row is the same whether or not a policy applies', async () => {
    await using db = await openDatabase(provider);
    for (const [id, facts] of [{ a: 'x' }, { a: 1 }, { a: 'y' }, {}].entries()) {
      await db.prisma.member.create({ data: { id: 10 + id, nick: 'lead', facts: {} } });
      await db.prisma.member.create({ data: { id: 20 + id, nick: 'shown', facts, leadId: 10 + id } });
      await db.prisma.member.create({ data: { id: 30 + id, nick: 'hidden', facts: { a: id % 2 ? 'x' : 'y' }, leadId: 10 + id } });
    }
    const where = { team: { every: { facts: { path: ['a'], string_contains: 'x' } } } };
    const args = { where, select: { id: true } };
    const policed = await serve(db, { member: { where: { nick: { not: 'hidden' } } } }).run('member_findMany', args);
    await db.prisma.member.deleteMany({ where: { nick: 'hidden' } });
    const open = await serve(db, { member: {} }).run('member_findMany', args);
    expect(policed).toEqual(open);
    expect(open.rows.map(({ id }: Json) => id)).toEqual(expect.arrayContaining([10]));
    expect(open.rows.map(({ id }: Json) => id)).not.toContain(12);
  });
});
