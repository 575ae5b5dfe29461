import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  callStreamOf,
  eventIdOf,
  inboundOf,
  isRequestIdOf,
  newRequestId,
  outboundOf,
  parseEventId,
  requestIdOf,
} from '../../src/delivery/streams.ts';

const requestIds = fc.oneof(fc.string({ maxLength: 60 }), fc.integer());

describe('an event id', () => {
  it('gives back stream and position to its own session, whatever the request id', () => {
    fc.assert(
      fc.property(requestIds, fc.nat(999_999_999), fc.boolean(), (requestId, seq, isLast) => {
        const stream = callStreamOf('mcp_own', requestId);
        expect(parseEventId('mcp_own', eventIdOf(stream, seq, isLast))).toEqual({ stream, seq, isLast });
        expect(parseEventId('mcp_other', eventIdOf(stream, seq, isLast))).toBeUndefined();
      }),
    );
  });

  it('is refused with any character changed', () => {
    const id = eventIdOf(callStreamOf('mcp_own', 7), 12);
    const head = id.slice(0, id.indexOf('_', 32));
    for (let at = 0; at < head.length; at += 1) {
      const forged = id.slice(0, at) + (id[at] === 'A' ? 'B' : 'A') + id.slice(at + 1);
      expect(parseEventId('mcp_own', forged), forged).toBeUndefined();
    }
  });

  it('does not show the id of its session', () => {
    expect(outboundOf('mcp_secret')).not.toContain('secret');
    expect(inboundOf('mcp_secret')).not.toContain('secret');
  });
});

describe('the stream of a call', () => {
  it('holds the id of its request, type and all, where that is short', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 20 }), fc.integer()), requestId => {
        expect(requestIdOf(callStreamOf('mcp_own', requestId))).toBe(requestId);
      }),
      { examples: [[7], ['7'], [''], ['ü']] },
    );
    expect(requestIdOf(callStreamOf('mcp_own', 'x'.repeat(200)))).toBeUndefined();
    expect(requestIdOf(callStreamOf('mcp_own', undefined))).toBeUndefined();
  });

  it('is a new one each time, while the standalone stream of a session is always the same', () => {
    expect(callStreamOf('mcp_own', 7)).not.toBe(callStreamOf('mcp_own', 7));
    expect(outboundOf('mcp_own')).toBe(outboundOf('mcp_own'));
    expect(parseEventId('mcp_own', eventIdOf(outboundOf('mcp_own'), 3))).toMatchObject({ stream: outboundOf('mcp_own'), seq: 3 });
  });

  it('fits a wake-up', () => {
    expect(callStreamOf('mcp_own', 'é'.repeat(30)).length).toBeLessThanOrEqual(200);
  });
});

describe('the id of a request to a client', () => {
  it('is known in every process to be one of its session, and of no other', () => {
    const id = newRequestId('mcp_own');
    expect(isRequestIdOf('mcp_own', id)).toBe(true);
    expect(isRequestIdOf('mcp_other', id)).toBe(false);
    expect(isRequestIdOf('mcp_own', 7)).toBe(false);
    expect(isRequestIdOf('mcp_own', undefined)).toBe(false);
    expect(isRequestIdOf('mcp_own', id.slice(1))).toBe(false);
  });
});
