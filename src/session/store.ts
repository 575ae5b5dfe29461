import type { Implementation, LogLevel } from '../protocol/context.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import type { ContinuationStore } from './continuations.ts';
import { memoryContinuations } from './continuations.ts';
import type { EventStore } from './events.ts';
import { memoryEvents } from './memory-events.ts';
import { memorySubscriptions, page } from './memory-subscriptions.ts';

/** The transport that a session was opened on, and is bound to. */
export type SessionTransport = 'streamable' | 'sse';

/** One session of a legacy revision: a row. */
export interface Session {
  /** 256 random bits as base64url behind `mcp_`. Unguessable, yet never a credential. */
  readonly id: string;
  readonly transport: SessionTransport;
  /** The negotiated revision. */
  readonly revision: string;
  /** Who opened it, and who alone may use it; `null` for a guest. */
  readonly principal: string | null;
  readonly clientInfo: Implementation;
  readonly capabilities: JsonObject;
  /** `null` until the client sets one. */
  readonly logLevel: LogLevel | null;
  /** Whether `notifications/initialized` has arrived. */
  readonly initialized: boolean;
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
  /** From here on it does not exist. */
  readonly expiresAt: Date;
}

/** The columns of a session that may change. */
export type SessionPatch = Partial<Pick<Session, 'revision' | 'clientInfo' | 'capabilities' | 'logLevel' | 'initialized'>>;

/** What is still known of a session that has ended. */
export type EndedSession = Pick<Session, 'id' | 'principal' | 'clientInfo' | 'revision'>;

/** A session as operators see it. */
export interface ListedSession extends Session {
  /** Who delivers its outbound stream now; `null` while nobody does. */
  readonly holder: string | null;
}

/** Which sessions are listed. */
export interface ListQuery {
  /** Those of one principal, `null` for guests; of all, if left out. */
  readonly principal?: string | null | undefined;
  /** Those that expired at or before are left out. */
  readonly now: Date;
  readonly take: number;
  /** The last one of the page before. */
  readonly after?: Pick<Session, 'expiresAt' | 'id'> | undefined;
}

/** How a session's outbound stream is taken over. */
export interface ClaimOptions {
  /** Sets the delivered position, to what the client says it has seen. */
  readonly from?: number | undefined;
  /** Only where nobody delivers it. @default false */
  readonly ifFree?: boolean | undefined;
}

/**
 * Where sessions live. Every verb is one atomic step: nothing is read, changed and written back.
 *
 * A verb that names a session which does not exist (any more) changes nothing and says so by its result.
 */
export interface SessionStore {
  /** Adds a session. */
  create(session: Session): Promise<void>;
  /** The session, expired or not; whose it is and whether it still counts is the caller's question. */
  find(id: string): Promise<Session | undefined>;
  /** Which of these sessions exist, expired or not. */
  existing(ids: readonly string[]): Promise<string[]>;
  /** Sets single columns; `false` if there is no such session. */
  update(id: string, patch: SessionPatch): Promise<boolean>;
  /** Marks sessions as seen and moves their expiry; a session that was seen later stays as it is. */
  touch(ids: readonly string[], lastSeenAt: Date, expiresAt: Date): Promise<void>;
  /** Ends a session with all that hangs on it; `false` if it was gone. */
  end(id: string): Promise<boolean>;
  /** Keeps the `keep` most recently seen sessions of a principal and ends the others. Those that are gone, and how many are left. */
  evict(principal: string | null, keep: number): Promise<{ ended: EndedSession[]; left: number }>;
  /** Ends at most `limit` sessions that expired at or before `now`; those that are gone. */
  sweep(now: Date, limit: number): Promise<EndedSession[]>;
  /** Adds a resource subscription; idempotent. `false` if there is no such session. */
  subscribe(id: string, uri: string): Promise<boolean>;
  unsubscribe(id: string, uri: string): Promise<void>;
  /** Which of these sessions subscribed to `uri`. */
  subscribers(uri: string, ids: readonly string[]): Promise<string[]>;
  /** At most `limit` sessions that subscribed to `uri`, in the order of their ids, behind `after`. */
  subscribedTo(uri: string, after: string | undefined, limit: number): Promise<string[]>;
  /** At most `limit` initialized sessions whose outbound stream has a holder or that were seen since `since`, in the order of their ids, behind `after`. */
  reachable(since: Date, after: string | undefined, limit: number): Promise<string[]>;
  /**
   * Makes `holder` the one who delivers the session's outbound stream, in place of whoever did.
   *
   * @returns The delivered position; `undefined` if there is no such session, or it was wanted `ifFree` and is not.
   */
  claim(id: string, holder: string, options?: ClaimOptions): Promise<number | undefined>;
  /** The delivered position; `undefined` if there is no such session. */
  delivered(id: string): Promise<number | undefined>;
  /** Moves the delivered position, if `holder` still holds the stream and it still is `from`; whether it did. */
  advance(id: string, holder: string, from: number, to: number): Promise<boolean>;
  /** Gives the outbound stream up, if `holder` still holds it. */
  release(id: string, holder: string): Promise<void>;
  /** Sessions, those that expire last first, hence the ones used last. */
  list(query: ListQuery): Promise<ListedSession[]>;
}

