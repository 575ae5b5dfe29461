import type { IncomingMessage } from 'node:http';
import type Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import { internalErrorText, McpError, StoreUnavailable } from '../errors.ts';
import type { MessageSink } from '../protocol/call.ts';
import type { RequestId } from '../protocol/jsonrpc.ts';
import { assertSafe, errorText } from '../protocol/jsonrpc.ts';
import type { Exceeded } from './calls.ts';
import type { CorsOptions } from './cors.ts';
import { allowsOrigin } from './cors.ts';
import type { EventStream } from './event-stream.ts';
import { respondStream } from './event-stream.ts';

/** The hosts and origins that `assertOrigin` accepts. */
export interface GuardOptions {
  readonly allowedHosts?: readonly string[] | undefined;
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Its origins are accepted too. */
  readonly cors?: CorsOptions | undefined;
}

const loopbackHosts = ['localhost', '127.0.0.1', '[::1]'];
const loopbackNames = new Set(loopbackHosts);
/**
 * A name or an address, with an optional port. User, path and blanks are refused, because a URL parser would split them off or drop them.
 */
const hostSyntax = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d*)?$/iu;
/** Values of `Sec-Fetch-Site` for a request that a page of another origin caused. */
const otherSites: ReadonlySet<unknown> = new Set(['cross-site', 'same-site']);
const loopbackAddress = /^(?:127\.|::1$|::ffff:127\.)/u;

/**
 * Refuses requests that a web page of another site may have caused (DNS rebinding).
 *
 * @throws {McpError} 400 if there are two `Host` lines or a malformed one; 403 if `Host` or `Origin` is not allowed, or if `Sec-Fetch-Site` names
 * another origin that no option allows.
 * @see https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#security-warning
 */
export function assertOrigin(ctx: Koa.Context, options: GuardOptions): void {
  assertHost(ctx, options);
  const { allowedOrigins, cors } = options;
  const { origin, 'sec-fetch-site': site } = ctx.req.headers;
  if (origin === undefined) {
    // Browsers send no Origin with the request of an image or a link, but they say where it comes from.
    if (otherSites.has(site)) throw forbidden(`a page of another origin sent this request (Sec-Fetch-Site: ${site}), and no Origin`);
    return;
  }
  if (allowedOrigins?.includes(origin) || (cors !== undefined && allowsOrigin(cors, origin))) return;
  // A page of another port of this machine is another origin, too: without CORS it could open streams and read nothing.
  const isLoopbackOrigin =
    isLoopback(ctx) && allowedOrigins === undefined && loopbackNames.has(hostnameOf(origin) ?? '') && !otherSites.has(site);
  if (!isLoopbackOrigin)
    throw forbidden(`Origin ${JSON.stringify(origin)} is not allowed here; a server for web pages names theirs in \`allowedOrigins\``);
}

/**
 * Refuses requests that are addressed to another host.
 *
 * @throws {McpError} 400 if there are two `Host` lines or a malformed one; 403 if `Host` is not allowed.
 */
export function assertHost(ctx: Koa.Context, { allowedHosts }: GuardOptions): void {
  const { host } = ctx.req.headers;
  // RFC 9112 §3.2: 400 for more than one Host line, or an invalid one.
  if (isRepeated(ctx, 'host') || (host && !hostSyntax.test(host)))
    throw new McpError('InvalidRequest', 'Bad request: `Host` must be one name or address, and may have a port', { status: 400 });
  const hosts = allowedHosts ?? (isLoopback(ctx) && !ctx.app.proxy ? loopbackHosts : undefined);
  if (hosts !== undefined && !isAllowedHost(host ?? '', hosts)) {
    throw forbidden(`Host ${JSON.stringify(host ?? '')} is not allowed here; a server behind a proxy names its hosts in \`allowedHosts\``);
  }
}

/** Whether the request arrived on a loopback address. */
export function isLoopback(ctx: Koa.Context): boolean {
  return loopbackAddress.test(ctx.req.socket.localAddress ?? '');
}

/**
 * The scheme and host that the client has addressed, in lower case. `X-Forwarded-Proto` and `X-Forwarded-Host` count only with `app.proxy`.
 *
 * @throws {McpError} 400 for a malformed host.
 */
export function originOf(ctx: Koa.Context): string {
  const origin = `${ctx.protocol}://${ctx.host}`.toLowerCase();
  if (hostSyntax.test(ctx.host) && /^https?:/u.test(origin)) return origin;
  throw new McpError('InvalidRequest', 'Bad request: the host that the client has addressed is malformed', { status: 400 });
}

