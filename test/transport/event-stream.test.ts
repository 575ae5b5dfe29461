import { once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { EventStream, Streams } from '../../src/transport/event-stream.ts';

describe('an event stream', () => {
  it('hands over as one piece what its reader had no time for, in order', async () => {
    const stream = new EventStream(1000);
    stream.prime('a_0');
    stream.send('1');
    stream.send('2');
    const chunks: string[] = [];
    stream.on('data', chunk => chunks.push(String(chunk)));
    await once(stream, 'data');
    expect(chunks).toEqual(['id: a_0\ndata: \n\nevent: message\ndata: 1\n\nevent: message\ndata: 2\n\n']);
  });

  it('keeps nothing from a reader who waits', async () => {
    const stream = new EventStream(1000);
    const chunks: string[] = [];
    stream.on('data', chunk => chunks.push(String(chunk)));
    await new Promise(setImmediate);
    for (const message of ['1', '2', '3']) {
      stream.send(message);
      await new Promise(setImmediate);
      expect(chunks.at(-1)).toBe(`event: message\ndata: ${message}\n\n`);
    }
  });

  it('gives all that was sent before its end, and takes nothing after it', async () => {
    const stream = new EventStream(1000);
    stream.send('1');
    stream.end();
    expect(stream.send('2')).toBe(false);
    const chunks = await stream.setEncoding('utf8').toArray();
    expect(chunks.join('')).toBe('event: message\ndata: 1\n\n');
  });

  it('is destroyed when more bytes wait than may, whoever holds them', async () => {
    const stream = new EventStream(1000);
    stream.send('ü'.repeat(450));
    expect(stream.isOpen).toBe(true);
    // Fits by its UTF-16 units, not by its bytes.
    stream.send('ü'.repeat(40));
    expect(stream.isOpen).toBe(false);
    const paused = new EventStream(1000);
    paused.on('data', () => paused.pause());
    paused.send('1');
    await once(paused, 'data');
    while (paused.isOpen && paused.send('x'.repeat(100))) expect(paused.readableLength).toBeLessThan(1200);
    expect(paused.isOpen).toBe(false);
  });

  it('counts the bytes that were handed over and not read yet together with those that wait', async () => {
    const stream = new EventStream(1000);
    stream.on('readable', () => {});
    await new Promise(setImmediate);
    stream.send('x'.repeat(600));
    expect([stream.readableLength > 600, stream.isOpen]).toEqual([true, true]);
    stream.send('x'.repeat(600));
    expect(stream.isOpen).toBe(false);
  });
});

describe('the streams of a process', () => {
  const limits = { maxStreamBufferBytes: 1000, heartbeatMs: 1000, maxStreams: 2 };

  it('are as many for one session as may be: one more ends its oldest, and no other', () => {
    const streams = new Streams(limits);
    const other = streams.openGet('other');
    const [one, two] = [streams.openGet('session'), streams.openGet('session')];
    expect([one.isOpen, two.isOpen]).toEqual([true, true]);
    const three = streams.openGet('session');
    expect([one.isOpen, two.isOpen, three.isOpen, other.isOpen]).toEqual([false, true, true, true]);
    // Nobody reads the first one to its end.
    const four = streams.openGet('session');
    expect([two.isOpen, three.isOpen, four.isOpen, other.isOpen]).toEqual([false, true, true, true]);
  });

  it('end at once where they are opened after the others were cut', async () => {
    const streams = new Streams(limits);
    const early = streams.open();
    streams.cut();
    const late = streams.open();
    expect([early.destroyed, late.isOpen, await late.toArray()]).toEqual([true, false, []]);
  });

  it('need one timer, as long as one is open', async () => {
    vi.useFakeTimers();
    try {
      const streams = new Streams(limits);
      const open = [streams.open(), streams.openGet('session')];
      expect(vi.getTimerCount()).toBe(1);
      for (const stream of open) stream.destroy();
      await vi.advanceTimersByTimeAsync(0);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
