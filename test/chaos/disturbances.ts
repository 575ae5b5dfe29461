import { setTimeout as delay } from 'node:timers/promises';
import { places } from '../processes/cluster.ts';
import type { Order } from '../processes/protocol.ts';
import { topics } from './publications.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Ends one process after the other and starts it again, now and then in good order, while clients call. */
export async function endProcesses({ cluster, ledger, calling }: World, random: Random, everyMs: number): Promise<void> {
  const pause = (ms: number) => delay(ms, undefined, { signal: calling }).catch(() => undefined);
  let next = pause(everyMs / 2);
  while (!calling.aborted) {
    await next;
    if (calling.aborted) break;
    next = pause(everyMs);
    const place = random.pick(places);
    const signal = random.chance(0.2) ? 'SIGTERM' : 'SIGKILL';
    ledger.ends(cluster.at(place).name, signal);
    await cluster.stop(place, signal);
    await cluster.restore();
  }
}

/** Announces changes from all processes until clients end. */
export async function publish(world: World, random: Random): Promise<void> {
  while (!world.calling.aborted) {
    await delay(random.between(100, 1000), undefined, { signal: world.calling }).catch(() => undefined);
    if (random.chance(0.03)) await announce(world, random, 'notifications/tools/list_changed', { do: 'listChanged', list: 'tools' });
    // Several in a row, so that connections break between them.
    for (let left = random.between(1, 8); left > 0 && !world.calling.aborted; left -= 1) {
      const topic = random.pick(topics);
      await announce(world, random, topic, { do: 'resourceUpdated', uris: [topic] });
    }
  }
}

/** Announces at any process, and notes it. */
export async function announce({ cluster, ledger, publications }: World, random: Random, topic: string, order: Order): Promise<void> {
  const process = random.pick(cluster.running());
  const startedAt = performance.now();
  await publications.note(topic, () => process.order(order));
  ledger.took('publish', startedAt);
  ledger.count('publishes');
}
