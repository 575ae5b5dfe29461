import type { EventStore, StoredEvent } from './events.ts';
import { bytesOf, LOG } from './events.ts';

/**
 * Keeps events in this process.
 *
 * @param deliveredOf The delivered position of a session; `undefined` if there is no such session.
 */
export function memoryEvents(deliveredOf: (sessionId: string) => number | undefined): MemoryEvents {
  const streams = new Map<string, Stream>();
  const ofSession = new Map<string, Set<string>>();

  const open = (name: string, sessionId: string | null): Stream => {
    const known = streams.get(name);
    if (known) return known;
    const stream: Stream = { sessionId, events: [], last: 0, expiresAt: new Date(0) };
    streams.set(name, stream);
    if (sessionId === null) return stream;
    const siblings = ofSession.get(sessionId);
    if (siblings) siblings.add(name);
    else ofSession.set(sessionId, new Set([name]));
    return stream;
  };

  const forget = (name: string, { sessionId }: Stream) => {
    streams.delete(name);
    if (sessionId === null) return;
    const siblings = ofSession.get(sessionId);
    siblings?.delete(name);
    if (siblings?.size === 0) ofSession.delete(sessionId);
  };

  const store: EventStore = {
    async append(events) {
      for (const event of events) {
        if (event.sessionId !== null && deliveredOf(event.sessionId) === undefined) continue;
        add(open(event.stream, event.sessionId), event);
      }
    },
    async push(pushes) {
      return pushes.map(({ sessionId, stream: name, data, expiresAt }) => {
        const delivered = sessionId === null ? 0 : deliveredOf(sessionId);
        if (delivered === undefined || data.length === 0) return undefined;
        const stream = open(name, sessionId);
        stream.last = Math.max(stream.last, delivered);
        for (const text of data) {
          add(stream, { sessionId, stream: name, seq: stream.last + 1, data: text, bytes: bytesOf(text), final: false, expiresAt });
        }
        return stream.last;
      });
    },
    async read(name, after, limit) {
      const { events = [] } = streams.get(name) ?? {};
      // What is asked for is mostly the end.
      let start = events.length;
      while (start > 0 && (events[start - 1] as StoredEvent).seq > after) start -= 1;
      return events.slice(start, start + limit);
    },
    async last(names) {
      return new Map(names.flatMap(name => streams.get(name)?.events.at(-1) ?? []).map(({ stream, seq }) => [stream, seq]));
    },
    async remove(name, seqs) {
      const stream = streams.get(name);
      if (stream) stream.events = stream.events.filter(({ seq }) => !seqs.includes(seq));
    },
    async prune(sessionId, { maxEvents, maxBytes }) {
      const own = [...(ofSession.get(sessionId) ?? [])].flatMap(name => streams.get(name)?.events ?? []);
      let bytes = own.reduce((sum, event) => sum + event.bytes, 0);
      if (own.length <= maxEvents && bytes <= maxBytes) return 0;
      own.sort(oldestFirst);
      let pruned = 0;
      while (own.length - pruned > maxEvents || bytes > maxBytes) bytes -= (own[pruned++] as StoredEvent).bytes;
      const gone = new Set(own.slice(0, pruned));
      for (const name of new Set(own.slice(0, pruned).map(({ stream }) => stream))) {
        const stream = streams.get(name) as Stream;
        stream.events = stream.events.filter(event => !gone.has(event));
      }
      return pruned;
    },
    async sweepEvents(now, limit) {
      let swept = 0;
      for (const [name, stream] of streams) {
        const kept = stream.events.filter(event => {
          const isDue = swept < limit && event.expiresAt <= now && !(name === LOG && event.seq === stream.last);
          if (isDue) swept += 1;
          return !isDue;
        });
        stream.events = kept;
        if (kept.length === 0 && stream.expiresAt <= now) forget(name, stream);
      }
      return swept;
    },
  };

  const drop = (sessionId: string) => {
    for (const name of ofSession.get(sessionId) ?? []) streams.delete(name);
    ofSession.delete(sessionId);
  };
  return { store, drop };
}

/** Events in memory, and the way to remove those of a session. */
export interface MemoryEvents {
  readonly store: EventStore;
  /** Removes what hangs on a session. */
  readonly drop: (sessionId: string) => void;
}

interface Stream {
  readonly sessionId: string | null;
  events: StoredEvent[];
  /** The last position given, whether its event is still there or was used. */
  last: number;
  /** When the event of that position expires. */
  expiresAt: Date;
}

function add(stream: Stream, event: StoredEvent): void {
  const { events } = stream;
  if (event.seq > stream.last) {
    events.push(event);
    stream.last = event.seq;
    stream.expiresAt = event.expiresAt;
  } else if (!events.some(({ seq }) => seq === event.seq)) {
    events.push(event);
    events.sort((a, b) => a.seq - b.seq);
  }
}

function oldestFirst(a: StoredEvent, b: StoredEvent): number {
  return a.expiresAt.getTime() - b.expiresAt.getTime() || a.seq - b.seq;
}
