import { describe, expect, it, vi } from 'vitest';
import { Call, Cancelled } from '../../src/protocol/call.ts';
import { newestLegacy } from '../../src/protocol/revisions.ts';

function open(progressToken: unknown = 1): { call: Call; sent: string[]; disconnected: number[] } {
  const sent: string[] = [];
  const disconnected: number[] = [];
  const call = new Call({
    revision: newestLegacy,
    meta: { progressToken },
    logLevel: 'debug',
    client: { info: undefined, capabilities: {} },
    sink: { send: (message: string) => sent.push(message) > 0, disconnect: (retryMs: number) => disconnected.push(retryMs) },
    createContext: () => ({}) as never,
  } as unknown as ConstructorParameters<typeof Call>[0]);
  return { call, sent, disconnected };
}

describe('a call', () => {
  it('that has its response sends nothing more, and leaves its stream alone', () => {
    const { call, sent, disconnected } = open();
    call.progress(1);
    call.log('info', 'early');
    call.closeStream({ retryMs: 5 });
    expect([sent.length, disconnected]).toEqual([2, [5]]);
    call.finish();
    call.progress(2);
    call.log('emergency', 'late');
    call.notify('notifications/message', {});
    call.closeStream();
    expect([sent.length, disconnected]).toEqual([2, [5]]);
  });

  it.each([1.5, 2 ** 53, Number.POSITIVE_INFINITY, null, {}])(
    'with the token %j, which would not come back as it is, has no progress',
    token => {
      const { call, sent } = open(token);
      call.progress(1);
      expect(sent).toEqual([]);
    },
  );

  it.each([Number.POSITIVE_INFINITY, Number.NaN])('drops the progress %j, which is no JSON, and goes on after it', odd => {
    const { call, sent } = open();
    call.progress(odd);
    call.progress(1, odd);
    call.progress(2, 4);
    expect(sent.map(text => JSON.parse(text).params)).toEqual([
      { progressToken: 1, progress: 1 },
      { progressToken: 1, progress: 2, total: 4 },
    ]);
  });

  it('that was given up before its handler began does not wait for it', async () => {
    const { call } = open();
    const reason = new Cancelled('changed my mind');
    call.abort(reason);
    await expect(call.race(new Promise(() => {}))).rejects.toBe(reason);
  });

  it('that is suspended ends when its handler does, with the reason and not with what the handler gives', async () => {
    for (const end of [
      (resolve: (value: string) => void) => resolve('result'),
      (_: unknown, reject: (error: Error) => void) => reject(new Error('x')),
    ]) {
      const { call } = open();
      const reason = new Cancelled('asks its client');
      const handler = new Promise<string>((resolve, reject) => {
        call.signal.addEventListener('abort', () => setImmediate(() => end(resolve, reject)));
      });
      const raced = call.race(handler);
      call.suspend(reason);
      await expect(raced).rejects.toBe(reason);
    }
  });

  it('that is suspended does not wait for a handler that does not end', async () => {
    vi.useFakeTimers();
    try {
      const { call } = open();
      const reason = new Cancelled('asks its client');
      const raced = expect(call.race(new Promise(() => {}))).rejects.toBe(reason);
      call.suspend(reason);
      await vi.advanceTimersByTimeAsync(5000);
      await raced;
    } finally {
      vi.useRealTimers();
    }
  });
});
