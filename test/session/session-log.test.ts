import { describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../src/session/session-log.ts';
import { SessionLog } from '../../src/session/session-log.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import { prismaStore } from '../../src/store/prisma-store.ts';
import type { Store } from '../../src/store/store.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import type { Node } from './fixtures.ts';
import { Clock, HOUR, newId, newInit, newSession, node } from './fixtures.ts';

interface Told extends Node {
  readonly events: SessionEvent[];
  readonly lines: string[];
  /** Type, reason and beginning of the id of all events, which are forgotten. */
  takeEvents(): unknown[];
}

/** A process that tells what happens to its sessions. */
function told(options: Parameters<typeof node>[0] = {}, name = 'here:1'): Told {
  const events: SessionEvent[] = [];
  const lines: string[] = [];
  const errors: unknown[] = [];
  const sessionLog = new SessionLog({
    node: name,
    onSession: event => events.push(event),
    log: line => lines.push(line),
    onError: error => errors.push(error),
  });
  const made = node({ sessionLog, ...options });
  return {
    ...made,
    events,
    lines,
    takeEvents: () => events.splice(0).map(({ type, reason, sessionId }) => [type, ...(reason ? [reason] : []), sessionId]),
  };
}

/** Two processes on one store. */
function pair(store: Store = memoryStore()): { a: Told; b: Told; clock: Clock } {
  const clock = new Clock();
  return { a: told({ clock, store }, 'a:1'), b: told({ clock, store }, 'b:2'), clock };
}

const short = (id: string) => id.slice(0, 12);

describe('a session’s life is told', () => {
  it('from its creation to its end, with who, what and where, and with the beginning of its id alone', async () => {
    const { sessions, events, lines } = told();
    const { id } = await sessions.open(newInit({ clientInfo: { name: 'Claude', version: '1' } }));
    await sessions.update(id, { initialized: true });
    await sessions.update(id, { logLevel: 'error' });
    await sessions.end(id);
    expect(events.map(({ type, reason }) => [type, reason])).toEqual([
      ['created', undefined],
      ['initialized', undefined],
      ['ended', 'client'],
    ]);
    for (const event of events) {
      expect(event).toMatchObject({ sessionId: short(id), principal: 'ada', clientName: 'Claude', revision: '2025-11-25', node: 'here:1' });
      expect(Math.abs(event.at.getTime() - Date.now())).toBeLessThan(60_000);
    }
    expect(lines.map(line => JSON.parse(line))).toEqual(
      events.map(event => ({ event: 'mcp.session', ...JSON.parse(JSON.stringify(event)) })),
    );
    expect(lines.join()).not.toContain(id.slice(0, 13));
  });

  it('with the reason it is ended for, and not at all when there was none to end', async () => {
    const { sessions, takeEvents } = told();
    const [first, second] = [await sessions.open(newInit()), await sessions.open(newInit())];
    takeEvents();
    await sessions.end(first.id, 'operator');
    await sessions.end(second.id, 'stream');
    await sessions.end(second.id, 'stream');
    await sessions.end(newId());
    expect(takeEvents()).toEqual([
      ['ended', 'operator', short(first.id)],
      ['ended', 'stream', short(second.id)],
    ]);
  });

  it('of one that was never in use here, when an operator ends it here', async () => {
    const { a, b } = pair();
    const { id } = await a.sessions.open(newInit({ principal: null }));
    await b.sessions.end(id, 'operator');
    expect(b.events).toMatchObject([{ type: 'ended', reason: 'operator', principal: null, clientName: 'client', node: 'b:2' }]);
  });

  it('as resumed, once, by a process that did not open it', async () => {
    const { a, b, clock } = pair();
    const { id } = await a.sessions.open(newInit());
    a.takeEvents();
    for (const process of [b, b, a, b]) {
      await process.sessions.find(id, 'ada');
      await process.sessions.find(id, 'ada');
      clock.advance(5_000);
    }
    expect(b.takeEvents()).toEqual([['resumed', short(id)]]);
    expect(a.takeEvents()).toEqual([]);
  });

  it('not as resumed when only the cache had dropped it', async () => {
    const { sessions, takeEvents } = told({ maxCached: 1 });
    const [first, second] = [await sessions.open(newInit()), await sessions.open(newInit())];
    takeEvents();
    for (const { id } of [first, second, first]) expect(await sessions.find(id, 'ada')).toBeDefined();
    expect(takeEvents()).toEqual([]);
  });

  it('as gone, once, by a process that had it, when another has ended it', async () => {
    const { a, b, clock } = pair();
    const [used, held, unknown] = [await a.sessions.open(newInit()), await a.sessions.open(newInit()), await a.sessions.open(newInit())];
    await b.sessions.find(used.id, 'ada');
    b.sessions.retain(held.id);
    b.takeEvents();
    for (const { id } of [used, held, unknown]) await a.sessions.end(id);
    clock.advance(5_000);
    await b.sessions.find(used.id, 'ada');
    await b.sessions.find(used.id, 'ada');
    await b.sessions.end(used.id);
    await b.sessions.flush();
    await b.sessions.flush();
    await b.sessions.find(unknown.id, 'ada');
    expect(b.takeEvents()).toEqual([
      ['ended', 'gone', short(used.id)],
      ['ended', 'gone', short(held.id)],
    ]);
  });

  it('as evicted, when its principal has opened too many', async () => {
    const clock = new Clock();
    const { sessions, events } = told({ clock, maxPerPrincipal: 1 });
    const first = await sessions.open(newInit());
    clock.advance(1);
    await sessions.open(newInit());
    await sessions.flush();
    expect(events.map(({ type }) => type)).toEqual(['created', 'created', 'ended']);
    expect(events[2]).toMatchObject({ reason: 'evicted', sessionId: short(first.id), principal: 'ada', clientName: 'client' });
  });

  it('as expired by the sweep alone, though a look at it has found out before', async () => {
    const clock = new Clock();
    const { sessions, ended, events, takeEvents } = told({ clock });
    const { id } = await sessions.open(newInit());
    takeEvents();
    clock.advance(HOUR);
    expect(await sessions.find(id, 'ada')).toBeUndefined();
    expect([ended, events]).toEqual([[id], []]);
    await sessions.sweep();
    await sessions.sweep();
    expect(takeEvents()).toEqual([['expired', short(id)]]);
  });

  it.each([
    [10, Array.from({ length: 10 }, () => undefined)],
    [11, [11]],
    [1_200, [500, 500, 200]],
  ])('when %d expire at once, in events with these counts: %j', async (length, counts) => {
    const store = memoryStore();
    for (let made = 0; made < length; made++) await store.create(newSession());
    const clock = new Clock();
    const { sessions, events, lines } = told({ clock, store });
    clock.advance(1_000);
    await sessions.sweep();
    expect(events.map(({ type, count }) => [type, count])).toEqual(counts.map(count => ['expired', count]));
    expect(new Set(events.map(({ sessionId }) => sessionId)).size).toBe(length === 10 ? 10 : 1);
    expect(lines).toHaveLength(events.length);
    const known = length === 10 ? { principal: 'ada', clientName: 'client', revision: '2025-11-25' } : { principal: undefined };
    expect(events[0]).toMatchObject(known);
  });
});

describe('a refused request is told', () => {
  it('with who asked, and what only the operator may know: no such session, or somebody else’s', async () => {
    const { sessions, events, takeEvents } = told();
    const { id } = await sessions.open(newInit());
    const missing = newId();
    takeEvents();
    for (const asked of [id, missing, 'secret\nof mine']) {
      expect(await sessions.find(asked, 'eve')).toBeUndefined();
      sessions.rejected(asked, 'eve');
    }
    sessions.rejected(id, 'ada');
    sessions.rejected(id, 'ada', 'limit');
    expect(events).toMatchObject([
      { reason: 'principal', sessionId: short(id), principal: 'eve', clientName: undefined },
      { reason: 'unknown', sessionId: short(missing), principal: 'eve' },
      { reason: 'unknown', sessionId: undefined, principal: 'eve' },
      { reason: 'transport', sessionId: short(id), principal: 'ada', clientName: 'client' },
      { reason: 'limit', sessionId: short(id), principal: 'ada' },
    ]);
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['rejected']));
  });

  it('and a stranger’s look is no resumption', async () => {
    const { a, b, clock } = pair();
    const { id } = await a.sessions.open(newInit());
    await b.sessions.find(id, 'eve');
    expect(b.takeEvents()).toEqual([]);
    await b.sessions.find(id, 'ada');
    expect(b.takeEvents()).toEqual([]);
    clock.advance(5_000);
    await b.sessions.find(id, 'ada');
    expect(b.takeEvents()).toEqual([['resumed', short(id)]]);
  });
});

