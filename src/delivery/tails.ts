import type { Bus } from '../bus/bus.ts';
import type { EventStore, StoredEvent } from '../session/events.ts';

/** What `Tails` needs. */
export interface TailsOptions {
  readonly store: EventStore;
  readonly bus: Bus;
  /** Milliseconds between looks for what no wake-up told of. */
  readonly lookMs: number;
  readonly onError: (error: unknown) => void;
}

/** How a stream is followed. */
export interface TailOptions {
  /** The position behind which events are wanted. */
  readonly after: number;
  /**
   * Takes events in order; when it settles the next ones are read. Where it gives `false` or throws, they were not taken: they are read
   * again after the next wake-up or look.
   */
  readonly onEvents: (events: readonly StoredEvent[]) => unknown;
  /** Whether only wake-ups make it read, while nothing else in this process looks. @default false */
  readonly isPassive?: boolean;
  /** Whether events are removed when they have been used, so that every read begins at `after`. @default false */
  readonly isConsumed?: boolean;
}

/** A stream being followed. */
export interface Tail {
  /** The position that was taken last. */
  readonly position: number;
  /** Reads now what there is. */
  wake(): void;
  /** Goes on behind another position. */
  moveTo(position: number): void;
  stop(): void;
}

/** Events of one read. */
const BATCH = 200;
/** Streams of one look; where there are more, each is looked at less often. */
const LOOKED_AT = 2000;
/** Streams that are read one by one when they are woken together. */
const FEW = 4;

/** The streams this process follows. Each is read when a wake-up names it; one timer looks for what wake-ups did not tell. */
export class Tails {
  readonly #options: TailsOptions;
  readonly #tails = new Set<Following>();
  readonly #woken = new Set<Following>();
  #active = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #next = 0;
  #isFailing = false;

  constructor(options: TailsOptions) {
    this.#options = options;
  }

  /** Follows a stream until `stop()`. */
  follow(stream: string, options: TailOptions): Tail {
    const following = new Following(stream, options, this.#options.store, error => this.#report(error));
    const unsubscribe = this.#options.bus.subscribe(stream, () => this.#wake(following));
    this.#tails.add(following);
    const release = options.isPassive ? undefined : this.hold();
    following.onStop = () => {
      unsubscribe();
      this.#tails.delete(following);
      release?.();
    };
    return following;
  }

  /** Looks at all streams until the returned function is called, passive ones too. */
  hold(): () => void {
    this.#active += 1;
    this.#timer ??= setInterval(() => void this.#look(), this.#options.lookMs).unref();
    let isHeld = true;
    return () => {
      if (isHeld) this.#active -= 1;
      isHeld = false;
      if (this.#active === 0) this.#rest();
    };
  }

  /** Whether this process looks by itself. */
  get isLooking(): boolean {
    return this.#active > 0;
  }

  close(): void {
    for (const following of this.#tails) following.stop();
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A bus that polls, or was cut off for a while, wakes all streams at once: then one query finds those with news. */
  #wake(following: Following): void {
    if (this.#woken.size === 0) queueMicrotask(() => void this.#readWoken());
    this.#woken.add(following);
  }

  async #readWoken(): Promise<void> {
    const woken = [...this.#woken];
    this.#woken.clear();
    if (woken.length > FEW) return this.#lookAt(woken);
    for (const following of woken) following.wake();
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const all = [...this.#tails];
    if (this.#next >= all.length) this.#next = 0;
    const some = all.slice(this.#next, this.#next + LOOKED_AT);
    this.#next += LOOKED_AT;
    await this.#lookAt(some);
    this.#looking = false;
  }

  /** Reads those of these streams that have news. */
  async #lookAt(tails: readonly Following[]): Promise<void> {
    try {
      const last = await this.#options.store.last([...new Set(tails.map(({ stream }) => stream))]);
      for (const following of tails) if ((last.get(following.stream) ?? 0) > following.known) following.wake();
      this.#isFailing = false;
    } catch (error) {
      this.#report(error);
    }
  }

  /** Once per outage: the next look tries again, and so does the one after it. */
  #report(error: unknown): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#options.onError(error);
  }
}

class Following implements Tail {
  readonly stream: string;
  position: number;
  onStop: (() => void) | undefined;
  readonly #options: TailOptions;
  readonly #store: EventStore;
  readonly #report: (error: unknown) => void;
  #isDue = false;
  #reading = false;
  #isStopped = false;

  constructor(stream: string, options: TailOptions, store: EventStore, report: (error: unknown) => void) {
    this.stream = stream;
    this.position = options.after;
    this.#options = options;
    this.#store = store;
    this.#report = report;
  }

  /** Events up to here need no look. What is consumed leaves its position to be used again. */
  get known(): number {
    return this.#options.isConsumed ? this.#options.after : this.position;
  }

  wake(): void {
    this.#isDue = true;
    if (!this.#reading) void this.#read();
  }

  moveTo(position: number): void {
    this.position = position;
    this.wake();
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.onStop?.();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    try {
      while (this.#isDue && !this.#isStopped) {
        this.#isDue = false;
        if (this.#options.isConsumed) this.position = this.#options.after;
        while ((await this.#readBatch()) === BATCH);
      }
    } catch (error) {
      this.#report(error);
    } finally {
      this.#reading = false;
    }
  }

  async #readBatch(): Promise<number> {
    const from = this.position;
    const events = await this.#store.read(this.stream, from, BATCH);
    const last = events.at(-1);
    if (last === undefined || this.#isStopped) return 0;
    // It was moved meanwhile: these are not the events that are wanted.
    if (this.position !== from) return BATCH;
    const isTaken = (await this.#options.onEvents(events)) !== false;
    if (this.position !== from) return BATCH;
    if (isTaken) this.position = last.seq;
    return isTaken ? events.length : 0;
  }
}
