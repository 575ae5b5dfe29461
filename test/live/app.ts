import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PrismaPg } from '@prisma/adapter-pg';
import Koa from 'koa';
import { PrismaClient } from '../../generated/test/postgresql/client/client.ts';
import { datamodel } from '../../generated/test/postgresql/mcp/datamodel.ts';
import type { Bus, HandlerContext } from '../../src/index.ts';
import { live, mcp } from '../../src/index.ts';
import type { Change, KnownRow, Query, Write } from './writes.ts';

/** One process of an app whose callers see their own bookings. */
export interface LiveApp {
  /** Of the endpoint. */
  readonly url: string;
  /** Writes as the app's own code would. A transaction that is to be rolled back is rolled back. */
  write(write: Write): Promise<void>;
  close(): Promise<void>;
}

export interface LiveAppOptions {
  readonly databaseUrl: string;
  readonly bus: Bus;
  readonly lookMs: number;
  readonly onError: (error: unknown) => void;
}

const startsAt = new Date('2027-01-01T09:00:00Z');

/** Starts the app on a port of its own. */
export async function startLiveApp({ databaseUrl, bus, lookMs, onError }: LiveAppOptions): Promise<LiveApp> {
  const prisma = live(new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl, max: 8 }) }));
  const endpoint = mcp({
    name: 'live',
    prisma,
    datamodel,
    bus,
    sessions: { lookMs },
    onError,
    models: {
      booking: {
        where: ({ state }: HandlerContext) => ({ client: { id: Number((state['user'] as { id: string }).id) } }),
        select: { id: true, price: true },
        take: 100,
      },
    },
  });
  const app = new Koa();
  app.on('error', onError);
  app.use((ctx, next) => {
    ctx.state['user'] = { id: ctx.get('x-user') };
    return next();
  });
  app.use(endpoint);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    write: async write => {
      const raw = await writeTo(prisma, write);
      if (raw !== undefined)
        await (raw.tells === 'row' ? endpoint.rowsChanged('booking', { id: raw.id }) : endpoint.rowsChanged('booking'));
    },
    async close() {
      await endpoint.close({ deadlineMs: 1000 });
      server.closeAllConnections();
      server.close();
      await prisma.$disconnect();
    },
  };
}

type Raw = Extract<Write, { do: 'raw' }>;

/** @returns A raw write, of which the app has to tell. */
async function writeTo(prisma: PrismaClient, write: Write): Promise<Raw | undefined> {
  switch (write.do) {
    case 'raw':
      await prisma.$executeRaw`UPDATE "Booking" SET "price" = ${write.price} WHERE "id" = ${write.id}`;
      return write;
    case 'transaction':
      await rollingBack(write.isRolledBack, () =>
        prisma.$transaction(async tx => {
          for (const query of write.queries) await queryOf(tx, query);
          if (write.isRolledBack) throw new Error('rolled back');
        }),
      );
      return undefined;
    case 'list': {
      const queries = write.queries.map(query => queryOf(prisma, query));
      // Every booking needs a client.
      if (write.isRolledBack) queries.push(prisma.booking.create({ data: { clientId: -1, startsAt, price: 0 } }));
      await rollingBack(write.isRolledBack, () => prisma.$transaction(queries as never[]));
      return undefined;
    }
    default:
      await queryOf(prisma, write);
      return undefined;
  }
}

async function rollingBack(isRolledBack: boolean, work: () => Promise<unknown>): Promise<void> {
  const isDone = await work().then(
    () => true,
    (error: unknown) => {
      if (isRolledBack) return false;
      throw error;
    },
  );
  if (isDone === isRolledBack) throw new Error('a transaction was committed that was to be rolled back');
}

type Client = Pick<PrismaClient, 'booking' | 'client'>;

function queryOf({ booking, client }: Client, query: Query): Promise<unknown> {
  switch (query.do) {
    case 'create':
      return booking.create({ data: { id: query.id, ...toBooking(query.row) } });
    case 'upsert':
      return booking.upsert({
        where: { id: query.id },
        create: { id: query.id, ...toBooking(query.row) },
        update: toBooking(query.row),
        select: { price: true },
      });
    case 'update':
      return booking.update({
        where: { id: query.id },
        data: toColumns(query.change),
        ...(query.how === 'select' && { select: { price: true } }),
      });
    case 'nested':
      return client.update({
        where: { id: query.owner },
        data: { bookings: { update: { where: { id: query.id }, data: toColumns(query.change) } } },
      });
    case 'delete':
      return booking.delete({ where: { id: query.id } });
    case 'createMany':
      return booking.createMany({ data: query.ids.map(id => ({ id, ...toBooking(query.row) })) });
    case 'updateMany':
      return booking.updateMany({ where: { id: { in: [...query.ids] } }, data: toColumns(query.change) });
    case 'deleteMany':
      return booking.deleteMany({ where: { id: { in: [...query.ids] } } });
  }
}

function toBooking({ owner, price, note }: KnownRow) {
  return { clientId: owner, price, internalNote: note, startsAt };
}

function toColumns({ owner, price, note }: Change) {
  return {
    ...(owner !== undefined && { clientId: owner }),
    ...(price !== undefined && { price }),
    ...(note !== undefined && { internalNote: note }),
  };
}