describe('a log line', () => {
  it('is one line, harmless in a terminal, whatever a client calls itself', async () => {
    const { sessions, lines, events } = told();
    const name = '\n\u001b[31m\u009b2J\u2028"}\u007f';
    await sessions.open(newInit({ clientInfo: { name, version: '1' } }));
    await sessions.open(newInit({ clientInfo: { name: 'x'.repeat(5_000), version: '1' } }));
    const [line = '', long = ''] = lines;
    expect(line).toMatch(/^[\x20-\x7e]+$/u);
    expect(JSON.parse(line).clientName).toBe(name);
    expect(events[1]?.clientName).toBe('x'.repeat(100));
    expect(long.length).toBeLessThan(400);
  });
});

describe('a hook or log that fails', () => {
  it('fails nothing else: its error is reported, and the others are told', async () => {
    const [errors, lines]: [unknown[], string[]] = [[], []];
    const onError = (error: unknown) => errors.push(error);
    const failing = (message: string) => () => {
      throw new Error(message);
    };
    const log = (line: string) => lines.push(line);
    const { sessions } = node({ sessionLog: new SessionLog({ node: 'x', onSession: failing('hook'), log, onError }) });
    const { id } = await sessions.open(newInit());
    expect(await sessions.end(id)).toBe(true);
    expect(lines).toHaveLength(2);
    const rejecting = new SessionLog({ node: 'x', onSession: () => Promise.reject(new Error('later')), log: failing('log'), onError });
    await node({ sessionLog: rejecting }).sessions.open(newInit());
    await expect.poll(() => errors.map(String)).toEqual(['Error: hook', 'Error: hook', 'Error: log', 'Error: later']);
  });
});

describeDatabases('over a database', provider => {
  it('a later life of the process resumes the session, and sweeps it', async () => {
    await using database = await openDatabase(provider);
    const { a, b, clock } = pair(prismaStore(database.prisma));
    const { id } = await a.sessions.open(newInit());
    await b.sessions.find(id, 'ada');
    clock.advance(2 * HOUR);
    await b.sessions.flush();
    clock.advance(HOUR);
    await b.sessions.sweep();
    expect(b.events).toMatchObject([
      { type: 'resumed', sessionId: short(id), principal: 'ada', clientName: 'client', at: expect.any(Date) },
      { type: 'expired', sessionId: short(id), principal: 'ada', clientName: 'client' },
    ]);
  });
});
