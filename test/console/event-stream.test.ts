import { expect, it } from 'vitest';
import type { StreamEvent } from '../../src/console/client/event-stream.ts';
import { readEvents } from '../../src/console/client/event-stream.ts';

async function eventsOf(...chunks: string[]): Promise<StreamEvent[]> {
  const bytes = chunks.map(chunk => new TextEncoder().encode(chunk));
  const events: StreamEvent[] = [];
  for await (const event of readEvents(ReadableStream.from(bytes))) events.push(event);
  return events;
}

it('reads events however the network cuts them', async () => {
  const text = 'id: 1\nretry: 500\ndata:\n\n: comment\n\nevent: message\r\ndata: {"a":\r\ndata: "ü"}\r\n\r\nid: 2\rdata: x\r\r';
  const whole = await eventsOf(text);
  expect(whole.filter(({ data }) => data !== '').map(({ event, data, id }) => [event, data, id])).toEqual([
    ['message', '{"a":\n"ü"}', '1'],
    ['message', 'x', '2'],
  ]);
  expect(whole[0]).toEqual({ event: 'message', data: '', id: '1', retryMs: 500 });
  for (let at = 1; at < text.length; at += 1) {
    const cut = await eventsOf(text.slice(0, at), text.slice(at));
    expect(
      cut.filter(({ data }) => data !== ''),
      String(at),
    ).toEqual(whole.filter(({ data }) => data !== ''));
  }
});
