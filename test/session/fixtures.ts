import type { SessionInit } from '../../src/session/session.ts';
import type { SessionsOptions } from '../../src/session/sessions.ts';
import { Sessions } from '../../src/session/sessions.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { Store } from '../../src/store/store.ts';
import { newId, newSession, start } from '../store/fixtures.ts';

export { newId, newSession, start };

export function newInit(overrides: Partial<SessionInit> = {}): SessionInit {
  return {
    transport: 'streamable',
    revision: '2025-11-25',
    principal: 'ada',
    clientInfo: { name: 'client', version: '1.0.0' },
    capabilities: {},
    connection: null,
    ...overrides,
  };
}

export interface Call {
  readonly verb: keyof Store;
  readonly args: readonly unknown[];
}

/** The same store, with a record of what it was asked. `before` runs ahead of each verb, and may wait or throw. */
export function recorded(store: Store, before: (call: Call) => void | Promise<void> = () => {}): { store: Store; calls: Call[] } {
  const calls: Call[] = [];
  const wrap =
    (verb: keyof Store) =>
    async (...args: unknown[]) => {
      calls.push({ verb, args });
      await before({ verb, args });
      return (store[verb] as (...args: unknown[]) => unknown)(...args);
    };
  const verbs = Object.keys(store) as (keyof Store)[];
  return { store: Object.fromEntries(verbs.map(verb => [verb, wrap(verb)])) as unknown as Store, calls };
}

export interface Node {
  readonly sessions: Sessions;
  readonly calls: Call[];
  readonly ended: string[];
  readonly errors: unknown[];
  count(verb: keyof Store): number;
}

/** `Sessions` with idle time of an hour, and a record of what it did. */
export function node(options: Partial<SessionsOptions> & { clock?: Clock; before?: (call: Call) => void | Promise<void> } = {}): Node {
  const { clock = new Clock(), before, store = memoryStore(), ...rest } = options;
  const { store: recording, calls } = recorded(store, before);
  const errors: unknown[] = [];
  const ended: string[] = [];
  const sessions = new Sessions({
    store: recording,
    idleMs: HOUR,
    maxPerPrincipal: 1_000,
    maxSubscriptions: 1_000,
    cacheMs: 5_000,
    touchMs: 60_000,
    sweepMs: 60_000,
    onError: error => errors.push(error),
    now: () => clock.now,
    ...rest,
  });
  sessions.onEnd(id => ended.push(id));
  return { sessions, calls, ended, errors, count: verb => calls.filter(call => call.verb === verb).length };
}

export const HOUR = 3_600_000;

/** A clock that stands still until told. */
export class Clock {
  now: number = start;

  advance(ms: number): void {
    this.now += ms;
  }
}
