// One process of an app behind a load balancer: started and told what to do by cluster.ts.
import './clock.ts';
import { once } from 'node:events';
import { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import Koa from 'koa';
import pg from 'pg';
import { z } from 'zod';
import { PrismaClient as PostgresClient } from '../../generated/test/postgresql/client/client.ts';
import { PrismaClient as SqliteClient } from '../../generated/test/sqlite/client/client.ts';
import type { Bus } from '../../src/index.ts';
import { mcp, pollingBus, postgresBus, redisBus, sqliteAdapter } from '../../src/index.ts';
import { nodeRedisClients } from '../bus/redis-server.ts';
import { calls } from './calls.ts';
import type { Kept, Numbered, Order, Report, Settings } from './protocol.ts';
import { bigText } from './protocol.ts';

const settings = JSON.parse(process.argv[2] ?? '') as Settings;
const { began, aborted, feed, nextLine, aborts } = calls();
const bus = openBus();
const app = new Koa();
app.on('error', problem);
app.use((ctx, next) => {
  ctx.set('x-process', settings.name);
  return next();
});
const key = z.string();
const endpoint = mcp({
  name: 'processes',
  prisma: openDatabase(),
  bus,
  sessions: settings.sessions,
  // One guest sends all requests.
  limits: { callsPerMinute: 1_000_000_000, initializesPerMinute: 1_000_000_000, ...settings.limits },
  onError: problem,
  tools: {
    process: { description: 'Says which process serves', handler: () => settings.name },
    count: {
      description: 'Counts to a number and reports each step',
      inputSchema: z.object({ to: z.int(), stepMs: z.int().optional(), key: key.optional() }),
      handler: async ({ to, stepMs, key }, ctx) => {
        if (key !== undefined) say({ ran: key });
        for (let step = 1; step <= to; step += 1) {
          ctx.mcp.progress(step, to);
          if (stepMs !== undefined) await delay(stepMs);
        }
        return `${to}`;
      },
    },
    note: {
      description: 'Notes that it ran, and says in which process',
      task: 'optional',
      inputSchema: z.object({ key }),
      handler: ({ key }) => {
        say({ ran: key });
        return settings.name;
      },
    },
    wait: {
      description: 'Waits until it is aborted, or for some time',
      task: 'optional',
      inputSchema: z.object({ key, forMs: z.int() }),
      handler: async ({ key, forMs }, ctx) => {
        const { signal } = ctx.mcp;
        say({ ran: key });
        signal.addEventListener('abort', () => say({ aborted: key }));
        ctx.mcp.progress(1);
        await delay(forMs, undefined, { signal });
        return 'waited';
      },
    },
    leave: {
      description: 'Leaves its work to whoever reads the key',
      task: 'required',
      inputSchema: z.object({ key }),
      handler: ({ key }, ctx) => ctx.mcp.defer(() => say({ ran: key })),
    },
    say: {
      description: 'Says each line it is fed',
      inputSchema: z.object({ key }),
      handler: async ({ key }, ctx) => {
        aborts(key, ctx.mcp.signal);
        for (let line = await nextLine(key); line !== undefined; line = await nextLine(key)) ctx.mcp.log('info', line);
        return 'done';
      },
    },
    big: {
      description: 'Gives a long text; with a key, when it may',
      inputSchema: z.object({ bytes: z.int(), key: key.optional() }),
      handler: async ({ bytes, key }, ctx) => {
        if (key === undefined) return bigText(bytes);
        ctx.mcp.log('info', 'begins');
        await nextLine(key);
        return bigText(bytes);
      },
    },
    form: {
      description: 'Asks the user to fill in a form',
      task: 'optional',
      handler: async (_args, ctx) => {
        const answer = await ctx.mcp.elicit({ message: 'Who?', requestedSchema: z.object({ name: z.string(), people: z.int() }) });
        return answer.action === 'accept' ? answer.content.name : answer.action;
      },
    },
    sample: {
      description: 'Asks the model of the client for a haiku',
      handler: async (_args, ctx) => {
        const question = { role: 'user', content: { type: 'text', text: 'A haiku' } } as const;
        const { content } = await ctx.mcp.sample({ messages: [question], maxTokens: 100 });
        return content.type === 'text' ? content.text : content.type;
      },
    },
    roots: {
      description: 'Asks for the folders of the client',
      handler: async (_args, ctx) => (await ctx.mcp.roots()).map(({ uri }) => uri).join(),
    },
  },
  resources: { item: { uriTemplate: 'test://item/{id}', handler: ({ id }) => id } },
});
app.use(endpoint);
const server = app.listen(0, '127.0.0.1');
await once(server, 'listening');

process.on('message', ({ number, order }: Numbered) => {
  obey(order).then(
    value => say({ done: number, value }),
    (error: unknown) => say({ done: number, failure: String(error) }),
  );
});
// Whoever started it is gone.
process.on('disconnect', () => process.exit());
process.once('SIGTERM', () => void leave());
say({ port: (server.address() as AddressInfo).port });

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'resourceUpdated':
      for (const uri of order.uris) await endpoint.resourceUpdated(uri);
      return undefined;
    case 'listChanged':
      return endpoint.listChanged(order.list);
    case 'feed':
      return feed(order.key, order.line);
    case 'began':
      return began(order.key);
    case 'aborted':
      return aborted(order.key);
    case 'ready':
      while (!bus.ready) await delay(10);
      return undefined;
    case 'completeTask':
      return endpoint.tasks.complete(order.id, order.text);
    case 'progressTask':
      return endpoint.tasks.progress(order.id, order.text);
    case 'count':
      return {
        responses: queryObjects(ServerResponse, { format: 'count' }),
        timers: process.getActiveResourcesInfo().filter(type => type === 'Timeout').length,
        heapBytes: process.memoryUsage().heapUsed,
      } satisfies Kept;
    case 'close':
      return endpoint.close(order);
  }
}

/** As a deployment ends a process. */
async function leave(): Promise<void> {
  await endpoint.drain({ deadlineMs: 5000 });
  const closed = once(server.close(), 'close');
  await endpoint.close({ deadlineMs: 5000 });
  server.closeAllConnections();
  await closed;
  await bus.close();
  process.exit();
}

function openDatabase(): object {
  const { databaseUrl: url } = settings;
  if (url.startsWith('file:')) return new SqliteClient({ adapter: sqliteAdapter(new PrismaLibSql({ url })) });
  return new PostgresClient({ adapter: new PrismaPg({ connectionString: url, max: 8 }) });
}

function openBus(): Bus {
  const { bus: kind, busUrl, channel } = settings;
  switch (kind) {
    case 'postgres':
      return postgresBus({ connect: () => new pg.Client(busUrl), channel });
    case 'redis': {
      const { publisher, subscriber } = nodeRedisClients(busUrl, channel);
      return redisBus({ publisher, subscriber, prefix: `${channel}:` });
    }
    case 'polling':
      return pollingBus({ intervalMs: 200 });
    case 'none':
      return { publish: () => {}, subscribe: () => () => {}, ready: true, close: async () => {} };
  }
}

function problem(error: unknown): void {
  // Prisma's messages end with what happened.
  say({
    problem:
      error instanceof Error
        ? `${error.name}: ${error.message.split('\n').at(-1)} ${error.stack
            ?.split('\n')
            .findLast(line => line.includes('/src/'))
            ?.trim()}`
        : String(error),
  });
}

function say(report: Report): void {
  if (process.connected) process.send?.(report);
}
