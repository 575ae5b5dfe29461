import type Koa from 'koa';
import { McpError } from '../errors.ts';

/** Whom `assertOrigin` lets pass. */
export interface GuardOptions {
  readonly allowedHosts?: readonly string[] | undefined;
  readonly allowedOrigins?: readonly string[] | undefined;
}

const loopbackHosts = ['localhost', '127.0.0.1', '[::1]'];
const loopbackNames = new Set(loopbackHosts);
/** A name or an address, and a port. No user, path or blank, which a URL parser would take apart or leave out. */
const hostSyntax = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d*)?$/iu;
const loopbackAddress = /^(?:127\.|::1$|::ffff:127\.)/u;

/**
 * Refuses requests that a web page of another site may have caused (DNS rebinding).
 *
 * @throws {McpError} 400, if there are two `Host` lines or one that is malformed; 403, if `Host` or `Origin` is not one that is allowed.
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#security-warning
 */
export function assertOrigin(ctx: Koa.Context, { allowedHosts, allowedOrigins }: GuardOptions): void {
  const { host, origin } = ctx.req.headers;
  // RFC 9112 §3.2: 400 for more than one Host line, or an invalid one.
  if (hasTwoHosts(ctx.req.rawHeaders) || (host && !hostSyntax.test(host)))
    throw new McpError('InvalidRequest', 'Bad request: `Host` must be one name or address, and may have a port', { status: 400 });
  const isLoopback = loopbackAddress.test(ctx.req.socket.localAddress ?? '');
  const hosts = allowedHosts ?? (isLoopback && !ctx.app.proxy ? loopbackHosts : undefined);
  if (hosts !== undefined && !isAllowedHost(host ?? '', hosts)) {
    throw forbidden(`Host ${JSON.stringify(host ?? '')} is not allowed here; a server behind a proxy names its hosts in \`allowedHosts\``);
  }
  if (origin === undefined || allowedOrigins?.includes(origin)) return;
  const isLoopbackOrigin = isLoopback && allowedOrigins === undefined && loopbackNames.has(hostnameOf(origin) ?? '');
  if (!isLoopbackOrigin)
    throw forbidden(`Origin ${JSON.stringify(origin)} is not allowed here; a server for web pages names theirs in \`allowedOrigins\``);
}

/** Node gives the first line only. */
function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  return rawHeaders.filter((name, index) => index % 2 === 0 && name.length === 4 && name.toLowerCase() === 'host').length > 1;
}

/** A name followed by a port needs no parsing as a URL, which would cost more than all other checks together. */
function isAllowedHost(host: string, hosts: readonly string[]): boolean {
  const name = host.replace(/:\d{1,5}$/u, '');
  if (hosts.includes(name)) return true;
  const parsed = hostnameOf(`http://${host}`);
  return parsed !== undefined && hosts.includes(parsed);
}

function hostnameOf(url: string): string | undefined {
  // Node 20.19 has URL.parse only behind 22.1.
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

function forbidden(message: string): McpError {
  return new McpError('InvalidRequest', `Forbidden: ${message}`, { status: 403 });
}