/** Where all protocol state lives. */
export interface Store extends SessionStore, EventStore, ContinuationStore {}

/**
 * Protocol state in this process's memory, lost when it ends: for servers of one process, and for tests.
 *
 * Passed as `sessions: { store: memoryStore() }`; the default where no `prisma` is given.
 */
export function memoryStore(): Store {
  const sessions = new Map<string, Session>();
  const ofPrincipal = new Map<string | null, Set<string>>();
  const deliveries = new Map<string, Delivery>();
  const subscriptions = memorySubscriptions(id => sessions.has(id));
  const events = memoryEvents(id => deliveries.get(id)?.delivered);

  const remove = (id: string): boolean => {
    const session = sessions.get(id);
    if (!session) return false;
    sessions.delete(id);
    deliveries.delete(id);
    subscriptions.drop(id);
    events.drop(id);
    const siblings = ofPrincipal.get(session.principal);
    siblings?.delete(id);
    if (siblings?.size === 0) ofPrincipal.delete(session.principal);
    return true;
  };

  return {
    ...memoryContinuations(),
    ...subscriptions.store,
    ...events.store,
    async create(session) {
      if (sessions.has(session.id)) throw new Error('A session of this id exists');
      sessions.set(session.id, { ...session });
      deliveries.set(session.id, { holder: null, delivered: 0 });
      const siblings = ofPrincipal.get(session.principal);
      if (siblings) siblings.add(session.id);
      else ofPrincipal.set(session.principal, new Set([session.id]));
    },
    async find(id) {
      return sessions.get(id);
    },
    async existing(ids) {
      return ids.filter(id => sessions.has(id));
    },
    async update(id, patch) {
      const session = sessions.get(id);
      if (session) sessions.set(id, { ...session, ...patch });
      return session !== undefined;
    },
    async touch(ids, lastSeenAt, expiresAt) {
      for (const id of ids) {
        const session = sessions.get(id);
        if (session && session.lastSeenAt < lastSeenAt) sessions.set(id, { ...session, lastSeenAt, expiresAt });
      }
    },
    async end(id) {
      return remove(id);
    },
    async evict(principal, keep) {
      const own = [...(ofPrincipal.get(principal) ?? [])].flatMap(id => sessions.get(id) ?? []);
      const ended = own.sort(mostRecentFirst).slice(keep);
      for (const { id } of ended) remove(id);
      return { ended, left: own.length - ended.length };
    },
    async sweep(now, limit) {
      const ended: Session[] = [];
      for (const session of sessions.values()) {
        if (ended.length === limit) break;
        if (session.expiresAt <= now) ended.push(session);
      }
      for (const { id } of ended) remove(id);
      return ended;
    },
    async reachable(since, after, limit) {
      return page(sessions, after, limit, ({ id, initialized, lastSeenAt }) => {
        return initialized && (deliveries.get(id)?.holder !== null || lastSeenAt >= since);
      });
    },
    async claim(id, holder, { from, ifFree = false } = {}) {
      const delivery = deliveries.get(id);
      if (!delivery || (ifFree && delivery.holder !== null)) return undefined;
      delivery.holder = holder;
      delivery.delivered = from ?? delivery.delivered;
      return delivery.delivered;
    },
    async delivered(id) {
      return deliveries.get(id)?.delivered;
    },
    async advance(id, holder, from, to) {
      const delivery = deliveries.get(id);
      if (delivery?.holder !== holder || delivery.delivered !== from) return false;
      delivery.delivered = to;
      return true;
    },
    async release(id, holder) {
      const delivery = deliveries.get(id);
      if (delivery?.holder === holder) delivery.holder = null;
    },
    async list({ principal, now, take, after }) {
      const ids = principal === undefined ? [...sessions.keys()] : [...(ofPrincipal.get(principal) ?? [])];
      return ids
        .flatMap(id => sessions.get(id) ?? [])
        .filter(session => session.expiresAt > now && (after === undefined || lastExpiringFirst(after, session) < 0))
        .sort(lastExpiringFirst)
        .slice(0, take)
        .map(session => ({ ...session, holder: deliveries.get(session.id)?.holder ?? null }));
    },
  };
}

/** The state of a session's outbound stream. */
interface Delivery {
  holder: string | null;
  delivered: number;
}

function lastExpiringFirst(a: Pick<Session, 'expiresAt' | 'id'>, b: Pick<Session, 'expiresAt' | 'id'>): number {
  return b.expiresAt.getTime() - a.expiresAt.getTime() || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}

function mostRecentFirst(a: Session, b: Session): number {
  return b.lastSeenAt.getTime() - a.lastSeenAt.getTime() || b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1);
}
