import { randomBytes } from 'node:crypto';
import { PrincipalCap } from './principal-cap.ts';
import { assertStorableUri, toStorable } from './storable.ts';
import type { Session, SessionPatch, Store } from './store.ts';
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
  /** Sessions kept in memory; past them the one read longest ago is dropped, and read again when it is used. @default 10000 */
  maxCached?: number;
  /** Rows per sweeping query. @default 500 */
  sweepBatch?: number;
  /** Milliseconds since 1970. @default Date.now */
  now?: () => number;
}

/** What a new session begins with. */
export type SessionInit = Pick<Session, 'transport' | 'revision' | 'principal' | 'clientInfo' | 'capabilities'>;

/**
 * The sessions as one process sees them: the rows of a store behind a short-lived cache, so that serving a call writes nothing.
 *
 * A use is buffered and reaches its row with the next flush, together with those of all other sessions.
 */
export class Sessions {
  readonly #options: Required<SessionsOptions>;
  readonly #store: Store;
  readonly #now: () => number;
  readonly #cache = new Map<string, Entry>();
  readonly #reading = new Map<string, Reading>();
  readonly #listeners = new Set<(id: string) => void>();
  readonly #uses: Uses;
  readonly #cap: PrincipalCap;
  readonly #timers: NodeJS.Timeout[];
  #flushing: Promise<void> = Promise.resolve();
  #flushedAt: number;
  #sweeping: Promise<void> | undefined;

  constructor(options: SessionsOptions) {
    const touchMs = Math.min(options.touchMs, options.idleMs / 4, MAX_TIMER_MS);
    this.#options = { maxCached: 10_000, sweepBatch: 500, now: Date.now, ...options, touchMs };
    this.#store = options.store;
    this.#now = this.#options.now;
    this.#flushedAt = this.#now();
    this.#uses = new Uses(this.#store, this.#options);
    const { maxPerPrincipal, sweepMs, onError } = this.#options;
    this.#cap = new PrincipalCap({ max: maxPerPrincipal, evict: principal => this.#evict(principal), onError });
    this.#timers = [setInterval(() => void this.flush(), touchMs), setInterval(() => void this.sweep(), Math.min(sweepMs, MAX_TIMER_MS))];
    for (const timer of this.#timers) timer.unref();
  }

  /**
   * Opens a session, and ends the principal's longest idle ones if these are now too many.
   *
   * @throws {McpError} -32602 `clientInfo` or `capabilities` is too large.
   */
  async open(init: SessionInit): Promise<Session> {
    const now = this.#now();
    const session: Session = {
      id: `mcp_${randomBytes(32).toString('base64url')}`,
      transport: init.transport,
      revision: init.revision,
      principal: init.principal,
      clientInfo: toStorable(init.clientInfo, 'params.clientInfo'),
      capabilities: toStorable(init.capabilities, 'params.capabilities'),
      logLevel: null,
      initialized: false,
      createdAt: new Date(now),
      lastSeenAt: new Date(now),
      expiresAt: new Date(now + this.#options.idleMs),
    };
    await this.#store.create(session);
    this.#remember({ session, readAt: now });
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
    if (entry === undefined) return ID.test(id) ? this.#readFor(id, principal) : undefined;
    const isFresh = now - entry.readAt < this.#options.cacheMs && now < entry.session.expiresAt.getTime();
    return isFresh ? this.#admit(entry.session, principal, now) : this.#readFor(id, principal);
  }

  /** Sets single columns; `false` if the session is gone. */
  async update(id: string, patch: SessionPatch): Promise<boolean> {
    const exists = await this.#store.update(id, patch);
    this.#abandonReading(id);
    const entry = this.#cache.get(id);
    if (!exists) this.#announceKnown(id);
    else if (entry) entry.session = { ...entry.session, ...patch };
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
    if (!exists) this.#announceKnown(id);
    return exists;
  }

  async unsubscribe(id: string, uri: string): Promise<void> {
    await this.#store.unsubscribe(id, uri);
  }

  /** Which of these sessions subscribed to `uri`. */
  async subscribers(uri: string, ids: readonly string[]): Promise<string[]> {
    return ids.length === 0 ? [] : this.#store.subscribers(uri, ids);
  }

  /** Ends a session; `false` if it was gone. */
  async end(id: string): Promise<boolean> {
    if (!ID.test(id)) return false;
    const ended = await this.#store.end(id);
    this.#announce(id);
    return ended;
  }

  /** Drops what is cached of a session, so that its next use reads the row. */
  forget(id: string): void {
    this.#cache.delete(id);
    this.#abandonReading(id);
  }

  /** Keeps a session alive while a call runs or a stream is open. Call what it returns when that is over. */
  retain(id: string): () => void {
    return this.#uses.retain(id);
  }

  /**
   * Tells of each session that ended here, expired, was evicted, or turned out to be gone: its streams are to be closed and its calls aborted.
   * Sessions that this process never saw may be among them.
   */
  onEnd(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
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

  /** Stops the timers and writes what is buffered. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#sweeping;
    await this.flush();
  }

  #admit(session: Session, principal: string | null, now: number): Session | undefined {
    if (session.principal !== principal) return undefined;
    this.#uses.mark(session.id, now);
    return session;
  }

  async #readFor(id: string, principal: string | null): Promise<Session | undefined> {
    let reading = this.#reading.get(id);
    if (!reading) {
      reading = { isStale: false, session: Promise.resolve(undefined) };
      this.#reading.set(id, reading);
      reading.session = this.#read(id, reading);
    }
    const session = await reading.session;
    return session && this.#admit(session, principal, this.#now());
  }

  async #read(id: string, reading: Reading): Promise<Session | undefined> {
    const readAt = this.#now();
    try {
      const session = await this.#store.find(id);
      const isAlive = session !== undefined && !this.#isExpired(session);
      if (reading.isStale) return isAlive ? session : undefined;
      if (isAlive) this.#remember({ session, readAt });
      else this.#announceKnown(id);
      return isAlive ? session : undefined;
    } finally {
      if (this.#reading.get(id) === reading) this.#reading.delete(id);
    }
  }

  /** By its row, or by what this process has seen of it and not yet written. */
  #isExpired(session: Session): boolean {
    const usedUntil = this.#uses.lastOf(session.id) + this.#options.idleMs;
    return this.#now() >= Math.max(session.expiresAt.getTime(), usedUntil);
  }

  #remember(entry: Entry): void {
    const { id } = entry.session;
    // A Map lists its keys in the order of insertion: entries read longest ago come first.
    this.#cache.delete(id);
    this.#cache.set(id, entry);
    if (this.#cache.size <= this.#options.maxCached) return;
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined) this.#cache.delete(oldest);
  }

  #abandonReading(id: string): void {
    const reading = this.#reading.get(id);
    if (!reading) return;
    reading.isStale = true;
    this.#reading.delete(id);
  }

