import type { Position } from '../delivery/position.ts';
import { isAhead } from '../delivery/position.ts';
import { McpError, ToolError } from '../errors.ts';
import type { Call } from '../protocol/call.ts';
import { Cancelled } from '../protocol/call.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import { doneWithin } from '../timing.ts';

interface Running {
  readonly call: Call;
  /** By `performance.now()`. */
  readonly startedAt: number;
  /** Where the log was read to when the call began. */
  readonly startedBehind: Position;
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
  readonly retain: (sessionId: string, since: Position) => () => void;
  /** How far this process has read the log. */
  readonly position: () => Position;
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
  #isClosed = false;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /**
   * Counts a call in; the function returned counts it out.
   *
   * @throws {McpError} -32600 if the session has `maxCalls` running; 503 once all calls were given up.
   */
  start(call: Call): () => void {
    if (this.#isClosed) throw closing();
    const key = call.sessionId ?? '';
    const calls = this.#running.get(key) ?? new Set();
    if (key !== '' && calls.size >= this.#options.maxCalls) {
      this.#options.onRefused?.(call);
      throw new McpError(
        'InvalidRequest',
        `Too many requests at once in this session (${this.#options.maxCalls}); wait for one to be answered`,
      );
    }
    const running: Running = { call, startedAt: performance.now(), startedBehind: this.#options.position(), release: undefined };
    this.#running.set(key, calls.add(running));
    this.#size += 1;
    this.#timer ??= setInterval(() => this.#tick(), Math.min(tickMs, this.#options.handlerMs)).unref();
    return () => this.#finish(key, calls, running);
  }

  /**
   * Cancels the calls of that id in a session, at the client's wish; whether there were any. The type of the id counts.
   *
   * @param eventId Where the wish stands in the log, if another process took it: calls that began behind it are others, of a client that uses an
   * id again.
   */
  cancel(sessionId: string, id: RequestId, { reason, eventId }: { reason?: string | undefined; eventId?: number } = {}): boolean {
    let isFound = false;
    for (const { call, startedBehind } of this.#running.get(sessionId) ?? []) {
      if (call.id !== id || (eventId !== undefined && !isAhead(startedBehind, eventId))) continue;
      isFound = true;
      call.abort(new Cancelled(reason ?? 'The client cancelled the request'));
    }
    return isFound;
  }

  /** How many run. */
  get size(): number {
    return this.#size;
  }

  /** Whether any call of a session runs. */
  has(sessionId: string): boolean {
    return this.#running.has(sessionId);
  }

  /** Gives up on all calls of a session that has ended. */
  endSession(sessionId: string): void {
    for (const { call } of this.#running.get(sessionId) ?? []) call.abort(new Cancelled('The session has ended'));
  }

  /** Waits until no call runs, at most `deadlineMs`; those that still run then are answered with an error. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#size > 0) {
      const idle = new Promise<void>(resolve => {
        this.#idle = resolve;
      });
      await doneWithin(deadlineMs, idle);
    }
    this.#isClosed = true;
    for (const calls of [...this.#running.values()]) for (const { call } of calls) call.abort(interrupted());
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
    const now = performance.now();
    const { handlerMs, retain } = this.#options;
    for (const [sessionId, calls] of this.#running) {
      for (const running of calls) {
        if (now - running.startedAt - running.call.waitedMs >= handlerMs) {
          running.call.abort(new ToolError(`Not finished within ${handlerMs / 1000} s; the request was stopped`, { status: 408 }));
        } else if (sessionId !== '') {
          running.release ??= retain(sessionId, running.startedBehind);
        }
      }
    }
  }
}

function closing(): McpError {
  return new McpError('InternalError', 'The server is closing, nothing was done; try again', { status: 503 });
}

function interrupted(): McpError {
  return new McpError('InternalError', 'The server is closing; whether the request took effect is unknown', { status: 503 });
}
