import { batches, hasCode, UNIQUE_VIOLATION, WRITE_CONFLICT } from './delegates.ts';
import type { EventStore, NewEvent, StoredEvent } from './store.ts';

/** The part of the generated `McpEvent` delegate that is used. */
export interface EventDelegate {
  create(args: { data: EventData; select: { id: true } }): Promise<unknown>;
  createMany(args: { data: EventData[] }): Promise<unknown>;
  findMany<C extends keyof EventRow>(args: {
    where?: EventWhere;
    orderBy?: { id: 'asc' | 'desc' };
    take?: number;
    select: { [column in C]: true };
  }): Promise<Pick<EventRow, C>[]>;
  deleteMany(args: { where: EventWhere; limit: number }): Promise<{ count: number }>;
}

interface EventData extends Omit<NewEvent, 'data'> {
  readonly data: string | null;
  readonly largeData: string | null;
}

interface EventRow extends EventData {
  readonly id: number | bigint;
}

interface EventWhere {
  readonly id?: { gt?: number; gte?: number; lte?: number; in?: readonly number[]; not?: number | bigint };
  readonly key?: { in: readonly string[] };
  readonly stream?: string | { in: readonly string[] };
  readonly expiresAt?: { lte: Date };
  readonly OR?: EventWhere[];
}

/** The log as rows of the host's database. A write reads nothing first and is one statement, so writers do not wait for one another. */
export function prismaEvents(mcpEvent: EventDelegate): EventStore {
  const insert = async (events: readonly NewEvent[]): Promise<void> => {
    const [first] = events;
    // Prisma's own time for `createMany` of one row is half as long again as for `create`.
    if (events.length === 1 && first) await mcpEvent.create({ data: toData(first), select: { id: true } });
    else await mcpEvent.createMany({ data: events.map(toData) });
  };

  /** Those of `events` whose keys are not there, each key once. */
  const missingOf = async (events: readonly NewEvent[]): Promise<NewEvent[]> => {
    const rows = await mcpEvent.findMany({ where: { key: { in: events.map(({ key }) => key) } }, select: { key: true } });
    const seen = new Set(rows.map(({ key }) => key));
    return events.filter(({ key }) => !seen.has(key) && seen.add(key));
  };

  const appendChunk = async (events: readonly NewEvent[]): Promise<void> => {
    let missing = events;
    for (let attempt = 1; missing.length > 0; attempt += 1) {
      try {
        await insert(missing);
        return;
      } catch (error) {
        if (!(hasCode(error, UNIQUE_VIOLATION) || hasCode(error, WRITE_CONFLICT)) || attempt === maxAttempts) throw error;
        missing = await missingOf(missing);
      }
    }
  };

  return {
    async append(events) {
      for (const chunk of chunks(events)) await appendChunk(chunk);
    },
    async read({ after, gaps, limit }) {
      const rows: Pick<EventRow, keyof typeof tailed>[] = [];
      for (const position of positions(after, gaps)) {
        if (rows.length === limit) break;
        rows.push(...(await mcpEvent.findMany({ where: position, orderBy: { id: 'asc' }, take: limit - rows.length, select: tailed })));
      }
      return rows.map(({ id, stream, data }) => ({ id: toNumber(id), stream, data: data ?? undefined }));
    },
    async findEvents({ streams, after, gaps = [], upTo, limit }) {
      const found: StoredEvent[] = [];
      for (const names of batches(streams, maxStreams)) {
        const own: StoredEvent[] = [];
        for (const position of positions(after, gaps)) {
          if (own.length >= limit) break;
          const where = { ...position, id: { ...position.id, ...(upTo !== undefined && { lte: upTo }) }, stream: { in: names } };
          const rows = await mcpEvent.findMany({ where, orderBy: { id: 'asc' }, take: limit - own.length, select: whole });
          own.push(...rows.map(({ id, stream, data, largeData }) => ({ id: toNumber(id), stream, data: data ?? largeData ?? '' })));
        }
        // MySQL compares text without regard to case.
        found.push(...own.filter(({ stream }) => names.includes(stream)));
      }
      return streams.length <= maxStreams ? found : found.sort((a, b) => a.id - b.id).slice(0, limit);
    },
    async latest(limit) {
      const rows = await mcpEvent.findMany({ orderBy: { id: 'desc' }, take: limit, select: { id: true } });
      return rows.map(({ id }) => toNumber(id));
    },
    async sweepEvents(now, limit) {
      const [newest] = await mcpEvent.findMany({ where: { stream: '*' }, orderBy: { id: 'desc' }, take: 1, select: { id: true } });
      const where = { expiresAt: { lte: now }, ...(newest && { id: { not: newest.id } }) };
      return (await mcpEvent.deleteMany({ where, limit })).count;
    },
  };
}

const tailed = { id: true, stream: true, data: true } as const;
const whole = { ...tailed, largeData: true } as const;

/** Rows in one statement: with their columns less than the bind variables of a database. */
const maxRows = 100;
/** Characters of data in one statement, except where one event has more: far from what MySQL takes at once. */
const maxCharacters = 1_000_000;
/** Streams in one query, so that they and as many gaps as there may be stay below the bind variables of a database. */
const maxStreams = 200;
/** Others may add the same keys, and the sweeper remove them, while they are being added. */
const maxAttempts = 10;
/** Characters of data that every reader of the log reads, whether it concerns him or not. */
const maxSmall = 4_096;

function* chunks(events: readonly NewEvent[]): Generator<readonly NewEvent[]> {
  let chunk: NewEvent[] = [];
  let characters = 0;
  for (const event of events) {
    if (chunk.length === maxRows || (chunk.length > 0 && characters + event.data.length > maxCharacters)) {
      yield chunk;
      chunk = [];
      characters = 0;
    }
    chunk.push(event);
    characters += event.data.length;
  }
  if (chunk.length > 0) yield chunk;
}

/** Every column of every row, for Prisma makes a statement for each set of columns. */
function toData({ key, stream, sessionId, data, expiresAt }: NewEvent): EventData {
  const isSmall = data.length <= maxSmall;
  return { key, stream, sessionId, data: isSmall ? data : null, largeData: isSmall ? null : data, expiresAt };
}

/** What one query after another looks for: gaps before the position, then the others with all that is behind it. */
function* positions(after: number, gaps: readonly number[]): Generator<Pick<EventWhere, 'id' | 'OR'>> {
  const late = gaps.filter(id => id <= after).sort((a, b) => a - b);
  const parts = [...batches(late)];
  for (const part of parts.slice(0, -1)) yield { id: { in: part } };
  const last = parts.at(-1);
  // The bound keeps a database that walks along the ids from starting at the oldest row.
  if (last?.[0] !== undefined) yield { id: { gte: last[0] }, OR: [{ id: { gt: after } }, { id: { in: last } }] };
  else yield { id: { gt: after } };
}

/** @throws {TypeError} The id is beyond what a JavaScript number can hold, as CockroachDB's `autoincrement()` makes them. */
function toNumber(id: number | bigint): number {
  const number = Number(id);
  if (Number.isSafeInteger(number)) return number;
  throw new TypeError(`McpEvent.id: ${id} is too large; make the column count from 1, with @default(sequence()) on CockroachDB`);
}