/** Whether the request has two lines of a header of which `req.headers` holds only the first one. @param header Its name in lower case. */
export function isRepeated({ req: { rawHeaders } }: Koa.Context, header: string): boolean {
  const isOne = (name: string, index: number) => index % 2 === 0 && name.length === header.length && name.toLowerCase() === header;
  return rawHeaders.filter(isOne).length > 1;
}

/** Compares the name without its port first. Parsing it as a URL would cost more than all other checks together. */
function isAllowedHost(host: string, hosts: readonly string[]): boolean {
  const name = host.replace(/:\d{1,5}$/u, '');
  if (hosts.includes(name)) return true;
  const parsed = hostnameOf(`http://${host}`);
  return parsed !== undefined && hosts.includes(parsed);
}

function hostnameOf(url: string): string | undefined {
  // `URL.parse` exists only from Node 22.1 on.
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

function forbidden(message: string): McpError {
  return new McpError('InvalidRequest', `Forbidden: ${message}`, { status: 403 });
}

const json = 'application/json';

/** Error codes of zlib and Brotli for data that is malformed or cut off. Running out of memory is not among them. */
const decompressionFailure = /^(?:Z_(?:DATA|BUF)_ERROR|Z_NEED_DICT|ERR__ERROR_FORMAT_.*)$/u;

/** Reads and parses the JSON body of a request. */
export type ReadBody = (ctx: Koa.Context) => Promise<unknown>;

/**
 * Makes a reader of JSON bodies. If the host's body parser has already read the body, the reader takes it from `ctx.request.body`.
 *
 * The reader throws `McpError`: 415 another media type; 413 larger than `maxBodyBytes`, or more values than `maxBodyValues`; 400 and -32700 not
 * JSON, or not compressed as `Content-Encoding` says; 400 and -32600 nested too deeply; 400 and -32602 a member `__proto__`.
 *
 * @param maxBodyBytes Largest body accepted, in bytes, counted after inflation.
 */
export function bodyReader({ maxBodyBytes, maxBodyValues, maxDepth }: BodyLimits): ReadBody {
  const options: bodyParser.Options & { onProtoPoisoning: string } = {
    // The media type is already checked here. A second check would cost 3 % of an echo.
    detectJSON: () => true,
    extendTypes: { text: [json] },
    jsonLimit: `${maxBodyBytes}b`,
    textLimit: `${maxBodyBytes}b`,
    strict: false,
    // `assertSafe` refuses a member `__proto__`, with the id of the request.
    onProtoPoisoning: 'ignore',
    onerror: (error, ctx) => {
      // The rest of the body must be read. Otherwise the connection cannot serve its next request.
      ctx.req.unpipe();
      ctx.req.resume();
      throw toBodyError(error, maxBodyBytes);
    },
  };
  const parse = bodyParser({ ...options, enableTypes: ['json'] });
  const readText = bodyParser({ ...options, enableTypes: ['text'] });
  return async ctx => {
    const { 'content-type': contentType = '' } = ctx.req.headers;
    if (contentType !== json && mediaTypeOf(contentType) !== json) {
      throw new McpError('InvalidRequest', 'Unsupported media type: send Content-Type: application/json', { status: 415 });
    }
    if (!ctx.req.readableDidRead) {
      if (mayHaveMoreValues(ctx.req, maxBodyValues)) {
        await readText(ctx, done);
        const { rawBody = '' }: { rawBody?: string } = ctx.request;
        assertFewValues(rawBody, maxBodyValues);
        ctx.request.body = parseText(rawBody);
      } else await parse(ctx, done);
    }
    const body = readBody(ctx);
    assertSafe(body, maxDepth);
    return body;
  };
}

/** The limits of a request's body. */
interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly maxBodyValues: number;
  readonly maxDepth: number;
}

/** Whether a body is long enough for more than `max` values, or its length is not known. */
function mayHaveMoreValues({ headers }: IncomingMessage, max: number): boolean {
  const { 'content-length': length, 'content-encoding': encoding, 'transfer-encoding': transfer } = headers;
  return encoding !== undefined || transfer !== undefined || Number(length) > max;
}

const [quote, backslash, comma, bracket, brace] = ['"', '\\', ',', '[', '{'].map(character => character.charCodeAt(0));

/**
 * Counts the commas and opening brackets outside of texts, which are at least as many as the values within.
 *
 * @throws {McpError} 413 more than `max`.
 */
