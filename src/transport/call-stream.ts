import type { Delivery } from '../delivery/delivery.ts';
import type { Posting } from '../delivery/event-log.ts';
import type { CallEvent, Resumption } from '../delivery/messages.ts';
import { encodeCallEvent, parseCallEvent, parseNodeMail } from '../delivery/messages.ts';
import { eventsBehind } from '../delivery/position.ts';
import { releaseOnce } from '../delivery/release.ts';
import type { CallPosition } from '../delivery/stream-ids.ts';
import { callEventId, newCallStream, newConnectionName, nodeMailOf, requestIdOf } from '../delivery/stream-ids.ts';
import type { DeliveredEvent } from '../delivery/tail.ts';
import { McpError } from '../errors.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import { errorText, notificationText } from '../protocol/jsonrpc.ts';
import type { EventStream } from './event-stream.ts';
import { Opening } from './event-stream.ts';

/** The options of `CallStreams`. */
export interface CallStreamsOptions extends Delivery {
  /** Most messages of one stream that are kept for a client that comes back. */
  readonly maxEvents: number;
  /** Most characters of those messages. At least one message is kept. */
  readonly maxEventBytes: number;
  /** Milliseconds a client should wait before it reconnects to another process. */
  readonly retryMs: number;
}

/**
 * How long in ms, how many, and with how many characters of messages in all, streams are kept after they were written to their end. The client
 * may not have received the end. A client that first meets a process that does not answer still has time to come back.
 */
const lingerMs = 60_000;
const maxLingering = 1000;
const maxLingeringChars = 64 * 1024 * 1024;

/**
 * The streams of the calls in this process, and access to call streams of other processes.
 *
 * While a connection carries a stream, its messages are kept in memory only. Once the connection breaks, or another process asks for the
 * stream because the client came back there, all kept messages become rows.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery
 */
export class CallStreams {
  readonly #options: CallStreamsOptions;
  readonly #streams = new Map<string, CallStream>();
  /** Streams that have ended, oldest first. Each has the function that forgets it. */
  readonly #lingering = new Map<string, () => void>();
  /** Characters of their messages. */
  #lingeringChars = 0;
  /** The connections that carry streams of other processes, each with its session. */
  readonly #following = new Map<EventStream, string>();
  #isClosed = false;

  constructor(options: CallStreamsOptions) {
    this.#options = options;
  }

