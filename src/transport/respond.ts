import type Koa from 'koa';
import { McpError, StoreUnavailable } from '../errors.ts';

/** What a client reads, by its `Accept`. */
export interface Accepts {
  readonly acceptsJson: boolean;
  readonly acceptsStream: boolean;
}

/**
 * Reads `Accept`; without one everything is accepted.
 *
 * @throws {McpError} 406 if neither JSON nor an event stream is.
 */
export function negotiateAnswer(ctx: Koa.Context): Accepts {
  const { accept } = ctx.req.headers;
  if (accept === undefined || accept === 'application/json, text/event-stream') return { acceptsJson: true, acceptsStream: true };
  const acceptsJson = ctx.accepts('application/json') !== false;
  const acceptsStream = ctx.accepts('text/event-stream') !== false;
  if (!acceptsJson && !acceptsStream) throw notAcceptable('application/json, text/event-stream');
  return { acceptsJson, acceptsStream };
}

/** Answers with a JSON body. With 503 the client is told to come back: another process, or this one a little later, serves it. */
export function respondJson(ctx: Koa.Context, status: number, text: string): void {
  ctx.status = status;
  if (status === 503) ctx.set('Retry-After', '1');
  // `ctx.type` would look the media type up.
  ctx.set('Content-Type', 'application/json; charset=utf-8');
  ctx.body = text;
}

/**
 * What a client is told of a failure that is not its own.
 *
 * @param report Takes the error; answers with a reference to quote.
 * @param options.status HTTP status of an error that nobody can be told about, where it is not that of its row.
 */
export function toMcpError(thrown: unknown, report: (error: unknown) => string, options: { status?: number } = {}): McpError {
  if (McpError.isError(thrown)) return thrown;
  const ref = report(thrown);
  if (!StoreUnavailable.isError(thrown)) return new McpError('InternalError', `Internal error (ref ${ref})`, options);
  return new McpError('InternalError', `The database does not answer; try again (ref ${ref})`, { status: 503 });
}

/** Answers 202 without a body; Koa's own would be the status as text. */
export function respondAccepted(ctx: Koa.Context): void {
  ctx.status = 202;
  ctx.body = '';
  ctx.remove('Content-Type');
}

/** The error of a method the endpoint does not have, with `Allow` set. */
export function methodNotAllowed(ctx: Koa.Context, allow: string, why = `use ${allow}`): McpError {
  ctx.set('Allow', allow);
  return new McpError('InvalidRequest', `Method not allowed: ${why}`, { status: 405 });
}

/** The error of a client that reads none of `types`. */
export function notAcceptable(types: string): McpError {
  return new McpError('InvalidRequest', `Not acceptable: send Accept: ${types}`, { status: 406 });
}
