import type { EventLog, Posting } from '../delivery/event-log.ts';
import type { Resumption } from '../delivery/messages.ts';
import { encodeCallEvent, parseCallEvent, parseNodeMail } from '../delivery/messages.ts';
import type { Nodes } from '../delivery/nodes.ts';
import type { CallPosition } from '../delivery/stream-ids.ts';
import { callEventId, newCallStream, nodeMailOf, requestIdOf } from '../delivery/stream-ids.ts';
import type { DeliveredEvent, Tail } from '../delivery/tail.ts';
import { McpError } from '../errors.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import { errorText, notificationText } from '../protocol/jsonrpc.ts';
import type { EventStore } from '../store/store.ts';
import type { EventStream } from './event-stream.ts';
import { newConnectionName } from './session-stream.ts';

/** The options of `CallStreams`. */
export interface CallStreamsOptions {
  readonly store: EventStore;
  readonly log: EventLog;
  readonly tail: Tail;
  readonly nodes: Nodes;
  /** The id of this process's run. */
  readonly node: string;
  /** The name of this process, for people. */
  readonly nodeName: string;
  /** Most milliseconds to wait for the database. */
  readonly storeMs: number;
  /** Most messages of one stream that are kept for a client that comes back. */
  readonly maxEvents: number;
  /** Most characters of those messages. At least one message is kept. */
  readonly maxEventBytes: number;
  /** Milliseconds a client should wait before it reconnects to another process. */
  readonly retryMs: number;
  readonly onError: (error: unknown) => void;
}

/**
 * How long in ms, and how many, streams are kept after they were written to their end. The client may not have received the end. A client
 * that first meets a process that does not answer still has time to come back.
 */
