const figures = {
  kills: 0,
  gracefulEnds: 0,
  sessions: 0,
  sseSessionsEndedWithProcess: 0,
  calls: 0,
  answered: 0,
  failedWithProcess: 0,
  refused: 0,
  callsResumed: 0,
  streamsReopened: 0,
  events: 0,
  publishes: 0,
};

/** What is counted. */
export type Figures = typeof figures;

/** What happened, and which promises were broken. */
export class Ledger {
  readonly figures: Figures = { ...figures };
  readonly broken: string[] = [];
  readonly #durationsMs = new Map<string, number[]>();
  readonly #ended = new Map<string, 'SIGKILL' | 'SIGTERM'>();

  count(figure: keyof Figures, by = 1): void {
    this.figures[figure] += by;
  }

  /** Notes that a promise was broken. */
  breach(text: string): void {
    this.broken.push(text);
  }

  /** Notes how long something took that began at `startedAt`. */
  took(what: string, startedAt: number): void {
    const all = this.#durationsMs.get(what) ?? [];
    this.#durationsMs.set(what, all);
    all.push(performance.now() - startedAt);
  }

  /** Median and 95th percentile, in milliseconds. */
  durations(): Record<string, { p50: number; p95: number }> {
    return Object.fromEntries(
      [...this.#durationsMs].map(([what, all]) => {
        const sorted = all.toSorted((a, b) => a - b);
        const at = (share: number) => Math.round(sorted[Math.floor(share * sorted.length)] ?? 0);
        return [`${what}Ms`, { p50: at(0.5), p95: at(0.95) }];
      }),
    );
  }

  /** Notes that a process is about to be ended. */
  ends(process: string, signal: 'SIGKILL' | 'SIGTERM'): void {
    this.#ended.set(process, signal);
    this.count(signal === 'SIGKILL' ? 'kills' : 'gracefulEnds');
  }

  /** Whether a process was ended, or is being. */
  hasEnded(process: string | undefined): boolean {
    return process !== undefined && this.#ended.has(process);
  }

  /** For who looks into a failure. */
  endOf(process: string | undefined): string {
    return `${String(process)} (${this.#ended.get(process ?? '') ?? 'running'})`;
  }

  wasKilled(process: string | undefined): boolean {
    return process !== undefined && this.#ended.get(process) === 'SIGKILL';
  }
}
