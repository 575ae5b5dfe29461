import type { Session } from '../store/store.ts';

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