function assertFewValues(text: string, max: number): void {
  let count = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfText(text, at);
    else if (code === comma || code === bracket || code === brace) count += 1;
  }
  if (count > max)
    throw new McpError('InvalidRequest', `The body has more than ${max} values (limits.maxBodyValues); send it in parts`, { status: 413 });
}

/** Returns the index of the quote that ends the text which begins at `start`. Without such a quote the text goes on to the end of `json`. */
function endOfText(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end >= 0; end = json.indexOf('"', end + 1)) {
    let before = end;
    while (json.charCodeAt(before - 1) === backslash) before -= 1;
    if ((end - before) % 2 === 0) return end;
  }
  return json.length;
}

function readBody(ctx: Koa.Context): unknown {
  const { body, rawBody }: { body?: unknown; rawBody?: unknown } = ctx.request;
  // The host's parser leaves an empty text or nothing for an empty body.
  if (body === undefined || body === '' || (rawBody === '' && typeof body === 'object')) throw emptyBody();
  return typeof body !== 'string' || typeof rawBody === 'string' ? body : parseText(body);
}

/** @throws {McpError} The text is empty, or not JSON. */
function parseText(text: string): unknown {
  if (text === '') throw emptyBody();
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new McpError('ParseError', 'Parse error: the body is not JSON', { cause });
  }
}

function emptyBody(): McpError {
  return new McpError('ParseError', 'Parse error: the body is empty');
}

