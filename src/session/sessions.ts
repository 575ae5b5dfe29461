import { McpError } from '../errors.ts';
import type { EndedSession, Session, SessionPatch, Store } from '../store/store.ts';
import { maxTimerMs } from '../timing.ts';
import { PrincipalCap } from './principal-cap.ts';
import type { SessionInit } from './session.ts';
import { assertStorableUri, isSessionId, newSession } from './session.ts';
import { LastSeen, SessionCache } from './session-cache.ts';
import type { SessionPage, SessionQuery } from './session-list.ts';
import { listSessions } from './session-list.ts';
import type { SessionEndReason, SessionLog, SessionRejectReason, Subject } from './session-log.ts';

/** Where sessions are kept, how long they live, and who is told of changes. */
export interface SessionsOptions {
  store: Store;
  /** Milliseconds from a session's last use to its end. */
  idleMs: number;
  /** Sessions of one principal; one more ends the principal's longest idle session soon after. */
  maxPerPrincipal: number;
  /** Subscriptions of one session; one more is refused. */
  maxSubscriptions: number;
  /** Milliseconds that a row is used before it is read again; without a wake-up, a process notices the end of a session this much later. */
  cacheMs: number;
  /** Milliseconds between writes of `lastSeenAt`; more than a quarter of `idleMs` counts as a quarter. */
  touchMs: number;
  /** Milliseconds between sweeps of expired sessions. */
  sweepMs: number;
  /** Called with errors of the background. */
  onError: (error: unknown) => void;
  /** Each removes at most `limit` rows of another kind that expired at or before `now`, and returns how many it removed. @default none */
  sweepOthers?: readonly ((now: Date, limit: number) => Promise<number>)[];
  /** Tells other processes that a session has ended, or that its row has changed. Never rejects. @default nobody is told */
  tellOthers?: ((id: string, what: 'ended' | 'changed') => Promise<void>) | undefined;
  /** Tells the host what happens to sessions. @default nobody is told */
  sessionLog?: SessionLog | undefined;
  /** The log's current position, where the stream of a new session begins. @default `null`: the position when the stream is opened */
  position?: ((id: string) => Promise<string | null>) | undefined;
  /** Rows kept in memory; one more drops the row that was read longest ago. @default 10000 */
  maxCached?: number;
  /** Rows per sweeping query. @default 500 */
  sweepBatch?: number;
  /** Milliseconds since 1970. @default Date.now */
  now?: () => number;
}

/**
 * The sessions as one process sees them: the rows of a store behind a short-lived cache.
 *
 * Serving a call writes nothing: uses of all sessions are buffered and reach their rows with the next flush.
 */
export class Sessions {
  readonly #options: Required<SessionsOptions>;
  readonly #store: Store;
  readonly #now: () => number;
  readonly #cache: SessionCache;
  readonly #lastSeen: LastSeen;
  readonly #sessionLog: SessionLog | undefined;
  readonly #cap: PrincipalCap;
  readonly #endListeners = new Set<(id: string) => void>();
  readonly #timers: NodeJS.Timeout[];
  #flushing: Promise<void> = Promise.resolve();
  #flushedAt: number;
  #sweeping: Promise<void> | undefined;
  #allEnded: Promise<void> = Promise.resolve();
  /** Settles once this process knows which sessions have ended elsewhere; `undefined` if it knows. */
  #learning: Promise<void> | undefined;

  constructor(options: SessionsOptions) {
    const touchMs = Math.min(options.touchMs, options.idleMs / 4, maxTimerMs);
    this.#options = {
      maxCached: 10_000,
      sweepBatch: 500,
      now: Date.now,
      sessionLog: undefined,
      sweepOthers: [],
      tellOthers: undefined,
      position: () => Promise.resolve(null),
      ...options,
      touchMs,
    };
    this.#sessionLog = options.sessionLog;
    this.#store = options.store;
    this.#now = this.#options.now;
    this.#flushedAt = this.#now();
    this.#cache = new SessionCache(this.#options.maxCached);
    this.#lastSeen = new LastSeen(this.#store, this.#options);
    const { maxPerPrincipal, sweepMs, onError } = this.#options;
    this.#cap = new PrincipalCap({ max: maxPerPrincipal, evict: principal => this.#evict(principal), onError });
    this.#timers = [setInterval(() => void this.flush(), touchMs), setInterval(() => void this.sweep(), Math.min(sweepMs, maxTimerMs))];
    for (const timer of this.#timers) timer.unref();
  }

