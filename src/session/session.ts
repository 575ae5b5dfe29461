import { randomBytes } from 'node:crypto';
import { McpError } from '../errors.ts';
import type { JsonObject } from '../protocol/definitions.ts';
import { storableJson } from '../protocol/definitions.ts';
import type { Session } from '../store/store.ts';

/** What a new session begins with. */
export type SessionInit = Pick<Session, 'transport' | 'revision' | 'principal' | 'clientInfo' | 'capabilities' | 'connection'>;

/**
 * The row of a new session, with a random id of 32 bytes.
 *
 * @param now In milliseconds since 1970.
 * @throws {McpError} -32602 `clientInfo` or `capabilities` is too large.
 */
export function newSession(init: SessionInit, now: number, idleMs: number): Session {
  return {
    id: `mcp_${randomBytes(32).toString('base64url')}`,
    transport: init.transport,
    revision: init.revision,
    principal: init.principal,
    clientInfo: toStorable(init.clientInfo, 'params.clientInfo'),
    capabilities: toStorable(init.capabilities, 'params.capabilities'),
    logLevel: null,
    initialized: false,
    connection: init.connection,
    position: null,
    createdAt: new Date(now),
    lastSeenAt: new Date(now),
    expiresAt: new Date(now + idleMs),
  };
}

/** Whether a text has the form of a session id: `mcp_` and 32 bytes as base64url. */
export function isSessionId(id: string): boolean {
  return sessionIdPattern.test(id);
}

const sessionIdPattern = /^mcp_[\w-]{43}$/;

/**
 * JSON from the wire in a form that every database stores. PostgreSQL refuses NUL and half surrogate pairs in text; U+FFFD replaces them.
 *
 * @param path The place in the message, for the error text.
 * @throws {McpError} -32602 larger than 65,536 bytes.
 */
export function toStorable<T extends JsonObject>(value: T, path: string): T {
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) > maxClientBytes) {
    throw new McpError('InvalidParams', `${path}: larger than ${maxClientBytes} bytes`);
  }
  const clean = storableJson(text);
  return clean === text ? value : (JSON.parse(clean) as T);
}

/** @throws {McpError} -32602 The URI is longer than 8,192 characters, or has characters that no URI has. */
export function assertStorableUri(uri: string): void {
  if (uri.length > maxUriLength) throw new McpError('InvalidParams', `params.uri: longer than ${maxUriLength} characters`);
  if (/[\p{Cc}\p{Cs}]/u.test(uri)) throw new McpError('InvalidParams', 'params.uri: has characters that no URI has');
}

/** Bytes of `clientInfo` or `capabilities` in a session row. */
const maxClientBytes = 65_536;
const maxUriLength = 8_192;
