import { describe, expect, it } from 'vitest';
import { LOG } from '../../src/session/events.ts';
import { prismaStore } from '../../src/session/prisma-store.ts';
import type { Store } from '../../src/session/store.ts';
import { memoryStore } from '../../src/session/store.ts';
import type { PrismaClient } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { eventsSuite } from './events-suite.ts';
import { newSession } from './fixtures.ts';

const inFiveMinutes = () => new Date(Date.now() + 300_000);

describe('memoryStore', () => {
  eventsSuite('memory', async () => {
    let current = memoryStore();
    const store = new Proxy({} as Store, { get: (_, verb) => current[verb as keyof Store] });
    return {
      store,
      other: store,
      reset: async () => {
        current = memoryStore();
      },
      close: async () => {},
    };
  });
});

describeDatabases('prismaStore', provider => {
  eventsSuite(provider, async () => {
    const { prisma, connect, close } = await openDatabase(provider);
    const second = await connect();
    let stores = [prismaStore(prisma), prismaStore(second)];
    const face = (index: number) => new Proxy({} as Store, { get: (_, verb) => stores[index]?.[verb as keyof Store] });
    return {
      store: face(0),
      other: face(1),
      reset: async () => {
        await prisma.mcpEvent.deleteMany();
        await prisma.mcpSession.deleteMany();
        stores = [prismaStore(prisma), prismaStore(second)];
      },
      close,
    };
  });
});

describeDatabases('pushing to one stream', provider => {
  it('shows a reader every message of eight publishers in four processes once, in order, none behind its cursor', async () => {
    await using database = await openDatabase(provider);
    const reader = prismaStore(database.prisma);
    const session = newSession();
    await reader.create(session);
    const clients = await Promise.all([1, 2, 3, 4].map(() => database.connect()));
    const publishers = clients.map(client => prismaStore(client)).flatMap(store => [store, store]);
    const seen: { seq: number; data: string }[] = [];
    const tail = async () => {
      for (let cursor = 0; seen.length < 400; ) {
        const events = await reader.read('s', cursor, 100);
        seen.push(...events);
        cursor = events.at(-1)?.seq ?? cursor;
        // Gives way to publishers of this very process.
        await new Promise(resolve => setImmediate(resolve));
        if (cursor > 400) break;
      }
    };
    const publish = async (store: Store, publisher: number) => {
      const positions: (number | undefined)[] = [];
      for (let message = 0; message < 50; message += 1) {
        const data = [`${publisher}:${message}`];
        positions.push(...(await store.push([{ sessionId: session.id, stream: 's', data, expiresAt: inFiveMinutes() }])));
      }
      return positions;
    };
    const [, ...positions] = await Promise.all([tail(), ...publishers.map(publish)]);
    expect(seen.map(({ seq }) => seq)).toEqual(Array.from({ length: 400 }, (_, index) => index + 1));
    // Each publisher's own order is kept, and it was told the positions.
    for (const [publisher, own] of positions.entries()) {
      const messages = seen.filter(({ data }) => data.startsWith(`${publisher}:`));
      expect(messages.map(({ data }) => data)).toEqual(Array.from({ length: 50 }, (_, message) => `${publisher}:${message}`));
      expect(messages.map(({ seq }) => seq)).toEqual(own);
    }
  }, 60_000);

  it('to many streams in opposite orders locks nobody out', async () => {
    await using database = await openDatabase(provider);
    const clients = await Promise.all([1, 2, 3, 4].map(() => database.connect()));
    const stores = clients.map(client => prismaStore(client));
    const sessions = Array.from({ length: 20 }, () => newSession());
    for (const session of sessions) await stores[0]?.create(session);
    const rounds = 10;
    await Promise.all(
      stores.map(async (store, index) => {
        const ordered = index % 2 === 0 ? sessions : [...sessions].reverse();
        const pushes = ordered.map(({ id }) => ({ sessionId: id, stream: `of ${id}`, data: ['a', 'b'], expiresAt: inFiveMinutes() }));
        for (let round = 0; round < rounds; round += 1) expect(await store.push(pushes)).not.toContain(undefined);
      }),
    );
    const last = await stores[0]?.last(sessions.map(({ id }) => `of ${id}`));
    expect([...(last?.values() ?? [])]).toEqual(sessions.map(() => 4 * rounds * 2));
  }, 60_000);

  it('goes on where sessions end meanwhile', async () => {
    await using database = await openDatabase(provider);
    const [publisher, ender] = [prismaStore(database.prisma), prismaStore(await database.connect())];
    const sessions = Array.from({ length: 30 }, () => newSession());
    for (const session of sessions) await publisher.create(session);
    const pushes = sessions.map(({ id }) => ({ sessionId: id, stream: `of ${id}`, data: ['a'], expiresAt: inFiveMinutes() }));
    const ended = sessions.slice(1).map(({ id }) => id);
    const end = async () => {
      for (const id of [...ended].reverse()) await ender.end(id);
    };
    const publish = async () => {
      for (let round = 1; round <= 20; round += 1) expect((await publisher.push(pushes))[0]).toBe(round);
    };
    await Promise.all([end(), publish()]);
    expect(await publisher.push(pushes)).toEqual([21, ...ended.map(() => undefined)]);
  }, 60_000);
});

