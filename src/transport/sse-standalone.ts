import { newHolder, outboundOf } from '../delivery/streams.ts';
import type { Tail } from '../delivery/tails.ts';
import type { StoredEvent } from '../session/events.ts';
import type { EventStream } from './event-stream.ts';
import { RemoteCalls } from './remote-calls.ts';
import type { StandaloneStreamsOptions } from './standalone.ts';
import { takenTopic } from './taker.ts';

/**
 * The stream of an HTTP+SSE session in the process that holds it: the only one the session ever has. What other processes have for its
 * client comes as rows.
 */
export class SseStandalone {
  readonly connection: EventStream;
  readonly #sessionId: string;
  readonly #options: StandaloneStreamsOptions;
  readonly #holder: string;
  readonly #calls: RemoteCalls;
  #tail: Tail | undefined;
  /** Up to where the row knows that this connection has delivered. */
  #recorded = 0;
  #delivered = 0;
  #isRecording = false;

  constructor(sessionId: string, connection: EventStream, options: StandaloneStreamsOptions) {
    this.connection = connection;
    this.#sessionId = sessionId;
    this.#options = options;
    this.#holder = newHolder(options.node);
    const ended = new AbortController();
    connection.once('close', () => {
      ended.abort();
      this.#tail?.stop();
    });
    this.#calls = new RemoteCalls({ ...options, sessionId, answer: text => void connection.send(text), signal: ended.signal });
  }

  async start(): Promise<void> {
    const { store, log } = this.#options;
    const delivered = await store.claim(this.#sessionId, this.#holder);
    if (delivered === undefined || !this.connection.isOpen) return this.connection.end();
    this.#recorded = delivered;
    this.#delivered = delivered;
    this.#tail = log.follow(outboundOf(this.#sessionId), { after: delivered, onEvents: events => this.#deliver(events) });
    this.#tail.wake();
  }

  /** Its client cannot come back, so there is no hint when to. */
  leave(): void {
    this.connection.end();
  }

  #deliver(events: readonly StoredEvent[]): void {
    for (const { seq, data } of events) {
      if (this.#calls.take(data)) this.connection.send(data);
      this.#delivered = seq;
    }
    if (!this.#isRecording) this.#record().catch(this.#options.onError);
  }

  /** Notes what was delivered: for the numbering of later events, and for those who wait until their message was taken. */
  async #record(): Promise<void> {
    const { store, log } = this.#options;
    this.#isRecording = true;
    try {
      while (this.#recorded < this.#delivered) {
        const to = this.#delivered;
        if (!(await store.advance(this.#sessionId, this.#holder, this.#recorded, to))) return;
        this.#recorded = to;
        log.wake(takenTopic(this.#sessionId));
      }
    } finally {
      this.#isRecording = false;
    }
  }
}
