import { doneWithin } from '../timing.ts';
import { backoffMs } from './reconnect.ts';
import { encodeWakeUps } from './wake-up.ts';

/** If more topics than this wait, one wake-up for all topics replaces them. */
const maxWaiting = 10_000;

/** The options of `Outbox`. */
export interface OutboxOptions {
  /** Identifies this bus instance as the sender. */
  readonly from: string;
  /** Most bytes in one text. */
  readonly maxBytes: number;
  /** Whether sending can succeed now. Call `flush` when this becomes true again. */
  readonly canSend: () => boolean;
  readonly send: (texts: string[]) => Promise<unknown>;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Outgoing wake-ups. Those of the same synchronous step are sent together. One batch is sent at a time.
 *
 * Topics that could not be sent wait, each topic once. Other processes do not know that this process was cut off, so only this process can
 * send them later.
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

  /** Sends now instead of waiting for the next attempt. */
  flush(): void {
    this.#unschedule();
    if (this.#sending || this.#isEmpty || !this.#options.canSend()) return;
    this.#sending = this.#send().finally(() => {
      this.#sending = undefined;
      if (!this.#isEmpty && !this.#retry) this.flush();
    });
  }

  /** Sends the waiting wake-ups if that is possible within `deadlineMs` milliseconds, and nothing after that. */
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
    // The running batch may lack the latest topics. One more batch sends them.
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