describeDatabases('prismaStore’s queries for events', provider => {
  it('are one for a push to streams pushed to before, and two more to find out or after losing a race', async () => {
    await using database = await openDatabase(provider, { record: true });
    const { prisma, queries } = database;
    const [store, other] = [prismaStore(prisma), prismaStore(await database.connect())];
    const sessions = [newSession(), newSession()];
    for (const session of sessions) await store.create(session);
    const pushes = sessions.map(({ id }) => ({ sessionId: id, stream: `of ${id}`, data: ['a', 'b'], expiresAt: inFiveMinutes() }));
    const made = async (run: () => Promise<unknown>) => {
      queries.length = 0;
      await run();
      return queries.map(query => query.operation);
    };
    expect(await made(() => store.push(pushes))).toEqual(['findMany', 'groupBy', 'createMany']);
    expect(await made(() => store.push(pushes))).toEqual(['createMany']);
    expect(await made(() => other.push(pushes.slice(0, 1)))).toEqual(['findMany', 'groupBy', 'createMany']);
    expect(await made(() => store.push(pushes))).toEqual(['createMany', 'findMany', 'groupBy', 'createMany']);
    const log = [{ sessionId: null, stream: LOG, data: ['a'], expiresAt: new Date(Date.now() - 1) }];
    expect(await made(() => store.push(log))).toEqual(['groupBy', 'createMany']);
    // Its row may have been swept, so its position is looked up again.
    expect(await made(() => store.push(log))).toEqual(['groupBy', 'createMany']);
    const id = sessions[0]?.id ?? '';
    expect(await made(() => store.last(pushes.map(({ stream }) => stream)))).toEqual(['groupBy']);
    expect(await made(() => store.remove(`of ${id}`, [1, 2]))).toEqual(['updateMany']);
    expect(await made(() => store.prune(id, { maxEvents: 9, maxBytes: 9 }))).toEqual(['aggregate']);
    expect(await made(() => store.prune(id, { maxEvents: 1, maxBytes: 9 }))).toEqual(['aggregate', 'findMany', 'updateMany']);
    expect(await made(() => store.sweepEvents(new Date(), 10))).toEqual(['findMany', 'findMany', 'deleteMany']);
  });

  it('name streams in one order, so that two processes do not wait for each other', async () => {
    await using database = await openDatabase(provider, { record: true });
    const store = prismaStore(database.prisma);
    const session = newSession();
    await store.create(session);
    const streams = ['b', 'a', 'C', 'b', 'c'];
    await store.push(streams.map((stream, index) => ({ sessionId: session.id, stream, data: [`${index}`], expiresAt: inFiveMinutes() })));
    const written = database.queries.filter(({ operation }) => operation === 'createMany');
    const rows = written.flatMap(({ args }) => (args as { data: { stream: string; seq: number; data: string }[] }).data);
    expect(rows.map(row => `${row.stream}${row.seq}:${row.data}`)).toEqual(['C1:2', 'a1:1', 'b1:0', 'b2:3', 'c1:4']);
  });

  it('are made again after a deadlock, and given up with the database’s error where another process is always faster', async () => {
    await using database = await openDatabase(provider);
    const session = newSession();
    await prismaStore(database.prisma).create(session);
    const push = { sessionId: session.id, stream: 's', data: ['a'], expiresAt: inFiveMinutes() };
    const once = failing(database.prisma, 'P2034', 1);
    expect(await prismaStore(once.prisma).push([push])).toEqual([1]);
    const always = failing(database.prisma, 'P2002', Infinity);
    await expect(prismaStore(always.prisma).push([push])).rejects.toThrow('lost');
    expect([once.attempts, always.attempts]).toEqual([2, 100]);
    const other = failing(database.prisma, 'P1001', Infinity);
    await expect(prismaStore(other.prisma).push([push])).rejects.toThrow('lost');
    expect(other.attempts).toBe(1);
  }, 30_000);
});

/** A client whose first `failures` writes of events fail with a code of Prisma's. */
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
