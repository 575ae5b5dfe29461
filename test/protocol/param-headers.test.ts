import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { assertParamHeaders, paramHeaders } from '../../src/protocol/envelope.ts';
import type { JsonSchema } from '../../src/protocol/json-schema.ts';
import { start } from '../support/server.ts';

const object = (properties: Record<string, JsonSchema>): JsonSchema => ({ type: 'object', properties });
const marked = (header: unknown, type = 'string'): JsonSchema => ({ type, 'x-mcp-header': header });

describe('paramHeaders', () => {
  it('finds the annotations wherever properties lead', () => {
    const schema = object({
      a: marked('A'),
      deep: object({ b: marked('B', 'integer'), deeper: object({ c: marked('C', 'boolean') }) }),
      d: { type: 'string' },
    });
    expect(paramHeaders('t', schema)).toEqual([
      { header: 'Mcp-Param-A', path: ['a'], type: 'string' },
      { header: 'Mcp-Param-B', path: ['deep', 'b'], type: 'integer' },
      { header: 'Mcp-Param-C', path: ['deep', 'deeper', 'c'], type: 'boolean' },
    ]);
  });

  it.each(['Method', 'Name', "!#$%&'*+-.^_`|~09azAZ"])('allows the name %s', header => {
    expect(paramHeaders('t', object({ a: marked(header) }))[0]?.header).toBe(`Mcp-Param-${header}`);
  });

  it('does not take a property or a value of that name for an annotation', () => {
    const schema = object({
      'x-mcp-header': { type: 'string' },
      b: { type: 'string', default: { 'x-mcp-header': 'B' }, enum: [{ 'x-mcp-header': 'B' }] },
    });
    expect(paramHeaders('t', schema)).toEqual([]);
  });

  it.each(['', 'a b', 'a:b', 'a\r\nb', 'ä', 'a,b', '(a)', '"a"', 5, null, true, {}])('refuses the name %j', header => {
    expect(() => paramHeaders('t', object({ a: marked(header) }))).toThrow(/tool t: x-mcp-header .* is not an RFC 9110 token/);
  });

  it.each(['number', 'array', 'object', 'null', undefined])('refuses a property of type %s', type => {
    const property = { 'x-mcp-header': 'A', ...(type !== undefined && { type }) };
    expect(() => paramHeaders('t', object({ a: property }))).toThrow(TypeError);
  });

  it('refuses a name that stands twice, in whatever case', () => {
    expect(() => paramHeaders('t', object({ a: marked('Region'), b: object({ c: marked('REGION') }) }))).toThrow(
      'tool t: x-mcp-header Mcp-Param-REGION stands twice',
    );
  });

  it.each<[string, JsonSchema]>([
    ['items', object({ a: { type: 'array', items: marked('A') } })],
    ['items of objects', object({ a: { type: 'array', items: object({ b: marked('A') }) } })],
    ['anyOf', object({ a: { anyOf: [marked('A')] } })],
    ['oneOf', { type: 'object', oneOf: [object({ a: marked('A') })] }],
    ['allOf', { type: 'object', allOf: [object({ a: marked('A') })] }],
    ['not', { type: 'object', not: object({ a: marked('A') }) }],
    ['if', { type: 'object', if: object({ a: marked('A') }) }],
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    ['then', { type: 'object', then: object({ a: marked('A') }) }],
    ['$defs', { type: 'object', $defs: { a: marked('A') } }],
    ['additionalProperties', { type: 'object', additionalProperties: marked('A') }],
    ['patternProperties', { type: 'object', patternProperties: { '^a': marked('A') } }],
    ['the root', { type: 'object', 'x-mcp-header': 'A' }],
  ])('refuses one under %s', (_, schema) => {
    expect(() => paramHeaders('t', schema)).toThrow(/x-mcp-header/);
  });

  it('stops the start, naming the tool', async () => {
    const inputSchema = z.object({ price: z.number().meta({ 'x-mcp-header': 'Price' }) });
    await expect(start({ tools: { buy: { description: 'Buys', inputSchema, handler: () => '' } } })).rejects.toThrow(
      /tool buy: x-mcp-header/,
    );
  });
});

describe('assertParamHeaders', () => {
  const mirrored = paramHeaders('t', object({ a: marked('A'), n: marked('N', 'integer'), deep: object({ b: marked('B') }) }));

  it.each<[unknown, Record<string, string>]>([
    [{}, {}],
    [undefined, {}],
    [[], {}],
    [{ a: null, deep: null }, {}],
    [{ deep: 'x' }, {}],
    [{ a: 'x' }, { 'mcp-param-a': 'x' }],
    [{ n: 9007199254740991 }, { 'mcp-param-n': '9007199254740991' }],
    [{ n: -5 }, { 'mcp-param-n': '-5' }],
    [{ n: 1000 }, { 'mcp-param-n': '1e3' }],
    [{ n: 42 }, { 'mcp-param-n': '=?base64?NDI=?=' }],
    [{ deep: { b: '' } }, { 'mcp-param-b': '' }],
  ])('passes %j with %j', (args, headers) => {
    expect(() => assertParamHeaders(mirrored, args, headers)).not.toThrow();
  });

  it.each<[unknown, Record<string, string | string[]>]>([
    [{ a: 'x' }, {}],
    [{ a: '' }, {}],
    [{ a: 'x' }, { 'mcp-param-a': ['x', 'x'] }],
    [{ a: 'x' }, { 'mcp-param-a': 'x, x' }],
    [{ a: true }, { 'mcp-param-a': 'false' }],
    [{ n: 0 }, { 'mcp-param-n': '' }],
    [{ n: 0 }, { 'mcp-param-n': ' ' }],
    [{ n: 42 }, { 'mcp-param-n': '0x2a' }],
    [{ n: 42 }, { 'mcp-param-n': '42 ,42' }],
    [{ n: 42 }, { 'mcp-param-n': 'NaN' }],
    [{ n: '42' }, {}],
    [{ deep: { b: 'x' } }, { 'mcp-param-deep': 'x' }],
    [{}, { 'mcp-param-a': 'x' }],
    [undefined, { 'mcp-param-n': '1' }],
    [{ a: null, deep: null }, { 'mcp-param-b': '' }],
    [{}, { 'mcp-param-a': '=?base64?!!?=' }],
    [{}, { 'mcp-param-b': '\u00F6' }],
    [{ a: '\u00F6' }, { 'mcp-param-a': '\u00F6' }],
    [{ a: 'x' }, { 'mcp-param-a': 'x\x7F' }],
  ])('refuses %j with %j', (args, headers) => {
    expect(() => assertParamHeaders(mirrored, args, headers)).toThrow(/^Header mismatch: Mcp-Param-/);
  });
});
