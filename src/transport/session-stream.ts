import type { Delivery } from '../delivery/delivery.ts';
import type { Broadcast } from '../delivery/messages.ts';
import { encodeStreamMail, parseBroadcast, parseStreamMail } from '../delivery/messages.ts';
import type { Position } from '../delivery/position.ts';
import { decodePosition, encodePosition, eventsBehind, isAhead, union, withGaps } from '../delivery/position.ts';
import { releaseOnce } from '../delivery/release.ts';
import { EVERYBODY, isRequestIdOf, newConnectionName, sessionStreamOf } from '../delivery/stream-ids.ts';
import type { Sight } from '../protocol/definitions.ts';
import { notificationText } from '../protocol/jsonrpc.ts';
import { listNames } from '../protocol/subscriptions.ts';
import type { Session } from '../store/store.ts';
import type { EventStream, Streams } from './event-stream.ts';
import { Opening } from './event-stream.ts';
import type { LiveResources, Look } from './live-subscriptions.ts';
import { LiveSubscriptions } from './live-subscriptions.ts';

/** The options of `SessionStreams`. */
export interface SessionStreamsOptions extends Delivery {
  readonly streams: Streams;
  /** `undefined` if no resource is live. */
  readonly live?: LiveResources | undefined;
}

/** The options of `SessionStreams.open`. */
export interface OpenSessionStream {
  /** The client's position, from its `Last-Event-ID`. Without it the stream begins at the position in the session's row. */
  readonly from: Position | undefined;
  /** Whether the stream begins with an event id. */
  readonly primes: boolean;
  /** Reads a live resource as the session's client. Without it the client is not told of changes of live resources. */
  readonly look?: Look | undefined;
}

/**
 * Milliseconds after which a sent message counts as received. A client that comes back without `Last-Event-ID` gets the messages of this
 * last stretch again.
 */
