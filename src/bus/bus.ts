import { failures } from './reconnect.ts';
import { Topics } from './topics.ts';

/**
 * Carries wake-ups between the processes of an app. A wake-up tells its receivers to look into the database again. It carries no data.
 *
 * A wake-up is a hint. It may come twice, come without reason, or be lost.
 */
export interface Bus {
  /**
   * Tells the subscribers of a topic, in every process, that something happened. Never throws; a failure goes to `onError`.
   *
   * Subscribers in this process are woken even while other processes cannot be reached.
   *
   * @param topic An id of 1 to 200 characters, preferably short and ASCII.
   */
  publish(topic: string): void;
  /**
   * Calls `listener` after a wake-up of the topic from any process, including this one, until the returned function is called.
   *
   * Wake-ups that come close together cause one call. After an interruption every listener is called once, because wake-ups may have been
   * missed.
   *
   * @throws {RangeError} The topic is empty or longer than 200 characters.
   */
  subscribe(topic: string, listener: () => void): () => void;
  /** Whether wake-ups arrive at present (for health probes). */
  readonly ready: boolean;
  /** Sends the wake-ups that still wait and releases everything the bus opened. Clients that the host passed in stay open. */
  close(): Promise<void>;
  /**
   * Calls `listener` with failures that no caller waits for, once per outage, until the returned function is called. A bus with an
   * `onError` option calls that function instead. A failure without a listener or an `onError` option becomes a process warning.
   */
  onError?(listener: (error: Error) => void): () => void;
}

/** The options that every bus takes. */
export interface BusOptions {
  /** Called with failures that no caller waits for, once per outage. @default `onError` of `mcp()` */
  readonly onError?: (error: Error) => void;
}

/** Wake-ups within one process: for apps that run as one process, and for tests. */
export function memoryBus(options: BusOptions = {}): Bus {
  const { report, listen } = failures(options.onError);
  const topics = new Topics(report);
  return {
    onError: listen,
    publish(topic) {
      topics.publish(topic);
    },
    subscribe: (topic, listener) => topics.subscribe(topic, listener),
    get ready() {
      return topics.isOpen;
    },
    async close() {
      topics.close();
    },
  };
}
