import { setTimeout as delay } from 'node:timers/promises';

/** Looks until there is something. @throws {Error} There is nothing after `deadlineMs`. */
export async function eventually<T>(
  look: () => T | undefined | Promise<T | undefined>,
  what: string | (() => string),
  deadlineMs = 15_000,
): Promise<T> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > until)
      throw new Error(`after ${deadlineMs / 1000} s there is still not ${typeof what === 'string' ? what : what()}`);
    await delay(10);
  }
}
