import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scopedClient } from '../../src/models/compile.ts';
import type { TestDatabase } from '../support/database.ts';
import { openDatabase } from '../support/database.ts';
import { callOf, serve } from './served.ts';

describe('a client with extensions', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await openDatabase('sqlite');
    for (const [id, name] of [
      [1, 'Ada'],
      [2, 'Grace'],
    ] as const) {
      await db.prisma.client.create({ data: { id, email: `${id}@example.com`, name, passwordHash: 'x' } });
    }
  });
  afterAll(() => db.close());

  const served = (prisma: unknown, where: object = {}) =>
    serve(
      { ...db, prisma: prisma as TestDatabase['prisma'] },
      { client: { operations: ['findUnique', 'findMany', 'count', 'update'], select: { id: true, name: true }, where } },
    );

  it('gives the values that it computes for a column, and no computed member that is no column', async () => {
    const prisma = db.prisma.$extends({
      result: {
        client: {
          name: { needs: { name: true }, compute: ({ name }) => name.toUpperCase() },
          secret: { needs: { passwordHash: true }, compute: ({ passwordHash }) => passwordHash },
        },
      },
    });
    const { run } = served(prisma);
    expect(await run('client_findMany', {})).toEqual({
      rows: [
        { id: 1, name: 'ADA' },
        { id: 2, name: 'GRACE' },
      ],
    });
    expect(await run('client_findUnique', { where: { id: 2 } })).toEqual({ id: 2, name: 'GRACE' });
    expect(await run('client_update', { where: { id: 2 }, data: { name: 'Grace' } })).toEqual({ id: 2, name: 'GRACE' });
  });

  it('adds the conditions of its query extensions to those of the policy, in reads and in writes', async () => {
    const prisma = db.prisma.$extends({
      query: {
        client: {
          $allOperations: ({ args, query }) =>
            query({ ...args, where: { AND: [(args as { where?: object }).where ?? {}, { id: { lt: 2 } }] } }),
        },
      },
    });
    const { run } = served(prisma, { name: { not: 'Nobody' } });
    expect(await run('client_findMany', {})).toEqual({ rows: [{ id: 1, name: 'Ada' }] });
    expect(await run('client_count', {})).toEqual({ count: 1 });
    expect(await served(prisma, { id: 2 }).run('client_count', {})).toEqual({ count: 0 });
  });

  it('runs each query of a write through its query extensions', async () => {
    const seen: string[] = [];
    const prisma = db.prisma.$extends({
      query: {
        $allModels: {
          $allOperations: ({ operation, args, query }) => {
            seen.push(operation);
            return query(args);
          },
        },
      },
    });
    await served(prisma, { id: 1 }).run('client_update', { where: { id: 1 }, data: { name: 'Ada' } });
    expect(seen).toContain('update');
  });

  it('keeps what it adds to a model from callers of tools', async () => {
    const prisma = db.prisma.$extends({ model: { client: { everybody: () => db.prisma.client.findMany() } } });
    expect(served(prisma).tools.map(({ name }) => name)).toEqual(['client_findUnique', 'client_findMany', 'client_count', 'client_update']);
  });

  it('gives the host its computed values through ctx.prisma', async () => {
    const prisma = db.prisma.$extends({
      result: { client: { greeting: { needs: { name: true }, compute: ({ name }) => `Dear ${name}` } } },
    });
    const scoped = scopedClient({ prisma, datamodel: db.datamodel, models: { client: { where: { id: 2 } } } })(callOf()) as typeof prisma;
    expect((await scoped.client.findMany()).map(({ greeting }) => greeting)).toEqual(['Dear Grace']);
  });
});
