import { selectEvicted } from './eviction.ts';
import type {
  Continuation,
  ContinuationStore,
  EventStore,
  NewEvent,
  NodeStore,
  Session,
  SessionStore,
  Store,
  Task,
  TaskStore,
} from './store.ts';
import { hasEnded } from './store.ts';

/**
 * Stores protocol state in this process's memory. The state is lost when the process ends. For servers of one process, and for tests.
 *
 * Pass it as `sessions: { store: memoryStore() }`. It is the default if no `prisma` is given.
 */
export function memoryStore(): Store {
  return { ...memorySessions(), ...memoryEvents(), ...memoryNodes(), ...memoryContinuations(), ...memoryTasks() };
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
      const siblings = ofPrincipal.get(session.principal) ?? new Set();
      ofPrincipal.set(session.principal, siblings.add(session.id));
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
      const { unconfirmed, idle } = selectEvicted(own.sort(mostRecentFirst).reverse(), keep);
      const ended = [...unconfirmed, ...idle];
      for (const { id } of ended) remove(id);
      return { ended, left: own.length - ended.length };
    },
    async sweep(now, limit) {
      const ended = expired(sessions.values(), session => session, { now, limit });
      for (const { id } of ended) remove(id);
      return ended;
    },
    async subscribe(id, uri) {
      if (!sessions.has(id)) return false;
      subscriptions.set(id, (subscriptions.get(id) ?? new Set()).add(uri));
      return true;
    },
    async unsubscribe(id, uri) {
      subscriptions.get(id)?.delete(uri);
    },
    async countSubscriptions(id) {
      return subscriptions.get(id)?.size ?? 0;
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

  return {
    async append(events) {
      for (const event of events) {
        if (keys.has(event.key)) continue;
        last += 1;
        keys.add(event.key);
        log.push({ ...event, id: last });
      }
    },
    async read({ after, gaps, limit }) {
      return select(log, after, gaps).slice(0, limit).map(toStored);
    },
    async findEvents({ streams, after, gaps = [], upTo = Number.POSITIVE_INFINITY, limit }) {
      return select(log, after, gaps)
        .filter(({ id, stream }) => id <= upTo && streams.includes(stream))
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
      const newest = log.findLast(({ stream }) => stream === '*');
      const sweepable = log.filter(event => event !== newest);
      const swept = new Set(expired(sweepable, event => event, { now, limit }));
      if (swept.size > 0) log = log.filter(event => !swept.has(event));
      for (const { key } of swept) keys.delete(key);
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
  const nodes = new Map<string, { readonly beat: number; readonly expiresAt: Date }>();
  return {
    async beat(id, expiresAt) {
      nodes.set(id, { beat: (nodes.get(id)?.beat ?? 0) + 1, expiresAt });
    },
    async beats(ids) {
      return new Map([...nodes].filter(([id]) => ids.includes(id)).map(([id, { beat }]) => [id, beat]));
    },
    async removeNode(id) {
      nodes.delete(id);
    },
    async sweepNodes(now, limit) {
      const swept = expired(nodes, ([, node]) => node, { now, limit });
      for (const [id] of swept) nodes.delete(id);
      return swept.length;
    },
  };
}

function memoryContinuations(): ContinuationStore {
  const rows = new Map<string, { readonly continuation: Continuation; takenBy: string | null }>();
  return {
    async saveContinuation(continuation) {
      if (!rows.has(continuation.id)) rows.set(continuation.id, { continuation, takenBy: null });
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
    async evictContinuations(principal, keep) {
      const own = [...rows.values()].map(row => row.continuation).filter(continuation => continuation.principal === principal);
      const newestFirst = own.reverse().sort((a, b) => b.expiresAt.getTime() - a.expiresAt.getTime());
      for (const { id } of newestFirst.slice(keep)) rows.delete(id);
      return Math.min(own.length, keep);
    },
    async sweepContinuations(now, limit) {
      const swept = expired(rows.values(), row => row.continuation, { now, limit });
      for (const { continuation } of swept) rows.delete(continuation.id);
      return swept.length;
    },
  };
}

function memoryTasks(): TaskStore {
  const rows = new Map<string, Task>();
  const newestFirst = (principal: string | null): Task[] =>
    [...rows.values()].filter(task => task.principal === principal).sort(lastCreatedFirst);
  const change = (task: Task, patch: Partial<Task>): void => void rows.set(task.id, { ...task, ...patch, version: task.version + 1 });
  return {
    async createTask(task) {
      if (!rows.has(task.id)) rows.set(task.id, { ...task });
    },
    async findTask(id) {
      return rows.get(id);
    },
    async updateTask(id, version, patch) {
      const task = rows.get(id);
      if (task?.version !== version) return false;
      change(task, patch);
      return true;
    },
    async taskVersions(ids) {
      return new Map(ids.flatMap(id => rows.get(id) ?? []).map(({ id, version }) => [id, version]));
    },
    async listTasks({ principal, now, take, after }) {
      return newestFirst(principal)
        .filter(task => task.expiresAt > now && (after === undefined || lastCreatedFirst(after, task) < 0))
        .slice(0, take)
        .map(({ questions: _, result: __, ...task }) => task);
    },
    async runningTasks(principal, now, limit) {
      const running = newestFirst(principal).filter(task => !hasEnded(task) && task.expiresAt > now);
      return running.slice(0, limit).map(({ node }) => node);
    },
    async failTasks(node, failed) {
      const running = [...rows.values()].filter(task => task.node === node && !hasEnded(task));
      for (const task of running) change(task, { ...failed, status: 'failed' });
      return running.length;
    },
    async evictTasks(principal, keep) {
      const ended = newestFirst(principal)
        .filter(hasEnded)
        .sort((a, b) => b.lastUpdatedAt.getTime() - a.lastUpdatedAt.getTime());
      for (const { id } of ended.slice(keep)) rows.delete(id);
      return Math.min(ended.length, keep);
    },
    async sweepTasks(now, limit) {
      const swept = expired(rows.values(), task => task, { now, limit });
      for (const { id } of swept) rows.delete(id);
      return swept.length;
    },
  };
}

function lastCreatedFirst(a: Pick<Task, 'createdAt' | 'id'>, b: Pick<Task, 'createdAt' | 'id'>): number {
  return b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}

/** The first rows, at most `limit`, that expired at or before `now`. */
function expired<R>(
  rows: Iterable<R>,
  timesOf: (row: R) => { readonly expiresAt: Date },
  { now, limit }: { now: Date; limit: number },
): R[] {
  const found: R[] = [];
  for (const row of rows) {
    if (found.length === limit) break;
    if (timesOf(row).expiresAt <= now) found.push(row);
  }
  return found;
}
