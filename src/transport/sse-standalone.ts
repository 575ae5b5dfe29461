import { newHolder, outboundOf } from '../delivery/streams.ts';
import type { Tail } from '../delivery/tails.ts';
import type { StoredEvent } from '../session/events.ts';
import type { EventStream } from './event-stream.ts';
import { RemoteCalls } from './remote-calls.ts';
import type { StandaloneStreamsOptions } from './standalone.ts';

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
  #recording: Promise<void> | undefined;

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
    this.#tail = log.follow(outboundOf(this.#sessionId), { after: delivered, onEvents: events => this.#deliver(events) });
    this.#tail.wake();
  }

  /** Its client cannot come back, so there is no hint when to. */
  leave(): void {
    this.connection.end();
  }

  #deliver(events: readonly StoredEvent[]): void {
    for (const { data } of events) if (this.#calls.take(data)) this.connection.send(data);
    const last = events.at(-1);
    if (last !== undefined) this.#record(last.seq);
  }

  /** Notes what was delivered, for the numbering of later events; nobody waits for it. */
  #record(to: number): void {
    const from = this.#recorded;
    this.#recording ??= this.#options.store
      .advance(this.#sessionId, this.#holder, from, to)
      .then(isRecorded => {
        if (isRecorded) this.#recorded = to;
      })
      .catch(this.#options.onError)
      .finally(() => {
        this.#recording = undefined;
        const { position = to } = this.#tail ?? {};
        if (this.#recorded === to && position > to) this.#record(position);
      });
  }
}
