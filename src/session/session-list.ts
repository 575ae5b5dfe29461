import type { SessionStore, SessionTransport } from '../store/store.ts';
import { isSessionId } from './session.ts';
import { shortClientText } from './session-log.ts';

/** A session as operators see it. */
export interface SessionInfo {
  /** The whole id; `sessions.end(id)` takes it. Events and log lines have only its beginning. */
  readonly id: string;
  /** The principal who opened the session; `null` for a guest. */
  readonly principal: string | null;
  /** `clientInfo.name`, cut to 100 characters. */
  readonly clientName: string;
  readonly clientVersion: string;
  readonly revision: string;
  readonly transport: SessionTransport;
  /** Whether `notifications/initialized` has arrived. */
  readonly initialized: boolean;
  /** The connection that carries the session's stream, or was the last to do so: `<node>/<name>`. `null` before the first. */
  readonly connection: string | null;
  readonly createdAt: Date;
  /** Written in batches, so up to `touchMs` old. */
  readonly lastSeenAt: Date;
  readonly expiresAt: Date;
}

/** Which sessions to list. */
export interface SessionQuery {
  /** Only the sessions of this principal; `null` for the guests. @default all */
  readonly principal?: string | null | undefined;
  /** Sessions of one page, 1 to 200. @default 50 */
  readonly take?: number | undefined;
  /** `next` of the previous page. @default the first page */
  readonly after?: string | undefined;
}

/** One page of the list. */
export interface SessionPage {
  readonly sessions: SessionInfo[];
  /** `after` for the next page; absent on the last. */
  readonly next?: string;
}

/**
 * A page of the sessions in the database, the most recently used first. A session that is used between two pages moves to the first page.
 *
 * @param now In milliseconds since 1970.
 * @throws {RangeError} `take` is not 1 to 200, or `after` was not a `next`.
 */
export async function listSessions(store: SessionStore, query: SessionQuery, now: number): Promise<SessionPage> {
  const { principal, take = 50, after } = query;
  if (!(Number.isInteger(take) && take >= 1 && take <= maxTake)) throw new RangeError(`take: must be a whole number from 1 to ${maxTake}`);
  const rows = await store.list({
    now: new Date(now),
    take: take + 1,
    ...(principal !== undefined && { principal }),
    ...(after !== undefined && { after: decode(after) }),
  });
  const sessions = rows.slice(0, take).map(
    ({ id, principal, clientInfo, revision, transport, initialized, connection, createdAt, lastSeenAt, expiresAt }): SessionInfo => ({
      id,
      principal,
      clientName: shortClientText(clientInfo.name),
      clientVersion: shortClientText(clientInfo.version),
      revision,
      transport,
      initialized,
      connection,
      createdAt,
      lastSeenAt,
      expiresAt,
    }),
  );
  const last = sessions.at(-1);
  return { sessions, ...(last !== undefined && rows.length > take && { next: `${last.expiresAt.getTime()}.${last.id}` }) };
}

const maxTake = 200;

/** @throws {RangeError} It is not `<expiresAt in milliseconds>.<id>`. */
function decode(next: string): { expiresAt: Date; id: string } {
  const [, expiresAt, id = ''] = /^(\d{1,15})\.(.+)$/u.exec(next) ?? [];
  if (expiresAt === undefined || !isSessionId(id)) throw new RangeError('after: must be `next` of the page before');
  return { expiresAt: new Date(Number(expiresAt)), id };
}
