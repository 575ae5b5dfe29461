/** The stream of the endpoint's own log, which belongs to no session. */
export const LOG = '*';

/** One event of a stream that somebody has not received yet: a row, never changed until it is removed. */
export interface StoredEvent {
  /** `null` where it concerns the endpoint, not one session. */
  readonly sessionId: string | null;
  /** The stream, unique across sessions. */
  readonly stream: string;
  /** Position in the stream, from 1. */
  readonly seq: number;
  /** One JSON-RPC message. */
  readonly data: string;
  /** Length of `data` in bytes. */
  readonly bytes: number;
  /** Whether the stream ends with it. */
  readonly final: boolean;
  readonly expiresAt: Date;
}

/** Messages for the end of a stream. */
export interface EventPush {
  /** The session that the stream belongs to; `null` for the endpoint's log. */
  readonly sessionId: string | null;
  readonly stream: string;
  /** One JSON-RPC message each. */
  readonly data: readonly string[];
  readonly expiresAt: Date;
}

/** How much of one session is kept. */
export interface EventLimits {
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/**
 * Where events live. They go with their session.
 *
 * A stream has either one writer, who gives the positions and appends, or many, who push.
 */
export interface EventStore {
  /** Adds events; those that are there already or whose session is gone are dropped. */
  append(events: readonly StoredEvent[]): Promise<void>;
  /**
   * Adds messages behind the last event of each stream, however many push in whatever process.
   *
   * Positions follow the order of commits: whoever has read up to one finds all that comes later behind it.
   * None is given twice until all events of the stream have expired; those that were delivered never are.
   * Up to 100 messages are written in one step, all or none, and more in several.
   *
   * @returns The last position of each push; `undefined` where the session is gone, or there is no message.
   */
  push(pushes: readonly EventPush[]): Promise<(number | undefined)[]>;
  /** At most `limit` events of a stream behind `after`, in order. */
  read(stream: string, after: number, limit: number): Promise<StoredEvent[]>;
  /** The last position of each of these streams that has events. */
  last(streams: readonly string[]): Promise<Map<string, number>>;
  /** Removes events that were used. */
  remove(stream: string, seqs: readonly number[]): Promise<void>;
  /** Removes the oldest events of a session beyond a number and a sum of bytes; how many. */
  prune(sessionId: string, limits: EventLimits): Promise<number>;
  /** Removes events that expired at or before `now`, about `limit` at a time; how many. The last one of the endpoint's log stays, it numbers the next. */
  sweepEvents(now: Date, limit: number): Promise<number>;
}

/** Length of a message as rows count it. */
export function bytesOf(data: string): number {
  return Buffer.byteLength(data);
}
