import { randomBytes } from 'node:crypto';
import type { Continuation, NewEvent, Session, Task } from '../../src/store/store.ts';

/** The time that sessions and continuations of tests are seen at. */
export const start: number = Date.UTC(2026, 0, 1);

export const later = (ms: number): Date => new Date(start + ms);

export function newId(): string {
  return `mcp_${randomBytes(32).toString('base64url')}`;
}

/** A session last seen at `start` that expires a second later. */
export function newSession(overrides: Partial<Session> = {}): Session {
  return {
    id: newId(),
    transport: 'streamable',
    revision: '2025-11-25',
    principal: 'ada',
    clientInfo: { name: 'client', version: '1.0.0' },
    capabilities: {},
    logLevel: null,
    initialized: false,
    connection: null,
    position: null,
    createdAt: new Date(start),
    lastSeenAt: new Date(start),
    expiresAt: new Date(start + 1_000),
    ...overrides,
  };
}

/** A continuation of Ada's that expires a second after `start`. */
export function newContinuation(overrides: Partial<Continuation> = {}): Continuation {
  return {
    id: randomBytes(32).toString('base64url'),
    principal: 'ada',
    request: 'a'.repeat(64),
    answers: {},
    expiresAt: later(1_000),
    ...overrides,
  };
}

/** A task of Ada's that a process `a` runs since `start`, and that expires a second later. */
export function newTask(overrides: Partial<Task> = {}): Task {
  return {
    id: randomBytes(32).toString('base64url'),
    principal: 'ada',
    tool: 'count',
    sessionId: null,
    node: 'a',
    status: 'working',
    statusMessage: null,
    isError: false,
    questions: '{}',
    result: null,
    version: 0,
    createdAt: later(0),
    lastUpdatedAt: later(0),
    expiresAt: later(1_000),
    ...overrides,
  };
}

/** An event of its own key that expires a second after `start`. */
export function newEvent(stream: string, data: string, overrides: Partial<NewEvent> = {}): NewEvent {
  return { key: `test.${randomBytes(9).toString('base64url')}`, stream, sessionId: null, data, expiresAt: later(1_000), ...overrides };
}
