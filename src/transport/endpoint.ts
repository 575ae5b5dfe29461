import Router from '@koa/router';
import type Koa from 'koa';
import { errorTable, McpError } from '../errors.ts';
import type { Awaitable } from '../protocol/awaitable.ts';
import { andThen, attempt } from '../protocol/awaitable.ts';
import { isModern } from '../protocol/envelope.ts';
import { errorText } from '../protocol/jsonrpc.ts';
import { isUnreachable } from '../session/prisma-code.ts';
import type { Environment } from './environment.ts';
import type { GuardOptions } from './guard.ts';
import { assertOrigin } from './guard.ts';
import { getHealth, getLive } from './health.ts';
import { openSse, postSse } from './http-sse.ts';
import type { Operators } from './operators.ts';
import { endListedSession, getSessions } from './operators.ts';
import { methodNotAllowed, respondJson } from './respond.ts';
import { postStateless } from './stateless.ts';
import { deleteSession, getStreamable, postStreamable } from './streamable.ts';

/** Where the endpoint is, and whom it lets pass. */
export interface EndpointOptions extends GuardOptions {
  /** Where the endpoint is, without a trailing slash, e.g. `/mcp`. */
  readonly path: string;
  /** Who may list and end sessions; without it nobody may, and there is no route. */
  readonly operators?: Operators | undefined;
}

type Serve = (environment: Environment, ctx: Koa.Context) => Awaitable<void>;

/** The routes of one MCP endpoint, as middleware. Whatever is not theirs goes on to the host's. */
export function endpoint(environment: Environment, options: EndpointOptions): Koa.Middleware {
  const { operators } = options;
  const base = options.path === '/' ? '' : options.path;
  const messagesPath = `${base}/messages`;
  const routes: Record<string, Record<string, Serve>> = {
    [options.path]: { POST: post, GET: getStreamable, DELETE: deleteSession },
    [`${base}/sse`]: { GET: (env, ctx) => getSse(env, ctx, messagesPath), POST: postAny, DELETE: deleteSession },
    [messagesPath]: { POST: (env, ctx) => postSse(env, ctx, sessionIdOf(ctx)) },
    ...(operators && {
      [`${base}/sessions`]: { GET: (env, ctx) => getSessions(env, ctx, operators) },
      [`${base}/sessions/:id`]: { DELETE: (env, ctx) => endListedSession(env, ctx, operators) },
    }),
  };
  const router = new Router();
  for (const [path, methods] of Object.entries(routes)) {
    const allow = Object.keys(methods).join(', ');
    const table = new Map(Object.entries(methods));
    router.all(path, routed => {
      const ctx = routed as unknown as Koa.Context;
      return guarded(environment, ctx, options, () => {
        if (environment.isClosing) throw unavailable(ctx, 'The server is shutting down; try again');
        const method = table.get(ctx.method);
        if (method === undefined) throw methodNotAllowed(ctx, allow);
        return method(environment, ctx);
      });
    });
  }
  // Probes come by an address of any kind, and while the server is closing: no guard, and no 503 but that of their own.
  router.get(`${base}/health{/:part}`, (routed, next) => {
    const ctx = routed as unknown as Koa.Context;
    const { part } = routed.params;
    if (part === undefined) return getHealth(environment.health, ctx);
    return part === 'live' ? getLive(ctx) : next();
  });
  return router.routes() as unknown as Koa.Middleware;
}

function guarded(environment: Environment, ctx: Koa.Context, options: GuardOptions, serve: () => Awaitable<void>): Awaitable<void> {
  const serveGuarded = () => {
    assertOrigin(ctx, options);
    return serve();
  };
  return attempt(serveGuarded, thrown => {
    const error = McpError.isError(thrown) ? thrown : toMcpError(thrown, environment, ctx);
    if (error === undefined) throw thrown;
    respondJson(ctx, statusOf(error), errorText(undefined, error));
  });
}

/** What a client is told of a failure that is not its own; `undefined` where the host threw an answer of its own (`ctx.throw(401)`). */
function toMcpError(thrown: unknown, { report }: Environment, ctx: Koa.Context): McpError | undefined {
  const { status } = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as { status?: unknown };
  if (typeof status === 'number') return undefined;
  const ref = report(thrown, ctx);
  if (isUnreachable(thrown)) return unavailable(ctx, `The database does not answer; try again (ref ${ref})`);
  return new McpError('InternalError', `Internal error (ref ${ref})`, { status: 500 });
}

/** The session is not lost: another process, or this one a little later, serves it. */
function unavailable(ctx: Koa.Context, message: string): McpError {
  ctx.set('Retry-After', '1');
  return new McpError('InternalError', message, { status: 503 });
}

/** One URL for both eras: which one a message belongs to says its body. */
function post(environment: Environment, ctx: Koa.Context): Awaitable<void> {
  return andThen(environment.readBody(ctx), body => {
    const version = ctx.req.headers['mcp-protocol-version'];
    const serve = isModern(body, typeof version === 'string' ? version : undefined) ? postStateless : postStreamable;
    return serve(environment, ctx, body);
  });
}

/** The URL of the older transport takes both kinds of POST: clients are pointed at it with either. */
async function postAny(environment: Environment, ctx: Koa.Context): Promise<void> {
  const id = sessionIdOf(ctx);
  const isSse = id !== undefined && (ctx.query['sessionId'] !== undefined || (await findTransport(environment, ctx, id)) === 'sse');
  await (isSse ? postSse(environment, ctx, id) : post(environment, ctx));
}

/** Its GET opens a session of the older transport, or the standalone stream of a newer one. */
async function getSse(environment: Environment, ctx: Koa.Context, messagesPath: string): Promise<void> {
  const id = ctx.req.headers['mcp-session-id'];
  const isStreamable = typeof id === 'string' && (await findTransport(environment, ctx, id)) === 'streamable';
  await (isStreamable ? getStreamable(environment, ctx) : openSse(environment, ctx, messagesPath));
}

async function findTransport({ sessions, principal }: Environment, ctx: Koa.Context, id: string): Promise<string | undefined> {
  return (await sessions.find(id, await principal(ctx)))?.transport;
}

function sessionIdOf(ctx: Koa.Context): string | undefined {
  const id = ctx.query['sessionId'] ?? ctx.req.headers['mcp-session-id'];
  return typeof id === 'string' ? id : undefined;
}

/** A request that could not be served at all has an HTTP status of its own. */
function statusOf({ type, status }: McpError): number {
  return status ?? Math.max(400, errorTable[type].status);
}
