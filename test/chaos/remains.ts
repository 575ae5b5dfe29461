import { places } from '../processes/cluster.ts';
import { eventually } from '../processes/eventually.ts';
import type { Kept } from '../processes/protocol.ts';
import type { PrismaClient } from '../support/database.ts';
import { endProcess } from './process-faults.ts';
import type { World } from './world.ts';

/** What is left when all clients have gone and all processes have ended. */
export interface Remains {
  readonly rows: Readonly<Record<string, number>>;
  /** The most of all processes, before they ended. */
  readonly kept: Kept;
}

/** Waits until everything has gone that must, and notes what has not. @param touchMs How often processes note that a session is used. */
export async function untilNothingRemains(world: World, touchMs: number): Promise<Remains> {
  const { place, cluster, ledger } = world;
  await untilUnused(place.prisma, touchMs).catch((error: Error) => ledger.breach(error.message));
  const kept = await untilReleased(world);
  const rows = await sweep(place.prisma);
  for (const [model, count] of Object.entries(rows)) if (count > 0) ledger.breach(`${count} rows of ${model} are left after the sweep`);
  for (const at of places) if (!cluster.at(at).isDone()) (await endProcess(world, at, 'SIGTERM'))();
  // What clients may yet come back for stays; the processes that say so are gone.
  const nodes = await place.prisma.mcpNode.count();
  if (nodes > 0) ledger.breach(`${nodes} rows of McpNode are left when all processes have ended`);
  return { rows, kept };
}

/** Waits until no process keeps a session alive. @throws {Error} One does, though all clients have gone. */
async function untilUnused(prisma: PrismaClient, touchMs: number): Promise<void> {
  const look = async () => {
    const { _max } = await prisma.mcpSession.aggregate({ _max: { lastSeenAt: true } });
    return Date.now() - (_max.lastSeenAt?.getTime() ?? 0) > 4 * touchMs || undefined;
  };
  await eventually(look, 'an end to the use of sessions whose clients have gone', 60_000);
}

/** Waits until no process refers to an answer: all streams have ended. */
async function untilReleased({ cluster, ledger }: World): Promise<Kept> {
  const count = () => Promise.all(cluster.running().map(process => process.order({ do: 'count' }) as Promise<Kept>));
  let all = await count();
  const look = async () => {
    all = await count();
    return all.every(({ responses }) => responses === 0) || undefined;
  };
  await eventually(look, 'an end to all answers', 90_000).catch(() => undefined);
  for (const [index, { responses }] of all.entries())
    if (responses > 0)
      ledger.breach(`${cluster.running()[index]?.name} still refers to ${responses} answers, though all clients have gone`);
  const most = (of: (kept: Kept) => number) => Math.max(...all.map(of));
  return { responses: most(kept => kept.responses), timers: most(kept => kept.timers), heapBytes: most(kept => kept.heapBytes) };
}

/** Lets all rows expire and waits until none is left; the rows that stay. */
async function sweep(prisma: PrismaClient): Promise<Record<string, number>> {
  // Long ago, since rows are kept for a while beyond their time.
  const data = { expiresAt: new Date(0) };
  await prisma.mcpSession.updateMany({ data });
  await prisma.mcpEvent.updateMany({ data });
  await prisma.mcpContinuation.updateMany({ data });
  await prisma.mcpIdempotencyKey.updateMany({ data });
  await prisma.mcpTask.updateMany({ data });
  let rows = await countRows(prisma);
  const look = async () => {
    // Each time, because a process that holds a stream raises its counter, which gives its row another ten minutes.
    await prisma.mcpNode.updateMany({ data });
    rows = await countRows(prisma);
    return Object.values(rows).every(count => count === 0) || undefined;
  };
  // Streams of calls that have ended are kept for a minute, and the row of their process with them.
  await eventually(look, 'the end of all rows', 90_000).catch(() => undefined);
  return rows;
}

/** Rows that may not stay: all but the newest of what is told to everybody. */
async function countRows(prisma: PrismaClient): Promise<Record<string, number>> {
  const log = await prisma.mcpEvent.count({ where: { stream: '*' } });
  return {
    McpSession: await prisma.mcpSession.count(),
    McpSubscription: await prisma.mcpSubscription.count(),
    McpEvent: (await prisma.mcpEvent.count({ where: { stream: { not: '*' } } })) + Math.max(0, log - 1),
    McpNode: await prisma.mcpNode.count(),
    McpContinuation: await prisma.mcpContinuation.count(),
    McpIdempotencyKey: await prisma.mcpIdempotencyKey.count(),
    McpTask: await prisma.mcpTask.count(),
  };
}
