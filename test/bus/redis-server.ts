import { randomUUID } from 'node:crypto';
import { createClient } from 'redis';
import type { TestContext } from 'vitest';
import type { RedisBusOptions } from '../../src/bus/redis-bus.ts';
import { redisBus } from '../../src/bus/redis-bus.ts';
import { openProxy } from './proxy.ts';
import type { Node, Server } from './reconnect-suite.ts';

export const redisUrl = process.env['TEST_REDIS_URL'] ?? 'redis://127.0.0.1:6379';
const redisProblem = await findRedisProblem();

/** Whether the server of `TEST_REDIS_URL` answers. */
export function redisAvailable(): boolean {
  return redisProblem === undefined;
}

/** Skips `test` by name when Redis is not reachable; throws when `CI` is set. */
export function requireRedis(test: TestContext): void {
  if (redisProblem === undefined) return;
  if (process.env['CI']) throw new Error(`${redisProblem}; start it or set TEST_REDIS_URL`);
  test.skip(redisProblem);
}

async function findRedisProblem(): Promise<string | undefined> {
  const client = createClient({ url: redisUrl, socket: { connectTimeout: 3_000, reconnectStrategy: false } });
  client.on('error', () => {});
  try {
    await client.connect();
    client.destroy();
    return undefined;
  } catch {
    return `Redis is not reachable at ${new URL(redisUrl).host}`;
  }
}

/** The host's part: two clients that connect again, and how to tell them from others on the server. */
export interface RedisClients extends Pick<RedisBusOptions, 'publisher' | 'subscriber'> {
  close(): Promise<void>;
}

/** @param name What the server calls both connections. */
export type ConnectClients = (url: string, name: string) => RedisClients;

/** Clients of node-redis; `connect()` of one that finds no server goes on trying. */
export function nodeRedisClients(url: string, name: string, RESP: 2 | 3 = 2): RedisClients {
  const publisher = createClient({ url, name, RESP, socket: { reconnectStrategy: 20 } });
  const subscriber = publisher.duplicate();
  for (const client of [publisher, subscriber]) {
    client.on('error', () => {});
    client.connect().catch(() => {});
  }
  return {
    publisher,
    subscriber,
    async close() {
      publisher.destroy();
      subscriber.destroy();
    },
  };
}

export interface RedisServer extends Server {
  node(isAway?: boolean, options?: Partial<RedisBusOptions>): Promise<Node & RedisClients>;
}

export async function openRedis(connect: ConnectClients): Promise<RedisServer> {
  const admin = createClient({ url: redisUrl });
  await admin.connect();
  const prefix = `test:${randomUUID()}:`;
  return {
    async node(isAway = false, options = {}) {
      const { hostname, port } = new URL(redisUrl);
      const proxy = await openProxy({ host: hostname, port: Number(port || 6379) });
      if (isAway) proxy.cut();
      const name = `koa-mcp:${randomUUID()}`;
      const clients = connect(through(proxy.port), name);
      const errors: Error[] = [];
      const bus = redisBus({ ...clients, prefix, onError: error => errors.push(error), ...options });
      return {
        ...clients,
        bus,
        proxy,
        errors,
        async kill() {
          const connections = (await admin.sendCommand<string>(['CLIENT', 'LIST']))
            .split('\n')
            .filter(line => line.includes(` name=${name} `));
          for (const line of connections) await admin.sendCommand(['CLIENT', 'KILL', 'ID', line.match(/^id=(\d+)/)?.[1] ?? '']);
        },
        async [Symbol.asyncDispose]() {
          await bus.close();
          await clients.close();
          await proxy[Symbol.asyncDispose]();
        },
      };
    },
    async close() {
      admin.destroy();
    },
  };
}

function through(port: number): string {
  const changed = new URL(redisUrl);
  changed.hostname = '127.0.0.1';
  changed.port = String(port);
  return changed.href;
}
