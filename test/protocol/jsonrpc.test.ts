import { describe, expect, it } from 'vitest';
import { assertSafe, parseMessage, resultText } from '../../src/protocol/jsonrpc.ts';

describe('parseMessage', () => {
  it.each([
    ['request', { jsonrpc: '2.0', id: 0, method: 'ping' }],
    ['request', { jsonrpc: '2.0', id: '', method: 'ping', params: {} }],
    ['request', { jsonrpc: '2.0', id: 1.7e12, method: 'ping' }],
    ['notification', { jsonrpc: '2.0', method: 'notifications/initialized' }],
    ['response', { jsonrpc: '2.0', id: 1, result: {} }],
    ['response', { jsonrpc: '2.0', id: 'a', error: { code: 1, message: 'no' } }],
    ['response', { jsonrpc: '2.0', error: { code: 1, message: 'no' } }],
  ])('knows a %s', (kind, message) => {
    expect(parseMessage(message)).toEqual({ kind, message });
  });

  it.each([
    ['a string', 'ping', 'is an object'],
    ['null', null, 'is an object'],
    ['an array', [], 'is an object'],
    ['no version', { id: 1, method: 'ping' }, '`jsonrpc`'],
    ['another version', { jsonrpc: '1.0', id: 1, method: 'ping' }, '`jsonrpc`'],
    ['a null id', { jsonrpc: '2.0', id: null, method: 'ping' }, '`id`'],
    ['a fractional id', { jsonrpc: '2.0', id: 1.5, method: 'ping' }, '`id`'],
    ['an id that would come back rounded', { jsonrpc: '2.0', id: 2 ** 53, method: 'ping' }, '`id`'],
    ['an id out of range', { jsonrpc: '2.0', id: Number.NEGATIVE_INFINITY, method: 'ping' }, '`id`'],
    ['an object id', { jsonrpc: '2.0', id: {}, method: 'ping' }, '`id`'],
    ['a boolean id', { jsonrpc: '2.0', id: true, method: 'ping' }, '`id`'],
    ['a numeric method', { jsonrpc: '2.0', id: 1, method: 7 }, '`method`'],
    ['array params', { jsonrpc: '2.0', id: 1, method: 'ping', params: [] }, '`params`'],
    ['neither method nor result', { jsonrpc: '2.0', id: 1 }, '`method`'],
    ['both result and error', { jsonrpc: '2.0', id: 1, result: {}, error: { code: 1, message: '' } }, '`result`'],
    ['an array as result', { jsonrpc: '2.0', id: 1, result: [] }, '`result`'],
    ['a result without id', { jsonrpc: '2.0', result: {} }, '`id`'],
  ])('refuses %s, naming the member', (_, value, member) => {
    expect(() => parseMessage(value)).toThrow(expect.objectContaining({ code: -32600, message: expect.stringContaining(member) }));
  });
});

describe('resultText', () => {
  it.each([[0], ['0'], [''], ['"quoted"']])('echoes the id %j with its type', id => {
    expect(JSON.parse(resultText(id, '{"a":1}'))).toEqual({ jsonrpc: '2.0', id, result: { a: 1 } });
  });
});

describe('assertSafe', () => {
  it('lets the ceiling pass and not one level more', () => {
    expect(() => assertSafe({ a: [1] }, 2)).not.toThrow();
    expect(() => assertSafe({ a: [{}] }, 2)).toThrow('nested too deeply');
  });

  it('refuses a member `__proto__` in an array', () => {
    expect(() => assertSafe(JSON.parse('[1,[{"__proto__":1}]]'), 64)).toThrow('`__proto__`');
  });

  it('does not list the indices of an array, which would take half a second for two million numbers', () => {
    const ownKeys = () => expect.fail('the indices were listed');
    expect(() => assertSafe({ numbers: new Proxy([1, [2], 3], { ownKeys }) }, 64)).not.toThrow();
  });
});
