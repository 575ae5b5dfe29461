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
export function isReady(client: RedisClient): boolean {
  return 'isReady' in client ? client.isReady : client.status === 'ready';
}

/** One channel as heard by one client. Subscribing twice is asking the server to confirm, not hearing twice. */
export interface Subscription {
  subscribe(): Promise<unknown>;
  unsubscribe(): Promise<unknown>;
}

/** The subscription of one channel, the same for the clients of node-redis and ioredis. */
export function subscription(client: RedisClient, channel: string, onMessage: (message: string) => void): Subscription {
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
