// The process that is fuzzed: two endpoints over one SQLite database. `place.ts` starts it.
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import Koa from 'koa';
import { z } from 'zod';
import { PrismaClient } from '../../generated/test/sqlite/client/client.ts';
import type { McpOptions } from '../../src/index.ts';
import { mcp, memoryStore, sqliteAdapter } from '../../src/index.ts';
import { everything } from '../matrix/app.ts';
import { openDatabase } from '../support/database.ts';
import type { StoreName } from './place.ts';

/** What the process says. */
export type ServerNews =
  | { readonly kind: 'ready'; readonly port: number }
  /** An error that reached the app: nobody is to cause one from outside. */
  | { readonly kind: 'problem'; readonly text: string }
  /** The event loop stood still. */
  | { readonly kind: 'held'; readonly wallMs: number; readonly cpuMs: number }
  | { readonly kind: 'memory'; readonly bytes: number }
  /** Every half second. */
  | { readonly kind: 'alive' };

const tickMs = 10;
const heldMs = 200;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const db = await openDatabase('sqlite');
// As an app opens it: without `sqliteAdapter` a connection that once met a lock does not end its transactions.
// Prisma keeps the plans of 1,000 queries by default, which would hide what this package keeps.
const prisma = new PrismaClient({ adapter: sqliteAdapter(new PrismaLibSql({ url: db.url })), queryPlanCacheMaxSize: 20 });
await fill();
const store = process.argv[2] as StoreName;
const app = new Koa();
app.on('error', (error: Error & { code?: string }) => {
  // Koa tells of a socket that broke while it was answered.
  if (!/^(?:HPE_|ERR_HTTP_REQUEST_TIMEOUT|ECONNRESET|EPIPE)/u.test(error.code ?? '')) report(error);
});
const { crash: _crash, ...tools } = everything().options.tools ?? {};
const common = {
  version: '1.2.3',
  prisma,
  datamodel: db.datamodel,
  onError: report,
  log: () => undefined,
  limits: { handlerMs: 1500, inputMs: 1000, heartbeatMs: 1000, replayMs: 2000, sendMs: 2000, maxEvents: 100 },
};
const sessions = {
  ...(store === 'memory' && { store: memoryStore() }),
  idleMs: 4000,
  touchMs: 500,
  sweepMs: 500,
  cacheMs: 500,
  maxPerPrincipal: 300,
  continuationMs: 3000,
};
// biome-ignore lint/suspicious/noExplicitAny: an endpoint checks its models as it starts
const models: Record<string, any> = {
  client: {
    operations: ['findUnique', 'findFirst', 'findMany', 'count', 'aggregate', 'groupBy', 'create', 'update', 'upsert', 'delete'],
    omit: { passwordHash: true, notes: true },
    where: { id: { not: 3 } },
    data: { passwordHash: 'x' },
    include: { bookings: { take: 2 } },
    prompts: { greeting: { description: 'Greet a client', key: 'email', message: ({ name }: { name?: string }) => `Greet ${name}.` } },
    search: { columns: ['name', 'email'] },
  },
  booking: {
    operations: ['findMany', 'groupBy', 'createMany', 'updateMany', 'deleteMany', 'update'],
    confirm: ['deleteMany'],
    omit: { internalNote: true },
  },
  room: { operations: ['findUnique', 'findMany', 'count', 'create'] },
  auditLog: { operations: ['findMany', 'aggregate', 'create'] },
  member: { operations: ['findMany', 'groupBy', 'aggregate', 'updateMany'] },
};
// biome-ignore lint/suspicious/noExplicitAny: the schemas of the tools differ
const options: McpOptions<any, any, any, any> = {
  ...common,
  ...everything().options,
  name: 'fuzzed',
  node: 'fuzzed',
  sessions,
  models,
  operators: ctx => ctx.get('x-operator') === 'yes',
  tools: {
    ...tools,
    mirrored: {
      description: 'Arguments that headers repeat',
      inputSchema: z.object({
        region: z.string().meta({ 'x-mcp-header': 'Region' }),
        count: z.int().optional().meta({ 'x-mcp-header': 'Count' }),
        dry: z.boolean().optional().meta({ 'x-mcp-header': 'Dry' }),
      }),
      handler: (args: object) => ({ ...args }),
    },
    anything: {
      description: 'Arguments of any form',
      inputSchema: z.looseObject({}),
      handler: (args: object) => ({ ...args }),
    },
    many: {
      description: 'A text of this length',
      inputSchema: z.object({ length: z.int().min(0).max(200_000) }),
      handler: ({ length }: { length: number }) => 'x'.repeat(length),
    },
  },
};
app.use(mcp(options));
app.use(mcp({ ...common, name: 'compact', node: 'compact', path: '/compact', style: 'compact', sessions, models: models as object }));
// A request that never becomes whole is given up while the client still looks.
const server = createServer(
  { headersTimeout: 800, requestTimeout: 1200, connectionsCheckingInterval: 200 },
  app.callback() as RequestListener,
);
server.listen(0, '127.0.0.1');
await once(server, 'listening');

process.on('message', (ask: 'memory') => {
  if (ask === 'memory') void memory().then(bytes => say({ kind: 'memory', bytes }));
});
process.on('disconnect', () => process.exit());
watch();
setInterval(() => say({ kind: 'alive' }), 500);
say({ kind: 'ready', port: (server.address() as AddressInfo).port });

async function fill(): Promise<void> {
  await prisma.client.createMany({
    data: ['Ada', 'Grace', 'Linus', 'Zoë'].map((name, at) => ({ id: at + 1, name, email: `${name}@example.com`, passwordHash: 'x' })),
  });
  await prisma.room.createMany({ data: ['a', 'b'].map(code => ({ id: code, code, capacity: 4 })) });
  await prisma.booking.createMany({
    data: [1, 2, 3, 4].map(id => ({ id, clientId: id, roomId: 'a', startsAt: new Date(Date.UTC(2026, 0, id)), price: id, meta: { id } })),
  });
  await prisma.auditLog.create({ data: { id: 1n, payload: new Uint8Array([1, 2]), ratio: 0.5 } });
  await prisma.member.createMany({
    data: [1, 2].map(id => ({ id, nick: `m${id}`, facts: { a: [id] }, extra: { b: 'c' }, points: 5n, amount: 1.5, mood: 'CALM' as const })),
  });
}

/** Says when the event loop stood still, and how much processor time this process took meanwhile: a busy machine alone takes none. */
function watch(): void {
  let at = performance.now();
  let used = process.cpuUsage();
  setInterval(() => {
    const wallMs = performance.now() - at;
    const { user, system } = process.cpuUsage(used);
    const cpuMs = (user + system) / 1000;
    at = performance.now();
    used = process.cpuUsage();
    if (wallMs > heldMs && cpuMs > heldMs) say({ kind: 'held', wallMs: Math.round(wallMs), cpuMs: Math.round(cpuMs) });
  }, tickMs);
}

async function memory(): Promise<number> {
  for (let round = 0; round < 4; round += 1) {
    gc();
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

function report(error: unknown): void {
  const { stack, cause } = error instanceof Error ? error : new Error(String(error));
  say({ kind: 'problem', text: `${stack}${cause === undefined ? '' : `\ncause: ${inspect(cause)}`}` });
}

function say(news: ServerNews): void {
  if (process.connected) process.send?.(news);
}