const settleMs = 10_000;

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
    const stream = new SessionStream(sessionId, this.#options, options.look);
    const connection = await stream.open(options);
    if (connection === undefined) return undefined;
    this.#open.get(sessionId)?.takeOver();
    this.#open.set(sessionId, stream);
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

/** A message for the client, with the position behind it. */
interface Positioned {
  readonly text: string;
  readonly position: Position;
}

const none: ReadonlySet<string> = new Set();
const noSights: ReadonlyMap<string, Sight | undefined> = new Map();

/** One connection of a session's GET. */
class SessionStream {
  readonly #sessionId: string;
  readonly #options: SessionStreamsOptions;
  readonly #name: string;
  /** What the tail delivers waits here until the events before it are read. */
  readonly #opening = new Opening();
  /** Event ids of changes of live resources that the client may not have heard of when its connection closed. */
  #pending: readonly number[] = [];
  #release: () => void;
  #isTaken = false;
  #connection: EventStream | undefined;
  /** Replaced, not changed: idle streams share one empty set. */
  #subscriptions: ReadonlySet<string> = none;
  /** The client's position when the stream begins. */
  #from: Position = { id: 0, gaps: [] };
  /** Id of the event with which this connection took the stream. */
  #takenAt = Number.POSITIVE_INFINITY;
  #lastTaken = 0;
  readonly #live: LiveSubscriptions | undefined;
  /** What the client got when it subscribed, before its stream was opened. */
  #sights: ReadonlyMap<string, Sight | undefined> = noSights;
  /** Changes of rows that the client has missed, with their event ids. */
  readonly #missedRows: (readonly [eventId: number, rows: readonly string[]])[] = [];
  /** The position that the stream had reached at the end of each second, by `performance.now()`. */
  #reached: readonly { readonly second: number; position: Position }[] = [];

  constructor(sessionId: string, options: SessionStreamsOptions, look: Look | undefined) {
    this.#sessionId = sessionId;
    this.#options = options;
    this.#live =
      options.live &&
      look &&
      new LiveSubscriptions(options.live, {
        look,
        tell: uri => this.#write({ text: updatedText(uri), position: union(this.#from, options.tail.position) }),
      });
    this.#name = newConnectionName(options);
    this.#release = releaseOnce(options.nodes.hold(), options.tail.hold());
  }

  /** Whether another connection carries the stream, or the session has ended. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** The position up to which everything counts as received by the client. */
  get settled(): Position {
    const settledAt = secondOf(performance.now() - settleMs);
    const position = this.#reached.findLast(({ second }) => second < settledAt)?.position ?? this.#from;
    return withGaps(position, this.#pending);
  }

  /** Reads the events that the client has missed, takes the stream, and makes the connection; `undefined` if the session is gone. */
  async open({ from, primes }: OpenSessionStream): Promise<EventStream | undefined> {
    try {
      const missed = await this.#start(from);
      return missed && this.#connect(missed, primes);
    } finally {
      if (this.#connection === undefined) this.#release();
    }
  }

  /** Ends the connection, because another one carries the stream or the session has ended. */
  takeOver(): void {
    this.#isTaken = true;
    this.#connection?.end();
  }

  /** Ends the connection and asks the client to reconnect after `retryMs`. */
  leave(retryMs: number): void {
    this.#connection?.retry(retryMs);
    this.#connection?.end();
  }

  async #start(given: Position | undefined): Promise<Positioned[] | undefined> {
    const { tail, store, log, storeMs } = this.#options;
    const sessionId = this.#sessionId;
    await tail.start();
    const session = await store.find(sessionId);
    if (session === undefined) return undefined;
    const last = given ?? lastPositionOf(session);
    this.#from = last ?? tail.position;
    // From here on the tail delivers new events. Events appended earlier are read below.
    const until = tail.position;
    this.#listen();
    const stream = sessionStreamOf(sessionId);
    const [isThere, subscriptions] = await Promise.all([
      store.update(sessionId, { connection: this.#name, position: encodePosition(sessionId, this.#from) }),
      store.subscriptions(sessionId),
      log.post({ stream, sessionId, data: encodeStreamMail({ taken: this.#name }) }, { withinMs: storeMs }),
    ]);
    if (!isThere) return undefined;
    if (subscriptions.length > 0) this.#subscriptions = new Set(subscriptions);
    if (subscriptions.length > 0 && this.#live !== undefined) await this.#readSights(last);
    return this.#readMissed(until);
  }

  /** Reads what the client got when it subscribed, if no connection has read that before. @param last How far the last connection has read. */
  async #readSights(last: Position = { id: 0, gaps: [] }): Promise<void> {
    const events = await eventsBehind(this.#options.store, [sessionStreamOf(this.#sessionId)], last);
    const mails = events.map(({ data }) => parseStreamMail(data)).filter(mail => mail !== undefined);
    this.#sights = new Map(mails.flatMap(mail => ('subscribed' in mail ? [[mail.subscribed, mail.sight] as const] : [])));
  }

  #connect(missed: readonly Positioned[], primes: boolean): EventStream {
    const { streams, tail } = this.#options;
    const connection = streams.openGet(this.#sessionId);
    this.#connection = connection;
    connection.once('close', () => {
      this.#pending = this.#live?.pending ?? [];
      this.#live?.close();
      this.#release();
    });
    if (primes) connection.prime(encodePosition(this.#sessionId, this.#from));
    // A first write sends the headers at once. Without it they would wait for the first message.
    else connection.comment();
    for (const message of missed) this.#write(message);
    if (this.#isTaken) connection.end();
    for (const uri of this.#subscriptions) this.#live?.add(uri, this.#sights.get(uri));
    this.#sights = noSights;
    for (const [eventId, rows] of this.#missedRows.splice(0)) this.#live?.change(eventId, rows);
    this.#opening.done(connection);
    this.#note(union(this.#from, tail.position));
    return connection;
  }

  #listen(): void {
    const { tail } = this.#options;
    this.#release = releaseOnce(
      this.#release,
      tail.listen(EVERYBODY, ({ id, data }) => {
        const { position } = tail;
        this.#opening.run(() => this.#takeBroadcast(id, data, union(this.#from, position)));
      }),
      tail.listen(sessionStreamOf(this.#sessionId), ({ id, data }) => {
        const mail = parseStreamMail(data);
        if (mail === undefined) return;
        const { position } = tail;
        if ('taken' in mail) this.#noteTaken(mail.taken, id);
        else if ('notification' in mail)
          this.#opening.run(() => this.#write({ text: mail.notification, position: union(this.#from, position) }));
        else if ('subscribed' in mail) this.#opening.run(() => this.#subscribe(mail.subscribed, mail.sight));
        else if ('unsubscribed' in mail) this.#opening.run(() => this.#unsubscribe(mail.unsubscribed));
        else if ('push' in mail) {
          const { position } = tail;
          this.#opening.run(() => this.#takePush(id, mail.push, union(this.#from, position)));
        }
      }),
    );
  }

  #takeBroadcast(id: number, data: string, position: Position): void {
    if (!this.#connection?.isOpen || !isAhead(this.#from, id)) return;
    const broadcast = parseBroadcast(data);
    if (broadcast !== undefined && 'rows' in broadcast) this.#live?.change(id, broadcast.rows);
    const text = broadcast && textFor(this.#sessionId, broadcast, this.#subscriptions);
    if (text !== undefined) this.#write({ text, position });
    this.#note(position);
  }

  #takePush(id: number, text: string, position: Position): void {
    if (!this.#connection?.isOpen || !isAhead(this.#from, id)) return;
    this.#write({ text, position });
    this.#note(position);
  }

  #subscribe(uri: string, sight: Sight | undefined): void {
    this.#subscriptions = new Set([...this.#subscriptions, uri]);
    this.#live?.add(uri, sight);
  }

  #unsubscribe(uri: string): void {
    this.#subscriptions = new Set([...this.#subscriptions].filter(other => other !== uri));
    this.#live?.delete(uri);
  }

  /** Notes which connection took the stream. The one whose event has the greatest id keeps it. */
  #noteTaken(name: string, id: number): void {
    if (name === this.#name) this.#takenAt = id;
    else this.#lastTaken = Math.max(this.#lastTaken, id);
    if (this.#lastTaken > this.#takenAt) this.takeOver();
  }

  /** The messages for the client behind its position and up to the position from which the tail delivers. */
  async #readMissed(until: Position): Promise<Positioned[]> {
    const { store, replayMs } = this.#options;
    const from = this.#from;
    const isOld = from.sentAt !== undefined && Date.now() - from.sentAt > replayMs;
    if (!isOld && from.id >= until.id && from.gaps.length === 0) return [];
    const own = sessionStreamOf(this.#sessionId);
    const events = await eventsBehind(store, [EVERYBODY, own], from);
    const messages: Positioned[] = [];
    // The newest broadcast always stays. Other broadcasts that the client has missed may have expired, in any order, since clocks differ.
    if (isOld && events.some(({ stream }) => stream === EVERYBODY)) {
      for (const list of listNames) messages.push({ text: notificationText(`notifications/${list}/list_changed`), position: from });
      for (const uri of this.#subscriptions) messages.push({ text: updatedText(uri), position: from });
    }
    // The tail will deliver the events that are ahead of `until`.
    for (const { id, data, stream } of events.filter(event => !isAhead(until, event.id))) {
      const broadcast = stream === own ? undefined : parseBroadcast(data);
      if (broadcast !== undefined && 'rows' in broadcast) this.#missedRows.push([id, broadcast.rows]);
      const text = stream === own ? pushOf(data) : broadcast && textFor(this.#sessionId, broadcast, this.#subscriptions);
      const position = union(from, { id, gaps: until.gaps.filter(gap => gap <= id) });
      if (text !== undefined) messages.push({ text, position });
    }
    return messages;
  }

  #write({ text, position }: Positioned): void {
    this.#connection?.message(text, encodePosition(this.#sessionId, withGaps(position, this.#live?.pending ?? [])));
  }

  #note(position: Position): void {
    const second = secondOf(performance.now());
    const last = this.#reached.at(-1);
    if (last?.second === second) last.position = position;
    else this.#reached = [...this.#reached.slice(1 - keptSeconds), { second, position }];
  }
}

/** The seconds of `settleMs`, the one before them, and the one that has just begun. */
const keptSeconds = settleMs / 1000 + 2;

function secondOf(ms: number): number {
  return Math.floor(ms / 1000);
}

function pushOf(data: string): string | undefined {
  const mail = parseStreamMail(data);
  return mail !== undefined && 'push' in mail ? mail.push : undefined;
}

/** The notification that a session gets for a broadcast; `undefined` if it gets none. */
export function textFor(sessionId: string, broadcast: Broadcast, subscriptions: ReadonlySet<string>): string | undefined {
  if ('list' in broadcast) return notificationText(`notifications/${broadcast.list}/list_changed`);
  if ('completed' in broadcast) {
    const { completed: elicitationId } = broadcast;
    return isRequestIdOf(sessionId, elicitationId) ? notificationText('notifications/elicitation/complete', { elicitationId }) : undefined;
  }
  return 'uri' in broadcast && subscriptions.has(broadcast.uri) ? updatedText(broadcast.uri) : undefined;
}

/** The notification that a resource has changed. */
export function updatedText(uri: string): string {
  return notificationText('notifications/resources/updated', { uri });
}

function lastPositionOf({ id, position }: Session): Position | undefined {
  return position === null ? undefined : decodePosition(id, position);
}
