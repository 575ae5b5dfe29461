import type { Session, SessionStore } from '../store/store.ts';

/** A row as it was read. */
export interface CachedSession {
  session: Session;
  /** Milliseconds since 1970. */
  readonly readAt: number;
}

/** Rows of sessions that were read recently, and reads that are running. */
export class SessionCache {
  readonly #maxCached: number;
  readonly #rows = new Map<string, CachedSession>();
  readonly #readings = new Map<string, Promise<Session | undefined>>();

  /** @param maxCached Rows kept; one more drops the row that was read longest ago. */
  constructor(maxCached: number) {
    this.#maxCached = maxCached;
  }

  get(id: string): CachedSession | undefined {
    return this.#rows.get(id);
  }

  set(row: CachedSession): void {
    const { id } = row.session;
    // A Map lists its keys in the order of insertion: rows read longest ago come first.
    this.#rows.delete(id);
    this.#rows.set(id, row);
    if (this.#rows.size <= this.#maxCached) return;
    const [oldest] = this.#rows.keys();
    if (oldest !== undefined) this.#rows.delete(oldest);
  }

  /** Drops a row; the session's next use reads it again. */
  delete(id: string): void {
    this.#rows.delete(id);
    this.abandon(id);
  }

  /** Drops all rows. */
  clear(): void {
    this.#rows.clear();
    this.#readings.clear();
  }

  /** Call it when a row has changed: a running read is neither cached nor shared with later callers. */
  abandon(id: string): void {
    this.#readings.delete(id);
  }

  /**
   * Reads a row; calls at the same time share one read.
   *
   * @param read `isCurrent` tells it whether its result is still valid, that is, whether the row was not changed meanwhile.
   */
  read(id: string, read: (isCurrent: () => boolean) => Promise<Session | undefined>): Promise<Session | undefined> {
    const known = this.#readings.get(id);
    if (known !== undefined) return known;
    const isCurrent = (): boolean => this.#readings.get(id) === reading;
    const reading: Promise<Session | undefined> = read(isCurrent).finally(() => {
      if (isCurrent()) this.#readings.delete(id);
    });
    this.#readings.set(id, reading);
    return reading;
  }
}

/** The last use of each session in this process, buffered until it is written to the session's row; and which sessions are in use now. */
export class LastSeen {
  readonly #store: SessionStore;
  readonly #idleMs: number;
  readonly #now: () => number;
  readonly #unwritten = new Map<string, number>();
  readonly #holds = new Map<string, Hold>();

  constructor(store: SessionStore, { idleMs, now }: { idleMs: number; now: () => number }) {
    this.#store = store;
    this.#idleMs = idleMs;
    this.#now = now;
  }

  /** Notes a use. @param at Milliseconds since 1970. */
  mark(id: string, at: number): void {
    this.#unwritten.set(id, at);
  }

  /** The time of the last use that is not written yet, in milliseconds since 1970; 0 if there is no such use. */
  lastOf(id: string): number {
    return this.#unwritten.get(id) ?? 0;
  }

  /**
   * Keeps a session in use until the returned function is called.
   *
   * @param idleMs Milliseconds from the session's last use to its end. @default as for all sessions
   */
  retain(id: string, idleMs: number = this.#idleMs): () => void {
    const hold = this.#holds.get(id) ?? { count: 0, idleMs };
    this.#holds.set(id, hold);
    hold.count += 1;
    let isReleased = false;
    return () => {
      // `drop` has removed this hold; another one may have its place.
      if (isReleased || this.#holds.get(id) !== hold) return;
      isReleased = true;
      if (hold.idleMs === this.#idleMs) this.mark(id, this.#now());
      hold.count -= 1;
      if (hold.count === 0) this.#holds.delete(id);
    };
  }

  isRetained(id: string): boolean {
    return this.#holds.has(id);
  }

  /** Marks every retained session as used now. */
  markRetained(): void {
    const now = this.#now();
    for (const id of this.#holds.keys()) this.mark(id, now);
  }

  /** Forgets a session that ended. */
  drop(id: string): void {
    this.#unwritten.delete(id);
    this.#holds.delete(id);
  }

  /**
   * Writes all uses, or those that `isDue` picks, with one `touch` per 900 sessions. Uses of a failed `touch` stay in the buffer.
   *
   * @returns The ids of each `touch` that changed fewer rows than it named: some of these sessions are gone, or were seen later.
   */
  async write(isDue: (id: string) => boolean = () => true): Promise<string[]> {
    const byIdle = new Map<number, string[]>();
    for (const id of [...this.#unwritten.keys()].filter(isDue)) {
      const { idleMs } = this.#holds.get(id) ?? { idleMs: this.#idleMs };
      const ids = byIdle.get(idleMs);
      if (ids) ids.push(id);
      else byIdle.set(idleMs, [id]);
    }
    const doubtful: string[] = [];
    for (const [idleMs, due] of byIdle) {
      for (let start = 0; start < due.length; start += maxTouched) {
        const batch = due.slice(start, start + maxTouched);
        if (!(await this.#writeBatch(batch, idleMs))) doubtful.push(...batch);
      }
    }
    return doubtful;
  }

  /** Writes the latest of these uses to all of the sessions, in one query; no session expires too early. @returns Whether all rows changed. */
  async #writeBatch(ids: readonly string[], idleMs: number): Promise<boolean> {
    const uses = new Map<string, number>();
    for (const id of ids) {
      const at = this.#unwritten.get(id);
      if (at !== undefined) uses.set(id, at);
      this.#unwritten.delete(id);
    }
    if (uses.size === 0) return true;
    const latest = Math.max(...uses.values());
    try {
      return (await this.#store.touch([...uses.keys()], new Date(latest), new Date(latest + idleMs))) === uses.size;
    } catch (error) {
      for (const [id, at] of uses) this.mark(id, Math.max(at, this.lastOf(id)));
      throw error;
    }
  }
}

/** Sessions in one `touch`. SQLite allows 999 variables in a query, and the query has a few more. */
const maxTouched = 900;

interface Hold {
  count: number;
  readonly idleMs: number;
}
