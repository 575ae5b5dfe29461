import type Koa from 'koa';
import type { MessageSink } from '../protocol/call.ts';
import type { EventStream } from './event-stream.ts';
import { respondStream } from './event-stream.ts';
import { respondAccepted, respondJson } from './http.ts';

/** The answer to a POST: one JSON body, a stream of events, or an empty 202. */
export type Answer =
  | { readonly kind: 'json'; readonly text: string }
  | { readonly kind: 'stream'; readonly stream: EventStream }
  | { readonly kind: 'none' };

/** A stream of messages, and the response body that carries it to the client. */
export interface Carrier {
  readonly body: EventStream;
  /** @param isLast Whether this is known to be the last message of the stream. */
  send(message: string, isLast?: boolean): boolean;
  end(): void;
  disconnect?(retryMs: number): void;
}

/** The options of `Exchange`. */
export interface ExchangeOptions {
  /** Whether the client reads event streams. If not, messages before the response are dropped. */
  readonly acceptsStream: boolean;
  /** Whether the client reads a JSON body. */
  readonly acceptsJson: boolean;
  /** Whether the request was a batch, so that the answer is an array. */
  readonly isBatch: boolean;
  readonly openStream: () => Carrier;
}

/**
 * The answer to one POST. It is a JSON body, but becomes a stream if a message is sent before the last response.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server
 */
export class Exchange implements MessageSink {
  readonly #options: ExchangeOptions;
  readonly #responses: string[] = [];
  #stream: Carrier | undefined;
  #answered: ((answer: Answer) => void) | undefined;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  send(message: string): boolean {
    return this.#options.acceptsStream && this.#open().send(message);
  }

  get isSilent(): boolean {
    return this.#stream === undefined && !this.#options.isBatch;
  }

  disconnect(retryMs: number): void {
    if (this.#options.acceptsStream) this.#open().disconnect?.(retryMs);
  }

  /** Takes one response; `undefined` for a request that gets no response. */
  respond(response: string | undefined): void {
    if (response === undefined) return;
    if (this.#stream !== undefined) this.#stream.send(response, !this.#options.isBatch);
    else this.#responses.push(response);
  }

  /**
   * Resolves as soon as the kind of answer is known: when the first message is sent, or when `served` is done.
   *
   * @param served Settles when all responses are given. Rejects only if nothing was sent.
   */
  answer(served: Promise<unknown>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve;
      if (this.#stream !== undefined) resolve({ kind: 'stream', stream: this.#stream.body });
      served.then(() => resolve(this.#finish()), reject);
    });
  }

  #finish(): Answer {
    const [first] = this.#responses;
    const { isBatch, acceptsJson } = this.#options;
    if (this.#stream === undefined && first === undefined) return { kind: 'none' };
    if (this.#stream === undefined && acceptsJson)
      return { kind: 'json', text: isBatch ? `[${this.#responses.join(',')}]` : (first ?? '') };
    const stream = this.#open();
    const { body } = stream;
    stream.end();
    return { kind: 'stream', stream: body };
  }

  #open(): Carrier {
    if (this.#stream === undefined) {
      this.#stream = this.#options.openStream();
      for (const response of this.#responses) this.#stream.send(response, !this.#options.isBatch);
      this.#answered?.({ kind: 'stream', stream: this.#stream.body });
    }
    return this.#stream;
  }
}

/** Sends the answer to the client. @param status HTTP status of a JSON body. */
export function respondAnswer(ctx: Koa.Context, status: number, answer: Answer): void {
  if (answer.kind === 'json') respondJson(ctx, status, answer.text);
  else if (answer.kind === 'stream') respondStream(ctx, answer.stream);
  else respondAccepted(ctx);
}
