import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Continuation, ContinuationStore } from '../../src/session/continuations.ts';
import { Continuations } from '../../src/session/continuations.ts';
import { start } from './fixtures.ts';

export interface ContinuationsUnderTest {
  readonly store: ContinuationStore;
  /** The same store as another process sees it. */
  readonly other: ContinuationStore;
  reset(): Promise<void>;
  close(): Promise<void>;
}

const later = (ms: number) => new Date(start + ms);

export function newContinuation(overrides: Partial<Continuation> = {}): Continuation {
  return {
    id: randomBytes(32).toString('base64url'),
    principal: 'ada',
    request: 'a'.repeat(64),
    answers: {},
    expiresAt: later(1_000),
    ...overrides,
  };
}

/** What every `ContinuationStore` must do. */
export function continuationsSuite(name: string, make: () => Promise<ContinuationsUnderTest>): void {
  describe(`continuation store: ${name}`, () => {
    let made: ContinuationsUnderTest;
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
      await store.save(continuation);
      return continuation;
    };

    it('gives back what was saved, once, to whatever process asks', async () => {
      const answers = { 'a key': { action: 'accept', content: { text: 'Größe "1"\n', deep: [1, null, { a: 0.5 }] } }, __proto__x: {} };
      const saved = await save({ answers });
      expect(await made.other.take(saved.id)).toEqual(saved);
      expect([await store.take(saved.id), await made.other.take(saved.id)]).toEqual([undefined, undefined]);
    });

    it('keeps a guest apart from somebody called null', async () => {
      const [guest, named] = [await save({ principal: null }), await save({ principal: 'null' })];
      expect([(await store.take(guest.id))?.principal, (await store.take(named.id))?.principal]).toEqual([null, 'null']);
    });

    it('gives an expired one, too: whether it counts is the caller’s question', async () => {
      const saved = await save({ expiresAt: later(-1) });
      expect(await store.take(saved.id)).toEqual(saved);
    });

    it('finds nothing under an unknown id, one of other case, or a hostile one, and takes nothing', async () => {
      const { id } = await save();
      const swapped = id.replace(/[a-z]/gi, letter => (letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()));
      for (const other of [newContinuation().id, swapped, '', '__proto__', "' OR 1=1 --", '%'])
        expect(await store.take(other)).toBeUndefined();
      expect((await store.take(id))?.id).toBe(id);
    });

    it('gives one to one of twenty that ask at the same time', async () => {
      for (let round = 0; round < 5; round += 1) {
        const { id } = await save();
        const taken = await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? store : made.other).take(id)));
        expect(taken.filter(continuation => continuation !== undefined).length).toBe(1);
      }
    });

    it('sweeps what has expired, in portions, and nothing else', async () => {
      const gone = await Promise.all([-2, -1, 0].map(ms => save({ expiresAt: later(ms) })));
      const kept = await save({ expiresAt: later(1) });
      const now = later(0);
      expect(await store.sweepContinuations(now, 2)).toBe(2);
      expect(await store.sweepContinuations(now, 2)).toBe(1);
      expect(await store.sweepContinuations(now, 2)).toBe(0);
      for (const { id } of gone) expect(await store.take(id)).toBeUndefined();
      expect((await store.take(kept.id))?.id).toBe(kept.id);
    });

    it('is swept by two processes at once without a failure, each row counted once', async () => {
      await Promise.all(Array.from({ length: 20 }, () => save({ expiresAt: later(-1) })));
      const counts = await Promise.all([store, made.other, store].map(each => each.sweepContinuations(later(0), 100)));
      expect(counts.reduce((sum, count) => sum + count)).toBe(20);
    });
  });

  describe(`Continuations over ${name}`, () => {
    let made: ContinuationsUnderTest;
    let now = start;
    beforeAll(async () => {
      made = await make();
    });
    afterAll(() => made.close());
    const here = () => new Continuations({ store: made.store, continuationMs: 1_000, now: () => now });
    const there = () => new Continuations({ store: made.other, continuationMs: 1_000, now: () => now });
    const request = { principal: 'ada', method: 'tools/call', params: { name: 't', arguments: { a: 1, b: { c: [1, 2], d: null } } } };
    const answers = { q: { action: 'accept', content: { name: 'Ada' } } };

    it('brings the answers to another process, for the same request in other words', async () => {
      const state = await here().keep(request, answers);
      expect(state).toMatch(/^[\w-]{43}$/);
      const params = {
        _meta: { progressToken: 1 },
        inputResponses: {},
        requestState: state,
        arguments: { b: { d: null, c: [1, 2] }, a: 1 },
        name: 't',
      };
      expect(await there().resume(state, { ...request, params })).toEqual(answers);
      expect(await here().resume(state, { ...request, params })).toBeUndefined();
    });

    it.each<[string, Partial<typeof request> | { principal: null }]>([
      ['principal', { principal: 'eve' }],
      ['principal, a guest', { principal: null }],
      ['method', { method: 'prompts/get' }],
      ['tool', { params: { ...request.params, name: 'u' } }],
      ['value', { params: { ...request.params, arguments: { ...request.params.arguments, a: 2 } } }],
      ['type of a value', { params: { ...request.params, arguments: { ...request.params.arguments, a: '1' as never } } }],
      ['order in a list', { params: { ...request.params, arguments: { a: 1, b: { c: [2, 1], d: null } } } }],
    ])('brings nothing to another %s', async (_, change) => {
      const state = await here().keep(request, answers);
      expect(await there().resume(state, { ...request, ...change })).toBeUndefined();
    });

    it('brings nothing once the time is over, to the millisecond', async () => {
      now = start;
      const [early, late] = [await here().keep(request, answers), await here().keep(request, answers)];
      now = start + 999;
      expect(await there().resume(early, request)).toEqual(answers);
      now = start + 1_000;
      expect(await there().resume(late, request)).toBeUndefined();
    });

    it.each(['', 'x', 'a'.repeat(42), 'a'.repeat(44), `${'a'.repeat(42)}=`, `${'a'.repeat(42)}\n`, '../../etc/passwd'])(
      'does not ask the store for %j',
      async state => {
        const unasked: ContinuationStore = { ...made.store, take: () => Promise.reject(new Error('asked')) };
        expect(await new Continuations({ store: unasked, continuationMs: 1 }).resume(state, request)).toBeUndefined();
      },
    );
  });
}
