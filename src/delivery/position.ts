import { seal } from './stream-ids.ts';

/**
 * How far a reader of the log has come: it has passed every event up to `id`, but for those in `gaps`.
 *
 * Ids are given when an event is written and become visible when it is committed, so an event can appear behind a reader that has passed
 * greater ids. The ids that were missing a short while ago are the gaps.
 */
export interface Position {
  readonly id: number;
  /** Ascending, none greater than `id`. */
  readonly gaps: readonly number[];
  /** When it was sent to a client, in milliseconds since 1970 by the clock of the process that did; it is sent again under that time. */
  readonly sentAt?: number;
}

/** Whether an event is still ahead of a reader at this position. */
export function isAhead({ id, gaps }: Position, eventId: number): boolean {
  return eventId > id || gaps.includes(eventId);
}

/** The position of a reader that has passed what either of two has passed. */
export function union(a: Position, b: Position): Position {
  const [lower, upper] = a.id < b.id ? [a, b] : [b, a];
  return upper.gaps.length === 0 ? upper : { id: upper.id, gaps: upper.gaps.filter(gap => isAhead(lower, gap)) };
}

/** Runs of gaps that a position on the wire names; of more, those with the greatest ids. */
const maxRuns = 200;

/**
 * A position as an event id on a session's stream: `s.<id>.<seconds since 1970>[.<distance>[-<length>]]….<seal>`, numbers in base 36.
 *
 * A gap is named by its distance below `id`, a run of gaps by that of its greatest and its length. Only this session's clients can give it back.
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
