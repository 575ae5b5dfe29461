import type Koa from 'koa';
import { McpError } from '../errors.ts';
import type { SessionQuery } from '../session/session-list.ts';
import type { Environment } from './environment.ts';
import { respondJson } from './respond.ts';

/** Whether the caller may see and end anybody's sessions. */
export type Operators = (ctx: Koa.Context) => boolean | Promise<boolean>;

/**
 * GET: one page of all sessions, as JSON. `?take=` 1 to 200, `?after=` the `next` of the page before, `?principal=` whose; empty for the guests.
 *
 * @throws {McpError} 400 an impossible query; 403 not an operator.
 */
export async function getSessions({ sessions }: Environment, ctx: Koa.Context, operators: Operators): Promise<void> {
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
 * DELETE: ends a session of whomever, wherever it is served. 204.
 *
 * @throws {McpError} 403 not an operator; 404 no such session.
 */
export async function endListedSession({ sessions }: Environment, ctx: Koa.Context, operators: Operators): Promise<void> {
  await assertOperator(ctx, operators);
  const { id = '' } = (ctx as Koa.Context & { params: { id?: string } }).params;
  if (!(await sessions.end(id, 'operator'))) throw new McpError('InvalidRequest', 'There is no session of this id', { status: 404 });
  ctx.status = 204;
}

async function assertOperator(ctx: Koa.Context, operators: Operators): Promise<void> {
  if ((await operators(ctx)) !== true) throw new McpError('InvalidRequest', 'Forbidden: sessions are shown to operators', { status: 403 });
}

function queryOf(ctx: Koa.Context): SessionQuery {
  const { take, after, principal } = ctx.query;
  return {
    take: take === undefined ? undefined : Number(single('take', take)),
    after: after === undefined ? undefined : single('after', after),
    principal: principal === undefined ? undefined : single('principal', principal) || null,
  };
}

/** @throws {RangeError} It was given more than once. */
function single(name: string, value: string | string[]): string {
  if (typeof value === 'string') return value;
  throw new RangeError(`${name}: given more than once`);
}
