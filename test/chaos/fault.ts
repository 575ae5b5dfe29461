import type { ChaosPlace } from './place.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Something that goes wrong for a while. */
export interface Fault {
  readonly name: FaultName;
  /** What it befalls: two faults of one kind don't go together. */
  readonly befalls: 'processes' | 'database' | 'connections' | 'bus';
  /** Whether it can befall this choice of database and bus at all. */
  readonly applies: (choice: Pick<ChaosPlace, 'provider' | 'bus'>) => boolean;
  /** Whether it needs a server of the run's own. @default 'none' */
  readonly needs?: 'postgres' | 'redis';
  /** Makes it, and resolves when it has healed. */
  readonly run: (world: World, random: Random) => Promise<void>;
}

export const faultNames = [
  'kill',
  'pause',
  'clock',
  'restart-database',
  'stop-database',
  'too-many-connections',
  'cut',
  'lost-answer',
  'black-hole',
  'latency',
  'lock',
  'kill-redis',
] as const;
export type FaultName = (typeof faultNames)[number];
