import type { EventLog } from '../delivery/event-log.ts';
import { callStreamOf, eventIdOf } from '../delivery/streams.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import type { StoredEvent } from '../session/events.ts';
import type { EventStream } from './event-stream.ts';

/** `data` of an event that is no message: the stream had ended after what was stored. */
const endMark = '';

/** What a replayable stream needs. */
export interface ReplayOptions {
  readonly log: EventLog;
  /** How long what a client has not received is kept. */
  readonly replayMs: number;
  /** Events kept of one stream; older ones are gone. */
  readonly maxEvents: number;
  readonly onError: (error: unknown) => void;
}

/**
 * The stream of a call as the protocol sees it, which outlives the connections that carry it.
 *
 * While a connection holds, what was sent is kept in memory only. Once it breaks before its end, all goes to rows, so that any process can
 * replay it. Event ids name the stream and prove that it belongs to the session.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery
 */
export class ReplayableStream {
  readonly id: string;
  readonly sessionId: string;
  readonly #options: ReplayOptions;
  readonly #events: StoredEvent[] = [];
  #seq = 0;
  #stored = 0;
  #storing: Promise<void> = Promise.resolve();
  #connection: EventStream | undefined;
  #ended = false;
  #primed = false;
  readonly #closeListeners: (() => void)[] = [];

  constructor(sessionId: string, requestId: RequestId | undefined, options: ReplayOptions) {
    this.id = callStreamOf(sessionId, requestId);
    this.sessionId = sessionId;
    this.#options = options;
  }

  /** The connection that carries the stream now; the one it was opened over, to begin with. */
  get body(): EventStream {
    return this.#connection as EventStream;
  }

  /** Whether a message has a way to the client now. */
  get isConnected(): boolean {
    return this.#connection?.isOpen ?? false;
  }

  /** Calls back when the stream has ended and was written to its client, or to rows. */
  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  /**
   * Sends one message, or keeps it until a connection comes.
   *
   * @param isLast Whether it is known that no message follows.
   */
  send(message: string, isLast = false): boolean {
    if (this.#ended) return false;
    this.#append(message, isLast);
    return true;
  }

  /** Ends the stream: what was sent last was the last message. */
  end(): void {
    if (this.#ended) return;
    const last = this.#events.at(-1);
    if (last !== undefined && last.seq > this.#stored) this.#events[this.#events.length - 1] = { ...last, final: true };
    else if (!last?.final) this.#append(endMark, true);
    this.#ended = true;
    if (this.isConnected) this.#connection?.end();
    else this.#close();
  }

  /** Carries the stream on over a connection: what came after `seq`, then whatever comes. An earlier connection ends. */
  attach(connection: EventStream, seq = 0): void {
    const earlier = this.#connection;
    this.#connection = connection;
    earlier?.end();
    for (const event of this.#events) if (event.seq > seq) writeEvent(connection, event);
    connection.once('close', () => this.#disconnected(connection));
    if (this.#ended) connection.end();
  }

  /** Names a position before the first message, so that the client can come back whatever happens. */
  prime(): void {
    this.#primed = true;
    this.#connection?.prime(eventIdOf(this.id, this.#seq));
  }

  /** Ends the connection, not the stream: the client comes back after `retryMs`. */
  disconnect(retryMs: number): void {
    this.#connection?.retry(retryMs);
    this.#connection?.end();
  }

  /** Leaves the client to another process, which finds in rows what it has not received. */
  async handOver(retryMs: number): Promise<void> {
    if (this.#primed) this.disconnect(retryMs);
    else this.#connection?.end();
    this.#store();
    await this.#storing;
  }

  #append(data: string, final: boolean): void {
    this.#seq += 1;
    const expiresAt = new Date(Date.now() + this.#options.replayMs);
    const bytes = Buffer.byteLength(data);
    const event = { sessionId: this.sessionId, stream: this.id, seq: this.#seq, data, bytes, final, expiresAt };
    this.#events.push(event);
    if (this.#events.length > this.#options.maxEvents) this.#events.shift();
    if (this.#connection?.isOpen) writeEvent(this.#connection, event);
    else this.#store();
  }

  #disconnected(connection: EventStream): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#ended && connection.readableEnded) this.#closed();
    else if (this.#ended) this.#close();
    else this.#store();
  }

  #close(): void {
    this.#store();
    void this.#storing.then(() => this.#closed());
  }

  #closed(): void {
    for (const listener of this.#closeListeners.splice(0)) listener();
  }

  /** Writes what is not stored yet, in order, one write after the other. */
  #store(): void {
    const events = this.#events.filter(({ seq }) => seq > this.#stored);
    this.#stored = this.#seq;
    if (events.length === 0) return;
    this.#storing = this.#storing
      .then(() => this.#options.log.append(events))
      .catch((error: unknown) => {
        this.#stored = Math.min(this.#stored, (events[0] as StoredEvent).seq - 1);
        this.#options.onError(error);
      });
  }
}

/** Writes a stored event to a connection. */
export function writeEvent(connection: EventStream, { stream, seq, data, final }: StoredEvent): void {
  if (data !== endMark) connection.message(data, eventIdOf(stream, seq, final));
}
