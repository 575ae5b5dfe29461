import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Continuations } from '../../src/session/continuations.ts';
import type { Continuation, ContinuationStore } from '../../src/store/store.ts';
import { later, newContinuation, start } from './fixtures.ts';
import type { StoreUnderTest } from './store-suite.ts';

/** What every `ContinuationStore` must do. */
export function continuationSuite(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`continuation store: ${name}`, () => {
    let made: StoreUnderTest;
    let store: ContinuationStore;
    beforeAll(async () => {
      made = await make();
    });
    beforeEach(async () => {
      await made.reset();
      ({ store } = made);
    });
    afterAll(() => made.close());

    const save = async (overrides: Partial<Continuation> = {}) => {
      const continuation = newContinuation(overrides);
      await store.saveContinuation(continuation);
      return continuation;
    };

    it('gives what was saved to whatever process asks, taken or not', async () => {
      const answers = { 'a key': { action: 'accept', content: { text: 'Größe "1"\n', deep: [1, null, { a: 0.5 }] } }, __proto__x: {} };
      const saved = await save({ answers });
      expect(await made.other.findContinuation(saved.id)).toEqual(saved);
      await store.takeContinuation(saved.id, 'a');
      expect(await made.other.findContinuation(saved.id)).toEqual(saved);
    });

    it('saves one once, however often it is repeated, and leaves it to who has taken it', async () => {
      const saved = await save();
      await store.takeContinuation(saved.id, 'a');
      await store.saveContinuation(saved);
      await made.other.saveContinuation({ ...saved, answers: { other: {} } });
      expect(await store.findContinuation(saved.id)).toEqual(saved);
      expect(await store.takeContinuation(saved.id, 'b')).toBe(false);
    });

    it('keeps a guest apart from somebody called null', async () => {
      const [guest, named] = [await save({ principal: null }), await save({ principal: 'null' })];
      const principals = [guest, named].map(async ({ id }) => (await store.findContinuation(id))?.principal);
      expect(await Promise.all(principals)).toEqual([null, 'null']);
    });

    it('gives an expired one, too: whether it counts is the caller’s question', async () => {
      const saved = await save({ expiresAt: later(-1) });
      expect(await store.findContinuation(saved.id)).toEqual(saved);
    });

    it('finds nothing under an unknown id, one of other case, or a hostile one', async () => {
      const { id } = await save();
      const swapped = id.replace(/[a-z]/gi, letter => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()));
      for (const other of [newContinuation().id, swapped, '', '__proto__', "' OR 1=1 --", '%'])
        expect(await store.findContinuation(other)).toBeUndefined();
      expect((await store.findContinuation(id))?.id).toBe(id);
    });

    it('lets one have it, however often that one asks, and nobody else', async () => {
      const [{ id }, another] = [await save(), await save()];
      expect([await store.takeContinuation(id, 'a'), await made.other.takeContinuation(id, 'a')]).toEqual([true, true]);
      expect([await store.takeContinuation(id, 'b'), await made.other.takeContinuation(id, 'a')]).toEqual([false, true]);
      expect([await store.takeContinuation(another.id, 'b'), await store.takeContinuation(newContinuation().id, 'a')]).toEqual([
        true,
        false,
      ]);
    });

    it('takes one back from who has it, and from nobody else', async () => {
      const { id } = await save();
      expect(await store.returnContinuation(id, 'a')).toBe(false);
      await store.takeContinuation(id, 'a');
      expect(await made.other.returnContinuation(id, 'b')).toBe(false);
      expect(await store.takeContinuation(id, 'b')).toBe(false);
      expect([await made.other.returnContinuation(id, 'a'), await store.returnContinuation(id, 'a')]).toEqual([true, false]);
      expect([await store.takeContinuation(id, 'b'), await store.takeContinuation(id, 'a')]).toEqual([true, false]);
      expect(await store.returnContinuation(newContinuation().id, 'a')).toBe(false);
    });

    it('removes one, taken or not, and no other, and may be asked again', async () => {
      const [free, taken, kept] = [await save(), await save(), await save()];
      await store.takeContinuation(taken.id, 'a');
      for (const { id } of [free, taken, taken]) await made.other.removeContinuation(id);
      const found = await Promise.all([free, taken, kept].map(({ id }) => store.findContinuation(id)));
      expect(found).toEqual([undefined, undefined, kept]);
      expect([await store.takeContinuation(taken.id, 'a'), await store.returnContinuation(taken.id, 'a')]).toEqual([false, false]);
    });

    it('gives one to one of twenty that take it at the same time', async () => {
      for (let round = 0; round < 5; round += 1) {
        const { id } = await save();
        const takers = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? store : made.other).takeContinuation(id, `${index}`));
        expect((await Promise.all(takers)).filter(Boolean).length).toBe(1);
      }
    });

    it('evicts the oldest of a principal, taken or not, and says how many are left', async () => {
      const ada = [];
      for (const ms of [30, 10, 40, 20]) ada.push(await save({ expiresAt: later(ms) }));
      const [guest, named] = [await save({ principal: null }), await save({ principal: 'null' })];
      await store.takeContinuation(ada[1]?.id ?? '', 'a');
      expect(await store.evictContinuations('ada', 4)).toBe(4);
      expect(await made.other.evictContinuations('ada', 2)).toBe(2);
      expect(await store.evictContinuations('grace', 0)).toBe(0);
      const found = await Promise.all([...ada, guest, named].map(({ id }) => store.findContinuation(id)));
      expect(found.map(row => row !== undefined)).toEqual([true, false, true, false, true, true]);
      expect(await store.evictContinuations(null, 0)).toBe(0);
      expect(await store.findContinuation(named.id)).toBeDefined();
    });

    it('sweeps what has expired, taken or not, in portions, and nothing else', async () => {
      const gone = await Promise.all([-2, -1, 0].map(ms => save({ expiresAt: later(ms) })));
      const kept = await save({ expiresAt: later(1) });
      for (const { id } of [gone[0] as Continuation, kept]) await store.takeContinuation(id, 'a');
      const now = later(0);
      expect(await store.sweepContinuations(now, 2)).toBe(2);
      expect(await store.sweepContinuations(now, 2)).toBe(1);
      expect(await store.sweepContinuations(now, 2)).toBe(0);
      for (const { id } of gone) expect(await store.findContinuation(id)).toBeUndefined();
      expect((await store.findContinuation(kept.id))?.id).toBe(kept.id);
    });

    it('is swept by two processes at once without a failure, each row counted once', async () => {
      await Promise.all(Array.from({ length: 20 }, () => save({ expiresAt: later(-1) })));
      const counts = await Promise.all([store, made.other, store].map(each => each.sweepContinuations(later(0), 100)));
      expect(counts.reduce((sum, count) => sum + count)).toBe(20);
    });
  });

  describe(`Continuations over ${name}`, () => {
    let made: StoreUnderTest;
    let now = start;
    beforeAll(async () => {
      made = await make();
    });
    afterAll(() => made.close());
    const over = (store: ContinuationStore) =>
      new Continuations({ ...bounds, store, continuationMs: 1_000, onError: failOn, now: () => now });
    const bounds = { maxContinuations: 100, maxContinuationBytes: 1_000 };
    const [here, there] = [() => over(made.store), () => over(made.other)];
    const request = { principal: 'ada', method: 'tools/call', params: { name: 't', arguments: { a: 1, b: { c: [1, 2], d: null } } } };
    const answers = { q: { action: 'accept', content: { name: 'Ada' } } };

    it('brings the answers to another process, for the same request in other words, once', async () => {
      const state = await here().keep(request, answers);
      expect(state).toMatch(/^[\w-]{43}$/);
      const params = {
        _meta: { progressToken: 1 },
        inputResponses: {},
        requestState: state,
        arguments: { b: { d: null, c: [1, 2] }, a: 1 },
        name: 't',
      };
      const taken = await there().resume(state, { ...request, params });
      expect(taken?.answers).toEqual(answers);
      taken?.remove();
      expect(await here().resume(state, { ...request, params })).toBeUndefined();
    });

    it('brings them to one of twenty retries at the same time', async () => {
      const state = await here().keep(request, answers);
      const retries = Array.from({ length: 20 }, async (_, index) => {
        const taken = await (index % 2 === 0 ? here : there)().resume(state, request);
        taken?.remove();
        return taken?.answers;
      });
      expect((await Promise.all(retries)).filter(each => each !== undefined)).toEqual([answers]);
    });

    it('brings them to a retry that waits while another one has them and gives them back', async () => {
      const state = await here().keep(request, answers);
      const first = await here().resume(state, request);
      const second = there().resume(state, request);
      first?.giveBack();
      expect((await second)?.answers).toEqual(answers);
    });

    it.each<[string, Partial<typeof request> | { principal: null }]>([
      ['principal', { principal: 'eve' }],
      ['principal, a guest', { principal: null }],
      ['method', { method: 'prompts/get' }],
      ['tool', { params: { ...request.params, name: 'u' } }],
      ['value', { params: { ...request.params, arguments: { ...request.params.arguments, a: 2 } } }],
      ['type of a value', { params: { ...request.params, arguments: { ...request.params.arguments, a: '1' as never } } }],
      ['order in a list', { params: { ...request.params, arguments: { a: 1, b: { c: [2, 1], d: null } } } }],
    ])('brings nothing to another %s, and is not used up by it', async (_, change) => {
      const state = await here().keep(request, answers);
      expect(await there().resume(state, { ...request, ...change })).toBeUndefined();
      expect((await here().resume(state, request))?.answers).toEqual(answers);
    });

    it('brings nothing once the time is over, to the millisecond', async () => {
      now = start;
      const [early, late] = [await here().keep(request, answers), await here().keep(request, answers)];
      now = start + 999;
      expect((await there().resume(early, request))?.answers).toEqual(answers);
      now = start + 1_000;
      expect(await there().resume(late, request)).toBeUndefined();
    });

    it.each(['', 'x', 'a'.repeat(42), 'a'.repeat(44), `${'a'.repeat(42)}=`, `${'a'.repeat(42)}\n`, '../../etc/passwd'])(
      'does not ask the store for %j',
      async state => {
        const unasked = { ...made.store, findContinuation: () => Promise.reject(new Error('asked')) };
        expect(await over(unasked).resume(state, request)).toBeUndefined();
      },
    );
  });
}

function failOn(error: unknown): never {
  throw error;
}
