import { randomBytes } from 'node:crypto';
import { doneWithin } from '../timing.ts';
import type { Bus, BusOptions } from './bus.ts';
import { Outbox } from './outbox.ts';
import { backoffMs, failures, Outage } from './reconnect.ts';
import { Topics } from './topics.ts';
import { receiver } from './wake-up.ts';

/** The options of `redisBus()`. */
export interface RedisBusOptions extends BusOptions {
  /** A client of node-redis 5 or ioredis 5, which the host connects, may use for anything else, and closes after the bus. */
  readonly publisher: RedisClient;
  /** One more, for subscribing: `publisher.duplicate()`, connected too. Nobody else may unsubscribe it from the bus's channel. */
  readonly subscriber: RedisClient;
  /** Apps that share a Redis server, whichever of its databases they use, need different ones. @default 'koa-mcp:' */
  readonly prefix?: string;
}

const maxMessageBytes = 60_000;
/** How long what waits to be sent, and the farewell, may each hold up `close()`. */
const lastWordsMs = 1_000;

/**
 * Wake-ups by Redis publish/subscribe, over one channel for all topics. How the clients reconnect is theirs to know.
 *
 * `redisBus({ publisher: client, subscriber: client.duplicate() })`
 *
 * @throws {TypeError} The clients are none, or one and the same.
 */
export function redisBus(options: RedisBusOptions): Bus {
  const { publisher, subscriber, prefix = 'koa-mcp:' } = options;
  assertUsable(publisher, subscriber);
  const { report, listen } = failures(options.onError);
  const topics = new Topics(report);
  const outage = new Outage('Redis bus: no wake-ups between processes until it is connected again', report);
  const from = randomBytes(9).toString('base64url');
  const channel = `${prefix}wake-up`;
  let isSubscribed = false;
  let attempts = 0;
  let retry: NodeJS.Timeout | undefined;

  const outbox = new Outbox({
    from,
    maxBytes: maxMessageBytes,
    canSend: () => isReady(publisher),
    send: messages => Promise.all(messages.map(message => publisher.publish(channel, message))),
    onFailure: error => outage.report(error),
  });

  const heard = subscription(subscriber, channel, receiver(from, topics));

  const subscribe = async (failures = 0) => {
    clearTimeout(retry);
    isSubscribed = false;
    attempts += 1;
    const attempt = attempts;
    try {
      await heard.subscribe();
      if (attempt !== attempts || !topics.isOpen) return;
      isSubscribed = true;
      outage.end();
      topics.wakeAll();
    } catch (error) {
      if (attempt !== attempts || !topics.isOpen) return;
      outage.report(error);
      retry = setTimeout(() => void subscribe(failures + 1), backoffMs(failures)).unref();
    }
  };
  const onReady = () => void subscribe();
  const onSendable = () => outbox.flush();
  const onFailure = (error: Error) => outage.report(error);
  subscriber.on('ready', onReady);
  subscriber.on('error', onFailure);
  publisher.on('ready', onSendable);
  publisher.on('error', onFailure);
  if (isReady(subscriber)) onReady();

  const close = async () => {
    topics.close();
    isSubscribed = false;
    clearTimeout(retry);
    await outbox.close(lastWordsMs);
    subscriber.off('ready', onReady);
    publisher.off('ready', onSendable);
    await doneWithin(lastWordsMs, heard.unsubscribe());
    // Until here a client without a listener of the host's would have ended the process.
    subscriber.off('error', onFailure);
    publisher.off('error', onFailure);
  };
  let closed: Promise<void> | undefined;

  return {
    onError: listen,
    publish(topic) {
      if (topics.publish(topic)) outbox.add(topic);
    },
    subscribe: (topic, listener) => topics.subscribe(topic, listener),
    get ready() {
      return isSubscribed && isReady(subscriber) && isReady(publisher);
    },
    close() {
      closed ??= close();
      return closed;
    },
  };
}

function assertUsable(publisher: RedisClient, subscriber: RedisClient): void {
  for (const [name, client] of Object.entries({ publisher, subscriber })) {
    if (typeof client?.publish !== 'function' || !('isReady' in client || 'status' in client)) {
      throw new TypeError(`redisBus.${name}: is no client of node-redis 5 or ioredis 5`);
    }
  }
  if (publisher === subscriber) {
    throw new TypeError(
      'redisBus.subscriber: is the publisher; a client that subscribes can do nothing else, pass `publisher.duplicate()`',
    );
  }
}

// biome-ignore lint/suspicious/noExplicitAny: as EventEmitter has it, else no client would fit
type Listener = (...args: any[]) => void;

/** What both kinds of client have. */
interface RedisEvents {
  on(event: string, listener: Listener): unknown;
  off(event: string, listener: Listener): unknown;
}

/** What the bus needs of a client of node-redis 5 (`redis`, `@redis/client`): `createClient()`. */
export interface NodeRedisClient extends RedisEvents {
  readonly isReady: boolean;
  publish(channel: string, message: string): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  unsubscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
}

/** What the bus needs of a client of ioredis 5 (`ioredis`): `new Redis()`. */
export interface IoredisClient extends RedisEvents {
  readonly status: string;
  publish(channel: string, message: string): Promise<unknown>;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
}

/** A client of node-redis 5 or ioredis 5 that the host connects and closes. */
export type RedisClient = NodeRedisClient | IoredisClient;

/** Whether commands reach the server now. */
function isReady(client: RedisClient): boolean {
  return 'isReady' in client ? client.isReady : client.status === 'ready';
}

/** One channel as heard by one client. Subscribing twice is asking the server to confirm, not hearing twice. */
interface Subscription {
  subscribe(): Promise<unknown>;
  unsubscribe(): Promise<unknown>;
}

/** The subscription of one channel, the same for the clients of node-redis and ioredis. */
function subscription(client: RedisClient, channel: string, onMessage: (message: string) => void): Subscription {
  if ('isReady' in client) {
    return {
      subscribe: () => client.subscribe(channel, onMessage),
      unsubscribe: () => client.unsubscribe(channel, onMessage),
    };
  }
  const listener = (on: string, message: string) => {
    if (on === channel) onMessage(message);
  };
  client.on('message', listener);
  return {
    subscribe: () => client.subscribe(channel),
    unsubscribe: () => {
      client.off('message', listener);
      return client.unsubscribe(channel);
    },
  };
}
