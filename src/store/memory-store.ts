import type { Continuation, ContinuationStore, EventStore, NewEvent, NodeStore, Session, SessionStore, Store } from './store.ts';

/**
 * Stores protocol state in this process's memory. The state is lost when the process ends. For servers of one process, and for tests.
 *
 * Pass it as `sessions: { store: memoryStore() }`. It is the default if no `prisma` is given.
 */
export function memoryStore(): Store {
  return { ...memorySessions(), ...memoryEvents(), ...memoryNodes(), ...memoryContinuations() };
}

function memorySessions(): SessionStore {
  const sessions = new Map<string, Session>();
  const ofPrincipal = new Map<string | null, Set<string>>();
  const subscriptions = new Map<string, Set<string>>();

  const remove = (id: string): boolean => {
    const session = sessions.get(id);
    if (!session) return false;
    sessions.delete(id);
    subscriptions.delete(id);
    const siblings = ofPrincipal.get(session.principal);
    siblings?.delete(id);
    if (siblings?.size === 0) ofPrincipal.delete(session.principal);
    return true;
  };

  return {
    async create(session) {
      if (sessions.has(session.id)) return;
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
      let touched = 0;
      for (const id of ids) {
        const session = sessions.get(id);
        if (session === undefined || session.lastSeenAt >= lastSeenAt) continue;
        sessions.set(id, { ...session, lastSeenAt, expiresAt });
        touched += 1;
      }
      return touched;
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
    async subscribe(id, uri) {
      if (!sessions.has(id)) return false;
      const own = subscriptions.get(id);
      if (own) own.add(uri);
      else subscriptions.set(id, new Set([uri]));
      return true;
    },
    async unsubscribe(id, uri) {
      subscriptions.get(id)?.delete(uri);
    },
    async subscriptions(id) {
      return [...(subscriptions.get(id) ?? [])];
    },
    async list({ principal, now, take, after }) {
      const ids = principal === undefined ? [...sessions.keys()] : [...(ofPrincipal.get(principal) ?? [])];
      return ids
        .flatMap(id => sessions.get(id) ?? [])
        .filter(session => session.expiresAt > now && (after === undefined || lastExpiringFirst(after, session) < 0))
        .sort(lastExpiringFirst)
        .slice(0, take);
    },
  };
}

function lastExpiringFirst(a: Pick<Session, 'expiresAt' | 'id'>, b: Pick<Session, 'expiresAt' | 'id'>): number {
  return b.expiresAt.getTime() - a.expiresAt.getTime() || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}

function mostRecentFirst(a: Session, b: Session): number {
  return b.lastSeenAt.getTime() - a.lastSeenAt.getTime() || b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1);
}

function memoryEvents(): EventStore {
  let last = 0;
  let log: MemoryEvent[] = [];
  const keys = new Set<string>();
  const streams = new Map<string, MemoryEvent[]>();

  const dropFrom = (stream: string, dropped: ReadonlySet<MemoryEvent>): void => {
    const kept = (streams.get(stream) ?? []).filter(event => !dropped.has(event));
    if (kept.length > 0) streams.set(stream, kept);
    else streams.delete(stream);
  };

  return {
    async append(events) {
      for (const event of events) {
        if (keys.has(event.key)) continue;
        last += 1;
        const added = { ...event, id: last };
        keys.add(event.key);
        log.push(added);
        const own = streams.get(event.stream);
        if (own) own.push(added);
        else streams.set(event.stream, [added]);
      }
    },
    async read({ after, gaps, limit }) {
      return select(log, after, gaps).slice(0, limit).map(toStored);
    },
    async findEvents({ streams: names, after, gaps = [], upTo = Number.POSITIVE_INFINITY, limit }) {
      return [...new Set(names)]
        .flatMap(name => select(streams.get(name) ?? [], after, gaps))
        .filter(({ id }) => id <= upTo)
        .sort((a, b) => a.id - b.id)
        .slice(0, limit)
        .map(toStored);
    },
    async latest(limit) {
      return log
        .slice(-limit)
        .map(({ id }) => id)
        .reverse();
    },
    async sweepEvents(now, limit) {
      const newest = streams.get('*')?.at(-1);
      const swept = new Set<MemoryEvent>();
      for (const event of log) {
        if (swept.size === limit) break;
        if (event.expiresAt <= now && event !== newest) swept.add(event);
      }
      if (swept.size === 0) return 0;
      log = log.filter(event => !swept.has(event));
      for (const { key } of swept) keys.delete(key);
      for (const stream of new Set([...swept].map(event => event.stream))) dropFrom(stream, swept);
      return swept.size;
    },
  };
}

interface MemoryEvent extends NewEvent {
  readonly id: number;
}

/** Events behind `after`, preceded by events with the ids in `gaps`. `events` must be in the order of their ids. */
function select(events: readonly MemoryEvent[], after: number, gaps: readonly number[]): MemoryEvent[] {
  const late = [...new Set(gaps)].filter(id => id <= after).sort((a, b) => a - b);
  return [...late.flatMap(id => withId(events, id) ?? []), ...events.slice(indexBehind(events, after))];
}

function withId(events: readonly MemoryEvent[], id: number): MemoryEvent | undefined {
  const event = events[indexBehind(events, id - 1)];
  return event?.id === id ? event : undefined;
}

/** The index of the first event with a greater id. */
function indexBehind(events: readonly MemoryEvent[], id: number): number {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((events[middle] as MemoryEvent).id > id) high = middle;
    else low = middle + 1;
  }
  return low;
}

function toStored({ id, stream, data }: MemoryEvent): { id: number; stream: string; data: string } {
  return { id, stream, data };
}

function memoryNodes(): NodeStore {
  const nodes = new Map<string, { beat: number; expiresAt: Date }>();
  return {
    async beat(id, expiresAt) {
      nodes.set(id, { beat: (nodes.get(id)?.beat ?? 0) + 1, expiresAt });
    },
    async beats(ids) {
      return new Map(ids.flatMap(id => (nodes.has(id) ? [[id, nodes.get(id)?.beat ?? 0] as const] : [])));
    },
    async removeNode(id) {
      nodes.delete(id);
    },
    async sweepNodes(now, limit) {
      return sweepMap(nodes, now, limit);
    },
  };
}

function memoryContinuations(): ContinuationStore {
  const rows = new Map<string, { readonly continuation: Continuation; readonly expiresAt: Date; takenBy: string | null }>();
  return {
    async saveContinuation(continuation) {
      if (!rows.has(continuation.id)) rows.set(continuation.id, { continuation, expiresAt: continuation.expiresAt, takenBy: null });
    },
    async findContinuation(id) {
      return rows.get(id)?.continuation;
    },
    async takeContinuation(id, by) {
      const row = rows.get(id);
      if (row === undefined) return false;
      row.takenBy ??= by;
      return row.takenBy === by;
    },
    async returnContinuation(id, by) {
      const row = rows.get(id);
      if (row?.takenBy !== by) return false;
      row.takenBy = null;
      return true;
    },
    async removeContinuation(id) {
      rows.delete(id);
    },
    async sweepContinuations(now, limit) {
      return sweepMap(rows, now, limit);
    },
  };
}

function sweepMap(rows: Map<string, { readonly expiresAt: Date }>, now: Date, limit: number): number {
  let swept = 0;
  for (const [id, { expiresAt }] of rows) {
    if (swept === limit) break;
    if (expiresAt <= now && rows.delete(id)) swept += 1;
  }
  return swept;
}