function toBodyError(error: Error & { status?: number; code?: string }, maxBodyBytes: number): Error {
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

/** The answers that a client accepts, by its `Accept` header. */
export interface Accepts {
  /** Whether the client reads a JSON body. */
  readonly acceptsJson: boolean;
  /** Whether the client reads an event stream. */
  readonly acceptsStream: boolean;
}

/**
 * Reads the `Accept` header. Without the header everything is accepted.
 *
 * @throws {McpError} 406 if neither JSON nor an event stream is accepted.
 */
export function negotiateAnswer(ctx: Koa.Context): Accepts {
  const { accept } = ctx.req.headers;
  if (accept === undefined || accept === 'application/json, text/event-stream') return { acceptsJson: true, acceptsStream: true };
  const acceptsJson = ctx.accepts('application/json') !== false;
  const acceptsStream = ctx.accepts('text/event-stream') !== false;
  if (!acceptsJson && !acceptsStream) throw notAcceptable('application/json, text/event-stream');
  return { acceptsJson, acceptsStream };
}

/** The answer to a POST: one JSON body, a stream of events, or an empty 202. */
export type Answer =
  | { readonly kind: 'json'; readonly text: string }
  | { readonly kind: 'stream'; readonly stream: EventStream }
  | { readonly kind: 'none' };

/** A stream of messages, and the response body that carries it to the client. */
export interface Carrier {
  readonly body: EventStream;
  /** @param isLast Whether this is known to be the last message of the stream. */
  send(message: string, isLast?: boolean): boolean;
  end(): void;
  disconnect?(retryMs: number): void;
}

/**
 * The answer to one POST. It is a JSON body, but becomes a stream if a message is sent before the last response, or if that takes long.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server
 */
export class Exchange implements MessageSink {
  readonly #accepts: Accepts;
  readonly #isBatch: boolean;
  readonly #openStream: () => Carrier;
  #responses: string[] = [];
  #stream: Carrier | undefined;
  #answered: ((answer: Answer) => void) | undefined;

  /**
   * @param accepts What the client reads. If it reads no streams, messages before the last response are dropped.
   * @param isBatch Whether the request was a batch, so that the answer is an array.
   */
  constructor(accepts: Accepts, isBatch: boolean, openStream: () => Carrier) {
    this.#accepts = accepts;
    this.#isBatch = isBatch;
    this.#openStream = openStream;
  }

  send(message: string): boolean {
    return this.#accepts.acceptsStream && this.#open().send(message);
  }

  get isSilent(): boolean {
    return this.#stream === undefined && !this.#isBatch;
  }

  /** Makes the answer a stream, whose headers and comments keep proxies from closing the connection. */
  keepAlive(): void {
    if (this.#accepts.acceptsStream && this.#stream === undefined) this.#open().body.comment();
  }

  disconnect(retryMs: number): void {
    if (this.#accepts.acceptsStream) this.#open().disconnect?.(retryMs);
  }

  /** Takes one response; `undefined` for a request that gets no response. */
  respond(response: string | undefined): void {
    if (response === undefined) return;
    if (this.#stream !== undefined) this.#stream.send(response, !this.#isBatch);
    else this.#responses.push(response);
  }

  /**
   * Resolves as soon as the kind of answer is known: when the first message is sent, or when `served` is done.
   *
   * @param served Settles when all responses are given. Rejects only if nothing was sent.
   */
  answer(served: Promise<unknown>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve;
      if (this.#stream !== undefined) resolve({ kind: 'stream', stream: this.#stream.body });
      served.then(() => resolve(this.#finish()), reject);
    });
  }

  #finish(): Answer {
    // The call, and so this object, lives until the client has read the answer. The answer itself is not to be kept twice.
    this.#answered = undefined;
    const responses = this.#responses;
    this.#responses = [];
    const [first] = responses;
    if (this.#stream === undefined && first === undefined) return { kind: 'none' };
    if (this.#stream === undefined && this.#accepts.acceptsJson)
      return { kind: 'json', text: this.#isBatch ? `[${responses.join(',')}]` : (first ?? '') };
    const stream = this.#open(responses);
    const { body } = stream;
    stream.end();
    return { kind: 'stream', stream: body };
  }

  #open(responses: readonly string[] = this.#responses): Carrier {
    if (this.#stream === undefined) {
      this.#stream = this.#openStream();
      for (const response of responses) this.#stream.send(response, !this.#isBatch);
      this.#answered?.({ kind: 'stream', stream: this.#stream.body });
    }
    return this.#stream;
  }
}

/** The limits of answers that their clients have not read. */
export interface UnsentLimits {
  /** Most bytes of JSON answers in this process that were not passed to the network yet. */
  readonly maxUnsentBytes: number;
  /** Most of those bytes for one principal. All guests are one principal. */
  readonly maxUnsentBytesPerPrincipal: number;
  /** Milliseconds without progress after which the connection of such an answer is closed. */
  readonly sendMs: number;
}

/** Answers of fewer characters are not counted. The operating system usually takes them at once. */
const smallAnswer = 16 * 1024;

/**
 * The JSON answers that wait for their readers. A client that sends requests and never reads would otherwise fill the memory of the process,
 * because Node keeps what the network does not take.
 */
export class UnsentAnswers {
  readonly #limits: UnsentLimits;
  readonly #bytesOf = new Map<string | null, number>();
  #bytes = 0;

  constructor(limits: UnsentLimits) {
    this.#limits = limits;
  }

  /**
   * Refuses a request before it does anything.
   *
   * @param principal Who sends it; `null` is a guest.
   * @throws {McpError} 503 if `maxUnsentBytes`, or `maxUnsentBytesPerPrincipal` of this principal, are waiting already.
   */
  assertRoom(principal: string | null): void {
    if (this.#bytes === 0) return;
    const why = this.#whyFull(principal, 0);
    if (why !== undefined) throw new McpError('InternalError', `${why}; nothing was done. Read the earlier answers first`, { status: 503 });
  }

  /**
   * Counts an answer until its client has read it, or its connection is closed. An answer that would go past a limit becomes an error.
   *
   * @param id The request that is answered; `undefined` for a batch.
   */
  admit(ctx: Koa.Context, answer: Answer, { principal, id }: { principal: string | null; id: RequestId | undefined }): Answer {
    if (answer.kind !== 'json' || answer.text.length < smallAnswer) return answer;
    const bytes = Buffer.byteLength(answer.text);
    const why = this.#whyFull(principal, bytes);
    if (why !== undefined) {
      const error = new McpError('InternalError', `${why}, so this result is dropped; the request may have taken effect`);
      return { kind: 'json', text: errorText(id, error) };
    }
    this.#add(principal, bytes);
    const { res } = ctx;
    // Node checks whether the connection took bytes in the meantime, so a slow reader is not cut.
    res.setTimeout(this.#limits.sendMs, () => res.destroy());
    res.once('close', () => this.#add(principal, -bytes));
    return answer;
  }

  #add(principal: string | null, bytes: number): void {
    this.#bytes += bytes;
    const own = (this.#bytesOf.get(principal) ?? 0) + bytes;
    if (own === 0) this.#bytesOf.delete(principal);
    else this.#bytesOf.set(principal, own);
  }

  /** Why `more` bytes have no room beside those that wait; `undefined` if they have. A first answer always has room. */
  #whyFull(principal: string | null, more: number): string | undefined {
    const { maxUnsentBytes, maxUnsentBytesPerPrincipal } = this.#limits;
    const own = this.#bytesOf.get(principal) ?? 0;
    if (own > 0 && own + more >= maxUnsentBytesPerPrincipal) return `${own} bytes of answers wait for this caller to read them`;
    if (this.#bytes > 0 && this.#bytes + more >= maxUnsentBytes) return 'Too many answers wait for their callers to read them';
    return undefined;
  }
}

/** Sends the answer to the client. @param status HTTP status of a JSON body. */
export function respondAnswer(ctx: Koa.Context, status: number, answer: Answer): void {
  if (answer.kind === 'json') respondJson(ctx, status, answer.text);
  else if (answer.kind === 'stream') respondStream(ctx, answer.stream);
  else respondAccepted(ctx);
}

/** The session that a request names in its header. */
export function sessionHeaderOf(ctx: Koa.Context): string | undefined {
  const id = ctx.req.headers['mcp-session-id'];
  return typeof id === 'string' ? id : undefined;
}

/** Answers with a JSON body. A 503 carries `Retry-After`, because another process, or this one a little later, can serve the request. */
export function respondJson(ctx: Koa.Context, status: number, text: string): void {
  ctx.status = status;
  if (status === 503) ctx.set('Retry-After', '1');
  // `ctx.set` is cheaper than `ctx.type`, which would look the media type up.
  ctx.set('Content-Type', 'application/json; charset=utf-8');
  // Of a string that waits for its reader Node keeps two copies more, one of them behind the headers.
  ctx.body = text.length < smallAnswer ? text : Buffer.from(text);
}

/**
 * Converts any thrown value to the error that the client gets.
 *
 * @param report Reports the error; returns a reference to quote.
 * @param options.status HTTP status for an error that is hidden from the client, if it differs from the status in the error table.
 */
export function toMcpError(thrown: unknown, report: (error: unknown) => string, options: { status?: number } = {}): McpError {
  if (McpError.isError(thrown)) return thrown;
  const ref = report(thrown);
  if (!StoreUnavailable.isError(thrown)) return new McpError('InternalError', internalErrorText(ref), options);
  return new McpError('InternalError', `The database does not answer; try again (ref ${ref})`, { status: 503 });
}

/** Answers 202 with an empty body. Koa would send the status text as the body. */
export function respondAccepted(ctx: Koa.Context): void {
  ctx.status = 202;
  ctx.body = '';
  ctx.remove('Content-Type');
}

/** The error for a method that the endpoint does not have. Also sets `Allow`. */
export function methodNotAllowed(ctx: Koa.Context, allow: string, why = `use ${allow}`): McpError {
  ctx.set('Allow', allow);
  return new McpError('InvalidRequest', `Method not allowed: ${why}`, { status: 405 });
}

/** The error for a caller that sends too many requests. Also sets `Retry-After`. */
export function tooMany(ctx: Koa.Context, { what, seconds }: Exceeded): McpError {
  ctx.set('Retry-After', String(seconds));
  return new McpError('InvalidRequest', `Too many ${what} of this caller, nothing was done; try again in ${seconds} s`, { status: 429 });
}

/** Answers 429 with the error of `tooMany`, for one request or for those of a batch. */
export function respondTooMany(ctx: Koa.Context, exceeded: Exceeded, ids: RequestId | readonly RequestId[]): void {
  const error = tooMany(ctx, exceeded);
  const textOf = (id: RequestId) => errorText(id, error);
  respondJson(ctx, 429, Array.isArray(ids) ? `[${ids.map(textOf).join(',')}]` : textOf(ids as RequestId));
}

/** The error for a client that accepts none of `types`. */
export function notAcceptable(types: string): McpError {
  return new McpError('InvalidRequest', `Not acceptable: send Accept: ${types}`, { status: 406 });
}

/** A path of RFC 3986, with trailing slashes split off. Empty segments are refused, because they could name another host. */
const forwardedPrefix = /^((?:\/[\w.~!$&'()*+,;=:@%-]+)*)\/*$/u;

/** The part of the client's URL path before the app's own path. */
export function prefixOf(ctx: Koa.Context): string {
  const forwarded = ctx.app.proxy ? (forwardedPrefix.exec(ctx.get('X-Forwarded-Prefix'))?.[1] ?? '') : '';
  const [original = ''] = ctx.originalUrl.split('?', 1);
  const mounted = original.endsWith(ctx.path) ? original.slice(0, original.length - ctx.path.length) : '';
  return forwarded + mounted;
}
