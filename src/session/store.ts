import type { JsonObject } from '../protocol/definitions.ts';
import type { Implementation, LogLevel } from '../protocol/context.ts';

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

export type SessionPatch = Partial<Pick<Session, 'logLevel' | 'initialized'>>;

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
  /** Sets single columns; `false` if there is no such session. */
  update(id: string, patch: SessionPatch): Promise<boolean>;
  /** Marks sessions as seen and moves their expiry; never backwards. */
  touch(ids: readonly string[], lastSeenAt: Date, expiresAt: Date): Promise<void>;
  /** Ends a session with all that hangs on it; `false` if it was gone. */
  end(id: string): Promise<boolean>;
  /** Keeps the `keep` most recently seen sessions of a principal and ends the others. Ids of those ended, and how many are left. */
  evict(principal: string | null, keep: number): Promise<{ ended: string[]; left: number }>;
  /** Ends at most `limit` sessions that expired at or before `now`; their ids. */
  sweep(now: Date, limit: number): Promise<string[]>;
  /** Adds a resource subscription; idempotent. `false` if there is no such session. */
  subscribe(id: string, uri: string): Promise<boolean>;
  unsubscribe(id: string, uri: string): Promise<void>;
  /** Which of these sessions subscribed to `uri`. */
  subscribers(uri: string, ids: readonly string[]): Promise<string[]>;
}
