import type Koa from 'koa';
import { errorTable, InsufficientScope, McpError } from '../errors.ts';
import type { AuthOptions, VerifiedToken } from '../options.ts';
import { hasScopes } from '../protocol/definitions.ts';
import { membersOf } from '../protocol/handler-errors.ts';
import { errorText } from '../protocol/jsonrpc.ts';
import { isOutage } from '../store/outage.ts';
import { runAt } from '../timing.ts';
import { EventStream } from './event-stream.ts';
import type { GuardOptions } from './http.ts';
import { assertHost, isRepeated, methodNotAllowed, originOf, prefixOf, respondJson } from './http.ts';

/** RFC 9728 §3.1: the path of a resource follows it. */
const wellKnown = '/.well-known/oauth-protected-resource';
/** RFC 6750 §2.1 */
const bearer = /^Bearer +([\w.~+/-]+=*) *$/iu;

/** The options of `Authorization`. */
export interface AuthorizationOptions extends AuthOptions, GuardOptions {
  /** The path of the endpoint, without a trailing slash. */
  readonly path: string;
  /** All scopes that some request needs. */
  readonly scopes: readonly string[];
  /** Reports an error that the caller must not see. Returns a reference. */
  readonly report: (error: unknown, ctx: Koa.Context) => string;
}

/**
 * The access tokens of one endpoint: who may call, and how clients find out where to sign in.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization
 */
export class Authorization {
  readonly #options: AuthorizationOptions;
  readonly #base: string;
  readonly #required: readonly string[];
  readonly #supported: ReadonlySet<string>;
  readonly #tokens = new WeakMap<Koa.Context, VerifiedToken>();

  constructor(options: AuthorizationOptions) {
    this.#options = options;
    this.#base = options.path === '/' ? '' : options.path;
    this.#required = options.requiredScopes ?? [];
    this.#supported = new Set([...this.#required, ...options.scopes]);
  }

