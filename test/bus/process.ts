// One process of an app, as far as the bus is concerned: started by processes.test.ts, told what to do in messages.
import pg from 'pg';
import type { Bus } from '../../src/bus/bus.ts';
import { memoryBus } from '../../src/bus/bus.ts';
import { pollingBus } from '../../src/bus/polling-bus.ts';
import { postgresBus } from '../../src/bus/postgres-bus.ts';
import { redisBus } from '../../src/bus/redis-bus.ts';
import { nodeRedisClients } from './redis-server.ts';

export type Kind = 'memory' | 'polling' | 'postgres' | 'redis';
export type Order = { subscribe: string } | { publish: string } | 'ready?' | 'close' | 'leave';
export type Answer = { woken: string } | { ready: boolean } | 'started' | 'closed';

const [kind, url = '', channel = ''] = process.argv.slice(2) as [Kind, string?, string?];
const { bus, closeClients } = open();

process.on('message', (order: Order) => {
  if (order === 'ready?') answer({ ready: bus.ready });
  else if (order === 'close') void close();
  else if (order === 'leave') process.disconnect();
  else if ('subscribe' in order) bus.subscribe(order.subscribe, () => answer({ woken: order.subscribe }));
  else bus.publish(order.publish);
});
answer('started');

async function close(): Promise<void> {
  await bus.close();
  await closeClients();
  answer('closed');
  // From here on only what the bus has left behind can keep this process alive.
  process.disconnect();
}

function answer(message: Answer): void {
  if (process.connected) process.send?.(message);
}

function open(): { bus: Bus; closeClients: () => Promise<void> } {
  const none = async () => {};
  const onError = () => {};
  switch (kind) {
    case 'memory':
      return { bus: memoryBus(), closeClients: none };
    case 'polling':
      return { bus: pollingBus({ intervalMs: 10 }), closeClients: none };
    case 'postgres':
      return { bus: postgresBus({ connect: () => new pg.Client(url), channel, onError }), closeClients: none };
    case 'redis': {
      const { close: closeClients, ...clients } = nodeRedisClients(url, 'test');
      return { bus: redisBus({ ...clients, prefix: channel, onError }), closeClients };
    }
  }
}
