import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** A TCP road to a server on this machine that a test can close. */
export interface TcpProxy {
  readonly port: number;
  /** Cuts all connections and refuses new ones, as when the server is away. */
  cut(): void;
  /** Carries nothing more on the connections there are and says nothing, as when a cable is pulled. New ones work. */
  stall(): void;
  /** Lets connections through again. */
  open(): void;
  /** Connections through it now. */
  readonly connections: number;
  /** Resolves when the next connection is refused. */
  refusal(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function openProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let isOpen = true;
  const waiting: (() => void)[] = [];
  const server = createServer(socket => {
    socket.on('error', () => {});
    if (!isOpen) {
      socket.resetAndDestroy();
      for (const resolve of waiting.splice(0)) resolve();
      return;
    }
    const upstream = connect(target);
    upstream.on('error', () => {});
    const pair = [socket, upstream] as const;
    pairs.add(pair);
    socket.pipe(upstream).pipe(socket);
    for (const [one, other] of [pair, [upstream, socket] as const]) {
      one.on('close', () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const destroyAll = () => {
    for (const [socket, upstream] of pairs) {
      socket.resetAndDestroy();
      upstream.destroy();
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isOpen = false;
      destroyAll();
    },
    stall() {
      for (const [socket, upstream] of pairs) {
        socket.unpipe(upstream).pause();
        upstream.unpipe(socket).pause();
      }
    },
    open() {
      isOpen = true;
    },
    get connections() {
      return pairs.size;
    },
    refusal() {
      return new Promise(resolve => {
        waiting.push(resolve);
      });
    },
    async [Symbol.asyncDispose]() {
      destroyAll();
      server.close();
      await once(server, 'close');
    },
  };
}
