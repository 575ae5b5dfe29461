const firstMs = 100;
const longestMs = 5_000;

/** How long to wait after a failure, in milliseconds: doubling, and scattered so that processes do not come back all at once. */
export function backoffMs(failures: number): number {
  return Math.min(longestMs, firstMs * 2 ** failures) * (0.5 + Math.random() / 2);
}
