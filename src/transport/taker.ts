import { setTimeout as delay } from 'node:timers/promises';
import type { EventLog } from '../delivery/event-log.ts';
import { outboundOf } from '../delivery/streams.ts';
import type { SessionStore } from '../session/store.ts';

/** What `Taker` needs. */
export interface TakerOptions {
  readonly log: EventLog;
  readonly store: SessionStore;
  /** Milliseconds between looks for what other processes left. */
  readonly lookMs: number;
}

/** Looks that the holder of a stream has to take a message before it counts as gone. */
const PATIENCE = 5;

/** The topic that the holder of an HTTP+SSE stream wakes when it has taken rows for it. */
export function takenTopic(sessionId: string): string {
  return `${outboundOf(sessionId)}+`;
}

/** Finds out whether a process holds the stream of an HTTP+SSE session: by its wake-up, or by its note of what it has delivered. */
export class Taker {
  readonly #options: TakerOptions;
  readonly #sessionId: string;
  readonly #unsubscribe: () => void;
  #hasWoken = false;
  #wake: (() => void) | undefined;

  /** Listens from now on, so that nothing can be missed that is sent after this. */
  constructor(sessionId: string, options: TakerOptions) {
    this.#options = options;
    this.#sessionId = sessionId;
    this.#unsubscribe = options.log.onWakeUp(takenTopic(sessionId), () => {
      this.#hasWoken = true;
      this.#wake?.();
    });
  }

  /** Whether the message at `position` was taken; waits as long as a process that lives needs for that. */
  async hasTaken(position: number): Promise<boolean> {
    const { store, lookMs } = this.#options;
    const woken = new Promise<void>(resolve => {
      this.#wake = resolve;
    });
    for (let look = 0; look < PATIENCE && !this.#hasWoken; look += 1) {
      const isOver = new AbortController();
      await Promise.race([woken, delay(lookMs, undefined, { signal: isOver.signal })]).finally(() => isOver.abort());
      if (this.#hasWoken) break;
      const delivered = await store.delivered(this.#sessionId);
      if (delivered === undefined) return false;
      if (delivered >= position) return true;
    }
    return this.#hasWoken;
  }

  stop(): void {
    this.#unsubscribe();
  }
}
