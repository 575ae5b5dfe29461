import type { Sight } from '../protocol/definitions.ts';
import { doneWithin } from '../timing.ts';

/** Reads a live resource as the subscriber would. */
export type Look = (uri: string) => Promise<Sight>;

/** The options of `LiveResources`. */
export interface LiveResourcesOptions {
  readonly isLive: (uri: string) => boolean;
  /** Milliseconds between two looks at one resource for one subscriber. */
  readonly lookMs: number;
  /** Most milliseconds of one look. */
  readonly storeMs: number;
  readonly onError: (error: unknown) => void;
}

/** A subscriber: how to read as the subscriber, and how to notify it. */
export interface Subscriber {
  readonly look: Look;
  readonly tell: (uri: string) => void;
}

/** Most looks at once in this process. More would take the database's connections from the app. */
const maxLooks = 8;

/** What the live subscriptions of this process share. */
export class LiveResources {
  readonly options: LiveResourcesOptions;
  readonly #waiting: (() => void)[] = [];
  #looks = 0;
  #lastRows: readonly string[] = [];
  #lastChanges: ReadonlySet<string> = new Set();

  constructor(options: LiveResourcesOptions) {
    this.options = options;
  }

  /** The changes of one broadcast, with those that they imply: `booking:7` implies `booking`. Made once for all streams. */
  changesOf(rows: readonly string[]): ReadonlySet<string> {
    if (rows !== this.#lastRows) {
      this.#lastRows = rows;
      this.#lastChanges = new Set([everyChange, ...rows, ...rows.map(row => row.slice(0, row.indexOf(':')))]);
    }
    return this.#lastChanges;
  }

  /** Runs a look when fewer than `maxLooks` run. */
  async run<T>(look: () => Promise<T>): Promise<T> {
    if (this.#looks >= maxLooks) await new Promise<void>(resolve => this.#waiting.push(resolve));
    else this.#looks += 1;
    try {
      return await look();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#looks -= 1;
      else next();
    }
  }
}

/** Every broadcast of rows makes this change. */
const everyChange = '*';
const noChange: ReadonlySet<string> = new Set();

/** One subscription to a live resource. */
interface Subscription {
  /** What the subscriber got, or was told of, last; `undefined` if this process does not know. */
  sight: Sight | undefined;
  /** Changes since then, by the id of their event; none by 0, for the first look. */
  readonly pending: Map<number, ReadonlySet<string>>;
  /** By `performance.now()`. */
  lookedAt: number;
  isLooking: boolean;
}

/**
 * The live resources that the subscriber of one stream has subscribed to.
 *
 * After a change that may concern a resource, the resource is read as the subscriber would read it, at most once in `lookMs`. If the contents
 * differ from those before, or the resource has appeared or is gone, the subscriber is told. So it hears of nothing that it cannot see.
 */
export class LiveSubscriptions {
  readonly #shared: LiveResources;
  readonly #subscriber: Subscriber;
  readonly #subscriptions = new Map<string, Subscription>();
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #isClosed = false;
  #isFailing = false;

  constructor(shared: LiveResources, subscriber: Subscriber) {
    this.#shared = shared;
    this.#subscriber = subscriber;
  }

  /** Event ids of changes that were not compared yet. A client that comes back must hear of them again. */
  get pending(): number[] {
    const ids = new Set<number>();
    for (const { pending } of this.#subscriptions.values()) for (const id of pending.keys()) if (id > 0) ids.add(id);
    return [...ids];
  }

  /**
   * Adds a subscription. Resources that are not live are ignored.
   *
   * The resource is read now, because a change since `sight` may have been told before this call.
   *
   * @param sight What the subscriber got when it subscribed. If it is unknown, the subscriber is told if the resource is gone.
   */
  add(uri: string, sight?: Sight): void {
    if (this.#isClosed || !this.#shared.options.isLive(uri)) return;
    this.#subscriptions.set(uri, { sight, pending: new Map([[0, noChange]]), lookedAt: Number.NEGATIVE_INFINITY, isLooking: false });
    this.#schedule();
  }

  delete(uri: string): void {
    this.#subscriptions.delete(uri);
  }

  /** Takes the changes of a broadcast. */
  change(eventId: number, rows: readonly string[]): void {
    if (this.#subscriptions.size === 0) return;
    const changes = this.#shared.changesOf(rows);
    let isConcerned = false;
    for (const { sight, pending } of this.#subscriptions.values()) {
      if (sight !== undefined && !concerns(changes, sight)) continue;
      pending.set(eventId, changes);
      isConcerned = true;
    }
    if (isConcerned) this.#schedule();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#subscriptions.clear();
  }

  #schedule(): void {
    const { lookMs } = this.#shared.options;
    let dueAt = Number.POSITIVE_INFINITY;
    for (const { pending, lookedAt, isLooking } of this.#subscriptions.values())
      if (pending.size > 0 && !isLooking) dueAt = Math.min(dueAt, lookedAt + lookMs);
    if (this.#isClosed || dueAt === Number.POSITIVE_INFINITY || dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.#lookDue(), Math.max(0, dueAt - performance.now())).unref();
  }

  #lookDue(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
    const latest = performance.now() - this.#shared.options.lookMs + timerMs;
    for (const [uri, subscription] of this.#subscriptions) {
      const { pending, lookedAt, isLooking } = subscription;
      if (pending.size > 0 && !isLooking && lookedAt <= latest) void this.#look(uri, subscription);
    }
    this.#schedule();
  }

  async #look(uri: string, subscription: Subscription): Promise<void> {
    const { onError, storeMs } = this.#shared.options;
    subscription.isLooking = true;
    const isCurrent = () => !this.#isClosed && this.#subscriptions.get(uri) === subscription;
    let seen: readonly (readonly [eventId: number, changes: ReadonlySet<string>])[] = [];
    const read = async (): Promise<Sight | undefined> => {
      if (!isCurrent()) return undefined;
      seen = [...subscription.pending];
      subscription.lookedAt = performance.now();
      return withinMs(storeMs, this.#subscriber.look(uri));
    };
    try {
      const sight = await this.#shared.run(read);
      if (sight === undefined || !isCurrent()) return;
      this.#isFailing = false;
      const changes = seen.map(([, each]) => each);
      const isTold = isToTell(subscription.sight, sight, changes);
      subscription.sight = sight;
      for (const [id] of seen) subscription.pending.delete(id);
      if (isTold) this.#subscriber.tell(uri);
    } catch (error) {
      // The changes stay pending, so the next look is in `lookMs`.
      if (!this.#isFailing && isCurrent()) onError(error);
      this.#isFailing = true;
    } finally {
      subscription.isLooking = false;
      this.#schedule();
    }
  }
}

/** A timer of Node may fire this much too early, in ms. */
const timerMs = 1;

/**
 * Whether a look has shown a difference. If what the subscriber saw before is unknown, it is told of each change of a resource that it can
 * see, and that a resource is gone: reading would tell it the same.
 */
function isToTell(before: Sight | undefined, sight: Sight, changes: readonly ReadonlySet<string>[]): boolean {
  if (before !== undefined) return before.digest !== sight.digest;
  return sight.digest === null || changes.some(each => concerns(each, sight));
}

function concerns(changes: ReadonlySet<string>, { changes: own }: Sight): boolean {
  return own.some(change => changes.has(change));
}

async function withinMs<T>(ms: number, work: Promise<T>): Promise<T> {
  if (await doneWithin(ms, work)) return work;
  throw new Error(`A live resource could not be read within ${ms} ms; it is read again`);
}
