import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EventPush, StoredEvent } from '../../src/session/events.ts';
import { LOG } from '../../src/session/events.ts';
import type { Store } from '../../src/session/store.ts';
import { newId, newSession } from './fixtures.ts';

export interface EventsUnderTest {
  readonly store: Store;
  /** The same store as another process sees it. */
  readonly other: Store;
  /** Removes all sessions and events. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

const minutes = (count: number) => new Date(Math.floor(Date.now() / 1_000) * 1_000 + count * 60_000);
const seqs = (events: readonly StoredEvent[]) => events.map(({ seq }) => seq);
const texts = (events: readonly StoredEvent[]) => events.map(({ data }) => data);

/** What every `EventStore` must do. */
export function eventsSuite(name: string, make: () => Promise<EventsUnderTest>): void {
  describe(`event store: ${name}`, () => {
    let made: EventsUnderTest;
    let store: Store;
    let other: Store;
    beforeAll(async () => {
      made = await make();
      ({ store, other } = made);
    });
    beforeEach(() => made.reset());
    afterAll(() => made.close());

    const open = async () => {
      const session = newSession();
      await store.create(session);
      return session.id;
    };
    const toPush = (sessionId: string | null, stream: string, data: string[], expiresAt = minutes(5)): EventPush => {
      return { sessionId, stream, data, expiresAt };
    };
    const push = async (sessionId: string | null, stream: string, ...data: string[]) => {
      return (await store.push([toPush(sessionId, stream, data)]))[0];
    };
    const toEvent = (sessionId: string | null, stream: string, seq: number, overrides: Partial<StoredEvent> = {}): StoredEvent => {
      return { sessionId, stream, seq, data: `event ${seq}`, bytes: 7, final: false, expiresAt: minutes(5), ...overrides };
    };

    describe('append', () => {
      it('keeps every column as it was put in', async () => {
        const id = await open();
        const event = toEvent(id, 's', 1, { data: '{"a":"Größe \\u0000"}', bytes: 21, final: true });
        await store.append([event]);
        expect(await other.read('s', 0, 10)).toEqual([event]);
      });

      it('leaves out what is there already and what belongs to a session that is gone', async () => {
        const id = await open();
        await store.append([toEvent(id, 's', 1), toEvent(id, 's', 2)]);
        await other.append([toEvent(id, 's', 2, { data: 'again' }), toEvent(newId(), 't', 1), toEvent(id, 's', 3)]);
        expect(texts(await store.read('s', 0, 10))).toEqual(['event 1', 'event 2', 'event 3']);
        expect(await store.read('t', 0, 10)).toEqual([]);
      });
    });

    describe('push', () => {
      it('puts messages behind one another, from 1', async () => {
        const id = await open();
        const expiresAt = minutes(5);
        expect(await store.push([toPush(id, 's', ['ä', 'b'], expiresAt)])).toEqual([2]);
        expect(await other.push([toPush(id, 's', ['c'], expiresAt)])).toEqual([3]);
        expect(await store.push([toPush(id, 's', ['d'], expiresAt)])).toEqual([4]);
        const expected = { sessionId: id, stream: 's', final: false, expiresAt };
        expect(await store.read('s', 0, 10)).toEqual([
          { ...expected, seq: 1, data: 'ä', bytes: 2 },
          { ...expected, seq: 2, data: 'b', bytes: 1 },
          { ...expected, seq: 3, data: 'c', bytes: 1 },
          { ...expected, seq: 4, data: 'd', bytes: 1 },
        ]);
      });

      it('keeps the order of several pushes to one stream within a call, among those to others', async () => {
        const [a, b] = [await open(), await open()];
        const pushes = [toPush(b, 'z', ['1']), toPush(a, 'y', ['2', '3']), toPush(b, 'z', ['4', '5']), toPush(null, LOG, ['6'])];
        expect(await store.push(pushes)).toEqual([1, 2, 3, 1]);
        expect(texts(await store.read('z', 0, 10))).toEqual(['1', '4', '5']);
        expect(texts(await store.read('y', 0, 10))).toEqual(['2', '3']);
        expect(await other.push(pushes)).toEqual([4, 4, 6, 2]);
      });

      it('serves the sessions that live, and says which are gone', async () => {
        const [kept, ended] = [await open(), await open()];
        // Both are known to have got something.
        await store.push([toPush(kept, 's', ['0']), toPush(ended, 't', ['0'])]);
        await other.end(ended);
        const pushes = [toPush(ended, 't', ['1']), toPush(kept, 's', ['1']), toPush(newId(), 'u', ['1']), toPush(null, LOG, ['1'])];
        expect(await store.push(pushes)).toEqual([undefined, 2, undefined, 1]);
        expect(texts(await store.read('s', 0, 10))).toEqual(['0', '1']);
        for (const stream of ['t', 'u']) expect(await store.read(stream, 0, 10)).toEqual([]);
      });

      it('takes no message, and a thousand to a thousand streams and to one', async () => {
        const id = await open();
        expect(await store.push([])).toEqual([]);
        expect(await store.push([toPush(id, 's', [])])).toEqual([undefined]);
        const thousand = Array.from({ length: 1_000 }, (_, index) => String(index));
        expect(await store.push(thousand.map(each => toPush(id, `s${each}`, [each])))).toEqual(thousand.map(() => 1));
        expect(await push(id, 's', ...thousand)).toBe(1_000);
        expect(texts(await store.read('s', 0, 2_000))).toEqual(thousand);
      });

      it('goes on behind what was delivered when all of it has expired', async () => {
        const id = await open();
        await store.push([toPush(id, 's', ['a'], minutes(-1))]);
        expect(await other.claim(id, 'me', { from: 57 })).toBe(57);
        expect(await store.sweepEvents(minutes(0), 10)).toBe(1);
        expect(await store.read('s', 0, 10)).toEqual([]);
        expect(await store.push([toPush(id, 's', ['b', 'c'], minutes(-1))])).toEqual([59]);
        expect(seqs(await other.read('s', 57, 10))).toEqual([58, 59]);
        expect(await other.push([toPush(id, 's', ['d'])])).toEqual([60]);
      });

      it('gives no position twice after another process pushed more and that was used', async () => {
        const id = await open();
        await push(id, 's', '1');
        expect(await other.push([toPush(id, 's', ['2', '3'])])).toEqual([3]);
        await other.remove('s', [1, 2, 3]);
        expect(await other.sweepEvents(minutes(0), 10)).toBe(0);
        expect(await push(id, 's', '4')).toBe(4);
        await other.push([toPush(id, 's', ['5', '6'])]);
        await other.prune(id, { maxEvents: 0, maxBytes: 0 });
        expect(await push(id, 's', '7')).toBe(7);
        expect(texts(await other.read('s', 0, 10))).toEqual(['7']);
      });
    });

    describe('read and last', () => {
      it('give what is behind a position, so many at a time', async () => {
        const id = await open();
        await push(id, 's', 'a', 'b', 'c', 'd');
        expect(seqs(await store.read('s', 1, 2))).toEqual([2, 3]);
        expect(seqs(await store.read('s', 4, 2))).toEqual([]);
        expect(seqs(await store.read('unknown', 0, 2))).toEqual([]);
      });

      it('tell the last position of many streams, of those that have events', async () => {
        const id = await open();
        await store.push([toPush(id, 's', ['a', 'b']), toPush(null, LOG, ['c']), toPush(id, 't', ['d'])]);
        await store.remove('t', [1]);
        const unknown = Array.from({ length: 1_100 }, newId);
        expect(await other.last(['t', 's', ...unknown, LOG])).toEqual(
          new Map([
            ['s', 2],
            [LOG, 1],
          ]),
        );
        expect(await store.last([])).toEqual(new Map());
      });
    });

    describe('remove', () => {
      it('takes single events of that stream away, as often as it is asked', async () => {
        const id = await open();
        await store.push([toPush(id, 's', ['a', 'b', 'c']), toPush(id, 't', ['d'])]);
        await Promise.all([store.remove('s', [2]), other.remove('s', [2, 99]), store.remove('s', []), store.remove('none', [1])]);
        expect(texts(await store.read('s', 0, 10))).toEqual(['a', 'c']);
        expect(texts(await store.read('t', 0, 10))).toEqual(['d']);
      });
    });

    describe('prune', () => {
      it('takes the oldest beyond the number, of all streams of the session together', async () => {
        const [id, another] = [await open(), await open()];
        await store.push([toPush(id, 't', ['3', '4', '5'], minutes(4))]);
        await store.push([toPush(id, 's', ['1', '2'], minutes(3)), toPush(another, 'u', ['x', 'y', 'z'], minutes(1))]);
        expect(await store.prune(id, { maxEvents: 5, maxBytes: 5 })).toBe(0);
        expect(await store.prune(id, { maxEvents: 2, maxBytes: 5 })).toBe(3);
        expect(texts(await other.read('s', 0, 10))).toEqual([]);
        expect(texts(await other.read('t', 0, 10))).toEqual(['4', '5']);
        expect(texts(await other.read('u', 0, 10))).toEqual(['x', 'y', 'z']);
      });

      it('takes the oldest beyond the sum of bytes', async () => {
        const id = await open();
        await push(id, 's', 'x'.repeat(60), 'ä'.repeat(30), 'y'.repeat(40));
        expect(await store.prune(id, { maxEvents: 10, maxBytes: 160 })).toBe(0);
        expect(await store.prune(id, { maxEvents: 10, maxBytes: 159 })).toBe(1);
        expect(await store.prune(id, { maxEvents: 10, maxBytes: 39 })).toBe(2);
        expect(await store.read('s', 0, 10)).toEqual([]);
        expect(await push(id, 's', 'z')).toBe(4);
      });

      it('takes more than a thousand at once, and counts no event that was used', async () => {
        const id = await open();
        await push(id, 's', ...Array.from({ length: 1_300 }, String));
        await store.remove('s', [1, 2, 3]);
        expect(await store.prune(id, { maxEvents: 100, maxBytes: 1_000_000 })).toBe(1_197);
        expect(seqs(await store.read('s', 0, 1_000))[0]).toBe(1_201);
        expect(await store.prune(newId(), { maxEvents: 0, maxBytes: 0 })).toBe(0);
      });
    });

    describe('sweepEvents', () => {
      it('takes what has expired, used or not, to the millisecond', async () => {
        const id = await open();
        const now = minutes(0);
        const inMs = (ms: number) => new Date(now.getTime() + ms);
        await store.append([-1, 0, 1].map((ms, index) => toEvent(id, 's', index + 1, { expiresAt: inMs(ms) })));
        await store.remove('s', [1]);
        expect(await store.sweepEvents(inMs(-2), 10)).toBe(0);
        await store.sweepEvents(now, 10);
        expect(seqs(await store.read('s', 0, 10))).toEqual([3]);
        expect(await store.sweepEvents(now, 10)).toBe(0);
      });

      it('leaves the last event of the endpoint’s log, which numbers the next', async () => {
        await store.push([toPush(null, LOG, ['a', 'b', 'c'], minutes(-1))]);
        expect(await store.sweepEvents(minutes(0), 10)).toBe(2);
        expect(await other.sweepEvents(minutes(0), 1)).toBe(0);
        expect(texts(await store.read(LOG, 0, 10))).toEqual(['c']);
        expect(await other.push([toPush(null, LOG, ['d'])])).toEqual([4]);
        await store.sweepEvents(minutes(0), 10);
        expect(texts(await store.read(LOG, 0, 10))).toEqual(['d']);
      });

      it('reaches all there is in portions, past the log', async () => {
        const id = await open();
        const streams = Array.from({ length: 600 }, (_, index) => `s${index}`);
        await store.push([toPush(null, LOG, ['a'], minutes(-2)), ...streams.map(stream => toPush(id, stream, ['b'], minutes(-1)))]);
        while ((await store.sweepEvents(minutes(0), 550)) === 550);
        expect(await store.last([...streams, LOG])).toEqual(new Map([[LOG, 1]]));
      });
    });

    it('ends the events with their session, and leaves those of no session', async () => {
      const [id, another] = [await open(), await open()];
      await store.push([toPush(id, 's', ['a']), toPush(another, 't', ['b']), toPush(null, LOG, ['c'])]);
      await store.end(id);
      expect(await other.last(['s', 't', LOG])).toEqual(
        new Map([
          ['t', 1],
          [LOG, 1],
        ]),
      );
    });
  });
}
