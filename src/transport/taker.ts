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

/** The topic that the holder of an HTTP+SSE stream wakes when it has noted what it has delivered. */
export function takenTopic(sessionId: string): string {
  return `${outboundOf(sessionId)}+`;
}

/** Finds out whether a process holds the stream of an HTTP+SSE session: by its note of what it has delivered. Its wake-up is a hint to look. */
export class Taker {
  readonly #options: TakerOptions;
  readonly #sessionId: string;
  readonly #unsubscribe: () => void;
  #isWoken = false;
  #wake: (() => void) | undefined;

  /** Listens from now on, so that no wake-up is missed for what is sent after this. */
  constructor(sessionId: string, options: TakerOptions) {
    this.#options = options;
    this.#sessionId = sessionId;
    this.#unsubscribe = options.log.onWakeUp(takenTopic(sessionId), () => {
      this.#isWoken = true;
      this.#wake?.();
    });
  }

  /** Whether the message at `position` was taken; waits as long as a process that lives needs for that. */
  async hasTaken(position: number): Promise<boolean> {
    const { store, lookMs } = this.#options;
    const until = performance.now() + PATIENCE * lookMs;
    do {
      await this.#wokenOr(lookMs);
      const delivered = await store.delivered(this.#sessionId);
      if (delivered === undefined) return false;
      if (delivered >= position) return true;
    } while (performance.now() < until);
    return false;
  }

  stop(): void {
    this.#unsubscribe();
  }

  async #wokenOr(lookMs: number): Promise<void> {
    if (!this.#isWoken) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, lookMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#isWoken = false;
  }
}
