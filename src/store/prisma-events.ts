import type { Delegate, EventRow, Where } from './delegates.ts';
import { batches, hasCode, UNIQUE_VIOLATION, WRITE_CONFLICT } from './delegates.ts';
import type { EventStore, NewEvent, StoredEvent } from './store.ts';

/** The log as rows of the host's database. A write is one statement and reads nothing first, so writers do not wait for each other. */
export function prismaEvents(mcpEvent: Delegate<EventRow>): EventStore {
  const insert = async (events: readonly NewEvent[]): Promise<void> => {
    const [first] = events;
    // For one row, `createMany` costs one and a half times the Prisma time of `create`.
    if (events.length === 1 && first) await mcpEvent.create({ data: toData(first), select: { id: true } });
    else await mcpEvent.createMany({ data: events.map(toData) });
  };

  /** The events whose keys are not in the log yet, each key once. */
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
        rows.push(...(await mcpEvent.findMany({ where: position, orderBy: [{ id: 'asc' }], take: limit - rows.length, select: tailed })));
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
          const rows = await mcpEvent.findMany({ where, orderBy: [{ id: 'asc' }], take: limit - own.length, select: whole });
          own.push(...rows.map(({ id, stream, data, largeData }) => ({ id: toNumber(id), stream, data: data ?? largeData ?? '' })));
        }
        // MySQL ignores case in comparisons, so events of another stream may match.
        found.push(...own.filter(({ stream }) => names.includes(stream)));
      }
      return streams.length <= maxStreams ? found : found.sort((a, b) => a.id - b.id).slice(0, limit);
    },
    async latest(limit) {
      const rows = await mcpEvent.findMany({ orderBy: [{ id: 'desc' }], take: limit, select: { id: true } });
      return rows.map(({ id }) => toNumber(id));
    },
    async sweepEvents(now, limit) {
      const [newest] = await mcpEvent.findMany({ where: { stream: '*' }, orderBy: [{ id: 'desc' }], take: 1, select: { id: true } });
      const where = { expiresAt: { lte: now }, ...(newest && { id: { not: newest.id } }) };
      return (await mcpEvent.deleteMany({ where, limit })).count;
    },
  };
}

const tailed = { id: true, stream: true, data: true } as const;
const whole = { ...tailed, largeData: true } as const;

/** Most rows in one statement. With their columns they stay below the bind variables of every database. */
const maxRows = 100;
/** Most characters of data in one statement, far below what MySQL accepts. A single longer event gets a statement of its own. */
const maxCharacters = 1_000_000;
/** Most streams in one query. Together with the gaps of that query they stay below the bind variables of every database. */
const maxStreams = 200;
/** Most tries of an insert. Other processes may add the same keys, and the sweeper may remove them, in between. */
const maxAttempts = 10;
/**
 * Longest data, in characters, that the tail reads for every event. Longer data goes to `largeData`, which only interested readers read.
 */
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

/** Sets every column in every row, because Prisma makes one statement for each set of columns. */
function toData({ key, stream, sessionId, data, expiresAt }: NewEvent): Omit<EventRow, 'id'> {
  const isSmall = data.length <= maxSmall;
  return { key, stream, sessionId, data: isSmall ? data : null, largeData: isSmall ? null : data, expiresAt };
}

type PositionWhere = {
  readonly id: { readonly gt?: number; readonly gte?: number; readonly in?: readonly number[] };
  readonly OR?: Where<EventRow>[];
};

/** The conditions of consecutive queries: batches of gaps first, the last batch together with everything behind `after`. */
function* positions(after: number, gaps: readonly number[]): Generator<PositionWhere> {
  const late = gaps.filter(id => id <= after).sort((a, b) => a - b);
  const parts = [...batches(late)];
  for (const part of parts.slice(0, -1)) yield { id: { in: part } };
  const last = parts.at(-1);
  // The lower bound stops a database that scans by id from starting at the oldest row.
  if (last?.[0] !== undefined) yield { id: { gte: last[0] }, OR: [{ id: { gt: after } }, { id: { in: last } }] };
  else yield { id: { gt: after } };
}

/** @throws {TypeError} The id is too large for a JavaScript number. CockroachDB's `autoincrement()` makes such ids. */
function toNumber(id: number | bigint): number {
  const number = Number(id);
  if (Number.isSafeInteger(number)) return number;
  throw new TypeError(`McpEvent.id: ${id} is too large; make the column count from 1, with @default(sequence()) on CockroachDB`);
}
