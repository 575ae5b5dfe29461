import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../src/store/memory-store.ts';
import { prismaStore } from '../../src/store/prisma-store.ts';
import type { Session } from '../../src/store/store.ts';
import type { PrismaClient } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { later, newContinuation, newEvent, newId, newSession, newTask } from './fixtures.ts';

describe('prismaStore', () => {
  it('is refused a client that lacks one model or one column, by its name', () => {
    const client = { mcpSession: {}, mcpSubscription: {}, mcpEvent: {}, mcpNode: {}, mcpContinuation: {}, mcpTask: {} };
    const { mcpNode: _, ...withoutNodes } = client;
    expect(() => prismaStore(withoutNodes)).toThrow('this client has no model McpNode. Run `npx koa-mcp init`');
    const withoutBeat = { ...client, mcpNode: { fields: { id: {}, expiresAt: {} } } };
    expect(() => prismaStore(withoutBeat)).toThrow('this client has no column McpNode.beat. Run `npx koa-mcp init`');
    expect(() => prismaStore(client)).not.toThrow();
  });
});

describeDatabases('prismaStore’s queries', provider => {
  it('are one to four for each verb, whatever the number of ids', async () => {
    await using database = await openDatabase(provider, { record: true });
    const { prisma, queries } = database;
    const store = prismaStore(prisma);
    const sessions = Array.from({ length: 5 }, () => newSession());
    const ids = sessions.map(session => session.id);
    const [id = ''] = ids;
    const made = async (run: () => Promise<unknown>) => {
      queries.length = 0;
      await run();
      return queries.map(query => query.operation);
    };
    for (const session of sessions) expect(await made(() => store.create(session))).toEqual(['create']);
    expect(await made(() => store.create(sessions[0] as Session))).toEqual(['create']);
    expect(await made(() => store.find(id))).toEqual(['findUnique']);
    expect(await made(() => store.existing(ids))).toEqual(['findMany']);
    expect(await made(() => store.update(id, { initialized: true }))).toEqual(['updateMany']);
    expect(await made(() => store.touch(ids, later(1), later(2)))).toEqual(['updateMany']);
    expect(await made(() => store.subscribe(id, 'a://1'))).toEqual(['create']);
    expect(await made(() => store.subscriptions(id))).toEqual(['findMany']);
    expect(await made(() => store.countSubscriptions(id))).toEqual(['count']);
    expect(await made(() => store.list({ now: later(0), take: 10 }))).toEqual(['findMany']);
    expect(await made(() => store.unsubscribe(id, 'a://1'))).toEqual(['deleteMany']);
    expect(await made(() => store.evict('ada', 5))).toEqual(['count']);
    expect(await made(() => store.evict('ada', 4))).toEqual(['count', 'findMany', 'findMany', 'deleteMany']);
    expect(await made(() => store.sweep(later(0), 10))).toEqual(['findMany']);
    expect(await made(() => store.sweep(later(9), 10))).toEqual(['findMany', 'deleteMany']);
    expect(await made(() => store.end(id))).toEqual(['deleteMany']);
    expect(await made(() => store.touch([], later(1), later(2)))).toEqual([]);
    expect(await made(() => store.beat('a', later(1)))).toEqual(['updateMany', 'create']);
    expect(await made(() => store.beat('a', later(1)))).toEqual(['updateMany']);
    expect(await made(() => store.beats(['a', 'b']))).toEqual(['findMany']);
    expect(await made(() => store.sweepNodes(later(1), 10))).toEqual(['deleteMany']);
    expect(await made(() => store.removeNode('a'))).toEqual(['deleteMany']);
    const continuation = newContinuation();
    expect(await made(() => store.saveContinuation(continuation))).toEqual(['create']);
    expect(await made(() => store.findContinuation(continuation.id))).toEqual(['findUnique']);
    expect(await made(() => store.takeContinuation(continuation.id, 'a'))).toEqual(['updateMany']);
    expect(await made(() => store.returnContinuation(continuation.id, 'a'))).toEqual(['updateMany']);
    expect(await made(() => store.evictContinuations('ada', 1))).toEqual(['findMany', 'count']);
    expect(await made(() => store.removeContinuation(continuation.id))).toEqual(['deleteMany']);
    expect(await made(() => store.sweepContinuations(later(1), 10))).toEqual(['deleteMany']);
    const task = newTask();
    expect(await made(() => store.createTask(task))).toEqual(['create']);
    expect(await made(() => store.findTask(task.id))).toEqual(['findUnique']);
    expect(await made(() => store.updateTask(task.id, 0, { lastUpdatedAt: later(1) }))).toEqual(['updateMany']);
    expect(await made(() => store.taskVersions([task.id, 'b']))).toEqual(['findMany']);
    expect(await made(() => store.listTasks({ principal: 'ada', now: later(0), take: 10, after: task }))).toEqual(['findMany']);
    expect(await made(() => store.runningTasks('ada', later(0), 10))).toEqual(['findMany']);
    expect(await made(() => store.failTasks('a', { lastUpdatedAt: later(1), statusMessage: '', result: '{}' }))).toEqual(['updateMany']);
    expect(await made(() => store.evictTasks('ada', 1))).toEqual(['findMany', 'count']);
    expect(await made(() => store.evictTasks('ada', 0))).toEqual(['findMany', 'deleteMany', 'count']);
    expect(await made(() => store.sweepTasks(later(1), 10))).toEqual(['deleteMany']);
  });

  it('are one statement each, outside of any transaction', async () => {
    await using database = await openDatabase(provider, { record: true });
    const { prisma, queries, statements } = database;
    const store = prismaStore(prisma);
    const sessions = Array.from({ length: 3 }, () => newSession());
    const ids = sessions.map(session => session.id);
    const [id = ''] = ids;
    const unknown = Array.from({ length: 600 }, newId);
    queries.length = 0;
    statements.length = 0;
    for (const session of sessions) await store.create(session);
    await store.update(id, { connection: 'a', position: '1' });
    await store.touch([...ids, ...unknown], later(1), later(2));
    await store.existing([...ids, ...unknown]);
    await store.subscribe(id, 'a://1');
    await store.subscribe(id, 'a://1');
    await store.subscribe(newId(), 'a://1');
    await store.subscriptions(id);
    await store.evict('ada', 2);
    await store.list({ now: later(0), take: 2, after: sessions[0] });
    await store.sweep(later(10_000), 2);
    for (const expiry of [1, 2]) await store.beat('a', later(expiry));
    await store.beats(['a', ...unknown]);
    await store.sweepNodes(later(9), 10);
    const continuation = newContinuation();
    await store.saveContinuation(continuation);
    await store.findContinuation(continuation.id);
    await store.takeContinuation(continuation.id, 'a');
    await store.returnContinuation(continuation.id, 'a');
    await store.removeContinuation(continuation.id);
    await store.sweepContinuations(later(9), 10);
    const task = newTask();
    await store.createTask(task);
    await store.updateTask(task.id, 0, { lastUpdatedAt: later(1), status: 'completed' });
    await store.taskVersions([task.id]);
    await store.evictTasks('ada', 0);
    await store.failTasks('a', { lastUpdatedAt: later(1), statusMessage: '', result: '{}' });
    await store.sweepTasks(later(9), 10);
    await store.end(id);
    expect(statements.length).toBeGreaterThan(20);
    // Two have failed, for a subscription that is there and for a session that is not, and are not recorded.
    expect(statements).toHaveLength(queries.length - 2);
    expect(statements.filter(statement => /COMMIT|ROLLBACK/.test(statement))).toEqual([]);
  });

  it('name at most 500 sessions each, or 900 that were used, however many there are', async () => {
    await using database = await openDatabase(provider, { record: true });
    const { prisma, queries } = database;
    const store = prismaStore(prisma);
    const sessions = Array.from({ length: 1_200 }, () => newSession());
    const ids = sessions.map(session => session.id);
    await prisma.mcpSession.createMany({ data: sessions.map(session => ({ ...session, clientInfo: {}, capabilities: {} })) });
    queries.length = 0;
    expect(await store.existing(ids)).toHaveLength(1_200);
    await store.touch(ids, later(1), later(2));
    await store.beats(ids);
    expect((await store.evict('ada', 100)).ended).toHaveLength(1_100);
    expect(queries).toHaveLength(3 + 2 + 3 + 10);
    const named = queries.map(({ args }) => JSON.stringify(args).split('"mcp_').length - 1);
    expect(Math.max(...named.filter((_, index) => index < 3 || index >= 5))).toBeLessThanOrEqual(500);
    expect(named.slice(3, 5)).toEqual([900, 300]);
  });

  it('let a session live that was used between being found expired and being ended', async () => {
    await using database = await openDatabase(provider);
    const { prisma } = database;
    const other = prismaStore(await database.connect());
    const [used, idle] = [newSession(), newSession()];
    const store = prismaStore(beforeDelete(prisma, () => other.touch([used.id], later(900), later(1_900))));
    await Promise.all([store.create(used), store.create(idle)]);
    expect(await store.sweep(later(1_000), 10)).toMatchObject([{ id: idle.id }]);
    expect(await store.find(used.id)).toMatchObject({ expiresAt: later(1_900) });
  });

  it('let a session live that was used between being found idle and being evicted', async () => {
    await using database = await openDatabase(provider);
    const { prisma } = database;
    const other = prismaStore(await database.connect());
    const [used, idle] = [newSession(), newSession()];
    const store = prismaStore(beforeDelete(prisma, () => other.touch([used.id], later(900), later(1_900))));
    await Promise.all([store.create(used), store.create(idle)]);
    expect((await store.evict('ada', 0)).ended).toMatchObject([{ id: idle.id }]);
    expect(await store.existing([used.id, idle.id])).toEqual([used.id]);
  });

  it('end as many expired sessions as the limit says, past what one query can name', async () => {
    await using database = await openDatabase(provider, { record: true });
    const { prisma, queries } = database;
    const sessions = Array.from({ length: 1_201 }, () => newSession());
    await prisma.mcpSession.createMany({ data: sessions.map(session => ({ ...session, clientInfo: {}, capabilities: {} })) });
    queries.length = 0;
    expect(await prismaStore(prisma).sweep(later(1_000), 1_200)).toHaveLength(1_200);
    expect(queries.map(({ operation }) => operation)).toEqual(['findMany', 'deleteMany', 'deleteMany', 'deleteMany']);
    expect(await prisma.mcpSession.count()).toBe(1);
  });

  it('report as ended what another process ended first', async () => {
    await using database = await openDatabase(provider);
    const { prisma } = database;
    const other = prismaStore(await database.connect());
    const [a, b] = [newSession(), newSession()];
    const store = prismaStore(beforeDelete(prisma, () => other.end(a.id)));
    await Promise.all([store.create(a), store.create(b)]);
    expect((await store.sweep(later(1_000), 10)).map(({ id }) => id).sort()).toEqual([a.id, b.id].sort());
  });
});

