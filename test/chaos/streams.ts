import type { Heard } from './heard.ts';

/** Milliseconds after which a stream that is open must carry what was announced, on a machine that does other things too. */
export const deafMs = 15_000;
/** What was announced so many milliseconds before a stream ended may be lost with it: its process may have stood still for as long as one does. */
export const lostMs = deafMs + 5000;

/** A stream that should carry what is announced. */
export interface OpenStream {
  readonly name: string;
  readonly process: string | undefined;
  /** `performance.now()`. */
  readonly openedAt: number;
  readonly heard: Heard;
}

/** All streams that clients have open now. */
export class OpenStreams {
  readonly #open = new Set<OpenStream>();

  /** Notes a stream until the returned function is called. */
  open(stream: OpenStream): () => void {
    this.#open.add(stream);
    return () => this.#open.delete(stream);
  }

  get count(): number {
    return this.#open.size;
  }

  /** Streams that were open at a time, and are still, and have not carried what was announced since. */
  deafSince(at: number): OpenStream[] {
    return [...this.#open].filter(({ openedAt, heard }) => openedAt < at && !heard.isFreshSince(at));
  }
}
