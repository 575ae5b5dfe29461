import type { Bus, BusOptions } from './bus.ts';
import { reporter } from './report.ts';
import { Topics } from './topics.ts';

/** The options of `pollingBus()`. */
export interface PollingBusOptions extends BusOptions {
  /** Milliseconds between looks, and so the latency between processes. Every look is a query in every process. @default 1000 */
  readonly intervalMs?: number;
}

const MAX_TIMER_MS = 2_147_483_647;

/**
 * No wake-ups between processes: every subscribed topic is woken every `intervalMs`, all in the same turn, so that one query can serve all.
 *
 * For apps of several processes on a database without wake-ups of its own, and without Redis.
 *
 * @throws {TypeError} `intervalMs` is impossible.
 */
export function pollingBus(options: PollingBusOptions = {}): Bus {
  const { intervalMs = 1000 } = options;
  if (typeof intervalMs !== 'number' || !(intervalMs >= 1 && intervalMs <= MAX_TIMER_MS)) {
    throw new TypeError(`pollingBus.intervalMs: ${intervalMs} is not a number of milliseconds from 1 to ${MAX_TIMER_MS}`);
  }
  const topics = new Topics(reporter(() => bus.onError));
  let timer: NodeJS.Timeout | undefined;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
  };
  const bus: Bus = {
    onError: options.onError,
    publish(topic) {
      topics.publish(topic);
    },
    subscribe(topic, listener) {
      const remove = topics.subscribe(topic, listener);
      if (!topics.isEmpty) timer ??= setInterval(() => topics.wakeAll(), intervalMs).unref();
      return () => {
        remove();
        if (topics.isEmpty) stop();
      };
    },
    get ready() {
      return topics.isOpen;
    },
    async close() {
      topics.close();
      stop();
    },
  };
  return bus;
}
