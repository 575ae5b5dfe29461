import type Koa from 'koa';
import { McpError } from '../errors.ts';
import type { SessionQuery } from '../session/session-list.ts';
import type { Sessions } from '../session/sessions.ts';
import { respondJson } from './http.ts';

/** A reason why a process is not ready. */
export type Unavailable = 'closing' | 'database';

/** The options of `Health`. */
export interface HealthOptions {
  /** A cheap query to the store. */
  readonly query: () => Promise<unknown>;
  readonly bus: { readonly ready: boolean };
  readonly isClosing: () => boolean;
  /** Called once per outage with the reason why the store does not answer. Probes do not see the reason. */
  readonly onError: (error: unknown) => void;
  /** Milliseconds the query may take. @default 2000 */
  readonly queryMs?: number;
  /** Milliseconds for which a result is reused, however many probes arrive. @default 1000 */
  readonly cacheMs?: number;
}

/** Whether this process can serve requests, for the probes of orchestrators and load balancers. */
export class Health {
  readonly #options: Required<HealthOptions>;
  #isAnswering = true;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checking: Promise<void> | undefined;
  #asked: { readonly at: number; readonly answer: Promise<unknown> } | undefined;

  constructor(options: HealthOptions) {
    this.#options = { queryMs: 2000, cacheMs: 1000, ...options };
  }

  /** Returns the reasons why this process is not ready; an empty array if it is ready. */
  async check(): Promise<Unavailable[]> {
    const { isClosing, cacheMs } = this.#options;
    if (isClosing()) return ['closing'];
    if (performance.now() - this.#checkedAt >= cacheMs) {
      this.#checking ??= this.#check();
      await this.#checking;
    }
    return this.#isAnswering ? [] : ['database'];
  }

  /**
   * Whether wake-ups arrive. Without them this process still serves, because it also reads the log regularly. So a lost bus does not make
   * it unready.
   */
  get isWoken(): boolean {
    return this.#options.bus.ready;
  }

  async #check(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const { queryMs, onError } = this.#options;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`The database has not answered a health probe for ${queryMs} ms`)), queryMs).unref();
      });
      await Promise.race([this.#ask(), late]);
      this.#isAnswering = true;
    } catch (error) {
      if (this.#isAnswering) onError(error);
      this.#isAnswering = false;
    }
    clearTimeout(timer);
    this.#checkedAt = performance.now();
    this.#checking = undefined;
  }

  /**
   * Waits for the query. A query that hangs is reused by later checks, and replaced only after a while, so that hanging queries do not pile
   * up.
   */
  async #ask(): Promise<void> {
    const { query, queryMs } = this.#options;
    const now = performance.now();
    if (this.#asked === undefined || now - this.#asked.at > queryMs * 5) this.#asked = { at: now, answer: query() };
    const asked = this.#asked;
    try {
      await asked.answer;
    } finally {
      if (this.#asked === asked) this.#asked = undefined;
    }
  }
}

/**
 * GET or HEAD: 200 `{"status":"ok"}`, with `"slow":["bus"]` while wake-ups do not arrive; or 503 with the reasons. The answer contains
 * nothing else, so it needs no authentication.
 */
export async function getHealth(health: Health, ctx: Koa.Context): Promise<void> {
  const missing = await health.check();
  if (missing.length === 0) return respondProbe(ctx, 200, { status: 'ok', ...(!health.isWoken && { slow: ['bus'] }) });
  ctx.set('Retry-After', '1');
  respondProbe(ctx, 503, { status: 'unavailable', missing });
}

/** GET or HEAD: 200, which shows that this process answers. */
export function getLive(ctx: Koa.Context): void {
  respondProbe(ctx, 200, { status: 'ok' });
}

function respondProbe(ctx: Koa.Context, status: number, body: object): void {
  ctx.set('Cache-Control', 'no-store');
  respondJson(ctx, status, JSON.stringify(body));
}

/** Whether the caller may list and end the sessions of all principals. */
export type Operators = (ctx: Koa.Context) => boolean | Promise<boolean>;

/**
 * GET: one page of all sessions, as JSON. `?take=` is 1 to 200, `?after=` is the `next` of the previous page. `?principal=` selects one
 * principal; an empty value selects the guests.
 *
 * @throws {McpError} 400 an invalid query; 403 not an operator.
 */
export async function getSessions({ sessions }: { readonly sessions: Sessions }, ctx: Koa.Context, operators: Operators): Promise<void> {
  await assertOperator(ctx, operators);
  try {
    const page = await sessions.list(queryOf(ctx));
    ctx.set('Cache-Control', 'no-store');
    respondJson(ctx, 200, JSON.stringify(page));
  } catch (error) {
    if (error instanceof RangeError) throw new McpError('InvalidRequest', error.message, { status: 400 });
    throw error;
  }
}

/**
 * DELETE: ends a session of any principal, in whichever process it is served. Answers 204.
 *
 * @throws {McpError} 403 not an operator; 404 no such session.
 */
export async function endListedSession(
  { sessions }: { readonly sessions: Sessions },
  ctx: Koa.Context,
  operators: Operators,
): Promise<void> {
  await assertOperator(ctx, operators);
  const { id = '' } = ctx['params'] as { id?: string };
  if (!(await sessions.end(id, 'operator'))) throw new McpError('InvalidRequest', 'There is no session of this id', { status: 404 });
  ctx.status = 204;
}

/** The calls that are recorded, of all processes. */
export interface RecordedCalls {
  /** The calls that began last, newest first. @param take How many, at most. */
  recent(take: number): Promise<readonly object[]>;
}

/** Calls of one answer of `getCalls`. */
const calls = 100;

/**
 * GET: the last 100 recorded calls of all principals, as JSON, without their arguments.
 *
 * @throws {McpError} 403 not an operator.
 */
export async function getCalls(recorded: RecordedCalls, ctx: Koa.Context, operators: Operators): Promise<void> {
  await assertOperator(ctx, operators);
  ctx.set('Cache-Control', 'no-store');
  respondJson(ctx, 200, JSON.stringify({ calls: await recorded.recent(calls) }));
}

async function assertOperator(ctx: Koa.Context, operators: Operators): Promise<void> {
  if ((await operators(ctx)) !== true)
    throw new McpError('InvalidRequest', 'Forbidden: sessions and calls are shown to operators', { status: 403 });
}

function queryOf(ctx: Koa.Context): SessionQuery {
  const { take, after, principal } = ctx.query;
  return {
    take: take === undefined ? undefined : Number(single('take', take)),
    after: after === undefined ? undefined : single('after', after),
    principal: principal === undefined ? undefined : single('principal', principal) || null,
  };
}

/** @throws {RangeError} The parameter was given more than once. */
function single(name: string, value: string | string[]): string {
  if (typeof value === 'string') return value;
  throw new RangeError(`${name}: given more than once`);
}
