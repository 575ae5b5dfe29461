import { setTimeout as delay } from 'node:timers/promises';
import type { Place } from '../processes/cluster.ts';
import { places } from '../processes/cluster.ts';
import type { Fault } from './fault.ts';
import type { World } from './world.ts';
import { watchWriteLock } from './write-lock.ts';

/** The processes' own deadlines for `drain()` and `close()`, and how much later one may have exited. */
const closeMs = 5000 + 5000;
const exitMs = 2500;

const always = () => true;

/** What befalls processes. */
export const processFaults: readonly Fault[] = [
  {
    name: 'kill',
    befalls: 'processes',
    applies: always,
    async run(world, random) {
      const signals = ['SIGKILL', 'SIGTERM', random.chance(0.5) ? 'SIGKILL' : 'SIGTERM'] as const;
      for (const signal of signals) {
        const place = random.pick(places);
        const gone = await endProcess(world, place, signal);
        world.ledger.count('faults');
        // Clients have a while with two processes.
        await delay(random.between(0, 1500));
        await world.cluster.restore();
        gone();
      }
    },
  },
  {
    name: 'pause',
    befalls: 'processes',
    applies: always,
    async run(world, random) {
      const { cluster, ledger, paused, place } = world;
      const process = cluster.at(random.pick(places));
      const goesOn = ledger.incidents.begin('paused', process.name);
      ledger.count('faults');
      paused.add(process.name);
      process.pause();
      const resumed = new AbortController();
      const watching = place.provider === 'sqlite' ? watchWriteLock(world, resumed.signal) : undefined;
      await delay(15_000);
      process.resume();
      paused.delete(process.name);
      goesOn();
      resumed.abort();
      await watching;
    },
  },
  {
    name: 'clock',
    befalls: 'processes',
    applies: always,
    async run(world, random) {
      const place = random.pick(places);
      world.clocksAheadMs.set(place, random.pick([60_000, -60_000]));
      await replaceProcess(world, place);
      world.ledger.count('faults');
      await delay(10_000);
      world.clocksAheadMs.delete(place);
      await replaceProcess(world, place);
    },
  },
];

async function replaceProcess(world: World, place: Place): Promise<void> {
  const gone = await endProcess(world, place, 'SIGTERM');
  await world.cluster.restore();
  gone();
}

/** Ends a process; with SIGTERM it must do so within its deadline. @returns To be called when another one has taken its place. */
export async function endProcess({ cluster, ledger }: World, place: Place, signal: 'SIGKILL' | 'SIGTERM'): Promise<() => void> {
  const process = cluster.at(place);
  const gone = ledger.incidents.begin(signal === 'SIGKILL' ? 'killed' : 'closed', process.name);
  const startedAt = performance.now();
  const stopped = cluster.stop(place, signal);
  if (signal === 'SIGTERM') {
    const boundMs = () => closeMs + exitMs + ledger.incidents.loadMs(startedAt);
    while (!process.isDone() && performance.now() - startedAt < boundMs()) await delay(50);
    ledger.took('close', startedAt);
    if (!process.isDone()) {
      ledger.breach(
        `${process.name} did not end within ${Math.round(boundMs())} ms of SIGTERM, at ${ledger.incidents.describe({ process: process.name, from: startedAt })}`,
      );
      ledger.incidents.begin('killed', process.name);
      await process.stop('SIGKILL');
    }
  }
  await stopped;
  return gone;
}
