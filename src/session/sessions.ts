import type { Session, SessionPatch, Store } from '../store/store.ts';
import { maxTimerMs } from '../timing.ts';
import { Endings } from './endings.ts';
import type { Lifecycle, SessionEndReason, SessionRejectReason } from './lifecycle.ts';
import type { SessionPage, SessionQuery } from './list-sessions.ts';
import { listSessions } from './list-sessions.ts';
import type { SessionInit } from './new-session.ts';
import { isSessionId, newSession } from './new-session.ts';
import { PrincipalCap } from './principal-cap.ts';
import { SessionCache } from './session-cache.ts';
import { assertStorableUri } from './storable.ts';
import { Uses } from './uses.ts';

/** What `Sessions` needs. */
export interface SessionsOptions {
  store: Store;
  /** Milliseconds from a session's last use to its end. */
  idleMs: number;
  /** Sessions of one principal; one more ends the longest idle, soon after. */
  maxPerPrincipal: number;
  /** Milliseconds a row is trusted before it is read again, hence also until the end of a session elsewhere is noticed here. */
  cacheMs: number;
  /** Milliseconds between writes of `lastSeenAt`; at most a quarter of `idleMs` counts. */
  touchMs: number;
  /** Milliseconds between sweeps of expired sessions. */
  sweepMs: number;
  /** Takes what fails in the background. */
  onError: (error: unknown) => void;
  /** Tells other processes of a row that is gone, or reads differently. @default nobody is told */
  tellOthers?: ((id: string, what: 'ended' | 'changed') => void) | undefined;
  /** Tells the host what happens to sessions. @default nobody is told */
  lifecycle?: Lifecycle | undefined;
  /** Where the log is now, as a new session's stream will begin. @default `null`: where the stream is opened */
  position?: ((id: string) => Promise<string | null>) | undefined;
  /** Sessions kept in memory; past them the one read longest ago is dropped, and read again when it is used. @default 10000 */
  maxCached?: number;
  /** Rows per sweeping query. @default 500 */
  sweepBatch?: number;
  /** Milliseconds since 1970. @default Date.now */
  now?: () => number;
}

/**
 * The sessions as one process sees them: the rows of a store behind a short-lived cache, so that serving a call writes nothing.
 *
 * A use is buffered and reaches its row with the next flush, together with those of all other sessions.
 */
export class Sessions {
  readonly #options: Required<SessionsOptions>;
  readonly #store: Store;
  readonly #now: () => number;
  readonly #cache: SessionCache;
  readonly #uses: Uses;
  readonly #endings: Endings;
  readonly #lifecycle: Lifecycle | undefined;
  readonly #cap: PrincipalCap;
  readonly #timers: NodeJS.Timeout[];
  #flushing: Promise<void> = Promise.resolve();
  #flushedAt: number;
  #sweeping: Promise<void> | undefined;
  #allEnded: Promise<void> = Promise.resolve();

  constructor(options: SessionsOptions) {
    const touchMs = Math.min(options.touchMs, options.idleMs / 4, maxTimerMs);
    this.#options = {
      maxCached: 10_000,
      sweepBatch: 500,
      now: Date.now,
      lifecycle: undefined,
      tellOthers: undefined,
      position: () => Promise.resolve(null),
      ...options,
      touchMs,
    };
    this.#lifecycle = options.lifecycle;
    this.#store = options.store;
    this.#now = this.#options.now;
    this.#flushedAt = this.#now();
    this.#cache = new SessionCache(this.#options.maxCached);
    this.#uses = new Uses(this.#store, this.#options);
    const { maxPerPrincipal, sweepMs, onError, lifecycle } = this.#options;
    this.#endings = new Endings({ cache: this.#cache, uses: this.#uses, lifecycle, onError });
    this.#cap = new PrincipalCap({ max: maxPerPrincipal, evict: principal => this.#evict(principal), onError });
    this.#timers = [setInterval(() => void this.flush(), touchMs), setInterval(() => void this.sweep(), Math.min(sweepMs, maxTimerMs))];
    for (const timer of this.#timers) timer.unref();
  }

