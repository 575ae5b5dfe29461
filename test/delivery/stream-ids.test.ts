import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  callEventId,
  callMailOf,
  isRequestIdOf,
  newCallStream,
  newNodeId,
  newRequestId,
  nodeMailOf,
  parseCallEventId,
  seal,
  sessionStreamOf,
} from '../../src/delivery/stream-ids.ts';

const session = `mcp_${'a'.repeat(43)}`;
const other = `mcp_${'b'.repeat(43)}`;

describe('the streams of a session', () => {
  it('have names of their own, which are the same in every process and do not show the session id', () => {
    const names = [sessionStreamOf(session), callMailOf(session), sessionStreamOf(other), callMailOf(other)];
    expect(new Set(names).size).toBe(4);
    expect(sessionStreamOf(session)).toBe(names[0]);
    for (const name of names) expect(name).not.toContain(session.slice(4));
  });

  it('fit a column of 191 characters, also the key of an event of a call with the longest request id', () => {
    const stream = newCallStream(session, newNodeId(), 'x'.repeat(65));
    for (const name of [sessionStreamOf(session), callMailOf(session), nodeMailOf(newNodeId()), callEventId(stream, 900_000_000, true)])
      expect(name.length).toBeLessThanOrEqual(191);
    expect(stream.split('.')[3]).toHaveLength(90);
  });
});

describe('an event id in the stream of a call', () => {
  const requestIds = fc.oneof(fc.integer(), fc.string({ maxLength: 20 }), fc.constant(undefined));

  it('is read as it was written', () => {
    fc.assert(
      fc.property(requestIds, fc.integer({ min: 0, max: 999_999_999 }), fc.boolean(), (requestId, seq, isLast) => {
        const node = newNodeId();
        const stream = newCallStream(session, node, requestId);
        expect(parseCallEventId(session, callEventId(stream, seq, isLast))).toEqual({ stream, node, requestId, seq, isLast });
      }),
    );
  });

  it('does not name a request whose id is too long', () => {
    const stream = newCallStream(session, newNodeId(), 'x'.repeat(66));
    expect(parseCallEventId(session, callEventId(stream, 1, false))).toMatchObject({ stream, requestId: undefined });
  });

  it('is of no two calls', () => {
    const node = newNodeId();
    expect(newCallStream(session, node, 1)).not.toBe(newCallStream(session, node, 1));
    expect(newNodeId()).not.toBe(node);
  });

  it('is refused in another session', () => {
    expect(parseCallEventId(other, callEventId(newCallStream(session, newNodeId(), 1), 1, false))).toBeUndefined();
  });

  it('is refused with any character of the stream changed', () => {
    const stream = newCallStream(session, newNodeId(), 'id');
    for (let at = 0; at < stream.length; at += 1) {
      const changed = `${stream.slice(0, at)}${stream[at] === '1' ? '2' : '1'}${stream.slice(at + 1)}`;
      expect([at, parseCallEventId(session, `${changed}.1`)]).toEqual([at, undefined]);
    }
  });

  it.each(['', '.', '.x', '.-1', '.1.2', '.1!!', '.1 ', '.1234567890'])('is refused with %j in place of its number', end => {
    expect(parseCallEventId(session, newCallStream(session, newNodeId(), 1) + end)).toBeUndefined();
  });
});

describe('the id of a request to a client', () => {
  it('is known in the session it was made for, and in no other', () => {
    const id = newRequestId(session);
    expect([isRequestIdOf(session, id), isRequestIdOf(other, id)]).toEqual([true, false]);
    expect(newRequestId(session)).not.toBe(id);
  });

  it.each([
    ['a number', 5],
    ['nothing', undefined],
    ['too short', 'abc'],
    ['longer, with a seal at the end', `x${'r'.repeat(16)}${seal(session, 'r'.repeat(16))}`],
    ['sealed for another text', `${'r'.repeat(16)}${seal(session, 'q'.repeat(16))}`],
  ])('is not %s', (_, id) => {
    expect(isRequestIdOf(session, id)).toBe(false);
  });
});
