import { AsyncResource } from 'node:async_hooks';
import type { Bus } from '../bus/bus.ts';
import type { EventStore, StoredEvent, TailedEvent } from '../store/store.ts';
import { wakeUpTopic } from './event-log.ts';
import type { Position } from './position.ts';
import { releaseOnce } from './release.ts';

/** The options of `Tail`. */
export interface TailOptions {
  readonly store: EventStore;
  readonly bus: Bus;
  /** Milliseconds between reads that happen without a wake-up. */
  readonly lookMs: number;
  /** Milliseconds without a successful read after which the `onDeaf` listeners are called. */
  readonly deadMs: number;
  /** Called once per outage. */
  readonly onError: (error: unknown) => void;
}

/** Takes one event. `tail.position` has just moved past it. */
export type TailListener = (event: DeliveredEvent) => void;

/** One event with all its data. */
export type DeliveredEvent = Pick<StoredEvent, 'id' | 'data'>;

/** Delay of a read after a wake-up while nobody holds the tail, in ms. Nobody waits for events then; the read only moves the position. */
const unheldMs = 20;
/** Most rows in one read. */
const rowsPerRead = 500;
/** Most missing ids that are asked for again. If there are more, the greatest are kept. */
const maxGaps = 1000;
/** How long a missing id is asked for, in ms. A write is expected to be committed within this time. */
const gapMs = 60_000;
/** How many of the newest ids are read at the start. An id that is missing among them may belong to a write that is not committed yet. */
const startIds = 1000;
/** How many ids below those newest ones are also treated as missing, for the same reason. */
const startGaps = 100;

/**
 * Reads the log once for all streams of this process, and gives each event to the listeners of its stream.
 *
 * It reads after a wake-up. While somebody holds the tail it also reads every `lookMs`, so a lost wake-up delays events but loses none.
 */
export class Tail {
  readonly #options: TailOptions;
  /** Reads serve all requests: they must not be part of the trace of the one that has caused them. */
  readonly #background = new AsyncResource('koa-mcp.tail');
  readonly #listeners = new Map<string, Set<TailListener>>();
  readonly #deafListeners = new Set<() => void>();
  readonly #startListeners = new Set<() => void>();
  /** Missing ids in ascending order, each with the time it was first missed, by `performance.now()`. */
  readonly #gaps = new Map<number, number>();
  #id = 0;
  #position: Position | undefined;
  #starting: Promise<void> | undefined;
  #started = false;
  #isClosed = false;
  #holds = 0;
  #timer: NodeJS.Timeout | undefined;
  #later: NodeJS.Timeout | undefined;
  #reading: Promise<void> | undefined;
  #isDue = false;
  /** Called after the next read with whether it succeeded. */
  readonly #next: ((isRead: boolean) => void)[] = [];
  #readAt = 0;
  #isFailing = false;
  #unsubscribe: (() => void) | undefined;

  constructor(options: TailOptions) {
    this.#options = options;
  }

  /** How far this process has read. */
  get position(): Position {
    this.#position ??= { id: this.#id, gaps: [...this.#gaps.keys()] };
    return this.#position;
  }

