import { setTimeout as delay } from 'node:timers/promises';
import { modernRequest } from '../support/modern.ts';
import { fence } from './heard.ts';
import type { Random } from './random.ts';
import { deafMs } from './streams.ts';
import type { World } from './world.ts';
import { pickAwake } from './world.ts';

/** How long it took until all was well. */
export interface Recovery {
  /** Milliseconds until every process answered a call with its result. */
  readonly servedMs: number;
  /** Milliseconds until every open stream had carried something new. */
  readonly heardMs: number;
}

/** Waits until all is well after a fault has healed, and holds the time that it takes against the promises. */
export async function recover(world: World, random: Random): Promise<Recovery> {
  const healedAt = performance.now();
  const [servedAt, heardAt] = await Promise.all([untilServed(world, healedAt), untilHeard(world, random)]);
  return { servedMs: Math.round(servedAt - healedAt), heardMs: Math.round(heardAt - healedAt) };
}

/** Waits until every process serves. */
async function untilServed({ cluster, ledger }: World, healedAt: number): Promise<number> {
  const { body, headers } = modernRequest('resources/templates/list');
  const asked = cluster.running().map(async ({ name, port }) => {
    const isServed = async () => {
      const response = await fetch(`http://127.0.0.1:${port}/mcp`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(deafMs),
      }).catch(() => undefined);
      await response?.arrayBuffer().catch(() => undefined);
      return response?.status === 200;
    };
    while (!(await isServed())) {
      if (performance.now() - healedAt > deafMs + ledger.incidents.loadMs(healedAt))
        return ledger.breach(`${name} serves no request ${Math.round(performance.now() - healedAt)} ms after the fault has healed`);
      await delay(50);
    }
  });
  await Promise.all(asked);
  return performance.now();
}

/** Announces the fence and waits until every stream that is open has carried it. */
async function untilHeard(world: World, random: Random): Promise<number> {
  const { ledger, streams, publications } = world;
  const process = pickAwake(world, random);
  if (process === undefined) throw new Error('no process is left to announce the fence');
  const startedAt = performance.now();
  const announced = publications.note(fence, process.name, async () => {
    await process.order({ do: 'listChanged', list: 'tools' });
    await process.order({ do: 'resourceUpdated', uris: [fence] });
  });
  const boundMs = () => deafMs + ledger.incidents.loadMs(startedAt);
  const isAnnounced = await Promise.race([announced.then(() => true), delay(2 * boundMs()).then(() => false)]);
  if (!isAnnounced) ledger.breach(`${process.name} has not announced a change ${Math.round(2 * boundMs())} ms after the fault has healed`);
  const endedAt = performance.now();
  while (streams.deafSince(startedAt).length > 0 && performance.now() - endedAt < boundMs()) await delay(20);
  const heardAt = performance.now();
  for (const { name, process: at, openedAt } of streams.deafSince(startedAt))
    ledger.breach(
      `${name}: its stream is deaf: it has not carried what was announced ${Math.round(heardAt - endedAt)} ms ago, at ${ledger.incidents.describe({ process: at, from: openedAt })}`,
    );
  return heardAt;
}