describe('prismaStore at start-up', () => {
  it('says which models a client lacks, and what to do', () => {
    const start = () => prismaStore({ user: {} });
    expect(start).toThrow(TypeError);
    expect(start).toThrow('no model McpSession, no model McpSubscription');
    expect(start).toThrow('`npx koa-mcp init`');
    expect(start).toThrow('memoryStore()');
    expect(() => prismaStore({ mcpSession: {} })).toThrow(
      'this client has no model McpSubscription, no model McpEvent, no model McpNode, no model McpContinuation, no model McpTask.',
    );
  });

  it('names the columns that an older copy of the models lacks', async () => {
    await using database = await openDatabase('sqlite');
    const { mcpSession, mcpSubscription, mcpEvent, mcpNode, mcpContinuation } = database.prisma;
    const { logLevel, connection, position, ...session } = mcpSession.fields;
    const { key, largeData, ...event } = mcpEvent.fields;
    const { takenBy, ...continuation } = mcpContinuation.fields;
    expect([logLevel, connection, position, key, largeData, takenBy]).not.toContain(undefined);
    const older = {
      mcpSession: { fields: session },
      mcpSubscription,
      mcpEvent: { fields: event },
      mcpNode,
      mcpContinuation: { fields: continuation },
      mcpTask: {},
    };
    expect(() => prismaStore(older)).toThrow(
      'no column McpSession.logLevel, no column McpSession.connection, no column McpSession.position, ' +
        'no column McpEvent.key, no column McpEvent.largeData, no column McpContinuation.takenBy. Run',
    );
  });

  it('accepts an extended client and one inside a transaction', async () => {
    await using database = await openDatabase('sqlite');
    const session = newSession();
    await prismaStore(database.prisma.$extends({ name: 'audit' })).create(session);
    await database.prisma.$transaction(async tx => expect(await prismaStore(tx).find(session.id)).toEqual(session));
  });

  it('finds nothing under a name of other case in a database that ignores case', async () => {
    await using database = await openDatabase('sqlite');
    const [session, continuation] = [newSession(), newContinuation()];
    // MySQL's default collation, as far as a look-up shows it.
    const ignoringCase = database.prisma.$extends({
      query: {
        mcpSession: { findUnique: ({ args, query }) => query({ ...args, where: { id: session.id } }) },
        mcpContinuation: { findUnique: ({ args, query }) => query({ ...args, where: { id: continuation.id } }) },
        mcpNode: { findMany: ({ args, query }) => query({ ...args, where: {} }) },
        mcpEvent: { findMany: ({ args, query }) => query({ ...args, where: {} }) },
      },
    });
    const store = prismaStore(ignoringCase);
    await store.create(session);
    await store.saveContinuation(continuation);
    await store.beat('node', later(1));
    await store.append([newEvent('stream', 'a')]);
    expect(await store.find(session.id.toUpperCase())).toBeUndefined();
    expect(await store.find(session.id)).toEqual(session);
    expect(await store.findContinuation(continuation.id.toUpperCase())).toBeUndefined();
    expect(await store.findContinuation(continuation.id)).toEqual(continuation);
    expect(await store.beats(['NODE'])).toEqual(new Map());
    expect(await store.beats(['node'])).toEqual(new Map([['node', 1]]));
    expect(await store.findEvents({ streams: ['STREAM'], after: 0, limit: 1 })).toEqual([]);
    expect(await store.findEvents({ streams: ['stream'], after: 0, limit: 1 })).toHaveLength(1);
  });

  it('gives the verbs that memoryStore gives', async () => {
    await using database = await openDatabase('sqlite');
    expect(Object.keys(prismaStore(database.prisma)).sort()).toEqual(Object.keys(memoryStore()).sort());
  });
});

/** The client of a process that is overtaken by another one right before it deletes. */
function beforeDelete(prisma: PrismaClient, meanwhile: () => Promise<unknown>): object {
  return prisma.$extends({
    query: {
      mcpSession: {
        async deleteMany({ args, query }) {
          await meanwhile();
          return query(args);
        },
      },
    },
  });
}
