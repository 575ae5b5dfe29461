import { RateLimiterMemory } from 'rate-limiter-flexible';
import { isObject } from '../protocol/definitions.ts';
import { doneWithin } from '../timing.ts';

/**
 * Counts the requests of each principal, for all processes together. The limiters of `rate-limiter-flexible` have this shape.
 *
 * `new RateLimiterRedis({ storeClient: redis, keyPrefix: 'mcp', points: 6000, duration: 60 })`
 */
export interface RateLimiter {
  /**
   * Resolves if the caller `key` may send `points` more requests. Otherwise rejects with `{ msBeforeNext }`, the milliseconds until it may. Any
   * other rejection means that the limiter does not work.
   */
  consume(key: string, points: number): Promise<unknown>;
}

/** A rate that a caller has exceeded. */
export interface Exceeded {
  /** The requests that there were too many of. */
  readonly what: string;
  /** Seconds until the caller may try again, at least 1. */
  readonly seconds: number;
}

/** The options of `Rate`. */
export interface RateOptions {
  /** The requests that it counts, for the error message. */
  readonly what: string;
  /** Requests of one principal a minute in this process; `false` for any number. */
  readonly perMinute: number | false;
  /** Counts instead. */
  readonly limiter: RateLimiter | undefined;
  /** Called once per outage of `limiter`. */
  readonly onError: (error: unknown) => void;
}

const minuteSeconds = 60;
/** Milliseconds that a request waits for a limiter of the app. */
const answerMs = 500;
/** Milliseconds between two requests that ask a limiter which does not work. The requests between them are let through. */
const askAgainMs = 1000;

/** How many requests each principal sends in a time. All guests are one principal. */
export class Rate {
  readonly #limiter: RateLimiter | undefined;
  readonly #refuse: (rejected: unknown) => Exceeded;

  constructor({ what, perMinute, limiter, onError }: RateOptions) {
    if (limiter !== undefined) this.#limiter = new FailingOpen(limiter, onError);
    else if (perMinute !== false) this.#limiter = new RateLimiterMemory({ points: perMinute, duration: minuteSeconds });
    const named = limiter === undefined ? `${what} (more than ${perMinute} a minute)` : what;
    this.#refuse = rejected => ({ what: named, seconds: Math.max(1, Math.ceil(msBeforeNext(rejected) / 1000)) });
  }

  /** Counts requests of a principal. @returns `undefined` if it may send them. */
  take(principal: string | null, requests = 1): Promise<Exceeded | undefined> | undefined {
    return this.#limiter?.consume(principalKey(principal), requests).then(granted, this.#refuse);
  }
}

/** The key of a principal in a map or a limiter. It differs from every session id, and from the key of the guests, whatever the principal is called. */
export function principalKey(principal: string | null | undefined): string {
  return principal === null || principal === undefined ? 'guests' : `principal ${principal}`;
}

/** A limiter of the app. While it fails or does not answer, all requests are let through. */
class FailingOpen implements RateLimiter {
  readonly #limiter: RateLimiter;
  readonly #onError: (error: unknown) => void;
  #isAway = false;
  #askAgainAt = Number.NEGATIVE_INFINITY;

  constructor(limiter: RateLimiter, onError: (error: unknown) => void) {
    this.#limiter = limiter;
    this.#onError = onError;
  }

  async consume(key: string, points: number): Promise<void> {
    const now = performance.now();
    if (now < this.#askAgainAt) return;
    if (this.#isAway) this.#askAgainAt = now + askAgainMs;
    try {
      await this.#ask(key, points);
      this.#isBack();
    } catch (error) {
      if (isExceeded(error)) {
        this.#isBack();
        throw error;
      }
      if (!this.#isAway)
        this.#onError(new Error('The rate limiter does not work; requests are let through until it does', { cause: error }));
      this.#isAway = true;
      this.#askAgainAt = performance.now() + askAgainMs;
    }
  }

  async #ask(key: string, points: number): Promise<void> {
    const asked = (async () => this.#limiter.consume(key, points))();
    if (!(await doneWithin(answerMs, asked))) throw new Error(`The rate limiter has not answered within ${answerMs} ms`);
    await asked;
  }

  #isBack(): void {
    this.#isAway = false;
    this.#askAgainAt = Number.NEGATIVE_INFINITY;
  }
}

function isExceeded(rejected: unknown): rejected is { msBeforeNext: number } {
  return isObject(rejected) && typeof rejected['msBeforeNext'] === 'number';
}

function msBeforeNext(rejected: unknown): number {
  return isExceeded(rejected) ? rejected.msBeforeNext : 0;
}

function granted(): undefined {
  return undefined;
}