const lingerMs = 60_000;
const maxLingering = 1000;
/** Milliseconds between checks for streams whose time is over. */
const lingerLookMs = 10_000;
/** Most rows in one read. */
const rowsPerRead = 500;

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
  readonly #lingering = new Map<string, { readonly until: number; readonly forget: () => void }>();
  /** The connections that carry streams of other processes, each with its session. */
  readonly #following = new Map<EventStream, string>();
  #timer: NodeJS.Timeout | undefined;
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
    const { nodes, tail } = this.#options;
    const stream = new CallStream(sessionId, requestId, this.#options);
    this.#streams.set(stream.id, stream);
    const releases = [nodes.hold(), tail.hold()];
    stream.onClose(() =>
      this.#linger(stream, () => {
        this.#streams.delete(stream.id);
        for (const release of releases) release();
      }),
    );
    stream.attach(connection, 0);
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
    this.#forget(Number.POSITIVE_INFINITY);
  }

  /**
   * Carries a stream whose call runs in another process. Asks that process to write the events as rows and reads them. If that process has
   * died, writes the end of the stream.
   */
  async #follow(sessionId: string, { stream, node, seq }: CallPosition, openConnection: () => EventStream): Promise<EventStream> {
    const { store, log, tail, nodes, storeMs, onError } = this.#options;
    const releases = [tail.hold()];
    const stop = (): void => {
      for (const release of releases.splice(0)) release();
    };
    try {
      await tail.start();
      const early: DeliveredEvent[] = [];
      let take = (event: DeliveredEvent): void => void early.push(event);
      releases.push(tail.listen(stream, event => take(event)));
      const events = await this.#readAll(store, stream);
      let isOvertaken = false;
      let end = (): void => {};
      if (!events.some(({ data }) => parseCallEvent(data)?.isLast)) {
        const by = newConnectionName(this.#options);
        let isTold = false;
        releases.push(
          tail.listen(nodeMailOf(node), ({ data }) => {
            const mail = parseNodeMail(data);
            if (mail === undefined || !('resume' in mail) || mail.resume !== stream) return;
            // A message of another connection behind the message of this one means that the client has moved on.
            isOvertaken ||= isTold && mail.by !== by;
            isTold ||= mail.by === by;
            if (isOvertaken) end();
          }),
        );
        await log.post(resumption(node, { resume: stream, sessionId, by }), { withinMs: storeMs });
        releases.push(
          nodes.watch(node, () => {
            this.#end(stream, sessionId, processEnded).catch(onError);
          }),
        );
      }
      const connection = openConnection();
      end = () => connection.end();
      connection.comment();
      this.#following.set(connection, sessionId);
      connection.once('close', () => {
        this.#following.delete(connection);
        stop();
      });
      if (isOvertaken) end();
      let written = seq;
      take = ({ data }) => {
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
      for (const event of [...events, ...early]) take(event);
      return connection;
    } catch (error) {
      stop();
      throw error;
    }
  }

  async #readAll(store: EventStore, stream: string): Promise<DeliveredEvent[]> {
    const all: DeliveredEvent[] = [];
    for (;;) {
      const page = await store.findEvents({ streams: [stream], after: all.at(-1)?.id ?? 0, limit: rowsPerRead });
      all.push(...page);
      if (page.length < rowsPerRead) return all;
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

  #linger(stream: CallStream, forget: () => void): void {
    if (this.#isClosed) {
      forget();
      return;
    }
    this.#lingering.set(stream.id, { until: performance.now() + lingerMs, forget });
    if (this.#lingering.size > maxLingering) this.#forget(0, 1);
    this.#timer ??= setInterval(() => this.#forget(performance.now()), lingerLookMs).unref();
  }

  /** Forgets the streams whose time is over at `now`, and at least the `atLeast` oldest ones. */
  #forget(now: number, atLeast = 0): void {
    let left = atLeast;
    for (const [id, { until, forget }] of this.#lingering) {
      if (until > now && left <= 0) break;
      left -= 1;
      this.#lingering.delete(id);
      forget();
    }
    if (this.#lingering.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
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

interface KeptEvent {
  readonly seq: number;
  readonly message: string;
  readonly isLast: boolean;
}

/** The stream of a call. It outlives the connections that carry it. */
export class CallStream {
  readonly id: string;
  readonly sessionId: string;
  readonly #options: CallStreamsOptions;
  readonly #closeListeners: (() => void)[] = [];
  /** The latest messages, kept for a client that comes back. */
  readonly #kept: KeptEvent[] = [];
  #keptBytes = 0;
  /** The greatest sequence number that is no longer kept. */
  #dropped = 0;
  #seq = 0;
  /** The greatest sequence number that was given to the log. */
  #posted = 0;
  /** The greatest sequence number that was written to a connection. */
  #written = 0;
  /** Count and length of the events that were given to the log and never written to a connection. */
  #unwrittenEvents = 0;
  #unwrittenBytes = 0;
  #posting: Promise<unknown> = Promise.resolve();
  #connection: EventStream | undefined;
  #body: EventStream | undefined;
  #state: State = 'carried';
  #isPrimed = false;
  /** Whether a connection of another process carries the stream, or will. */
  #isFollowed = false;
  /** The name by which other processes know the connection that carries the stream. */
  carrier: string | undefined;

  constructor(sessionId: string, requestId: RequestId | undefined, options: CallStreamsOptions) {
    this.id = newCallStream(sessionId, options.node, requestId);
    this.sessionId = sessionId;
    this.#options = options;
  }

  /** The connection that the stream was opened over. */
  get body(): EventStream {
    return this.#body as EventStream;
  }

  /** Calls `listener` when the stream has ended and its end was written to the client or became a row. */
  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
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
    this.#body ??= connection;
    this.#connection = connection;
    earlier?.end();
    if (!this.#hasEnded) this.#state = 'carried';
    if (this.#isFollowed) this.#tellFollowers();
    this.#unwrittenEvents = 0;
    this.#unwrittenBytes = 0;
    if (seq < this.#dropped) connection.send(droppedText(this.#dropped - seq));
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
    const event = { seq: this.#seq, message, isLast };
    this.#kept.push(event);
    this.#keptBytes += message.length;
    const { maxEvents, maxEventBytes } = this.#options;
    while (this.#kept.length > maxEvents || (this.#keptBytes > maxEventBytes && this.#kept.length > 1)) {
      const [oldest] = this.#kept.splice(0, 1);
      if (oldest === undefined) break;
      this.#keptBytes -= oldest.message.length;
      this.#dropped = oldest.seq;
    }
    if (this.#connection?.isOpen) this.#write(this.#connection, event);
    if (this.#state === 'rows' || !this.#connection?.isOpen) this.#toRows();
    if (isLast && !this.#hasEnded) this.#finish();
  }

  #write(connection: EventStream, { seq, message, isLast }: KeptEvent): void {
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
    this.#state = 'closed';
    for (const listener of this.#closeListeners.splice(0)) listener();
  }

  #toRows(): void {
    if (!this.#hasEnded) this.#state = 'rows';
    this.#post();
  }

  /** Gives the log the events that it does not have yet. The log tries until the events are rows or expire. */
  #post(): void {
    const { log, maxEvents, maxEventBytes, onError } = this.#options;
    for (const event of this.#kept.filter(({ seq }) => seq > this.#posted)) {
      this.#posted = event.seq;
      if (event.seq > this.#written) {
        this.#unwrittenEvents += 1;
        this.#unwrittenBytes += event.message.length;
      }
      const isOver = this.#unwrittenEvents > maxEvents || (this.#unwrittenBytes > maxEventBytes && this.#unwrittenEvents > 1);
      const isTooMuch = isOver && !event.isLast;
      const given = isTooMuch ? { seq: event.seq, isLast: true, message: this.#overflowText() } : event;
      // A client that comes back to this process must find the same end.
      if (isTooMuch) this.#kept.splice(this.#kept.indexOf(event), this.#kept.length, given);
      const key = given.isLast ? endKey(this.id) : `${this.id}.${event.seq}`;
      const data = encodeCallEvent(given);
      const posted = log.post({ stream: this.id, sessionId: this.sessionId, data, key }).catch(onError);
      this.#posting = Promise.all([this.#posting, posted]);
      if (!isTooMuch) continue;
      this.#posted = Number.POSITIVE_INFINITY;
      this.#finish();
      return;
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
