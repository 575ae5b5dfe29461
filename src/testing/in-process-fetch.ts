import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer, request as httpRequest } from 'node:http';
import { duplexPair, Readable } from 'node:stream';
import type Koa from 'koa';

/** `fetch` whose requests a Koa app answers in this process. */
export interface InProcess {
  readonly fetch: typeof fetch;
  /** Cuts the connections that are still open. */
  readonly disconnect: () => void;
}

/** Statuses whose answers have no body. */
const empty: ReadonlySet<number | undefined> = new Set([204, 205, 304]);

/**
 * Makes a `fetch` that speaks HTTP with an app through streams in memory: no port, no socket. All else is as over the network, so the app's
 * middleware, body parser and streams work as they do there.
 *
 * @param state Members that are in `ctx.state` before the first middleware runs.
 */
export function inProcess(app: Koa, state: object): InProcess {
  const server = createServer(listenerOf(app, state));
  // Streams stay open for as long as their client wants.
  server.requestTimeout = 0;
  const connect = () => {
    const [clientSide, serverSide] = duplexPair();
    // Koa and the guard of the endpoint read the addresses of a socket.
    Object.assign(serverSide, { remoteAddress: loopback, localAddress: loopback, remotePort: 0, localPort: 0 });
    // As of a socket: either side notices that the other one is gone.
    clientSide.once('close', () => serverSide.destroy());
    serverSide.once('close', () => clientSide.destroy());
    server.emit('connection', serverSide);
    return clientSide;
  };
  return {
    fetch: async (input, init) => {
      const sent = new Request(input, init);
      const body = sent.body === null ? undefined : Buffer.from(await sent.arrayBuffer());
      sent.signal.throwIfAborted();
      return new Promise((resolve, reject) => {
        const headers = { ...Object.fromEntries(sent.headers), ...(body && { 'content-length': String(body.length) }) };
        const sending = httpRequest(sent.url, { method: sent.method, headers, createConnection: connect });
        const abort = () => sending.destroy(new DOMException('The request was aborted', 'AbortError'));
        sent.signal.addEventListener('abort', abort);
        sending.once('close', () => sent.signal.removeEventListener('abort', abort));
        sending.once('error', reject);
        sending.once('response', response => resolve(toResponse(response)));
        sending.end(body);
      });
    },
    disconnect: () => server.closeAllConnections(),
  };
}

const loopback = '127.0.0.1';

/** The app's own listener, for whose requests `ctx.state` has more members. */
function listenerOf(app: Koa, state: object): RequestListener {
  const served = Object.create(app) as Koa;
  served.createContext = (...args) => {
    const ctx = app.createContext(...args);
    Object.assign(ctx.state, state);
    return ctx;
  };
  const listener = served.callback();
  return (request, response) => void listener(request, response);
}

function toResponse(response: IncomingMessage): Response {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(response.headersDistinct)) for (const value of values) headers.append(name, value);
  const body = empty.has(response.statusCode) ? null : Readable.toWeb(response);
  if (body === null) response.resume();
  return new Response(body, { status: response.statusCode ?? 0, statusText: response.statusMessage ?? '', headers });
}
