import { randomBytes } from 'node:crypto';
import type { Session } from '../store/store.ts';
import { toStorable } from './storable.ts';

/** What a new session begins with. */
export type SessionInit = Pick<Session, 'transport' | 'revision' | 'principal' | 'clientInfo' | 'capabilities' | 'connection'>;

/**
 * A session as it begins, under an id that nobody can guess.
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

/** Whether it could be the id of a session: `mcp_` and 32 bytes as base64url. */
export function isSessionId(id: string): boolean {
  return sessionIdPattern.test(id);
}

const sessionIdPattern = /^mcp_[\w-]{43}$/;
