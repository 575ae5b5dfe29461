import type { Bus } from '../bus/bus.ts';
import { StoreUnavailable } from '../errors.ts';
import type { EventStore, NewEvent } from '../store/store.ts';
import { doneWithin, pause } from '../timing.ts';

/** What the log needs. */
export interface EventLogOptions {
  readonly store: EventStore;
  readonly bus: Bus;
  /** The run of this process, which makes its keys unique. */
  readonly node: string;
  /** Milliseconds between tries while the database is away. */
  readonly lookMs: number;
  /** Milliseconds that an event is kept. */
  readonly replayMs: number;
  /** Told once per outage. */
  readonly onError: (error: unknown) => void;
}

/** One event to be appended. */
export interface Posting {
  readonly stream: string;
  /** The session it concerns; `null` for none. */
  readonly sessionId: string | null;
  readonly data: string;
  /** The log takes one event of each key, so that processes that say the same thing say it once. @default a random key */
  readonly key?: string | undefined;
  /** Nobody is woken for it: it is read with the next event, or look. */
  readonly isQuiet?: boolean;
}

/** How long the poster waits. */
export interface PostOptions {
  /**
   * Milliseconds after which `post` fails because the database does not answer. An event that was not sent to the database by then is dropped;
   * one that was sent may still be appended. @default until the event expires
   */
  readonly withinMs?: number;
}

/** The one topic of wake-ups: that the log has grown. */
export const LOG_TOPIC = 'log';

/** Rows and characters of one write. */
const batchRows = 100;
const batchLength = 1_000_000;
/** Characters that may wait for the database; who posts more is told that it is away. */
const maxWaitingLength = 64 * 1024 * 1024;

interface Waiting {
  readonly event: NewEvent;
  readonly isQuiet: boolean;
  readonly expiresAtMs: number;
  /** Whether the database was asked to append it: the outcome may be unknown. */
  isBegun: boolean;
  isSettled: boolean;
  readonly settle: (error?: Error) => void;
}

/**
 * Appends events to the log: one write at a time, with all that waited meanwhile, in the order of the calls.
 *
 * A write whose outcome is unknown is repeated under the same keys until it succeeds or its events expire, so no event is lost by a fault of the
 * database, and none appears twice.
 */
export class EventLog {
  readonly #options: EventLogOptions;
  #waiting: Waiting[] = [];
  #waitingLength = 0;
  #count = 0;
  #writing: Promise<void> | undefined;
  #isClosed = false;
  #isAway = false;
  #retry: (() => void) | undefined;

  constructor(options: EventLogOptions) {
    this.#options = options;
  }

  /**
   * Resolves once the event is a row.
   *
   * @throws {StoreUnavailable} The database did not take it in time, or too much waits for it. @throws {Error} The database refuses it.
   */
  post({ stream, sessionId, data, key, isQuiet = false }: Posting, { withinMs }: PostOptions = {}): Promise<void> {
    if (this.#isClosed) return Promise.reject(new StoreUnavailable('This process is closing'));
    if (this.#waitingLength + data.length > maxWaitingLength && this.#waitingLength > 0) {
      return Promise.reject(new StoreUnavailable(`More than ${maxWaitingLength} characters wait for the database`));
    }
    const { node, replayMs } = this.#options;
    this.#count += 1;
    // Expiry is a date for other processes; how long this one tries is measured by its own steady clock.
    const event = {
      key: key ?? `${node}.${this.#count.toString(36)}`,
      stream,
      sessionId,
      data,
      expiresAt: new Date(Date.now() + replayMs),
    };
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const waiting: Waiting = {
        event,
        isQuiet,
        expiresAtMs: performance.now() + replayMs,
        isBegun: false,
        isSettled: false,
        settle: error => {
          if (waiting.isSettled) return;
          waiting.isSettled = true;
          clearTimeout(timer);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      if (withinMs !== undefined) timer = setTimeout(() => this.#giveUp(waiting, withinMs), withinMs);
      this.#waiting.push(waiting);
      this.#waitingLength += data.length;
      this.#writing ??= this.#write();
    });
  }

  /** Takes no more events, and waits at most `deadlineMs` for those that wait. */
  async close(deadlineMs: number): Promise<void> {
    this.#isClosed = true;
    if (this.#writing === undefined) return;
    this.#retry?.();
    await doneWithin(deadlineMs, this.#writing);
    const left = this.#waiting.splice(0);
    this.#retry?.();
    for (const { settle } of left) settle(new StoreUnavailable('This process has closed before the database took the event'));
  }

  #giveUp(waiting: Waiting, withinMs: number): void {
    if (!waiting.isBegun) this.#drop(waiting);
    waiting.settle(new StoreUnavailable(`The database has not taken an event within ${withinMs} ms`));
  }

  #drop(waiting: Waiting): void {
    const index = this.#waiting.indexOf(waiting);
    if (index === -1) return;
    this.#waiting.splice(index, 1);
    this.#waitingLength -= waiting.event.data.length;
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      for (const waiting of batch) waiting.isBegun = true;
      try {
        await this.#append(batch);
      } catch (error) {
        if (StoreUnavailable.isError(error)) await this.#untilRetry(error);
        else await this.#appendOneByOne(batch);
      }
    }
    // No `await` stands between this line and the loop's last condition, so an event posted later starts a new loop.
    this.#writing = undefined;
  }

  /** Events stay in the queue until they are rows, so that a batch that failed is the head of the next. */
  #nextBatch(): Waiting[] {
    let length = 0;
    let end = 0;
    for (const { event } of this.#waiting) {
      length += event.data.length;
      if (end > 0 && (end === batchRows || length > batchLength)) break;
      end += 1;
    }
    return this.#waiting.slice(0, end);
  }

  async #append(batch: readonly Waiting[]): Promise<void> {
    await this.#options.store.append(batch.map(({ event }) => event));
    this.#isAway = false;
    for (const waiting of batch) {
      this.#drop(waiting);
      waiting.settle();
    }
    if (batch.some(({ isQuiet }) => !isQuiet)) this.#options.bus.publish(LOG_TOPIC);
  }

  /** One event that no database takes must not keep out the others. Where the database goes away, the rest is tried again in its order. */
  async #appendOneByOne(batch: readonly Waiting[]): Promise<void> {
    for (const waiting of batch) {
      try {
        await this.#append([waiting]);
      } catch (error) {
        if (StoreUnavailable.isError(error)) return;
        this.#drop(waiting);
        waiting.settle(error as Error);
      }
    }
  }

  async #untilRetry(error: unknown): Promise<void> {
    if (!this.#isAway) this.#options.onError(error);
    this.#isAway = true;
    const { over, end } = pause(this.#options.lookMs);
    this.#retry = end;
    await over;
    this.#retry = undefined;
    const now = performance.now();
    for (const waiting of this.#waiting.filter(({ expiresAtMs }) => expiresAtMs <= now)) {
      this.#drop(waiting);
      waiting.settle(new StoreUnavailable('The database has not taken an event before it expired', { cause: error }));
    }
  }
}
