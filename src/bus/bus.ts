import { failures } from './reconnect.ts';
import { Topics } from './topics.ts';

/**
 * Carries wake-ups between the processes of an app: "look again", never what there is to see.
 *
 * A wake-up is a hint. It may come twice, for nothing, or not at all: what it is about is in the database.
 */
export interface Bus {
  /**
   * Tells the subscribers of a topic, in every process, that something happened. Never throws; a failure goes to `onError`.
   *
   * Subscribers in this process are woken even while the others cannot be reached.
   *
   * @param topic An id of 1 to 200 characters, short and ASCII where there is a choice.
   */
  publish(topic: string): void;
  /**
   * Calls `listener` after a wake-up of the topic from any process, this one included, until the returned function is called.
   *
   * Wake-ups that come close together are one call. After an interruption, when some may have been missed, every listener is called once.
   *
   * @throws {RangeError} The topic is empty or longer than 200 characters.
   */
  subscribe(topic: string, listener: () => void): () => void;
  /** Whether wake-ups can be expected to arrive now (for health probes). */
  readonly ready: boolean;
  /** Sends what is waiting to be sent and lets go of everything the bus opened. The host's clients stay open. */
  close(): Promise<void>;
  /**
   * Calls `listener` with failures that no caller waits for, once per outage, until the returned function is called. A bus with an `onError` option
   * calls that function instead. A failure that neither a listener nor an `onError` option takes becomes a process warning.
   */
  onError?(listener: (error: Error) => void): () => void;
}

/** What every bus takes. */
export interface BusOptions {
  /** Told of failures that no caller waits for, once per outage. @default `onError` of `mcp()` */
  readonly onError?: (error: Error) => void;
}

/** Wake-ups within one process: for apps that run as one, and for tests. */
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
