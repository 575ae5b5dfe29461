import { Readable } from 'node:stream';
import type Koa from 'koa';

/** A response body of server-sent events. Events that wait for a slow reader are passed on as one chunk. */
export class EventStream extends Readable {
  readonly #maxBufferBytes: number;
  #ended = false;
  #waiting = '';
  #waitingBytes = 0;
  #isReaderFree = false;
  /** Whether the stream goes on when the caller's token expires, as a JSON answer does: it ends with its call, and cannot be resumed before. */
  outlivesToken = false;
  /** Called once by `end`. It may send the last events. @default none are sent */
  beforeEnd: (() => void) | undefined;

  /** @param maxBufferBytes Most bytes that may wait for the reader. Beyond it the stream is destroyed. */
  constructor(maxBufferBytes: number) {
    super({ highWaterMark: 16 * 1024 });
    this.#maxBufferBytes = maxBufferBytes;
  }

  override _read(): void {
    this.#isReaderFree = true;
    this.#handOver();
  }

  /** Whether events can still be sent to the client. */
  get isOpen(): boolean {
    return !this.#ended && !this.destroyed;
  }

  get body(): this {
    return this;
  }

  /** Sends one JSON-RPC message that is already JSON; `false` if the stream has ended. */
  send(message: string): boolean {
    return this.event('message', message);
  }

  /** Sends one message with an event id, which the client may send back as `Last-Event-ID`. */
  message(message: string, id: string): boolean {
    return this.#write(`id: ${id}\nevent: message\ndata: ${message}\n\n`);
  }

  /** Sends one event. `data` must not contain line breaks. */
  event(name: string, data: string): boolean {
    return this.#write(`event: ${name}\ndata: ${data}\n\n`);
  }

  /** Sends an event id without a message, so that the client can resume even before the first message. */
  prime(id: string): void {
    this.#write(`id: ${id}\ndata: \n\n`);
  }

  /** Tells the client how long to wait before it reconnects. */
  retry(retryMs: number): void {
    this.#write(`retry: ${retryMs}\n\n`);
  }

  /** Sends a comment, which parsers skip. It keeps proxies from closing an idle stream. */
  comment(): void {
    this.#write(': \n\n');
  }

  /** Ends the stream once the sent events are read. */
  end(): void {
    const { beforeEnd } = this;
    this.beforeEnd = undefined;
    if (this.isOpen) beforeEnd?.();
    if (!this.isOpen) return;
    this.#ended = true;
    this.#handOver();
    this.push(null);
  }

  #write(text: string): boolean {
    if (!this.isOpen) return false;
    this.#waiting += text;
    this.#waitingBytes += Buffer.byteLength(text);
    if (this.#isReaderFree) this.#handOver();
    if (this.#waitingBytes + this.readableLength > this.#maxBufferBytes) this.destroy();
    return true;
  }

  #handOver(): void {
    const text = this.#waiting;
    if (text === '') return;
    this.#waiting = '';
    this.#waitingBytes = 0;
    this.#isReaderFree = false;
    this.push(text);
  }
}

/** Steps that need a connection which is made later. They wait for it in order; once it is made, each step runs at once. */
export class Opening {
  #waiting: ((connection: EventStream) => void)[] = [];
  #connection: EventStream | undefined;

  run(step: (connection: EventStream) => void): void {
    if (this.#connection === undefined) this.#waiting.push(step);
    else step(this.#connection);
  }

  /** Runs the steps that wait. */
  done(connection: EventStream): void {
    this.#connection = connection;
    for (const step of this.#waiting.splice(0)) step(connection);
  }
}

/** The limits of open streams. */
export interface StreamLimits {
  /** Most bytes that may wait for a slow reader. Beyond it the stream is destroyed. */
  readonly maxStreamBufferBytes: number;
  /** Milliseconds between comments on an idle stream. */
  readonly heartbeatMs: number;
  /** Most streams that a session may have opened with GET in this process. One more ends the oldest. */
  readonly maxStreams: number;
}

/** The open streams of this process. One timer sends the heartbeats of all. */
export class Streams {
  readonly #all = new Set<EventStream>();
  readonly #bySession = new Map<string, Set<EventStream>>();
  readonly #limits: StreamLimits;
  #timer: NodeJS.Timeout | undefined;
  #isCut = false;

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  /** Opens a stream that answers a request. */
  open(): EventStream {
    const stream = new EventStream(this.#limits.maxStreamBufferBytes);
    this.#all.add(stream);
    stream.once('close', () => {
      this.#all.delete(stream);
      if (this.#all.size === 0) this.#stop();
    });
    if (this.#isCut) stream.end();
    else
      this.#timer ??= setInterval(() => {
        for (const open of this.#all) open.comment();
      }, this.#limits.heartbeatMs).unref();
    return stream;
  }

  /** Opens a stream that a session asked for with GET. */
  openGet(sessionId: string): EventStream {
    const stream = this.open();
    const streams = this.#bySession.get(sessionId) ?? new Set();
    this.#bySession.set(sessionId, streams.add(stream));
    stream.once('close', () => {
      streams.delete(stream);
      if (streams.size === 0 && this.#bySession.get(sessionId) === streams) this.#bySession.delete(sessionId);
    });
    // A stream that has ended stays in the set until its client has read it to the end.
    const open = [...streams].filter(({ isOpen }) => isOpen);
    if (open.length > this.#limits.maxStreams) open[0]?.end();
    return stream;
  }

  /** Ends all streams and waits until their clients have read them to the end. Destroys those that are still open after `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    const streams = [...this.#all];
    const closed = streams.map(stream => new Promise(resolve => stream.once('close', resolve)));
    for (const stream of streams) stream.end();
    const timer = setTimeout(() => this.cut(), deadlineMs);
    await Promise.all(closed);
    clearTimeout(timer);
    this.#stop();
  }

  /** Destroys all streams at once. A stream that is opened later ends at once. */
  cut(): void {
    this.#isCut = true;
    for (const stream of this.#all) stream.destroy();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Node's error codes for a connection that the other end has closed. */
const goneCodes: ReadonlySet<unknown> = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT']);

/** Answers with a stream of events. The headers forbid proxies to buffer, compress or cache it. */
export function respondStream(ctx: Koa.Context, stream: EventStream): void {
  ctx.status = 200;
  ctx.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache, no-transform', 'X-Accel-Buffering': 'no' });
  ctx['compress'] = false; // koa-compress
  ctx.body = stream;
  const reporting: Reporting = ctx;
  ctx[reported] = reporting.onerror;
  ctx.onerror = reportUnlessGone;
}

interface Reporting {
  readonly onerror: (error: Error) => void;
}

/** The property that holds the context's original `onerror`. */
const reported = Symbol('onerror');

/**
 * Koa 3 reports a client that closes a stream as an error of the app. These streams normally end this way, so such errors are ignored.
 *
 * All contexts share this one function. With a closure for each, whole requests outlive the collections of young garbage.
 */
function reportUnlessGone(this: Koa.Context, error: Error): void {
  if (!goneCodes.has((error as NodeJS.ErrnoException | null)?.code)) (this[reported] as Reporting['onerror']).call(this, error);
}
