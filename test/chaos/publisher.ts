import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from './random.ts';
import type { World } from './world.ts';
import { pickAwake, think } from './world.ts';

/** How long an announcement is waited for before the next one begins all the same, in milliseconds. */
const patienceMs = 1000;
/** Announcements under way at once. */
const maxPending = 50;

/** Announces changes from all processes until clients end. */
export async function publish(world: World, random: Random): Promise<void> {
  const { cluster, ledger, publications, calling } = world;
  while (!calling.aborted) {
    await think(world, random, 200, 1500);
    // Several in a row, so that connections break between them.
    for (let left = random.between(1, 4); left > 0 && !calling.aborted && publications.pending < maxPending; left -= 1) {
      const running = cluster.running();
      // Now and then by a process that stands still, and does it later.
      const process = random.chance(0.9) || running.length === 0 ? pickAwake(world, random) : random.pick(running);
      if (process === undefined) continue;
      const startedAt = performance.now();
      if (random.chance(0.05)) process.order({ do: 'listChanged', list: 'tools' }).catch(() => undefined);
      const uri = publications.take(random.pick(publications.topics));
      const noted = publications.note(uri, process.name, () => process.order({ do: 'resourceUpdated', uris: [uri] }));
      ledger.count('publishes');
      void noted.then(() => ledger.took('publish', startedAt));
      await Promise.race([noted, delay(patienceMs, undefined, { signal: calling }).catch(() => undefined)]);
    }
  }
}
