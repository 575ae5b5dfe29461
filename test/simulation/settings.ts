import type { Limits, SessionOptions } from '../../src/options.ts';
import type { Random } from '../chaos/random.ts';
import type { BusConditions } from './bus.ts';
import type { StoreConditions } from './faulty-store.ts';
import type { LogConditions } from './store.ts';

/** What a client is. */
export type ClientKind = 'streamable' | 'sse' | 'listener';

/** Something that happens to processes, connections or the database for a while. */
export interface Fault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly forMs: number;
}

export type FaultKind =
  | 'kill'
  | 'close'
  | 'drain'
  | 'pause'
  | 'cut off'
  | 'database refuses'
  | 'database silent'
  | 'database slow'
  | 'connections cut'
  | 'bus away'
  | 'clock jumps';

/** All of them. */
export const faultKinds: readonly FaultKind[] = [
  'kill',
  'close',
  'drain',
  'pause',
  'cut off',
  'database refuses',
  'database silent',
  'database slow',
  'connections cut',
  'bus away',
  'clock jumps',
];

const deployments: readonly FaultKind[] = ['close', 'drain', 'bus away', 'clock jumps'];

/** What a seed decides before anything happens. */
export interface Settings {
  readonly nodes: number;
  readonly clients: readonly ClientKind[];
  readonly taskClients: number;
  /** Milliseconds of action. */
  readonly actMs: number;
  /** Greatest difference of a process's clock to the true time. */
  readonly skewMs: number;
  readonly networkMs: number;
  readonly store: StoreConditions;
  readonly log: LogConditions;
  readonly bus: BusConditions;
  readonly faults: readonly Fault[];
  /** Milliseconds between publications of one publisher, at most. */
  readonly publishEveryMs: number;
  /** Whether a client stays away for longer than events are kept. */
  readonly isAbsenceLong: boolean;
  readonly sessions: SessionOptions & { readonly deadMs: number };
  readonly limits: Limits & { readonly storeMs: number; readonly maxEvents: number };
}

/** Decides what a schedule is like. @param ofTasks Decides about tasks, so that schedules without tasks stay what they are. */
export function chooseSettings(random: Random, ofTasks: Random): Settings {
  const isAbsenceLong = random.chance(0.03);
  const actMs = random.between(5, 25) * 1000;
  const mood = random.next();
  /** The kinds of faults of this schedule: none, deployments while the database works, a few, or all. */
  const few = [random.pick(faultKinds), random.pick(faultKinds)];
  const kinds = mood < 0.05 ? [] : mood < 0.15 ? deployments : mood < 0.45 ? few : faultKinds;
  const count = kinds.length === 0 ? 0 : random.between(1, 6);
  const faults = Array.from({ length: count }, (): Fault => {
    const kind = random.pick(kinds);
    return { kind, atMs: random.between(500, actMs), forMs: durationOf(kind, random) };
  });
  const rate = (probability: number) => (mood >= 0.15 && random.chance(probability) ? random.pick([0.01, 0.03, 0.1]) : 0);
  const latencyMs = random.pick([0.2, 1, 1, 5, 20, 20, 60]);
  return {
    nodes: random.between(2, 3),
    clients: Array.from({ length: random.between(2, 4) }, () => random.pick<ClientKind>(['streamable', 'streamable', 'sse', 'listener'])),
    taskClients: ofTasks.chance(0.4) ? ofTasks.between(1, 2) : 0,
    actMs,
    skewMs: random.chance(0.5) ? 60_000 : 0,
    networkMs: random.pick([1, 5, 30]),
    store: {
      latencyMs,
      jitterMs: latencyMs * random.pick([0.5, 2, 5]),
      failedBefore: rate(0.4),
      appliedThenFailed: rate(0.5),
      late: rate(0.2) / 3,
      hanging: rate(0.2) / 3,
      silentMs: random.pick([5000, 15_000, 30_000]),
    },
    log: {
      lateCommit: rate(0.4) * 3,
      rolledBack: rate(0.3),
      partlyApplied: rate(0.3) * 3,
      longLength: random.pick([50, 200, 100_000, 100_000]),
    },
    bus: {
      isAbsent: random.chance(0.15),
      lost: rate(0.4) * 3,
      doubled: rate(0.3),
      spurious: rate(0.3),
      latencyMs: random.pick([1, 10, 100]),
    },
    faults: faults.sort((a, b) => a.atMs - b.atMs),
    publishEveryMs: random.pick([300, 1000, 3000]),
    sessions: {
      idleMs: isAbsenceLong ? 3_600_000 : 600_000,
      touchMs: random.pick([20_000, 60_000]),
      sweepMs: 60_000,
      lookMs: isAbsenceLong ? 1000 : random.pick([50, 200, 1000, 1000]),
      cacheMs: random.pick([1000, 5000]),
      deadMs: random.pick([10_000, 15_000, 15_000]),
    },
    limits: {
      inputMs: 120_000,
      heartbeatMs: random.pick([2000, 15_000]),
      storeMs: random.pick([2000, 5000, 5000]),
      maxEvents: random.pick([3, 1000, 1000, 1000]),
      taskMs: 600_000,
    },
    isAbsenceLong,
  };
}

function durationOf(kind: FaultKind, random: Random): number {
  switch (kind) {
    case 'pause':
      return random.pick([500, 2000, 6000, 12_000, 20_000, 30_000]);
    case 'cut off':
      return random.pick([1000, 5000, 10_000, 20_000, 30_000]);
    case 'kill':
    case 'close':
    case 'drain':
      return random.between(100, 8000);
    case 'database refuses':
    case 'database silent':
    case 'database slow':
    case 'bus away':
      return random.pick([500, 2000, 5000, 10_000]);
    case 'connections cut':
    case 'clock jumps':
      return random.between(0, 10_000);
  }
}