  /**
   * Opens a session, and soon after ends the principal's longest idle ones if they are now too many.
   *
   * @throws {McpError} -32602 `clientInfo` or `capabilities` is too large.
   */
  async open(init: SessionInit): Promise<Session> {
    const now = this.#now();
    const begun = newSession(init, now, this.#idleMsOf(init));
    const session = { ...begun, position: (await this.#options.position?.(begun.id)) ?? null };
    await this.#store.create(session);
    this.#cache.set({ session, readAt: now });
    this.#sessionLog?.created(session);
    this.#cap.added(session.principal);
    return session;
  }

  /**
   * The session, if it exists, has not expired and is this principal's. Counts as a use, which keeps the session alive.
   *
   * Returns no promise if the row was read less than `cacheMs` ago, unless a session has just ended elsewhere.
   */
  find(id: string, principal: string | null): Session | undefined | Promise<Session | undefined> {
    if (this.#learning !== undefined) return this.#learning.then(() => this.#find(id, principal));
    return this.#find(id, principal);
  }

  #find(id: string, principal: string | null): Session | undefined | Promise<Session | undefined> {
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
    if (!exists) this.endedElsewhere(id);
    else if (entry) entry.session = { ...entry.session, ...patch };
    if (exists && patch.logLevel !== undefined) void this.#options.tellOthers?.(id, 'changed');
    if (exists && patch.initialized) this.#sessionLog?.tell('initialized', this.#subject(id));
    return exists;
  }

  /**
   * Adds a resource subscription; `false` if the session is gone. Requests that are served at the same time may exceed `maxSubscriptions`
   * by their number.
   *
   * @throws {McpError} -32602 no database could keep the URI, or the session has `maxSubscriptions` others.
   */
  async subscribe(id: string, uri: string): Promise<boolean> {
    assertStorableUri(uri);
    const { maxSubscriptions } = this.#options;
    const isFull = (await this.#store.countSubscriptions(id)) >= maxSubscriptions;
    if (isFull && !(await this.#store.subscriptions(id)).includes(uri)) {
      throw new McpError(
        'InvalidParams',
        `Too many subscriptions in this session (limits.maxSubscriptions is ${maxSubscriptions}); unsubscribe from another resource first`,
      );
    }
    const exists = await this.#store.subscribe(id, uri);
    if (!exists) this.endedElsewhere(id);
    return exists;
  }

  async unsubscribe(id: string, uri: string): Promise<void> {
    await this.#store.unsubscribe(id, uri);
  }

  /** Ends a session and tells the other processes; `false` if it was gone. */
  end(id: string, reason: SessionEndReason = 'client'): Promise<boolean> {
    if (!isSessionId(id)) return Promise.resolve(false);
    const ending = this.#end(id, reason);
    this.#allEnded = Promise.allSettled([this.#allEnded, ending]).then(() => undefined);
    return ending;
  }

  async #end(id: string, reason: SessionEndReason): Promise<boolean> {
    const isUnknown = this.#sessionLog !== undefined && this.#cache.get(id) === undefined;
    const subject = (isUnknown ? await this.#store.find(id) : undefined) ?? this.#subject(id);
    const ended = await this.#store.end(id);
    if (ended) {
      this.#sessionLog?.tell('ended', subject, reason);
      this.#release(id);
      await this.#options.tellOthers?.(id, 'ended');
    } else {
      this.endedElsewhere(id);
    }
    return ended;
  }

  /** Releases a session whose row is gone. Nobody is told of a session that this process did not know. */
  endedElsewhere(id: string): void {
    // The running read may have begun before the end.
    this.#cache.abandon(id);
    if (!this.#isKnown(id)) return;
    this.#sessionLog?.tell('ended', this.#subject(id), 'gone');
    this.#release(id);
  }

  /**
   * Notes that some session has ended elsewhere. Requests that arrive from now on wait until this process has learned which one.
   *
   * @param learned Resolves to whether it has. If it has not, all rows are read again.
   */
  someEndedElsewhere(learned: Promise<boolean>): void {
    const learning = learned.then(hasLearned => {
      if (!hasLearned) this.forgetAll();
      if (this.#learning === learning) this.#learning = undefined;
    });
    this.#learning = learning;
  }

  /** A page of the sessions of all processes. @throws {RangeError} as `listSessions` */
  list(query: SessionQuery = {}): Promise<SessionPage> {
    return listSessions(this.#store, query, this.#now());
  }

  /**
   * Tells the host that a request was refused because of its session id.
   *
   * @param principal Who sent the request.
   * @param reason @default found out from the session: `unknown`, `principal` or `transport`
   */
  rejected(id: string, principal: string | null, reason?: SessionRejectReason): void {
    if (this.#sessionLog === undefined) return;
    const session = this.#cache.get(id)?.session;
    const isOwn = session?.principal === principal;
    const found = session === undefined ? 'unknown' : isOwn ? 'transport' : 'principal';
    this.#sessionLog.tell('rejected', isOwn ? session : { id, principal }, reason ?? found);
  }

  /** Drops a session from the cache; its next use reads the row. */
  forget(id: string): void {
    this.#cache.delete(id);
  }

  /** Does the same for all sessions. */
  forgetAll(): void {
    this.#cache.clear();
  }

  /** Keeps a session alive while a call runs or a stream is open, until the returned function is called. */
  retain(id: string): () => void {
    return this.#lastSeen.retain(id, this.#idleMsOf(this.#cache.get(id)?.session));
  }

  /**
   * Calls `listener` with the id of each session that was ended here, expired, was evicted or is gone, to close its streams and abort its
   * calls. Sessions that this process never saw may be among them.
   */
  onEnd(listener: (id: string) => void): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  /** Writes the buffered uses, checks that the retained sessions still exist, and waits for running evictions. Never rejects. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flushNow().catch(this.#options.onError));
    return this.#flushing;
  }

  /** Ends expired sessions of all processes. Safe to run in many processes at once. Never rejects. */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#sweepNow()
      .catch(this.#options.onError)
      .finally(() => {
        this.#sweeping = undefined;
      });
    return this.#sweeping;
  }

  /** Stops the timers, waits for sessions that are being ended, and writes the buffered uses. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all([this.#sweeping, this.#allEnded]);
    await this.flush();
  }

  #admit(session: Session, principal: string | null, now: number): Session | undefined {
    if (session.principal !== principal) return undefined;
    if (session.transport !== 'sse') this.#lastSeen.mark(session.id, now);
    return session;
  }

  async #readFor(id: string, principal: string | null): Promise<Session | undefined> {
    const session = await this.#cache.read(id, isCurrent => this.#read(id, isCurrent));
    const admitted = session && this.#admit(session, principal, this.#now());
    if (admitted) this.#sessionLog?.served(admitted);
    return admitted;
  }

  async #read(id: string, isCurrent: () => boolean): Promise<Session | undefined> {
    const readAt = this.#now();
    const session = await this.#store.find(id);
    const isAlive = session !== undefined && !this.#isExpired(session);
    if (isCurrent()) {
      if (isAlive) this.#cache.set({ session, readAt });
      else if (session === undefined) this.endedElsewhere(id);
      // The process that sweeps the row tells the host.
      else if (this.#isKnown(id)) this.#release(id);
    }
    return isAlive ? session : undefined;
  }

  /** An HTTP+SSE session ends with its stream. If its process was killed, the row remains, and it expires soon. */
  #idleMsOf(session: Pick<Session, 'transport'> | undefined): number {
    const { idleMs, touchMs } = this.#options;
    return session?.transport === 'sse' ? Math.min(idleMs, sseTouches * touchMs + clockMarginMs) : idleMs;
  }

  /** Whether a session has expired, by its row and by uses here that are not written yet. */
  #isExpired(session: Session): boolean {
    const usedUntil = this.#lastSeen.lastOf(session.id) + this.#options.idleMs;
    return this.#now() >= Math.max(session.expiresAt.getTime(), usedUntil);
  }

  async #flushNow(): Promise<void> {
    this.#flushedAt = this.#now();
    this.#lastSeen.markRetained();
    const doubtful = (await this.#lastSeen.write()).filter(id => this.#lastSeen.isRetained(id));
    const existing = new Set(doubtful.length === 0 ? [] : await this.#store.existing(doubtful));
    for (const id of doubtful) if (!existing.has(id)) this.endedElsewhere(id);
    await this.#cap.settle();
  }

  async #sweepNow(): Promise<void> {
    const { touchMs, sweepBatch, sweepOthers } = this.#options;
    // After a long pause of this process, its own buffered uses must be written before the sweep.
    if (this.#now() - this.#flushedAt >= touchMs) await this.flush();
    for (;;) {
      const expired = await this.#store.sweep(new Date(this.#now()), sweepBatch);
      this.#releaseAll(expired, 'expired');
      if (expired.length < sweepBatch) break;
    }
    while ((await this.#store.sweepContinuations(new Date(this.#now()), sweepBatch)) === sweepBatch);
    while ((await this.#store.sweepTasks(new Date(this.#now()), sweepBatch)) === sweepBatch);
    const settled = new Date(this.#now() - clockMarginMs);
    while ((await this.#store.sweepEvents(settled, sweepBatch)) === sweepBatch);
    while ((await this.#store.sweepNodes(settled, sweepBatch)) === sweepBatch);
    for (const sweep of sweepOthers) while ((await sweep(new Date(this.#now()), sweepBatch)) === sweepBatch);
  }

  async #evict(principal: string | null): Promise<number> {
    // Sessions in use here must not look idle to the store.
    this.#lastSeen.markRetained();
    await this.#lastSeen.write(id => this.#cache.get(id)?.session.principal === principal);
    const { ended, left } = await this.#store.evict(principal, this.#options.maxPerPrincipal);
    this.#releaseAll(ended, 'ended', 'evicted');
    for (const { id } of ended) void this.#options.tellOthers?.(id, 'ended');
    return left;
  }

  /** What this process knows of a session. */
  #subject(id: string): Subject & { readonly id: string } {
    return this.#cache.get(id)?.session ?? { id };
  }

  #isKnown(id: string): boolean {
    return this.#cache.get(id) !== undefined || this.#lastSeen.isRetained(id);
  }

  /** Releases sessions whose rows this process has removed, all at once. */
  #releaseAll(sessions: readonly EndedSession[], type: 'ended' | 'expired', reason?: SessionEndReason): void {
    this.#sessionLog?.tellAll(type, sessions, reason);
    for (const { id } of sessions) this.#release(id);
  }

  /** Forgets a session that has ended, and calls the listeners of `onEnd`. */
  #release(id: string): void {
    this.#cache.delete(id);
    this.#lastSeen.drop(id);
    for (const listener of this.#endListeners) {
      try {
        listener(id);
      } catch (error) {
        this.#options.onError(error);
      }
    }
  }
}

/** An HTTP+SSE session is opened before `initialize`, and another process may receive that: until then the cached row may be old. */
function isSettled({ transport, initialized }: Session): boolean {
  return transport !== 'sse' || initialized;
}

/** Clocks of processes may differ by a minute. Rows that other processes may still need are kept this much longer. */
const clockMarginMs = 240_000;
/** An HTTP+SSE session expires after this many missed writes of `lastSeenAt`. */
const sseTouches = 10;
