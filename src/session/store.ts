import type { Implementation, LogLevel } from '../protocol/context.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import type { ContinuationStore } from './continuations.ts';
import { memoryContinuations } from './continuations.ts';
import type { EventStore } from './events.ts';
import { memoryEvents } from './events.ts';

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
  /** Keeps the `keep` most recently seen sessions of a principal and ends the others. Ids of those that are gone, and how many are left. */
  evict(principal: string | null, keep: number): Promise<{ ended: string[]; left: number }>;
  /** Ends at most `limit` sessions that expired at or before `now`; their ids. */
  sweep(now: Date, limit: number): Promise<string[]>;
  /** Adds a resource subscription; idempotent. `false` if there is no such session. */
  subscribe(id: string, uri: string): Promise<boolean>;
  unsubscribe(id: string, uri: string): Promise<void>;
  /** Which of these sessions subscribed to `uri`. */
  subscribers(uri: string, ids: readonly string[]): Promise<string[]>;
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
  const uris = new Map<string, Set<string>>();
  const events = memoryEvents(id => sessions.has(id));

  const remove = (id: string): boolean => {
    const session = sessions.get(id);
    if (!session) return false;
    sessions.delete(id);
    uris.delete(id);
    events.drop(id);
    const siblings = ofPrincipal.get(session.principal);
    siblings?.delete(id);
    if (siblings?.size === 0) ofPrincipal.delete(session.principal);
    return true;
  };

  return {
    ...memoryContinuations(),
    ...events.store,
    async create(session) {
      if (sessions.has(session.id)) throw new Error('A session of this id exists');
      sessions.set(session.id, { ...session });
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
      const ended = own
        .sort(mostRecentFirst)
        .slice(keep)
        .map(session => session.id);
      ended.forEach(remove);
      return { ended, left: own.length - ended.length };
    },
    async sweep(now, limit) {
      const ended: string[] = [];
      for (const session of sessions.values()) {
        if (ended.length === limit) break;
        if (session.expiresAt <= now) ended.push(session.id);
      }
      ended.forEach(remove);
      return ended;
    },
    async subscribe(id, uri) {
      if (!sessions.has(id)) return false;
      const own = uris.get(id);
      if (own) own.add(uri);
      else uris.set(id, new Set([uri]));
      return true;
    },
    async unsubscribe(id, uri) {
      uris.get(id)?.delete(uri);
    },
    async subscribers(uri, ids) {
      return ids.filter(id => uris.get(id)?.has(uri));
    },
  };
}

function mostRecentFirst(a: Session, b: Session): number {
  return b.lastSeenAt.getTime() - a.lastSeenAt.getTime() || b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1);
}
