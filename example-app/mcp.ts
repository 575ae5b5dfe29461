import type { Bus, Datamodel, McpMiddleware } from 'koa-mcp';
import { mcp } from 'koa-mcp';
import { z } from 'zod';
import type { PrismaClient } from './generated/sqlite/client/client.ts';
import { bookingsOf, ownClient, toClient } from './policies.ts';
import { signedIn, userOf } from './users.ts';

const isWrite = (operation: string) => ['create', 'update', 'delete'].includes(operation);

/** The MCP endpoint: the models, tools, resources and prompts that agents can use. */
export function reservations(prisma: PrismaClient, datamodel: Datamodel, bus?: Bus): McpMiddleware {
  return mcp({
    name: 'reservations',
    version: '1.0.0',
    title: 'Reservations',
    prisma,
    datamodel,
    audit: { keepMs: 90 * 24 * 60 * 60 * 1000 },
    ...(bus && { bus }),
    models: {
      client: {
        operations: ['findUnique', 'findMany', 'count', 'update'],
        where: (ctx, operation) => (isWrite(operation) ? ownClient(signedIn(ctx)) : {}),
        omit: { email: true },
        search: { columns: ['name'] },
      },
      booking: {
        operations: ['findUnique', 'findMany', 'count', 'aggregate', 'groupBy', 'create', 'update', 'delete'],
        confirm: ['delete'],
        idempotent: ['create'],
        where: (ctx, operation) => bookingsOf(isWrite(operation) ? signedIn(ctx) : userOf(ctx)),
        data: ctx => {
          const clientId = userOf(ctx)?.clientId;
          return clientId === undefined ? {} : { clientId };
        },
        include: { client: { select: { name: true } } },
        orderBy: { startsAt: 'asc' },
        take: 50,
        prompts: {
          summary: {
            description: 'Summarise a booking',
            message: ({ client, people, startsAt }) => `Summarise the booking of ${client?.name} for ${people} on ${startsAt}.`,
          },
        },
        search: { columns: ['notes'], title: ({ client, startsAt }) => `${client?.name}, ${startsAt}` },
      },
    },
    tools: {
      get_client: {
        description: 'Find a client by e-mail address',
        inputSchema: z.object({ email: z.email() }),
        annotations: { readOnlyHint: true },
        handler: async ({ email }, ctx) => {
          const client = await prisma.client.findUnique({ where: { email: email.toLowerCase() } });
          if (!client) return ctx.throw(404, `No client has the e-mail address ${email}`);
          return toClient(client, userOf(ctx));
        },
      },
    },
    resources: {
      clients: {
        uri: 'reservations://clients',
        description: 'All clients',
        handler: async (_args, ctx) => {
          const clients = await prisma.client.findMany({ orderBy: { id: 'asc' } });
          return clients.map(client => toClient(client, userOf(ctx)));
        },
      },
    },
    prompts: {
      client_summary: {
        description: 'Summarise a client and their bookings',
        argsSchema: z.object({ client_email: z.email().describe('E-mail address of the client') }),
        handler: async ({ client_email: email }, ctx) => {
          const client = await prisma.client.findUnique({ where: { email: email.toLowerCase() } });
          if (!client) return ctx.throw(404, `No client has the e-mail address ${email}`);
          const bookings = await ctx.prisma.booking.count({ where: { clientId: client.id } });
          const joined = client.joinedAt.toISOString().slice(0, 10);
          return `Summarise the client ${client.name} (${email}): ${bookings} bookings that you may see, joined on ${joined}.`;
        },
      },
      timetable: {
        description: 'Show how many bookings and people come per week, by status',
        argsSchema: z.object({ from: z.iso.date().describe('First day'), to: z.iso.date().describe('Day after the last') }),
        handler: ({ from, to }) => {
          const startsAt = { gte: from, lt: to };
          const args = { by: ['status', 'startsAt:week'], where: { startsAt }, _count: true, _sum: { people: true } };
          return `Show a timetable with a line for each week. Call booking_groupBy with ${JSON.stringify(args)}.`;
        },
      },
    },
  });
}
