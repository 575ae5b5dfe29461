import type { EventStore, StoredEvent } from '../store/store.ts';
import { seal } from './stream-ids.ts';

/**
 * How far a reader of the log has come. The reader has passed every event up to `id`, except those in `gaps`.
 *
 * The database assigns an id when an event is written. The event becomes visible only when it is committed. So an event can appear with a
 * smaller id than events that the reader has already passed. `gaps` are the ids that were missing a short while ago.
 */
export interface Position {
  readonly id: number;
  /** In ascending order, none greater than `id`. */
  readonly gaps: readonly number[];
  /**
   * When a process sent this position to a client, in milliseconds since 1970 by that process's clock. Encoding the position again keeps
   * this time.
   */
  readonly sentAt?: number;
}

/** Whether a reader at this position has not passed the event yet. */
export function isAhead({ id, gaps }: Position, eventId: number): boolean {
  return eventId > id || gaps.includes(eventId);
}

/** The position of a reader that has passed every event that `a` or `b` has passed. */
export function union(a: Position, b: Position): Position {
  const [lower, upper] = a.id < b.id ? [a, b] : [b, a];
  return upper.gaps.length === 0 ? upper : { id: upper.id, gaps: upper.gaps.filter(gap => isAhead(lower, gap)) };
}

/** The position of a reader that is not done with these events, though it has passed them. */
export function withGaps(position: Position, eventIds: readonly number[]): Position {
  if (eventIds.length === 0) return position;
  const gaps = new Set([...position.gaps, ...eventIds.filter(id => id <= position.id)]);
  return { ...position, gaps: [...gaps].toSorted((a, b) => a - b) };
}

/** Most rows in one read of `eventsBehind`. */
const rowsPerRead = 500;

/** Reads the events of streams that a reader at this position has not passed yet, in their order. */
export async function eventsBehind(store: EventStore, streams: readonly string[], { id, gaps }: Position): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (let [after, late] = [id, gaps]; ; ) {
    const page = await store.findEvents({ streams, after, gaps: late, limit: rowsPerRead });
    events.push(...page);
    const last = page.at(-1);
    if (last === undefined || page.length < rowsPerRead) return events;
    after = Math.max(after, last.id);
    late = late.filter(gap => gap > last.id);
  }
}

/** Most runs of gaps in an encoded position. If there are more, those with the greatest ids are kept. */
const maxRuns = 200;

/**
 * A position as an event id on a session's stream: `s.<id>.<seconds since 1970>[.<distance>[-<length>]]….<seal>`, numbers in base 36.
 *
 * A gap is written as its distance below `id`. A run of gaps is written as the distance of its greatest id and its length. The seal binds
 * the event id to this session.
 */
export function encodePosition(sessionId: string, { id, gaps, sentAt = Date.now() }: Position): string {
  const runs: { top: number; length: number }[] = [];
  for (const gap of gaps.toReversed()) {
    const run = runs.at(-1);
    if (run !== undefined && gap === run.top - run.length) run.length += 1;
    else if (runs.length < maxRuns) runs.push({ top: gap, length: 1 });
    else break;
  }
  const named = runs.map(({ top, length }) => `.${(id - top).toString(36)}${length === 1 ? '' : `-${length.toString(36)}`}`);
  const text = `s.${id.toString(36)}.${Math.floor(sentAt / 1000).toString(36)}${named.join('')}`;
  return `${text}.${seal(sessionId, text)}`;
}

/** Reads an event id of a session's stream; `undefined` if `encodePosition` did not make it for this session. */
export function decodePosition(sessionId: string, eventId: string): Position | undefined {
  const [, text, sealed] =
    /^(s\.[\da-z]{1,11}\.[\da-z]{1,9}(?:\.[\da-z]{1,11}(?:-[\da-z]{1,3})?){0,200})\.([\w-]{16})$/u.exec(eventId) ?? [];
  if (text === undefined || sealed !== seal(sessionId, text)) return undefined;
  const [, head = '', seconds = '', ...runs] = text.split('.');
  const id = Number.parseInt(head, 36);
  const gaps = runs.flatMap(run => {
    const [distance = '', length = '1'] = run.split('-');
    const top = id - Number.parseInt(distance, 36);
    return Array.from({ length: Number.parseInt(length, 36) }, (_, below) => top - below);
  });
  return { id, gaps: gaps.reverse(), sentAt: Number.parseInt(seconds, 36) * 1000 };
}
