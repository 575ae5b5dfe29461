import type { Store } from '../store/store.ts';
import type { EventLog } from './event-log.ts';
import type { Nodes } from './nodes.ts';
import type { Tail } from './tail.ts';

/** The parts of this process that deliver messages to other processes, and the limits of those parts. */
export interface Delivery {
  readonly store: Store;
  readonly log: EventLog;
  readonly tail: Tail;
  readonly nodes: Nodes;
  /** The id of this process's run. */
  readonly node: string;
  /** The name of this process, for people. */
  readonly nodeName: string;
  /** Most milliseconds to wait for the database. */
  readonly storeMs: number;
  /** Milliseconds between tries while the database is away. */
  readonly lookMs: number;
  /** Milliseconds that an event is kept. */
  readonly replayMs: number;
  readonly onError: (error: unknown) => void;
}
