import { setTimeout as delay } from 'node:timers/promises';
import type { EventStream } from './event-stream.ts';
import type { EventPosition, ReplayOptions } from './replayable.ts';
import { ReplayableStream, writeEvent } from './replayable.ts';

/** How often rows are looked at for a stream whose calls run in another process. */
const pollMs = 500;
const batch = 200;
/** How long clients wait before they come back after this process has closed. */
const retryMs = 1000;

/** The replayable streams of this process, and the way to those of others: their rows. */
export class ReplayStreams {
  readonly #options: ReplayOptions;
  readonly #streams = new Map<string, ReplayableStream>();
  readonly #standalone = new WeakSet<ReplayableStream>();
  readonly #absences = new WeakMap<ReplayableStream, NodeJS.Timeout>();

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  /**
   * Opens a stream of a session over a connection.
   *
   * @param isStandalone Whether nothing but the client's absence ends it; the stream of a call ends with its response.
   */
  open(sessionId: string, connection: EventStream, { isStandalone }: { isStandalone: boolean }): ReplayableStream {
    const stream = new ReplayableStream(sessionId, this.#options);
    this.#streams.set(stream.id, stream);
    stream.onClose(() => this.#streams.delete(stream.id));
    if (isStandalone) this.#standalone.add(stream);
    this.#carry(stream, connection, 0);
    return stream;
  }

  /** Goes on with a stream behind the position that the client has reached, wherever it runs. */
  resume({ stream: id, seq }: EventPosition, connection: EventStream): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.#tail(id, seq, connection).catch((error: unknown) => {
        connection.end();
        this.#options.onError(error);
      });
      return;
    }
    this.#carry(stream, connection, seq);
  }

  /** Ends all connections, with a hint to come back to another process. */
  async close(): Promise<void> {
    await Promise.all([...this.#streams.values()].map(stream => stream.handOver(retryMs)));
  }

  /** Ends the streams of a session. */
  endSession(sessionId: string): void {
    for (const stream of this.#streams.values()) {
      if (stream.sessionId !== sessionId) continue;
      stream.end();
    }
  }

  #carry(stream: ReplayableStream, connection: EventStream, seq: number): void {
    stream.attach(connection, seq);
    if (!this.#standalone.has(stream)) return;
    clearTimeout(this.#absences.get(stream));
    connection.once('close', () => {
      if (stream.isConnected) return;
      this.#absences.set(stream, setTimeout(() => stream.end(), this.#options.replayMs).unref());
    });
  }

  async #tail(id: string, after: number, connection: EventStream): Promise<void> {
    const { store, replayMs } = this.#options;
    const closed = new AbortController();
    connection.once('close', () => closed.abort());
    let seq = after;
    // A stream without rows has ended, or its process is about to write them.
    let deadline = Date.now() + 4 * pollMs;
    while (connection.isOpen && Date.now() < deadline) {
      const events = await store.read(id, seq, batch);
      for (const event of events) {
        writeEvent(connection, event);
        seq = event.seq;
        if (event.final) return connection.end();
      }
      if (events.length > 0) deadline = Date.now() + replayMs;
      if (events.length < batch) await delay(pollMs, undefined, { signal: closed.signal, ref: false }).catch(() => undefined);
    }
    connection.end();
  }
}
