import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NodeStore } from '../../src/store/store.ts';
import { later } from './fixtures.ts';
import type { StoreUnderTest } from './store-suite.ts';

/** What every `NodeStore` must do. */
export function nodeSuite(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`node store: ${name}`, () => {
    let made: StoreUnderTest;
    let store: NodeStore;
    let other: NodeStore;
    beforeAll(async () => {
      made = await make();
      ({ store, other } = made);
    });
    beforeEach(() => made.reset());
    afterAll(() => made.close());

    it('counts the beats of each process, for every other to see', async () => {
      await store.beat('a', later(1));
      await store.beat('b', later(1));
      await store.beat('a', later(2));
      expect(await other.beats(['a', 'b', 'nobody', 'A'])).toEqual(
        new Map([
          ['a', 2],
          ['b', 1],
        ]),
      );
      expect(await other.beats([])).toEqual(new Map());
    });

    it('loses no beat of twenty at once, the first among them', async () => {
      await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 ? store : other).beat('a', later(1))));
      expect(await store.beats(['a'])).toEqual(new Map([['a', 20]]));
    });

    it('takes more ids than a database takes variables', async () => {
      await store.beat('a', later(1));
      const unknown = Array.from({ length: 2_500 }, (_, index) => `unknown ${index}`);
      expect(await store.beats([...unknown, 'a'])).toEqual(new Map([['a', 1]]));
    });

    it('forgets a process that is removed, and begins anew with its next beat', async () => {
      for (const id of ['a', 'a', 'b']) await store.beat(id, later(1));
      await other.removeNode('a');
      await other.removeNode('a');
      expect(await store.beats(['a', 'b'])).toEqual(new Map([['b', 1]]));
      await store.beat('a', later(1));
      expect(await store.beats(['a'])).toEqual(new Map([['a', 1]]));
    });

    it('sweeps what has expired since its last beat, in portions, to the millisecond', async () => {
      for (const id of ['a', 'b', 'c', 'd', 'e']) await store.beat(id, later(10));
      await store.beat('d', later(11));
      await store.beat('e', later(9));
      expect(await store.sweepNodes(later(8), 10)).toBe(0);
      expect([await store.sweepNodes(later(10), 3), await other.sweepNodes(later(10), 3), await store.sweepNodes(later(10), 3)]).toEqual([
        3, 1, 0,
      ]);
      expect([...(await store.beats(['a', 'b', 'c', 'd', 'e'])).keys()]).toEqual(['d']);
    });
  });
}
