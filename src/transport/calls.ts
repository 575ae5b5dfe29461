import { McpError, ToolError } from '../errors.ts';
import type { Call } from '../protocol/call.ts';
import { Cancelled } from '../protocol/call.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';

interface Running {
  readonly call: Call;
  readonly startedAt: number;
  release: (() => void) | undefined;
}

/** What `Calls` needs. */
export interface CallsOptions {
  /** Of one session at once. */
  readonly maxCalls: number;
  readonly handlerMs: number;
  /** Told when `maxCalls` made it refuse a call. */
  readonly onRefused?: ((call: Call) => void) | undefined;
  /** Keeps a session alive while a long call runs in it, and takes what reaches it by way of other processes. */
  readonly retain: (sessionId: string) => () => void;
}

/** How often deadlines are looked at; one timer for all calls instead of one for each. */
const tickMs = 1000;
/** How far the clocks of two processes may be apart. */
const maxSkewMs = 10_000;

/** The calls being served in this process, by session. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #running = new Map<string, Set<Running>>();
  #size = 0;
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void) | undefined;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /**
   * Counts a call in; the function returned counts it out.
   *
   * @throws {McpError} -32600 if the session has `maxCalls` running.
   */
  start(call: Call): () => void {
    const key = call.sessionId ?? '';
    const calls = this.#running.get(key) ?? new Set();
    if (key !== '' && calls.size >= this.#options.maxCalls) {
      this.#options.onRefused?.(call);
      throw new McpError(
        'InvalidRequest',
        `Too many requests at once in this session (${this.#options.maxCalls}); wait for one to be answered`,
      );
    }
    const running: Running = { call, startedAt: Date.now(), release: undefined };
    this.#running.set(key, calls.add(running));
    this.#size += 1;
    this.#timer ??= setInterval(() => this.#tick(), Math.min(tickMs, this.#options.handlerMs)).unref();
    return () => this.#finish(key, calls, running);
  }

  /**
   * Cancels the calls of that id in a session, at the client's wish; whether there were any. The type of the id counts.
   *
   * @param sentAt Milliseconds since 1970; calls that began clearly later are others, of a client that uses an id again.
   */
  cancel(sessionId: string, id: RequestId, { reason, sentAt }: { reason?: string | undefined; sentAt?: number } = {}): boolean {
    let isFound = false;
    for (const { call, startedAt } of this.#running.get(sessionId) ?? []) {
      if (call.id !== id || (sentAt !== undefined && startedAt > sentAt + maxSkewMs)) continue;
      isFound = true;
      call.abort(new Cancelled(reason ?? 'The client cancelled the request'));
    }
    return isFound;
  }

  /** Whether a call of that id runs in a session. */
  has(sessionId: string, id: RequestId): boolean {
    return [...(this.#running.get(sessionId) ?? [])].some(({ call }) => call.id === id);
  }

  /** Gives up on all calls of a session that has ended. */
  endSession(sessionId: string): void {
    for (const { call } of this.#running.get(sessionId) ?? []) call.abort(new Cancelled('The session has ended'));
  }

  /** Waits until no call runs, at most `deadlineMs`; those that still run then are answered with an error. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#size > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>(resolve => {
        this.#idle = resolve;
        timer = setTimeout(resolve, deadlineMs);
      });
      clearTimeout(timer);
    }
    const closing = new McpError('InternalError', 'The server is closing; whether the request took effect is unknown', { status: 503 });
    for (const calls of [...this.#running.values()]) for (const { call } of calls) call.abort(closing);
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #finish(key: string, calls: Set<Running>, running: Running): void {
    if (!calls.delete(running)) return;
    if (calls.size === 0 && this.#running.get(key) === calls) this.#running.delete(key);
    running.release?.();
    this.#size -= 1;
    if (this.#size === 0) this.#idle?.();
  }

  #tick(): void {
    // Not when the last call ends: the next one follows soon, and would pay for a timer.
    if (this.#size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    const now = Date.now();
    const { handlerMs, retain } = this.#options;
    for (const [sessionId, calls] of this.#running) {
      for (const running of calls) {
        if (now - running.startedAt - running.call.waitedMs >= handlerMs) {
          running.call.abort(new ToolError(`Not finished within ${handlerMs / 1000} s; the request was stopped`, { status: 408 }));
        } else if (sessionId !== '') {
          running.release ??= retain(sessionId);
        }
      }
    }
  }
}
