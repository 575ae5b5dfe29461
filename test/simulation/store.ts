import { StoreUnavailable } from '../../src/errors.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { EventStore, Store } from '../../src/store/store.ts';
import type { Random } from '../chaos/random.ts';
import type { Scheduler } from './engine/scheduler.ts';
import type { Counts } from './faults.ts';
import type { Settings } from './settings.ts';

// What depends on the contract of the store: the log, whose ids become visible out of order, as those of a database do.

/** How the log fares now: probabilities for each append. */
export interface LogConditions {
  /** Its rows become visible later than others that got greater ids. */
  lateCommit: number;
  /** It fails and leaves its ids unused. */
  rolledBack: number;
  /** It fails when some of its rows are there. */
  partlyApplied: number;
  /** Characters from which on the tail is not given the data. */
  longLength: number;
}

/** What `openDatabase` needs. */
export interface DatabaseOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly counts: Counts;
  readonly conditions: LogConditions;
}

/** The database of a schedule. */
export interface Database {
  /** What processes ask, before faults on the way. */
  readonly store: Store;
  /** How many rows for everybody that hold a text were written so far. */
  broadcastsWith(text: string): number;
  /** Removes all rows; how many no sweep before has removed, by table. */
  sweepAll(): Promise<Record<string, number>>;
}

/** Opens an empty database. */
export function openDatabase(options: DatabaseOptions): Database {
  const store = memoryStore();
  const log = new Log(store, options);
  return {
    store: {
      ...store,
      append: events => log.append(events),
      read: query => log.read(query),
      findEvents: query => log.findEvents(query),
      latest: limit => log.latest(limit),
    },
    broadcastsWith: text => log.broadcasts.filter(data => data.includes(text)).length,
    async sweepAll() {
      const end = new Date(8.64e15);
      return {
        sessions: (await store.sweep(end, 10_000)).length,
        events: await store.sweepEvents(end, 10_000),
        nodes: await store.sweepNodes(end, 10_000),
        continuations: await store.sweepContinuations(end, 10_000),
        tasks: await store.sweepTasks(end, 10_000),
      };
    },
  };
}

/** What a store says while the database is away. */
export function createOutage(): Error {
  return new StoreUnavailable('the database is away');
}

/** Rows of an append that failed: their ids are used up, and nobody ever sees them. */
const UNUSED = 'unused';

/** A log whose rows get their ids when they are written and become visible when they are committed. */
class Log {
  readonly #store: EventStore;
  readonly #options: DatabaseOptions;
  /** Ids of rows that are not committed, or never will be. */
  readonly #hidden = new Set<number>();
  /** When the rows of these keys are committed. */
  readonly #commits = new Map<string, number>();
  #unused = 0;
  /** The data of all rows for everybody. */
  readonly broadcasts: string[] = [];

  constructor(store: EventStore, options: DatabaseOptions) {
    this.#store = store;
    this.#options = options;
  }

  async append(events: Parameters<EventStore['append']>[0]): Promise<void> {
    const { scheduler, random, counts, conditions } = this.#options;
    if (random.chance(conditions.rolledBack)) {
      counts.add('append rolled back');
      await this.#useUp(events.length);
      throw createOutage();
    }
    // A key that another transaction has written and not committed is waited for.
    const waitMs = Math.max(0, ...events.map(({ key }) => (this.#commits.get(key) ?? 0) - scheduler.now));
    if (events.length > 1 && random.chance(conditions.partlyApplied)) {
      counts.add('append partly applied');
      await this.#add(events.slice(0, random.between(1, events.length - 1)), waitMs);
      throw createOutage();
    }
    const isLate = random.chance(conditions.lateCommit);
    if (isLate) counts.add('append visible late');
    const ownMs = isLate ? random.pick([1, 10, 100, 1000, 6000]) * random.next() : 0;
    const commitMs = Math.max(ownMs, waitMs);
    await this.#add(events, commitMs);
    if (commitMs > 0) await scheduler.sleep(commitMs);
  }

  async read({ after, gaps, limit }: Parameters<EventStore['read']>[0]): ReturnType<EventStore['read']> {
    const { longLength } = this.#options.conditions;
    const events = await this.#store.read({ after, gaps, limit: limit + this.#hidden.size });
    return this.#visible(events, limit).map(event => {
      return event.data !== undefined && event.data.length >= longLength ? { ...event, data: undefined } : event;
    });
  }

  async findEvents(query: Parameters<EventStore['findEvents']>[0]): ReturnType<EventStore['findEvents']> {
    return this.#visible(await this.#store.findEvents({ ...query, limit: query.limit + this.#hidden.size }), query.limit);
  }

  async latest(limit: number): Promise<number[]> {
    const ids = await this.#store.latest(limit + this.#hidden.size);
    return ids.filter(id => !this.#hidden.has(id)).slice(0, limit);
  }

  /** Writes rows that are committed after `commitMs`. */
  async #add(events: Parameters<EventStore['append']>[0], commitMs: number): Promise<void> {
    const { scheduler } = this.#options;
    const [before = 0] = await this.#store.latest(1);
    await this.#store.append(events);
    const ids = (await this.#store.latest(events.length)).filter(id => id > before);
    for (const { data } of await this.#store.findEvents({ streams: ['*'], after: before, limit: events.length }))
      this.broadcasts.push(data);
    if (commitMs === 0) return;
    for (const id of ids) this.#hidden.add(id);
    for (const { key } of events) if (!this.#commits.has(key)) this.#commits.set(key, scheduler.now + commitMs);
    scheduler.at(commitMs, scheduler.owner, 'commit', () => {
      for (const id of ids) this.#hidden.delete(id);
      for (const { key } of events) this.#commits.delete(key);
    });
  }

  async #useUp(count: number): Promise<void> {
    const [before = 0] = await this.#store.latest(1);
    const rows = Array.from({ length: count }, () => {
      this.#unused += 1;
      return { key: `${UNUSED}.${this.#unused}`, stream: UNUSED, sessionId: null, data: '', expiresAt: new Date(0) };
    });
    await this.#store.append(rows);
    for (const id of await this.#store.latest(count)) if (id > before) this.#hidden.add(id);
  }

  #visible<E extends { readonly id: number }>(events: readonly E[], limit: number): E[] {
    return events.filter(({ id }) => !this.#hidden.has(id)).slice(0, limit);
  }
}

/** Queries that a process with open streams may ask in a time in which nothing happens, however many streams there are. */
export function queriesAllowed({ sessions }: Settings, idleMs: number): number {
  const { lookMs = 1000, deadMs, touchMs = 60_000, sweepMs = 60_000 } = sessions;
  const reads = idleMs / lookMs;
  const beats = (2 * idleMs) / (deadMs / 5);
  const flushes = 3 * (idleMs / touchMs + 1);
  const sweeps = 4 * (idleMs / sweepMs + 1);
  return Math.ceil(1.1 * (reads + beats) + flushes + sweeps);
}
