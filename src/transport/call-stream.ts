import type { EventLog, Posting } from '../delivery/event-log.ts';
import type { Resumption } from '../delivery/messages.ts';
import { encodeCallEvent, parseCallEvent, parseNodeMail } from '../delivery/messages.ts';
import type { Nodes } from '../delivery/nodes.ts';
import type { CallPosition, CallStreamId } from '../delivery/stream-ids.ts';
import { callEventId, newCallStream, nodeMailOf } from '../delivery/stream-ids.ts';
import type { DeliveredEvent, Tail } from '../delivery/tail.ts';
import { McpError } from '../errors.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import { errorText, notificationText } from '../protocol/jsonrpc.ts';
import type { EventStore } from '../store/store.ts';
import type { EventStream } from './event-stream.ts';
import { newConnectionName } from './session-stream.ts';

/** What call streams need. */
export interface CallStreamsOptions {
  readonly store: EventStore;
  readonly log: EventLog;
  readonly tail: Tail;
  readonly nodes: Nodes;
  /** The run of this process. */
  readonly node: string;
  /** Name of this process, for people. */
  readonly nodeName: string;
  /** Milliseconds the database may take. */
  readonly storeMs: number;
  /** Messages of one stream that are kept for a client that comes back. */
  readonly maxEvents: number;
  /** Bytes of them. */
  readonly maxEventBytes: number;
  /** Milliseconds a client waits before it comes back to another process. */
  readonly retryMs: number;
  readonly onError: (error: unknown) => void;
}

/**
 * How long, and how many, streams are kept after they were written to their end: written is not received. Long enough for a client that first
 * meets a process which does not answer.
 */
const lingerMs = 60_000;
const maxLingering = 1000;
/** Milliseconds between looks for streams whose time is over. */
const lingerLookMs = 10_000;
/** Rows of one read. */
const rowsPerRead = 500;

/**
 * The streams of this process's calls, and the way to those of others.
 *
 * What a call says is in memory while a connection carries it. Once the connection breaks, or the client comes back to another process, which
 * asks for it, everything goes to rows.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery
 */
