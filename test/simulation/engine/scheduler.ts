import { realSetImmediate } from './real.ts';

/** Something that runs code: a simulated process, a client, the database, the harness. Code of one never runs within an event of another. */
export interface Owner {
  readonly name: string;
  /** Nothing of it runs any more. */
  isDead: boolean;
  /** While it is paused its events are held; they run, late, when it goes on. */
  isPaused: boolean;
  readonly held: SimEvent[];
  /** Milliseconds by which its clock is ahead of the true time. */
  clockAheadMs: number;
  /** Virtual time at which its `performance.now()` began. */
  readonly startedAt: number;
  /** Timers that are set, by the label of what set them. */
  readonly timers: Set<{ readonly what: string }>;
}

/** Something that will happen. */
export interface SimEvent {
  at: number;
  order: number;
  readonly owner: Owner;
  readonly label: string;
  readonly run: () => void;
  isCancelled: boolean;
}

/** The virtual time at which schedules begin, in milliseconds since 1970. */
const EPOCH = Date.UTC(2026, 0, 1);

/**
 * Owns time and the order of everything: one event after the other, each with all that follows from it without waiting, until nothing is left
 * to do at that moment. So whoever an event belongs to is whose code runs until the next one.
 */
export class Scheduler {
  readonly print: ((line: string) => void) | undefined;
  /** Milliseconds since the schedule began. */
  now = 0;
  /** Whose code runs. */
  owner: Owner;
  /** Events so far: the logical time. */
  steps = 0;
  /** Takes what nobody caught. */
  onUncaught: (error: unknown, owner: Owner) => void = error => {
    throw error;
  };
  readonly #heap: SimEvent[] = [];
  #order = 0;
  #hash = 0x811c9dc5;

  constructor({ print }: { print?: ((line: string) => void) | undefined } = {}) {
    this.print = print;
    this.owner = this.createOwner('harness');
  }

  createOwner(name: string, clockAheadMs = 0): Owner {
    return { name, isDead: false, isPaused: false, held: [], clockAheadMs, startedAt: this.now, timers: new Set() };
  }

  /** What a clock of the running code shows, in milliseconds since 1970. */
  get wallClock(): number {
    return Math.floor(EPOCH + this.now + this.owner.clockAheadMs);
  }

  /** What identifies what happened so far: two runs of one seed end with the same. */
  get hash(): number {
    return this.#hash >>> 0;
  }

  /** Takes a note of what happened; part of `hash`. */
  trace(text: string): void {
    let hash = this.#hash;
    for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 16_777_619);
    this.#hash = hash;
    this.print?.(`${this.now.toFixed(3).padStart(12)} ${this.owner.name.padEnd(10)} ${text}`);
  }

  at(delayMs: number, owner: Owner, label: string, run: () => void): SimEvent {
    const event: SimEvent = { at: this.now + Math.max(0, delayMs), order: this.#order++, owner, label, run, isCancelled: false };
    this.#push(event);
    return event;
  }

  /** Waits, as the running code. */
  sleep(ms: number): Promise<void> {
    return new Promise(resolve => this.at(ms, this.owner, 'wakes', resolve));
  }

  /** Runs code as another owner and gives its outcome to the running code; never, if the other one dies. */
  ask<T>(owner: Owner, label: string, work: () => T | Promise<T>): Promise<T> {
    const asker = this.owner;
    return new Promise<T>((resolve, reject) => {
      this.at(0, owner, label, () => {
        void (async () => work())().then(
          value => this.at(0, asker, `${label} done`, () => resolve(value)),
          (error: Error) => this.at(0, asker, `${label} failed`, () => reject(error)),
        );
      });
    });
  }

  pause(owner: Owner): void {
    owner.isPaused = true;
  }

  resume(owner: Owner): void {
    owner.isPaused = false;
    for (const event of owner.held.splice(0)) {
      if (event.isCancelled) continue;
      event.at = this.now;
      event.order = this.#order++;
      this.#push(event);
    }
  }

  /** Runs until `isDone`, looked at after each event, until nothing is left to happen, or up to a moment. Whether it is done. */
  async run(isDone: () => boolean, until = Number.POSITIVE_INFINITY): Promise<boolean> {
    for (;;) {
      if (isDone()) return true;
      const event = this.#heap[0];
      if (event === undefined || event.at > until) {
        if (Number.isFinite(until)) this.now = Math.max(this.now, until);
        return false;
      }
      this.#pop();
      if (event.isCancelled || event.owner.isDead) continue;
      if (event.owner.isPaused) {
        event.owner.held.push(event);
        continue;
      }
      this.now = Math.max(this.now, event.at);
      this.owner = event.owner;
      this.steps += 1;
      this.trace(event.label);
      try {
        event.run();
      } catch (error) {
        this.onUncaught(error, event.owner);
      }
      await settled();
    }
  }

  #push(event: SimEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as SimEvent;
      if (isEarlier(above, event)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as SimEvent;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isEarlier(heap[child + 1] as SimEvent, heap[child] as SimEvent)) child += 1;
      if (isEarlier(last, heap[child] as SimEvent)) break;
      heap[index] = heap[child] as SimEvent;
      index = child;
    }
    heap[index] = last;
  }
}

function isEarlier(a: SimEvent, b: SimEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Resolves when all microtasks and ticks have run: what is simulated has no other way to go on by itself. */
function settled(): Promise<void> {
  return new Promise(resolve => realSetImmediate(resolve));
}
