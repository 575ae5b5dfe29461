import { expect, it } from 'vitest';
import type { StreamEvent } from '../../src/client/event-stream.ts';
import { readEvents } from '../../src/client/event-stream.ts';

const text = ': hello\r\nid: 7\r\nretry: 50\r\ndata: one\r\ndata: zwölf\r\n\r\nevent: endpoint\ndata:/m\n\ndata: three\r\rdata: cut off';

it('the events of a stream are the same wherever its chunks end', async () => {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at <= bytes.length; at += 1) {
    const chunks = [bytes.slice(0, at), bytes.slice(at)];
    const body = new ReadableStream<Uint8Array>({
      pull: controller => {
        const chunk = chunks.shift();
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
    });
    const events: StreamEvent[] = [];
    for await (const event of readEvents(body)) events.push(event);
    expect(events).toEqual([
      { event: 'message', data: 'one\nzwölf', id: '7', retryMs: 50 },
      { event: 'endpoint', data: '/m', id: '7', retryMs: 50 },
      { event: 'message', data: 'three', id: '7', retryMs: 50 },
    ]);
  }
});

it('a stream that breaks ends behind its last event', async () => {
  let isFirst = true;
  const body = new ReadableStream<Uint8Array>({
    pull: controller => {
      if (isFirst) controller.enqueue(new TextEncoder().encode('data: one\n\n'));
      else controller.error(new Error('broken'));
      isFirst = false;
    },
  });
  const events: string[] = [];
  for await (const { data } of readEvents(body)) events.push(data);
  expect(events).toEqual(['one']);
});
