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
