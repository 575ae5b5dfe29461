import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../src/errors.ts';
import { ContinuationReturns } from '../../src/session/continuations.ts';
import { answerLost, away, disturbed, first } from '../delivery/fixtures.ts';
import { newContinuation, start } from '../store/fixtures.ts';
import { Clock } from './fixtures.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Two continuations that `a` and `b` have taken, and what gives them back. */
async function setUp() {
  const { store, disturb, count } = disturbed();
  const clock = new Clock();
  const errors: unknown[] = [];
  const returns = new ContinuationReturns({ store, onError: error => errors.push(error), now: () => clock.now });
  const [one, two] = [newContinuation({ expiresAt: new Date(start + 60_000) }), newContinuation({ expiresAt: new Date(start + 60_000) })];
  for (const [continuation, by] of [
    [one, 'a'],
    [two, 'b'],
  ] as const) {
    await store.saveContinuation(continuation);
    await store.takeContinuation(continuation.id, by);
  }
  /** Whether they can be taken. */
  const free = () => Promise.all([one, two].map(({ id }) => store.takeContinuation(id, 'c')));
  return { store, disturb, count, clock, errors, returns, one, two, free };
}

const seconds = (passed: number) => vi.advanceTimersByTimeAsync(passed * 1000);

it('gives back at once what the database takes, whatever else waits', async () => {
  const { disturb, returns, one, two, free } = await setUp();
  const heal = disturb('returnContinuation', (run, [id]) => (id === one.id ? away(run, [id]) : run()));
  returns.add(one, 'a');
  returns.add(two, 'b');
  await seconds(0);
  expect(await free()).toEqual([false, true]);
  heal();
  await seconds(0.5);
  expect(await free()).toEqual([true, true]);
});

it('tries again until the database is back, one after the other, and tells of the outage once', async () => {
  const { disturb, returns, one, two, free, count, errors } = await setUp();
  const heal = disturb('returnContinuation', away);
  returns.add(one, 'a');
  returns.add(two, 'b');
  await seconds(10);
  expect([count('returnContinuation'), errors.length]).toEqual([22, 1]);
  expect(StoreUnavailable.isError(errors[0])).toBe(true);
  heal();
  await seconds(0.5);
  expect([await free(), count('returnContinuation'), errors.length]).toEqual([[true, true], 24, 1]);
});

it('leaves it to who took it after an answer was lost', async () => {
  const { store, disturb, returns, one, errors } = await setUp();
  disturb('returnContinuation', first(1, answerLost));
  returns.add(one, 'a');
  await seconds(0);
  expect(await store.takeContinuation(one.id, 'c')).toBe(true);
  await seconds(1);
  expect([await store.takeContinuation(one.id, 'c'), errors.length]).toEqual([true, 1]);
});

it('ends with their time', async () => {
  const { disturb, returns, one, clock, count } = await setUp();
  disturb('returnContinuation', away);
  returns.add(one, 'a');
  await seconds(1);
  clock.advance(60_000);
  await seconds(10);
  expect(count('returnContinuation')).toBe(3);
});

it('tells what the database refuses, and goes on with the others', async () => {
  const { disturb, returns, one, two, free, errors } = await setUp();
  const refused = new Error('no such table');
  disturb(
    'returnContinuation',
    first(1, () => Promise.reject(refused)),
  );
  returns.add(one, 'a');
  returns.add(two, 'b');
  await seconds(10);
  expect([await free(), errors]).toEqual([[false, true], [refused]]);
});

it('tries once more when it is closed, and takes what comes after that', async () => {
  const { disturb, returns, one, two, free, count } = await setUp();
  const heal = disturb('returnContinuation', away);
  returns.add(one, 'a');
  await seconds(0.2);
  await returns.close();
  expect(count('returnContinuation')).toBe(2);
  heal();
  returns.add(two, 'b');
  await seconds(0);
  expect(await free()).toEqual([false, true]);
});
