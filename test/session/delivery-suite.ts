import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SessionStore } from '../../src/session/store.ts';
import { newId, newSession, start } from './fixtures.ts';
import type { StoreUnderTest } from './store-suite.ts';

const later = (ms: number) => new Date(start + ms);

/** What every `SessionStore` must do for messages to find their way, and for operators. */
export function deliverySuite(name: string, make: () => Promise<StoreUnderTest>): void {
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
    const holderOf = async (id: string) => {
      const sessions = await store.list({ now: later(0), take: 100 });
      return sessions.find(session => session.id === id)?.holder;
    };
    /** All pages behind one another. */
    const pages = async (size: number, read: (after: string | undefined) => Promise<string[]>) => {
      const sizes: number[] = [];
      const ids: string[] = [];
      do {
        const page = await read(ids.at(-1));
        ids.push(...page);
        sizes.push(page.length);
      } while (sizes.at(-1) === size);
      return { sizes, ids };
    };

    describe('the outbound stream', () => {
      it('is nobody’s to begin with, and belongs to whoever claimed it last', async () => {
        const { id } = await add();
        expect(await holderOf(id)).toBeNull();
        expect(await store.claim(id, 'a')).toBe(0);
        expect(await holderOf(id)).toBe('a');
        expect(await store.claim(id, 'b')).toBe(0);
        expect(await store.claim(id, 'b')).toBe(0);
        expect(await holderOf(id)).toBe('b');
        expect(await store.advance(id, 'a', 0, 1)).toBe(false);
        expect(await store.advance(id, 'b', 0, 1)).toBe(true);
      });

      it('goes on where it was delivered to, or from where its client says', async () => {
        const { id } = await add();
        await store.claim(id, 'a');
        expect([await store.advance(id, 'a', 0, 7), await store.advance(id, 'a', 0, 8)]).toEqual([true, false]);
        expect(await store.claim(id, 'b')).toBe(7);
        expect([await store.delivered(id), await store.delivered(newId())]).toEqual([7, undefined]);
        expect(await store.claim(id, 'c', { from: 5 })).toBe(5);
        expect(await store.claim(id, 'd', { from: 0 })).toBe(0);
        expect(await store.claim(id, 'e')).toBe(0);
      });

      it('is left alone where only a free one is wanted', async () => {
        const { id } = await add();
        expect(await store.claim(id, 'a', { ifFree: true })).toBe(0);
        expect(await store.claim(id, 'b', { ifFree: true, from: 3 })).toBeUndefined();
        expect(await store.claim(id, 'a', { ifFree: true })).toBeUndefined();
        await store.release(id, 'b');
        expect(await holderOf(id)).toBe('a');
        await store.release(id, 'a');
        expect(await holderOf(id)).toBeNull();
        expect(await store.advance(id, 'a', 0, 1)).toBe(false);
        expect(await store.claim(id, 'b', { ifFree: true })).toBe(0);
      });

      it('goes to one of ten that want it free at once, and moves on once', async () => {
        const { id } = await add();
        const names = Array.from({ length: 10 }, (_, index) => `p${index}`);
        const claims = await Promise.all(names.map(each => store.claim(id, each, { ifFree: true })));
        expect(claims.filter(delivered => delivered !== undefined)).toEqual([0]);
        const holder = names[claims.indexOf(0)] ?? '';
        expect(await holderOf(id)).toBe(holder);
        const moves = await Promise.all([1, 2, 3].map(to => store.advance(id, holder, 0, to)));
        expect(moves.filter(Boolean)).toHaveLength(1);
      });

      it('is not there for a session that is gone', async () => {
        const { id } = await add();
        await store.claim(id, 'a');
        await store.end(id);
        expect([await store.claim(id, 'a'), await store.claim(id, 'a', { from: 3 })]).toEqual([undefined, undefined]);
        expect(await store.advance(id, 'a', 0, 1)).toBe(false);
        await store.release(id, 'a');
      });

      it('leaves the session as it is', async () => {
        const session = await add();
        await store.claim(session.id, 'a', { from: 9 });
        expect(await store.find(session.id)).toEqual(session);
      });
    });

    describe('subscribedTo', () => {
      it('gives all who subscribed, a page at a time, and nobody else', async () => {
        const ids = [];
        for (let i = 0; i < 7; i += 1) ids.push((await add()).id);
        for (const id of ids) await store.subscribe(id, 'a://1');
        await store.subscribe((await add()).id, 'a://2');
        const read = await pages(3, after => store.subscribedTo('a://1', after, 3));
        expect(read.sizes).toEqual([3, 3, 1]);
        expect(read.ids.sort()).toEqual(ids.sort());
      });

      it('gives nobody after unsubscribe or end', async () => {
        const [a, b] = [await add(), await add()];
        for (const { id } of [a, b]) await store.subscribe(id, 'a://1');
        await store.unsubscribe(a.id, 'a://1');
        await store.end(b.id);
        expect(await store.subscribedTo('a://1', undefined, 10)).toEqual([]);
      });
    });

    describe('reachable', () => {
      it('gives initialized sessions that have a holder or were seen lately, a page at a time', async () => {
        const held = await add({ initialized: true });
        await store.claim(held.id, 'a');
        const seen = [held.id];
        for (const ms of [500, 501, 502]) seen.push((await add({ initialized: true, lastSeenAt: later(ms) })).id);
        await add({ initialized: true, lastSeenAt: later(499) });
        const early = await add({ lastSeenAt: later(600) });
        await store.claim(early.id, 'a');
        const read = await pages(2, after => store.reachable(later(500), after, 2));
        expect(read.sizes).toEqual([2, 2, 0]);
        expect(read.ids.sort()).toEqual(seen.sort());
        await store.release(held.id, 'a');
        expect(await store.reachable(later(500), undefined, 10)).toHaveLength(3);
      });
    });

    describe('list', () => {
      it('gives whole sessions with their holders, those that expire last first', async () => {
        const sessions = [];
        for (const ms of [20, 30, 10]) sessions.push(await add({ expiresAt: later(ms) }));
        const [second, first, third] = sessions;
        await store.claim(third?.id ?? '', 'node/1');
        expect(await store.list({ now: later(0), take: 10 })).toEqual([
          { ...first, holder: null },
          { ...second, holder: null },
          { ...third, holder: 'node/1' },
        ]);
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
        const idsOf = async (principal?: string | null) => (await store.list({ now: later(10), take: 10, principal })).map(({ id }) => id);
        expect(await idsOf()).toEqual([guest.id, ada.id]);
        expect(await idsOf('ada')).toEqual([ada.id]);
        expect(await idsOf(null)).toEqual([guest.id]);
        expect(await idsOf(newId())).toEqual([]);
        expect(await store.list({ now: later(10), take: 10, principal: 'ada', after: guest })).toHaveLength(1);
        expect(await store.list({ now: later(10), take: 10, principal: 'ada', after: ada })).toEqual([]);
      });
    });
  });
}
