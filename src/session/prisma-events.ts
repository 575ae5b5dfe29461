import { BATCH, batches } from './batches.ts';
import type { EventStore, StoredEvent } from './events.ts';
import { LOG } from './events.ts';
import { FOREIGN_KEY_VIOLATION, hasCode, UNIQUE_VIOLATION } from './prisma-code.ts';

type EventWhere = {
  readonly stream?: string | { in: readonly string[] };
  readonly seq?: number | { gt: number } | { in: readonly number[] };
  readonly sessionId?: string;
  readonly bytes?: { gte: number };
  readonly expiresAt?: { lte: Date };
  readonly NOT?: EventWhere;
};

/** The part of the generated `McpEvent` delegate that is used. */
export interface EventDelegate {
  createMany(args: { data: StoredEvent[] }): Promise<unknown>;
  create(args: { data: StoredEvent; select: { seq: true } }): Promise<unknown>;
  findMany(args: {
    where: EventWhere;
    orderBy?: { [column in 'seq' | 'expiresAt']?: 'asc' | 'desc' }[];
    take: number;
    select?: { stream: true; seq: true; bytes: true };
  }): Promise<StoredEvent[]>;
  groupBy(args: { by: ['stream']; where: EventWhere; _max: { seq: true } }): Promise<{ stream: string; _max: { seq: number | null } }[]>;
  aggregate(args: {
    where: EventWhere;
    _count: { _all: true };
    _sum: { bytes: true };
  }): Promise<{ _count: { _all: number }; _sum: { bytes: number | null } }>;
  updateMany(args: { where: EventWhere; data: { data: string; bytes: number } }): Promise<{ count: number }>;
  deleteMany(args: { where: EventWhere }): Promise<{ count: number }>;
}

/**
 * Events as rows of the host's database. They go with their session's row.
 *
 * What was removed before it expired stays as an empty row, so that no other process gives its position once more.
 */
export function prismaEvents(mcpEvent: EventDelegate): Omit<EventStore, 'push'> {
  const remove = async (stream: string, seqs: readonly number[]): Promise<number> => {
    let removed = 0;
    for (const batch of batches(seqs)) {
      const { count } = await mcpEvent.updateMany({
        where: { stream, seq: { in: batch }, ...isThere },
        data: { data: '', bytes: REMOVED },
      });
      removed += count;
    }
    return removed;
  };

  return {
    async append(events) {
      if (events.length === 0) return;
      try {
        await mcpEvent.createMany({ data: [...events] });
      } catch (error) {
        // One that is there already, or whose session is gone, must not keep the others out.
        if (!hasCode(error, UNIQUE_VIOLATION) && !hasCode(error, FOREIGN_KEY_VIOLATION)) throw error;
        for (const event of events) await appendOne(mcpEvent, event);
      }
    },
    read(stream, after, limit) {
      return mcpEvent.findMany({ where: { stream, seq: { gt: after }, ...isThere }, orderBy: [{ seq: 'asc' }], take: limit });
    },
    last(streams) {
      return lastOf(mcpEvent, streams, isThere);
    },
    async remove(stream, seqs) {
      await remove(stream, seqs);
    },
    async prune(sessionId, { maxEvents, maxBytes }) {
      const where = { sessionId, ...isThere };
      const { _count, _sum } = await mcpEvent.aggregate({ where, _count: { _all: true }, _sum: { bytes: true } });
      let events = _count._all - maxEvents;
      let bytes = (_sum.bytes ?? 0) - maxBytes;
      let pruned = 0;
      while (events > 0 || bytes > 0) {
        const oldest = await mcpEvent.findMany({ where, orderBy: [{ expiresAt: 'asc' }, { seq: 'asc' }], take: BATCH, select: position });
        const surplus = new Map<string, number[]>();
        for (const event of oldest) {
          if (events <= 0 && bytes <= 0) break;
          const seqs = surplus.get(event.stream);
          if (seqs) seqs.push(event.seq);
          else surplus.set(event.stream, [event.seq]);
          events -= 1;
          bytes -= event.bytes;
        }
        for (const [stream, seqs] of surplus) pruned += await remove(stream, seqs);
        if (oldest.length < BATCH) break;
      }
      return pruned;
    },
    async sweepEvents(now, limit) {
      const [last] = await mcpEvent.findMany({ where: { stream: LOG }, orderBy: [{ seq: 'desc' }], take: 1, select: position });
      const expired: EventWhere = { expiresAt: { lte: now }, ...(last && { NOT: { stream: LOG, seq: last.seq } }) };
      const rows = await mcpEvent.findMany({ where: expired, take: limit, select: position });
      if (rows.length === 0) return 0;
      const streams = [...new Set(rows.map(({ stream }) => stream))];
      for (const batch of batches(streams)) await mcpEvent.deleteMany({ where: { stream: { in: batch }, ...expired } });
      return rows.length;
    },
  };
}

/** The greatest position of each of these streams that has one, of all its rows or of those that `where` leaves. */
export async function lastOf(mcpEvent: EventDelegate, streams: readonly string[], where: EventWhere = {}): Promise<Map<string, number>> {
  const last = new Map<string, number>();
  for (const batch of batches(streams)) {
    const rows = await mcpEvent.groupBy({ by: ['stream'], where: { stream: { in: batch }, ...where }, _max: { seq: true } });
    for (const { stream, _max } of rows) last.set(stream, _max.seq ?? 0);
  }
  return last;
}

/** `bytes` of an event that was removed. */
const REMOVED = -1;
const isThere = { bytes: { gte: 0 } };
const position = { stream: true, seq: true, bytes: true } as const;

async function appendOne(mcpEvent: EventDelegate, event: StoredEvent): Promise<void> {
  try {
    await mcpEvent.create({ data: event, select: { seq: true } });
  } catch (error) {
    if (!hasCode(error, UNIQUE_VIOLATION) && !hasCode(error, FOREIGN_KEY_VIOLATION)) throw error;
  }
}
