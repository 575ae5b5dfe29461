import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Session, SessionStore } from '../../src/store/store.ts';
import { later, newId, newSession } from './fixtures.ts';
import type { StoreUnderTest } from './store-suite.ts';

const idsOf = (sessions: readonly { id: string }[]) => sessions.map(({ id }) => id);

/** What every `SessionStore` must do. */
export function sessionSuite(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`session store: ${name}`, () => {
    let made: StoreUnderTest;
    let store: SessionStore;
    beforeAll(async () => {
      made = await make();
      store = made.store;
    });
    beforeEach(() => made.reset());
    afterAll(() => made.close());

    const add = async (overrides: Parameters<typeof newSession>[0] = {}) => {
      const session = newSession(overrides);
      await store.create(session);
      return session;
    };

    describe('create and find', () => {
      it('gives back every column as it was put in', async () => {
        const session = await add({
          transport: 'sse',
          clientInfo: { name: 'client', version: '1', title: 'Größe "1"', icons: [{ src: 'a', sizes: ['1x1'] }] },
          capabilities: { roots: { listChanged: true }, experimental: { deep: [1, null, { a: 0.5 }] } },
          logLevel: 'warning',
          initialized: true,
          connection: 'node/1.run.abc',
          position: `${'9'.repeat(16)}:${'1.'.repeat(3_000)}`,
          lastSeenAt: later(123),
          expiresAt: later(7 * 24 * 3_600_000),
        });
        expect(await store.find(session.id)).toEqual(session);
      });

      it('keeps a guest apart from somebody called null', async () => {
        const guest = await add({ principal: null });
        const named = await add({ principal: 'null' });
        expect((await store.find(guest.id))?.principal).toBeNull();
        expect((await store.find(named.id))?.principal).toBe('null');
      });

      it('finds an expired session: whether it counts is the caller’s question', async () => {
        const session = await add({ expiresAt: later(-1) });
        expect(await store.find(session.id)).toEqual(session);
      });

      it('finds nothing under an unknown id, one of other case, or a hostile one', async () => {
        const { id } = await add();
        const swapped = id.replace(/[a-z]/gi, letter => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()));
        for (const other of [newId(), swapped, '', '__proto__', "' OR 1=1 --", '%']) expect(await store.find(other)).toBeUndefined();
      });

      it('adds a session once, however often it is repeated', async () => {
        const session = await add();
        await store.update(session.id, { logLevel: 'error' });
        await store.create(session);
        await store.create({ ...session, principal: 'eve' });
        expect(await store.find(session.id)).toEqual({ ...session, logLevel: 'error' });
      });

      it('says which of many sessions exist', async () => {
        const kept = [await add(), await add({ expiresAt: later(-1) })].map(session => session.id);
        const unknown = Array.from({ length: 1_100 }, newId);
        expect((await store.existing([...unknown, ...kept])).sort()).toEqual(kept.sort());
        expect(await store.existing([])).toEqual([]);
      });
    });

    describe('update', () => {
      it('sets the columns given and no other', async () => {
        const session = await add();
        expect(await store.update(session.id, { logLevel: 'error' })).toBe(true);
        expect(await store.find(session.id)).toEqual({ ...session, logLevel: 'error' });
        expect(await store.update(session.id, { logLevel: null, initialized: true })).toBe(true);
        expect(await store.find(session.id)).toEqual({ ...session, initialized: true });
        expect(await store.update(session.id, { connection: 'a', position: '7' })).toBe(true);
        expect(await store.update(session.id, { connection: 'b' })).toBe(true);
        expect(await store.find(session.id)).toEqual({ ...session, initialized: true, connection: 'b', position: '7' });
        expect(await store.update(session.id, { connection: 'b', position: '7' })).toBe(true);
      });

      it('says that there is no such session, and makes none', async () => {
        const id = newId();
        expect(await store.update(id, { initialized: true })).toBe(false);
        expect(await store.find(id)).toBeUndefined();
      });

      it('loses nothing when two columns are set at once', async () => {
        const { id } = await add();
        await Promise.all([store.update(id, { logLevel: 'debug' }), store.update(id, { initialized: true })]);
        expect(await store.find(id)).toMatchObject({ logLevel: 'debug', initialized: true });
      });
    });

    describe('touch', () => {
      it('moves the last use and the expiry of all sessions named, and of no other', async () => {
        const [a, b, c] = [await add(), await add(), await add()];
        expect(await store.touch([a.id, b.id, newId()], later(500), later(1_500))).toBe(2);
        expect(await store.find(a.id)).toEqual({ ...a, lastSeenAt: later(500), expiresAt: later(1_500) });
        expect(await store.find(b.id)).toEqual({ ...b, lastSeenAt: later(500), expiresAt: later(1_500) });
        expect(await store.find(c.id)).toEqual(c);
      });

      it('never moves backwards, whichever of two processes comes last', async () => {
        const { id } = await add();
        await store.touch([id], later(500), later(1_500));
        expect(await store.touch([id], later(400), later(1_400))).toBe(0);
        expect(await store.find(id)).toMatchObject({ lastSeenAt: later(500), expiresAt: later(1_500) });
      });

      it('changes nothing for a use at the same time, and says so', async () => {
        const session = newSession();
        await store.create(session);
        expect(await store.touch([session.id], later(1), later(2))).toBe(1);
        expect(await store.touch([session.id], later(1), later(3))).toBe(0);
        expect((await store.find(session.id))?.expiresAt).toEqual(later(2));
      });

      it('takes more ids than a database takes variables', async () => {
        const [{ id }, other] = [await add(), await add()];
        expect(await store.touch([id, ...Array.from({ length: 33_000 }, newId), other.id], later(500), later(1_500))).toBe(2);
        expect(await store.find(id)).toMatchObject({ lastSeenAt: later(500) });
      });
    });

    describe('end', () => {
      it('removes the session with its subscriptions', async () => {
        const { id } = await add();
        await store.subscribe(id, 'a://1');
        expect(await store.end(id)).toBe(true);
        expect(await store.find(id)).toBeUndefined();
        expect(await store.subscriptions(id)).toEqual([]);
      });

      it('tells exactly one of several callers that it ended the session', async () => {
        const { id } = await add();
        const answers = await Promise.all([store.end(id), store.end(id), store.end(id)]);
        expect(answers.filter(Boolean)).toHaveLength(1);
        expect(await store.end(id)).toBe(false);
      });
    });

    describe('evict', () => {
      it('keeps the most recently seen sessions of the principal', async () => {
        const sessions = [];
        for (const seen of [30, 10, 40, 20]) sessions.push(await add({ lastSeenAt: later(seen) }));
        const [third, oldest, newest, second] = sessions.map(session => session.id);
        const result = await store.evict('ada', 2);
        expect(idsOf(result.ended).sort()).toEqual([oldest, second].sort());
        expect(result.left).toBe(2);
        expect((await store.existing(sessions.map(session => session.id))).sort()).toEqual([third, newest].sort());
      });

      it('prefers the one opened later among sessions seen at the same time', async () => {
        const older = await add({ createdAt: later(1) });
        const newer = await add({ createdAt: later(2) });
        expect(idsOf((await store.evict('ada', 1)).ended)).toEqual([older.id]);
        expect(await store.find(newer.id)).toBeDefined();
      });

      it('ends those whose handshake is not confirmed first, but not the newest eighth, and then the longest idle', async () => {
        const used = [];
        for (let i = 0; i < 10; i += 1) used.push((await add({ initialized: true, createdAt: later(i), lastSeenAt: later(i) })).id);
        const begun = [];
        for (let i = 100; i < 110; i += 1) begun.push((await add({ createdAt: later(i), lastSeenAt: later(i) })).id);
        const first = await store.evict('ada', 16);
        expect([idsOf(first.ended).sort(), first.left]).toEqual([begun.slice(0, 4).sort(), 16]);
        const second = await store.evict('ada', 8);
        expect([idsOf(second.ended).sort(), second.left]).toEqual([[...begun.slice(4, 9), ...used.slice(0, 3)].sort(), 8]);
        expect((await store.existing([...used, ...begun])).sort()).toEqual([...used.slice(3), ...begun.slice(9)].sort());
      });

      it('leaves other principals alone, and counts guests as one', async () => {
        const grace = await add({ principal: 'grace' });
        const guests = [await add({ principal: null }), await add({ principal: null, lastSeenAt: later(1) })];
        const { id, principal, clientInfo, revision } = guests[0] as Session;
        expect(await store.evict(null, 1)).toMatchObject({ ended: [{ id, principal, clientInfo, revision }], left: 1 });
        expect(await store.evict('ada', 0)).toEqual({ ended: [], left: 0 });
        expect(await store.find(grace.id)).toEqual(grace);
      });

      it('ends none of fewer, and says how many there are', async () => {
        await Promise.all([add(), add(), add()]);
        expect(await store.evict('ada', 3)).toEqual({ ended: [], left: 3 });
        expect(await store.evict('ada', 100)).toEqual({ ended: [], left: 3 });
      });

      it('ends a pile of more than a thousand at once', async () => {
        for (let i = 0; i < 1_103; i += 1) await add({ lastSeenAt: later(i) });
        const { ended, left } = await store.evict('ada', 3);
        expect(new Set(idsOf(ended)).size).toBe(1_100);
        expect(left).toBe(3);
        expect(await store.evict('ada', 100)).toEqual({ ended: [], left: 3 });
      });
    });

    describe('sweep', () => {
      it('ends what expired at or before that moment', async () => {
        const before = await add({ expiresAt: later(9), principal: null });
        const at = await add({ expiresAt: later(10) });
        const after = await add({ expiresAt: later(11) });
        const swept = await store.sweep(later(10), 100);
        const told = [before, at].map(({ id, principal, clientInfo, revision }) => ({ id, principal, clientInfo, revision }));
        expect(swept).toHaveLength(2);
        expect(swept).toEqual(expect.arrayContaining(told.map(session => expect.objectContaining(session))));
        expect(await store.existing([before.id, at.id, after.id])).toEqual([after.id]);
      });

      it('ends no more than the limit at a time', async () => {
        await Promise.all(Array.from({ length: 5 }, () => add()));
        const batches = [];
        for (let i = 0; i < 4; i += 1) batches.push((await store.sweep(later(1_000), 2)).length);
        expect(batches).toEqual([2, 2, 1, 0]);
      });

      it('takes the subscriptions of the session along', async () => {
        const { id } = await add();
        await store.subscribe(id, 'a://1');
        await store.sweep(later(1_000), 10);
        expect(await store.subscriptions(id)).toEqual([]);
      });
    });

    describe('subscriptions', () => {
      it('are listed for their session', async () => {
        const [a, b, c] = [await add(), await add(), await add()];
        for (const uri of ['a://1', 'a://2']) await store.subscribe(a.id, uri);
        await store.subscribe(b.id, 'a://1');
        expect((await store.subscriptions(a.id)).sort()).toEqual(['a://1', 'a://2']);
        expect(await store.subscriptions(b.id)).toEqual(['a://1']);
        for (const id of [c.id, newId()]) expect(await store.subscriptions(id)).toEqual([]);
      });

      it('are made once, however often and at once they are asked for', async () => {
        const { id } = await add();
        expect(await Promise.all([1, 2, 3].map(() => store.subscribe(id, 'a://1')))).toEqual([true, true, true]);
        expect(await store.subscribe(id, 'a://1')).toBe(true);
        expect(await store.subscriptions(id)).toEqual(['a://1']);
      });

      it('are refused to a session that is gone', async () => {
        const { id } = await add();
        await store.end(id);
        expect(await store.subscribe(id, 'a://1')).toBe(false);
        expect(await store.subscriptions(id)).toEqual([]);
      });

      it('end with unsubscribe, which asks for nothing', async () => {
        const { id } = await add();
        await store.subscribe(id, 'a://1');
        await store.subscribe(id, 'a://2');
        await store.unsubscribe(id, 'a://1');
        await store.unsubscribe(id, 'a://1');
        await store.unsubscribe(newId(), 'a://1');
        expect(await store.subscriptions(id)).toEqual(['a://2']);
      });

      it('tell long URIs apart by their last character', async () => {
        const { id } = await add();
        const uri = `a://${'x'.repeat(8_000)}`;
        for (const last of ['1', '2']) expect(await store.subscribe(id, `${uri}${last}`)).toBe(true);
        await store.unsubscribe(id, `${uri}2`);
        expect(await store.subscriptions(id)).toEqual([`${uri}1`]);
      });
    });

    describe('countSubscriptions', () => {
      it('counts those of one session, each once', async () => {
        const [a, b] = [await add(), await add()];
        for (const uri of ['a://1', 'a://2', 'a://1']) await store.subscribe(a.id, uri);
        await store.unsubscribe(a.id, 'a://0');
        expect(await Promise.all([a.id, b.id, newId()].map(id => store.countSubscriptions(id)))).toEqual([2, 0, 0]);
        await store.unsubscribe(a.id, 'a://1');
        expect(await store.countSubscriptions(a.id)).toBe(1);
      });
    });

    describe('list', () => {
      it('gives whole sessions, those that expire last first', async () => {
        const sessions = [];
        for (const ms of [20, 30, 10]) sessions.push(await add({ expiresAt: later(ms) }));
        const [second, first, third] = sessions;
        expect(await store.list({ now: later(0), take: 10 })).toEqual([first, second, third]);
      });

      it('goes on behind a session, also where many expire at the same time', async () => {
        const ids = [];
        for (const ms of [10, 20, 20, 20, 20, 30]) ids.push((await add({ expiresAt: later(ms) })).id);
        const read: string[] = [];
        for (let after: { expiresAt: Date; id: string } | undefined; ; ) {
          const page = await store.list({ now: later(0), take: 2, after });
          after = page.at(-1);
          if (after === undefined) break;
          read.push(...page.map(({ id }) => id));
        }
        expect([read[0], read[5]]).toEqual([ids[5], ids[0]]);
        expect(read.sort()).toEqual(ids.sort());
      });

      it('leaves out what has expired, to the millisecond, and those of other principals', async () => {
        await add({ expiresAt: later(10) });
        const [ada, guest] = [await add({ expiresAt: later(11) }), await add({ expiresAt: later(12), principal: null })];
        const listed = async (principal?: string | null) => (await store.list({ now: later(10), take: 10, principal })).map(({ id }) => id);
        expect(await listed()).toEqual([guest.id, ada.id]);
        expect(await listed('ada')).toEqual([ada.id]);
        expect(await listed(null)).toEqual([guest.id]);
        expect(await listed(newId())).toEqual([]);
        expect(await store.list({ now: later(10), take: 10, principal: 'ada', after: guest })).toHaveLength(1);
        expect(await store.list({ now: later(10), take: 10, principal: 'ada', after: ada })).toEqual([]);
      });
    });
  });
}
