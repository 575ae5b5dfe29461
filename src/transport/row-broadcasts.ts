/** The options of `RowBroadcasts`. */
export interface RowBroadcastsOptions {
  /** Milliseconds between two broadcasts. */
  readonly everyMs: number;
  /** Broadcasts changes to all processes. */
  readonly tell: (rows: readonly string[]) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** Most changes in one broadcast. If there are more, they are told as changes of whole models. */
const maxRows = 500;

/** Collects the changes of rows that this process has committed, and broadcasts them together. */
export class RowBroadcasts {
  readonly #options: RowBroadcastsOptions;
  #waiting = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(options: RowBroadcastsOptions) {
    this.#options = options;
  }

  /** Takes the changes of one commit: `booking:7`, or `booking:*` for any rows. */
  add(changes: readonly string[]): void {
    for (const change of changes) this.#waiting.add(change);
    if (this.#waiting.size > maxRows)
      this.#waiting = new Set(Array.from(this.#waiting, change => `${change.slice(0, change.indexOf(':'))}:*`));
    if (this.#waiting.size === 0) return;
    // The timer keeps the process alive, so that a script ends after its changes are told.
    this.#timer ??= setTimeout(() => void this.flush(), Math.max(0, this.#toldAt + this.#options.everyMs - performance.now()));
  }

  /** Broadcasts the changes that wait. Resolves once they cannot be lost. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    this.#toldAt = performance.now();
    const rows = [...this.#waiting];
    this.#waiting.clear();
    await this.#options.tell(rows).catch(this.#options.onError);
  }
}
