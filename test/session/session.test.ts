import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toStorable } from '../../src/session/session.ts';

describe('toStorable', () => {
  it('gives back the same object when nothing has to change', () => {
    const value = { name: 'ordinary \\u0000 text', quotes: '"\\"', emoji: '😀' };
    expect(toStorable(value, 'params.clientInfo')).toBe(value);
  });

  it('replaces only NUL and half surrogate pairs, in keys and values alike', () => {
    expect(toStorable({ '\0': ['\\\0', '\ud83d', '\ude00\ud83d', '😀'] }, 'x')).toEqual({
      '\ufffd': ['\\\ufffd', '\ufffd', '\ufffd\ufffd', '😀'],
    });
  });

  it('leaves any well-formed JSON as it is, and makes any other well-formed', () => {
    const text = fc.string({
      unit: fc.oneof(fc.constantFrom('\\', 'u', '0', '\0', '\ud800', '\udc00', '"', 'd8'), fc.string({ unit: 'binary' })),
    });
    fc.assert(
      fc.property(text, name => {
        const stored = toStorable({ name }, 'x').name;
        expect(stored).toBe(wellFormed(name));
      }),
    );
  });

  it('counts bytes, not characters', () => {
    expect(() => toStorable({ name: 'x'.repeat(65_000) }, 'x')).not.toThrow();
    expect(() => toStorable({ name: 'é'.repeat(65_000) }, 'params.clientInfo')).toThrow('params.clientInfo: larger than 65536 bytes');
  });
});

/** UTF-8 has no half pairs: the detour replaces them. */
function wellFormed(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text)).replaceAll('\0', '\ufffd');
}
