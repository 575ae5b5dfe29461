import type { EndedSession } from '../store/store.ts';
import type { Lifecycle, SessionEndReason, Subject } from './lifecycle.ts';
import type { SessionCache } from './session-cache.ts';
import type { Uses } from './uses.ts';

/** What `Endings` needs. */
export interface EndingsOptions {
  readonly cache: SessionCache;
  readonly uses: Uses;
  readonly lifecycle: Lifecycle | undefined;
  readonly onError: (error: unknown) => void;
}

/** Lets go of sessions that ended, in this process: what is kept of them is dropped, and whoever has streams or calls of them is told. */
export class Endings {
  readonly #options: EndingsOptions;
  readonly #listeners = new Set<(id: string) => void>();

  constructor(options: EndingsOptions) {
    this.#options = options;
  }

  /** Calls `listener` with the id of each. */
  onEnd(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** This process has ended a session. */
  ended(subject: Subject & { readonly id: string }, reason: SessionEndReason): void {
    this.#options.lifecycle?.tell('ended', subject, reason);
    this.#release(subject.id);
  }

  /** This process has ended sessions, all at once. */
  allEnded(sessions: readonly EndedSession[], type: 'ended' | 'expired', reason?: SessionEndReason): void {
    this.#options.lifecycle?.tellAll(type, sessions, reason);
    for (const { id } of sessions) this.#release(id);
  }

  /** A session turned out to have been ended elsewhere. Nobody is told where nothing was known of it. */
  gone(id: string): void {
    if (!this.#isKnown(id)) return;
    this.#options.lifecycle?.tell('ended', this.known(id), 'gone');
    this.#release(id);
  }

  /** A session has expired; whoever sweeps its row tells of it. */
  expired(id: string): void {
    if (this.#isKnown(id)) this.#release(id);
  }

  /** What this process knows of a session. */
  known(id: string): Subject & { readonly id: string } {
    return this.#options.cache.get(id)?.session ?? { id };
  }

  #isKnown(id: string): boolean {
    return this.#options.cache.get(id) !== undefined || this.#options.uses.isRetained(id);
  }

  #release(id: string): void {
    const { cache, uses, onError } = this.#options;
    cache.delete(id);
    uses.drop(id);
    for (const listener of this.#listeners) {
      try {
        listener(id);
      } catch (error) {
        onError(error);
      }
    }
  }
}
