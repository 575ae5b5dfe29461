import type { Bus } from '../bus/bus.ts';
import { StoreUnavailable } from '../errors.ts';
import type { EventStore, NewEvent } from '../store/store.ts';
import { doneWithin, pause } from '../timing.ts';

/** The options of `EventLog`. */
export interface EventLogOptions {
  readonly store: EventStore;
  readonly bus: Bus;
  /** The id of this process's run. It makes the keys of this process unique. */
  readonly node: string;
  /** Milliseconds between tries while the database is away. */
  readonly lookMs: number;
  /** Milliseconds that an event is kept. */
  readonly replayMs: number;
  /** Called once per outage. */
  readonly onError: (error: unknown) => void;
}

/** One event to be appended. */
export interface Posting {
  readonly stream: string;
  /** The session that the event concerns; `null` for none. */
  readonly sessionId: string | null;
  readonly data: string;
  /**
   * The log holds at most one event of each key. Processes that report the same fact use the same key.
   *
   * @default the id of this process's run and a counter
   */
  readonly key?: string | undefined;
  /** Whether to publish no wake-up. Readers then find the event at their next read. */
  readonly isQuiet?: boolean;
}

/** How long `post` waits. */
export interface PostOptions {
  /**
   * Milliseconds after which `post` fails because the database does not answer. An event that was not yet sent to the database is then
   * dropped. An event that was already sent may still be appended. @default until the event expires
   */
  readonly withinMs?: number;
}

/** The bus topic of the wake-up after each write: the log has grown. */
export const wakeUpTopic = 'log';
/** The bus topic of a second wake-up, after the row of a session's end: read the log before you serve a session from memory. */
export const endedTopic = 'ended';

/** Most rows and characters in one write. */
const batchRows = 100;
const batchLength = 1_000_000;
/** Most characters that may wait for the database. Beyond it, `post` rejects with `StoreUnavailable`. */
const maxWaitingLength = 64 * 1024 * 1024;

interface Waiting {
  readonly event: NewEvent;
  readonly isQuiet: boolean;
  readonly expiresAtMs: number;
  /** Whether a write of this event was begun. If so, the event may already be a row. */
  isBegun: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Appends events to the log in the order of the calls. One write runs at a time and takes the events that arrived during the write before
 * it.
 *
 * A write whose outcome is unknown is repeated with the same keys until it succeeds or its events expire. So a database fault neither loses
 * nor duplicates an event.
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
   * @throws {StoreUnavailable} The database did not take the event in time, or too many characters are waiting.
   * @throws {Error} The database refuses the event.
   */
  post({ stream, sessionId, data, key, isQuiet = false }: Posting, { withinMs }: PostOptions = {}): Promise<void> {
    if (this.#isClosed) return Promise.reject(new StoreUnavailable('This process is closing'));
    if (this.#waitingLength + data.length > maxWaitingLength && this.#waitingLength > 0) {
      return Promise.reject(new StoreUnavailable(`More than ${maxWaitingLength} characters wait for the database`));
    }
    const { node, replayMs } = this.#options;
    this.#count += 1;
    // `expiresAt` is a date for other processes. This process measures how long it keeps trying by its own monotonic clock.
    const event = {
      key: key ?? `${node}.${this.#count.toString(36)}`,
      stream,
      sessionId,
      data,
      expiresAt: new Date(Date.now() + replayMs),
    };
    let timer: NodeJS.Timeout | undefined;
    const posted = new Promise<void>((resolve, reject) => {
      const waiting: Waiting = { event, isQuiet, expiresAtMs: performance.now() + replayMs, isBegun: false, resolve, reject };
      if (withinMs !== undefined) timer = setTimeout(() => this.#giveUp(waiting, withinMs), withinMs);
      this.#waiting.push(waiting);
      this.#waitingLength += data.length;
      this.#writing ??= this.#write();
    });
    return timer === undefined ? posted : posted.finally(() => clearTimeout(timer));
  }

  /** Accepts no more events. Waits at most `deadlineMs` for the events that are still queued. */
  async close(deadlineMs: number): Promise<void> {
    this.#isClosed = true;
    if (this.#writing === undefined) return;
    this.#retry?.();
    await doneWithin(deadlineMs, this.#writing);
    const left = this.#waiting.splice(0);
    this.#retry?.();
    for (const { reject } of left) reject(new StoreUnavailable('This process has closed before the database took the event'));
  }

  #giveUp(waiting: Waiting, withinMs: number): void {
    if (!waiting.isBegun) this.#drop(waiting);
    waiting.reject(new StoreUnavailable(`The database has not taken an event within ${withinMs} ms`));
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
    // There is no `await` between this line and the loop's last check, so an event that is posted later starts a new loop.
    this.#writing = undefined;
  }

  /** The next events to write. They stay in the queue until they are rows, so a batch that failed is tried first again. */
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
      waiting.resolve();
    }
    if (batch.some(({ isQuiet }) => !isQuiet)) this.#options.bus.publish(wakeUpTopic);
  }

  /**
   * Writes the events of a refused batch one by one, so that one bad event does not block the others. Stops if the database becomes
   * unavailable; the rest is tried again in order.
   */
  async #appendOneByOne(batch: readonly Waiting[]): Promise<void> {
    for (const waiting of batch) {
      try {
        await this.#append([waiting]);
      } catch (error) {
        if (StoreUnavailable.isError(error)) return;
        this.#drop(waiting);
        waiting.reject(error);
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
      waiting.reject(new StoreUnavailable('The database has not taken an event before it expired', { cause: error }));
    }
  }
}
