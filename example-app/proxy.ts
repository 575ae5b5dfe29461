import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';

/** A process of the app, on this machine. */
export interface Target {
  /** The value of the response header `X-Served-By`. */
  readonly name: string;
  readonly port: number;
}

/**
 * A load balancer without sticky sessions, which does not listen yet: each request goes to the next target. It buffers nothing, so streams pass
 * as they come. Without a target, and if the target is gone, it answers 502.
 *
 * @param targets The caller may change it at any time.
 */
export function roundRobin(targets: readonly Target[]): Server {
  let turn = 0;
  return createServer((incoming, outgoing) => {
    const target = targets[turn++ % targets.length];
    if (target === undefined) outgoing.writeHead(502).end('No process is running\n');
    else forward(incoming, outgoing, target);
  });
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, { name, port }: Target): void {
  const { method, url, headers } = incoming;
  const upstream = request({ host: '127.0.0.1', port, method, path: url, headers: endToEnd(headers), agent: false });
  const fail = () => {
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(502, { 'X-Served-By': name }).end('The process has gone\n');
  };
  upstream.on('error', fail);
  upstream.on('response', response => {
    outgoing.writeHead(response.statusCode ?? 502, { ...endToEnd(response.headers), 'X-Served-By': name });
    // The client of a stream learns at once that it is open, before the first event.
    outgoing.flushHeaders();
    response.on('error', fail).pipe(outgoing);
  });
  outgoing.on('close', () => upstream.destroy());
  incoming.pipe(upstream);
}

/** Without the headers that concern one connection only (RFC 9110 §7.6.1). */
function endToEnd(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...rest } = headers;
  return rest;
}
