import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { prismaStore } from '../../src/store/prisma-store.ts';
import type { NewEvent } from '../../src/store/store.ts';
import type { PrismaClient } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { later, newEvent } from './fixtures.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

describeDatabases('prismaStore’s queries for events', provider => {
  it('are one for each write and each read, and two for a sweep', async () => {
    await using database = await openDatabase(provider, { record: true });
    const { prisma, queries, statements } = database;
    const store = prismaStore(prisma);
    const made = async (run: () => Promise<unknown>) => {
      queries.length = 0;
      statements.length = 0;
      await run();
      // At most one statement each, as one that fails is not recorded: Prisma has opened no transaction of its own.
      expect(statements.length).toBeLessThanOrEqual(queries.length);
      expect(statements.filter(statement => /COMMIT|ROLLBACK/.test(statement))).toEqual([]);
      return queries.map(query => query.operation);
    };
    const [one, two, three] = ['a', 'b', 'c'].map(data => newEvent('s', data)) as [NewEvent, NewEvent, NewEvent];
    const many = numbers(250).map(index => newEvent('t', String(index)));
    expect(await made(() => store.append([]))).toEqual([]);
    expect(await made(() => store.append([one]))).toEqual(['create']);
    expect(await made(() => store.append([two, newEvent('s', 'x'.repeat(5_000))]))).toEqual(['createMany']);
    expect(await made(() => store.append(many))).toEqual(['createMany', 'createMany', 'createMany']);
    expect(await made(() => store.append(numbers(3).map(() => newEvent('s', 'x'.repeat(600_000)))))).toEqual([
      'create',
      'create',
      'create',
    ]);
    expect(await made(() => store.append([one]))).toEqual(['create', 'findMany']);
    expect(await made(() => store.append([one, two]))).toEqual(['createMany', 'findMany']);
    expect(await made(() => store.append([one, three]))).toEqual(['createMany', 'findMany', 'create']);
    expect(await made(() => store.read({ after: 3, gaps: [], limit: 500 }))).toEqual(['findMany']);
    expect(await made(() => store.read({ after: 9, gaps: numbers(400), limit: 500 }))).toEqual(['findMany']);
    expect(await made(() => store.read({ after: 900, gaps: numbers(900), limit: 500 }))).toEqual(['findMany', 'findMany']);
    expect(await made(() => store.findEvents({ streams: ['s', '*'], after: 3, gaps: [1, 2], upTo: 9, limit: 500 }))).toEqual(['findMany']);
    expect(await made(() => store.latest(100))).toEqual(['findMany']);
    expect(await made(() => store.sweepEvents(later(1_000), 500))).toEqual(['findMany', 'deleteMany']);
  });

  it('read small data of every stream, and large data only where it is asked for', async () => {
    await using database = await openDatabase(provider, { record: true });
    const store = prismaStore(database.prisma);
    const sizes = [0, 1, 4_096, 4_097, 3_000_000];
    await store.append(sizes.map(size => newEvent('s', 'ä'.repeat(size))));
    const tailed = await store.read({ after: 0, gaps: [], limit: 10 });
    expect(tailed.map(({ data }) => data?.length)).toEqual([0, 1, 4_096, undefined, undefined]);
    expect(database.statements.at(-1)).not.toContain('largeData');
    const found = await store.findEvents({ streams: ['s'], after: 0, limit: 10 });
    expect(found.map(({ data }) => data.length)).toEqual(sizes);
    const rows = await database.prisma.mcpEvent.findMany({ orderBy: { id: 'asc' } });
    expect(rows.map(({ data, largeData }) => [data?.length, largeData?.length])).toEqual([
      [0, undefined],
      [1, undefined],
      [4_096, undefined],
      [undefined, 4_097],
      [undefined, 3_000_000],
    ]);
  });

  it('repeat a write that met a deadlock, and give up with the database’s error after ten', async () => {
    await using database = await openDatabase(provider);
    const events = numbers(3).map(index => newEvent('s', String(index)));
    const once = failing(database.prisma, 'P2034', 1);
    await prismaStore(once.prisma).append(events);
    expect(await database.prisma.mcpEvent.count()).toBe(3);
    const always = failing(database.prisma, 'P2002', Number.POSITIVE_INFINITY);
    await expect(prismaStore(always.prisma).append(numbers(2).map(() => newEvent('s', 'x')))).rejects.toMatchObject({ code: 'P2002' });
    expect([once.attempts, always.attempts]).toEqual([2, 10]);
    const refused = failing(database.prisma, 'P2021', Number.POSITIVE_INFINITY);
    await expect(prismaStore(refused.prisma).append(numbers(2).map(() => newEvent('s', 'x')))).rejects.toMatchObject({ code: 'P2021' });
    expect(refused.attempts).toBe(1);
  });

  it('add what is missing after a write that was applied though its answer was lost', async () => {
    await using database = await openDatabase(provider);
    const { prisma } = database;
    const events = numbers(130).map(index => newEvent('s', String(index)));
    const lost = prisma.$extends({
      query: {
        mcpEvent: {
          async createMany({ args, query }) {
            await query(args);
            throw Object.assign(new Error('Server has closed the connection.'), { code: 'P1017' });
          },
        },
      },
    });
    await expect(prismaStore(lost).append(events)).rejects.toMatchObject({ name: 'StoreUnavailable' });
    expect(await prisma.mcpEvent.count()).toBe(100);
    await prismaStore(prisma).append(events);
    const rows = await prisma.mcpEvent.findMany({ orderBy: { id: 'asc' }, select: { data: true } });
    expect(rows.map(({ data }) => data)).toEqual(events.map(({ data }) => data));
  });

  it('count on past what 32 bits hold', async () => {
    await using database = await openDatabase(provider);
    const { prisma } = database;
    const store = prismaStore(prisma);
    await prisma.mcpEvent.create({ data: { id: 2 ** 31 - 1, key: 'first', stream: 's', expiresAt: later(1) } });
    if (provider === 'postgresql') await prisma.$executeRaw`SELECT setval('"McpEvent_id_seq"', 2147483647)`;
    await store.append([newEvent('s', 'a')]);
    expect(await store.latest(2)).toEqual([2 ** 31, 2 ** 31 - 1]);
    expect(await store.read({ after: 2 ** 31 - 1, gaps: [], limit: 10 })).toEqual([{ id: 2 ** 31, stream: 's', data: 'a' }]);
    expect(await store.findEvents({ streams: ['s'], after: 2 ** 31, gaps: [2 ** 31], limit: 10 })).toHaveLength(1);
    await store.sweepEvents(later(10_000), 10);
    expect(await store.latest(2)).toEqual([]);
  });
});

