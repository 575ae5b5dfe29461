import { createHash, randomBytes } from 'node:crypto';
import { StoreUnavailable } from '../errors.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import type { Continuation, ContinuationStore } from '../store/store.ts';
import { pause } from '../timing.ts';
import { ContinuationReturns } from './continuation-returns.ts';

/** What `Continuations` needs. */
export interface ContinuationsOptions {
  readonly store: ContinuationStore;
  /** Milliseconds a client has to come back. */
  readonly continuationMs: number;
  /** Takes what fails in the background. */
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
  /** Lets another retry take it, soon: this one came to nothing. */
  giveBack(): void;
  /** Removes it, soon: it was used. */
  remove(): void;
}

/** Milliseconds that a retry waits for a continuation which another request has; that one removes it, or gives it back. */
const waitMs = 2000;
/** Milliseconds between looks. */
const lookMs = 100;
/** A failed write is repeated at once, so often in all and within so many milliseconds: a lost answer costs its connection and no more. */
const maxTries = 3;
const triesMs = 1000;

/**
 * The two ends of a multi-round-trip request: what one process keeps, any other continues, once.
 *
 * A retry that fails because of the database uses nothing up: what it has taken, or may have taken, is given back.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr#request-state
 */
export class Continuations {
  readonly #store: ContinuationStore;
  readonly #continuationMs: number;
  readonly #now: () => number;
  readonly #returns: ContinuationReturns;

  constructor({ store, continuationMs, onError, now = Date.now }: ContinuationsOptions) {
    this.#store = store;
    this.#continuationMs = continuationMs;
    this.#now = now;
    this.#returns = new ContinuationReturns({ store, onError, now });
  }

  /** Keeps the answers a call has used; the `requestState` that brings them back. @throws {StoreUnavailable} */
  async keep(request: ContinuedRequest, answers: Continuation['answers']): Promise<string> {
    const id = randomBytes(32).toString('base64url');
    const expiresAt = new Date(this.#now() + this.#continuationMs);
    const continuation = { id, principal: request.principal, request: digest(request), answers, expiresAt };
    await repeated(() => this.#store.saveContinuation(continuation));
    return id;
  }

  /**
   * Takes the continuation behind a `requestState`; `undefined` if it is unknown, used, expired, another caller's or another request's.
   *
   * @throws {StoreUnavailable} It was not taken, or is given back.
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
          // Where that fails, it is swept when it has expired.
          remove: () => void this.#store.removeContinuation(kept.id).catch(() => undefined),
        };
      }
      if (performance.now() >= until) return undefined;
      await pause(lookMs).over;
    }
  }

  /** Tries once more to give back what must be. */
  close(): Promise<void> {
    return this.#returns.close();
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

/** Binds to what the retry must repeat: method, and params without what changes from round to round. */
function digest({ method, params: { _meta, inputResponses, requestState, ...params } }: ContinuedRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([method, sortKeys(params)]))
    .digest('hex');
}

/** The order of members says nothing in JSON. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sortKeys(member)]),
  );
}
