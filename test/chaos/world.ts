import { setTimeout as delay } from 'node:timers/promises';
import type { AppProcess } from '../processes/app-process.ts';
import type { Cluster, Place } from '../processes/cluster.ts';
import type { Ledger } from './ledger.ts';
import type { ChaosPlace } from './place.ts';
import type { Publications } from './publications.ts';
import type { Random } from './random.ts';
import type { OpenStreams } from './streams.ts';

/** What every client and every fault is given. */
export interface World {
  readonly place: ChaosPlace;
  readonly cluster: Cluster;
  readonly ledger: Ledger;
  readonly publications: Publications;
  readonly streams: OpenStreams;
  /** Names of processes that stand still. */
  readonly paused: Set<string>;
  /** By place, how much the clock of its next process is ahead, in milliseconds. */
  readonly clocksAheadMs: Map<Place, number>;
  /** Aborts when clients are to make no more calls. */
  readonly calling: AbortSignal;
}

/** One simulated client. */
export interface ChaosClient {
  readonly name: string;
  /** Lives until `world.calling` aborts. */
  run(): Promise<void>;
  /** Ends what it still holds, after everything was published. */
  finish(): Promise<void>;
}

/** How a client is made. */
export type MakeClient = (name: string, world: World, random: Random) => ChaosClient;

/** A process that takes requests and does not stand still, if there is one. */
export function pickAwake({ cluster, paused }: World, random: Random): AppProcess | undefined {
  const awake = cluster.running().filter(({ name }) => !paused.has(name));
  return awake.length === 0 ? undefined : random.pick(awake);
}

/** Waits for a while, or until the client is to end. */
export async function think(world: World, random: Random, minMs: number, maxMs: number): Promise<void> {
  await delay(random.between(minMs, maxMs), undefined, { signal: world.calling }).catch(() => undefined);
}
