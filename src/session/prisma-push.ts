import { setTimeout as delay } from 'node:timers/promises';
import { batches } from './batches.ts';
import type { EventPush, EventStore, StoredEvent } from './events.ts';
import { bytesOf } from './events.ts';
import { FOREIGN_KEY_VIOLATION, hasCode, UNIQUE_VIOLATION, WRITE_CONFLICT } from './prisma-code.ts';
import type { EventDelegate } from './prisma-events.ts';
import { lastOf } from './prisma-events.ts';

/** The part of the generated `McpSession` delegate that is used. */
export interface DeliveredDelegate {
  findMany(args: {
    where: { id: { in: readonly string[] } };
    select: { id: true; delivered: true };
  }): Promise<{ id: string; delivered: number }[]>;
}

/**
 * Pushes messages with one statement, where the last position of their streams is known from the push before.
 *
 * It is a guess that the database judges: a position can be taken once. Where another process was faster nothing is written, and all is
 * looked up. Who takes a position has thereby seen the one before it committed.
 */
export function prismaPush(mcpEvent: EventDelegate, mcpSession: DeliveredDelegate): EventStore['push'] {
  const known = new LastPositions();

  // The positions behind which messages go, without those of sessions that are gone.
  const basesOf = async (messages: readonly Message[], trustsKnown: boolean): Promise<Map<string, number>> => {
    const bases = new Map<string, number>();
    const unknown = messages.filter(({ stream }) => {
      const seq = trustsKnown ? known.get(stream) : undefined;
      if (seq !== undefined) bases.set(stream, seq);
      return seq === undefined;
    });
    if (unknown.length === 0) return bases;
    const ids = [...new Set(unknown.flatMap(({ sessionId }) => sessionId ?? []))];
    const rows = ids.length === 0 ? [] : await mcpSession.findMany({ where: { id: { in: ids } }, select: { id: true, delivered: true } });
    const delivered = new Map(rows.map(row => [row.id, row.delivered]));
    const last = await lastOf(mcpEvent, [...new Set(unknown.map(({ stream }) => stream))]);
    for (const { sessionId, stream } of unknown) {
      const base = sessionId === null ? 0 : delivered.get(sessionId);
      if (base !== undefined) bases.set(stream, Math.max(base, last.get(stream) ?? 0));
    }
    return bases;
  };

  // The position of each message; `undefined` where its session is gone.
  const write = async (messages: readonly Message[], bases: Map<string, number>, attempt = 1): Promise<(number | undefined)[]> => {
    const events = toEvents(messages, bases);
    try {
      // In one order everywhere, for processes that wait for each other's rows.
      const rows = events.filter(event => event !== undefined).sort((a, b) => (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0));
      if (rows.length > 0) await mcpEvent.createMany({ data: rows });
      for (const row of rows) known.set(row);
      return events.map(event => event?.seq);
    } catch (error) {
      if (!retried.some(code => hasCode(error, code)) || attempt === MAX_ATTEMPTS) throw error;
      if (attempt >= 3) await delay(Math.random() * Math.min(attempt, 25));
      const fresh = await basesOf(messages, false);
      const written: (number | undefined)[] = [];
      // One stream that somebody else was faster on must not hold up many others again.
      const size = messages.length > PARTS || attempt > 1 ? Math.ceil(messages.length / PARTS) : messages.length;
      for (const part of batches(messages, size)) written.push(...(await write(part, fresh, attempt + 1)));
      return written;
    }
  };

  return async pushes => {
    const messages = pushes.flatMap(({ data, ...push }, index) => data.map(text => ({ ...push, data: text, index })));
    const positions = pushes.map((): number | undefined => undefined);
    for (const batch of batches(messages, ROWS)) {
      const written = await write(batch, await basesOf(batch, true));
      for (const [place, { index }] of batch.entries()) positions[index] = written[place];
    }
    return positions;
  };
}

/** Rows in one statement. Past the bind variable limit (999 with SQLite) Prisma would make it a transaction of several. */
const ROWS = 100;
const MAX_ATTEMPTS = 100;
/** Statements that a batch is written with after one failed. */
const PARTS = 10;
const retried = [UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION, WRITE_CONFLICT];

/** One message of a push, and which push that was. */
interface Message extends Omit<EventPush, 'data'> {
  readonly data: string;
  readonly index: number;
}

function toEvents(messages: readonly Message[], bases: Map<string, number>): (StoredEvent | undefined)[] {
  return messages.map(({ sessionId, stream, data, expiresAt }) => {
    const base = bases.get(stream);
    if (base === undefined) return undefined;
    bases.set(stream, base + 1);
    return { sessionId, stream, seq: base + 1, data, bytes: bytesOf(data), final: false, expiresAt };
  });
}

/**
 * The last positions this process pushed to, each for half the life of its row.
 *
 * While that row is certain to be there, so is every later one, and a position that is taken cannot be taken again.
 */
class LastPositions {
  readonly #positions = new Map<string, { seq: number; trustedUntilMs: number }>();

  get(stream: string): number | undefined {
    const position = this.#positions.get(stream);
    return position !== undefined && Date.now() < position.trustedUntilMs ? position.seq : undefined;
  }

  set({ stream, seq, expiresAt }: StoredEvent): void {
    // A Map lists its keys in the order of insertion: streams pushed to longest ago come first.
    this.#positions.delete(stream);
    this.#positions.set(stream, { seq, trustedUntilMs: (Date.now() + expiresAt.getTime()) / 2 });
    if (this.#positions.size <= MAX_POSITIONS) return;
    const [oldest] = this.#positions.keys();
    if (oldest !== undefined) this.#positions.delete(oldest);
  }
}

const MAX_POSITIONS = 10_000;
