import type { Session } from '../store/store.ts';

/** How a session ended: at the wish of its client or an operator, over `maxPerPrincipal`, with its HTTP+SSE stream, or elsewhere. */
export type SessionEndReason = 'client' | 'operator' | 'evicted' | 'stream' | 'gone';

/** Why a request that named a session was refused: there is no such session, it is another principal's or transport's, or a limit. */
export type SessionRejectReason = 'unknown' | 'principal' | 'transport' | 'limit';

/** Something that happened to a session, as this process saw it. What is not known of the session is `undefined`. */
export interface SessionEvent {
  /**
   * `resumed`: this process serves a session that another one, or an earlier life of it, opened. `expired`: this process swept it.
   * `ended` is told by every process that knew the session: by the one that ended it with the reason, by the others with `gone`.
   */
  readonly type: 'created' | 'initialized' | 'resumed' | 'ended' | 'expired' | 'rejected';
  /** Of `ended` and `rejected`. The client is told neither. */
  readonly reason: SessionEndReason | SessionRejectReason | undefined;
  /** How many sessions, where more than a few ended or expired at once and only their number is told. */
  readonly count: number | undefined;
  /** The beginning of the id, enough to find its row: `mcp_` and eight characters. */
  readonly sessionId: string | undefined;
  /** Whose session it is; of `rejected`, who asked. `null` is a guest. */
  readonly principal: string | null | undefined;
  /** What the client calls itself, at most 100 characters. */
  readonly clientName: string | undefined;
  readonly revision: string | undefined;
  /** The process that tells it. */
  readonly node: string;
  readonly at: Date;
}

/** What is known of a session that something happened to. */
export type Subject = Partial<Pick<Session, 'id' | 'principal' | 'clientInfo' | 'revision'>>;

/** What `Lifecycle` needs. */
export interface LifecycleOptions {
  readonly node: string;
  readonly onSession?: ((event: SessionEvent) => unknown) | undefined;
  /** Takes one line of JSON per event. */
  readonly log?: ((line: string) => unknown) | undefined;
  /** Takes what these two throw. */
  readonly onError: (error: unknown) => void;
}

/** What a client says of itself, cut to what fits into a line. */
export function shortClientText(text: unknown): string {
  return typeof text === 'string' ? text.slice(0, maxClientText) : '';
}

/** Tells the host what happens to sessions. Made only where the host listens, so that elsewhere no event is. */
export class Lifecycle {
  readonly #options: LifecycleOptions;
  /** Sessions that were served here, by the beginnings of their ids; the cache of rows forgets them sooner. */
  readonly #served = new Set<string>();

  constructor(options: LifecycleOptions) {
    this.#options = options;
  }

  tell(
    type: SessionEvent['type'],
    { id, principal, clientInfo, revision }: Subject,
    reason?: SessionEvent['reason'],
    count?: number,
  ): void {
    const { node, onSession, log, onError } = this.#options;
    const sessionId = id === undefined ? undefined : shortened(id);
    const clientName = clientInfo && shortClientText(clientInfo.name);
    const event: SessionEvent = { type, reason, count, sessionId, principal, clientName, revision, node, at: new Date() };
    for (const take of [onSession, log && (() => log(logLine(event)))]) {
      try {
        const taken = take?.(event);
        if (taken instanceof Promise) taken.catch(onError);
      } catch (error) {
        onError(error);
      }
    }
  }

  created(session: Session): void {
    this.#remember(session.id);
    this.tell('created', session);
  }

  /** To be called when a session's row has been read to serve it; `resumed` is told the first time. */
  served(session: Session): void {
    const isNew = !this.#served.has(shortened(session.id) ?? '');
    this.#remember(session.id);
    if (isNew) this.tell('resumed', session);
  }

  /** Tells of sessions that ended together: of up to ten one by one, of more their number. */
  tellAll(type: 'ended' | 'expired', subjects: readonly Subject[], reason?: SessionEndReason): void {
    if (subjects.length > maxSingle) this.tell(type, {}, reason, subjects.length);
    else for (const subject of subjects) this.tell(type, subject, reason);
  }

  #remember(id: string): void {
    const key = shortened(id) ?? '';
    // Moved to the end: the one read longest ago is the first to go.
    this.#served.delete(key);
    this.#served.add(key);
    if (this.#served.size <= maxServed) return;
    const [oldest = ''] = this.#served;
    this.#served.delete(oldest);
  }
}

const maxClientText = 100;
/** Sessions that end together and are told of one by one. */
const maxSingle = 10;
/** About 10 MB. Past them a session that comes back is told as resumed once more. */
const maxServed = 100_000;

/** `undefined` for what no session's id looks like: what a client made up does not go to a log. */
function shortened(id: string): string | undefined {
  return /^mcp_[\w-]{8}/u.exec(id)?.[0];
}

/** `{"event":"mcp.session","type":"ended","reason":"client",…}`, in one line for every reader of lines, and harmless in a terminal. */
function logLine(event: SessionEvent): string {
  const text = JSON.stringify({ event: 'mcp.session', ...event });
  return text.replaceAll(/[\u007F-\u009F\u2028\u2029]/gu, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
