import { EventStream } from './event-stream.ts';

/** What takes messages for a session that no request of it has caused. */
export interface SessionStream {
  /** Whether messages are still taken. */
  readonly isOpen: boolean;
  /** Whether they reach the client now; else they wait for it. */
  readonly isConnected: boolean;
  send(message: string): boolean;
  end(): void;
}

/** The open streams of this process. One timer serves the heartbeats of all. */
export class Streams {
  readonly #all = new Set<EventStream>();
  readonly #bySession = new Map<string, Set<SessionStream>>();
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

  /** Adds a standalone stream of a session; one too many ends the oldest. The function returned takes it out. */
  add(sessionId: string, stream: SessionStream): () => void {
    const streams = this.#bySession.get(sessionId) ?? new Set();
    this.#bySession.set(sessionId, streams.add(stream));
    if (streams.size > this.#limits.maxStreams) streams.values().next().value?.end();
    return () => {
      streams.delete(stream);
      if (streams.size === 0 && this.#bySession.get(sessionId) === streams) this.#bySession.delete(sessionId);
    };
  }

  /** Whether a standalone stream of a session reaches its client from here. */
  has(sessionId: string): boolean {
    return [...(this.#bySession.get(sessionId) ?? [])].some(stream => stream.isConnected);
  }

  /** Sessions with a standalone stream here. */
  sessionIds(): string[] {
    return [...this.#bySession.keys()];
  }

  /** Sends a message on one standalone stream of a session: the newest that reaches the client, else the newest. `false` if there is none. */
  send(sessionId: string, message: string): boolean {
    const streams = [...(this.#bySession.get(sessionId) ?? [])];
    const stream = streams.findLast(open => open.isConnected) ?? streams.findLast(open => open.isOpen);
    return stream?.send(message) ?? false;
  }

  /** Ends a session's standalone streams. */
  endSession(sessionId: string): void {
    for (const stream of this.#bySession.get(sessionId) ?? []) stream.end();
  }

  /** Ends all streams, and waits until what was sent on them has gone out; those not read to their end by `deadlineMs` are cut. */
  async close(deadlineMs: number): Promise<void> {
    const streams = [...this.#all];
    const closed = streams.map(stream => new Promise(resolve => stream.once('close', resolve)));
    for (const stream of streams) stream.end();
    const timer = setTimeout(() => {
      for (const stream of streams) stream.destroy();
    }, deadlineMs);
    await Promise.all(closed);
    clearTimeout(timer);
    this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
