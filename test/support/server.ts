import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import type { McpMiddleware, McpOptions } from '../../src/index.ts';
import { mcp } from '../../src/index.ts';

/** A real Koa app that listens on a port of its own. */
export interface TestServer {
  readonly app: Koa;
  readonly mcp: McpMiddleware;
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  /** The MCP endpoint. */
  readonly url: string;
  /** What reached the app's `error` event. A test that expects some empties it. */
  readonly errors: Error[];
  [Symbol.asyncDispose](): Promise<void>;
}

export interface StartOptions {
  /** Sets the app up before anything is added to it. */
  readonly prepare?: (app: Koa) => void;
  /** Middleware before the endpoint. */
  readonly before?: Koa.Middleware[];
  /** Middleware after it. */
  readonly after?: Koa.Middleware[];
  /** Wraps the endpoint, e.g. `koa-mount`. @default as it is */
  readonly mount?: (middleware: McpMiddleware) => Koa.Middleware;
  /** Address to listen on; `undefined` is every address of the machine. @default '127.0.0.1' */
  readonly address?: string | undefined;
  /** Path of the endpoint as clients see it. @default `options.path` or `/mcp` */
  readonly path?: string;
}

/** Starts an app with one endpoint; `await using` closes it and fails on errors nobody expected. */
// biome-ignore lint/suspicious/noExplicitAny: tests declare models of several clients
export async function start(options: Partial<McpOptions<any, any, any, any>>, startOptions: StartOptions = {}): Promise<TestServer> {
  const { prepare, before = [], after = [], mount = middleware => middleware, path = options.path ?? '/mcp' } = startOptions;
  const address = 'address' in startOptions ? startOptions.address : '127.0.0.1';
  const app = new Koa();
  prepare?.(app);
  const errors: Error[] = [];
  app.on('error', error => errors.push(error));
  // Tests send more requests in a minute than any client.
  const rates = options.rateLimiters === undefined ? { callsPerMinute: 1_000_000_000, initializesPerMinute: 1_000_000_000 } : {};
  const middleware = mcp({ name: 'test', ...options, limits: { ...rates, ...options.limits } });
  for (const each of [...before, mount(middleware), ...after]) app.use(each);
  const server = app.listen(0, address);
  // A busy machine may hold up a client that uses a connection again for longer than the five seconds that Node keeps it.
  server.keepAliveTimeout = 60_000;
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    app,
    mcp: middleware,
    origin,
    url: origin + path,
    errors,
    [Symbol.asyncDispose]: async () => {
      await middleware.close({ deadlineMs: 1000 });
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      if (errors.length > 0) throw new AggregateError(errors, `errors nobody expected: ${errors.map(error => error.message).join('; ')}`);
    },
  };
}
