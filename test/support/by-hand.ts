import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Serves requests that the test itself answers, at a port of its own. */
export async function serve(
  listener: (...[request, response]: Parameters<RequestListener>) => void | Promise<void>,
): Promise<{ url: string } & AsyncDisposable> {
  const http = createServer((request, response) => void listener(request, response)).listen(0, '127.0.0.1');
  await once(http, 'listening');
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
}
