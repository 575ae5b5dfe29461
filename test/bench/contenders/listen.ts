import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type Koa from 'koa';

/** Listens on a free port of loopback. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Says what goes wrong in a Koa app. The load generator cuts its connections at the end of a round: that is not wrong. */
export function reportErrors(app: Koa): void {
  app.on('error', (error: NodeJS.ErrnoException & { type?: string }) => {
    const isCut = error.type === 'request.aborted' || ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(error.code ?? '');
    if (!isCut) console.error(error);
  });
}
