import type Koa from 'koa';
import { expect, it } from 'vitest';
import type { HandlerContext } from '../../src/index.ts';
import { live, memoryBus } from '../../src/index.ts';
import { seeded } from '../models/served.ts';
import type { PrismaClient, TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import { ModernClient } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import type { EventReader } from '../support/sse.ts';
import { initializeParams, openReader, openSse } from '../support/sse.ts';
import { open } from '../support/wire.ts';

const lookMs = 100;
const startsAt = new Date('2027-01-01T09:00:00Z');

const signIn: Koa.Middleware = (ctx, next) => {
  const id = ctx.get('x-user');
  ctx.state['user'] = id === '' ? undefined : { id, clientId: Number(id) };
  return next();
};

const bookingsOf = ({ state }: HandlerContext) => ({ clientId: (state['user'] as { clientId: number } | undefined)?.clientId ?? 0 });

/** An endpoint whose callers see their own bookings, without `internalNote`. */
function serveBookings(prisma: PrismaClient, { datamodel }: TestDatabase, more: object = {}): Promise<TestServer> {
  return start(
    {
      prisma,
      datamodel,
      models: {
        booking: { where: bookingsOf, omit: { internalNote: true }, include: { client: { select: { name: true } } }, take: 100 },
        client: { select: { id: true, name: true } },
      },
      sessions: { lookMs },
      ...more,
    },
    { before: [signIn] },
  );
}

/** A subscriber of one of the transports. */
interface Ear {
  /** URIs that it was told of, in order. */
  heard(): string[];
  /** Subscribes, or throws. */
  subscribe(uri: string): Promise<void>;
  /** Ends a subscription, or throws. */
  unsubscribe(uri: string): Promise<void>;
  close(): void;
}

function heardOf(reader: EventReader): string[] {
  return reader.messages.filter(({ method }) => method === 'notifications/resources/updated').map(({ params }) => String(params?.['uri']));
}

/** Subscribers of every transport. The one of 2026-07-28 names its URIs when it opens its stream. */
const ears = {
  '2025-11-25': async (url: string, user: string, uris: readonly string[]): Promise<Ear> => {
    const session = await open(url, { headers: { 'x-user': user } });
    const reader = await openReader({ url, headers: { ...session.headers, accept: 'text/event-stream' } });
    const subscribe = async (uri: string) => void (await session.result('resources/subscribe', { uri }));
    const unsubscribe = async (uri: string) => void (await session.result('resources/unsubscribe', { uri }));
    for (const uri of uris) await subscribe(uri);
    return { heard: () => heardOf(reader), subscribe, unsubscribe, close: () => reader.close() };
  },
  '2024-11-05': async (url: string, user: string, uris: readonly string[]): Promise<Ear> => {
    const session = await openSse(`${url}/sse`, { headers: { 'x-user': user } });
    await session.request('initialize', initializeParams);
    const request = async (method: string, uri: string) => {
      const { error } = await session.request(method, { uri });
      if (error !== undefined) throw new Error(error.message);
    };
    const subscribe = (uri: string) => request('resources/subscribe', uri);
    const unsubscribe = (uri: string) => request('resources/unsubscribe', uri);
    for (const uri of uris) await subscribe(uri);
    return { heard: () => heardOf(session.reader), subscribe, unsubscribe, close: () => session.close() };
  },
  '2026-07-28': async (url: string, user: string, uris: readonly string[]): Promise<Ear> => {
    const heard: string[] = [];
    const stream = await new ModernClient(url, { headers: { 'x-user': user } }).listen({ resourceSubscriptions: uris });
    const read = async () => {
      for (let message = await stream.next(); message !== undefined; message = await stream.next())
        heard.push(String(message.params?.['uri']));
    };
    read().catch(() => undefined);
    const refuse = () => Promise.reject(new Error('subscribes when it opens'));
    return { heard: () => heard, subscribe: refuse, unsubscribe: refuse, close: () => stream.close() };
  },
} as const;

/** Does something, and waits until each subscriber has heard of exactly these URIs since. */
async function hearing(ears: readonly Ear[], work: () => Promise<unknown>, uris: readonly string[]): Promise<void> {
  const from = ears.map(ear => ear.heard().length);
  await work();
  const heard = () => ears.map((ear, index) => ear.heard().slice(from[index]).toSorted());
  await expect.poll(heard, { timeout: 5000, interval: 10 }).toEqual(ears.map(() => uris.toSorted()));
}

const uri = (id: number) => `test://booking/${id}`;
const list = 'test://booking';

describeDatabases('live rows', provider => {
  it('tell subscribers of each transport of what they see', { timeout: 120_000 }, async () => {
    await using db = await seeded(provider);
    const prisma = live(db.prisma);
    await using server = await serveBookings(prisma, db);
    const { booking, client } = prisma;
    const add = (id: number, clientId: number) => booking.create({ data: { id, clientId, startsAt, price: 1 } });
    for (const [id, clientId] of [
      [101, 1],
      [102, 1],
      [103, 2],
    ] as const)
      await add(id, clientId);
    const ada = await Promise.all(Object.values(ears).map(listen => listen(server.url, '1', [uri(101), uri(102), list])));
    const grace = await Promise.all(Object.values(ears).map(listen => listen(server.url, '2', [uri(103)])));
    // Nobody hears of a hidden column, of a transaction that is rolled back, or of a write that fails.
    await booking.update({ where: { id: 102 }, data: { internalNote: 'secret' } });
    const rolledBack = prisma.$transaction(async tx => {
      await tx.booking.update({ where: { id: 101 }, data: { price: 99 } });
      throw new Error('no');
    });
    await expect(rolledBack).rejects.toThrow('no');
    const refused = prisma.$transaction([
      booking.update({ where: { id: 101 }, data: { price: 98 } }),
      booking.create({ data: { id: 102, clientId: 1, startsAt, price: 1 } }),
    ]);
    await expect(refused).rejects.toThrow();
    // The first subscriber does not hear of a row of the second.
    await hearing(grace, () => booking.update({ where: { id: 103 }, data: { status: 'CONFIRMED' } }), [uri(103)]);
    expect(ada.map(ear => ear.heard())).toEqual([[], [], []]);
    await hearing(ada, () => booking.update({ where: { id: 101 }, data: { status: 'CONFIRMED' } }), [uri(101), list]);
    // A commit, a list of queries, a row that leaves, changes unseen and comes back.
    await hearing(ada, () => prisma.$transaction(tx => tx.booking.update({ where: { id: 101 }, data: { price: 5 } })), [uri(101), list]);
    await hearing(ada, () => prisma.$transaction([booking.update({ where: { id: 102 }, data: { price: 6 } })]), [uri(102), list]);
    await hearing(ada, () => booking.update({ where: { id: 102 }, data: { clientId: 2 } }), [uri(102), list]);
    await booking.update({ where: { id: 102 }, data: { price: 9 } });
    await hearing(ada, () => booking.update({ where: { id: 102 }, data: { clientId: 1 } }), [uri(102), list]);
    // A bulk, an included row, a nested write.
    await hearing(ada, () => booking.updateMany({ where: { id: { in: [101, 103] } }, data: { price: 8 } }), [uri(101), list]);
    await hearing(ada, () => client.update({ where: { id: 1 }, data: { name: 'Ada L.' } }), [uri(101), uri(102), list]);
    const nested = { bookings: { update: { where: { id: 101 }, data: { price: 10 } } } };
    await hearing(ada, () => client.update({ where: { id: 1 }, data: nested }), [uri(101), list]);
    // Raw SQL, of which the app tells; a deletion; a new row.
    await prisma.$executeRaw`UPDATE "Booking" SET "price" = 11 WHERE "id" = 101`;
    await hearing(ada, () => server.mcp.rowsChanged('booking', { id: 101 }), [uri(101), list]);
    await prisma.$executeRaw`UPDATE "Booking" SET "price" = 12 WHERE "id" = 101`;
    await hearing(ada, () => server.mcp.rowsChanged('booking'), [uri(101), list]);
    await hearing(ada, () => booking.delete({ where: { id: 102 } }), [uri(102), list]);
    await hearing(ada, () => add(104, 1), [list]);
    for (const ear of [...ada, ...grace]) ear.close();
  });

  it('tell a client that comes back of what it can see and what is gone, and of no row that it could not see', async () => {
    await using db = await seeded(provider);
    const prisma = live(db.prisma);
    await using server = await serveBookings(prisma, db);
    const { booking } = prisma;
    // The client inside tells of nothing, so the stream begins without changes that were not told yet.
    for (const id of [101, 102, 103, 104]) await db.prisma.booking.create({ data: { id, clientId: 1, startsAt, price: 1 } });
    const session = await open(server.url, { headers: { 'x-user': '1' } });
    const first = await openReader({ url: server.url, headers: session.headers });
    for (const id of [101, 102, 103, 104]) await session.result('resources/subscribe', { uri: uri(id) });
    await booking.update({ where: { id: 101 }, data: { price: 2 } });
    await expect.poll(() => heardOf(first)).toEqual([uri(101)]);
    first.close();
    await booking.update({ where: { id: 102 }, data: { price: 2 } });
    await booking.update({ where: { id: 103 }, data: { clientId: 2 } });
    await booking.update({ where: { id: 4 }, data: { price: 3 } });
    const again = await openReader({ url: server.url, headers: { ...session.headers, 'last-event-id': first.lastEventId ?? '' } });
    await expect.poll(() => heardOf(again).toSorted(), { timeout: 5000 }).toEqual([uri(102), uri(103)]);
    // What the first connection did not compare is not lost: the row of 101 was told, and changes again.
    await booking.update({ where: { id: 101 }, data: { price: 5 } });
    await expect.poll(() => heardOf(again).slice(2), { timeout: 5000 }).toEqual([uri(101)]);
    again.close();
  });

  it('are not told after a subscription has ended, and not read after a stream has', async () => {
    await using db = await seeded(provider);
    const prisma = live(db.prisma);
    await using server = await serveBookings(prisma, db);
    const { booking } = prisma;
    const listening = Object.values(ears).map(listen => listen(server.url, '1', [uri(1), uri(2)]));
    const [streamable, sse, modern] = (await Promise.all(listening)) as [Ear, Ear, Ear];
    for (const ear of [streamable, sse]) await ear.unsubscribe(uri(1));
    await booking.update({ where: { id: 1 }, data: { price: 3 } });
    await hearing([streamable, sse], () => booking.update({ where: { id: 2 }, data: { price: 3 } }), [uri(2)]);
    for (const ear of [streamable, sse, modern]) ear.close();
    const grace = await ears['2026-07-28'](server.url, '2', [uri(4)]);
    const readers = async () => {
      db.queries.length = 0;
      await hearing([grace], () => booking.updateMany({ data: { price: { increment: 1 } } }), [uri(4)]);
      const reads = db.queries.filter(({ model, operation }) => model === 'Booking' && operation === 'findUnique');
      return new Set(reads.map(({ args }) => JSON.stringify(args))).size;
    };
    await expect.poll(readers, { timeout: 5000 }).toBe(1);
    grace.close();
  });

  it('are told again to a client that comes back, if they had changed and were not compared yet', async () => {
    await using db = await seeded(provider);
    await using server = await serveBookings(live(db.prisma), db, { sessions: { lookMs: 60_000 } });
    const session = await open(server.url, { headers: { 'x-user': '1' } });
    const first = await openReader({ url: server.url, headers: session.headers });
    await session.result('resources/subscribe', { uri: uri(1) });
    // The subscription has read the row, and the stream has begun to. The next look is in a minute.
    await expect.poll(() => db.queries.filter(({ model }) => model === 'Booking').length).toBeGreaterThan(1);
    await db.prisma.booking.update({ where: { id: 1 }, data: { price: 3 } });
    await server.mcp.rowsChanged('booking', { id: 1 });
    await server.mcp.listChanged('tools');
    await first.until(({ method }) => method === 'notifications/tools/list_changed');
    first.close();
    const again = await openReader({ url: server.url, headers: { ...session.headers, 'last-event-id': first.lastEventId ?? '' } });
    await expect.poll(() => heardOf(again), { timeout: 5000 }).toEqual([uri(1)]);
    again.close();
  });

  it('are told to other processes before the process that wrote them closes', async () => {
    await using db = await seeded(provider);
    const prisma = live(db.prisma);
    const bus = memoryBus();
    const writer = await serveBookings(prisma, db, { bus, sessions: { lookMs: 60_000 } });
    await using reader = await serveBookings(live(await db.connect()), db, { bus });
    const ear = await ears['2026-07-28'](reader.url, '1', [uri(1), uri(2)]);
    await hearing([ear], () => prisma.booking.update({ where: { id: 1 }, data: { price: 3 } }), [uri(1)]);
    const write = async () => {
      await prisma.booking.update({ where: { id: 2 }, data: { price: 3 } });
      await writer[Symbol.asyncDispose]();
    };
    await hearing([ear], write, [uri(2)]);
    ear.close();
  });

  it('are told where a row that the policy filters by has changed, also to whom the list was empty', async () => {
    await using db = await seeded(provider);
    const prisma = live(db.prisma);
    const { membership } = prisma;
    const models = {
      room: {
        where: ({ state }: HandlerContext) => ({ memberships: { some: { clientId: Number((state['user'] as { id: string }).id) } } }),
      },
    };
    await using server = await serveBookings(prisma, db, { models });
    const ada = await ears['2026-07-28'](server.url, '1', ['test://room']);
    const linus = await ears['2026-07-28'](server.url, '3', ['test://room']);
    const member = { roomId: 'blue', level: 'none', slot: 9 };
    await hearing([linus], () => membership.create({ data: { ...member, clientId: 3 } }), ['test://room']);
    await hearing([linus], () => membership.deleteMany({ where: { clientId: 3 } }), ['test://room']);
    await hearing([ada], () => membership.create({ data: { ...member, clientId: 1 } }), ['test://room']);
    expect(linus.heard()).toHaveLength(2);
    for (const ear of [ada, linus]) ear.close();
  });

  it('are not told of a list whose first page is the same', async () => {
    await using db = await seeded(provider);
    const prisma = live(db.prisma);
    await using server = await serveBookings(prisma, db, { models: { booking: { take: 2 } } });
    const ear = await ears['2026-07-28'](server.url, '1', [list]);
    await prisma.booking.update({ where: { id: 7 }, data: { price: 3 } });
    await hearing([ear], () => prisma.booking.update({ where: { id: 1 }, data: { price: 3 } }), [list]);
    ear.close();
  });

  it('refuse rowsChanged of a model that is not exposed, of an incomplete key, and without live()', async () => {
    await using db = await seeded(provider);
    await using server = await serveBookings(live(db.prisma), db);
    await using other = await serveBookings(db.prisma, db);
    await expect(server.mcp.rowsChanged('room')).rejects.toThrow('rowsChanged: `models` has no `room` (client, booking)');
    await expect(server.mcp.rowsChanged('booking', { clientId: 1 })).rejects.toThrow('rowsChanged: the key of `booking` is { id }');
    await expect(other.mcp.rowsChanged('booking')).rejects.toThrow('needs `models`, and `prisma` from live(');
  });
});
