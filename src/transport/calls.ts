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
  /** Keeps a session alive while a long call runs in it. */
  readonly retain: (sessionId: string) => () => void;
}

/** How often deadlines are looked at; one timer for all calls instead of one for each. */
const tickMs = 1000;

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

  /** Cancels the calls of that id in a session, at the client's wish. The type of the id counts. */
  cancel(sessionId: string, id: RequestId, reason: string | undefined): void {
    for (const { call } of this.#running.get(sessionId) ?? []) {
      if (call.id === id) call.abort(new Cancelled(reason ?? 'The client cancelled the request'));
    }
  }

  /** Gives up on all calls of a session that has ended. */
  endSession(sessionId: string): void {
    for (const { call } of this.#running.get(sessionId) ?? []) call.abort(new Cancelled('The session has ended'));
  }

  /** Waits until no call runs, at most `deadlineMs`; those that still run then are given up. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#size > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>(resolve => {
        this.#idle = resolve;
        timer = setTimeout(resolve, deadlineMs);
      });
      clearTimeout(timer);
    }
    for (const sessionId of [...this.#running.keys()]) this.endSession(sessionId);
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #finish(key: string, calls: Set<Running>, running: Running): void {
    if (!calls.delete(running)) return;
    if (calls.size === 0 && this.#running.get(key) === calls) this.#running.delete(key);
    running.release?.();
    this.#size -= 1;
    if (this.#size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#idle?.();
    }
  }

  #tick(): void {
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
