import { once } from 'node:events';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A load balancer without affinity: every request goes to the next process.
 *
 * 502: the process is gone; with the header `x-not-sent`, it never had the request.
 */
export interface RoundRobin {
  readonly origin: string;
  /** Where requests go, by name. A request that names one in its header `x-to` goes there. */
  readonly targets: Map<string, Target>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A process, and where it listens. */
export interface Target {
  readonly name: string;
  readonly port: number;
}

/** With this header the process does not learn for a while that the client has gone, as when a cable is pulled. */
export function linger(forMs: number): Record<string, string> {
  return { 'x-linger': `${forMs}` };
}

export async function openRoundRobin(): Promise<RoundRobin> {
  const targets = new Map<string, Target>();
  let turn = 0;
  const server = createServer((incoming, outgoing) => {
    const names = [...targets.keys()];
    const name = incoming.headers['x-to'] ?? names[turn++ % names.length];
    const target = targets.get(String(name));
    if (target === undefined) outgoing.writeHead(502).end();
    else forward(incoming, outgoing, target);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    targets,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function forward(incoming: IncomingMessage, outgoing: ServerResponse, { name, port }: Target): void {
  const { method, url, headers } = incoming;
  const upstream = request({ host: '127.0.0.1', port, method, path: url, headers: passedOn(headers), agent: false });
  const fail = (error: NodeJS.ErrnoException) => {
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(502, { 'x-process': name, ...(error.code === 'ECONNREFUSED' && { 'x-not-sent': 'true' }) }).end();
  };
  let answer: IncomingMessage | undefined;
  upstream.on('error', fail);
  upstream.on('response', response => {
    answer = response;
    if (outgoing.destroyed) return void response.resume();
    outgoing.writeHead(response.statusCode ?? 502, passedOn(response.headers));
    outgoing.flushHeaders();
    response.on('error', fail);
    response.pipe(outgoing);
  });
  outgoing.on('error', () => {});
  outgoing.on('close', () => {
    if (answer?.readableEnded === false) answer.unpipe(outgoing).resume();
    setTimeout(() => upstream.destroy(), Number(headers['x-linger'] ?? 0)).unref();
  });
  incoming.on('error', () => {});
  incoming.pipe(upstream);
}

/** Without what concerns one connection only. */
function passedOn(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...rest } = headers;
  return rest;
}
