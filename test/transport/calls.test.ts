import { describe, expect, it } from 'vitest';
import type { Call } from '../../src/protocol/call.ts';
import { Calls } from '../../src/transport/calls.ts';

describe('the calls of a process that has closed', () => {
  it('are over: one that begins late, behind a slow database, is refused with 503 and leaves no timer', async () => {
    const calls = new Calls({ maxCalls: 1, handlerMs: 1000, retain: () => () => {}, tail: { position: { id: 0, gaps: [] } } });
    await calls.drain(0);
    expect(() => calls.start({ sessionId: 's', id: 1 } as Call)).toThrow(expect.objectContaining({ code: -32603, status: 503 }));
    expect(calls.size).toBe(0);
  });
});
