import { describe, expect, it } from 'vitest';
import { memoryBus } from '../../src/bus/bus.ts';
import { PrincipalCap } from '../../src/session/principal-cap.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import { start } from '../support/server.ts';
import { open, post } from '../support/wire.ts';
import { Clock, newInit, node } from './fixtures.ts';

describe('sessions of one principal', () => {
  it('are exactly as many as allowed when these are few: one more ends the longest idle', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions, ended } = node({ clock, store, maxPerPrincipal: 3 });
    const ids: string[] = [];
    for (let i = 0; i < 6; i += 1) {
      clock.advance(1);
      ids.push((await sessions.open(newInit())).id);
      await sessions.flush();
      expect(await store.existing(ids)).toEqual(ids.slice(-3));
    }
    expect(ended).toEqual(ids.slice(0, 3));
    expect(await sessions.find(ids[0] ?? '', 'ada')).toBeUndefined();
  });

  it('may be one', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions } = node({ clock, store, maxPerPrincipal: 1 });
    const first = await sessions.open(newInit());
    clock.advance(1);
    const second = await sessions.open(newInit());
    await sessions.flush();
    expect(await store.existing([first.id, second.id])).toEqual([second.id]);
  });

  it('are not ended by a flood of initialize, and a client may still begin one meanwhile', async () => {
    const [store, bus] = [memoryStore(), memoryBus()];
    await using one = await start({ bus, sessions: { store, maxPerPrincipal: 16 } });
    await using other = await start({ bus, sessions: { store, maxPerPrincipal: 16 } });
    const used = [await open(one.url), await open(other.url), await open(other.url)];
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'flood', version: '1' } };
    const flood = async (times: number) => {
      for (let id = 0; id < times; id += 1) await post(one.url, { jsonrpc: '2.0', id, method: 'initialize', params });
    };
    await flood(40);
    used.push(await open(other.url));
    await flood(40);
    for (const session of used) expect((await session.request('ping')).status).toBe(200);
    await expect.poll(async () => (await store.list({ now: new Date(), take: 100 })).length).toBe(16);
  });

  it('that are ended for one more are gone in every process at once, with their streams', async () => {
    const [store, bus] = [memoryStore(), memoryBus()];
    await using one = await start({ bus, sessions: { store, maxPerPrincipal: 1 } });
    await using other = await start({ bus, sessions: { store } });
    const first = await open(other.url);
    const stream = await first.listen(AbortSignal.timeout(20_000));
    const ended = stream.next();
    await open(one.url);
    expect(await ended).toEqual({ value: undefined, done: true });
    expect((await first.request('ping')).status).toBe(404);
  });

  it('that are in use here are spared, though their uses are not written yet', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions, ended } = node({ clock, store, maxPerPrincipal: 3 });
    const open = async () => {
      clock.advance(1);
      return (await sessions.open(newInit())).id;
    };
    const [streaming, used, idle] = [await open(), await open(), await open()];
    sessions.retain(streaming);
    clock.advance(1);
    await sessions.find(used, 'ada');
    const evicted = new Promise(resolve => sessions.onEnd(resolve));
    await open();
    expect(await evicted).toBe(idle);
    expect(ended).toEqual([idle]);
  });

  it('do not count against another principal, and guests count together', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions, ended } = node({ clock, store, maxPerPrincipal: 2 });
    const guests: string[] = [];
    for (const principal of ['ada', 'ada', 'grace', 'grace', null, null, null]) {
      clock.advance(1);
      const { id } = await sessions.open(newInit({ principal }));
      if (principal === null) guests.push(id);
    }
    await sessions.flush();
    expect(ended).toEqual(guests.slice(0, 1));
  });

  it('are brought down to the cap when they were opened all at once', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions } = node({ clock, store, maxPerPrincipal: 5 });
    const opened = await Promise.all(Array.from({ length: 50 }, () => sessions.open(newInit())));
    await sessions.flush();
    expect(await store.existing(opened.map(session => session.id))).toHaveLength(5);
  });

  it('are brought down to the cap when one was opened while the store ended those before it', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    let answer = (): void => {};
    let asked = (): void => {};
    const [answered, isAsked] = [new Promise<void>(resolve => (answer = resolve)), new Promise<void>(resolve => (asked = resolve))];
    const evict: typeof store.evict = async (...args) => {
      const evicted = await store.evict(...args);
      asked();
      await answered;
      return evicted;
    };
    const { sessions } = node({ clock, store: { ...store, evict }, maxPerPrincipal: 1 });
    const first = await sessions.open(newInit());
    await isAsked;
    clock.advance(1);
    const second = await sessions.open(newInit());
    answer();
    await sessions.flush();
    expect(await store.existing([first.id, second.id])).toEqual([second.id]);
  });

  it('are not written to rows while the request waits: opening asks the store once', async () => {
    const gate = new Promise<never>(() => {});
    const { sessions, calls } = node({ maxPerPrincipal: 1, before: ({ verb }) => (verb === 'evict' ? gate : undefined) });
    await sessions.open(newInit());
    await sessions.open(newInit());
    expect(calls.map(call => call.verb)).toEqual(['create', 'evict', 'create']);
  });

  it('let close wait for the eviction under way', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions, ended } = node({
      clock,
      store,
      maxPerPrincipal: 1,
      before: ({ verb }) => (verb === 'evict' ? yieldOnce() : undefined),
    });
    const first = await sessions.open(newInit());
    clock.advance(1);
    await sessions.open(newInit());
    await sessions.close();
    expect(ended).toEqual([first.id]);
  });

  it('report an eviction that failed, and are counted again with the next one', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    let fails = true;
    const { sessions, errors } = node({
      clock,
      store,
      maxPerPrincipal: 1,
      before: ({ verb }) => {
        if (verb === 'evict' && fails) throw new Error('connection lost');
      },
    });
    const opened = [await sessions.open(newInit()), await sessions.open(newInit())];
    await sessions.flush();
    expect(errors.map(String)).toContain('Error: connection lost');
    fails = false;
    clock.advance(1);
    opened.push(await sessions.open(newInit()));
    await sessions.flush();
    expect(await store.existing(opened.map(session => session.id))).toEqual([opened[2]?.id]);
  });
});

