import { randomBytes } from 'node:crypto';
import type { EventLog } from '../delivery/event-log.ts';
import type { Broadcast } from '../delivery/messages.ts';
import { encodeStreamMail, parseBroadcast, parseStreamMail } from '../delivery/messages.ts';
import type { Nodes } from '../delivery/nodes.ts';
import type { Position } from '../delivery/position.ts';
import { decodePosition, encodePosition, isAhead, union } from '../delivery/position.ts';
import { EVERYBODY, sessionStreamOf } from '../delivery/stream-ids.ts';
import type { DeliveredEvent, Tail } from '../delivery/tail.ts';
import { notificationText } from '../protocol/jsonrpc.ts';
import { listNames } from '../protocol/subscriptions.ts';
import type { Session, Store, StoredEvent } from '../store/store.ts';
import type { EventStream, Streams } from './event-stream.ts';

/** The options of `SessionStreams`. */
export interface SessionStreamsOptions {
  readonly store: Store;
  readonly log: EventLog;
  readonly tail: Tail;
  readonly nodes: Nodes;
  readonly streams: Streams;
  /** The id of this process's run. */
  readonly node: string;
  /** The name of this process, for people. */
  readonly nodeName: string;
  /** Most milliseconds to wait for the database. */
  readonly storeMs: number;
  /** Milliseconds that an event is kept. */
  readonly replayMs: number;
  readonly onError: (error: unknown) => void;
}

/** The options of `SessionStreams.open`. */
export interface OpenSessionStream {
  /** The client's position, from its `Last-Event-ID`. Without it the stream begins at the position in the session's row. */
  readonly from: Position | undefined;
  /** Whether the stream begins with an event id. */
  readonly primes: boolean;
}

/**
 * Milliseconds after which a sent message counts as received. A client that comes back without `Last-Event-ID` gets the messages of this
 * last stretch again.
 */
const settleMs = 10_000;
/** Most rows in one read of missed events. */
const rowsPerRead = 500;

/**
 * The streams that sessions opened with GET in this process, for messages that belong to no request.
 *
 * A session's stream is the log, filtered by the session's subscriptions. Any process can resume it from a position. The newest connection
 * carries the stream, in whichever process it is. Each new connection writes a `taken` event, and an older connection that reads it ends.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#listening-for-messages-from-the-server
 */
export class SessionStreams {
  readonly #options: SessionStreamsOptions;
  readonly #open = new Map<string, SessionStream>();
  readonly #saving = new Set<Promise<void>>();

  constructor(options: SessionStreamsOptions) {
    this.#options = options;
  }

