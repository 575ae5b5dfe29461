import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Task, TaskStore } from '../../src/store/store.ts';
import { later, newTask } from './fixtures.ts';
import type { StoreUnderTest } from './store-suite.ts';

/** What every `TaskStore` must do. */
export function taskSuite(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`task store: ${name}`, () => {
    let made: StoreUnderTest;
    let store: TaskStore;
    beforeAll(async () => {
      made = await make();
    });
    beforeEach(async () => {
      await made.reset();
      ({ store } = made);
    });
    afterAll(() => made.close());

    const create = async (overrides: Partial<Task> = {}) => {
      const task = newTask(overrides);
      await store.createTask(task);
      return task;
    };
    const idsOf = (tasks: readonly { id: string }[]) => tasks.map(({ id }) => id);

    it('gives what was created to whatever process asks, expired or not', async () => {
      const texts = { statusMessage: 'Größe "1"\n', questions: JSON.stringify({ a: '\u0000 \ud83d' }), result: `"${'x'.repeat(100_000)}"` };
      const created = await create({ ...texts, sessionId: 'a session', isError: true, status: 'completed', expiresAt: later(-1) });
      expect(await made.other.findTask(created.id)).toEqual(created);
    });

    it('creates one once, however often that is repeated', async () => {
      const created = await create();
      await made.other.createTask({ ...created, status: 'cancelled' });
      expect(await store.findTask(created.id)).toEqual(created);
    });

    it('finds nothing under an unknown id, one of other case, or a hostile one', async () => {
      const { id } = await create();
      const swapped = id.replace(/[a-z]/gi, letter => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()));
      for (const other of [newTask().id, swapped, '', '__proto__', "' OR 1=1 --", '%']) expect(await store.findTask(other)).toBeUndefined();
    });

    it('changes a row of the version that was read, and raises the version', async () => {
      const created = await create();
      const patch = {
        lastUpdatedAt: later(5),
        status: 'completed',
        result: '{}',
        isError: true,
        statusMessage: 'a',
        questions: '[]',
        node: '',
      } as const;
      expect(await made.other.updateTask(created.id, 0, patch)).toBe(true);
      expect(await store.findTask(created.id)).toEqual({ ...created, ...patch, version: 1 });
      expect(await store.updateTask(created.id, 0, { lastUpdatedAt: later(6), status: 'cancelled' })).toBe(false);
      expect(await store.updateTask(newTask().id, 0, { lastUpdatedAt: later(6) })).toBe(false);
      expect(await store.findTask(created.id)).toEqual({ ...created, ...patch, version: 1 });
    });

    it('lets one of twenty changes of the same version happen', async () => {
      const { id } = await create();
      const changes = Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? store : made.other).updateTask(id, 0, { lastUpdatedAt: later(1), statusMessage: `${index}` }),
      );
      expect((await Promise.all(changes)).filter(Boolean)).toHaveLength(1);
    });

    it('tells the versions of those that exist', async () => {
      const [first, second] = [await create(), await create()];
      await store.updateTask(second.id, 0, { lastUpdatedAt: later(1) });
      const versions = await made.other.taskVersions([first.id, second.id, newTask().id]);
      expect(versions).toEqual(
        new Map([
          [first.id, 0],
          [second.id, 1],
        ]),
      );
      expect(await store.taskVersions([])).toEqual(new Map());
    });

    it('lists those of a principal that have not expired, newest first, page by page, without what is long', async () => {
      const tasks = [];
      for (const ms of [10, 30, 20, 20]) tasks.push(await create({ createdAt: later(ms), result: '{}' }));
      for (const principal of [null, 'null', 'eve']) await create({ principal });
      await create({ createdAt: later(40), expiresAt: later(0) });
      const query = { principal: 'ada', now: later(0), take: 3 };
      const sorted = tasks.sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1));
      const page = await made.other.listTasks(query);
      expect(page).toEqual(sorted.slice(0, 3).map(({ questions: _, result: __, ...task }) => task));
      expect(idsOf(await store.listTasks({ ...query, after: page[0] }))).toEqual(idsOf(sorted.slice(1, 4)));
      expect(idsOf(await store.listTasks({ ...query, after: page[1] }))).toEqual(idsOf(sorted.slice(2)));
      expect(idsOf(await store.listTasks({ ...query, principal: null }))).toHaveLength(1);
    });

    it('tells which processes run tasks of a principal', async () => {
      await create({ node: 'a' });
      await create({ node: 'b', status: 'input_required' });
      await create({ node: 'c', status: 'completed' });
      await create({ node: 'd', expiresAt: later(0) });
      await create({ node: 'e', principal: null });
      expect((await made.other.runningTasks('ada', later(0), 10)).sort()).toEqual(['a', 'b']);
      expect(await store.runningTasks('ada', later(0), 1)).toHaveLength(1);
      expect(await store.runningTasks(null, later(0), 10)).toEqual(['e']);
    });

    it('fails the tasks of a process that have not ended, and no other', async () => {
      const [working, asking] = [await create(), await create({ status: 'input_required' })];
      const others = [
        await create({ status: 'completed', result: '{}' }),
        await create({ status: 'cancelled' }),
        await create({ node: 'b' }),
      ];
      const failed = { lastUpdatedAt: later(3), statusMessage: 'died', result: '{"code":1}' };
      expect(await made.other.failTasks('a', failed)).toBe(2);
      expect(await store.failTasks('a', failed)).toBe(0);
      for (const task of [working, asking])
        expect(await store.findTask(task.id)).toEqual({ ...task, ...failed, status: 'failed', version: 1 });
      for (const task of others) expect(await store.findTask(task.id)).toEqual(task);
    });

    it('evicts those of a principal that ended first, and says how many that have ended are left', async () => {
      const ada = [];
      for (const [ms, status] of [
        [40, 'completed'],
        [10, 'working'],
        [20, 'failed'],
        [30, 'cancelled'],
      ] as const)
        ada.push(await create({ lastUpdatedAt: later(ms), status }));
      const [guest, named] = [
        await create({ principal: null, status: 'completed' }),
        await create({ principal: 'null', status: 'completed' }),
      ];
      expect(await store.evictTasks('ada', 3)).toBe(3);
      expect(await made.other.evictTasks('ada', 1)).toBe(1);
      const found = await Promise.all([...ada, guest, named].map(({ id }) => store.findTask(id)));
      expect(found.map(row => row !== undefined)).toEqual([true, true, false, false, true, true]);
      expect([await store.evictTasks('ada', 0), await store.evictTasks(null, 0)]).toEqual([0, 0]);
      expect(await store.findTask(named.id)).toBeDefined();
    });

    it('sweeps what has expired, ended or not, in portions, and nothing else', async () => {
      const gone = await Promise.all([-2, -1, 0].map(ms => create({ expiresAt: later(ms) })));
      const kept = await create({ expiresAt: later(1) });
      expect(await store.sweepTasks(later(0), 2)).toBe(2);
      expect(await made.other.sweepTasks(later(0), 2)).toBe(1);
      expect(await store.sweepTasks(later(0), 2)).toBe(0);
      for (const { id } of gone) expect(await store.findTask(id)).toBeUndefined();
      expect(await store.findTask(kept.id)).toEqual(kept);
    });
  });
}