  /** Calls `start` and does not wait for it. If it fails, the next call of `start` tries again and reports the error. */
  begin(): void {
    if (!this.#started && this.#starting === undefined && !this.#isClosed) this.start().catch(() => undefined);
  }

  /**
   * Finds the end of the log once. Events appended before are not delivered. Streams are opened and calls begun only after this.
   *
   * @throws {Error} What the store throws; the next call tries again.
   */
  start(): Promise<void> {
    if (this.#started) return Promise.resolve();
    this.#starting ??= this.#background
      .runInAsyncScope(() => this.#start())
      .finally(() => {
        this.#starting = undefined;
      });
    return this.#starting;
  }

  /** Calls `listener` when the end of the log was found. The events up to there are delivered to nobody. */
  onStart(listener: () => void): void {
    this.#startListeners.add(listener);
  }

  /** Gives `listener` each event of a stream behind `position`, in the order of the log, until the returned function is called. */
  listen(stream: string, listener: TailListener): () => void {
    const listeners = this.#listeners.get(stream) ?? new Set();
    this.#listeners.set(stream, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(stream) === listeners) this.#listeners.delete(stream);
    };
  }

  /** Calls `listener` when this process could not read the log for `deadMs` while somebody held the tail. */
  onDeaf(listener: () => void): void {
    this.#deafListeners.add(listener);
  }

  /** Reads every `lookMs` until the returned function is called. */
  hold(): () => void {
    this.#holds += 1;
    if (this.#holds === 1 && !this.#isClosed) {
      this.#readAt = performance.now();
      this.#timer = setInterval(() => this.wake(), this.#options.lookMs).unref();
      this.wake();
    }
    return releaseOnce(() => {
      this.#holds -= 1;
      if (this.#holds === 0) clearInterval(this.#timer);
    });
  }

  /** Reads now, or again once the running read is done. While nobody holds the tail, reads a little later. */
  wake(): void {
    if (this.#isClosed) return;
    if (!this.#started) return void this.start().catch((error: unknown) => this.#failed(error));
    if (this.#holds > 0) return void this.catchUp();
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      void this.catchUp();
    }, unheldMs).unref();
  }

  /** Reads the log. Resolves once every event that is in it now was delivered, or once the database did not answer. */
  async catchUp(): Promise<void> {
    if (!this.#started || this.#isClosed) return;
    this.#isDue = true;
    this.#reading ??= this.#background.runInAsyncScope(() => this.#read());
    await this.#reading;
  }

  /** Delivers what is in the log now, and does not wait for reads after that. Resolves to whether the database answered. */
  readNow(): Promise<boolean> {
    if (!this.#started || this.#isClosed) return Promise.resolve(false);
    const read = new Promise<boolean>(resolve => this.#next.push(resolve));
    void this.catchUp();
    return read;
  }

  /** Stops reading and delivering. */
  close(): void {
    this.#isClosed = true;
    this.#unsubscribe?.();
    clearInterval(this.#timer);
    clearTimeout(this.#later);
    this.#listeners.clear();
    for (const resolve of this.#next.splice(0)) resolve(false);
  }

  async #start(): Promise<void> {
    const ids = await this.#options.store.latest(startIds);
    if (this.#started || this.#isClosed) return;
    const [latest = 0] = ids;
    this.#id = Math.max(0, (ids.at(-1) ?? 0) - 1 - startGaps);
    for (const id of ids.toReversed()) this.#pass(id);
    this.#id = latest;
    this.#started = true;
    for (const listener of this.#startListeners) listener();
    this.#unsubscribe = this.#options.bus.subscribe(wakeUpTopic, () => this.wake());
    this.wake();
  }

  async #read(): Promise<void> {
    while (this.#isDue && !this.#isClosed) {
      this.#isDue = false;
      const waiting = this.#next.splice(0);
      const rows = await this.#readBatch();
      if (rows === rowsPerRead) {
        this.#isDue = true;
        this.#next.unshift(...waiting);
      } else for (const resolve of waiting) resolve(rows !== undefined);
    }
    this.#reading = undefined;
  }

  /** Reads and delivers the next rows. Returns their number; `undefined` if the database does not answer. */
  async #readBatch(): Promise<number | undefined> {
    try {
      const events = await this.#options.store.read({ after: this.#id, gaps: this.position.gaps, limit: rowsPerRead });
      const long = await this.#readLong(events);
      this.#readAt = performance.now();
      this.#isFailing = false;
      for (const event of events) this.#deliver(event, long);
      this.#forgetGaps();
      return events.length;
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  /** Reads the data of long events whose streams have listeners here. Repeats for listeners that were added during the read. */
  async #readLong(events: readonly TailedEvent[]): Promise<ReadonlyMap<number, string>> {
    const long = new Map<number, string>();
    const asked = new Set<number>();
    for (;;) {
      const wanted = events.filter(({ id, stream, data }) => data === undefined && !asked.has(id) && this.#listeners.has(stream));
      const last = wanted.at(-1);
      if (last === undefined) return long;
      for (const { id } of wanted) asked.add(id);
      const streams = [...new Set(wanted.map(({ stream }) => stream))];
      const gaps = wanted.map(({ id }) => id);
      // An event that is not found has expired.
      const found = await this.#options.store.findEvents({ streams, after: last.id, upTo: last.id, gaps, limit: gaps.length });
      for (const { id, data } of found) long.set(id, data);
    }
  }

  #deliver({ id, stream, data }: TailedEvent, long: ReadonlyMap<number, string>): void {
    this.#pass(id);
    const whole = data ?? long.get(id);
    if (whole === undefined) return;
    for (const listener of [...(this.#listeners.get(stream) ?? [])]) {
      try {
        listener({ id, data: whole });
      } catch (error) {
        this.#options.onError(error);
      }
    }
  }

  /** Moves the position to `id`. The ids in between become gaps. If `id` was a gap, it stops being one. */
  #pass(id: number): void {
    this.#position = undefined;
    if (this.#gaps.delete(id) || id <= this.#id) return;
    const now = performance.now();
    for (let gap = Math.max(this.#id + 1, id - maxGaps); gap < id; gap += 1) this.#gaps.set(gap, now);
    this.#id = id;
    for (const gap of this.#gaps.keys()) {
      if (this.#gaps.size <= maxGaps) break;
      this.#gaps.delete(gap);
    }
  }

  #forgetGaps(): void {
    const oldest = performance.now() - gapMs;
    for (const [gap, since] of this.#gaps) {
      if (since > oldest) break;
      this.#gaps.delete(gap);
      this.#position = undefined;
    }
  }

  #failed(error: unknown): void {
    if (!this.#isFailing) this.#options.onError(error);
    this.#isFailing = true;
    if (this.#holds === 0 || performance.now() - this.#readAt < this.#options.deadMs) return;
    this.#readAt = performance.now();
    for (const listener of this.#deafListeners) listener();
  }
}
