import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertHeader, decodeHeader } from '../../src/protocol/envelope.ts';
import { encodeHeader } from '../support/modern.ts';

describe('decodeHeader', () => {
  it.each([
    ['plain', 'plain'],
    ['', ''],
    [' \t padded\t ', 'padded'],
    ['two words', 'two words'],
    ['=?base64?SsO2cmc=?=', 'Jörg'],
    ['  =?base64?SsO2cmc=?= ', 'Jörg'],
    ['=?base64??=', ''],
    ['=?base64?IHg=?=', ' x'],
    ['=?base64?77u/eA==?=', '\uFEFFx'],
    ['=?base64?Pz0=?=', '?='],
    ['=?base64?PT9iYXNlNjQ/eD89?=', '=?base64?x?='],
  ])('gives the text of %j', (value, text) => {
    expect(decodeHeader(value)).toBe(text);
  });

  it.each([
    '=?base64?SsO2cmc=',
    'SsO2cmc=?=',
    '=?BASE64?SsO2cmc=?=',
    '=?Base64?SsO2cmc=?=',
    '=?base64SsO2cmc=?=',
    '=?utf-8?B?SsO2?=',
    'base64?SsO2?=',
  ])('takes %j as it stands', value => {
    expect(decodeHeader(value)).toBe(value);
  });

  it.each([
    ['no padding', '=?base64?SGVsbG8?='],
    ['too much padding', '=?base64?SGVsbG8==?='],
    ['padding in the middle', '=?base64?SGVs=bG8?='],
    ['foreign characters', '=?base64?SGVs!!!bG8=?='],
    ['blanks', '=?base64?SGVs bG8=?='],
    ['the URL alphabet', '=?base64?_-8=?='],
    ['stray bits', '=?base64?SGVsbG9=?='],
    ['bytes that are no UTF-8', '=?base64?/w==?='],
    ['half a surrogate', '=?base64?7aCA?='],
    ['an overlong form', '=?base64?wIA=?='],
  ])('refuses %s', (_, value) => {
    expect(decodeHeader(value)).toBeUndefined();
  });

  it('gives back any text that was encoded for a header', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        expect(decodeHeader(encodeHeader(text))).toBe(text);
      }),
    );
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map(inner => `=?base64?${inner}?=`),
        ),
        value => {
          const text = decodeHeader(value);
          expect(text === undefined || typeof text === 'string').toBe(true);
        },
      ),
    );
  });
});

describe('assertHeader', () => {
  const name = '=?base64?QQ==?=';

  it.each([
    ['text that looks encoded, sent as it is: it says "A"', name, name],
    ['what it decodes to, if the body has the encoded text', 'A', name],
    ['another text', 'B', 'A'],
    ['nothing', undefined, 'A'],
  ])('refuses %s', (_, sent, expected) => {
    expect(() => assertHeader({ 'mcp-name': sent }, 'Mcp-Name', expected)).toThrow(expect.objectContaining({ code: -32020 }));
  });

  it.each([
    ['A', 'A'],
    [name, 'A'],
    [encodeHeader(name), name],
  ])('takes %j for %j', (sent, expected) => {
    expect(() => assertHeader({ 'mcp-name': sent }, 'Mcp-Name', expected)).not.toThrow();
  });
});
