// The process under load: a Koa app with an endpoint over rows and a route of its own. `place.ts` starts it.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { Histogram } from 'node:perf_hooks';
import { createHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import Koa from 'koa';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { live, mcp } from '../../src/index.ts';
import type { Provider } from '../support/database.ts';
import { openDatabase } from '../support/database.ts';
import type { Answers, Ask, ServerNews } from './place.ts';
import { bigCharacters, callsPerMinute, longUri, maxStreamBufferBytes, rowCount, sendMs } from './place.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const mebibyte = 2 ** 20;
/** Callers wait while garbage is collected. Their requests of that time are no part of the delay. */
const settleMs = 250;

const db = await openDatabase(process.argv[2] as Provider);
const prisma = live(db.prisma);
await prisma.client.create({ data: { id: 1, name: 'Ada', email: 'ada@example.com', passwordHash: 'x' } });
await prisma.booking.createMany({
  data: Array.from({ length: rowCount }, (_, at) => ({
    id: at + 1,
    clientId: 1,
    startsAt: new Date(Date.UTC(2026, 0, 1, at)),
    price: at,
    meta: { at },
  })),
});
if (db.provider === 'postgresql')
  await db.prisma.$executeRawUnsafe(`SELECT setval(pg_get_serial_sequence('"Booking"', 'id'), ${rowCount})`);

const app = new Koa();
app.on('error', (error: Error & { code?: string }) => {
  // Koa tells of a connection that was closed while it was answered.
  if (!/^(?:ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE)$/u.test(error.code ?? '')) report(error);
});
app.use((ctx, next) => {
  if (ctx.path === '/hello') {
    ctx.body = 'hello';
    return undefined;
  }
  ctx.state['user'] = ctx.get('x-user');
  return next();
});
const endpoint = mcp({
  name: 'loaded',
  prisma,
  datamodel: db.datamodel,
  models: { booking: { operations: ['findUnique', 'findMany', 'create'] } },
  onError: report,
  log: () => undefined,
  limits: { callsPerMinute, maxStreamBufferBytes, sendMs },
  tools: {
    echo: { description: 'The same text', inputSchema: z.object({ text: z.string() }), handler: ({ text }) => text },
    steps: {
      description: 'Reports progress three times',
      handler: async (_: unknown, { mcp: call }: HandlerContext) => {
        for (const step of [1, 2, 3]) {
          call.progress(step, 3);
          await nextTurn();
        }
        return 'done';
      },
    },
    slow: {
      description: 'Ends when it is cancelled',
      handler: (_: unknown, { mcp: call }: HandlerContext) =>
        new Promise<string>(resolve => call.signal.addEventListener('abort', () => resolve('cancelled'))),
    },
    big: { description: 'An answer of many megabytes', handler: () => 'x'.repeat(bigCharacters) },
    flood: {
      description: 'Reports progress until its stream is cut, at most 32 MiB',
      handler: async (_: unknown, { mcp: call }: HandlerContext) => {
        const message = 'x'.repeat(64 * 1024);
        for (let step = 1; step <= 512 && !call.signal.aborted; step += 1) {
          call.progress(step, undefined, message);
          await nextTurn();
        }
        return 'done';
      },
    },
  },
  resources: {
    hours: { uri: 'load://hours', handler: () => '9 to 5' },
    long: { uriTemplate: 'load://long/{name}', handler: () => 'long' },
  },
});
app.use(endpoint);
const server = app.listen(0, '127.0.0.1');
await once(server, 'listening');

const tickMs = 10;
const loopDelay = monitorEventLoopDelay({ resolution: tickMs });
loopDelay.enable();
/** What it measured before the collections of garbage since the last question. */
let measured = createHistogram();
/** The same without the time that other processes had the cores. */
let own = createHistogram();
let isCollecting = false;
let turn = { at: performance.now(), waitedMs: readWaitedMs() };
setInterval(() => {
  const now = { at: performance.now(), waitedMs: readWaitedMs() };
  const ownMs = now.at - turn.at - (now.waitedMs - turn.waitedMs);
  if (!isCollecting) own.record(Math.max(1, Math.round(ownMs * 1e6)));
  turn = now;
}, tickMs);
let since = { at: turn.at, cpu: process.cpuUsage() };

const answers: { [K in Ask]: () => Promise<Answers[K]> } = {
  memory: async () => {
    keepDelay();
    isCollecting = true;
    const { rss } = process.memoryUsage();
    for (let round = 0; round < 2; round += 1) {
      gc();
      await nextTurn();
    }
    const { heapUsed, external } = process.memoryUsage();
    await delay(settleMs);
    isCollecting = false;
    loopDelay.reset();
    return { usedMiB: (heapUsed + external) / mebibyte, rssMiB: rss / mebibyte };
  },
  delay: async () => {
    keepDelay();
    const { user, system } = process.cpuUsage(since.cpu);
    const figures = {
      ...figuresOf(measured),
      ownP99Ms: figuresOf(own).p99Ms,
      cpu: (user + system) / 1000 / (performance.now() - since.at),
    };
    measured = createHistogram();
    own = createHistogram();
    since = { at: performance.now(), cpu: process.cpuUsage() };
    return figures;
  },
  connections: () =>
    new Promise((resolve, reject) => server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))),
  announce: async () => endpoint.listChanged('tools'),
  update: async () => {
    for (let round = 0; round < 100; round += 1) await endpoint.resourceUpdated(longUri);
  },
};
process.on('message', ({ id, ask }: { id: number; ask: Ask }) => {
  answers[ask]().then(answer => say({ kind: 'answer', id, answer }), report);
});
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => {
  void endpoint.close({ deadlineMs: 2000 }).then(async () => {
    await db.close();
    process.exit();
  });
});
say({ kind: 'ready', port: (server.address() as AddressInfo).port });

function figuresOf(histogram: Histogram): { p50Ms: number; p99Ms: number; maxMs: number } {
  return { p50Ms: histogram.percentile(50) / 1e6, p99Ms: histogram.percentile(99) / 1e6, maxMs: histogram.max / 1e6 };
}

/** Milliseconds that the main thread could have run, but other processes had the cores. Where the system does not tell, 0. */
function readWaitedMs(): number {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}

/** Adds what was measured up to now to `measured`, and begins again. Histograms of the event loop cannot be added up themselves. */
function keepDelay(): void {
  const { count } = loopDelay;
  for (let at = 0; at < count; at += 1) measured.record(Math.max(1, Math.round(loopDelay.percentile((100 * (at + 0.5)) / count))));
  loopDelay.reset();
}

function report(error: unknown): void {
  say({ kind: 'problem', text: error instanceof Error ? `${error.stack}` : String(error) });
}

function say(news: ServerNews): void {
  if (process.connected) process.send?.(news);
}
