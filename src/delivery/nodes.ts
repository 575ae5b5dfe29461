import type { NodeStore } from '../store/store.ts';
import { pause } from '../timing.ts';
import { releaseOnce } from './release.ts';

/** The options of `Nodes`. */
export interface NodesOptions {
  readonly store: NodeStore;
  /** The id of this process's run. */
  readonly node: string;
  /** Milliseconds of silence after which a process counts as dead. */
  readonly deadMs: number;
  /** Asks a process to raise its counter now. */
  readonly ask: (node: string) => Promise<void>;
  /** Called once per outage. */
  readonly onError: (error: unknown) => void;
}

/** Whether another process is alive. `unknown` until its counter was seen to rise, or was silent for long enough. */
export type Life = 'alive' | 'dead' | 'unknown';

interface Watched {
  readonly listeners: Set<() => void>;
  /** The counter at the last look; `undefined` if the process had no row. */
  beat: number | undefined | 'never looked';
  /** When its counter was last seen to rise, by `performance.now()`. */
  aliveAt: number;
  /** Milliseconds without a rise of the counter. Only time in which this process was watching counts. */
  silentMs: number;
  /** Until this time the process stays watched even without listeners, so that the next call of `life` is answered at once. */
  keptUntil: number;
}

/** Beats that a living process makes within `deadMs`. */
const beatsUntilDead = 5;
/** How long a row is kept after its last beat, in ms. Long enough that a sweeper whose clock differs does not remove it too early. */
const rowKeptMs = 600_000;
/** How long a process stays watched after a call of `life`, in ms. */
const watchedForMs = 60_000;

/**
 * Knows which processes are alive. Each process has a row with a counter. It raises the counter while it holds a stream or runs a call that
 * other processes may wait for.
 *
 * Another process counts as dead once this process has watched its counter for `deadMs` and never saw it rise. The time is measured by this
 * process's own monotonic clock, so no clocks are compared. Time in which this process could not read the counter does not count.
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

  /** Raises this process's counter regularly until the returned function is called. */
  hold(): () => void {
    this.#holds += 1;
    if (this.#holds === 1) this.#begin();
    return releaseOnce(() => {
      this.#holds -= 1;
    });
  }

  /**
   * Resolves once this process has a row whose counter was raised lately. Before that no other process may be told to wait for this one.
   */
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

  /** Calls `onDead` once when the process counts as dead. The returned function cancels this. */
  watch(node: string, onDead: () => void): () => void {
    const watched = this.#watch(node);
    watched.listeners.add(onDead);
    return () => {
      watched.listeners.delete(onDead);
    };
  }

  /**
   * Tells whether another process is alive. If its counter was not seen to rise lately, the process is asked to raise it.
   *
   * @param withinMs Milliseconds to wait for the counter to rise. After that the result is `unknown`, unless the process counts as dead by
   * then.
   */
  async life(node: string, withinMs: number): Promise<Life> {
    if (node === this.#options.node) return 'alive';
    const watched = this.#watch(node);
    watched.keptUntil = performance.now() + watchedForMs;
    const isHeardOf = (): boolean => performance.now() - watched.aliveAt <= this.#beatMs * 2;
    let until: number | undefined;
    // The first pauses are short, because the process answers as soon as it reads the question.
    for (let pauseMs = 5; !isHeardOf(); pauseMs = Math.min(pauseMs * 2, 250)) {
      await this.#look();
      if (isHeardOf()) break;
      if (watched.beat === undefined || this.#isDead(node, watched)) return 'dead';
      if (until === undefined) await this.#options.ask(node);
      until ??= performance.now() + withinMs;
      if (performance.now() >= until) return 'unknown';
      await pause(pauseMs).over;
    }
    return 'alive';
  }

  /** Stops beating and watching, and removes this process's row. */
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
    // If this process was itself suspended, it was not watching: at most two beats count as watched.
    const watchedMs = Math.max(0, Math.min(startedAt - this.#lookedAt, this.#beatMs * 2));
    this.#lookedAt = startedAt;
    const nodes = [...this.#watched];
    try {
      const beats = await this.#options.store.beats(nodes.map(([node]) => node));
      this.#isFailing = false;
      for (const [node, watched] of nodes) this.#compare(node, watched, beats.get(node), watchedMs);
    } catch (error) {
      for (const [, watched] of nodes) watched.silentMs = 0;
      // The time until the next look does not count as watched either.
      this.#lookedAt = Number.POSITIVE_INFINITY;
      this.#report(error);
      throw error;
    } finally {
      this.#isLooking = false;
    }
  }

  #compare(node: string, watched: Watched, beat: number | undefined, watchedMs: number): void {
    // A row that has disappeared was removed by its own process at shutdown, so that process is dead. A row that was never seen may still
    // be written.
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
