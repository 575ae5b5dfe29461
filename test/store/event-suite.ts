import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NewEvent, Store } from '../../src/store/store.ts';
import { later, newEvent, newId, newSession } from './fixtures.ts';
import type { StoreUnderTest } from './store-suite.ts';

const texts = (events: readonly { data: string | undefined }[]) => events.map(({ data }) => data);
const idsOf = (events: readonly { id: number }[]) => events.map(({ id }) => id);
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);
const ascending = (ids: readonly number[]) => ids.every((id, index) => index === 0 || id > (ids[index - 1] as number));

/** What every `EventStore` must do. */
export function eventSuite(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`event store: ${name}`, () => {
    let made: StoreUnderTest;
    let store: Store;
    let other: Store;
    beforeAll(async () => {
      made = await make();
      ({ store, other } = made);
    });
    beforeEach(() => made.reset());
    afterAll(() => made.close());

    const append = async (stream: string, ...data: string[]): Promise<NewEvent[]> => {
      const events = data.map(text => newEvent(stream, text));
      await store.append(events);
      return events;
    };
    const readAll = (after = 0, gaps: readonly number[] = []) => other.read({ after, gaps, limit: 10_000 });
    const findAll = (...streams: string[]) => other.findEvents({ streams, after: 0, limit: 10_000 });

    describe('append', () => {
      it('puts one event or many behind one another, for every process to read', async () => {
        await append('s', 'a');
        await append('t', 'b', 'c');
        await append('s', 'Größe "1" \\u0000 😀');
        const events = await readAll();
        expect(events.map(({ stream, data }) => [stream, data])).toEqual([
          ['s', 'a'],
          ['t', 'b'],
          ['t', 'c'],
          ['s', 'Größe "1" \\u0000 😀'],
        ]);
        expect(events[0]?.id).toBeGreaterThan(0);
        expect(ascending(idsOf(events))).toBe(true);
        await store.append([]);
        expect(await readAll()).toEqual(events);
      });

      it('keeps the order of a thousand', async () => {
        const data = numbers(1_050).map(String);
        await append('s', ...data);
        expect(texts(await readAll())).toEqual(data);
      });

      it('adds an event once, however often it is repeated', async () => {
        const [one] = await append('s', 'a');
        const many = await append('s', 'b', 'c');
        for (const events of [[one as NewEvent], many, [...many, one as NewEvent]]) {
          await store.append(events);
          await other.append(events);
        }
        expect(texts(await readAll())).toEqual(['a', 'b', 'c']);
      });

      it('adds those of a repeated batch that are missing, in their order', async () => {
        const batch = numbers(250).map(index => newEvent('s', String(index)));
        await store.append(batch.filter((_, index) => index < 120 && index % 7 === 0));
        await other.append(batch);
        const events = await readAll();
        expect(texts(events).toSorted()).toEqual(batch.map(({ data }) => data).toSorted());
        const added = texts(events).slice(-232).map(Number);
        expect(added).toEqual(added.toSorted((a, b) => a - b));
      });

      it('adds one of several with the same key within a batch', async () => {
        const [a, b] = [newEvent('s', 'a'), newEvent('s', 'b')];
        await store.append([a, a, b, { ...a, data: 'again' }]);
        expect(texts(await readAll())).toEqual(['a', 'b']);
      });

      it('adds once what two processes repeat at the same time', async () => {
        for (let round = 0; round < 5; round += 1) {
          const batch = numbers(30).map(index => newEvent(`round ${round}`, String(index)));
          const halves = [batch.slice(0, 20), batch.slice(10)].flatMap(half => [half, [...half].reverse()]);
          await Promise.all(halves.map((half, index) => (index % 2 ? store : other).append(half)));
          expect(texts(await findAll(`round ${round}`)).toSorted()).toEqual(batch.map(({ data }) => data).toSorted());
        }
      });

      it('is open to many writers at once: none is lost, and each keeps its order', async () => {
        const writers = numbers(6);
        const write = async (writer: number) => {
          for (const index of numbers(20)) {
            const events = numbers(1 + (index % 3)).map(part => newEvent(`of ${writer}`, `${index}.${part}`));
            await (writer % 2 ? store : other).append(events);
          }
        };
        await Promise.all(writers.map(write));
        const expected = numbers(20).flatMap(index => numbers(1 + (index % 3)).map(part => `${index}.${part}`));
        for (const writer of writers) expect(texts(await findAll(`of ${writer}`))).toEqual(expected);
        expect(ascending(idsOf(await readAll()))).toBe(true);
      });

      it('takes events of a session that has ended, or never was, and keeps those of one that ends', async () => {
        const session = newSession();
        await store.create(session);
        await store.append([newEvent('s', 'a', { sessionId: session.id })]);
        await store.end(session.id);
        await store.append([newEvent('s', 'b', { sessionId: session.id }), newEvent('s', 'c', { sessionId: newId() })]);
        expect(texts(await readAll())).toEqual(['a', 'b', 'c']);
      });

      it('takes many megabytes', async () => {
        const large = numbers(6).map(index => String(index).repeat(2_000_000));
        await append('s', ...large, 'small');
        expect(texts(await findAll('s'))).toEqual([...large, 'small']);
      });
    });

    describe('read', () => {
      it('gives what is behind a position, so many at a time, of all streams', async () => {
        await append('s', 'a', 'b', 'c');
        await append('t', 'd');
        const all = await readAll();
        const [first, second, third] = idsOf(all);
        expect(await store.read({ after: first ?? 0, gaps: [], limit: 2 })).toEqual(all.slice(1, 3));
        expect(await store.read({ after: second ?? 0, gaps: [], limit: 2 })).toEqual(all.slice(2, 4));
        expect(texts(await store.read({ after: third ?? 0, gaps: [], limit: 10 }))).toEqual(['d']);
        expect(await store.read({ after: all.at(-1)?.id ?? 0, gaps: [], limit: 10 })).toEqual([]);
      });

      it('gives missing ids that have come, before the others, each once, and counts them within the limit', async () => {
        await append('s', ...numbers(10).map(String));
        const all = await readAll();
        const ids = idsOf(all);
        const [id2 = 0, id4 = 0, id6 = 0, id8 = 0] = [2, 4, 6, 8].map(index => ids[index]);
        const gaps = [id4, id2, id4, id8, 900_000_000];
        expect(texts(await store.read({ after: id6, gaps, limit: 10 }))).toEqual(['2', '4', '7', '8', '9']);
        expect(texts(await store.read({ after: id6, gaps, limit: 3 }))).toEqual(['2', '4', '7']);
        expect(texts(await store.read({ after: id6, gaps, limit: 1 }))).toEqual(['2']);
        expect(await store.read({ after: ids.at(-1) ?? 0, gaps: [900_000_000], limit: 10 })).toEqual([]);
      });

      it('takes a thousand gaps', async () => {
        await append('s', ...numbers(1_100).map(String));
        const ids = idsOf(await readAll());
        const gaps = ids.slice(10, 1_010);
        expect(texts(await store.read({ after: ids[1_049] ?? 0, gaps, limit: 10_000 }))).toEqual([
          ...numbers(1_000).map(index => String(index + 10)),
          ...numbers(50).map(index => String(index + 1_050)),
        ]);
        expect(texts(await store.read({ after: ids[1_049] ?? 0, gaps, limit: 700 }))).toEqual(
          numbers(700).map(index => String(index + 10)),
        );
        const query = { streams: ['s', 't'], after: ids[1_049] ?? 0, gaps, upTo: ids[1_050] ?? 0, limit: 10_000 };
        expect(texts(await store.findEvents(query))).toEqual([...numbers(1_000).map(index => String(index + 10)), '1050']);
      });

      it('may leave out what is large, and gives what has up to 4,096 characters', async () => {
        await append('s', 'x'.repeat(4_096), 'y'.repeat(4_097), '');
        const [small, large, empty] = texts(await readAll());
        expect(small).toBe('x'.repeat(4_096));
        expect([undefined, 'y'.repeat(4_097)]).toContain(large);
        expect(empty).toBe('');
        expect(texts(await findAll('s'))).toEqual(['x'.repeat(4_096), 'y'.repeat(4_097), '']);
      });
    });

    describe('findEvents', () => {
      it('gives events of the streams asked for, in the order of their ids, behind a position and up to another', async () => {
        await append('s', 'a');
        await append('*', 'b');
        await append('t', 'c');
        await append('s', 'd', 'e');
        await append('*', 'f');
        const ids = idsOf(await readAll());
        const find = async (query: object) =>
          texts(await store.findEvents({ streams: ['*', 's', 'unknown', 'S'], after: 0, limit: 10, ...query }));
        expect(await find({})).toEqual(['a', 'b', 'd', 'e', 'f']);
        expect(await find({ limit: 2 })).toEqual(['a', 'b']);
        expect(await find({ after: ids[1] })).toEqual(['d', 'e', 'f']);
        expect(await find({ after: ids[1], upTo: ids[4] })).toEqual(['d', 'e']);
        expect(await find({ after: ids[4], gaps: [ids[1], ids[2], ids[3]] })).toEqual(['b', 'd', 'f']);
        expect(await find({ after: ids[4], gaps: [ids[3], ids[0]], limit: 2 })).toEqual(['a', 'd']);
        expect(await find({ after: ids[4], gaps: [ids[1]], upTo: ids[4] })).toEqual(['b']);
        expect(await find({ after: ids[0], gaps: [ids[5]], upTo: ids[1] })).toEqual(['b']);
        expect(await find({ streams: [] })).toEqual([]);
        expect(await find({ streams: ['t', 't'] })).toEqual(['c']);
        expect((await store.findEvents({ streams: ['t'], after: 0, limit: 10 }))[0]).toEqual({ id: ids[2], stream: 't', data: 'c' });
      });

      it('finds among more than a thousand streams', async () => {
        const streams = numbers(1_100).map(index => `stream ${index}`);
        await store.append(streams.map((stream, index) => newEvent(stream, String(index))));
        expect(texts(await store.findEvents({ streams: [...streams].reverse(), after: 0, limit: 10_000 }))).toEqual(
          numbers(1_100).map(String),
        );
        expect(texts(await store.findEvents({ streams: [...streams].reverse(), after: 0, limit: 5 }))).toEqual(numbers(5).map(String));
      });
    });

    describe('latest', () => {
      it('gives the greatest ids, greatest first', async () => {
        expect(await store.latest(5)).toEqual([]);
        await append('s', 'a', 'b', 'c');
        const ids = idsOf(await readAll());
        expect(await other.latest(2)).toEqual([ids[2], ids[1]]);
        expect(await other.latest(10)).toEqual([...ids].reverse());
      });
    });

    describe('sweepEvents', () => {
      it('removes what has expired, to the millisecond, and lets its keys be used again', async () => {
        const events = [9, 10, 11].map(ms => newEvent('s', String(ms), { expiresAt: later(ms) }));
        await store.append(events);
        expect(await store.sweepEvents(later(8), 10)).toBe(0);
        expect(await store.sweepEvents(later(10), 10)).toBe(2);
        expect(await other.sweepEvents(later(10), 10)).toBe(0);
        expect(texts(await readAll())).toEqual(['11']);
        const [kept = 0] = idsOf(await readAll());
        await store.append(events);
        expect(texts(await readAll(kept))).toEqual(['9', '10']);
      });

      it('goes in portions', async () => {
        await append('s', ...numbers(5).map(String));
        const portions = [];
        for (let i = 0; i < 4; i += 1) portions.push(await store.sweepEvents(later(1_000), 2));
        expect(portions).toEqual([2, 2, 1, 0]);
      });

      it('keeps the newest of the stream `*` alone, so that the log is never without a greatest id', async () => {
        await append('*', 'a', 'b', 'c');
        await append('s', 'd');
        expect(await store.sweepEvents(later(1_000), 10)).toBe(3);
        expect(texts(await readAll())).toEqual(['c']);
        expect(await store.sweepEvents(later(1_000), 10)).toBe(0);
        const [kept = 0] = await store.latest(1);
        await append('*', 'e');
        expect((await store.latest(1))[0]).toBeGreaterThan(kept);
        expect(await other.sweepEvents(later(1_000), 10)).toBe(1);
        expect(texts(await readAll())).toEqual(['e']);
      });

      it('gives no id twice after all is gone', async () => {
        await append('s', 'a', 'b');
        const [, last = 0] = idsOf(await readAll());
        await store.sweepEvents(later(1_000), 10);
        await append('s', 'c');
        expect((await store.latest(1))[0]).toBeGreaterThan(last);
      });

      it('runs in two processes at once without a failure, each row counted once', async () => {
        await append('s', ...numbers(300).map(String));
        const counts = await Promise.all([store, other, store].map(each => each.sweepEvents(later(1_000), 1_000)));
        expect(counts.reduce((sum, count) => sum + count)).toBe(300);
      });
    });
  });
}
