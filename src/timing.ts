/** The longest time that a timer of Node can wait, in milliseconds: 24.8 days. Node turns a longer time into 1 ms. */
export const maxTimerMs = 2_147_483_647;

/** @throws {TypeError} No timer can wait for `ms`. The message names the option `path`. */
export function assertTimerMs(path: string, ms: unknown): void {
  if (typeof ms !== 'number' || !(ms >= 1 && ms <= maxTimerMs)) {
    throw new TypeError(`${path}: ${String(ms)} is not a number of milliseconds from 1 to ${maxTimerMs}`);
  }
}

/** Waits for `work` until `signal` aborts, then fails with the signal's reason. Removes its listener from the signal when it is done. */
export function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    const settle = () => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort);
    work.then(resolve, reject).then(settle, settle);
    if (signal.aborted) abort();
  });
}

/**
 * Waits for `work` for at most `ms`, and keeps the process alive meanwhile. Returns whether `work` settled in time; a rejection counts as
 * settled.
 */
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

/** A wait that `end` can finish early. It does not keep the process alive. */
export interface Pause {
  /** Resolves when the time is over or `end` was called. */
  readonly over: Promise<void>;
  readonly end: () => void;
}

/** Starts a wait of `ms` milliseconds that its caller can end early. */
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

/** Calls `act` at a time, however far away. Does not keep the process alive. @returns A function that cancels it. */
export function runAt(at: Date, act: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const wait = () => {
    const leftMs = at.getTime() - Date.now();
    timer = leftMs <= 0 ? undefined : setTimeout(wait, Math.min(leftMs, maxTimerMs)).unref();
    if (leftMs <= 0) act();
  };
  wait();
  return () => clearTimeout(timer);
}
