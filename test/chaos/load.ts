import { availableParallelism, loadavg } from 'node:os';

/** How much of the time this machine did not let this process run. */
export interface Load extends Disposable {
  /** Whether more than twice as many processes want to run as can. */
  isOverloaded(): boolean;
  /** Milliseconds within that time that this process was late. */
  stalledMs(from: number, until: number): number;
}

const tickMs = 100;

/** Watches how late timers are. */
export function watchLoad(): Load {
  const stalls: { readonly from: number; readonly until: number }[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - last > 2 * tickMs) stalls.push({ from: last, until: now });
    last = now;
  }, tickMs);
  return {
    isOverloaded: () => (loadavg()[0] ?? 0) > 2 * availableParallelism(),
    stalledMs: (from, until) =>
      stalls.reduce((sum, stall) => sum + Math.max(0, Math.min(stall.until, until) - Math.max(stall.from, from)), 0),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
