import type { SessionStore } from '../store/store.ts';

/** Which sessions this process uses, and when it last did, until that is written to their rows. */
export class Uses {
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

  mark(id: string, at: number): void {
    this.#unwritten.set(id, at);
  }

  /** The last use that is not written yet, in milliseconds since 1970; 0 if there is none. */
  lastOf(id: string): number {
    return this.#unwritten.get(id) ?? 0;
  }

  /** In use until what it returns is called. @param idleMs Milliseconds it lives after its last use, where that is not as long as for others. */
  retain(id: string, idleMs: number = this.#idleMs): () => void {
    const hold = this.#holds.get(id) ?? { count: 0, idleMs };
    this.#holds.set(id, hold);
    hold.count += 1;
    let isReleased = false;
    return () => {
      // After `drop` the hold is no longer the one listed, and there is nothing to release.
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

  /** Counts as a use that these are retained; their ids. */
  markRetained(): string[] {
    const ids = [...this.#holds.keys()];
    const now = this.#now();
    for (const id of ids) this.mark(id, now);
    return ids;
  }

  /** Forgets a session that ended. */
  drop(id: string): void {
    this.#unwritten.delete(id);
    this.#holds.delete(id);
  }

  /**
   * Writes all uses, or those `isDue` picks, with one `touch` per 900. What could not be written stays for the next time.
   *
   * @returns The ids that were written together with one whose session is gone, or was seen later.
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

  /** Writes the latest use among these to all of them: one query, and none expires too early. Whether all were there. */
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

/** Sessions of one `touch`: with the other values of its query they fit into the 999 variables of SQLite. */
const maxTouched = 900;

interface Hold {
  count: number;
  readonly idleMs: number;
}
