import type Koa from 'koa';
import { isObject } from '../protocol/definitions.ts';
import { membersOf } from '../protocol/handler-errors.ts';

/** The origins whose pages may call. */
export interface CorsOptions {
  /** Origins as browsers send them, e.g. `https://app.example.com`; `*` stands for every origin. */
  readonly origins: readonly string[];
}

const requestHeaders = 'Content-Type, Accept, Authorization, Mcp-Session-Id, Mcp-Protocol-Version, Last-Event-ID, Mcp-Method, Mcp-Name';
const exposedHeaders = 'Mcp-Session-Id, Mcp-Protocol-Version, WWW-Authenticate, Retry-After';
/** A header that repeats an argument of a tool. `*` in `Access-Control-Allow-Headers` does not cover `Authorization`, so names are listed. */
const paramHeader = /^mcp-param-[!#$%&'*+.^_`|~\w-]+$/iu;
/** Seconds for which a browser keeps the answer to a preflight: the longest time that Chromium keeps it. */
const preflightSeconds = '7200';

/** Whether pages of `origin` may call. */
export function allowsOrigin({ origins }: CorsOptions, origin: string): boolean {
  return origins.includes(origin) || origins.includes('*');
}

/**
 * Sets the CORS headers of any answer, if the request comes from a page that may call. Cookies are not allowed: a page of another origin signs
 * in with `Authorization`.
 *
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function setCorsHeaders(ctx: Koa.Context, options: CorsOptions): void {
  ctx.vary('Origin');
  ctx.set(grantOf(ctx, options));
}

/** Answers a preflight with what the protocol needs. @param methods The methods of the route. */
export function respondPreflight(ctx: Koa.Context, methods: string): void {
  const asked = ctx.get('Access-Control-Request-Headers').split(',');
  const params = asked.map(name => name.trim()).filter(name => paramHeader.test(name));
  ctx.set({
    'Access-Control-Allow-Methods': methods,
    'Access-Control-Allow-Headers': [requestHeaders, ...params].join(', '),
    'Access-Control-Max-Age': preflightSeconds,
  });
  ctx.status = 204;
}

/** Whether a browser asks if a page may send a request. */
export function isPreflight(ctx: Koa.Context): boolean {
  return ctx.method === 'OPTIONS' && ctx.get('Access-Control-Request-Method') !== '';
}

/** Adds the CORS headers to an error that Koa will answer. Koa removes all headers from that answer but those of the error. */
export function addCorsHeaders(error: unknown, ctx: Koa.Context, options: CorsOptions): void {
  if (!(error instanceof Error && Object.isExtensible(error))) return;
  const headers = membersOf(error)['headers'];
  Object.assign(error, { headers: { ...(isObject(headers) && headers), Vary: ctx.response.get('Vary'), ...grantOf(ctx, options) } });
}

function grantOf(ctx: Koa.Context, options: CorsOptions): Record<string, string> {
  const { origin } = ctx.req.headers;
  if (origin === undefined || !allowsOrigin(options, origin)) return {};
  const named = options.origins.includes('*') ? '*' : origin;
  return { 'Access-Control-Allow-Origin': named, 'Access-Control-Expose-Headers': exposedHeaders };
}
