import { randomBytes } from 'node:crypto';
import { McpError, StoreUnavailable } from '../errors.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import { jsonDigest } from '../protocol/definitions.ts';
import type { Continuation, ContinuationStore } from '../store/store.ts';
import { pause } from '../timing.ts';
import { PrincipalCap } from './principal-cap.ts';

/** Where continuations are kept, and for how long. */
export interface ContinuationsOptions {
  readonly store: ContinuationStore;
  /** Milliseconds that a client has to send its retry. */
  readonly continuationMs: number;
  /** Continuations of one principal; one more removes the oldest soon after. All guests are one principal. */
  readonly maxContinuations: number;
  /** Bytes of the answers in one continuation, as JSON. */
  readonly maxContinuationBytes: number;
  /** Called with errors of the background, once per outage of the database. */
  readonly onError: (error: unknown) => void;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** The request that a continuation belongs to. */
export interface ContinuedRequest {
  readonly principal: string | null;
  readonly method: string;
  readonly params: JsonObject;
}

/** A continuation that one retry has taken. No other retry gets it until it is given back. */
export interface TakenContinuation {
  readonly answers: Continuation['answers'];
  /** This retry has failed: lets another one take the continuation. Returns at once; the write follows in the background. */
  giveBack(): void;
  /** This retry has used the continuation: removes it. Returns at once; the write follows in the background. */
  remove(): void;
}

/** Milliseconds that a retry waits for a continuation that another retry has taken. */
const waitMs = 2000;
/** Milliseconds between its looks. */
const lookMs = 100;
/** Milliseconds between tries to give a continuation back while the database is away. */
const returnMs = 500;
/** A failed write is tried three times in all, within a second: a broken connection alone fails no call. */
const maxTries = 3;
const triesMs = 1000;

/**
 * Answers kept between the rounds of a multi-round-trip request. Any process can continue a request, once.
 *
 * A retry that fails because of the database gives the continuation back, also when it does not know whether it took it.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr#request-state
 */
export class Continuations {
  readonly #store: ContinuationStore;
  readonly #continuationMs: number;
  readonly #maxBytes: number;
  readonly #now: () => number;
  readonly #returns: ContinuationReturns;
  readonly #cap: PrincipalCap;

  constructor({ store, continuationMs, maxContinuations, maxContinuationBytes, onError, now = Date.now }: ContinuationsOptions) {
    this.#store = store;
    this.#continuationMs = continuationMs;
    this.#maxBytes = maxContinuationBytes;
    this.#now = now;
    this.#returns = new ContinuationReturns({ store, onError, now });
    const evict = (principal: string | null) => store.evictContinuations(principal, maxContinuations);
    this.#cap = new PrincipalCap({ max: maxContinuations, evict, onError });
  }