  /**
   * Opens the stream of a call over a connection.
   *
   * @param requestId The request that the stream's one response answers; `undefined` for a batch.
   */
  open(sessionId: string, connection: EventStream, requestId: RequestId | undefined): CallStream {
    const { node, nodes, tail } = this.#options;
    const id = newCallStream(sessionId, node, requestId);
    const release = releaseOnce(nodes.hold(), tail.hold(), () => this.#streams.delete(id));
    const stream = new CallStream({ id, sessionId, body: connection, onClose: chars => this.#linger(id, chars, release) }, this.#options);
    this.#streams.set(id, stream);
    return stream;
  }

  /**
   * Resumes a stream behind the client's position, in whichever process the call runs.
   *
   * @param openConnection Makes the connection. Called only after every step that can fail.
   * @throws {StoreUnavailable} The database does not answer.
   */
  async resume(sessionId: string, position: CallPosition, openConnection: () => EventStream): Promise<EventStream> {
    const stream = this.#streams.get(position.stream);
    if (stream === undefined && !position.isLast) return this.#follow(sessionId, position, openConnection);
    const connection = openConnection();
    // A first write sends the headers at once. Without it they would wait for the first message.
    connection.comment();
    if (position.isLast) connection.end();
    else stream?.attach(connection, position.seq);
    return connection;
  }

  /** Handles the message of another process whose client has come back for a stream of this process. */
  handOver({ resume, sessionId, by }: Resumption): void {
    const stream = this.#streams.get(resume);
    if (stream === undefined)
      this.#end(resume, sessionId, 'The response is no longer kept; whether the request took effect is unknown').catch(
        this.#options.onError,
      );
    else if (by !== stream.carrier) stream.handOver();
  }

  /** Ends the streams of a session that has ended. */
  endSession(sessionId: string): void {
    for (const stream of this.#streams.values()) if (stream.sessionId === sessionId) stream.end();
    for (const [connection, followed] of this.#following) if (followed === sessionId) connection.end();
  }

  /** Ends the connections that carry streams of other processes, because this process cannot read the log. */
  endFollowing(): void {
    for (const connection of this.#following.keys()) connection.end();
  }

  /** Hands all streams over to other processes. All kept messages become rows. */
  handOverAll(): void {
    for (const connection of this.#following.keys()) connection.retry(this.#options.retryMs);
    this.endFollowing();
    for (const stream of this.#streams.values()) stream.handOver();
  }

  /** Forgets all ended streams. Streams that end later are forgotten at once. */
  close(): void {
    this.#isClosed = true;
    for (const forget of this.#lingering.values()) forget();
  }

  /**
   * Carries a stream whose call runs in another process. Asks that process to write the events as rows and reads them. If that process has
   * died, writes the end of the stream.
   */
  async #follow(sessionId: string, { stream, node, seq }: CallPosition, openConnection: () => EventStream): Promise<EventStream> {
    const { store, log, tail, nodes, storeMs, onError } = this.#options;
    const opening = new Opening();
    let written = seq;
    const take = (connection: EventStream, { data }: DeliveredEvent): void => {
      const event = parseCallEvent(data);
      if (event === undefined) return;
      if (event.seq > written) {
        if (event.seq > written + 1 && event.seq < endSeq) connection.send(droppedText(event.seq - written - 1));
        written = event.seq;
        if (event.message !== '') connection.message(event.message, callEventId(stream, event.seq, event.isLast));
      }
      // This also ends the connection of a client that has received the last message without knowing that it was the last.
      if (event.isLast) connection.end();
    };
    let release = tail.hold();
    try {
      await tail.start();
      const unlisten = tail.listen(stream, event => opening.run(connection => take(connection, event)));
      release = releaseOnce(release, unlisten);
      const events = await eventsBehind(store, [stream], { id: 0, gaps: [] });
      if (!events.some(({ data }) => parseCallEvent(data)?.isLast)) {
        const by = newConnectionName(this.#options);
        let isTold = false;
        const unwatchMail = tail.listen(nodeMailOf(node), ({ data }) => {
          const mail = parseNodeMail(data);
          if (mail === undefined || !('resume' in mail) || mail.resume !== stream) return;
          // A message of another connection behind the message of this one means that the client has moved on.
          if (isTold && mail.by !== by) opening.run(connection => connection.end());
          isTold ||= mail.by === by;
        });
        release = releaseOnce(release, unwatchMail);
        await log.post(resumption(node, { resume: stream, sessionId, by }), { withinMs: storeMs });
        const unwatch = nodes.watch(node, () => void this.#end(stream, sessionId, processEnded).catch(onError));
        release = releaseOnce(release, unwatch);
      }
      const connection = openConnection();
      connection.comment();
      this.#following.set(connection, sessionId);
      connection.once(
        'close',
        releaseOnce(release, () => this.#following.delete(connection)),
      );
      for (const event of events) take(connection, event);
      opening.done(connection);
      return connection;
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Writes the end of a stream whose call can no longer end it. All ends of a stream have the same key, so only the first one counts, and
   * none if the response is already a row.
   */
  async #end(stream: string, sessionId: string, why: string): Promise<void> {
    const requestId = requestIdOf(stream);
    const message = requestId === undefined ? '' : errorText(requestId, new McpError('InternalError', why));
    const data = encodeCallEvent({ seq: endSeq, isLast: true, message });
    await this.#options.log.post({ stream, sessionId, data, key: endKey(stream) });
  }

  /** Keeps a stream that has ended for a while. Beyond the limits the oldest are forgotten, but never the newest. */
  #linger(id: string, chars: number, release: () => void): void {
    if (this.#isClosed) {
      release();
      return;
    }
    const timer = setTimeout(() => forget(), lingerMs).unref();
    const forget = releaseOnce(
      release,
      () => clearTimeout(timer),
      () => {
        this.#lingering.delete(id);
        this.#lingeringChars -= chars;
      },
    );
    this.#lingering.set(id, forget);
    this.#lingeringChars += chars;
    for (const [oldest, forgetOldest] of this.#lingering) {
      if ((this.#lingering.size <= maxLingering && this.#lingeringChars <= maxLingeringChars) || oldest === id) break;
      forgetOldest();
    }
  }
}

/** The error for the client of a call whose process has died. */
export const processEnded = 'The process that served this request has ended; whether the request took effect is unknown';

/** The sequence number of an end that another process writes. Greater than any that a call can reach. */
const endSeq = 900_000_000;

/** The key of a stream's end. All ends share it, so the log takes only one. */
function endKey(stream: string): string {
  return `${stream}.end`;
}

/**
 * `carried`: a connection takes the messages. `rows`: the messages become rows, because the client may come back to any process. `ended`:
 * the last message was given and is being delivered. `closed`: nothing is left to do.
 */
type State = 'carried' | 'rows' | 'ended' | 'closed';

/** Which stream it is, and what happens when it is over. */
interface CallStreamInit {
  /** From `newCallStream`. */
  readonly id: string;
  readonly sessionId: string;
  /** The connection that carries the stream first. */
  readonly body: EventStream;
  /** Called when the stream has ended and its end was written to the client or became a row. @param chars Of the messages that are kept. */
  readonly onClose: (chars: number) => void;
}

/** The stream of a call. It outlives the connections that carry it. */
export class CallStream {
  readonly id: string;
  readonly sessionId: string;
  readonly #options: CallStreamsOptions;
  readonly #onClose: CallStreamInit['onClose'];
  #body: EventStream | undefined;
  /** The latest messages, kept for a client that comes back. */
  readonly #kept: CallEvent[] = [];
  #keptBytes = 0;
  #seq = 0;
  /** The greatest sequence number that was given to the log. */
  #posted = 0;
  /** The greatest sequence number that was written to a connection. */
  #written = 0;
  #posting: Promise<unknown> = Promise.resolve();
  #connection: EventStream | undefined;
  #state: State = 'carried';
  #isPrimed = false;
  /** Whether a connection of another process carries the stream, or will. */
  #isFollowed = false;
  /** The name by which other processes know the connection that carries the stream. */
  carrier: string | undefined;

  constructor({ id, sessionId, body, onClose }: CallStreamInit, options: CallStreamsOptions) {
    this.id = id;
    this.sessionId = sessionId;
    this.#body = body;
    this.#onClose = onClose;
    this.#options = options;
    this.attach(body, 0);
  }

  /** The connection that the stream was opened over. A stream that is over has none, so that it does not hold the connection's memory. */
  get body(): EventStream {
    if (this.#body === undefined) throw new Error('The stream of this call is over');
    return this.#body;
  }

  /**
   * Sends one message, or keeps it until the client comes back; `false` if the stream has ended.
   *
   * @param isLast Whether the sender knows that no message follows.
   */
  send(message: string, isLast = false): boolean {
    if (this.#hasEnded) return false;
    this.#append(message, isLast);
    return true;
  }

  /** Ends the stream. The latest message becomes its last one. */
  end(): void {
    if (this.#hasEnded) return;
    const last = this.#kept.at(-1);
    if (last !== undefined && last.seq > this.#posted) this.#kept[this.#kept.length - 1] = { ...last, isLast: true };
    else if (!last?.isLast) this.#append('', true);
    this.#finish();
  }

  /** Continues the stream over another connection: first the messages after `seq`, then new ones. The earlier connection ends. */
  attach(connection: EventStream, seq: number): void {
    const earlier = this.#connection;
    this.#connection = connection;
    earlier?.end();
    if (!this.#hasEnded) this.#state = 'carried';
    if (this.#isFollowed) this.#tellFollowers();
    const dropped = (this.#kept[0]?.seq ?? 1) - 1;
    if (seq < dropped) connection.send(droppedText(dropped - seq));
    for (const event of this.#kept) if (event.seq > seq) this.#write(connection, event);
    connection.once('close', () => this.#disconnected(connection));
    if (this.#hasEnded) connection.end();
  }

  /** Sends an event id before the first message, so that the client can resume in every case. */
  prime(): void {
    this.#isPrimed = true;
    this.#connection?.prime(callEventId(this.id, this.#seq, false));
  }

  /** Ends the connection but not the stream. The client reconnects after `retryMs`. */
  disconnect(retryMs: number): void {
    this.#connection?.retry(retryMs);
    this.#connection?.end();
  }

  /** Hands the stream over to another process. */
  handOver(): void {
    this.#isFollowed = true;
    if (this.#isPrimed) this.#connection?.retry(this.#options.retryMs);
    this.#connection?.end();
    this.#connection = undefined;
    if (this.#hasEnded) this.#close();
    else this.#toRows();
  }

  /** Tells the connections of other processes that this process carries the stream again. */
  #tellFollowers(): void {
    const { log, node, onError } = this.#options;
    this.#isFollowed = false;
    this.carrier = newConnectionName(this.#options);
    log.post(resumption(node, { resume: this.id, sessionId: this.sessionId, by: this.carrier })).catch(onError);
  }

  get #hasEnded(): boolean {
    return this.#state === 'ended' || this.#state === 'closed';
  }

  #append(message: string, isLast: boolean): void {
    this.#seq += 1;
    this.#kept.push({ seq: this.#seq, message, isLast });
    this.#keptBytes += message.length;
    this.#makeRoom();
    const event = this.#kept.at(-1) as CallEvent;
    if (this.#connection?.isOpen) this.#write(this.#connection, event);
    if (this.#state === 'rows' || !this.#connection?.isOpen) this.#toRows();
    if (event.isLast) this.#finish();
  }

  /**
   * Drops the oldest messages beyond the limits. If the client has not received one of them, the newest message becomes the end of the
   * stream, with an error. The response itself is always kept.
   */
  #makeRoom(): void {
    const { maxEvents, maxEventBytes } = this.#options;
    while (this.#kept.length > maxEvents || (this.#keptBytes > maxEventBytes && this.#kept.length > 1)) {
      const oldest = this.#kept[0] as CallEvent;
      const newest = this.#kept.at(-1) as CallEvent;
      if (oldest.seq > this.#written && !newest.isLast) {
        this.#kept.splice(-1, 1, { seq: newest.seq, isLast: true, message: this.#overflowText() });
        return;
      }
      this.#kept.shift();
      this.#keptBytes -= oldest.message.length;
    }
  }

  #write(connection: EventStream, { seq, message, isLast }: CallEvent): void {
    this.#written = Math.max(this.#written, seq);
    if (message !== '') connection.message(message, callEventId(this.id, seq, isLast));
  }

  #finish(): void {
    if (this.#hasEnded) return;
    this.#state = 'ended';
    if (this.#connection?.isOpen) this.#connection.end();
    else this.#close();
  }

  #disconnected(connection: EventStream): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#hasEnded && connection.readableEnded) this.#closed();
    else if (this.#hasEnded) this.#close();
    else this.#toRows();
  }

  #close(): void {
    this.#post();
    void this.#posting.then(() => this.#closed());
  }

  #closed(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#body = undefined;
    this.#onClose(this.#keptBytes);
  }

  #toRows(): void {
    if (!this.#hasEnded) this.#state = 'rows';
    this.#post();
  }

  /** Gives the log the events that it does not have yet. The log tries until the events are rows or expire. */
  #post(): void {
    const { log, onError } = this.#options;
    for (const event of this.#kept.filter(({ seq }) => seq > this.#posted)) {
      this.#posted = event.seq;
      const key = event.isLast ? endKey(this.id) : `${this.id}.${event.seq}`;
      const posted = log.post({ stream: this.id, sessionId: this.sessionId, data: encodeCallEvent(event), key }).catch(onError);
      this.#posting = Promise.all([this.#posting, posted]);
    }
  }

  #overflowText(): string {
    const requestId = requestIdOf(this.id);
    const why = `More than ${this.#options.maxEvents} messages waited for the client, which did not come back for them; the response is lost`;
    return requestId === undefined ? '' : errorText(requestId, new McpError('InternalError', why));
  }
}

/**
 * A message to the process of a call, and to the processes whose connections carry its stream: another connection carries the stream now.
 */
function resumption(node: string, mail: Resumption): Posting {
  return { stream: nodeMailOf(node), sessionId: mail.sessionId, data: JSON.stringify(mail) };
}

function droppedText(count: number): string {
  const data = `${count} messages of this stream are no longer kept`;
  return notificationText('notifications/message', { level: 'warning', logger: 'koa-mcp', data });
}
