import { Readable } from 'node:stream';
import type Koa from 'koa';

/** A response body of server-sent events. Events that its reader has no time for yet are handed over as one piece. */
export class EventStream extends Readable {
  readonly #maxBufferBytes: number;
  #ended = false;
  #waiting = '';
  #waitingBytes = 0;
  #isReaderFree = false;

  /** @param maxBufferBytes Past it the reader is too slow and the stream is destroyed. */
  constructor(maxBufferBytes: number) {
    super({ highWaterMark: 16 * 1024 });
    this.#maxBufferBytes = maxBufferBytes;
  }

  override _read(): void {
    this.#isReaderFree = true;
    this.#handOver();
  }

  /** Whether what is sent still has a way to the client. */
  get isOpen(): boolean {
    return !this.#ended && !this.destroyed;
  }

  get body(): this {
    return this;
  }

  /** Sends one JSON-RPC message, already JSON; `false` if the stream has ended. */
  send(message: string): boolean {
    return this.event('message', message);
  }

  /** Sends one message that the client may name later as the last it has seen. */
  message(message: string, id: string): boolean {
    return this.#write(`id: ${id}\nevent: message\ndata: ${message}\n\n`);
  }

  /** Sends one event. `data` has no line breaks. */
  event(name: string, data: string): boolean {
    return this.#write(`event: ${name}\ndata: ${data}\n\n`);
  }

  /** Gives the client an event id to come back with, before there is a message. */
  prime(id: string): void {
    this.#write(`id: ${id}\ndata: \n\n`);
  }

  /** Tells the client how long to wait before it comes back. */
  retry(retryMs: number): void {
    this.#write(`retry: ${retryMs}\n\n`);
  }

  /** Sends a comment, which parsers skip: it keeps proxies from cutting an idle stream. */
  comment(): void {
    this.#write(': \n\n');
  }

  /** Ends the stream after what was sent. */
  end(): void {
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

/** What open streams may cost. */
export interface StreamLimits {
  /** Bytes waiting for a slow reader; past them its stream is destroyed. */
  readonly maxStreamBufferBytes: number;
  /** Milliseconds between comments on an idle stream. */
  readonly heartbeatMs: number;
  /** Streams that a session has asked for with GET, in this process; one more ends the oldest. */
  readonly maxStreams: number;
}

/** The open streams of this process. One timer serves the heartbeats of all. */
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
    // One that has ended stays until its client has read it to its end.
    const open = [...streams].filter(({ isOpen }) => isOpen);
    if (open.length > this.#limits.maxStreams) open[0]?.end();
    return stream;
  }

  /** Ends all streams, and waits until what was sent on them has gone out; those not read to their end by `deadlineMs` are cut. */
  async close(deadlineMs: number): Promise<void> {
    const streams = [...this.#all];
    const closed = streams.map(stream => new Promise(resolve => stream.once('close', resolve)));
    for (const stream of streams) stream.end();
    const timer = setTimeout(() => this.cut(), deadlineMs);
    await Promise.all(closed);
    clearTimeout(timer);
    this.#stop();
  }

  /** Cuts all streams at once; one that is opened later ends at once. */
  cut(): void {
    this.#isCut = true;
    for (const stream of this.#all) stream.destroy();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** How Node says that the other end of a connection is gone. */
const goneCodes: ReadonlySet<unknown> = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT']);

/** Answers with a stream of events. Nothing on the way may buffer, compress or cache it. */
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

/** Where a context keeps what it did with errors before it answered with a stream. */
const reported = Symbol('onerror');

/**
 * Koa 3 reports a client that goes away from a stream as an error of the app; for these streams it is how they end.
 *
 * One function for all contexts: with a closure for each, whole requests outlive the collections of young garbage.
 */
function reportUnlessGone(this: Koa.Context, error: Error): void {
  if (!goneCodes.has((error as NodeJS.ErrnoException | null)?.code)) (this[reported] as Reporting['onerror']).call(this, error);
}
