import { describe, expect, it, vi } from 'vitest';
import { McpError } from '../../src/errors.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { Session, Store } from '../../src/store/store.ts';
import { Clock, HOUR, newId, newInit, newSession, node, start } from './fixtures.ts';

describe('Sessions.open', () => {
  it('writes a row under an unguessable id, not initialized, that expires after the idle time', async () => {
    const store = memoryStore();
    const { sessions } = node({ store });
    const session = await sessions.open(newInit({ capabilities: { roots: {} } }));
    expect(session.id).toMatch(/^mcp_[A-Za-z0-9_-]{43}$/);
    expect(session).toMatchObject({ principal: 'ada', capabilities: { roots: {} }, logLevel: null, initialized: false });
    expect(session.expiresAt).toEqual(new Date(start + HOUR));
    expect(await store.find(session.id)).toEqual(session);
    expect((await sessions.open(newInit())).id).not.toBe(session.id);
  });

  it('stores nothing of the request but what a session has', async () => {
    const { sessions } = node();
    const session = await sessions.open({ ...newInit(), id: 'mine', expiresAt: new Date(0) } as never);
    expect(session.id).toMatch(/^mcp_/);
    expect(session.expiresAt).toEqual(new Date(start + HOUR));
  });

  it('refuses client information of more than 64 kB and writes no row', async () => {
    const { sessions, calls } = node();
    const clientInfo = { name: 'x'.repeat(70_000), version: '1' };
    const error = await sessions.open(newInit({ clientInfo })).catch((error: unknown) => error);
    expect(McpError.isError(error) && error.code).toBe(-32602);
    expect(String(error)).toContain('params.clientInfo: larger than 65536 bytes');
    await expect(sessions.open(newInit({ capabilities: { x: 'é'.repeat(40_000) } }))).rejects.toThrow('params.capabilities');
    expect(calls).toEqual([]);
  });
});

