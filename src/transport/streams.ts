import { EventStream } from './event-stream.ts';

/** The open streams of this process. One timer serves the heartbeats of all. */
export class Streams {
  readonly #all = new Set<EventStream>();
  readonly #bySession = new Map<string, Set<EventStream>>();
  readonly #limits: { readonly maxStreams: number; readonly maxStreamBufferBytes: number; readonly heartbeatMs: number };
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: { maxStreams: number; maxStreamBufferBytes: number; heartbeatMs: number }) {
    this.#limits = limits;
  }

  /** Opens a stream that nothing but its request's messages go on. */
  open(): EventStream {
    const stream = new EventStream(this.#limits.maxStreamBufferBytes);
    this.#all.add(stream);
    stream.once('close', () => {
      this.#all.delete(stream);
      if (this.#all.size === 0) this.#stop();
    });
    this.#timer ??= setInterval(() => {
      for (const open of this.#all) open.comment();
    }, this.#limits.heartbeatMs).unref();
    return stream;
  }

  /** Opens a standalone stream of a session; one too many closes the oldest. */
  openFor(sessionId: string): EventStream {
    const stream = this.open();
    const streams = this.#bySession.get(sessionId) ?? new Set();
    this.#bySession.set(sessionId, streams.add(stream));
    if (streams.size > this.#limits.maxStreams) streams.values().next().value?.end();
    stream.once('close', () => {
      streams.delete(stream);
      if (streams.size === 0 && this.#bySession.get(sessionId) === streams) this.#bySession.delete(sessionId);
    });
    return stream;
  }

  /** Whether a session has an open standalone stream here. */
  has(sessionId: string): boolean {
    return [...(this.#bySession.get(sessionId) ?? [])].some(stream => stream.isOpen);
  }

  /** Sessions with a standalone stream here. */
  sessionIds(): string[] {
    return [...this.#bySession.keys()];
  }

  /** Sends a message to a session: on one of its standalone streams, the newest. `false` if it has none here. */
  send(sessionId: string, message: string): boolean {
    const stream = [...(this.#bySession.get(sessionId) ?? [])].findLast(open => open.isOpen);
    stream?.send(message);
    return stream !== undefined;
  }

  /** Ends a session's standalone streams. */
  endSession(sessionId: string): void {
    for (const stream of this.#bySession.get(sessionId) ?? []) stream.end();
  }

  /** Ends all streams. */
  close(): void {
    for (const stream of this.#all) stream.end();
    this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
