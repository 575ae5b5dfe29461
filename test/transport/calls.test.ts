import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { Call } from '../../src/protocol/call.ts';
import { newestLegacy } from '../../src/protocol/revisions.ts';
import { Calls } from '../../src/transport/calls.ts';

const options = { maxCalls: 1, handlerMs: 1000, heartbeatMs: 1_000_000, retain: () => () => {}, tail: { position: { id: 0, gaps: [] } } };

describe('the calls of a process that has closed', () => {
  it('are over: one that begins late, behind a slow database, is refused with 503 and leaves no timer', async () => {
    const calls = new Calls(options);
    await calls.drain(0);
    expect(() => calls.start({ sessionId: 's', id: 1 } as Call)).toThrow(expect.objectContaining({ code: -32603, status: 503 }));
    expect(calls.size).toBe(0);
  });
});

describe('the time of a call', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is that of its handler: time for which it waits for its client does not count', async () => {
    let answer: ((result: unknown) => void) | undefined;
    const call = new Call({
      revision: newestLegacy,
      client: { info: undefined, capabilities: { elicitation: {} } },
      asker: {
        ask: () =>
          new Promise(resolve => {
            answer = resolve;
          }),
      },
      createContext: () => ({}) as never,
    } as unknown as ConstructorParameters<typeof Call>[0]);
    const finish = new Calls(options).start(call);
    await vi.advanceTimersByTimeAsync(400);
    const asked = call.elicit({ message: 'Sure?', requestedSchema: z.object({}) });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(call.aborted).toBe(false);
    answer?.({ action: 'decline' });
    expect(await asked).toEqual({ action: 'decline' });
    await vi.advanceTimersByTimeAsync(500);
    expect(call.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(2000);
    expect(call.signal.reason).toMatchObject({ status: 408 });
    finish();
  });
});
