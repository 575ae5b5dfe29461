import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Position } from '../../src/delivery/position.ts';
import { decodePosition, encodePosition, isAhead, union } from '../../src/delivery/position.ts';
import { seal } from '../../src/delivery/stream-ids.ts';

const session = `mcp_${'a'.repeat(43)}`;
const other = `mcp_${'b'.repeat(43)}`;

/** Positions as a tail has them: at most 1,000 gaps below the id, alone and in runs. */
const positions: fc.Arbitrary<Position> = fc
  .tuple(
    fc.integer({ min: 0, max: 2 ** 31 }),
    fc.array(fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 12 })), { maxLength: 60 }),
  )
  .map(([id, runs]) => {
    const gaps = new Set(runs.flatMap(([below, length]) => Array.from({ length }, (_, index) => id - below - index)));
    return { id, gaps: [...gaps].filter(gap => gap > 0).sort((a, b) => a - b) };
  });

describe('a position on the wire', () => {
  it('is read as it was written, with the second it was written in', () => {
    fc.assert(
      fc.property(positions, position => {
        const before = Math.floor(Date.now() / 1000) * 1000;
        const { sentAt, ...read } = decodePosition(session, encodePosition(session, position)) ?? { sentAt: 0 };
        expect(read).toEqual(position);
        expect(sentAt).toBeGreaterThanOrEqual(before);
        expect(sentAt).toBeLessThanOrEqual(Date.now());
      }),
    );
  });

  it('is short where gaps are runs: a thousand of them are one', () => {
    const gaps = Array.from({ length: 1000 }, (_, index) => 5000 + index);
    const text = encodePosition(session, { id: 6005, gaps });
    expect(text.split('.')).toHaveLength(5);
    expect(decodePosition(session, text)?.gaps).toEqual(gaps);
  });

  it('names the 200 greatest runs where there are more', () => {
    const gaps = Array.from({ length: 300 }, (_, index) => 1000 + 2 * index);
    const read = decodePosition(session, encodePosition(session, { id: 2000, gaps }));
    expect(read?.gaps).toEqual(gaps.slice(-200));
  });

  it('names a gap right below its id, and two neighbours as one run', () => {
    const text = encodePosition(session, { id: 10, gaps: [3, 8, 9] });
    expect(text).toMatch(/^s\.a\.[\da-z]+\.1-2\.7\.[\w-]{16}$/u);
    expect(decodePosition(session, text)?.gaps).toEqual([3, 8, 9]);
  });

  it('is refused in another session', () => {
    expect(decodePosition(other, encodePosition(session, { id: 7, gaps: [] }))).toBeUndefined();
  });

  it('is refused with any character changed', () => {
    const text = encodePosition(session, { id: 70_000, gaps: [5, 69_000, 69_001] });
    for (let at = 0; at < text.length; at += 1) {
      const changed = `${text.slice(0, at)}${text[at] === '1' ? '2' : '1'}${text.slice(at + 1)}`;
      expect([at, decodePosition(session, changed)]).toEqual([at, undefined]);
    }
  });

  it.each([
    ['nothing', ''],
    ['a word', 'nonsense'],
    ['no time', 's.a'],
    ['capital letters', 's.A.1'],
    ['a negative distance', 's.a.1.-1'],
    ['another kind of id', 'c.a.1'],
    ['an id too long for a number', `s.${'z'.repeat(12)}.1`],
    ['a run too long', 's.a.1.1-zzzz'],
    ['too many runs', `s.zzz.1${'.1'.repeat(201)}`],
  ])('is refused where it is %s, though it is sealed', (_, text) => {
    expect(decodePosition(session, `${text}.${seal(session, text)}`)).toBeUndefined();
  });

  it('is refused with text around it', () => {
    const text = encodePosition(session, { id: 7, gaps: [] });
    for (const around of [` ${text}`, `${text} `, `${text}\n`, `${text}.1`]) expect(decodePosition(session, around)).toBeUndefined();
  });
});

describe('isAhead', () => {
  it('is true behind the id, and for gaps before it', () => {
    const position = { id: 10, gaps: [4, 7] };
    const ahead = Array.from({ length: 13 }, (_, id) => id).filter(id => isAhead(position, id));
    expect(ahead).toEqual([4, 7, 11, 12]);
  });
});

describe('union', () => {
  const small: fc.Arbitrary<Position> = fc
    .tuple(fc.integer({ min: 0, max: 20 }), fc.uniqueArray(fc.integer({ min: 1, max: 20 })))
    .map(([id, gaps]) => ({ id, gaps: gaps.filter(gap => gap < id).sort((a, b) => a - b) }));

  it('has ahead what both have ahead, and nothing else', () => {
    fc.assert(
      fc.property(small, small, (a, b) => {
        const both = union(a, b);
        for (let id = 1; id <= 22; id += 1) expect([id, isAhead(both, id)]).toEqual([id, isAhead(a, id) && isAhead(b, id)]);
        expect(both.gaps).toEqual(both.gaps.toSorted((x, y) => x - y));
      }),
      { numRuns: 500 },
    );
  });
});