  /**
   * Opens a session, and ends the principal's longest idle ones if these are now too many.
   *
   * @throws {McpError} -32602 `clientInfo` or `capabilities` is too large.
   */
  async open(init: SessionInit): Promise<Session> {
    const now = this.#now();
    const begun = newSession(init, now, this.#idleMsOf(init));
    const session = { ...begun, position: (await this.#options.position?.(begun.id)) ?? null };
    await this.#store.create(session);
    this.#cache.set({ session, readAt: now });
    this.#lifecycle?.created(session);
    this.#cap.opened(session.principal);
    return session;
  }

  /**
   * The session, if it exists, has not expired and is this principal's; using it keeps it alive.
   *
   * Answers at once, without a promise, while its row was read less than `cacheMs` ago.
   */
  find(id: string, principal: string | null): Session | undefined | Promise<Session | undefined> {
    const now = this.#now();
    const entry = this.#cache.get(id);
    if (entry === undefined) return isSessionId(id) ? this.#readFor(id, principal) : undefined;
    const isFresh = now - entry.readAt < this.#options.cacheMs && now < entry.session.expiresAt.getTime();
    return isFresh && isSettled(entry.session) ? this.#admit(entry.session, principal, now) : this.#readFor(id, principal);
  }

  /** Sets single columns; `false` if the session is gone. */
  async update(id: string, patch: SessionPatch): Promise<boolean> {
    const exists = await this.#store.update(id, patch);
    this.#cache.abandon(id);
    const entry = this.#cache.get(id);
    if (!exists) this.#endings.gone(id);
    else if (entry) entry.session = { ...entry.session, ...patch };
    if (exists && patch.logLevel !== undefined) this.#options.tellOthers?.(id, 'changed');
    if (exists && patch.initialized) this.#lifecycle?.tell('initialized', this.#endings.known(id));
    return exists;
  }

  /**
   * Adds a resource subscription; `false` if the session is gone.
   *
   * @throws {McpError} -32602 no database could keep the URI.
   */
  async subscribe(id: string, uri: string): Promise<boolean> {
    assertStorableUri(uri);
    const exists = await this.#store.subscribe(id, uri);
    if (!exists) this.#endings.gone(id);
    return exists;
  }

  async unsubscribe(id: string, uri: string): Promise<void> {
    await this.#store.unsubscribe(id, uri);
  }

  /** Ends a session; `false` if it was gone. */
  end(id: string, reason: SessionEndReason = 'client'): Promise<boolean> {
    if (!isSessionId(id)) return Promise.resolve(false);
    const ending = this.#end(id, reason);
    this.#allEnded = Promise.allSettled([this.#allEnded, ending]).then(() => undefined);
    return ending;
  }

  async #end(id: string, reason: SessionEndReason): Promise<boolean> {
    const isUnknown = this.#lifecycle !== undefined && this.#cache.get(id) === undefined;
    const subject = (isUnknown ? await this.#store.find(id) : undefined) ?? this.#endings.known(id);
    const ended = await this.#store.end(id);
    if (ended) this.#endings.ended(subject, reason);
    else this.#endings.gone(id);
    if (ended) this.#options.tellOthers?.(id, 'ended');
    return ended;
  }

  /** Takes note that another process has ended a session. */
  endedElsewhere(id: string): void {
    this.#endings.gone(id);
  }

  /** A page of all sessions, whichever process serves them. @throws {RangeError} as `listSessions` */
  list(query: SessionQuery = {}): Promise<SessionPage> {
    return listSessions(this.#store, query, this.#now());
  }

  /** Tells that a request of `principal` was refused for the session it named. @param reason What a look at the session doesn't say. */
  rejected(id: string, principal: string | null, reason?: SessionRejectReason): void {
    if (this.#lifecycle === undefined) return;
    const session = this.#cache.get(id)?.session;
    const isOwn = session?.principal === principal;
    const found = session === undefined ? 'unknown' : isOwn ? 'transport' : 'principal';
    this.#lifecycle.tell('rejected', isOwn ? session : { id, principal }, reason ?? found);
  }

  /** Drops what is cached of a session, so that its next use reads the row. */
  forget(id: string): void {
    this.#cache.delete(id);
  }

  /** Keeps a session alive while a call runs or a stream is open. Call what it returns when that is over. */
  retain(id: string): () => void {
    return this.#uses.retain(id, this.#idleMsOf(this.#cache.get(id)?.session));
  }

  /**
   * Tells of each session that ended here, expired, was evicted, or turned out to be gone: its streams are to be closed and its calls aborted.
   * Sessions that this process never saw may be among them.
   */
  onEnd(listener: (id: string) => void): () => void {
    return this.#endings.onEnd(listener);
  }

  /** Writes the buffered uses, looks whether the retained sessions still exist, and waits for evictions under way. Never rejects. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flushNow().catch(this.#options.onError));
    return this.#flushing;
  }

  /** Ends expired sessions, whoever opened them. Safe to run in many processes at once. Never rejects. */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#sweepNow()
      .catch(this.#options.onError)
      .finally(() => {
        this.#sweeping = undefined;
      });
    return this.#sweeping;
  }

  /** Stops the timers, waits for sessions that are being ended, and writes what is buffered. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all([this.#sweeping, this.#allEnded]);
    await this.flush();
  }

  #admit(session: Session, principal: string | null, now: number): Session | undefined {
    if (session.principal !== principal) return undefined;
    if (session.transport !== 'sse') this.#uses.mark(session.id, now);
    return session;
  }

  async #readFor(id: string, principal: string | null): Promise<Session | undefined> {
    const session = await this.#cache.read(id, isCurrent => this.#read(id, isCurrent));
    const admitted = session && this.#admit(session, principal, this.#now());
    if (admitted) this.#lifecycle?.served(admitted);
    return admitted;
  }

  async #read(id: string, isCurrent: () => boolean): Promise<Session | undefined> {
    const readAt = this.#now();
    const session = await this.#store.find(id);
    const isAlive = session !== undefined && !this.#isExpired(session);
    if (isCurrent()) {
      if (isAlive) this.#cache.set({ session, readAt });
      else if (session !== undefined) this.#endings.expired(id);
      else this.#endings.gone(id);
    }
    return isAlive ? session : undefined;
  }

  /** An HTTP+SSE session lives as long as its stream; a process that was killed leaves the row, and nobody can use it any more. */
  #idleMsOf(session: Pick<Session, 'transport'> | undefined): number {
    const { idleMs, touchMs } = this.#options;
    return session?.transport === 'sse' ? Math.min(idleMs, sseTouches * touchMs + clockMarginMs) : idleMs;
  }

  /** By its row, or by what this process has seen of it and not yet written. */
  #isExpired(session: Session): boolean {
    const usedUntil = this.#uses.lastOf(session.id) + this.#options.idleMs;
    return this.#now() >= Math.max(session.expiresAt.getTime(), usedUntil);
  }

  async #flushNow(): Promise<void> {
    this.#flushedAt = this.#now();
    this.#uses.markRetained();
    const doubtful = (await this.#uses.write()).filter(id => this.#uses.isRetained(id));
    const existing = new Set(doubtful.length === 0 ? [] : await this.#store.existing(doubtful));
    for (const id of doubtful) if (!existing.has(id)) this.#endings.gone(id);
    await this.#cap.settle();
  }

  async #sweepNow(): Promise<void> {
    const { touchMs, sweepBatch } = this.#options;
    // After a long pause of this process its own uses come first.
    if (this.#now() - this.#flushedAt >= touchMs) await this.flush();
    for (;;) {
      const expired = await this.#store.sweep(new Date(this.#now()), sweepBatch);
      this.#endings.allEnded(expired, 'expired');
      if (expired.length < sweepBatch) break;
    }
    while ((await this.#store.sweepContinuations(new Date(this.#now()), sweepBatch)) === sweepBatch);
    const settled = new Date(this.#now() - clockMarginMs);
    while ((await this.#store.sweepEvents(settled, sweepBatch)) === sweepBatch);
    while ((await this.#store.sweepNodes(settled, sweepBatch)) === sweepBatch);
  }

  async #evict(principal: string | null): Promise<number> {
    // What is in use here must not look idle to the store.
    this.#uses.markRetained();
    await this.#uses.write(id => this.#cache.get(id)?.session.principal === principal);
    const { ended, left } = await this.#store.evict(principal, this.#options.maxPerPrincipal);
    this.#endings.allEnded(ended, 'ended', 'evicted');
    for (const { id } of ended) this.#options.tellOthers?.(id, 'ended');
    return left;
  }
}

/** An HTTP+SSE session is opened before its client says who it is, and that may reach another process. */
function isSettled({ transport, initialized }: Session): boolean {
  return transport !== 'sse' || initialized;
}

/** Clocks may be a minute apart: what others wrote is kept by so much longer that nobody misses it. */
const clockMarginMs = 240_000;
/** Writes of `lastSeenAt` that a process with an HTTP+SSE stream has to miss before the session expires. */
const sseTouches = 10;
