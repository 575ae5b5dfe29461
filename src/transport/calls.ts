import type { Position } from '../delivery/position.ts';
import { isAhead } from '../delivery/position.ts';
import { McpError, ToolError } from '../errors.ts';
import type { RateLimiter } from '../options.ts';
import type { Call } from '../protocol/call.ts';
import { Cancelled } from '../protocol/call.ts';
import { isObject } from '../protocol/definitions.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import { doneWithin } from '../timing.ts';

interface Running {
  readonly call: Call;
  /** When the call began, by `performance.now()`. */
  readonly startedAt: number;
  /** How far this process had read the log when the call began. */
  readonly startedBehind: Position;
  release: (() => void) | undefined;
}

/** The options of `Calls`. */
export interface CallsOptions {
  /** Most calls of one session that run at the same time, and most stateless calls of one principal. */
  readonly maxCalls: number;
  readonly handlerMs: number;
  /** Milliseconds after which the client of a call that still runs gets a sign of life. */
  readonly heartbeatMs: number;
  /** Called when a call was refused because of `maxCalls`. */
  readonly onRefused?: ((call: Call) => void) | undefined;
  /** Keeps a session alive while a long call runs in it, and receives messages that other processes left for its calls. */
  readonly retain: (sessionId: string, since: Position) => () => void;
  /** Tells how far this process has read the log. */
  readonly tail: { readonly position: Position };
}

/** Most milliseconds between two looks at the running calls. One timer serves all calls. */
const tickMs = 1000;

/** Counts the work under way, such as calls or requests, and waits until none is left. */
export class InFlight {
  readonly #onFirst: (() => void) | undefined;
  #hasBegun = false;
  #size = 0;
  #onIdle: (() => void) | undefined;

  /** @param onFirst Called at the first `begin`. */
  constructor(onFirst?: () => void) {
    this.#onFirst = onFirst;
  }

  /** The number of calls or requests under way. */
  get size(): number {
    return this.#size;
  }

