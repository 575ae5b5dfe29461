import type { Session } from '../store/store.ts';

/**
 * Why a session ended: its client or an operator ended it, `maxPerPrincipal` was exceeded, its HTTP+SSE stream closed, or (`gone`) another
 * process ended it.
 */
export type SessionEndReason = 'client' | 'operator' | 'evicted' | 'stream' | 'gone';

/** Why a request with a session id was refused: the session is unknown, or another principal's, or another transport's; or a limit was reached. */
export type SessionRejectReason = 'unknown' | 'principal' | 'transport' | 'limit';

/** Something that happened to a session, as this process saw it. Members that this process does not know are `undefined`. */
export interface SessionEvent {
  /**
   * `resumed`: this process serves a session for the first time, and did not open it. `expired`: this process swept it.
   * `ended` comes from every process that knew the session: the one that ended it gives the reason, the others say `gone`.
   */
  readonly type: 'created' | 'initialized' | 'resumed' | 'ended' | 'expired' | 'rejected';
  /** Only in `ended` and `rejected`. The client does not get it. */
  readonly reason: SessionEndReason | SessionRejectReason | undefined;
  /** How many sessions ended or expired together. Only set if they were more than ten; then there is one event for all of them. */
  readonly count: number | undefined;
  /** The beginning of the id, `mcp_` and eight characters: enough to find the row. */
  readonly sessionId: string | undefined;
  /** The session's principal; in `rejected`, the principal of the request. `null` is a guest. */
  readonly principal: string | null | undefined;
  /** `clientInfo.name`, cut to 100 characters. */
  readonly clientName: string | undefined;
  readonly revision: string | undefined;
  /** The process that saw it. */
  readonly node: string;
  readonly at: Date;
}

/** The known members of the session that an event is about. */
export type Subject = Partial<Pick<Session, 'id' | 'principal' | 'clientInfo' | 'revision' | 'createdAt'>>;

/** The receivers of a `SessionLog`. */
export interface SessionLogOptions {
  readonly node: string;
  readonly onSession?: ((event: SessionEvent) => unknown) | undefined;
  /** Called with one line of JSON per event. */
  readonly log?: ((line: string) => unknown) | undefined;
  /** Called with each session that this process has ended, or swept after its time. */
  readonly onEnd?: ((session: Subject) => void) | undefined;
  /** Called with what `onSession` and `log` throw. */
  readonly onError: (error: unknown) => void;
}

/** A text of `clientInfo`, cut to 100 characters so that it fits into a line; `''` if it is no text. */
export function shortClientText(text: unknown): string {
  return typeof text === 'string' ? text.slice(0, maxClientText) : '';
}

/** Tells the host what happens to sessions. It is not created unless `log`, `onSession` or `onEnd` is set. */
export class SessionLog {
  readonly #options: SessionLogOptions;
  /** Sessions that this process has served, by the beginnings of their ids. It holds more sessions than the cache of rows. */
  readonly #served = new Set<string>();
  readonly #isHeard: boolean;

  constructor(options: SessionLogOptions) {
    this.#options = options;
    this.#isHeard = options.onSession !== undefined || options.log !== undefined;
  }

  tell(type: SessionEvent['type'], subject: Subject, reason?: SessionEvent['reason']): void {
    if (isEnd(type) && reason !== 'gone') this.#options.onEnd?.(subject);
    this.#tell(type, subject, { reason });
  }

  #tell(
    type: SessionEvent['type'],
    { id, principal, clientInfo, revision }: Subject,
    { reason, count }: Partial<Pick<SessionEvent, 'reason' | 'count'>>,
  ): void {
    const { node, onSession, log, onError } = this.#options;
    if (!this.#isHeard) return;
    const sessionId = id === undefined ? undefined : shortSessionId(id);
    const clientName = clientInfo && shortClientText(clientInfo.name);
    const event: SessionEvent = { type, reason, count, sessionId, principal, clientName, revision, node, at: new Date() };
    for (const take of [onSession, log && (() => log(logLine('mcp.session', event)))]) {
      try {
        const taken = take?.(event);
        if (taken instanceof Promise) taken.catch(onError);
      } catch (error) {
        onError(error);
      }
    }
  }

  created(session: Session): void {
    if (!this.#isHeard) return;
    this.#remember(session.id);
    this.tell('created', session);
  }

  /** Call it when a session's row was read to serve a request. The first call for a session tells `resumed`. */
  served(session: Session): void {
    if (!this.#isHeard) return;
    const isNew = !this.#served.has(shortSessionId(session.id) ?? '');
    this.#remember(session.id);
    if (isNew) this.tell('resumed', session);
  }

  /** Tells that sessions ended together: one event each for up to ten, one event with `count` for more. */
  tellAll(type: 'ended' | 'expired', subjects: readonly Subject[], reason?: SessionEndReason): void {
    if (subjects.length <= maxSingle) {
      for (const subject of subjects) this.tell(type, subject, reason);
      return;
    }
    for (const subject of subjects) this.#options.onEnd?.(subject);
    this.#tell(type, {}, { reason, count: subjects.length });
  }

  #remember(id: string): void {
    const key = shortSessionId(id) ?? '';
    // A Set lists its keys in the order of insertion: sessions read longest ago come first.
    this.#served.delete(key);
    this.#served.add(key);
    if (this.#served.size <= maxServed) return;
    const [oldest = ''] = this.#served;
    this.#served.delete(oldest);
  }
}

const maxClientText = 100;
/** Sessions that end together and still have an event each. */
const maxSingle = 10;
/** About 10 MB. A session that was dropped from the set is told as resumed once more. */
const maxServed = 100_000;

/** The beginning of an id; `undefined` if it is not of the form of a session id, since a client's invention must not reach a log. */
export function shortSessionId(id: string): string | undefined {
  return /^mcp_[\w-]{8}/u.exec(id)?.[0];
}

function isEnd(type: SessionEvent['type']): boolean {
  return type === 'ended' || type === 'expired';
}

/**
 * `{"event":"mcp.session","type":"ended","reason":"client",…}`: one line for every reader of lines, without control characters for a terminal.
 */
export function logLine(event: string, members: object): string {
  const text = JSON.stringify({ event, ...members });
  return text.replaceAll(/[\u007F-\u009F\u2028\u2029]/gu, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
