import type { NodeStore } from '../store/store.ts';
import { pause } from '../timing.ts';

/** What `Nodes` needs. */
export interface NodesOptions {
  readonly store: NodeStore;
  /** The run of this process. */
  readonly node: string;
  /** Milliseconds of silence after which a process counts as dead. */
  readonly deadMs: number;
  /** Asks a process to raise its counter now. */
  readonly ask: (node: string) => Promise<void>;
  /** Told once per outage. */
  readonly onError: (error: unknown) => void;
}

/** Whether another process lives; `unknown` until its counter was seen to rise, or was silent for long enough. */
export type Life = 'alive' | 'dead' | 'unknown';

interface Watched {
  readonly listeners: Set<() => void>;
  /** Its counter as seen last; `undefined` without a row. */
  beat: number | undefined | 'never looked';
  /** When its counter was seen to rise, by `performance.now()`. */
  aliveAt: number;
  /** Milliseconds of silence, of which this process was watching all. */
  silentMs: number;
  /** Watched until then though nobody waits for it, so that the next question is answered at once. */
  keptUntil: number;
}

/** Beats in the time after which a silent process counts as dead. */
const beatsUntilDead = 5;
/** How long a row outlives its last beat, so that sweepers with another clock leave it alone. */
const rowKeptMs = 600_000;
/** How long a process that was asked about stays watched. */
const watchedForMs = 60_000;

/**
 * Which processes live: each is a row with a counter, which it raises while it holds a stream or runs a call that others may wait for.
 *
 * Another process counts as dead when this one has watched its counter for `deadMs`, by its own steady clock, and never saw it rise. Time in
 * which this process could not look does not count. No two clocks are compared.
 */
export class Nodes {
  readonly #options: NodesOptions;
  readonly #beatMs: number;
  readonly #watched = new Map<string, Watched>();
  #holds = 0;
  #beating: Promise<void> | undefined;
  #beatAt = Number.NEGATIVE_INFINITY;
  #lookedAt = 0;
  #isLooking = false;
  #isFailing = false;
  #hasRow = false;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: NodesOptions) {
    this.#options = options;
    this.#beatMs = Math.max(1, Math.floor(options.deadMs / beatsUntilDead));
  }

  /** Raises this process's counter until the returned function is called. */
  hold(): () => void {
    this.#holds += 1;
    if (this.#holds === 1) this.#begin();
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holds -= 1;
    };
  }

  /** Resolves once this process has a row with a counter raised lately: nobody may be told to wait for it before. */
  async ready(): Promise<void> {
    if (performance.now() - this.#beatAt > this.#beatMs * 2) await this.beat();
  }

  /** Raises this process's counter now. */
  beat(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = undefined;
    });
    return this.#beating;
  }

  /** Calls back, once, when a process counts as dead, unless the returned function was called before. */
  watch(node: string, onDead: () => void): () => void {
    const watched = this.#watch(node);
    watched.listeners.add(onDead);
    return () => {
      watched.listeners.delete(onDead);
    };
  }

  /**
   * Finds out whether a process that has raised its counter before lives; one that was not heard of lately is asked.
   *
   * @param withinMs How long to wait for its answer; then it is `unknown`, unless it counts as dead by then.
   */
  async life(node: string, withinMs: number): Promise<Life> {
    if (node === this.#options.node) return 'alive';
    const watched = this.#watch(node);
    watched.keptUntil = performance.now() + watchedForMs;
    if (isHeardOf(watched, this.#beatMs)) return 'alive';
    await this.#look();
    if (isHeardOf(watched, this.#beatMs)) return 'alive';
    if (watched.beat === undefined || this.#isDead(node, watched)) return 'dead';
    await this.#options.ask(node);
    const until = performance.now() + withinMs;
    // Short looks: the process answers as soon as it reads the question.
    for (let pauseMs = 5; performance.now() < until; pauseMs = Math.min(pauseMs * 2, 250)) {
      await pause(pauseMs).over;
      await this.#look();
      if (isHeardOf(watched, this.#beatMs)) return 'alive';
      if (watched.beat === undefined || this.#isDead(node, watched)) return 'dead';
    }
    return 'unknown';
  }

  /** Stops, and removes this process's row. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#watched.clear();
    await this.#beating?.catch(() => undefined);
    if (this.#hasRow) await this.#options.store.removeNode(this.#options.node);
  }

  #begin(): void {
    if (this.#isClosed) return;
    this.#timer ??= setInterval(() => this.#tick(), this.#beatMs).unref();
    if (this.#holds > 0 && performance.now() - this.#beatAt > this.#beatMs) this.beat().catch(() => undefined);
  }

  #tick(): void {
    if (this.#holds > 0) this.beat().catch(() => undefined);
    const now = performance.now();
    for (const [node, { listeners, keptUntil }] of this.#watched) if (listeners.size === 0 && keptUntil <= now) this.#watched.delete(node);
    if (this.#watched.size > 0) void this.#look().catch(() => undefined);
    else if (this.#holds === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  async #beat(): Promise<void> {
    const { store, node } = this.#options;
    try {
      this.#hasRow = true;
      await store.beat(node, new Date(Date.now() + rowKeptMs + this.#options.deadMs));
      this.#beatAt = performance.now();
      this.#isFailing = false;
    } catch (error) {
      this.#report(error);
      throw error;
    }
  }

  #watch(node: string): Watched {
    const known = this.#watched.get(node);
    if (known !== undefined) return known;
    const watched: Watched = { listeners: new Set(), beat: 'never looked', aliveAt: Number.NEGATIVE_INFINITY, silentMs: 0, keptUntil: 0 };
    this.#watched.set(node, watched);
    this.#begin();
    return watched;
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const startedAt = performance.now();
    // A process that was stopped itself has not been watching.
    const watchedMs = Math.max(0, Math.min(startedAt - this.#lookedAt, this.#beatMs * 2));
    this.#lookedAt = startedAt;
    const nodes = [...this.#watched];
    try {
      const beats = await this.#options.store.beats(nodes.map(([node]) => node));
      this.#isFailing = false;
      for (const [node, watched] of nodes) this.#compare(node, watched, beats.get(node), watchedMs);
    } catch (error) {
      for (const [, watched] of nodes) watched.silentMs = 0;
      // Nobody has watched up to the next look either.
      this.#lookedAt = Number.POSITIVE_INFINITY;
      this.#report(error);
      throw error;
    } finally {
      this.#isLooking = false;
    }
  }

  #compare(node: string, watched: Watched, beat: number | undefined, watchedMs: number): void {
    // A row that is gone was removed by its process, which ended in good order. One that was never there may yet come.
    if (beat === undefined && typeof watched.beat === 'number') watched.silentMs = Number.POSITIVE_INFINITY;
    else if (watched.beat === 'never looked') watched.silentMs = 0;
    else if (beat === watched.beat) watched.silentMs += watchedMs;
    else {
      watched.silentMs = 0;
      watched.aliveAt = performance.now();
    }
    watched.beat = beat;
    if (!this.#isDead(node, watched)) return;
    const { listeners } = watched;
    const due = [...listeners];
    listeners.clear();
    for (const listener of due) listener();
  }

  #isDead(node: string, { silentMs }: Watched): boolean {
    return node !== this.#options.node && silentMs >= this.#options.deadMs;
  }

  #report(error: unknown): void {
    if (!this.#isFailing) this.#options.onError(error);
    this.#isFailing = true;
  }
}

function isHeardOf({ aliveAt }: Watched, beatMs: number): boolean {
  return performance.now() - aliveAt <= beatMs * 2;
}
