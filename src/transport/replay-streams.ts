import type { EventPosition } from '../delivery/streams.ts';
import { requestIdOf } from '../delivery/streams.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import { errorText } from '../protocol/jsonrpc.ts';
import type { EventStream } from './event-stream.ts';
import type { Inbounds } from './inbound.ts';
import { processEnded } from './inbound.ts';
import type { ReplayOptions } from './replayable.ts';
import { ReplayableStream, writeEvent } from './replayable.ts';

/** How long clients wait before they come back after this process has closed. */
const retryMs = 1000;
/** How long, and how many, streams are kept after they were written to their end: written is not received. */
const lingerMs = 10_000;
const maxLingering = 1000;

/** What `ReplayStreams` needs. */
export interface ReplayStreamsOptions extends ReplayOptions {
  readonly inbounds: Inbounds;
}

/** The streams of this process's calls, and the way to those of others: their rows. */
export class ReplayStreams {
  readonly #options: ReplayStreamsOptions;
  readonly #streams = new Map<string, ReplayableStream>();
  readonly #lingering = new Map<string, { readonly until: number; readonly forget: () => void }>();
  /** The session of each connection that carries a stream of another process. */
  readonly #following = new Map<EventStream, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReplayStreamsOptions) {
    this.#options = options;
  }

  /**
   * Opens the stream of a call over a connection.
   *
   * @param requestId The request that its one response answers; `undefined` for a batch.
   */
  open(sessionId: string, connection: EventStream, requestId: RequestId | undefined): ReplayableStream {
    const stream = new ReplayableStream(sessionId, requestId, this.#options);
    this.#streams.set(stream.id, stream);
    const unwatch = this.#options.inbounds.watch(sessionId);
    stream.onClose(() =>
      this.#linger(stream, () => {
        this.#streams.delete(stream.id);
        unwatch();
      }),
    );
    stream.attach(connection);
    return stream;
  }

  /** Goes on with a stream of a session behind the position that the client has reached, wherever it runs. */
  resume(sessionId: string, position: EventPosition, connection: EventStream): void {
    const stream = this.#streams.get(position.stream);
    if (position.isLast) connection.end();
    else if (stream !== undefined) stream.attach(connection, position.seq);
    else
      this.#follow(sessionId, position, connection).catch((error: unknown) => {
        connection.end();
        this.#options.onError(error);
      });
  }

  /** Leaves a stream to the process that its client has come back to; `false` if it is not here. */
  leave(stream: string): boolean {
    const found = this.#streams.get(stream);
    found?.handOver(retryMs).catch(this.#options.onError);
    return found !== undefined;
  }

  /** Ends all connections, with a hint to come back to another process. */
  async close(): Promise<void> {
    await Promise.all([...this.#streams.values()].map(stream => stream.handOver(retryMs)));
    this.#forget(Number.POSITIVE_INFINITY);
  }

  /** Ends the streams of a session, and the connections that follow streams of other processes. */
  endSession(sessionId: string): void {
    for (const stream of this.#streams.values()) if (stream.sessionId === sessionId) stream.end();
    for (const [connection, followed] of this.#following) if (followed === sessionId) connection.end();
  }

  /** Reads the rows of a stream whose call runs in another process, which is asked to write them, and found out about if it is gone. */
  async #follow(sessionId: string, { stream, seq }: EventPosition, connection: EventStream): Promise<void> {
    const { log, inbounds } = this.#options;
    const closed = new AbortController();
    const tail = log.follow(stream, {
      after: seq,
      onEvents: events => {
        for (const event of events) {
          writeEvent(connection, event);
          if (event.final) connection.end();
        }
      },
    });
    this.#following.set(connection, sessionId);
    connection.once('close', () => {
      this.#following.delete(connection);
      tail.stop();
      closed.abort();
    });
    tail.wake();
    while (connection.isOpen) {
      const before = tail.position;
      const isTaken = await inbounds.ask(sessionId, { kind: 'resume', stream }, closed.signal);
      if (isTaken === undefined) connection.end();
      else if (!isTaken && tail.position === before) await this.#giveUp(sessionId, stream, before);
    }
  }

  /** Ends the stream of a process that is gone. Of several that find out, one writes the row. */
  async #giveUp(sessionId: string, stream: string, after: number): Promise<void> {
    const { log, replayMs } = this.#options;
    const seq = Math.max(after, await log.last(stream)) + 1;
    const id = requestIdOf(stream);
    const data = id === undefined ? '' : errorText(id, processEnded());
    const expiresAt = new Date(Date.now() + replayMs);
    await log.append([{ sessionId, stream, seq, data, bytes: data.length, final: true, expiresAt }]);
  }

  #linger(stream: ReplayableStream, forget: () => void): void {
    this.#lingering.set(stream.id, { until: Date.now() + lingerMs, forget });
    if (this.#lingering.size > maxLingering) this.#forget(0, 1);
    this.#timer ??= setInterval(() => this.#forget(Date.now()), lingerMs).unref();
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
