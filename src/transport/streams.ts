import { EventStream } from './event-stream.ts';

/** The open streams of this process. One timer serves the heartbeats of all. */
export class Streams {
  readonly #all = new Set<EventStream>();
  readonly #limits: { readonly maxStreamBufferBytes: number; readonly heartbeatMs: number };
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: { maxStreamBufferBytes: number; heartbeatMs: number }) {
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
