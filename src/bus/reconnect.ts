/** Takes a failure; never throws. */
export type Report = (error: unknown) => void;

/** Where the failures of a bus go. */
export interface Failures {
  /** Gives a failure to the bus's `onError` option; without one to the listeners; without listeners it becomes a process warning. */
  readonly report: Report;
  /** `onError` of a bus. */
  readonly listen: (listener: (error: Error) => void) => () => void;
}

/** @param own What the host passed as `onError`. */
export function failures(own: ((error: Error) => void) | undefined): Failures {
  const listeners = new Set<(error: Error) => void>();
  return {
    report(thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
      const takers = own ? [own] : listeners.size > 0 ? [...listeners] : [warn];
      for (const take of takers) {
        try {
          take(error);
        } catch {
          warn(error);
        }
      }
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function warn(error: Error): void {
  process.emitWarning(error.message, 'KoaMcpWarning');
}

/** Reports each cause of an outage once, however often an attempt fails. */
export class Outage {
  readonly #what: string;
  readonly #report: Report;
  readonly #causes = new Set<string>();

  /** @param what What does not work, for the person who has to mend it. */
  constructor(what: string, report: Report) {
    this.#what = what;
    this.#report = report;
  }

  report(cause: unknown): void {
    const text = textOf(cause);
    if (this.#causes.has(text)) return;
    this.#causes.add(text);
    this.#report(new Error(`${this.#what}: ${text}`, { cause }));
  }

  /** The next failure is news again. */
  end(): void {
    this.#causes.clear();
  }
}

/** A refused connection to a name with several addresses is an AggregateError, which has a code and no message. */
function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as { code?: unknown };
  return cause.message || (typeof code === 'string' ? code : cause.name);
}

const firstMs = 100;
const longestMs = 5_000;

/** How long to wait after a failure, in milliseconds: doubling, and scattered so that processes do not come back all at once. */
export function backoffMs(failures: number): number {
  return Math.min(longestMs, firstMs * 2 ** failures) * (0.5 + Math.random() / 2);
}
