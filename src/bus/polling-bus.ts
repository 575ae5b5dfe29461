import { assertTimerMs } from '../timing.ts';
import type { Bus, BusOptions } from './bus.ts';
import { failures } from './reconnect.ts';
import { Topics } from './topics.ts';

/** The options of `pollingBus()`. */
export interface PollingBusOptions extends BusOptions {
  /** Milliseconds between looks, and so the latency between processes. Every look is a query in every process. @default 1000 */
  readonly intervalMs?: number;
}

/**
 * No wake-ups between processes: every subscribed topic is woken every `intervalMs`, all in the same turn, so that one query can serve all.
 *
 * For apps of several processes on a database without wake-ups of its own, and without Redis.
 *
 * @throws {TypeError} `intervalMs` is impossible.
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