export class CallStreams {
  readonly #options: CallStreamsOptions;
  readonly #streams = new Map<string, CallStream>();
  readonly #lingering = new Map<string, { readonly until: number; readonly forget: () => void }>();
  /** The session of each connection that carries a stream of another process. */
  readonly #following = new Map<EventStream, string>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: CallStreamsOptions) {
    this.#options = options;
  }

  /**
   * Opens the stream of a call over a connection.
   *
   * @param requestId The request that its one response answers; `undefined` for a batch.
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
   * Goes on with a stream behind the position that its client has reached, wherever the call runs.
   *
   * @param openConnection Makes the connection, once nothing can fail any more.
   * @throws {StoreUnavailable} The database does not answer.
   */
  async resume(sessionId: string, position: CallPosition, openConnection: () => EventStream): Promise<EventStream> {
    const stream = this.#streams.get(position.stream);
    if (stream === undefined && !position.isLast) return this.#follow(sessionId, position, openConnection);
    const connection = openConnection();
    // Something has to be written, or the headers wait for the first message.
    connection.comment();
    if (position.isLast) connection.end();
    else stream?.attach(connection, position.seq);
    return connection;
  }

  /** Another process asks for a stream of this one: its client has come back there. */
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

  /** Ends the connections that follow calls of other processes: this one cannot read the log. */
  endFollowing(): void {
    for (const connection of this.#following.keys()) connection.end();
  }

  /** Leaves all clients to other processes, which find in rows what was not received. */
  handOverAll(): void {
    for (const connection of this.#following.keys()) connection.retry(this.#options.retryMs);
    this.endFollowing();
    for (const stream of this.#streams.values()) stream.handOver();
  }

  /** Forgets all streams, and those that end later at once. */
  close(): void {
    this.#isClosed = true;
    this.#forget(Number.POSITIVE_INFINITY);
  }

  /** Reads the rows of a stream whose call runs in another process, which is asked to write them, and ends it should that process have died. */
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
            // Behind the mail of this connection, that of any other one is newer.
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
        // Also where its client has received the last message, and could not know that it was.
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

  /** Ends a stream that nobody else ends any more. Of several that say so one is heard, and none where the response is a row. */
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

  /** Lets go of the streams whose time is over at `now`, and of the oldest `atLeast`. */
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

/** What the client of a call is told whose process has died. */
export const processEnded = 'The process that served this request has ended; whether the request took effect is unknown';

/** The sequence number of an end that another process writes: behind all that a call may have said. */
const endSeq = 900_000_000;

/** One key for the end of a stream, so that it has one end. */
function endKey(stream: string): string {
  return `${stream}.end`;
}

function requestIdOf(stream: string): CallStreamId['requestId'] {
  const request = stream.split('.')[3] ?? '';
  return request === '' ? undefined : (JSON.parse(Buffer.from(request, 'base64url').toString()) as RequestId);
}

/**
 * `carried`: a connection takes what is said. `rows`: what is said becomes rows, for the client comes back to any process.
 * `ended`: all is said, and being written. `closed`: nothing is left to do.
 */
type State = 'carried' | 'rows' | 'ended' | 'closed';

interface KeptEvent {
  readonly seq: number;
  readonly message: string;
  readonly isLast: boolean;
}

/** The stream of a call as the protocol sees it, which outlives the connections that carry it. */
export class CallStream {
  readonly id: string;
  readonly sessionId: string;
  readonly #options: CallStreamsOptions;
  readonly #closeListeners: (() => void)[] = [];
  /** The latest messages. */
  readonly #kept: KeptEvent[] = [];
  #keptBytes = 0;
  /** The greatest sequence number that is kept no more. */
  #dropped = 0;
  #seq = 0;
  /** The greatest sequence number that was given to the log. */
  #posted = 0;
  /** The greatest sequence number that was written to a connection. */
  #written = 0;
  /** What was given to the log and never written to a connection. */
  #unwrittenEvents = 0;
  #unwrittenBytes = 0;
  #posting: Promise<unknown> = Promise.resolve();
  #connection: EventStream | undefined;
  #body: EventStream | undefined;
  #state: State = 'carried';
  #isPrimed = false;
  /** Whether a connection of another process carries it, or will. */
  #isFollowed = false;
  /** The connection that carries it, as other processes know it. */
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

  /** Calls back when the stream has ended, and its end was written to its client or became a row. */
  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  /**
   * Sends one message, or keeps it for the client until it comes back; `false` if the stream has ended.
   *
   * @param isLast Whether it is known that no message follows.
   */
  send(message: string, isLast = false): boolean {
    if (this.#hasEnded) return false;
    this.#append(message, isLast);
    return true;
  }

  /** Ends the stream. What was sent last was its last message. */
  end(): void {
    if (this.#hasEnded) return;
    const last = this.#kept.at(-1);
    if (last !== undefined && last.seq > this.#posted) this.#kept[this.#kept.length - 1] = { ...last, isLast: true };
    else if (!last?.isLast) this.#append('', true);
    this.#finish();
  }

  /** Carries the stream on over a connection: what came after `seq`, then whatever comes. An earlier connection ends. */
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

  /** Names a position before the first message, so that the client can come back whatever happens. */
  prime(): void {
    this.#isPrimed = true;
    this.#connection?.prime(callEventId(this.id, this.#seq, false));
  }

  /** Ends the connection, not the stream: the client comes back after `retryMs`. */
  disconnect(retryMs: number): void {
    this.#connection?.retry(retryMs);
    this.#connection?.end();
  }

  /** Leaves the client to another process. */
  handOver(): void {
    this.#isFollowed = true;
    if (this.#isPrimed) this.#connection?.retry(this.#options.retryMs);
    this.#connection?.end();
    this.#connection = undefined;
    if (this.#hasEnded) this.#close();
    else this.#toRows();
  }

  /** Connections of other processes carry the stream no longer. */
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

  /** Gives the log what it does not have yet. The log tries until the events are rows, or expire. */
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
      // A client that comes back here finds the same end.
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

/** Tells the process of a call, and those whose connections carry its stream, that another connection does. */
function resumption(node: string, mail: Resumption): Posting {
  return { stream: nodeMailOf(node), sessionId: mail.sessionId, data: JSON.stringify(mail) };
}

function droppedText(count: number): string {
  const data = `${count} messages of this stream are no longer kept`;
  return notificationText('notifications/message', { level: 'warning', logger: 'koa-mcp', data });
}