describe('Sessions.find', () => {
  it('answers at once, without a promise or a query, while the row is fresh', async () => {
    const { sessions, calls } = node();
    const session = await sessions.open(newInit());
    calls.length = 0;
    expect(sessions.find(session.id, 'ada')).toBe(session);
    expect(calls).toEqual([]);
  });

  it('reads the row again after the cache time, and sees what changed elsewhere', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions, count } = node({ clock, store });
    const { id } = await sessions.open(newInit());
    await store.update(id, { logLevel: 'error' });
    clock.advance(4_999);
    expect(sessions.find(id, 'ada')).toMatchObject({ logLevel: null });
    clock.advance(1);
    expect(await sessions.find(id, 'ada')).toMatchObject({ logLevel: 'error' });
    expect(sessions.find(id, 'ada')).toMatchObject({ logLevel: 'error' });
    expect(count('find')).toBe(1);
  });

  it('notices within the cache time that another process ended the session, and tells the listeners once', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions, ended } = node({ clock, store });
    const { id } = await sessions.open(newInit());
    await store.end(id);
    expect(sessions.find(id, 'ada')).toBeDefined();
    clock.advance(5_000);
    expect(await sessions.find(id, 'ada')).toBeUndefined();
    expect(await sessions.find(id, 'ada')).toBeUndefined();
    expect(ended).toEqual([id]);
  });

  it('asks the store once for many look-ups of one id at once', async () => {
    const store = memoryStore();
    const session = newSession({ expiresAt: new Date(start + HOUR) });
    await store.create(session);
    const { sessions, count } = node({ store });
    const found = await Promise.all(Array.from({ length: 20 }, async (_, i) => sessions.find(session.id, i % 2 ? 'ada' : 'eve')));
    expect(found.filter(Boolean)).toHaveLength(10);
    expect(count('find')).toBe(1);
  });

  it('asks the store once for look-ups after a change, also if a look-up from before it ends in between', async () => {
    const store = memoryStore();
    const session = newSession({ expiresAt: new Date(start + HOUR) });
    await store.create(session);
    const answers: (() => void)[] = [];
    const { sessions, count } = node({
      store,
      before: ({ verb }) => (verb === 'find' ? new Promise(resolve => answers.push(resolve)) : undefined),
    });
    const before = sessions.find(session.id, 'ada');
    await sessions.update(session.id, { logLevel: 'error' });
    const first = sessions.find(session.id, 'ada');
    answers[0]?.();
    await before;
    const second = sessions.find(session.id, 'ada');
    expect(count('find')).toBe(2);
    answers[1]?.();
    expect((await Promise.all([first, second])).map(found => found?.logLevel)).toEqual(['error', 'error']);
  });

  it('asks again after a look-up that failed', async () => {
    const store = memoryStore();
    const session = newSession({ expiresAt: new Date(start + HOUR) });
    await store.create(session);
    let fails = true;
    const { sessions } = node({
      store,
      before: () => {
        if (fails) throw new Error('connection lost');
      },
    });
    await expect(sessions.find(session.id, 'ada')).rejects.toThrow('connection lost');
    fails = false;
    expect(await sessions.find(session.id, 'ada')).toEqual(session);
  });

  it.each([
    ['empty', ''],
    ['__proto__', '__proto__'],
    ['constructor', 'constructor'],
    ['without its prefix', newId().slice(4)],
    ['one character short', newId().slice(0, -1)],
    ['one character long', `${newId()}A`],
    ['with a newline behind it', `${newId()}\n`],
    ['with a NUL', `${newId().slice(0, -1)}\0`],
    ['with a control character', `mcp_\u001b${newId().slice(5)}`],
    ['with a letter beyond ASCII', `mcp_é${newId().slice(5)}`],
    ['a megabyte', `mcp_${'A'.repeat(1_000_000)}`],
    ['SQL', "mcp_' OR '1'='1"],
  ])('knows without a query that there is no session of a malformed id: %s', (_, id) => {
    const { sessions, calls } = node();
    expect(sessions.find(id, 'ada')).toBeUndefined();
    expect(calls).toEqual([]);
  });

  it('finds nothing under an unknown id, creates nothing and tells nobody', async () => {
    const { sessions, calls, ended } = node();
    expect(await sessions.find(newId(), 'ada')).toBeUndefined();
    expect(calls.map(call => call.verb)).toEqual(['find']);
    expect(ended).toEqual([]);
  });

  it('hides a session from every other principal, cached or not, guests included', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions, ended } = node({ clock, store });
    const { id } = await sessions.open(newInit());
    const guest = await sessions.open(newInit({ principal: null }));
    for (let round = 0; round < 2; round += 1) {
      for (const other of ['eve', '', 'Ada', 'null', null]) expect(await sessions.find(id, other)).toBeUndefined();
      expect(await sessions.find(guest.id, 'null')).toBeUndefined();
      clock.advance(5_000);
    }
    expect(await sessions.find(id, 'ada')).toBeDefined();
    expect(await sessions.find(guest.id, null)).toBeDefined();
    expect(ended).toEqual([]);
  });

  it('is not kept alive by another principal’s requests', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions, count } = node({ clock, store });
    const { id } = await sessions.open(newInit());
    clock.advance(1_000);
    await sessions.find(id, 'eve');
    await sessions.flush();
    expect(count('touch')).toBe(0);
  });

  it('keeps at most so many sessions in memory, and reads the others when they are used', async () => {
    const { sessions, count } = node({ maxCached: 2 });
    const [a, b, c] = [await sessions.open(newInit()), await sessions.open(newInit()), await sessions.open(newInit())];
    expect(sessions.find(b.id, 'ada')).toBe(b);
    expect(sessions.find(c.id, 'ada')).toBe(c);
    expect(count('find')).toBe(0);
    expect(await sessions.find(a.id, 'ada')).toEqual(a);
    expect(count('find')).toBe(1);
    expect(await sessions.find(b.id, 'ada')).toEqual(b);
    expect(count('find')).toBe(2);
  });
});

