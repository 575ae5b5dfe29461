import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../src/store/memory-store.ts';
import { Clock, HOUR, newInit, node, start } from './fixtures.ts';

describe('a session’s idle time', () => {
  it('ends it at the hour, for the process that cached it too, and tells the listeners', async () => {
    const clock = new Clock();
    const { sessions, ended } = node({ clock, cacheMs: 2 * HOUR });
    const { id } = await sessions.open(newInit());
    clock.advance(HOUR);
    expect(await sessions.find(id, 'ada')).toBeUndefined();
    expect(ended).toEqual([id]);
  });

  it('slides with each use, also while the uses are not written yet', async () => {
    const clock = new Clock();
    const { sessions, count } = node({ clock });
    const { id } = await sessions.open(newInit());
    for (let i = 0; i < 5; i += 1) {
      clock.advance(HOUR - 1);
      expect(await sessions.find(id, 'ada')).toMatchObject({ id });
    }
    expect(count('touch')).toBe(0);
    clock.advance(HOUR);
    expect(await sessions.find(id, 'ada')).toBeUndefined();
  });

  it('slides in the row with each flush, for other processes to see', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const [a, b] = [node({ clock, store }), node({ clock, store })];
    const { id } = await a.sessions.open(newInit());
    clock.advance(HOUR / 2);
    expect(await a.sessions.find(id, 'ada')).toBeDefined();
    await a.sessions.flush();
    expect(await store.find(id)).toMatchObject({ lastSeenAt: new Date(clock.now), expiresAt: new Date(clock.now + HOUR) });
    clock.advance(HOUR - 1);
    expect(await b.sessions.find(id, 'ada')).toBeDefined();
  });

  it('is over for the sweeper as for everybody else', async () => {
    const clock = new Clock();
    const { sessions, ended } = node({ clock });
    const { id } = await sessions.open(newInit());
    clock.advance(HOUR - 1);
    await sessions.sweep();
    expect(ended).toEqual([]);
    clock.advance(1);
    await sessions.sweep();
    expect(ended).toEqual([id]);
  });

  it('is not cut short by the sweeper after a long pause of the process', async () => {
    const clock = new Clock();
    const { sessions, ended } = node({ clock });
    const { id } = await sessions.open(newInit());
    clock.advance(HOUR - 1);
    await sessions.find(id, 'ada');
    clock.advance(2);
    await sessions.sweep();
    expect(ended).toEqual([]);
    expect(await sessions.find(id, 'ada')).toMatchObject({ id });
  });
});

describe('sweeping', () => {
  it('reports a failure, and goes on at the next time', async () => {
    const clock = new Clock();
    let fails = true;
    const { sessions, errors, ended } = node({
      clock,
      before: ({ verb }) => {
        if (verb === 'sweep' && fails) throw new Error('connection lost');
      },
    });
    const { id } = await sessions.open(newInit());
    clock.advance(HOUR);
    await sessions.sweep();
    expect(errors.map(String)).toEqual(['Error: connection lost']);
    fails = false;
    await sessions.sweep();
    expect(ended).toEqual([id]);
  });

  it('goes on until a batch is not full', async () => {
    const clock = new Clock();
    const { sessions, ended, count } = node({ clock, sweepBatch: 2 });
    for (let i = 0; i < 5; i += 1) await sessions.open(newInit());
    clock.advance(HOUR);
    await sessions.sweep();
    expect(ended).toHaveLength(5);
    expect(count('sweep')).toBe(3);
  });
});

describe('writing uses', () => {
  it('costs the calls nothing, and one query for all sessions at the flush', async () => {
    const clock = new Clock();
    const { sessions, calls, count } = node({ clock });
    const ids: string[] = [];
    for (let i = 0; i < 200; i += 1) ids.push((await sessions.open(newInit())).id);
    clock.advance(1_000);
    await sessions.flush();
    calls.length = 0;
    for (let round = 0; round < 10; round += 1) for (const id of ids) expect(sessions.find(id, 'ada')).toMatchObject({ id });
    expect(calls).toEqual([]);
    await sessions.flush();
    expect(calls.map(call => call.verb)).toEqual(['touch']);
    expect(calls[0]?.args).toEqual([ids, new Date(start + 1_000), new Date(start + 1_000 + HOUR)]);
    await sessions.flush();
    expect(count('touch')).toBe(1);
  });

  it('takes a query per 900 sessions', async () => {
    const clock = new Clock();
    const { sessions, calls } = node({ clock, maxPerPrincipal: 10_000 });
    for (let i = 0; i < 1_001; i += 1) await sessions.find((await sessions.open(newInit())).id, 'ada');
    await sessions.flush();
    const sizes = calls.filter(call => call.verb === 'touch').map(call => (call.args[0] as string[]).length);
    // The uses that the check of the cap wrote on its way are not written again.
    expect(Math.max(...sizes)).toBeLessThanOrEqual(900);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(1_001);
  });

  it('is tried again at the next flush after a failure, which is reported', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    let fails = true;
    const { sessions, errors } = node({
      clock,
      store,
      before: ({ verb }) => {
        if (verb === 'touch' && fails) throw new Error('deadlock detected');
      },
    });
    const { id } = await sessions.open(newInit());
    clock.advance(1_000);
    await sessions.find(id, 'ada');
    await sessions.flush();
    expect(errors.map(String)).toEqual(['Error: deadlock detected']);
    fails = false;
    await sessions.flush();
    expect(await store.find(id)).toMatchObject({ lastSeenAt: new Date(start + 1_000) });
  });

  it('does not put an older use over one made meanwhile, where it fails', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    let fails = true;
    const { sessions } = node({
      clock,
      store,
      before: async ({ verb }) => {
        if (verb !== 'touch' || !fails) return;
        fails = false;
        clock.advance(1_000);
        await sessions.find(id, 'ada');
        throw new Error('deadlock detected');
      },
    });
    const { id } = await sessions.open(newInit());
    clock.advance(1_000);
    await sessions.find(id, 'ada');
    await sessions.flush();
    await sessions.flush();
    expect(await store.find(id)).toMatchObject({ lastSeenAt: new Date(start + 2_000) });
  });

  it('happens once more when the process closes', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions } = node({ clock, store });
    const { id } = await sessions.open(newInit());
    clock.advance(1_000);
    await sessions.find(id, 'ada');
    await sessions.close();
    expect(await store.find(id)).toMatchObject({ lastSeenAt: new Date(start + 1_000) });
  });
});

