import { randomBytes } from 'node:crypto';
import { doneWithin } from '../timing.ts';
import type { Bus, BusOptions } from './bus.ts';
import { Outbox } from './outbox.ts';
import { backoffMs, failures, Outage } from './reconnect.ts';
import { Topics } from './topics.ts';
import { receiver } from './wake-up.ts';

/** The options of `redisBus()`. */
export interface RedisBusOptions extends BusOptions {
  /**
   * A client of node-redis 5 or ioredis 5. The host connects it, and closes it after the bus. The host may use it for other commands too.
   */
  readonly publisher: RedisClient;
  /**
   * A second client, for subscribing: `publisher.duplicate()`, also connected by the host. Other code must not unsubscribe it from the
   * bus's channel.
   */
  readonly subscriber: RedisClient;
  /**
   * Prefix of the channel. Apps that share a Redis server need different prefixes, even if they use different databases of it. @default
   * 'koa-mcp:'
   */
  readonly prefix?: string;
}

const maxMessageBytes = 60_000;
/** How long unsent wake-ups, and then unsubscribing, may each delay `close()`, in ms. */
const lastWordsMs = 1_000;

/**
 * Wake-ups by Redis publish/subscribe, over one channel for all topics. The clients reconnect by themselves.
 *
 * `redisBus({ publisher: client, subscriber: client.duplicate() })`
 *
 * @throws {TypeError} A client is not one of node-redis or ioredis, or both are the same client.
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
    // The listeners stay until here: a client without an error listener would end the process.
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

/** The methods that both kinds of client have. */
interface RedisEvents {
  on(event: string, listener: Listener): unknown;
  off(event: string, listener: Listener): unknown;
}

/** The part of a client of node-redis 5 (`redis`, `@redis/client`) that the bus uses: `createClient()`. */
export interface NodeRedisClient extends RedisEvents {
  readonly isReady: boolean;
  publish(channel: string, message: string): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  unsubscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
}

/** The part of a client of ioredis 5 (`ioredis`) that the bus uses: `new Redis()`. */
export interface IoredisClient extends RedisEvents {
  readonly status: string;
  publish(channel: string, message: string): Promise<unknown>;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
}

/** A client of node-redis 5 or ioredis 5 that the host connects and closes. */
export type RedisClient = NodeRedisClient | IoredisClient;

/** Whether the client is connected to the server now. */
function isReady(client: RedisClient): boolean {
  return 'isReady' in client ? client.isReady : client.status === 'ready';
}

/** The subscription of one channel by one client. A second `subscribe` asks the server to confirm; messages still arrive once. */
interface Subscription {
  subscribe(): Promise<unknown>;
  unsubscribe(): Promise<unknown>;
}

/** The subscription of one channel, with the same interface for node-redis and ioredis. */
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
