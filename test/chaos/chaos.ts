import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { startCluster } from '../processes/cluster.ts';
import { openPlace } from '../processes/combinations.ts';
import { eventually } from '../processes/eventually.ts';
import type { BusKind } from '../processes/protocol.ts';
import type { PrismaClient } from '../support/database.ts';
import { announce, endProcesses, publish } from './disturbances.ts';
import type { Figures } from './ledger.ts';
import { Ledger } from './ledger.ts';
import { modernClient } from './modern-clients.ts';
import { fence, Publications } from './publications.ts';
import { random } from './random.ts';
import { callingClient, listeningClient } from './session-clients.ts';
import { sseClient } from './sse-clients.ts';
import type { MakeClient, World } from './world.ts';

export interface ChaosOptions {
  readonly seconds: number;
  readonly clients: number;
  readonly seed: number;
  readonly bus: Exclude<BusKind, 'none'>;
  /** Milliseconds between ends of processes. */
  readonly killEveryMs: number;
  readonly print: (line: string) => void;
}

export interface ChaosReport extends Figures {
  readonly seconds: number;
  readonly clients: number;
  readonly seed: number;
  readonly bus: string;
  readonly durations: Readonly<Record<string, { p50: number; p95: number }>>;
  /** Rows that the sweep has left. */
  readonly rowsLeft: Readonly<Record<string, number>>;
  /** Promises that were broken. */
  readonly broken: readonly string[];
}

/** Sessions are held to a long life: what is swept at the end is aged first. */
const sessions = { touchMs: 2000, sweepMs: 1000, maxPerPrincipal: 100_000 };
const limits = { heartbeatMs: 2000 };

/** Of ten clients. */
const kinds: readonly MakeClient[] = [
  ...Array.from({ length: 5 }, () => listeningClient),
  callingClient,
  ...Array.from({ length: 2 }, () => sseClient),
  ...Array.from({ length: 2 }, () => modernClient),
];

/** Lets clients call while processes are killed, and holds what they see to what was promised. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seconds, clients: count, seed, bus, killEveryMs, print } = options;
  const choices = random(seed);
  const seeded = () => random(choices.between(0, 2 ** 31));
  await using place = await openPlace({ provider: 'postgresql', bus });
  await using cluster = await startCluster({ ...place.settings, sessions, limits });
  const calling = new AbortController();
  // Every client waits for it.
  setMaxListeners(0, calling.signal);
  const ledger = new Ledger();
  const world: World = { cluster, ledger, publications: new Publications(), calling: calling.signal };
  const clients = Array.from({ length: count }, (_, index) => {
    const make = kinds[index % kinds.length] as MakeClient;
    return make(`${make.name} ${index}`, world, seeded());
  });
  const figures = setInterval(
    () => print(JSON.stringify({ ...ledger.figures, ...ledger.durations(), broken: ledger.broken.length })),
    5000,
  );

  const running = clients.map(client => client.run().catch((error: Error) => ledger.breach(`${client.name}: ${error.message}`)));
  const disturbing = [endProcesses(world, seeded(), killEveryMs), ...Array.from({ length: 3 }, () => publish(world, seeded()))];
  await delay(seconds * 1000);
  calling.abort();
  await Promise.all([...running, ...disturbing]);
  print('calls have ended; waiting for the last announcement');
  await announce(world, choices, fence, { do: 'resourceUpdated', uris: [fence] });
  await Promise.all(clients.map(client => client.finish()));
  print('clients have gone; waiting for the sweep');
  await untilUnused(place.database.prisma).catch((error: Error) => ledger.breach(error.message));
  const rowsLeft = await sweep(place.database.prisma);
  clearInterval(figures);
  for (const [model, rows] of Object.entries(rowsLeft)) if (rows > 0) ledger.breach(`${rows} rows of ${model} are left`);
  for (const problem of cluster.takeProblems()) ledger.breach(`a process reported: ${problem}`);
  return { seconds, clients: count, seed, bus, ...ledger.figures, durations: ledger.durations(), rowsLeft, broken: ledger.broken };
}

/** Waits until no process keeps a session alive. @throws {Error} One does, though all clients have gone. */
async function untilUnused(prisma: PrismaClient): Promise<void> {
  const look = async () => {
    const { _max } = await prisma.mcpSession.aggregate({ _max: { lastSeenAt: true } });
    return Date.now() - (_max.lastSeenAt?.getTime() ?? 0) > 4 * sessions.touchMs || undefined;
  };
  await eventually(look, 'an end to the use of sessions whose clients have gone', 60_000);
}

/** Lets all rows expire and waits until none is left; the rows that stay. The log of the endpoint keeps its last entry. */
async function sweep(prisma: PrismaClient): Promise<Record<string, number>> {
  const data = { expiresAt: new Date() };
  await prisma.mcpSession.updateMany({ data });
  await prisma.mcpEvent.updateMany({ data });
  await prisma.mcpContinuation.updateMany({ data });
  let left: Record<string, number> = {};
  const look = async () => {
    const log = await prisma.mcpEvent.count({ where: { stream: '*' } });
    left = {
      McpSession: await prisma.mcpSession.count(),
      McpSubscription: await prisma.mcpSubscription.count(),
      McpEvent: (await prisma.mcpEvent.count({ where: { stream: { not: '*' } } })) + Math.max(0, log - 1),
      McpContinuation: await prisma.mcpContinuation.count(),
    };
    return Object.values(left).every(rows => rows === 0) || undefined;
  };
  await eventually(look, 'the end of all rows', 30_000).catch(() => undefined);
  return left;
}
