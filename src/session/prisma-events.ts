import type { EventStore, StoredEvent } from './events.ts';
import { FOREIGN_KEY_VIOLATION, hasCode, UNIQUE_VIOLATION } from './prisma-code.ts';

/** The part of the generated `McpEvent` delegate that is used. */
export interface EventDelegate {
  createMany(args: { data: StoredEvent[] }): Promise<unknown>;
  create(args: { data: StoredEvent; select: { seq: true } }): Promise<unknown>;
  findMany(args: {
    where: { stream: string; seq: { gt: number } } | { expiresAt: { lte: Date } };
    orderBy?: { seq: 'asc' };
    take: number;
  }): Promise<StoredEvent[]>;
  deleteMany(args: { where: { stream: { in: string[] }; expiresAt: { lte: Date } } }): Promise<{ count: number }>;
}

/** Events as rows of the host's database. They go with their session's row. */
export function prismaEvents(mcpEvent: EventDelegate): EventStore {
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
      return mcpEvent.findMany({ where: { stream, seq: { gt: after } }, orderBy: { seq: 'asc' }, take: limit });
    },
    async sweepEvents(now, limit) {
      const rows = await mcpEvent.findMany({ where: { expiresAt: { lte: now } }, take: limit });
      if (rows.length === 0) return 0;
      const streams = [...new Set(rows.map(({ stream }) => stream))];
      await mcpEvent.deleteMany({ where: { stream: { in: streams }, expiresAt: { lte: now } } });
      return rows.length;
    },
  };
}

async function appendOne(mcpEvent: EventDelegate, event: StoredEvent): Promise<void> {
  try {
    await mcpEvent.create({ data: event, select: { seq: true } });
  } catch (error) {
    if (!hasCode(error, UNIQUE_VIOLATION) && !hasCode(error, FOREIGN_KEY_VIOLATION)) throw error;
  }
}
