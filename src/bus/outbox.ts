import { doneWithin } from '../timing.ts';
import { backoffMs } from './reconnect.ts';
import { encodeWakeUps } from './wake-up.ts';

/** More topics than this wait as "all". */
const maxWaiting = 10_000;

/** How an outbox sends, and where its failures go. */
export interface OutboxOptions {
  /** Names this bus instance in what it sends. */
  readonly from: string;
  /** Length of one text. */
  readonly maxBytes: number;
  /** Whether sending has a chance now. Call `flush` when it has one again. */
  readonly canSend: () => boolean;
  readonly send: (texts: string[]) => Promise<unknown>;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Wake-ups on their way out: those of one step of the program leave together, and one batch is under way at a time.
 *
 * What could not be sent waits, each topic once. Nobody else knows that this process was cut off, so nobody else could make up for it.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  #waiting = new Set<string>();
  #isAll = false;
  #sending: Promise<void> | undefined;
  #isScheduled = false;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #isClosed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  add(topic: string): void {
    if (this.#isClosed) return;
    this.#wait([topic]);
    if (!this.#isScheduled) queueMicrotask(() => this.#isScheduled && this.flush());
    this.#isScheduled = true;
  }

  /** Tries now, and no longer waits for the time of the next attempt. */
  flush(): void {
    this.#unschedule();
    if (this.#sending || this.#isEmpty || !this.#options.canSend()) return;
    this.#sending = this.#send().finally(() => {
      this.#sending = undefined;
      if (!this.#isEmpty && !this.#retry) this.flush();
    });
  }

  /** Sends what waits, if that is possible by `deadlineMs`, and then nothing more. */
  async close(deadlineMs: number): Promise<void> {
    await doneWithin(deadlineMs, this.#drain());
    this.#isClosed = true;
    this.#waiting.clear();
    this.#isAll = false;
    this.#unschedule();
  }

  get #isEmpty(): boolean {
    return this.#waiting.size === 0 && !this.#isAll;
  }

  async #drain(): Promise<void> {
    // What is under way may have left without the latest; one more batch takes all of it.
    await this.#sending;
    this.flush();
    await this.#sending;
  }

  #wait(topics: Iterable<string>): void {
    if (this.#isAll) return;
    for (const topic of topics) this.#waiting.add(topic);
    if (this.#waiting.size <= maxWaiting) return;
    this.#isAll = true;
    this.#waiting.clear();
  }

  async #send(): Promise<void> {
    const { from, maxBytes, send, onFailure } = this.#options;
    const [topics, isAll] = [this.#waiting, this.#isAll];
    this.#waiting = new Set();
    this.#isAll = false;
    try {
      await send(encodeWakeUps(from, isAll ? 'all' : topics, maxBytes));
      this.#failures = 0;
    } catch (error) {
      if (this.#isClosed) return;
      this.#isAll ||= isAll;
      this.#wait(topics);
      this.#retry = setTimeout(() => this.flush(), backoffMs(this.#failures)).unref();
      this.#failures += 1;
      onFailure(error);
    }
  }

  #unschedule(): void {
    clearTimeout(this.#retry);
    this.#isScheduled = false;
    this.#retry = undefined;
  }
}
