import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { encodeWakeUps, receiver } from '../../src/bus/wake-up.ts';

describe('wake-ups as text', () => {
  const heard = (texts: readonly string[]) => {
    const topics: string[] = [];
    const receive = receiver('receiver', { wake: topic => topics.push(topic), wakeAll: () => expect.unreachable() });
    for (const text of texts) receive(text);
    return topics;
  };
  const topic = fc.string({ unit: 'binary', minLength: 1, maxLength: 200 });
  const unit = fc.integer({ min: 0, max: 0xffff }).map(code => String.fromCharCode(code));

  it('name every topic once, in order, whatever is in it, in ASCII and never longer than allowed', () => {
    const topics = fc.uniqueArray(
      fc.oneof(
        topic,
        fc.array(unit, { minLength: 1, maxLength: 200 }).map(units => units.join('')),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(topics, fc.integer({ min: 1_300, max: 8_000 }), (all, maxBytes) => {
        const texts = encodeWakeUps('sender', all, maxBytes);
        expect(heard(texts)).toEqual(all);
        for (const text of texts) {
          expect(text).toMatch(/^[ -~]+$/);
          expect(text.length).toBeLessThanOrEqual(maxBytes);
        }
      }),
    );
  });

  it('fill a text before the next begins', () => {
    const texts = encodeWakeUps(
      'sender',
      Array.from({ length: 1000 }, (_, i) => `topic ${i}`),
      1_300,
    );
    for (const text of texts.slice(0, -1)) expect(text.length).toBeGreaterThan(1_280);
  });

  it('are none where there is no topic', () => {
    expect(encodeWakeUps('sender', [], 7_000)).toEqual([]);
  });

  it('wake nobody in the process they come from, and everybody elsewhere if they say all', () => {
    const topics = { wake: vi.fn(), wakeAll: vi.fn() };
    for (const text of [...encodeWakeUps('a', 'all', 7_000), ...encodeWakeUps('a', ['x'], 7_000)]) {
      receiver('a', topics)(text);
      expect([topics.wake.mock.calls, topics.wakeAll.mock.calls]).toEqual([[], []]);
    }
    for (const text of encodeWakeUps('b', 'all', 7_000)) receiver('a', topics)(text);
    expect([topics.wake.mock.calls, topics.wakeAll.mock.calls]).toEqual([[], [[]]]);
  });
});