describe('Sessions.update', () => {
  it('is visible at once, in the row and in the cache', async () => {
    const store = memoryStore();
    const { sessions, count } = node({ store });
    const { id } = await sessions.open(newInit());
    expect(await sessions.update(id, { initialized: true })).toBe(true);
    expect(await sessions.update(id, { logLevel: 'notice' })).toBe(true);
    expect(sessions.find(id, 'ada')).toMatchObject({ initialized: true, logLevel: 'notice' });
    expect(await store.find(id)).toMatchObject({ initialized: true, logLevel: 'notice' });
    expect(count('find')).toBe(0);
  });

  it('is not undone in the cache by a look-up that began before it', async () => {
    const session = newSession({ expiresAt: new Date(start + HOUR) });
    const { store, release } = await slowToFind(session);
    const { sessions } = node({ store });
    const reading = sessions.find(session.id, 'ada');
    await sessions.update(session.id, { logLevel: 'debug' });
    release();
    expect(await reading).toMatchObject({ logLevel: null });
    expect(await sessions.find(session.id, 'ada')).toMatchObject({ logLevel: 'debug' });
  });

  it('says that the session is gone, and tells the listeners', async () => {
    const store = memoryStore();
    const { sessions, ended } = node({ store });
    const { id } = await sessions.open(newInit());
    await store.end(id);
    expect(await sessions.update(id, { initialized: true })).toBe(false);
    expect(ended).toEqual([id]);
    expect(await sessions.update(newId(), { initialized: true })).toBe(false);
    expect(ended).toEqual([id]);
  });
});

describe('Sessions.end', () => {
  it('removes the session here at once, and tells every listener', async () => {
    const { sessions, ended, errors } = node();
    const { id } = await sessions.open(newInit());
    const more: string[] = [];
    const off = sessions.onEnd(() => {
      throw new Error('stream already closed');
    });
    sessions.onEnd(id => more.push(id));
    expect(await sessions.end(id)).toBe(true);
    expect(await sessions.find(id, 'ada')).toBeUndefined();
    expect([ended, more]).toEqual([[id], [id]]);
    expect(errors.map(String)).toEqual(['Error: stream already closed']);
    off();
    expect(await sessions.end(id)).toBe(false);
    expect(errors).toHaveLength(1);
  });

  it('asks nothing of the store for a malformed id', async () => {
    const { sessions, calls, ended } = node();
    expect(await sessions.end('__proto__')).toBe(false);
    expect([calls, ended]).toEqual([[], []]);
  });

  it('is not undone in the cache by a look-up that began before it', async () => {
    const session = newSession({ expiresAt: new Date(start + HOUR) });
    const { store, release } = await slowToFind(session);
    const { sessions } = node({ store });
    const reading = sessions.find(session.id, 'ada');
    await sessions.end(session.id);
    release();
    await reading;
    expect(await sessions.find(session.id, 'ada')).toBeUndefined();
  });

  it('elsewhere is not undone in the cache by a look-up that began before it', async () => {
    let release = () => {};
    const before = ({ verb }: { verb: string }) =>
      verb === 'find'
        ? new Promise<void>(resolve => {
            release = resolve;
          })
        : undefined;
    const store = memoryStore();
    const [a, b] = [node({ store }), node({ store, before })];
    const { id } = await a.sessions.open(newInit());
    const found = store.find(id);
    const looking = b.sessions.find(id, 'ada');
    await new Promise(setImmediate);
    vi.spyOn(store, 'find').mockReturnValueOnce(found);
    await a.sessions.end(id);
    b.sessions.endedElsewhere(id);
    release();
    expect(await looking).toMatchObject({ id });
    const again = b.sessions.find(id, 'ada');
    release();
    expect(await again).toBeUndefined();
  });

  it('lets `forget` drop the cache alone', async () => {
    const store = memoryStore();
    const { sessions, ended } = node({ store });
    const { id } = await sessions.open(newInit());
    await store.update(id, { logLevel: 'error' });
    sessions.forget(id);
    expect(await sessions.find(id, 'ada')).toMatchObject({ logLevel: 'error' });
    expect(ended).toEqual([]);
  });
});

