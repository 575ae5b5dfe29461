import type { Implementation, JsonObject, LogLevel } from '../protocol/definitions.ts';

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
  /**
   * The newest connection that carries the session's stream: `<name of the process>/<run of the process>.<random>`; `null` before the first.
   * It stays when the connection closes.
   */
  readonly connection: string | null;
  /** How far the session's stream was delivered, as an encoded position in the log; at most a second old. `null`: from now on. */
  readonly position: string | null;
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
  /** From here on it does not exist. */
  readonly expiresAt: Date;
}

/** The columns of a session that may change. */
export type SessionPatch = Partial<
  Pick<Session, 'revision' | 'clientInfo' | 'capabilities' | 'logLevel' | 'initialized' | 'connection' | 'position'>
>;

/** What is still known of a session that has ended. */
export type EndedSession = Pick<Session, 'id' | 'principal' | 'clientInfo' | 'revision'>;

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

/**
 * Where sessions live. Every verb is one atomic step: nothing is read, changed and written back. Every verb may be repeated.
 *
 * A verb that names a session which does not exist (any more) changes nothing and says so by its result.
 */
export interface SessionStore {
  /** Adds a session. Repeated with the same session it changes nothing. */
  create(session: Session): Promise<void>;
  /** The session, expired or not; whose it is and whether it still counts is the caller's question. */
  find(id: string): Promise<Session | undefined>;
  /** Which of these sessions exist, expired or not. */
  existing(ids: readonly string[]): Promise<string[]>;
  /** Sets single columns; `false` if there is no such session. */
  update(id: string, patch: SessionPatch): Promise<boolean>;
  /** Marks sessions as seen and moves their expiry; a session that was seen later stays as it is. How many were marked. */
  touch(ids: readonly string[], lastSeenAt: Date, expiresAt: Date): Promise<number>;
  /** Ends a session with its subscriptions; `false` if it was gone. */
  end(id: string): Promise<boolean>;
  /** Keeps the `keep` most recently seen sessions of a principal and ends the others. Those that are gone, and how many are left. */
  evict(principal: string | null, keep: number): Promise<{ ended: EndedSession[]; left: number }>;
  /** Ends at most `limit` sessions that expired at or before `now`; those that are gone. */
  sweep(now: Date, limit: number): Promise<EndedSession[]>;
  /** Adds a resource subscription; idempotent. `false` if there is no such session. */
  subscribe(id: string, uri: string): Promise<boolean>;
  unsubscribe(id: string, uri: string): Promise<void>;
  /** The URIs that a session subscribed to. */
  subscriptions(id: string): Promise<string[]>;
  /** Sessions, those that expire last first, hence the ones used last. */
  list(query: ListQuery): Promise<Session[]>;
}

/** One event as its writer gives it. */
export interface NewEvent {
  /** Unique among all events: an event whose key is there is not added again. At most 191 characters. */
  readonly key: string;
  /** Whom it is for; at most 191 characters. `'*'` is everybody. */
  readonly stream: string;
  /** The session it concerns, for operators; `null` for none. The session need not exist. */
  readonly sessionId: string | null;
  /** Any text that is valid Unicode without NUL, up to many megabytes. */
  readonly data: string;
  /** From here on nobody needs it. */
  readonly expiresAt: Date;
}

/** One event as it is found. */
export interface StoredEvent {
  /** Position in the log: greater than that of every event that was committed before this one was appended. */
  readonly id: number;
  readonly stream: string;
  readonly data: string;
}

/** One event as the tail reads it. */
export interface TailedEvent {
  readonly id: number;
  readonly stream: string;
  /** `undefined` if it is so long that only those whom it concerns should read it, with `findEvents`. */
  readonly data: string | undefined;
}

/** Which events `read` gives: all behind a position, and those ids before it that were missing. */
export interface TailQuery {
  /** Events with a greater id. */
  readonly after: number;
  /** Ids up to `after` that were not there yet when they were passed; at most 1,000. */
  readonly gaps: readonly number[];
  readonly limit: number;
}

/** Which events `findEvents` gives. */
export interface FindQuery {
  readonly streams: readonly string[];
  /** Events with a greater id. */
  readonly after: number;
  /** And those with one of these ids, at most 1,000. @default none */
  readonly gaps?: readonly number[] | undefined;
  /** None with a greater id. @default no bound */
  readonly upTo?: number | undefined;
  readonly limit: number;
}

/**
 * The log: one append-only table that every process writes without reading, and reads on from where it was.
 *
 * Ids grow with every append. Events that are appended at the same time may become visible in another order than that of their ids; what one
 * writer appends after its own earlier append was answered has greater ids.
 */
export interface EventStore {
  /**
   * Adds the events whose keys are not there, in their order. May be repeated as often as needed when the outcome of a try is unknown.
   *
   * All or, where it fails, any number of them may have been added.
   */
  append(events: readonly NewEvent[]): Promise<void>;
  /** Events of all streams in the order of their ids. */
  read(query: TailQuery): Promise<TailedEvent[]>;
  /** Events of some streams in the order of their ids, whole. */
  findEvents(query: FindQuery): Promise<StoredEvent[]>;
  /** The greatest ids, at most `limit`, greatest first. */
  latest(limit: number): Promise<number[]>;
  /** Removes at most `limit` events that expired at or before `now`, but never the newest one of the stream `'*'`; how many. */
  sweepEvents(now: Date, limit: number): Promise<number>;
}

/** The processes, each a row that lives while its process raises its counter. */
export interface NodeStore {
  /** Raises the counter of a process by one, adding its row with 1 if it has none. */
  beat(id: string, expiresAt: Date): Promise<void>;
  /** The counters of these processes; those without a row are left out. */
  beats(ids: readonly string[]): Promise<Map<string, number>>;
  /** Removes the row of a process that ends in good order. */
  removeNode(id: string): Promise<void>;
  /** Removes at most `limit` rows that expired at or before `now`; how many. */
  sweepNodes(now: Date, limit: number): Promise<number>;
}

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

/** Where continuations live. Every verb is one atomic step, and may be repeated. */
export interface ContinuationStore {
  /** Adds one that nobody has taken. Repeated with the same one it changes nothing. */
  saveContinuation(continuation: Continuation): Promise<void>;
  /** The continuation, expired or not, taken or not. */
  findContinuation(id: string): Promise<Continuation | undefined>;
  /**
   * Takes one for `by`: whether `by` has it. Of several that take it at once, one has it; asked again for the same `by`, that is the answer again.
   *
   * @param id Of one that was found.
   * @param by Random and unique, at most 191 characters.
   */
  takeContinuation(id: string, by: string): Promise<boolean>;
  /** Gives one back that `by` has, so that others can take it; `false`, without a change, if `by` does not have it. */
  returnContinuation(id: string, by: string): Promise<boolean>;
  /** Removes one, taken or not. */
  removeContinuation(id: string): Promise<void>;
  /** Removes at most `limit` that expired at or before `now`; how many. */
  sweepContinuations(now: Date, limit: number): Promise<number>;
}

/**
 * Where all protocol state lives.
 *
 * A verb that fails because the database is away, or too busy to answer, rejects with `StoreUnavailable`; it is tried again, or answered 503.
 */
export interface Store extends SessionStore, EventStore, NodeStore, ContinuationStore {}
