import type { Implementation, JsonObject, LogLevel } from '../protocol/definitions.ts';

/** The transport that opened a session. The session works with this transport only. */
export type SessionTransport = 'streamable' | 'sse';

/** One session of a legacy revision, as a row. */
export interface Session {
  /** `mcp_` and 256 random bits as base64url. Nobody can guess it, but it is never used as a credential. */
  readonly id: string;
  readonly transport: SessionTransport;
  /** The negotiated revision. */
  readonly revision: string;
  /** The caller who opened the session. Nobody else may use it. `null` for a guest. */
  readonly principal: string | null;
  readonly clientInfo: Implementation;
  readonly capabilities: JsonObject;
  /** `null` until the client sets one. */
  readonly logLevel: LogLevel | null;
  /** Whether `notifications/initialized` has arrived. */
  readonly initialized: boolean;
  /**
   * The newest connection that carried the session's stream: `<name of the process>/<run of the process>.<random>`; `null` before the
   * first. The value stays when the connection closes.
   */
  readonly connection: string | null;
  /**
   * How far the session's stream was delivered: an encoded position in the log. Written when the session opens, and when a GET connection
   * opens and closes. `null`: the stream starts at the current end of the log.
   */
  readonly position: string | null;
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
  /** From this time on the session counts as gone. */
  readonly expiresAt: Date;
}

/** The columns of a session that may change. */
export type SessionPatch = Partial<
  Pick<Session, 'revision' | 'clientInfo' | 'capabilities' | 'logLevel' | 'initialized' | 'connection' | 'position'>
>;

/** The data of a session that has ended. */
export type EndedSession = Pick<Session, 'id' | 'principal' | 'clientInfo' | 'revision' | 'createdAt'>;

/** Selects the sessions that are listed. */
export interface ListQuery {
  /** Only sessions of this principal; `null` for guests. Without it, sessions of all. */
  readonly principal?: string | null | undefined;
  /** Sessions that expired at or before this time are left out. */
  readonly now: Date;
  readonly take: number;
  /** The last session of the previous page. */
  readonly after?: Pick<Session, 'expiresAt' | 'id'> | undefined;
}

/**
 * Stores sessions. Every verb is one atomic step: it never reads a row, changes it and writes it back. Every verb may be repeated.
 *
 * A verb for a session that does not exist changes nothing and reports this by its result.
 */
export interface SessionStore {
  /** Adds a session. If the same session exists already, nothing changes. */
  create(session: Session): Promise<void>;
  /** Returns the session, expired or not. The caller checks the principal and the expiry. */
  find(id: string): Promise<Session | undefined>;
  /** Returns the ids of those sessions that exist, expired or not. */
  existing(ids: readonly string[]): Promise<string[]>;
  /** Changes some columns; `false` if the session does not exist. */
  update(id: string, patch: SessionPatch): Promise<boolean>;
  /**
   * Sets the last-seen and expiry times of sessions. A session with the same or a later last-seen time stays as it is. Returns how many
   * were changed.
   */
  touch(ids: readonly string[], lastSeenAt: Date, expiresAt: Date): Promise<number>;
  /** Removes a session and its subscriptions; `false` if the session does not exist. */
  end(id: string): Promise<boolean>;
  /**
   * Keeps `keep` sessions of a principal and ends the others: first those that are not `initialized`, except the newest of them (an eighth
   * of `keep`, at least one), then those that were seen longest ago. Returns the ended sessions and the number of sessions left.
   */
  evict(principal: string | null, keep: number): Promise<{ ended: EndedSession[]; left: number }>;
  /** Ends at most `limit` sessions that expired at or before `now`. Returns the ended sessions. */
  sweep(now: Date, limit: number): Promise<EndedSession[]>;
  /** Adds a resource subscription. Repeating it changes nothing. `false` if the session does not exist. */
  subscribe(id: string, uri: string): Promise<boolean>;
  unsubscribe(id: string, uri: string): Promise<void>;
  /** Returns how many URIs a session is subscribed to. */
  countSubscriptions(id: string): Promise<number>;
  /** Returns the URIs that a session is subscribed to. */
  subscriptions(id: string): Promise<string[]>;
  /** Returns sessions, latest expiry first. These are the most recently used ones. */
  list(query: ListQuery): Promise<Session[]>;
}

/** One event to be appended. */
export interface NewEvent {
  /** Unique among all events. An event is not added if its key exists already. At most 191 characters. */
  readonly key: string;
  /** The name of the event's stream; at most 191 characters. `'*'` is the stream for every process. */
  readonly stream: string;
  /** The session that the event concerns, for operators; `null` for none. The session need not exist. */
  readonly sessionId: string | null;
  /** Any text that is valid Unicode without NUL, up to many megabytes. */
  readonly data: string;
  /** From this time on the event may be removed. */
  readonly expiresAt: Date;
}

