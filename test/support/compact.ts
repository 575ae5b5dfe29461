import type Koa from 'koa';
import type { HandlerContext } from '../../src/index.ts';
import type { ExposureLike } from '../../src/models/exposure.ts';
import type { TestDatabase } from './database.ts';
import type { TestServer } from './server.ts';
import { start } from './server.ts';

/** Ada, the client with id 1, makes every call. */
const signIn: Koa.Middleware = async (ctx, next) => {
  ctx.state['user'] = { id: 'ada', clientId: 1 };
  await next();
};

const models: Record<string, ExposureLike> = {
  client: { omit: { notes: true } },
  booking: {
    operations: ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'],
    where: (ctx: HandlerContext) => ({ clientId: ctx.state['user'].clientId }),
    data: { clientId: 1 },
    include: { client: { select: { name: true } } },
  },
  room: { style: 'tools' },
};

/** A served endpoint in the style `compact`, with one model that has tools of its own and one tool of the host's. */
export function serveCompact({ prisma, datamodel }: TestDatabase): Promise<TestServer> {
  const tools = {
    my_bookings: {
      description: 'How many bookings the caller can see',
      handler: async (_: unknown, ctx: { prisma: TestDatabase['prisma'] }) => ({ bookings: await ctx.prisma.booking.count() }),
    },
  };
  return start({ prisma, datamodel, models: models as never, style: 'compact', tools }, { before: [signIn] });
}