describe('a retained session', () => {
  it('outlives its idle time, and idles from its release on', async () => {
    const clock = new Clock();
    const { sessions, ended } = node({ clock });
    const { id } = await sessions.open(newInit());
    const release = sessions.retain(id);
    for (let hours = 0; hours < 5; hours += 1) {
      clock.advance(HOUR / 2);
      await sessions.flush();
      await sessions.sweep();
    }
    clock.advance(HOUR / 2);
    release();
    clock.advance(HOUR - 1);
    await sessions.sweep();
    expect(ended).toEqual([]);
    expect(await sessions.find(id, 'eve')).toBeUndefined();
    clock.advance(1);
    await sessions.sweep();
    expect(ended).toEqual([id]);
  });

  it('is retained until every holder has released it, each once', async () => {
    const clock = new Clock();
    const { sessions, count } = node({ clock });
    const { id } = await sessions.open(newInit());
    const [call, stream] = [sessions.retain(id), sessions.retain(id)];
    call();
    call();
    await sessions.flush();
    await sessions.flush();
    expect(count('touch')).toBe(2);
    stream();
    await sessions.flush();
    await sessions.flush();
    expect(count('touch')).toBe(3);
  });

  it('tells its holders at the next flush that another process ended it, once', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions, ended, count } = node({ clock, store });
    const { id } = await sessions.open(newInit());
    const release = sessions.retain(id);
    await store.end(id);
    await sessions.flush();
    await sessions.flush();
    expect(ended).toEqual([id]);
    expect(count('touch')).toBe(1);
    release();
    await sessions.flush();
    expect(count('touch')).toBe(1);
  });

  it('costs one write per flush, however many there are, and one look where not all were written', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const { sessions, calls, ended } = node({ clock, store });
    const ids: string[] = [];
    for (let i = 0; i < 100; i += 1) {
      const { id } = await sessions.open(newInit());
      ids.push(id);
      sessions.retain(id);
    }
    const flush = async () => {
      clock.advance(1000);
      calls.length = 0;
      await sessions.flush();
      return calls.map(call => call.verb);
    };
    expect(await flush()).toEqual(['touch']);
    await store.end(ids[7] as string);
    // Another process that saw one later leaves nothing to write for it.
    await store.touch([ids[8] as string], new Date(clock.now + 5000), new Date(clock.now + HOUR));
    expect([await flush(), ended]).toEqual([['touch', 'existing'], [ids[7]]]);
  });
});

describe('the idle time of an HTTP+SSE session', () => {
  it('is short, for without its stream nobody can use it: ten writes of its last use, and four minutes for clocks that differ', async () => {
    const clock = new Clock();
    const { sessions, ended } = node({ clock, touchMs: 60_000 });
    const { id } = await sessions.open(newInit({ transport: 'sse' }));
    clock.advance(839_999);
    await sessions.find(id, 'ada');
    await sessions.flush();
    await sessions.sweep();
    expect(ended).toEqual([]);
    clock.advance(1);
    await sessions.sweep();
    expect(ended).toEqual([id]);
  });

  it('does not pass while its stream is open, nor is it prolonged by calls that other processes serve', async () => {
    const [clock, store] = [new Clock(), memoryStore()];
    const [a, b] = [node({ clock, store, touchMs: 60_000 }), node({ clock, store, touchMs: 60_000 })];
    const { id } = await a.sessions.open(newInit({ transport: 'sse' }));
    a.sessions.retain(id);
    for (let i = 0; i < 5; i += 1) {
      clock.advance(839_000);
      await a.sessions.flush();
      await b.sessions.sweep();
    }
    expect(await b.sessions.find(id, 'ada')).toMatchObject({ id });
    const finish = b.sessions.retain(id);
    await b.sessions.flush();
    finish();
    await b.sessions.flush();
    expect((await store.find(id))?.expiresAt).toEqual(new Date(clock.now + 840_000));
  });
});