  /**
   * Keeps the answers that a call has used. Soon after, the principal's oldest continuations are removed if they are now too many.
   *
   * @returns The `requestState` that brings the answers back.
   * @throws {McpError} -32602 The answers have more than `maxContinuationBytes`.
   * @throws {StoreUnavailable}
   */
  async keep(request: ContinuedRequest, answers: Continuation['answers']): Promise<string> {
    if (Buffer.byteLength(JSON.stringify(answers)) > this.#maxBytes) {
      throw new McpError(
        'InvalidParams',
        `Invalid params: the answers to the questions of this request are larger than ${this.#maxBytes} bytes together ` +
          '(limits.maxContinuationBytes); send the request again and give shorter answers',
      );
    }
    const id = randomBytes(32).toString('base64url');
    const expiresAt = new Date(this.#now() + this.#continuationMs);
    const continuation = { id, principal: request.principal, request: digest(request), answers, expiresAt };
    await repeated(() => this.#store.saveContinuation(continuation));
    this.#cap.added(request.principal);
    return id;
  }

  /**
   * Takes the continuation behind a `requestState`; `undefined` if it is unknown, used, expired, another caller's or another request's.
   *
   * @throws {StoreUnavailable} The continuation was not taken, or will be given back.
   */
  async resume(requestState: string, request: ContinuedRequest): Promise<TakenContinuation | undefined> {
    if (!/^[\w-]{43}$/u.test(requestState)) return undefined;
    const by = randomBytes(32).toString('base64url');
    const until = performance.now() + waitMs;
    for (;;) {
      const kept = await this.#store.findContinuation(requestState);
      if (kept === undefined || !this.#isOf(kept, request)) return undefined;
      if (await this.#take(kept, by)) {
        return {
          answers: kept.answers,
          giveBack: () => this.#returns.add(kept, by),
          // If this fails, a sweep removes it after its expiry.
          remove: () => void this.#store.removeContinuation(kept.id).catch(() => undefined),
        };
      }
      if (performance.now() >= until) return undefined;
      await pause(lookMs).over;
    }
  }

  /** Tries once more to give back what could not be given back so far, and waits for running evictions. */
  async close(): Promise<void> {
    await Promise.all([this.#returns.close(), this.#cap.settle()]);
  }

  #isOf(kept: Continuation, request: ContinuedRequest): boolean {
    return kept.principal === request.principal && kept.request === digest(request) && kept.expiresAt.getTime() > this.#now();
  }

  async #take(kept: Continuation, by: string): Promise<boolean> {
    try {
      return await repeated(() => this.#store.takeContinuation(kept.id, by));
    } catch (error) {
      if (StoreUnavailable.isError(error)) this.#returns.add(kept, by);
      throw error;
    }
  }
}

type ReturnsOptions = Required<Pick<ContinuationsOptions, 'store' | 'onError' | 'now'>>;

/** Gives continuations back in the background. While the database is away, it tries them again one after the other until they expire. */
export class ContinuationReturns {
  readonly #options: ReturnsOptions;
  readonly #running = new Set<Promise<void>>();
  /** Resolves when every continuation whose first try failed is done. */
  #queue: Promise<void> = Promise.resolve();
  #endPause: (() => void) | undefined;
  #isAway = false;
  #isClosed = false;

  constructor(options: ReturnsOptions) {
    this.#options = options;
  }

  /** @param by The retry that took the continuation, or may have: the database's answer was lost. */
  add(continuation: Continuation, by: string): void {
    const running = this.#run(continuation, by).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Tries each of them once more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endPause?.();
    await Promise.all(this.#running);
  }

  async #run(continuation: Continuation, by: string): Promise<void> {
    if (await this.#tryOnce(continuation, by)) return;
    this.#queue = this.#queue.then(async () => {
      let isDone = !this.#isAway && (await this.#tryOnce(continuation, by));
      while (!isDone && !this.#isClosed) {
        await this.#pause();
        isDone = await this.#tryOnce(continuation, by);
      }
    });
    await this.#queue;
  }

  /** @returns `false` if it must be tried again. */
  async #tryOnce({ id, expiresAt }: Continuation, by: string): Promise<boolean> {
    const { store, onError, now } = this.#options;
    if (expiresAt.getTime() <= now()) return true;
    try {
      await store.returnContinuation(id, by);
      this.#isAway = false;
    } catch (error) {
      if (!this.#isAway) onError(error);
      this.#isAway = StoreUnavailable.isError(error);
    }
    return !this.#isAway;
  }

  async #pause(): Promise<void> {
    const { over, end } = pause(returnMs);
    this.#endPause = end;
    await over;
    this.#endPause = undefined;
  }
}

async function repeated<T>(write: () => Promise<T>): Promise<T> {
  const until = performance.now() + triesMs;
  for (let tries = 1; ; tries += 1) {
    try {
      return await write();
    } catch (error) {
      if (!StoreUnavailable.isError(error) || tries === maxTries || performance.now() >= until) throw error;
    }
  }
}

/** A hash of what a retry must repeat: the method, and the params without those that change from round to round. */
function digest({ method, params: { _meta, inputResponses, requestState, ...params } }: ContinuedRequest): string {
  return jsonDigest([method, params]);
}
