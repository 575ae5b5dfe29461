import { StoreUnavailable } from '../errors.ts';
import type { Continuation, ContinuationStore } from '../store/store.ts';
import { pause } from '../timing.ts';

/** What `ContinuationReturns` needs. */
export interface ContinuationReturnsOptions {
  readonly store: ContinuationStore;
  /** Told once per outage. */
  readonly onError: (error: unknown) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Milliseconds between tries while the database is away. */
const retryMs = 500;

/** Gives continuations back in the background. While the database is away one after the other is tried again, until it has expired. */
export class ContinuationReturns {
  readonly #options: ContinuationReturnsOptions;
  readonly #running = new Set<Promise<void>>();
  /** Ends when all that failed at first have ended. */
  #queue: Promise<void> = Promise.resolve();
  #endPause: (() => void) | undefined;
  #isAway = false;
  #isClosed = false;

  constructor(options: ContinuationReturnsOptions) {
    this.#options = options;
  }

  /** @param by Who has taken it, or may have: the answer of the database was lost. */
  add(continuation: Continuation, by: string): void {
    const running = this.#run(continuation, by).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves after one more try. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endPause?.();
    await Promise.all(this.#running);
  }

  async #run(continuation: Continuation, by: string): Promise<void> {
    if (await this.#tryOnce(continuation, by)) return;
    this.#queue = this.#queue.then(async () => {
      let isDone = !this.#isAway && (await this.#tryOnce(continuation, by));
      while (!isDone && !this.#isClosed) {
        await this.#pause();
        isDone = await this.#tryOnce(continuation, by);
      }
    });
    await this.#queue;
  }

  /** `false` if it must be tried again. */
  async #tryOnce({ id, expiresAt }: Continuation, by: string): Promise<boolean> {
    const { store, onError, now } = this.#options;
    if (expiresAt.getTime() <= now()) return true;
    try {
      await store.returnContinuation(id, by);
      this.#isAway = false;
    } catch (error) {
      if (!this.#isAway) onError(error);
      this.#isAway = StoreUnavailable.isError(error);
    }
    return !this.#isAway;
  }

  async #pause(): Promise<void> {
    const { over, end } = pause(retryMs);
    this.#endPause = end;
    await over;
    this.#endPause = undefined;
  }
}
