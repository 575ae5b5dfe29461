import Router from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import type { PrismaClient } from './generated/sqlite/client/client.ts';
import { bookingsOf, toClient } from './policies.ts';
import { refuse, userOf } from './users.ts';

const newBooking = z.strictObject({
  /** The client to book for; only staff may choose one. */
  clientId: z.int32().optional(),
  startsAt: z.iso.datetime().transform(text => new Date(text)),
  people: z.int().min(1).max(20).default(2),
  notes: z.string().max(1000).optional(),
});

/** The REST routes of the app, beside the MCP endpoint `/mcp`. */
export function api(prisma: PrismaClient): Router {
  const router = new Router();

  router.get('/clients', async ctx => {
    const clients = await prisma.client.findMany({ orderBy: { id: 'asc' } });
    ctx.body = clients.map(client => toClient(client, userOf(ctx)));
  });

  router.get('/bookings', async ctx => {
    const orderBy = [{ startsAt: 'asc' }, { id: 'asc' }] as const;
    ctx.body = await prisma.booking.findMany({ where: bookingsOf(userOf(ctx)), orderBy: [...orderBy], take: 100 });
  });

  router.get('/bookings/:id', async ctx => {
    const id = z.coerce.number().pipe(z.int32()).safeParse(ctx.params['id']).data;
    const booking = id === undefined ? null : await prisma.booking.findFirst({ where: { AND: [{ id }, bookingsOf(userOf(ctx))] } });
    ctx.body = booking ?? ctx.throw(404, 'No such booking');
  });

  router.post('/bookings', async ctx => {
    const user = userOf(ctx) ?? refuse(ctx, 'Sign in to book');
    const { clientId, startsAt, people, notes } = parseBooking(ctx);
    const booked = user.clientId ?? clientId ?? ctx.throw(400, 'clientId: say for whom');
    const client = await prisma.client.findUnique({ where: { id: booked } });
    if (!client) ctx.throw(400, `clientId: there is no client ${booked}`);
    ctx.status = 201;
    ctx.body = await prisma.booking.create({ data: { clientId: booked, startsAt, people, notes: notes ?? null } });
  });

  return router;
}

function parseBooking(ctx: Context): z.output<typeof newBooking> {
  const { success, data, error } = newBooking.safeParse(ctx.request.body);
  return success ? data : ctx.throw(400, error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
}
