import Router from '@koa/router';
import type Koa from 'koa';
import { errorTable, InsufficientScope, McpError } from '../errors.ts';
import { isObject } from '../protocol/definitions.ts';
import { membersOf } from '../protocol/handler-errors.ts';
import { errorText, isRequestId } from '../protocol/jsonrpc.ts';
import { isModern } from '../protocol/revisions.ts';
import type { Operators, RecordedCalls } from './admin.ts';
import { endListedSession, getCalls, getHealth, getLive, getSessions } from './admin.ts';
import { respondConsole, wantsConsole } from './console.ts';
import { addCorsHeaders, isPreflight, respondPreflight, setCorsHeaders } from './cors.ts';
import type { Environment } from './environment.ts';
import type { GuardOptions } from './http.ts';
import { assertHost, assertOrigin, methodNotAllowed, respondJson, sessionHeaderOf, toMcpError } from './http.ts';
import { openSse, postSse } from './http-sse.ts';
import { postStateless } from './stateless.ts';
import { deleteSession, getStreamable, postStreamable } from './streamable.ts';

/** The endpoint's path, and who may use it. */
export interface EndpointOptions extends GuardOptions {
  /** The path of the endpoint, without a trailing slash, e.g. `/mcp`. */
  readonly path: string;
  /** Decides who may list and end sessions. Without it the routes for that do not exist. */
  readonly operators?: Operators | undefined;
  /** The calls that operators may list. Without them, or without `operators`, that route does not exist. */
  readonly recordedCalls?: RecordedCalls | undefined;
  /** Whether a browser that opens the endpoint gets the console. */
  readonly console: boolean;
}

type Route = (environment: Environment, ctx: Koa.Context) => Promise<void>;

type Middleware = (ctx: Koa.Context, next: Koa.Next) => Promise<unknown>;

/** The routes of one MCP endpoint, as middleware. Other requests go on to the host's middleware. */
export function endpoint(environment: Environment, options: EndpointOptions): Middleware {
  const { operators, cors, recordedCalls } = options;
  const { authorization } = environment;
  const base = options.path === '/' ? '' : options.path;
  const messagesPath = `${base}/messages`;
  const routes: Record<string, Record<string, Route>> = {
    [options.path]: { POST: post, GET: getStreamable, DELETE: deleteSession },
    [`${base}/sse`]: { GET: (env, ctx) => getSse(env, ctx, messagesPath), POST: postAny, DELETE: deleteSession },
    [messagesPath]: { POST: (env, ctx) => postSse(env, ctx, sessionIdOf(ctx)) },
    ...(operators && {
      [`${base}/sessions`]: { GET: (env, ctx) => getSessions(env, ctx, operators) },
      [`${base}/sessions/:id`]: { DELETE: (env, ctx) => endListedSession(env, ctx, operators) },
    }),
    ...(operators && recordedCalls && { [`${base}/calls`]: { GET: (_, ctx) => getCalls(recordedCalls, ctx, operators) } }),
  };
  const router = new Router({ sensitive: true });
  const exact = new Map<string, Middleware>();
  for (const [path, methods] of Object.entries(routes)) {
    const allow = Object.keys(methods).join(', ');
    const table = new Map(Object.entries(methods));
    const serve: Middleware = async ctx => {
      environment.requests.begin();
      // The first request starts the reading of the log.
      environment.tail.begin();
      try {
        if (cors !== undefined) setCorsHeaders(ctx, cors);
        assertOrigin(ctx, options);
        if (cors !== undefined && isPreflight(ctx)) return respondPreflight(ctx, allow);
        if (environment.isClosing) throw new McpError('InternalError', 'The server is shutting down; try again', { status: 503 });
        if (authorization !== undefined) await authorization.admit(ctx);
        const method = table.get(ctx.method);
        if (method === undefined) throw methodNotAllowed(ctx, allow);
        await method(environment, ctx);
        authorization?.endOnExpiry(ctx);
      } catch (error) {
        if (isHttpError(error)) {
          if (cors !== undefined) addCorsHeaders(error, ctx, cors);
          throw error;
        }
        respondError(environment, ctx, error);
      } finally {
        environment.requests.finish();
      }
    };
    if (!path.includes(':')) exact.set(path, serve);
    router.all(path, serve);
  }
  const serve = exact.get(options.path);
  if (options.console && serve !== undefined) {
    exact.set(options.path, (ctx, next) =>
      ctx.method === 'GET' && wantsConsole(ctx) ? openConsole(environment, ctx, options) : serve(ctx, next),
    );
  }
  for (const path of authorization?.metadataPaths ?? []) {
    const serve: Middleware = async ctx => authorization?.respondMetadata(ctx);
    exact.set(path, serve);
    router.all(path, serve);
  }
  // Probes skip the `Host` check and the shutdown 503: they come by an address of any kind, and while the server is closing.
  router.get(`${base}/health{/:part}`, (routed, next) => {
    const ctx: Koa.Context = routed;
    const { part } = routed.params;
    if (part === undefined) return getHealth(environment.health, ctx);
    return part === 'live' ? getLive(ctx) : next();
  });
  const routed = router.routes() as Middleware;
  // The router tries all its paths on every request. A path that matches exactly is looked up without the router, which makes an echo 8 %
  // cheaper.
  return (ctx, next) => {
    const path = pathOf(ctx);
    return path === undefined ? next() : (exact.get(path) ?? routed)(ctx, next);
  };
}

