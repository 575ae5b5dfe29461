/** The longest time that a timer of Node can wait, in milliseconds: 24.8 days. A longer one becomes 1 ms. */
export const maxTimerMs = 2_147_483_647;

/** @throws {TypeError} Naming the option `path`, if no timer can wait for `ms`. */
export function assertTimerMs(path: string, ms: unknown): void {
  if (typeof ms !== 'number' || !(ms >= 1 && ms <= maxTimerMs)) {
    throw new TypeError(`${path}: ${String(ms)} is not a number of milliseconds from 1 to ${maxTimerMs}`);
  }
}

/** Waits for `work`, but not longer than until `signal` aborts: then it fails with the signal's reason. Leaves nothing on the signal. */
export function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    const settle = () => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort);
    work.then(resolve, reject).then(settle, settle);
    if (signal.aborted) abort();
  });
}

/** Waits for `work`, but not longer than `ms`, and keeps the process alive meanwhile. Whether it was in time; a failure is in time too. */
export async function doneWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const done = () => true;
  const isDone = await Promise.race([work.then(done, done), late]);
  clearTimeout(timer);
  return isDone;
}

/** A wait that can be cut short. It does not keep the process alive. */
export interface Pause {
  /** Resolves when the time is over, or `end` was called. */
  readonly over: Promise<void>;
  readonly end: () => void;
}

/** Begins a pause of `ms` milliseconds. */
export function pause(ms: number): Pause {
  let end = (): void => {};
  const over = new Promise<void>(resolve => {
    const timer = setTimeout(resolve, ms).unref();
    end = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  return { over, end };
}