/** One event with all its data. */
export interface StoredEvent {
  /** Position in the log. Greater than the id of every event that was committed before this event was appended. */
  readonly id: number;
  readonly stream: string;
  readonly data: string;
}

/** One event as the tail reads it. */
export interface TailedEvent {
  readonly id: number;
  readonly stream: string;
  /** `undefined` if the data is long. Readers that need it then call `findEvents`. */
  readonly data: string | undefined;
}

/** Selects the events that `read` returns: all events behind a position, and late ones before it. */
export interface TailQuery {
  /** Events with a greater id match. */
  readonly after: number;
  /** Ids up to `after` that were missing when the reader passed them. Events with these ids match too. At most 1,000. */
  readonly gaps: readonly number[];
  readonly limit: number;
}

/** Selects the events that `findEvents` returns. */
export interface FindQuery {
  readonly streams: readonly string[];
  /** Events with a greater id match. */
  readonly after: number;
  /** Events with one of these ids match too; at most 1,000. @default none */
  readonly gaps?: readonly number[] | undefined;
  /** Events with a greater id do not match. @default no bound */
  readonly upTo?: number | undefined;
  readonly limit: number;
}

/**
 * Stores the log: one append-only table. Every process appends to it without reading first, and reads on from its own position.
 *
 * Ids grow with every append. Events that are appended at the same time may become visible in another order than that of their ids. If a
 * writer appends after its earlier append was answered, the new events have greater ids than its earlier ones.
 */
export interface EventStore {
  /**
   * Adds those events whose keys are not in the log yet, in the given order. May be repeated any number of times if the outcome of a try is
   * unknown.
   *
   * If it fails, any of the events may have been added.
   */
  append(events: readonly NewEvent[]): Promise<void>;
  /** Returns events of all streams in the order of their ids. */
  read(query: TailQuery): Promise<TailedEvent[]>;
  /** Returns events of some streams with all their data, in the order of their ids. */
  findEvents(query: FindQuery): Promise<StoredEvent[]>;
  /** Returns the greatest ids, at most `limit`, greatest first. */
  latest(limit: number): Promise<number[]>;
  /**
   * Removes at most `limit` events that expired at or before `now`, but never the newest event of the stream `'*'`. Returns how many were
   * removed.
   */
  sweepEvents(now: Date, limit: number): Promise<number>;
}

/** Stores the processes. Each process has a row with a counter that it raises while it is alive. */
export interface NodeStore {
  /** Raises the counter of a process by one. Adds a row with the counter 1 if there is none. */
  beat(id: string, expiresAt: Date): Promise<void>;
  /** Returns the counters of these processes, without those that have no row. */
  beats(ids: readonly string[]): Promise<Map<string, number>>;
  /** Removes the row of a process that shuts down. */
  removeNode(id: string): Promise<void>;
  /** Removes at most `limit` rows that expired at or before `now`. Returns how many were removed. */
  sweepNodes(now: Date, limit: number): Promise<number>;
}

/** The state of a call that ended with `input_required`, kept until the client's retry: a row. */
export interface Continuation {
  /** The `requestState`: 256 random bits as base64url. It holds no data that a client could change. */
  readonly id: string;
  /** The caller of the call; `null` for a guest. */
  readonly principal: string | null;
  /** SHA-256 of the request that is continued. */
  readonly request: string;
  /** The client's answers so far, by key. */
  readonly answers: Readonly<Record<string, JsonObject>>;
  readonly expiresAt: Date;
}

/** Stores continuations. Every verb is one atomic step and may be repeated. */
export interface ContinuationStore {
  /** Adds a continuation that nobody has taken. If the same one exists already, nothing changes. */
  saveContinuation(continuation: Continuation): Promise<void>;
  /** Returns the continuation, expired or not, taken or not. */
  findContinuation(id: string): Promise<Continuation | undefined>;
  /**
   * Takes a continuation for `by`. Returns whether `by` has it. Of several takers only one gets it. A repeated call with the same `by`
   * returns the same answer.
   *
   * @param id Id of a continuation that was found.
   * @param by Random and unique, at most 191 characters.
   */
  takeContinuation(id: string, by: string): Promise<boolean>;
  /**
   * Gives back a continuation that `by` has taken, so that it can be taken again. If `by` does not have it, nothing changes and the result
   * is `false`.
   */
  returnContinuation(id: string, by: string): Promise<boolean>;
  /** Removes a continuation, taken or not. */
  removeContinuation(id: string): Promise<void>;
  /** Keeps the `keep` newest continuations of a principal and removes the others. Returns how many are left. */
  evictContinuations(principal: string | null, keep: number): Promise<number>;
  /** Removes at most `limit` continuations that expired at or before `now`. Returns how many were removed. */
  sweepContinuations(now: Date, limit: number): Promise<number>;
}

