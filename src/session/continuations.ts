import { createHash, randomBytes } from 'node:crypto';
import type { JsonObject } from '../protocol/definitions.ts';

/** What a call that ended with `input_required` left behind, until its retry: a row. */
export interface Continuation {
  /** The `requestState`: 256 random bits as base64url. It says nothing, so there is nothing to tamper with. */
  readonly id: string;
  /** Whose it is; `null` for a guest. */
  readonly principal: string | null;
  /** SHA-256 of the request it continues. */
  readonly request: string;
  /** The client's answers so far, by key. */
  readonly answers: Readonly<Record<string, JsonObject>>;
  readonly expiresAt: Date;
}

/** Where continuations live. */
export interface ContinuationStore {
  save(continuation: Continuation): Promise<void>;
  /** Removes and gives one, expired or not: of several that ask at once, one gets it. */
  take(id: string): Promise<Continuation | undefined>;
  /** Removes at most `limit` that expired at or before `now`; how many. */
  sweepContinuations(now: Date, limit: number): Promise<number>;
}

/** Keeps continuations in this process: they do not outlive it and no other sees them. */
export function memoryContinuations(): ContinuationStore {
  const continuations = new Map<string, Continuation>();
  return {
    async save(continuation) {
      continuations.set(continuation.id, continuation);
    },
    async take(id) {
      const continuation = continuations.get(id);
      continuations.delete(id);
      return continuation;
    },
    async sweepContinuations(now, limit) {
      let swept = 0;
      for (const { id, expiresAt } of continuations.values()) {
        if (swept === limit) break;
        if (expiresAt <= now && continuations.delete(id)) swept += 1;
      }
      return swept;
    },
  };
}

/** What `Continuations` needs. */
export interface ContinuationsOptions {
  readonly store: ContinuationStore;
  /** Milliseconds a client has to come back. */
  readonly continuationMs: number;
  readonly now?: () => number;
}

/** The request that a continuation belongs to. */
export interface ContinuedRequest {
  readonly principal: string | null;
  readonly method: string;
  readonly params: JsonObject;
}

/**
 * The two ends of a multi-round-trip request: what one process keeps, any other continues, once.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr#request-state
 */
export class Continuations {
  readonly #store: ContinuationStore;
  readonly #continuationMs: number;
  readonly #now: () => number;

  constructor({ store, continuationMs, now = Date.now }: ContinuationsOptions) {
    this.#store = store;
    this.#continuationMs = continuationMs;
    this.#now = now;
  }

  /** Keeps the answers a call has used; the `requestState` that brings them back. */
  async keep(request: ContinuedRequest, answers: Continuation['answers']): Promise<string> {
    const id = randomBytes(32).toString('base64url');
    const expiresAt = new Date(this.#now() + this.#continuationMs);
    await this.#store.save({ id, principal: request.principal, request: digest(request), answers, expiresAt });
    return id;
  }

  /** The answers behind a `requestState`; `undefined` if it is unknown, used, expired, another caller's or another request's. */
  async resume(requestState: string, request: ContinuedRequest): Promise<Continuation['answers'] | undefined> {
    if (!/^[\w-]{43}$/u.test(requestState)) return undefined;
    const kept = await this.#store.take(requestState);
    if (kept === undefined) return undefined;
    if (kept.principal !== request.principal) {
      // Whoever learned of it does not use it up for its owner.
      await this.#store.save(kept);
      return undefined;
    }
    if (kept.request !== digest(request)) return undefined;
    return kept.expiresAt.getTime() > this.#now() ? kept.answers : undefined;
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
