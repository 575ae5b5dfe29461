import { describe, expect, it, vi } from 'vitest';
import { andThen, attempt, lastly, toAwaitable } from '../../src/protocol/awaitable.ts';

const failure = new Error('no');
const fail = () => {
  throw failure;
};

describe('andThen', () => {
  it('goes on at once with a value, and later with a promise', async () => {
    expect(andThen(1, value => value + 1)).toBe(2);
    const later = andThen(Promise.resolve(1), value => value + 1);
    expect(later).toBeInstanceOf(Promise);
    expect(await later).toBe(2);
  });
});

describe('attempt', () => {
  it.each([
    ['throws', fail],
    ['rejects with', () => Promise.reject(failure)],
  ])('hands over what the work %s', async (_, work) => {
    expect(await attempt(work, error => [error])).toEqual([failure]);
  });

  it('leaves alone what the work gives', async () => {
    expect(attempt(() => 1, fail)).toBe(1);
    expect(await attempt(() => Promise.resolve(1), fail)).toBe(1);
  });
});

describe('lastly', () => {
  it.each([
    ['gives a value', () => 1],
    ['gives a promise', () => Promise.resolve(1)],
    ['throws', fail],
    ['rejects', () => Promise.reject(failure)],
  ])('cleans up once when the work %s', async (_, work) => {
    const cleanUp = vi.fn();
    await attempt(
      () => lastly<unknown>(work, cleanUp),
      error => expect(error).toBe(failure),
    );
    expect(cleanUp).toHaveBeenCalledTimes(1);
  });

  it('does not clean up before a promise has settled', async () => {
    const cleanUp = vi.fn();
    const { promise, resolve } = deferred();
    const done = lastly(() => promise, cleanUp);
    await Promise.resolve();
    expect(cleanUp).not.toHaveBeenCalled();
    resolve();
    await done;
    expect(cleanUp).toHaveBeenCalledTimes(1);
  });
});

describe('toAwaitable', () => {
  it('makes a promise of whatever can be awaited, and of nothing else', async () => {
    // biome-ignore lint/suspicious/noThenProperty: a promise that is not of the language
    const foreign = { then: (resolve: (value: number) => void) => resolve(1) } as PromiseLike<number>;
    const awaited = toAwaitable(foreign);
    expect(awaited).toBeInstanceOf(Promise);
    expect(await awaited).toBe(1);
    for (const value of [undefined, null, 'then', 0, {}]) expect(toAwaitable<unknown>(value)).toBe(value);
  });
});

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>(settle => {
    resolve = settle;
  });
  return { promise, resolve };
}