/** The page is static, so it needs no sign-in: it sends the caller's own requests. */
async function openConsole(environment: Environment, ctx: Koa.Context, options: EndpointOptions): Promise<void> {
  try {
    assertHost(ctx, options);
    const { operators, recordedCalls } = options;
    await respondConsole(ctx, operators === undefined ? [] : ['sessions', ...(recordedCalls === undefined ? [] : ['calls'])]);
  } catch (error) {
    respondError(environment, ctx, error);
  }
}

/** The path of a request; `undefined` if its target is no URL, for instance `http://[`. `ctx.path` throws then. */
function pathOf(ctx: Koa.Context): string | undefined {
  try {
    return ctx.path;
  } catch {
    return undefined;
  }
}

/** Whether the host threw its own HTTP error, such as `ctx.throw(401)`. */
function isHttpError(thrown: unknown): boolean {
  return !McpError.isError(thrown) && typeof membersOf(thrown)['status'] === 'number';
}

function respondError(environment: Environment, ctx: Koa.Context, thrown: unknown): void {
  if (thrown instanceof InsufficientScope) environment.authorization?.challengeScopes(ctx, thrown);
  const error = toMcpError(thrown, unexposed => environment.report(unexposed, ctx), { status: 500 });
  respondJson(ctx, refusalStatus(error), errorText(undefined, error));
}

/** Both eras share one URL. The body decides the revision. */
async function post(environment: Environment, ctx: Koa.Context): Promise<void> {
  let body: unknown;
  try {
    body = await environment.readBody(ctx);
  } catch (error) {
    if (!McpError.isError(error) || error.type !== 'InvalidParams') throw error;
    return refuseRequest(ctx, error);
  }
  const version = ctx.req.headers['mcp-protocol-version'];
  const serve = isModern(body, typeof version === 'string' ? version : undefined) ? postStateless : postStreamable;
  await serve(environment, ctx, body);
}

/** Refuses a request with status 200, so that clients give the error to the call that it belongs to. Throws the error if the body is not one request with an id. */
function refuseRequest(ctx: Koa.Context, error: McpError): void {
  const { body } = ctx.request;
  const id = isObject(body) ? body['id'] : undefined;
  if (!isRequestId(id)) throw error;
  respondJson(ctx, errorTable[error.type].status, errorText(id, error));
}

/** The URL of HTTP+SSE also takes POSTs of the other transports, because their clients may be configured with it. */
async function postAny(environment: Environment, ctx: Koa.Context): Promise<void> {
  const id = sessionIdOf(ctx);
  const isSse = id !== undefined && (ctx.query['sessionId'] !== undefined || (await findTransport(environment, ctx, id)) === 'sse');
  await (isSse ? postSse(environment, ctx, id) : post(environment, ctx));
}

/** GET on the URL of HTTP+SSE opens an HTTP+SSE session, or the stream of an existing Streamable HTTP session. */
async function getSse(environment: Environment, ctx: Koa.Context, messagesPath: string): Promise<void> {
  const id = sessionHeaderOf(ctx);
  const isStreamable = id !== undefined && (await findTransport(environment, ctx, id)) === 'streamable';
  await (isStreamable ? getStreamable(environment, ctx) : openSse(environment, ctx, messagesPath));
}

async function findTransport({ sessions, principal }: Environment, ctx: Koa.Context, id: string): Promise<string | undefined> {
  return (await sessions.find(id, await principal(ctx)))?.transport;
}

/** The session that a request of HTTP+SSE names in its query, or else in its header. */
function sessionIdOf(ctx: Koa.Context): string | undefined {
  const { sessionId } = ctx.query;
  if (sessionId === undefined) return sessionHeaderOf(ctx);
  return typeof sessionId === 'string' ? sessionId : undefined;
}

/** The HTTP status of a request that could not be served at all: at least 400. */
function refusalStatus({ type, status }: McpError): number {
  return status ?? Math.max(400, errorTable[type].status);
}
