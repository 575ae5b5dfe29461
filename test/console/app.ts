import type Koa from 'koa';
import { z } from 'zod';
import { live } from '../../src/index.ts';
import type { Json } from '../models/served.ts';
import { seeded } from '../models/served.ts';
import type { PrismaClient } from '../support/database.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';

/** A picture of one pixel. */
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** What agents reach of the rows. */
const models: Json = {
  client: { omit: { passwordHash: true }, operations: ['findMany', 'findUnique', 'count'] },
  booking: {
    operations: ['findMany', 'findUnique', 'count', 'groupBy', 'create', 'update', 'delete'],
    include: { client: { select: { name: true } } },
    orderBy: { id: 'asc' },
    take: 4,
  },
};

/** An endpoint that has one of everything that the console shows. */
export interface ConsoleApp extends AsyncDisposable {
  readonly server: TestServer;
  /** The client of the endpoint: what it writes is noticed. */
  readonly prisma: PrismaClient;
  /** What the tools have heard: arguments, and the ends of calls. */
  readonly heard: unknown[];
  /** Lets the tool `wait` end. */
  readonly release: () => void;
}

/** A caller with the token `ada` is Ada, one with `root` is an operator, one without a token is a guest; other tokens are answered 401. */
const signIn: Koa.Middleware = async (ctx, next) => {
  const [, token] = /^Bearer (.+)$/u.exec(ctx.get('Authorization')) ?? [];
  if (token !== undefined && !['ada', 'root'].includes(token)) {
    ctx.status = 401;
    return undefined;
  }
  ctx.state['user'] = token;
  return next();
};

/** Starts the endpoint. Its database is SQLite. */
export async function startConsoleApp(): Promise<ConsoleApp> {
  const db = await seeded('sqlite');
  const prisma = live(db.prisma);
  const heard: unknown[] = [];
  let release = () => {};
  const hear = (value: unknown) => {
    heard.push(value);
    return JSON.stringify(value);
  };
  const server = await start(
    {
      name: 'house',
      title: 'Guest house',
      version: '2.1.0',
      description: 'Rooms, clients and bookings of a small guest house.',
      instructions: 'Look for a free room first, then book it. Ask before you cancel.',
      websiteUrl: 'https://house.example.com',
      prisma,
      datamodel: db.datamodel,
      audit: { reads: true },
      operators: ctx => ctx.state['user'] === 'root',
      models,
      tools: {
        everything: {
          title: 'All kinds of arguments',
          description: 'Takes one argument of each kind and gives them back.',
          inputSchema: z.object({
            name: z.string().min(2).describe('The name of the guest'),
            floor: z.int().min(0).max(9),
            price: z.number().optional(),
            view: z.enum(['garden', 'street', 'sea']),
            breakfast: z.boolean().optional(),
            arrival: z.iso.date().optional(),
            wakeAt: z.iso.datetime().optional(),
            email: z.email().optional(),
            extras: z.array(z.enum(['cot', 'parking', 'sauna'])).optional(),
            guests: z.array(z.object({ name: z.string(), age: z.int().optional() })).optional(),
            address: z.object({ street: z.string(), city: z.string().default('Graz') }).optional(),
            note: z.string().nullable().optional(),
            code: z.union([z.string(), z.int()]).optional(),
            labels: z.record(z.string(), z.string()).optional(),
          }),
          annotations: { readOnlyHint: true },
          handler: args => hear(args),
        },
        wait: {
          description: 'Reports progress until it is told to end.',
          annotations: { readOnlyHint: true },
          handler: async (_, ctx) => {
            ctx.mcp.progress(1, 4, 'Room 1 of 4');
            ctx.mcp.log('warning', 'The lift is out of order', 'house');
            try {
              await new Promise<void>((resolve, reject) => {
                release = resolve;
                ctx.mcp.signal.addEventListener('abort', () => reject(new Error('aborted')));
              });
            } catch (error) {
              hear('cancelled');
              throw error;
            }
            return 'All rooms are clean';
          },
        },
        demolish: {
          description: 'Pulls the house down.',
          annotations: { readOnlyHint: false, destructiveHint: true },
          handler: () => hear('demolished'),
        },
        picture: {
          description: 'Gives a picture, a link and a text.',
          annotations: { readOnlyHint: true },
          handler: () => ({
            content: [
              { type: 'image' as const, data: pixel, mimeType: 'image/png' },
              { type: 'resource_link' as const, uri: 'house://menu', name: 'menu', title: "Today's menu" },
              { type: 'text' as const, text: 'One picture' },
            ],
          }),
        },
        fail: { description: 'Fails.', handler: (_, ctx) => ctx.throw(422, 'The roof is missing') },
        book_table: {
          description: 'Asks how many people come, then books a table.',
          handler: async (_, ctx) => {
            const answer = await ctx.mcp.elicit({
              message: 'A table for how many?',
              requestedSchema: z.object({
                people: z.int().min(1).max(20),
                terrace: z.boolean().default(false),
                menu: z.enum(['meat', 'fish']),
              }),
            });
            return hear(answer);
          },
        },
        pay: {
          description: 'Asks to open a page.',
          handler: async (_, ctx) => hear(await ctx.mcp.elicit({ mode: 'url', message: 'Pay here.', url: 'https://pay.example.com/1' })),
        },
        ask_model: {
          description: 'Asks a language model.',
          handler: async (_, ctx) => {
            const { content } = await ctx.mcp.sample({
              messages: [{ role: 'user', content: { type: 'text', text: 'What is the sea?' } }],
              maxTokens: 50,
            });
            return hear(content);
          },
        },
        folders: { description: 'Asks for folders.', handler: async (_, ctx) => hear(await ctx.mcp.roots()) },
        clean_rooms: {
          description: 'Cleans all rooms, as a task.',
          task: 'optional',
          handler: async (_, ctx) => {
            ctx.mcp.progress(1, 2, 'Room 1 of 2');
            await new Promise<void>(resolve => {
              release = resolve;
              ctx.mcp.signal.addEventListener('abort', () => resolve());
            });
            return 'The rooms are clean';
          },
        },
      },
      resources: {
        menu: { uri: 'house://menu', title: "Today's menu", description: 'What the kitchen has.', handler: () => 'Soup and bread' },
        dish: {
          uriTemplate: 'house://dish/{name}{?size}',
          description: 'One dish.',
          complete: { name: value => ['soup', 'salad', 'bread'].filter(each => each.startsWith(value)), size: () => ['small', 'large'] },
          handler: ({ name, size }) => ({ name, size: size ?? 'large' }),
        },
      },
      prompts: {
        toast: {
          description: 'Writes a toast.',
          argsSchema: z.object({ to: z.string().describe('Who is toasted'), mood: z.string().optional() }),
          complete: { to: value => ['Ada', 'Grace', 'Linus'].filter(each => each.toLowerCase().startsWith(value.toLowerCase())) },
          handler: ({ to, mood = 'merry' }) => `Write a ${mood} toast to ${to}.`,
        },
      },
    },
    { before: [signIn] },
  );
  return {
    server,
    prisma,
    heard,
    release: () => release(),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await db[Symbol.asyncDispose]();
    },
  };
}
