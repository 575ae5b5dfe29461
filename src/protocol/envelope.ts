import { McpError } from '../errors.ts';
import type { Implementation, LogLevel } from './context.ts';
import { logLevels } from './context.ts';
import type { JsonObject } from './definitions.ts';
import { decodeHeader } from './header.ts';
import type { JsonRpcRequest } from './jsonrpc.ts';
import { isObject } from './jsonrpc.ts';
import type { Revision } from './revisions.ts';
import { findRevision, revisionIds } from './revisions.ts';

const prefix = 'io.modelcontextprotocol/';
const versionKey = `${prefix}protocolVersion`;

/** What a stateless request says of itself in `params._meta`. */
export interface Envelope {
  readonly revision: Revision;
  readonly capabilities: JsonObject;
  readonly clientInfo: Implementation | undefined;
  /** `undefined`: no log messages for this request. */
  readonly logLevel: LogLevel | undefined;
}

/** Request headers, by lower-case name, as Node gives them. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** The member of `params` that `Mcp-Name` repeats, by method. */
const namedBy: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
]);

/**
 * Whether a message belongs to the stateless era: its body says so or, without an envelope, its version header does.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#protocol-version-header
 */
export function isModern(body: unknown, version: string | undefined): boolean {
  const named = findRevision(version?.trim());
  if (Array.isArray(body)) return named?.era === 'modern' || body.some(hasEnvelope);
  return hasEnvelope(body) || named?.era === 'modern';
}

/**
 * Climbs the ladder of checks that every stateless request has to pass before its method is looked at.
 *
 * @throws {McpError} In this order: -32602 no or malformed envelope; -32020 `MCP-Protocol-Version` is not the body's; -32022 a version that is
 * not served, with `supported`; -32020 `Mcp-Method` or `Mcp-Name` is missing or not the body's. All with HTTP 400.
 */
export function parseEnvelope({ method, params }: JsonRpcRequest, headers: Headers): Envelope {
  const meta = params?.['_meta'];
  if (!isObject(meta)) throw invalid('`params._meta` is missing');
  const version = meta[versionKey];
  const capabilities = meta[`${prefix}clientCapabilities`];
  const logLevel = meta[`${prefix}logLevel`];
  if (typeof version !== 'string') throw invalid(`\`params._meta["${versionKey}"]\` must be a string`);
  if (!isObject(capabilities)) throw invalid(`\`params._meta["${prefix}clientCapabilities"]\` must be an object`);
  if (logLevel !== undefined && !logLevels.includes(logLevel as LogLevel)) {
    throw invalid(`\`params._meta["${prefix}logLevel"]\` must be one of ${logLevels.join(', ')}`);
  }
  assertHeader(headers, 'MCP-Protocol-Version', version);
  const revision = findRevision(version);
  if (revision?.era !== 'modern') throw unsupported(version);
  assertHeader(headers, 'Mcp-Method', method);
  const member = namedBy.get(method);
  const name = member === undefined ? undefined : params?.[member];
  if (typeof name === 'string') assertHeader(headers, 'Mcp-Name', name);
  const info = meta[`${prefix}clientInfo`];
  const clientInfo = isObject(info) && typeof info['name'] === 'string' ? (info as Implementation) : undefined;
  return { revision, capabilities, clientInfo, logLevel: logLevel as LogLevel | undefined };
}

/** A header must be there and, decoded, say what the body says. @throws {McpError} -32020 */
export function assertHeader(headers: Headers, name: string, expected: string): void {
  const sent = headers[name.toLowerCase()];
  if (typeof sent !== 'string') throw mismatch(`${name} is missing`);
  if (sent === expected && !sent.startsWith('=?')) return;
  const value = decodeHeader(sent);
  if (value === undefined) throw mismatch(`${name} is not valid base64 of UTF-8`);
  if (value !== expected) throw mismatch(`${name} does not match the body`);
}

/** @returns -32020, with HTTP 400. */
export function mismatch(what: string): McpError {
  return new McpError('HeaderMismatch', `Header mismatch: ${what}`);
}

function hasEnvelope(message: unknown): boolean {
  if (!isObject(message) || !isObject(message['params'])) return false;
  const meta = message['params']['_meta'];
  return isObject(meta) && versionKey in meta;
}

function unsupported(requested: string): McpError {
  const supported = revisionIds('modern');
  return new McpError('UnsupportedProtocolVersion', `Unsupported protocol version: ${requested} (supported: ${supported.join(', ')})`, {
    data: { supported, requested },
  });
}

function invalid(what: string): McpError {
  const supported = [...revisionIds('modern'), ...revisionIds('legacy')].join(', ');
  return new McpError('InvalidParams', `Invalid params: ${what} (this server speaks ${supported})`, { status: 400 });
}
