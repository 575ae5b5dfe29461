import { createParser } from 'eventsource-parser';

/** A stream of server-sent events. */
export interface Sse extends AsyncDisposable {
  /** `data` of the next event. */
  next(): Promise<string>;
}

/** Opens a stream and reads it as it comes. */
export async function openSse(url: URL): Promise<Sse> {
  const abort = new AbortController();
  const response = await fetch(url, { headers: { accept: 'text/event-stream' }, signal: abort.signal });
  if (!response.ok || response.body === null) throw new Error(`${url.href} answered ${response.status}: ${await response.text()}`);
  const arrived: string[] = [];
  const waiting: ((data: string) => void)[] = [];
  const parser = createParser({
    onEvent: ({ data }) => {
      const waiter = waiting.shift();
      if (waiter === undefined) arrived.push(data);
      else waiter(data);
    },
  });
  const read = async (body: AsyncIterable<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const chunk of body) parser.feed(decoder.decode(chunk, { stream: true }));
  };
  const done = read(response.body as unknown as AsyncIterable<Uint8Array>).catch(() => {});
  return {
    next: () => {
      const data = arrived.shift();
      return data === undefined ? new Promise(resolve => waiting.push(resolve)) : Promise.resolve(data);
    },
    [Symbol.asyncDispose]: () => {
      abort.abort();
      return done;
    },
  };
}
