/** One event of a stream that a client may ask for again: a row, never changed. */
export interface StoredEvent {
  readonly sessionId: string;
  /** The stream, unique across sessions. */
  readonly stream: string;
  /** Position in the stream, from 1, without gaps. */
  readonly seq: number;
  /** One JSON-RPC message. */
  readonly data: string;
  /** Whether the stream ends with it. */
  readonly final: boolean;
  readonly expiresAt: Date;
}

/** Where events live. */
export interface EventStore {
  /** Adds events; those of a session that is gone are dropped. */
  append(events: readonly StoredEvent[]): Promise<void>;
  /** At most `limit` events of a stream behind `after`, in order. */
  read(stream: string, after: number, limit: number): Promise<StoredEvent[]>;
  /** Removes at most `limit` that expired at or before `now`; how many. */
  sweepEvents(now: Date, limit: number): Promise<number>;
}

/** Keeps events in this process. `exists` tells whether a session does; `drop` removes what hangs on one. */
export function memoryEvents(exists: (sessionId: string) => boolean): { store: EventStore; drop: (sessionId: string) => void } {
  const streams = new Map<string, StoredEvent[]>();
  const store: EventStore = {
    async append(events) {
      for (const event of events) {
        if (!exists(event.sessionId)) continue;
        const stream = streams.get(event.stream) ?? [];
        streams.set(event.stream, stream);
        if (!stream.some(({ seq }) => seq === event.seq)) stream.push(event);
        stream.sort((a, b) => a.seq - b.seq);
      }
    },
    async read(stream, after, limit) {
      return (streams.get(stream) ?? []).filter(({ seq }) => seq > after).slice(0, limit);
    },
    async sweepEvents(now, limit) {
      let swept = 0;
      for (const [id, events] of streams) {
        const kept = events.filter(({ expiresAt }) => expiresAt > now || swept++ >= limit);
        if (kept.length === 0) streams.delete(id);
        else streams.set(id, kept);
      }
      return Math.min(swept, limit);
    },
  };
  const drop = (sessionId: string) => {
    for (const [id, events] of streams) if (events[0]?.sessionId === sessionId) streams.delete(id);
  };
  return { store, drop };
}
