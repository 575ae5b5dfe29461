import type { EventLog } from '../delivery/event-log.ts';
import { eventIdOf, newHolder, outboundOf } from '../delivery/streams.ts';
import type { Tail } from '../delivery/tails.ts';
import type { StoredEvent } from '../session/events.ts';
import type { SessionStore } from '../session/store.ts';
import type { EventStream } from './event-stream.ts';
import type { Inbounds } from './inbound.ts';
import { SseStandalone } from './sse-standalone.ts';
import { Taker } from './taker.ts';

/** What `StandaloneStreams` needs. */
export interface StandaloneStreamsOptions {
  readonly log: EventLog;
  readonly store: SessionStore;
  readonly inbounds: Inbounds;
  /** Milliseconds between looks for what other processes left. */
  readonly lookMs: number;
  /** Name of this process. */
  readonly node: string;
  /** Streams of one session in this process. */
  readonly maxStreams: number;
  readonly onError: (error: unknown) => void;
}

/** How the stream of a GET begins. */
export interface OpenStandalone {
  /** The position the client has seen, by its `Last-Event-ID`; without it the stream begins behind what was delivered. */
  readonly from?: number | undefined;
  /** Whether the stream begins with an id. */
  readonly primes: boolean;
}

/**
 * The streams of this process for what no request has caused: a GET's, or that of HTTP+SSE. Their events are rows first, so that any process may
 * append them and another connection carry on.
 *
 * Of several connections of a session, in whatever processes, the newest holds the stream; the others wait to take over.
 */
export class StandaloneStreams {
  readonly #options: StandaloneStreamsOptions;
  readonly #bySession = new Map<string, Set<Standalone | SseStandalone>>();

  constructor(options: StandaloneStreamsOptions) {
    this.#options = options;
  }

  /** Lets a connection carry the stream of a session. One connection too many ends the oldest; one of a session that is gone ends at once. */
  async open(sessionId: string, connection: EventStream, options: OpenStandalone): Promise<void> {
    const standalone = new Standalone(sessionId, connection, this.#options);
    this.#add(sessionId, standalone);
    await standalone.start(options);
  }

  /** Lets a connection carry the stream of a session of HTTP+SSE. */
  async openSse(sessionId: string, connection: EventStream): Promise<void> {
    const standalone = new SseStandalone(sessionId, connection, this.#options);
    this.#add(sessionId, standalone);
    await standalone.start();
  }

  /** Sends to a session wherever its stream is; kept for it while there is none. Its position, `undefined` if the session is gone. */
  send(sessionId: string, message: string): Promise<number | undefined> {
    return this.#options.log.post({ stream: outboundOf(sessionId), sessionId, message });
  }

  /** Finds out whether what is sent from now on reaches a stream that is in another process; `undefined` if it is here. */
  takerOf(sessionId: string): Taker | undefined {
    return this.#bySession.has(sessionId) ? undefined : new Taker(sessionId, this.#options);
  }

  /** Writes to a session's stream if it is here, without a row; whether it was. */
  sendHere(sessionId: string, message: string): boolean {
    const [standalone] = this.#bySession.get(sessionId) ?? [];
    return standalone?.connection.send(message) ?? false;
  }

  /** Ends a session's streams. */
  endSession(sessionId: string): void {
    for (const { connection } of this.#bySession.get(sessionId) ?? []) connection.end();
  }

  /** Leaves the sessions to other processes. */
  close(retryMs: number): void {
    for (const streams of this.#bySession.values()) for (const standalone of streams) standalone.leave(retryMs);
  }

  #add(sessionId: string, standalone: Standalone | SseStandalone): void {
    const streams = this.#bySession.get(sessionId) ?? new Set();
    this.#bySession.set(sessionId, streams.add(standalone));
    standalone.connection.once('close', () => {
      streams.delete(standalone);
      if (streams.size === 0 && this.#bySession.get(sessionId) === streams) this.#bySession.delete(sessionId);
    });
    if (streams.size > this.#options.maxStreams) streams.values().next().value?.connection.end();
  }
}

/** One connection of a session's GET. */
class Standalone {
  readonly connection: EventStream;
  readonly #sessionId: string;
  readonly #options: StandaloneStreamsOptions;
  readonly #stream: string;
  readonly #holder: string;
  #isHolding = false;
  #tail: Tail | undefined;

  constructor(sessionId: string, connection: EventStream, options: StandaloneStreamsOptions) {
    this.connection = connection;
    this.#sessionId = sessionId;
    this.#options = options;
    this.#stream = outboundOf(sessionId);
    this.#holder = newHolder(options.node);
    connection.once('close', () => void this.#stop().catch(options.onError));
  }

  async start({ from, primes }: OpenStandalone): Promise<void> {
    const { log } = this.#options;
    const delivered = await this.#claim(from);
    if (delivered === undefined) return this.connection.end();
    this.#isHolding = true;
    if (primes) this.connection.prime(eventIdOf(this.#stream, delivered));
    if (!this.connection.isOpen) return this.#stop();
    this.#tail = log.follow(this.#stream, { after: delivered, onEvents: events => this.#deliver(events) });
    this.#tail.wake();
  }

  /** Leaves the stream to another process, with a hint when to come back. */
  leave(retryMs: number): void {
    this.connection.retry(retryMs);
    this.connection.end();
  }

  async #deliver(events: readonly StoredEvent[]): Promise<boolean> {
    const last = events.at(-1);
    if (last === undefined || !this.connection.isOpen || !(await this.#advance(last.seq))) return false;
    for (const { seq, data } of events) this.connection.message(data, eventIdOf(this.#stream, seq));
    return true;
  }

  /** Takes the stream over, behind what its client has seen: never behind more than there was. */
  async #claim(from: number | undefined): Promise<number | undefined> {
    const { store, log } = this.#options;
    const delivered = await store.claim(this.#sessionId, this.#holder);
    if (delivered === undefined || from === undefined || from === delivered) return delivered;
    const seen = from < delivered ? from : Math.min(from, Math.max(delivered, await log.last(this.#stream)));
    return store.claim(this.#sessionId, this.#holder, { from: seen });
  }

  /** Takes the events up to a position for this connection; `false` if another one has them. */
  async #advance(to: number): Promise<boolean> {
    const { store } = this.#options;
    const { position = 0 } = this.#tail ?? {};
    if (this.#isHolding) {
      this.#isHolding = await store.advance(this.#sessionId, this.#holder, position, to);
      if (this.#isHolding) return true;
    }
    const delivered = await store.claim(this.#sessionId, this.#holder, { ifFree: true });
    this.#isHolding = delivered !== undefined;
    if (delivered !== undefined) this.#tail?.moveTo(delivered);
    return false;
  }

  async #stop(): Promise<void> {
    this.#tail?.stop();
    if (!this.#isHolding) return;
    this.#isHolding = false;
    await this.#options.store.release(this.#sessionId, this.#holder);
    // Another connection may wait to take over.
    this.#options.log.wake(this.#stream);
  }
}