/** The state of a task. The last three are final: the row then changes no more. */
export type TaskStatus = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled';

/** The states in which a task has not ended. */
export const runningStatuses: readonly TaskStatus[] = ['working', 'input_required'];

/** Whether a task has ended, so that its row changes no more. */
export function hasEnded({ status }: Pick<Task, 'status'>): boolean {
  return !runningStatuses.some(running => running === status);
}

/** The `node` of a task that no process of the app runs. */
export const elsewhere = '';

/** One call of a tool that goes on after its client has got the id, as a row. */
export interface Task {
  /** 256 random bits as base64url. Nobody can guess it, but it is never used as a credential. */
  readonly id: string;
  /** The caller who started it. Nobody else may use it. `null` for a guest. */
  readonly principal: string | null;
  /** The session that is told of its changes; `null` in revisions without sessions. */
  readonly sessionId: string | null;
  readonly tool: string;
  /** The run of the process that runs it; `''` if it goes on elsewhere, so that it depends on no process. */
  readonly node: string;
  readonly status: TaskStatus;
  /** The state in words; `null` for none. */
  readonly statusMessage: string | null;
  /** Whether the tool's result has `isError`. */
  readonly isError: boolean;
  /** JSON text: what the handler has asked its client, with the answers. */
  readonly questions: string;
  /** JSON text: the result of the tool, or the error of a failed task; `null` before it has ended, and for a cancelled task. */
  readonly result: string | null;
  /** Counts the changes of the row, from 0. */
  readonly version: number;
  readonly createdAt: Date;
  readonly lastUpdatedAt: Date;
  /** From this time on the task counts as gone. */
  readonly expiresAt: Date;
}

/** The columns of a task that may change. */
export type TaskPatch = Pick<Task, 'lastUpdatedAt'> &
  Partial<Pick<Task, 'node' | 'status' | 'statusMessage' | 'isError' | 'questions' | 'result'>>;

/** A task without the columns that may be long. */
export type ListedTask = Omit<Task, 'questions' | 'result'>;

/** Selects the tasks that are listed. */
export interface TaskListQuery {
  readonly principal: string | null;
  /** Tasks that expired at or before this time are left out. */
  readonly now: Date;
  readonly take: number;
  /** The last task of the previous page. */
  readonly after?: Pick<Task, 'createdAt' | 'id'> | undefined;
}

/** Stores tasks. Every verb is one atomic step and may be repeated. */
export interface TaskStore {
  /** Adds a task. If the same task exists already, nothing changes. */
  createTask(task: Task): Promise<void>;
  /** Returns the task, expired or not. The caller checks the principal and the expiry. */
  findTask(id: string): Promise<Task | undefined>;
  /**
   * Changes some columns and raises the version by one, if the row still has this version. Otherwise nothing changes and the result is
   * `false`: the caller then reads the row again and decides anew. After a lost answer, the row may have the change already.
   */
  updateTask(id: string, version: number, patch: TaskPatch): Promise<boolean>;
  /** Returns the versions of those tasks that exist. */
  taskVersions(ids: readonly string[]): Promise<Map<string, number>>;
  /** Returns tasks of a principal, latest `createdAt` first, then greatest id first. */
  listTasks(query: TaskListQuery): Promise<ListedTask[]>;
  /** Returns the `node` of each task of a principal that has not ended and not expired, at most `limit`. */
  runningTasks(principal: string | null, now: Date, limit: number): Promise<string[]>;
  /** Sets all tasks of a process that have not ended to `failed`, with this result. Returns how many were changed. */
  failTasks(node: string, failed: Required<Pick<TaskPatch, 'lastUpdatedAt' | 'statusMessage' | 'result'>>): Promise<number>;
  /** Of a principal's tasks that have ended, keeps the `keep` that changed last and removes the others. Returns how many are left. */
  evictTasks(principal: string | null, keep: number): Promise<number>;
  /** Removes at most `limit` tasks that expired at or before `now`. Returns how many were removed. */
  sweepTasks(now: Date, limit: number): Promise<number>;
}

/**
 * Stores all protocol state.
 *
 * A verb rejects with `StoreUnavailable` if the database is away or too busy to answer. The caller then tries again, or answers 503.
 */
export interface Store extends SessionStore, EventStore, NodeStore, ContinuationStore, TaskStore {}
