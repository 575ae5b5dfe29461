import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../processes/cluster.ts';
import type { Ledger } from './ledger.ts';
import type { Publications } from './publications.ts';
import type { Random } from './random.ts';

/** What every client is given. */
export interface World {
  readonly cluster: Cluster;
  readonly ledger: Ledger;
  readonly publications: Publications;
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

/** Waits for a while, or until the client is to end. */
export async function think(world: World, random: Random, minMs: number, maxMs: number): Promise<void> {
  await delay(random.between(minMs, maxMs), undefined, { signal: world.calling }).catch(() => undefined);
}
