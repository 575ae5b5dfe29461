import { describe, expect, it } from 'vitest';
import { prismaStore } from '../../src/session/prisma-store.ts';
import { memoryStore } from '../../src/session/store.ts';
import type { PrismaClient } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { newSession, start } from './fixtures.ts';

const later = (ms: number) => new Date(start + ms);

describeDatabases('prismaStore’s queries', provider => {
  it('are one to three for each verb, whatever the number of ids', async () => {
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
    expect(await made(() => store.find(id))).toEqual(['findUnique']);
    expect(await made(() => store.existing(ids))).toEqual(['findMany']);
    expect(await made(() => store.update(id, { initialized: true }))).toEqual(['updateMany']);
    expect(await made(() => store.touch(ids, later(1), later(2)))).toEqual(['updateMany']);
    expect(await made(() => store.subscribe(id, 'a://1'))).toEqual(['create']);
    expect(await made(() => store.subscribers('a://1', ids))).toEqual(['findMany']);
    expect(await made(() => store.subscribedTo('a://1', undefined, 10))).toEqual(['findMany']);
    expect(await made(() => store.reachable(later(0), id, 10))).toEqual(['findMany']);
    expect(await made(() => store.claim(id, 'me'))).toEqual(['updateMany', 'findUnique']);
    expect(await made(() => store.claim(id, 'me', { from: 1 }))).toEqual(['updateMany']);
    expect(await made(() => store.claim(id, 'you', { ifFree: true }))).toEqual(['updateMany']);
    expect(await made(() => store.advance(id, 'me', 1, 2))).toEqual(['updateMany']);
    expect(await made(() => store.release(id, 'me'))).toEqual(['updateMany']);
    expect(await made(() => store.list({ now: later(0), take: 10 }))).toEqual(['findMany']);
    expect(await made(() => store.unsubscribe(id, 'a://1'))).toEqual(['deleteMany']);
    expect(await made(() => store.evict('ada', 5))).toEqual(['findMany', 'count']);
    expect(await made(() => store.evict('ada', 4))).toEqual(['findMany', 'deleteMany']);
    expect(await made(() => store.sweep(later(0), 10))).toEqual(['findMany']);
    expect(await made(() => store.sweep(later(9), 10))).toEqual(['findMany', 'deleteMany']);
    expect(await made(() => store.end(id))).toEqual(['deleteMany']);
    expect(await made(() => store.touch([], later(1), later(2)))).toEqual([]);
  });

  it('name at most 500 sessions each, however many there are', async () => {
    await using database = await openDatabase(provider, { record: true });
    const { prisma, queries } = database;
    const store = prismaStore(prisma);
    const sessions = Array.from({ length: 1_200 }, () => newSession());
    const ids = sessions.map(session => session.id);
    await prisma.mcpSession.createMany({ data: sessions.map(session => ({ ...session, clientInfo: {}, capabilities: {} })) });
    queries.length = 0;
    expect(await store.existing(ids)).toHaveLength(1_200);
    await store.touch(ids, later(1), later(2));
    await store.subscribers('a://1', ids);
    expect((await store.evict('ada', 100)).ended).toHaveLength(1_100);
    expect(queries).toHaveLength(3 + 3 + 3 + 6);
    for (const { args } of queries) expect(JSON.stringify(args).split('"mcp_').length - 1).toBeLessThanOrEqual(500);
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
      'this client has no model McpSubscription, no model McpEvent, no model McpContinuation.',
    );
  });

  it('names the columns that an older copy of the models lacks', async () => {
    await using database = await openDatabase('sqlite');
    const { mcpSession, mcpSubscription, mcpEvent } = database.prisma;
    const { logLevel, holder, delivered, uriHash, bytes, ...rest } = {
      ...mcpSession.fields,
      ...mcpSubscription.fields,
      ...mcpEvent.fields,
    };
    expect([logLevel, holder, delivered, uriHash, bytes]).not.toContain(undefined);
    const old = { mcpSession: { fields: rest }, mcpSubscription: { fields: rest }, mcpEvent: { fields: rest } };
    expect(() => prismaStore(old)).toThrow(
      'no column McpSession.logLevel, no column McpSession.holder, no column McpSession.delivered, ' +
        'no column McpSubscription.uriHash, no column McpEvent.bytes',
    );
  });

  it('accepts an extended client and one inside a transaction', async () => {
    await using database = await openDatabase('sqlite');
    const session = newSession();
    await prismaStore(database.prisma.$extends({ name: 'audit' })).create(session);
    await database.prisma.$transaction(async tx => expect(await prismaStore(tx).find(session.id)).toEqual(session));
  });

  it('finds no session under an id of other case in a database that ignores case', async () => {
    await using database = await openDatabase('sqlite');
    const session = newSession();
    await prismaStore(database.prisma).create(session);
    // MySQL's default collation, as far as a look-up by id shows it.
    const ignoringCase = database.prisma.$extends({
      query: { mcpSession: { findUnique: ({ args, query }) => query({ ...args, where: { id: session.id } }) } },
    });
    expect(await prismaStore(ignoringCase).find(session.id)).toEqual(session);
    expect(await prismaStore(ignoringCase).find(session.id.toUpperCase())).toBeUndefined();
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
