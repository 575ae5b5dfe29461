/** What is there already, or a promise of it. */
export type Awaitable<T> = T | Promise<T>;

/**
 * Goes on with a value: at once if it is there.
 *
 * `await` costs a promise and a turn of the microtask queue even where nothing has to be waited for, and a call passes a dozen such places.
 *
 * @param value What comes from the host goes through `toAwaitable` first.
 */
export function andThen<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Runs `work`; what it throws, or rejects with, goes to `failed`. */
export function attempt<T, R>(work: () => Awaitable<T>, failed: (error: unknown) => Awaitable<R>): Awaitable<T | R> {
  try {
    const outcome = work();
    return outcome instanceof Promise ? outcome.catch(failed) : outcome;
  } catch (error) {
    return failed(error);
  }
}

/** Runs `work` and, however that ended, `cleanUp`. */
export function lastly<T>(work: () => Awaitable<T>, cleanUp: () => void): Awaitable<T> {
  let isPending = false;
  try {
    const outcome = work();
    if (!(outcome instanceof Promise)) return outcome;
    isPending = true;
    return outcome.finally(cleanUp);
  } finally {
    if (!isPending) cleanUp();
  }
}

/** What a function of the host returned, where a promise of any kind (Prisma's are of their own) has become one of the language. */
export function toAwaitable<T>(value: T | PromiseLike<T>): Awaitable<T> {
  const isThenable = typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
  return isThenable ? Promise.resolve(value) : (value as T);
}
