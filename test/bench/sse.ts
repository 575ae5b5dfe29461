import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, get, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { createParser } from 'eventsource-parser';

/** A stream of server-sent events. Read and written with as little around it as there is, since what is measured ends here. */
export interface Sse extends AsyncDisposable {
  /** `data` of the next event. */
  next(): Promise<string>;
}

/** Opens a stream and reads it as it comes. */
export async function openSse(url: URL): Promise<Sse> {
  const asked = get(url, { headers: { accept: 'text/event-stream' } });
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) throw new Error(`${url.href} answered ${response.statusCode}: ${await text(response)}`);
  const arrived: string[] = [];
  const waiting: ((data: string) => void)[] = [];
  const parser = createParser({
    onEvent: ({ data }) => {
      const waiter = waiting.shift();
      if (waiter === undefined) arrived.push(data);
      else waiter(data);
    },
  });
  const closed = once(response, 'close');
  response.setEncoding('utf8').on('data', (chunk: string) => parser.feed(chunk));
  response.on('error', () => {});
  return {
    next: () => {
      const data = arrived.shift();
      return data === undefined ? new Promise(resolve => waiting.push(resolve)) : Promise.resolve(data);
    },
    [Symbol.asyncDispose]: async () => {
      response.destroy();
      await closed;
    },
  };
}

const agent = new Agent({ keepAlive: true });

/** Posts one JSON-RPC message of HTTP+SSE. @throws {Error} It is not accepted. */
export async function postMessage(url: URL, body: string): Promise<void> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const sent = request(url, { method: 'POST', headers, agent });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const answer = await text(response);
  if (response.statusCode !== 202) throw new Error(`${url.href} answered ${response.statusCode}: ${answer}`);
}