  begin(): void {
    if (!this.#hasBegun) this.#onFirst?.();
    this.#hasBegun = true;
    this.#size += 1;
  }

  /** To be called once for each `begin`. */
  finish(): void {
    this.#size -= 1;
    if (this.#size === 0) this.#onIdle?.();
  }

  /** Waits at most `withinMs` until nothing is under way. */
  async idle(withinMs: number): Promise<void> {
    if (this.#size === 0) return;
    const idle = new Promise<void>(resolve => {
      this.#onIdle = resolve;
    });
    await doneWithin(withinMs, idle);
  }
}

/** The calls that run in this process, by session. Stateless calls are grouped by principal; all guests are one principal. */
export class Calls {
  readonly #options: CallsOptions;
  readonly #running = new Map<string, Set<Running>>();
  readonly #inFlight = new InFlight();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /**
   * Adds a call; the returned function removes it.
   *
   * @throws {McpError} -32600 if the session, or the principal of a stateless call, already runs `maxCalls`; 503 after `drain`.
   */
  start(call: Call): () => void {
    if (this.#isClosed) throw closing();
    const key = call.sessionId ?? principalKey(call.principal);
    const calls = this.#running.get(key) ?? new Set();
    if (calls.size >= this.#options.maxCalls) {
      this.#options.onRefused?.(call);
      const whose = call.sessionId === undefined ? 'of this caller' : 'in this session';
      throw new McpError('InvalidRequest', `Too many requests at once ${whose} (${this.#options.maxCalls}); wait for one to be answered`);
    }
    const running: Running = { call, startedAt: performance.now(), startedBehind: this.#options.tail.position, release: undefined };
    this.#running.set(key, calls.add(running));
    this.#inFlight.begin();
    this.#timer ??= setInterval(() => this.#tick(), Math.min(tickMs, this.#options.handlerMs, this.#options.heartbeatMs)).unref();
    return () => this.#finish(key, calls, running);
  }

  /**
   * Cancels the calls of a session that have this request id, because the client asked for it. Returns whether there were any. `1` and
   * `'1'` are different ids.
   *
   * @param options.eventId Id of the cancellation's event, if another process received it. Calls that began after that event are other
   * calls with the same id; they go on.
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

  /** How many calls run. */
  get size(): number {
    return this.#inFlight.size;
  }

  /** Aborts all calls of a session that has ended. */
  endSession(sessionId: string): void {
    for (const { call } of this.#running.get(sessionId) ?? []) call.abort(new Cancelled('The session has ended'));
  }

  /** Waits at most `deadlineMs` until no call runs. Calls that still run then are aborted and answered with an error. */
  async drain(deadlineMs: number): Promise<void> {
    await this.#inFlight.idle(deadlineMs);
    this.#isClosed = true;
    for (const calls of [...this.#running.values()]) for (const { call } of calls) call.abort(interrupted());
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #finish(key: string, calls: Set<Running>, running: Running): void {
    if (!calls.delete(running)) return;
    if (calls.size === 0 && this.#running.get(key) === calls) this.#running.delete(key);
    running.release?.();
    this.#inFlight.finish();
  }

  #tick(): void {
    // The timer stops here and not when the last call ends. The next call usually follows soon and would have to start a new timer.
    if (this.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    const now = performance.now();
    const { handlerMs, heartbeatMs, retain } = this.#options;
    for (const calls of this.#running.values()) {
      for (const running of calls) {
        const { call, startedAt, startedBehind } = running;
        if (now - startedAt - call.waitedMs >= handlerMs) {
          call.abort(new ToolError(`Not finished within ${handlerMs / 1000} s; the request was stopped`, { status: 408 }));
          continue;
        }
        if (call.sessionId !== undefined) running.release ??= retain(call.sessionId, startedBehind);
        if (now - startedAt >= heartbeatMs) call.keepAlive();
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

/** A rate that a caller has exceeded. */
export interface Exceeded {
  /** The requests that there were too many of. */
  readonly what: string;
  /** Seconds until the caller may try again, at least 1. */
  readonly seconds: number;
}

/** The options of `Rate`. */
export interface RateOptions {
  /** The requests that it counts, for the error message. */
  readonly what: string;
  /** Requests of one principal a minute in this process; `false` for any number. */
  readonly perMinute: number | false;
  /** Counts instead. */
  readonly limiter: RateLimiter | undefined;
  /** Called once per outage of `limiter`. */
  readonly onError: (error: unknown) => void;
}

const minuteMs = 60_000;
/** Milliseconds that a request waits for a limiter of the app. */
const answerMs = 500;
/** Milliseconds between two requests that ask a limiter which does not work. The requests between them are let through. */
const askAgainMs = 1000;

/** How many requests each principal sends in a time. All guests are one principal. */
export class Rate {
  readonly #options: RateOptions;
  readonly #limiter: RateLimiter | undefined;
  /** Requests of each principal in the minute that ends at `#endsAt`. */
  readonly #counts = new Map<string | null, number>();
  #endsAt = Number.NEGATIVE_INFINITY;

  constructor(options: RateOptions) {
    this.#options = options;
    this.#limiter = options.limiter && new FailingOpen(options.limiter, options.onError);
  }

  /** Counts requests of a principal. @returns `undefined` if it may send them. */
  take(principal: string | null, requests = 1): Exceeded | undefined | Promise<Exceeded | undefined> {
    const { what, perMinute } = this.#options;
    if (this.#limiter !== undefined)
      return this.#limiter.consume(principalKey(principal), requests).then(granted, rejected => exceeded(what, msBeforeNext(rejected)));
    if (perMinute === false) return undefined;
    const now = performance.now();
    if (now >= this.#endsAt) {
      this.#counts.clear();
      this.#endsAt = now + minuteMs;
    }
    const count = (this.#counts.get(principal) ?? 0) + requests;
    this.#counts.set(principal, count);
    return count > perMinute ? exceeded(`${what} (more than ${perMinute} a minute)`, this.#endsAt - now) : undefined;
  }
}

function exceeded(what: string, ms: number): Exceeded {
  return { what, seconds: Math.max(1, Math.ceil(ms / 1000)) };
}

/** The key of a principal in a map or a limiter. It differs from every session id, and from the key of the guests, whatever the principal is called. */
function principalKey(principal: string | null | undefined): string {
  return principal === null || principal === undefined ? 'guests' : `principal ${principal}`;
}

/** A limiter of the app. While it fails or does not answer, all requests are let through. */
class FailingOpen implements RateLimiter {
  readonly #limiter: RateLimiter;
  readonly #onError: (error: unknown) => void;
  #isAway = false;
  #askAgainAt = Number.NEGATIVE_INFINITY;

  constructor(limiter: RateLimiter, onError: (error: unknown) => void) {
    this.#limiter = limiter;
    this.#onError = onError;
  }

  async consume(key: string, points: number): Promise<void> {
    const now = performance.now();
    if (now < this.#askAgainAt) return;
    if (this.#isAway) this.#askAgainAt = now + askAgainMs;
    try {
      await this.#ask(key, points);
      this.#isBack();
    } catch (error) {
      if (isExceeded(error)) {
        this.#isBack();
        throw error;
      }
      if (!this.#isAway)
        this.#onError(new Error('The rate limiter does not work; requests are let through until it does', { cause: error }));
      this.#isAway = true;
      this.#askAgainAt = performance.now() + askAgainMs;
    }
  }

  async #ask(key: string, points: number): Promise<void> {
    const asked = (async () => this.#limiter.consume(key, points))();
    if (!(await doneWithin(answerMs, asked))) throw new Error(`The rate limiter has not answered within ${answerMs} ms`);
    await asked;
  }

  #isBack(): void {
    this.#isAway = false;
    this.#askAgainAt = Number.NEGATIVE_INFINITY;
  }
}

function isExceeded(rejected: unknown): rejected is { msBeforeNext: number } {
  return isObject(rejected) && typeof rejected['msBeforeNext'] === 'number';
}

function msBeforeNext(rejected: unknown): number {
  return isExceeded(rejected) ? rejected.msBeforeNext : 0;
}

function granted(): undefined {
  return undefined;
}