  /**
   * Admits a request with a good token.
   *
   * @throws {McpError} 401 without a good token; 400 if there are two `Authorization` lines; 503 if the token cannot be checked now.
   * @throws {InsufficientScope} The token lacks one of `requiredScopes`.
   */
  async admit(ctx: Koa.Context): Promise<void> {
    const token = await this.#verify(ctx);
    this.#tokens.set(ctx, token);
    if (!hasScopes(token.scopes, this.#required)) throw new InsufficientScope(this.#required);
  }

  /** The token of a request that was admitted. */
  tokenOf(ctx: Koa.Context): VerifiedToken {
    const token = this.#tokens.get(ctx);
    if (token === undefined) throw new TypeError('A request was served without its token');
    return token;
  }

  /** What the token of a request that was admitted allows. */
  scopesOf(ctx: Koa.Context): readonly string[] {
    return this.tokenOf(ctx).scopes ?? [];
  }

  /** Ends the stream that answers a request, if there is one that does not end by itself, when the token expires. */
  endOnExpiry(ctx: Koa.Context): void {
    const { expiresAt } = this.tokenOf(ctx);
    const { body } = ctx;
    if (expiresAt === undefined || !(body instanceof EventStream) || body.outlivesToken) return;
    body.once(
      'close',
      runAt(expiresAt, () => body.end()),
    );
  }

  /**
   * Tells the client which scopes to ask its user for: those that the request needs, and those that its token has here, since a client replaces
   * its token.
   *
   * @see https://www.rfc-editor.org/rfc/rfc6750#section-3.1
   */
  challengeScopes(ctx: Koa.Context, { scopes: needed, message }: InsufficientScope): void {
    const kept = this.scopesOf(ctx).filter(scope => this.#supported.has(scope));
    const scope = [...new Set([...this.#required, ...kept, ...needed])].join(' ');
    this.#challenge(ctx, { error: 'insufficient_scope', error_description: message, scope });
  }

  /**
   * The routes of the metadata document, below the prefix that the app is mounted at.
   *
   * @see https://www.rfc-editor.org/rfc/rfc9728#section-3
   */
  get metadataPaths(): string[] {
    return this.#metadataPathsBelow('');
  }

  /**
   * Answers a request for the metadata document. It is public, so pages of any origin may read it.
   *
   * @param prefix The path before the path of the endpoint.
   */
  respondMetadata(ctx: Koa.Context, prefix: string = prefixOf(ctx)): void {
    try {
      assertHost(ctx, this.#options);
      this.#respondDocument(ctx, prefix);
    } catch (error) {
      if (!McpError.isError(error)) throw error;
      respondJson(ctx, error.status ?? errorTable[error.type].status, errorText(undefined, error));
    }
  }

  /** Serves the document at its place for an endpoint below `prefix`. Other requests go on. */
  metadataMiddleware(prefix: string): Koa.Middleware {
    const paths = this.#metadataPathsBelow(prefix);
    return async (ctx, next) => {
      if (paths.includes(ctx.path)) this.respondMetadata(ctx, prefix);
      else await next();
    };
  }

  #metadataPathsBelow(prefix: string): string[] {
    return [this.#base, `${this.#base}/sse`].map(path => wellKnown + prefix + path);
  }

  #respondDocument(ctx: Koa.Context, prefix: string): void {
    ctx.set({ 'Access-Control-Allow-Origin': '*', 'Cache-Control': 'no-cache' });
    if (ctx.method === 'OPTIONS') {
      ctx.set({ 'Access-Control-Allow-Methods': 'GET', 'Access-Control-Allow-Headers': '*' });
      ctx.status = 204;
      return;
    }
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') throw methodNotAllowed(ctx, 'GET, HEAD, OPTIONS');
    const document = {
      resource: this.#options.resource ?? `${originOf(ctx)}${prefix}${this.#base}`,
      authorization_servers: this.#options.authorizationServers,
      ...(this.#supported.size > 0 && { scopes_supported: [...this.#supported] }),
      bearer_methods_supported: ['header'],
    };
    respondJson(ctx, 200, JSON.stringify(document));
  }

  async #verify(ctx: Koa.Context): Promise<VerifiedToken> {
    // RFC 6750 §3.1. A proxy may have checked another line than the first one.
    if (isRepeated(ctx, 'authorization')) {
      const error_description = 'The request has more than one Authorization header';
      this.#challenge(ctx, { error: 'invalid_request', error_description });
      throw new McpError('InvalidRequest', `Bad request: ${error_description}`, { status: 400 });
    }
    const { authorization } = ctx.req.headers;
    if (authorization === undefined || !/^Bearer\b/iu.test(authorization)) {
      throw this.#unauthorized(ctx, 'Unauthorized: send an access token as `Authorization: Bearer …`', {});
    }
    const [, text] = bearer.exec(authorization) ?? [];
    const token = text === undefined ? undefined : await this.#check(text, ctx);
    if (token === undefined || (token.expiresAt !== undefined && token.expiresAt.getTime() <= Date.now())) {
      const error_description = 'The access token is malformed, expired, revoked or for another server';
      throw this.#unauthorized(ctx, `Unauthorized: ${error_description}`, { error: 'invalid_token', error_description });
    }
    return token;
  }

  async #check(text: string, ctx: Koa.Context): Promise<VerifiedToken | undefined> {
    let token: VerifiedToken | null | undefined;
    try {
      token = await this.#options.verify(text, ctx);
    } catch (error) {
      const { status } = membersOf(error);
      if (isOutage(error) || (typeof status === 'number' && status >= 500)) {
        const ref = this.#options.report(error, ctx);
        throw new McpError('InternalError', `The access token cannot be checked now; try again (ref ${ref})`, { status: 503 });
      }
      // Mistakes in `verify` itself would otherwise look like bad tokens.
      if (error instanceof TypeError || error instanceof ReferenceError) this.#options.report(error, ctx);
      return undefined;
    }
    if (token === undefined || token === null) return undefined;
    assertVerified(token);
    return token;
  }

  #unauthorized(ctx: Koa.Context, message: string, parameters: Record<string, string>): McpError {
    const scope = this.#required.join(' ');
    this.#challenge(ctx, { ...parameters, ...(scope !== '' && { scope }) });
    return new McpError('InvalidRequest', message, { status: 401 });
  }

  #challenge(ctx: Koa.Context, parameters: Record<string, string>): void {
    const all = { ...parameters, resource_metadata: this.#metadataUrl(ctx) };
    const text = Object.entries(all).map(([name, value]) => `${name}="${value.replaceAll(/["\\]/gu, '\\$&')}"`);
    ctx.set('WWW-Authenticate', `Bearer ${text.join(', ')}`);
  }

  /**
   * The document's URL below the prefix of the endpoint: `https://host/prefix/.well-known/oauth-protected-resource/mcp`. Requests for it reach this
   * endpoint, as requests to the root of the host may not.
   */
  #metadataUrl(ctx: Koa.Context): string {
    const { resource } = this.#options;
    if (resource === undefined) return originOf(ctx) + prefixOf(ctx) + wellKnown + this.#base;
    const { origin, pathname } = new URL(resource);
    const path = pathname.replace(/\/+$/u, '');
    const [prefix, own] = path.endsWith(this.#base) ? [path.slice(0, path.length - this.#base.length), this.#base] : ['', path];
    return origin + prefix + wellKnown + own;
  }
}

/** @throws {TypeError} The host's `verify` returned something that is no verified token. */
function assertVerified({ principal, scopes, expiresAt }: VerifiedToken): void {
  if (typeof principal !== 'string' || principal === '') throw new TypeError('auth.verify: returned no `principal`, a stable text');
  if (scopes !== undefined && !(Array.isArray(scopes) && scopes.every(scope => typeof scope === 'string'))) {
    throw new TypeError('auth.verify: returned `scopes` that are no array of texts');
  }
  if (expiresAt !== undefined && !(expiresAt instanceof Date && Number.isFinite(expiresAt.getTime()))) {
    throw new TypeError('auth.verify: returned an `expiresAt` that is no valid Date');
  }
}
