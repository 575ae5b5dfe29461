/** The cap of `PrincipalCap`, and how rows over it are removed. */
export interface PrincipalCapOptions {
  /** Rows of one principal. */
  max: number;
  /** Removes the rows over `max`. @returns How many are left. */
  evict: (principal: string | null) => Promise<number>;
  onError: (error: unknown) => void;
  /** Principals whose count is remembered; a forgotten principal is checked at its next row. @default 10000 */
  maxTracked?: number;
}

/**
 * Limits the rows of each principal, such as sessions, without a query for every new row.
 *
 * The next check of a principal is due after a number of new rows: a quarter of the room that the last check found, or a 64th of the cap if
 * that is more. A cap below 128 is therefore exact; at a cap of 1,000 a full principal costs one check per 15 new rows.
 */
export class PrincipalCap {
  readonly #options: PrincipalCapOptions;
  readonly #tracked = new Map<string | null, Tracked>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: PrincipalCapOptions) {
    this.#options = options;
  }

  /** Counts a new row, and starts a check in the background if one is due. */
  added(principal: string | null): void {
    const tracked = this.#track(principal);
    tracked.added += 1;
    if (tracked.checking || tracked.added < tracked.due) return;
    const run = this.#check(principal, tracked).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Waits for the checks that are running. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #track(principal: string | null): Tracked {
    const known = this.#tracked.get(principal);
    if (known) return known;
    const tracked = { added: 0, due: 1, checking: false };
    this.#tracked.set(principal, tracked);
    if (this.#tracked.size > (this.#options.maxTracked ?? 10_000)) {
      const [oldest] = this.#tracked.keys();
      if (oldest !== undefined) this.#tracked.delete(oldest);
    }
    return tracked;
  }

  async #check(principal: string | null, tracked: Tracked): Promise<void> {
    tracked.checking = true;
    try {
      do {
        tracked.added = 0;
        const left = await this.#options.evict(principal);
        const { max } = this.#options;
        tracked.due = Math.max(1, Math.floor((max - left) / 4), Math.floor(max / 64));
      } while (tracked.added >= tracked.due);
    } catch (error) {
      this.#options.onError(error);
    } finally {
      tracked.checking = false;
    }
  }
}

interface Tracked {
  /** New rows since the last check began. */
  added: number;
  /** New rows that make the next check due. */
  due: number;
  checking: boolean;
}
