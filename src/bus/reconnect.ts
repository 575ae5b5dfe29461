/** Reports a failure. Never throws. */
export type Report = (error: unknown) => void;

/** How a bus reports its failures. */
export interface Failures {
  /** Gives a failure to the bus's `onError` option, or else to the listeners. Without either it becomes a process warning. */
  readonly report: Report;
  /** The `onError` method of a bus. */
  readonly listen: (listener: (error: Error) => void) => () => void;
}

/** @param own The host's `onError` option. */
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

/** Reports each cause of an outage once, even if many attempts fail. */
export class Outage {
  readonly #what: string;
  readonly #report: Report;
  readonly #causes = new Set<string>();

  /** @param what The fault, in words for the operator who has to fix it. */
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

  /** Reports the next failure again, even one that was reported before. */
  end(): void {
    this.#causes.clear();
  }
}

/**
 * The message of an error, or else its code or name. Node reports a refused connection to a host with several addresses as an
 * AggregateError with a code and no message.
 */
function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as { code?: unknown };
  return cause.message || (typeof code === 'string' ? code : cause.name);
}

const firstMs = 100;
const longestMs = 5_000;

/**
 * How long to wait after a failure, in milliseconds. The time doubles with each failure. It is randomised so that processes do not all
 * reconnect at once.
 */
export function backoffMs(failures: number): number {
  return Math.min(longestMs, firstMs * 2 ** failures) * (0.5 + Math.random() / 2);
}
