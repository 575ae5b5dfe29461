import type Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import { McpError } from '../errors.ts';
import { assertDepth } from '../protocol/jsonrpc.ts';

const json = 'application/json';

/** What zlib and Brotli call data that is malformed or cut off; running out of memory is not among them. */
const decompressionFailure = /^(?:Z_(?:DATA|BUF)_ERROR|Z_NEED_DICT|ERR__ERROR_FORMAT_.*)$/u;

/** Reads the JSON of a request's body. */
export type ReadBody = (ctx: Koa.Context) => Promise<unknown>;

/**
 * Makes a reader of JSON bodies. What a body parser of the host has read already is taken from `ctx.request.body`.
 *
 * The reader throws `McpError`: 415 another media type; 413 larger than `maxBodyBytes`; 400 and -32700 not JSON, or not compressed as
 * `Content-Encoding` says; 400 and -32600 nested too deeply.
 *
 * @param maxBodyBytes Counted after inflation.
 */
export function bodyReader({ maxBodyBytes, maxDepth }: { maxBodyBytes: number; maxDepth: number }): ReadBody {
  const parse = bodyParser({
    enableTypes: ['json'],
    // The media type is known by then: to look it up again would cost 3 % of an echo.
    detectJSON: () => true,
    jsonLimit: `${maxBodyBytes}b`,
    strict: false,
    onerror: (error, ctx) => {
      // What is left of the body must be read, or the connection never gets to its next request.
      ctx.req.unpipe();
      ctx.req.resume();
      throw toMcpError(error, maxBodyBytes);
    },
  });
  return async ctx => {
    const { 'content-type': contentType = '' } = ctx.req.headers;
    if (contentType !== json && mediaTypeOf(contentType) !== json) {
      throw new McpError('InvalidRequest', 'Unsupported media type: send Content-Type: application/json', { status: 415 });
    }
    if (!ctx.req.readableDidRead) await parse(ctx, done);
    const body = readBody(ctx);
    assertDepth(body, maxDepth);
    return body;
  };
}

function readBody(ctx: Koa.Context): unknown {
  const { body, rawBody } = ctx.request as { body?: unknown; rawBody?: unknown };
  // A parser that left an empty text or nothing at all has met an empty body.
  if (body === undefined || body === '' || (rawBody === '' && typeof body === 'object'))
    throw new McpError('ParseError', 'Parse error: the body is empty');
  if (typeof body !== 'string' || typeof rawBody === 'string') return body;
  try {
    return JSON.parse(body) as unknown;
  } catch (cause) {
    throw new McpError('ParseError', 'Parse error: the body is not JSON', { cause });
  }
}

function toMcpError(error: Error & { status?: number; code?: string }, maxBodyBytes: number): Error {
  if (error.status === 413) {
    return new McpError('InvalidRequest', `The body is larger than ${maxBodyBytes} bytes`, { status: 413, cause: error });
  }
  if (error.status === 415) return new McpError('InvalidRequest', 'Unsupported Content-Encoding', { status: 415, cause: error });
  if (decompressionFailure.test(error.code ?? ''))
    return new McpError('ParseError', 'Parse error: the body cannot be decompressed as its Content-Encoding says', { cause: error });
  if (error instanceof SyntaxError || error.status === 400)
    return new McpError('ParseError', 'Parse error: the body is not JSON', { cause: error });
  return error;
}

function mediaTypeOf(contentType: string): string {
  return contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

async function done(): Promise<void> {}