describe('PrincipalCap', () => {
  /** Opens `opens` sessions one after another; how often the cap was checked, and the most there ever were. */
  async function run(max: number, opens: number): Promise<{ checks: number; most: number }> {
    let [checks, sessions, most] = [0, 0, 0];
    const evict = async () => {
      checks += 1;
      sessions = Math.min(sessions, max);
      return sessions;
    };
    const cap = new PrincipalCap({ max, evict, onError: fail });
    for (let i = 0; i < opens; i += 1) {
      sessions += 1;
      most = Math.max(most, sessions);
      cap.added('ada');
      await cap.settle();
    }
    return { checks, most };
  }

  it('checks a small cap at every session', async () => {
    expect(await run(4, 20)).toEqual({ checks: 20, most: 5 });
  });

  it('checks a cap of 1,000 a few dozen times until it is reached, and once per 15 sessions beyond, overrun by 15', async () => {
    const filling = await run(1_000, 1_000);
    expect(filling.checks).toBeLessThan(40);
    const { checks, most } = await run(1_000, 16_000);
    expect(checks - filling.checks).toBe(1_000);
    expect(most).toBeLessThanOrEqual(1_015);
  });

  it('checks a principal again that it had to forget', async () => {
    const checked: unknown[] = [];
    const evict = async (principal: string | null) => {
      checked.push(principal);
      return 1;
    };
    const cap = new PrincipalCap({ max: 1_000, evict, onError: fail, maxTracked: 2 });
    for (const principal of ['a', 'a', 'b', null, 'a']) {
      cap.added(principal);
      await cap.settle();
    }
    expect(checked).toEqual(['a', 'b', null, 'a']);
  });
});

function fail(error: unknown): never {
  throw error;
}

async function yieldOnce(): Promise<void> {
  await new Promise(resolve => setImmediate(resolve));
}