describe('ids of PostgreSQL', () => {
  it('become visible in another order where transactions overlap, and the late one is found by its gap', async test => {
    await using database = await openDatabase('postgresql', { test });
    const store = prismaStore(database.prisma);
    await store.append([newEvent('s', 'before')]);
    const [slow, fast] = [new pg.Client({ connectionString: database.url }), new pg.Client({ connectionString: database.url })];
    await Promise.all([slow.connect(), fast.connect()]);
    const insert = (client: pg.Client, data: string) => {
      const columns = '("key", "stream", "data", "expiresAt") VALUES ($1, $2, $1, now())';
      return client.query(`INSERT INTO "McpEvent" ${columns} RETURNING "id"`, [data, 's']);
    };
    await slow.query('BEGIN');
    const { rows } = await insert(slow, 'late');
    const gap = Number(rows[0].id);
    await insert(fast, 'early');

    const seen = await store.read({ after: 0, gaps: [], limit: 10 });
    expect(seen.map(({ data }) => data)).toEqual(['before', 'early']);
    const after = seen.at(-1)?.id ?? 0;
    expect(after).toBeGreaterThan(gap);
    expect(await store.read({ after, gaps: [gap], limit: 10 })).toEqual([]);
    await slow.query('COMMIT');
    expect(await store.read({ after, gaps: [], limit: 10 })).toEqual([]);
    await store.append([newEvent('s', 'next')]);
    const late = await store.read({ after, gaps: [gap], limit: 10 });
    expect(late.map(({ data }) => data)).toEqual(['late', 'next']);
    const query = { streams: ['s'], after, gaps: [gap], upTo: after, limit: 10 };
    expect((await store.findEvents(query)).map(({ data }) => data)).toEqual(['late']);
    await Promise.all([slow.end(), fast.end()]);
  });
});

describe('ids of CockroachDB', () => {
  it('are refused where its autoincrement() makes them, beyond what a number holds', async () => {
    const rows = [{ id: 1_009_456_789_012_345_679n, stream: 's', data: 'x' }];
    await using database = await openDatabase('sqlite');
    const client = database.prisma.$extends({ query: { mcpEvent: { findMany: async () => rows as never } } });
    await expect(prismaStore(client).read({ after: 0, gaps: [], limit: 1 })).rejects.toThrow(
      'McpEvent.id: 1009456789012345679 is too large; make the column count from 1, with @default(sequence()) on CockroachDB',
    );
  });
});

/** A client whose first `failures` writes of several events fail with a code of Prisma's. */
function failing(prisma: PrismaClient, code: string, failures: number) {
  const counted = { attempts: 0 };
  const extended = prisma.$extends({
    query: {
      mcpEvent: {
        createMany({ args, query }) {
          counted.attempts += 1;
          if (counted.attempts > failures) return query(args);
          return Promise.reject(Object.assign(new Error('lost'), { code }));
        },
      },
    },
  });
  return Object.assign(counted, { prisma: extended });
}
