import { assertTimerMs } from '../timing.ts';
import type { Bus, BusOptions } from './bus.ts';
import { failures } from './reconnect.ts';
import { Topics } from './topics.ts';

/** The options of `pollingBus()`. */
export interface PollingBusOptions extends BusOptions {
  /**
   * Milliseconds between two wake-ups, and so the longest delay between processes. Each wake-up causes a query in every process. @default
   * 1000
   */
  readonly intervalMs?: number;
}

/**
 * Sends nothing between processes. Every `intervalMs` it wakes all subscribed topics of its own process in the same turn, so that one query
 * can serve all of them.
 *
 * For apps of several processes whose database cannot send wake-ups, and that have no Redis.
 *
 * @throws {TypeError} `intervalMs` is invalid.
 */
export function pollingBus(options: PollingBusOptions = {}): Bus {
  const { intervalMs = 1000 } = options;
  assertTimerMs('pollingBus.intervalMs', intervalMs);
  const { report, listen } = failures(options.onError);
  const topics = new Topics(report);
  let timer: NodeJS.Timeout | undefined;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
  };
  return {
    onError: listen,
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
}