describe('Sessions’ subscriptions', () => {
  it('pass through to the store', async () => {
    const store = memoryStore();
    const { sessions } = node({ store });
    const { id } = await sessions.open(newInit());
    expect(await sessions.subscribe(id, 'a://1')).toBe(true);
    expect(await store.subscriptions(id)).toEqual(['a://1']);
    await sessions.unsubscribe(id, 'a://1');
    expect(await store.subscriptions(id)).toEqual([]);
  });

  it('find out that the session is gone', async () => {
    const store = memoryStore();
    const { sessions, ended } = node({ store });
    const { id } = await sessions.open(newInit());
    await store.end(id);
    expect(await sessions.subscribe(id, 'a://1')).toBe(false);
    expect(ended).toEqual([id]);
  });

  it.each(['a://\0', 'a://\n', 'a://\ud800', `a://${'x'.repeat(8_190)}`])('refuse what no database could keep: %j', async uri => {
    const { sessions, count } = node();
    const { id } = await sessions.open(newInit());
    await expect(sessions.subscribe(id, uri)).rejects.toMatchObject({ code: -32602, message: expect.stringMatching(/^params\.uri: /) });
    expect(count('subscribe')).toBe(0);
  });
});

describe('Sessions.close', () => {
  it('waits for sessions that are being ended, of which others are told', async () => {
    const told: string[] = [];
    let release = () => {};
    const before = ({ verb }: { verb: string }) =>
      verb === 'end'
        ? new Promise<void>(resolve => {
            release = resolve;
          })
        : undefined;
    const { sessions } = node({ before, tellOthers: async (_, what) => void told.push(what) });
    const { id } = await sessions.open(newInit());
    const ending = sessions.end(id);
    const closed = sessions.close().then(() => told.push('closed'));
    await new Promise(setImmediate);
    release();
    await Promise.all([closed, ending]);
    expect(told).toEqual(['ended', 'closed']);
  });
});

describe('Sessions’ timers', () => {
  it('keep no process alive', () => {
    const timeouts = () => process.getActiveResourcesInfo().filter(resource => resource === 'Timeout').length;
    const before = timeouts();
    const { sessions } = node();
    expect(timeouts()).toBe(before);
    return sessions.close();
  });

  it('flush and sweep by themselves, at most a quarter of the idle time apart, and stop with close', async () => {
    vi.useFakeTimers();
    try {
      const { sessions, count } = node({ idleMs: 1_000, sweepMs: 3_000, now: Date.now });
      const { id } = await sessions.open(newInit());
      await sessions.find(id, 'ada');
      await vi.advanceTimersByTimeAsync(249);
      expect(count('touch')).toBe(0);
      await vi.advanceTimersByTimeAsync(1);
      expect(count('touch')).toBe(1);
      await vi.advanceTimersByTimeAsync(2_750);
      expect(count('sweep')).toBe(1);
      await sessions.close();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('Sessions.list', () => {
  it('names a next page only where one follows', async () => {
    const { sessions } = node();
    for (let count = 0; count < 2; count += 1) await sessions.open(newInit());
    const { next } = await sessions.list({ take: 1 });
    expect(next).toBeDefined();
    for (const query of [{ take: 1, after: next }, { take: 2 }, { take: 3 }]) expect(await sessions.list(query)).not.toHaveProperty('next');
  });
});

/** A store with one session, whose `find` reads the row at once and hands it over when released. */
async function slowToFind(session: Session): Promise<{ store: Store; release: () => void }> {
  const store = memoryStore();
  await store.create(session);
  let release = () => {};
  const released = new Promise<void>(resolve => {
    release = resolve;
  });
  const find = async (id: string) => {
    const row = await store.find(id);
    await released;
    return row;
  };
  return { store: { ...store, find }, release };
}
