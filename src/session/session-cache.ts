import type { Session } from '../store/store.ts';

/** A row as it was read. */
export interface CachedSession {
  session: Session;
  /** Milliseconds since 1970. */
  readonly readAt: number;
}

/** Rows of sessions as they were read a short while ago, and the reading of rows under way. */
export class SessionCache {
  readonly #maxCached: number;
  readonly #rows = new Map<string, CachedSession>();
  readonly #readings = new Map<string, Promise<Session | undefined>>();

  /** @param maxCached Past them the row read longest ago is dropped. */
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

  /** Drops a row, so that its next use reads it. */
  delete(id: string): void {
    this.#rows.delete(id);
    this.abandon(id);
  }

  /** The row changed: what is being read of it now must not be kept, nor given to anybody who asks from here on. */
  abandon(id: string): void {
    this.#readings.delete(id);
  }

  /** Reads a row once for all that want it at the same time. `read` may ask whether what it has read still counts. */
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