  /**
   * Opens the stream of a session; `undefined` if the session is gone.
   *
   * The connection is made last, so that a failed step leaves no connection behind.
   *
   * @throws {StoreUnavailable} The database does not answer.
   */
  async open(sessionId: string, options: OpenSessionStream): Promise<EventStream | undefined> {
    const stream = new SessionStream(sessionId, this.#options);
    try {
      if (!(await stream.start(options.from))) {
        stream.stop();
        return undefined;
      }
    } catch (error) {
      stream.stop();
      throw error;
    }
    this.#open.get(sessionId)?.takeOver();
    this.#open.set(sessionId, stream);
    const connection = stream.connect(options.primes);
    connection.once('close', () => {
      if (this.#open.get(sessionId) === stream) this.#open.delete(sessionId);
      this.#save(sessionId, stream);
    });
    return connection;
  }

  /** Ends the stream of a session that has ended. */
  endSession(sessionId: string): void {
    this.#open.get(sessionId)?.takeOver();
  }

  /** Ends all connections, one after the other, and tells their clients when to reconnect. Synchronous if `pauseMs` is 0. */
  async leaveAll(retryMs: number, pauseMs: number): Promise<void> {
    for (const stream of [...this.#open.values()]) {
      stream.leave(retryMs);
      if (pauseMs > 0) await new Promise(resolve => setTimeout(resolve, pauseMs));
    }
  }

  /** Waits until the positions of streams that have ended are written. */
  async saved(): Promise<void> {
    await Promise.all(this.#saving);
  }

  /**
   * Saves the position for a client that comes back without `Last-Event-ID`. If this fails, the client gets all messages since the stream
   * began again.
   */
  #save(sessionId: string, stream: SessionStream): void {
    if (stream.isTaken) return;
    const position = encodePosition(sessionId, stream.settled);
    const saving: Promise<void> = this.#options.store
      .update(sessionId, { position })
      .then(() => undefined, this.#options.onError)
      .finally(() => this.#saving.delete(saving));
    this.#saving.add(saving);
  }
}

/** `opening`: events wait until the missed ones are read. */
type State = 'opening' | 'open' | 'taken' | 'stopped';

/** One connection of a session's GET. */
class SessionStream {
  readonly #sessionId: string;
  readonly #options: SessionStreamsOptions;
  readonly #name: string;
  readonly #releases: (() => void)[];
  #state: State = 'opening';
  #connection: EventStream | undefined;
  #subscriptions: Set<string> = new Set();
  /** The client's position when the stream begins. */
  #from: Position = { id: 0, gaps: [] };
  /** Texts that the client missed and that are not written yet, each with the position behind it. */
  #waiting: { readonly text: string; readonly position: Position }[] = [];
  #early: (() => void)[] = [];
  /** Id of the event with which this connection took the stream. */
  #takenAt: number | undefined;
  #lastTaken = 0;
  /** The positions that the stream has reached, at most one per second: `since` begins that second, `at` is the time of `position`. */
  #reached: { readonly since: number; readonly at: number; readonly position: Position }[] = [];

  constructor(sessionId: string, options: SessionStreamsOptions) {
    this.#sessionId = sessionId;
    this.#options = options;
    this.#name = newConnectionName(options);
    this.#releases = [options.nodes.hold(), options.tail.hold()];
  }

  /** Whether another connection carries the stream, or the session has ended. */
  get isTaken(): boolean {
    return this.#state === 'taken';
  }

  /** The position up to which everything counts as received by the client. */
  get settled(): Position {
    const settledAt = performance.now() - settleMs;
    return this.#reached.findLast(({ at }) => at <= settledAt)?.position ?? this.#from;
  }

  /** Reads the events that the client has missed, and takes the stream; `false` if the session is gone. */
  async start(given: Position | undefined): Promise<boolean> {
    const { tail, store, log, storeMs, replayMs } = this.#options;
    const sessionId = this.#sessionId;
    await tail.start();
    const session = await store.find(sessionId);
    if (session === undefined) return false;
    const from = given ?? lastPositionOf(session) ?? tail.position;
    this.#from = from;
    // From here on the tail delivers new events. Events appended earlier are read below.
    const until = tail.position;
    this.#listen();
    const stream = sessionStreamOf(sessionId);
    const [isThere, subscriptions] = await Promise.all([
      store.update(sessionId, { connection: this.#name, position: encodePosition(sessionId, this.#from) }),
      store.subscriptions(sessionId),
      log.post({ stream, sessionId, data: encodeStreamMail({ taken: this.#name }) }, { withinMs: storeMs }),
    ]);
    if (!isThere) return false;
    this.#subscriptions = new Set(subscriptions);
    await this.#readMissed(until, from.sentAt !== undefined && Date.now() - from.sentAt > replayMs);
    return true;
  }

  /** Writes the waiting texts to a new connection, and new ones from now on. */
  connect(primes: boolean): EventStream {
    const { streams, tail } = this.#options;
    const connection = streams.openGet(this.#sessionId);
    this.#connection = connection;
    connection.once('close', () => this.stop());
    if (primes) connection.prime(encodePosition(this.#sessionId, this.#from));
    // A first write sends the headers at once. Without it they would wait for the first message.
    else connection.comment();
    for (const { text, position } of this.#waiting) this.#write(text, position);
    this.#waiting = [];
    this.#state = this.#state === 'opening' ? 'open' : this.#state;
    for (const take of this.#early) take();
    this.#early = [];
    this.#note(union(this.#from, tail.position));
    if (this.#state !== 'open') connection.end();
    return connection;
  }

  /** Ends the connection, because another one carries the stream or the session has ended. */
  takeOver(): void {
    this.#state = 'taken';
    this.#connection?.end();
  }

  /** Ends the connection and asks the client to reconnect after `retryMs`. */
  leave(retryMs: number): void {
    this.#connection?.retry(retryMs);
    this.#connection?.end();
  }

  /** Releases everything that the stream holds. */
  stop(): void {
    if (this.#state !== 'taken') this.#state = 'stopped';
    for (const release of this.#releases.splice(0)) release();
  }

  #listen(): void {
    const { tail } = this.#options;
    this.#releases.push(
      tail.listen(EVERYBODY, event => {
        const { position } = tail;
        this.#inOrder(() => this.#takeBroadcast(event, position));
      }),
      tail.listen(sessionStreamOf(this.#sessionId), event => {
        const mail = parseStreamMail(event.data);
        if (mail === undefined) return;
        if ('taken' in mail) this.#noteTaken(mail.taken, event.id);
        else if ('subscribed' in mail) this.#inOrder(() => this.#subscriptions.add(mail.subscribed));
        else if ('unsubscribed' in mail) this.#inOrder(() => this.#subscriptions.delete(mail.unsubscribed));
      }),
    );
  }

  /** Runs `take` now, or after the stream has opened. */
  #inOrder(take: () => void): void {
    if (this.#state === 'opening') this.#early.push(take);
    else take();
  }

  #takeBroadcast({ id, data }: DeliveredEvent, tailed: Position): void {
    if (this.#state !== 'open' || !this.#connection?.isOpen || !isAhead(this.#from, id)) return;
    const position = union(this.#from, tailed);
    const broadcast = parseBroadcast(data);
    const text = broadcast && textFor(broadcast, this.#subscriptions);
    if (text !== undefined) this.#write(text, position);
    this.#note(position);
  }

  /** Notes which connection took the stream. The one whose event has the greatest id keeps it. */
  #noteTaken(name: string, id: number): void {
    if (name === this.#name) this.#takenAt = id;
    else this.#lastTaken = Math.max(this.#lastTaken, id);
    if (this.#takenAt !== undefined && this.#lastTaken > this.#takenAt) this.takeOver();
  }

  /** Reads the broadcasts between the client's position and the position from which the tail delivers. */
  async #readMissed(until: Position, isOld: boolean): Promise<void> {
    const { store } = this.#options;
    const streams = [EVERYBODY];
    if (isOld) {
      const [missed] = await store.findEvents({ streams, after: this.#from.id, gaps: this.#from.gaps, limit: 1 });
      // The newest broadcast always stays. Other broadcasts that the client has missed may have expired, in any order, since clocks differ.
      if (missed !== undefined) this.#missAll();
    }
    if (this.#from.id >= until.id && this.#from.gaps.length === 0) return;
    let after = this.#from.id;
    let gaps: readonly number[] = this.#from.gaps;
    for (;;) {
      const events = await store.findEvents({ streams, after, gaps, upTo: until.id, limit: rowsPerRead });
      for (const event of events) this.#miss(event, until);
      const last = events.at(-1);
      if (last === undefined || events.length < rowsPerRead) return;
      after = Math.max(after, last.id);
      gaps = gaps.filter(gap => gap > last.id);
    }
  }

  #miss({ id, data }: StoredEvent, until: Position): void {
    // The tail will deliver this event.
    if (isAhead(until, id)) return;
    const broadcast = parseBroadcast(data);
    const text = broadcast && textFor(broadcast, this.#subscriptions);
    const passed = { id, gaps: until.gaps.filter(gap => gap <= id) };
    if (text !== undefined) this.#waiting.push({ text, position: union(this.#from, passed) });
  }

  /** Notifies the client that every list and every subscribed resource may have changed. */
  #missAll(): void {
    const texts = listNames.map(list => notificationText(`notifications/${list}/list_changed`));
    for (const uri of this.#subscriptions) texts.push(updatedText(uri));
    for (const text of texts) this.#waiting.push({ text, position: this.#from });
  }

  #write(text: string, position: Position): void {
    this.#connection?.message(text, encodePosition(this.#sessionId, position));
  }

  #note(position: Position): void {
    const now = performance.now();
    const last = this.#reached.at(-1);
    const isSameSecond = last !== undefined && now - last.since < 1000;
    if (isSameSecond) this.#reached.pop();
    this.#reached.push({ since: isSameSecond ? last.since : now, at: now, position });
    // Only the newest position that counts as received is needed.
    while (this.#reached[1] !== undefined && this.#reached[1].at <= now - settleMs) this.#reached.shift();
  }
}

/** Makes a name for a connection of this process that carries the stream of a session or of a call. */
export function newConnectionName({ node, nodeName }: Pick<SessionStreamsOptions, 'node' | 'nodeName'>): string {
  return `${nodeName}/${node}.${randomBytes(6).toString('base64url')}`;
}

/** The run id of the process that carried a session's stream last, from the session's row; `undefined` if there was none. */
export function nodeOf({ connection }: Pick<Session, 'connection'>): string | undefined {
  return connection === null ? undefined : /\/([\w-]{12})\.[\w-]+$/u.exec(connection)?.[1];
}

/** The notification that a session gets for a broadcast; `undefined` if it gets none. */
export function textFor(broadcast: Broadcast, subscriptions: ReadonlySet<string>): string | undefined {
  if ('list' in broadcast) return notificationText(`notifications/${broadcast.list}/list_changed`);
  return 'uri' in broadcast && subscriptions.has(broadcast.uri) ? updatedText(broadcast.uri) : undefined;
}

function updatedText(uri: string): string {
  return notificationText('notifications/resources/updated', { uri });
}

function lastPositionOf({ id, position }: Session): Position | undefined {
  return position === null ? undefined : decodePosition(id, position);
}