  #announceKnown(id: string): void {
    if (this.#cache.has(id) || this.#uses.isRetained(id)) this.#announce(id);
  }

  #announce(id: string): void {
    this.forget(id);
    this.#uses.drop(id);
    for (const listener of this.#listeners) {
      try {
        listener(id);
      } catch (error) {
        this.#options.onError(error);
      }
    }
  }

  async #flushNow(): Promise<void> {
    this.#flushedAt = this.#now();
    const retained = this.#uses.markRetained();
    await this.#uses.write();
    const existing = new Set(retained.length === 0 ? [] : await this.#store.existing(retained));
    for (const id of retained) if (!existing.has(id)) this.#announceKnown(id);
    await this.#cap.settle();
  }

  async #sweepNow(): Promise<void> {
    const { touchMs, sweepBatch } = this.#options;
    // After a long pause of this process its own uses come first.
    if (this.#now() - this.#flushedAt >= touchMs) await this.flush();
    for (;;) {
      const ended = await this.#store.sweep(new Date(this.#now()), sweepBatch);
      for (const id of ended) this.#announce(id);
      if (ended.length < sweepBatch) break;
    }
    while ((await this.#store.sweepContinuations(new Date(this.#now()), sweepBatch)) === sweepBatch);
    while ((await this.#store.sweepEvents(new Date(this.#now()), sweepBatch)) === sweepBatch);
  }

  async #evict(principal: string | null): Promise<number> {
    // What is in use here must not look idle to the store.
    this.#uses.markRetained();
    await this.#uses.write(id => this.#cache.get(id)?.session.principal === principal);
    const { ended, left } = await this.#store.evict(principal, this.#options.maxPerPrincipal);
    for (const id of ended) this.#announce(id);
    return left;
  }
}

/** `mcp_` and 32 bytes as base64url. */
const ID = /^mcp_[\w-]{43}$/;
/** What Node's timers can count to. */
const MAX_TIMER_MS = 2 ** 31 - 1;

interface Entry {
  session: Session;
  readonly readAt: number;
}

interface Reading {
  session: Promise<Session | undefined>;
  /** The row changed while it was being read; the result must not be cached. */
  isStale: boolean;
}
