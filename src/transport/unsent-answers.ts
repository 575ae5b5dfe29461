import type Koa from 'koa';
import { McpError } from '../errors.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import { errorText } from '../protocol/jsonrpc.ts';
import type { Answer } from './http.ts';

/** The limits of answers that their clients have not read. */
export interface UnsentLimits {
  /** Most bytes of JSON answers in this process that were not passed to the network yet. */
  readonly maxUnsentBytes: number;
  /** Most of those bytes for one principal. All guests are one principal. */
  readonly maxUnsentBytesPerPrincipal: number;
  /** Milliseconds without progress after which the connection of such an answer is closed. */
  readonly sendMs: number;
}

/** Answers of fewer characters are not counted. The operating system usually takes them at once. */
const smallAnswer = 16 * 1024;

/**
 * The JSON answers that wait for their readers. A client that sends requests and never reads would otherwise fill the memory of the process,
 * because Node keeps what the network does not take.
 */
export class UnsentAnswers {
  readonly #limits: UnsentLimits;
  readonly #bytesOf = new Map<string | null, number>();
  #bytes = 0;

  constructor(limits: UnsentLimits) {
    this.#limits = limits;
  }

  /**
   * Refuses a request before it does anything.
   *
   * @param principal Who sends it; `null` is a guest.
   * @throws {McpError} 503 if `maxUnsentBytes`, or `maxUnsentBytesPerPrincipal` of this principal, are waiting already.
   */
  assertRoom(principal: string | null): void {
    if (this.#bytes === 0) return;
    const why = this.#whyFull(principal, 0);
    if (why !== undefined) throw new McpError('InternalError', `${why}; nothing was done. Read the earlier answers first`, { status: 503 });
  }

  /**
   * Counts an answer until its client has read it, or its connection is closed. An answer that would go past a limit becomes an error.
   *
   * @param id The request that is answered; `undefined` for a batch.
   */
  admit(ctx: Koa.Context, answer: Answer, { principal, id }: { principal: string | null; id: RequestId | undefined }): Answer {
    if (answer.kind !== 'json' || answer.text.length < smallAnswer) return answer;
    const bytes = Buffer.byteLength(answer.text);
    const why = this.#whyFull(principal, bytes);
    if (why !== undefined) {
      const error = new McpError('InternalError', `${why}, so this result is dropped; the request may have taken effect`);
      return { kind: 'json', text: errorText(id, error) };
    }
    this.#add(principal, bytes);
    const { res } = ctx;
    // Node checks whether the connection took bytes in the meantime, so a slow reader is not cut.
    res.setTimeout(this.#limits.sendMs, () => res.destroy());
    res.once('close', () => this.#add(principal, -bytes));
    return answer;
  }

  #add(principal: string | null, bytes: number): void {
    this.#bytes += bytes;
    const own = (this.#bytesOf.get(principal) ?? 0) + bytes;
    if (own === 0) this.#bytesOf.delete(principal);
    else this.#bytesOf.set(principal, own);
  }

  /** Why `more` bytes have no room beside those that wait; `undefined` if they have. A first answer always has room. */
  #whyFull(principal: string | null, more: number): string | undefined {
    const { maxUnsentBytes, maxUnsentBytesPerPrincipal } = this.#limits;
    const own = this.#bytesOf.get(principal) ?? 0;
    if (own > 0 && own + more >= maxUnsentBytesPerPrincipal) return `${own} bytes of answers wait for this caller to read them`;
    if (this.#bytes > 0 && this.#bytes + more >= maxUnsentBytes) return 'Too many answers wait for their callers to read them';
    return undefined;
  }
}
