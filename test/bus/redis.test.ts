import { randomUUID } from 'node:crypto';
import { createClient } from 'redis';
import { describe, expect, it, vi } from 'vitest';
import type { RedisBusOptions } from '../../src/bus/redis-bus.ts';
import { redisBus } from '../../src/bus/redis-bus.ts';
import { reconnectSuite } from './reconnect-suite.ts';
import type { ConnectClients } from './redis-server.ts';
import { nodeRedisClients, openRedis, redisAvailable, redisUrl, requireRedis } from './redis-server.ts';
import { busSuite } from './suite.ts';
import { listen, settle, untilReady } from './woken.ts';

const kinds: Record<string, ConnectClients> = {
  'node-redis, RESP 2': (url, name) => nodeRedisClients(url, name, 2),
  'node-redis, RESP 3': (url, name) => nodeRedisClients(url, name, 3),
};

if (redisAvailable()) {
  for (const [kind, connect] of Object.entries(kinds)) {
    busSuite(`Redis (${kind})`, async () => {
      const prefix = `test:${randomUUID()}:`;
      const closers: (() => Promise<void>)[] = [];
      return {
        isQuiet: true,
        async bus({ onError }) {
          const { close, ...clients } = connect(redisUrl, 'test');
          closers.push(close);
          return redisBus({ ...clients, prefix, onError });
        },
        async close() {
          for (const close of closers) await close();
        },
      };
    });
    reconnectSuite(`Redis (${kind})`, () => openRedis(connect));
  }
  describe('redisBus', ownTests);
} else {
  it('reaches Redis', test => requireRedis(test));
}

function ownTests(): void {
  const pair = async () => {
    const publisher = createClient({ url: redisUrl });
    const subscriber = publisher.duplicate();
    await Promise.all([publisher.connect(), subscriber.connect()]);
    const prefix = `test:${randomUUID()}:`;
    return { publisher, subscriber, prefix };
  };

  it('sends the topics of one turn in few messages', async () => {
    const clients = await pair();
    const publish = vi.spyOn(clients.publisher, 'publish');
    const bus = redisBus(clients);
    await untilReady(bus);
    publish.mockClear();
    for (let i = 0; i < 1000; i++) bus.publish(randomUUID());
    await settle(bus, bus);
    await bus.close();
    expect(publish).toHaveBeenCalledTimes(1);
    clients.publisher.destroy();
    clients.subscriber.destroy();
  });

  it('keeps prefixes apart', async () => {
    const [one, two] = await Promise.all([pair(), pair()]);
    const [a, b] = [redisBus(one), redisBus(two)];
    await untilReady(a, b);
    const woken = listen(b);
    a.publish(woken.topic);
    await a.close();
    await settle(b, b);
    // The server has handled both of its clients since.
    await one.publisher.ping();
    await two.subscriber.ping();
    expect(woken.count).toBe(0);
    await b.close();
    for (const client of [one.publisher, one.subscriber, two.publisher, two.subscriber]) client.destroy();
  });

  it('leaves the clients to the host as they were: open, without listeners, and with the subscriptions of others', async () => {
    const clients = await pair();
    const { publisher, subscriber, prefix } = clients;
    const [foreign, heard] = [`${prefix}foreign`, vi.fn()];
    await subscriber.subscribe(foreign, heard);
    const counts = () => [publisher, subscriber].flatMap(client => ['ready', 'error', 'end'].map(event => client.listenerCount(event)));
    const before = counts();
    const bus = redisBus(clients);
    await untilReady(bus);
    await bus.close();
    expect(counts()).toEqual(before);
    expect([publisher.isReady, subscriber.isReady]).toEqual([true, true]);
    expect(await publisher.pubSubNumSub([foreign, `${prefix}wake-up`])).toEqual({ [foreign]: 1, [`${prefix}wake-up`]: 0 });
    await publisher.publish(foreign, 'still here');
    await vi.waitFor(() => expect(heard).toHaveBeenCalledTimes(1));
    publisher.destroy();
    subscriber.destroy();
  });

  it('takes clients that are connected only later', async () => {
    const publisher = createClient({ url: redisUrl });
    const subscriber = publisher.duplicate();
    const onError = vi.fn();
    const bus = redisBus({ publisher, subscriber, prefix: `test:${randomUUID()}:`, onError });
    bus.publish('nobody hears it');
    expect(bus.ready).toBe(false);
    await Promise.all([publisher.connect(), subscriber.connect()]);
    await untilReady(bus);
    await bus.close();
    expect(onError).not.toHaveBeenCalled();
    publisher.destroy();
    subscriber.destroy();
  });

  it('has sent its last wake-ups before it lets go of its channel', async () => {
    const { publisher, subscriber, prefix } = await pair();
    const bus = redisBus({ publisher, subscriber, prefix });
    await untilReady(bus);
    const done: string[] = [];
    const [publish, unsubscribe] = [publisher.publish.bind(publisher), subscriber.unsubscribe.bind(subscriber)];
    vi.spyOn(publisher, 'publish').mockImplementation(async (...args) => {
      const receivers = await publish(...args);
      done.push('sent');
      return receivers;
    });
    vi.spyOn(subscriber, 'unsubscribe').mockImplementation(async (...args) => {
      done.push('lets go');
      return unsubscribe(...args);
    });
    bus.publish(randomUUID());
    await bus.close();
    expect(done).toEqual(['sent', 'lets go']);
    publisher.destroy();
    subscriber.destroy();
  });

  it('tries to subscribe again when the server refuses it', async () => {
    const { publisher, subscriber, prefix } = await pair();
    const subscribe = vi.spyOn(subscriber, 'subscribe').mockRejectedValueOnce(new Error('NOPERM no permission to access the channel'));
    const errors: Error[] = [];
    const bus = redisBus({ publisher, subscriber, prefix, onError: error => errors.push(error) });
    await untilReady(bus);
    expect(subscribe).toHaveBeenCalledTimes(2);
    expect(errors.map(error => error.message)).toEqual([expect.stringMatching(/^Redis bus: .*NOPERM/)]);
    await bus.close();
    publisher.destroy();
    subscriber.destroy();
  });

  it.each([
    ['publisher', { publisher: {} }],
    ['publisher', { publisher: undefined }],
    ['subscriber', { subscriber: null }],
  ])('refuses what is no client as `%s`', (name, wrong) => {
    const options = { publisher: createClient(), subscriber: createClient(), ...wrong } as unknown as RedisBusOptions;
    expect(() => redisBus(options)).toThrow(new RegExp(`^redisBus.${name}: is no client`));
  });

  it('refuses one client for both tasks', () => {
    const client = createClient();
    expect(() => redisBus({ publisher: client, subscriber: client })).toThrow(/publisher.duplicate/);
  });
}
