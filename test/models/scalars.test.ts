import { Decimal } from '@prisma/client/runtime/client';
import { describe, expect, it } from 'vitest';
import type { ScalarType } from '../../src/models/datamodel/scalars.ts';
import { enumType, scalarType } from '../../src/models/datamodel/scalars.ts';

const type = (name: string): ScalarType => {
  const found = scalarType(name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
};

describe('values on their way in', () => {
  it.each<[name: string, json: unknown, value: unknown]>([
    ['String', 'Ada', 'Ada'],
    ['String', '', ''],
    ['Int', -2147483648, -2147483648],
    ['Float', 1.5, 1.5],
    ['BigInt', '9007199254740993', 9007199254740993n],
    ['BigInt', '-1', -1n],
    ['BigInt', 7, 7n],
    ['Decimal', '12.50', '12.50'],
    ['Decimal', 12.5, '12.5'],
    ['Boolean', false, false],
    ['DateTime', '2026-01-31T09:00:00Z', new Date('2026-01-31T09:00:00Z')],
    ['DateTime', '2026-01-31T09:00:00.123456+02:00', new Date('2026-01-31T07:00:00.123Z')],
    ['DateTime', '2026-11-21', new Date('2026-11-21T00:00:00Z')],
    ['DateTime', '2024-02-29T00:00Z', new Date('2024-02-29T00:00:00Z')],
    ['Bytes', 'AP8K', new Uint8Array([0, 255, 10])],
    ['Bytes', '', new Uint8Array()],
    ['Json', { a: [1, null, 'x'] }, { a: [1, null, 'x'] }],
    ['Json', 0, 0],
  ])('%s takes %o', (name, json, value) => {
    expect(type(name).parse(json, 'data.x')).toEqual(value);
  });

  it.each<[name: string, json: unknown, message: string]>([
    ['String', 1, 'data.x: expected a string, got a number'],
    ['String', null, 'data.x: expected a string, got null'],
    ['String', ['a'], 'data.x: expected a string, got an array'],
    ['String', { set: 'a' }, 'data.x: expected a string, got an object'],
    ['String', 'a\0b', 'data.x: contains U+0000'],
    ['Int', '1', 'data.x: expected an integer, got a string'],
    ['Int', 1.5, 'data.x: expected an integer, got a number'],
    ['Int', 2147483648, 'data.x: out of range, -2147483648 to 2147483647'],
    ['Int', { increment: 1 }, 'data.x: expected an integer, got an object'],
    ['Float', '1.5', 'data.x: expected a number, got a string'],
    ['BigInt', 9007199254740992, 'data.x: not an integer in a string, such as "42"'],
    ['BigInt', '1.5', 'data.x: not an integer in a string, such as "42"'],
    ['BigInt', '9223372036854775808', 'data.x: out of range, -9223372036854775808 to 9223372036854775807'],
    ['Decimal', '1e5', 'data.x: not a decimal number in a string, such as "12.50"'],
    ['Decimal', 'NaN', 'data.x: not a decimal number in a string, such as "12.50"'],
    ['Decimal', '', 'data.x: not a decimal number in a string, such as "12.50"'],
    ['Boolean', 'true', 'data.x: expected true or false, got a string'],
    ['DateTime', '2026-01-31T', 'data.x: not an ISO 8601 date-time with its zone, such as 2026-01-31T09:00:00Z, nor a date'],
    ['DateTime', '2026-02-30', 'data.x: not an ISO 8601 date-time'],
    ['DateTime', '2026-1-3', 'data.x: not an ISO 8601 date-time'],
    ['DateTime', '2026-01-31T09:00:00', 'data.x: not an ISO 8601 date-time'],
    ['DateTime', '2026-02-30T09:00:00Z', 'data.x: not an ISO 8601 date-time'],
    ['DateTime', '2026-13-01T09:00:00Z', 'data.x: not an ISO 8601 date-time'],
    ['DateTime', '2026-01-01T25:00:00Z', 'data.x: not an ISO 8601 date-time'],
    ['DateTime', '0000-01-01T00:00:00Z', 'data.x: not an ISO 8601 date-time'],
    ['DateTime', 1767225600000, 'data.x: not an ISO 8601 date-time'],
    ['Bytes', 'AP8', 'data.x: not base64'],
    ['Bytes', 'A!8K', 'data.x: not base64'],
    ['Json', { 'a\0': 1 }, 'data.x: contains U+0000'],
    ['Json', [['\0']], 'data.x: contains U+0000'],
  ])('%s refuses %o', (name, json, message) => {
    expect(() => type(name).parse(json, 'data.x')).toThrow(message);
  });

  it('refuses Json so deep that walking it could exhaust the stack', () => {
    let deep: unknown = 1;
    for (let depth = 0; depth < 10_000; depth++) deep = [deep];
    expect(() => type('Json').parse(deep, 'data.x')).toThrow('data.x: nested deeper than 64 levels');
  });

  it('takes the values of an enum and no other', () => {
    const status = enumType(['PENDING', 'CONFIRMED']);
    expect(status.parse('PENDING', 'where.status')).toBe('PENDING');
    expect(() => status.parse('pending', 'where.status')).toThrow('where.status: not one of PENDING, CONFIRMED');
    expect(() => status.parse('toString', 'where.status')).toThrow('where.status: not one of');
  });
});

describe('values on their way out', () => {
  it.each<[name: string, value: unknown, json: unknown]>([
    ['BigInt', 9007199254740993n, '9007199254740993'],
    ['Decimal', new Decimal('12.50'), '12.5'],
    ['Decimal', new Decimal('1e30'), '1000000000000000000000000000000'],
    ['Decimal', new Decimal('0.0000000001'), '0.0000000001'],
    ['DateTime', new Date('2026-01-31T09:00:00Z'), '2026-01-31T09:00:00.000Z'],
    ['DateTime', new Date(Number.NaN), 'Invalid Date'],
    ['Float', 1.5, 1.5],
    ['Float', Number.NaN, 'NaN'],
    ['Float', Number.NEGATIVE_INFINITY, '-Infinity'],
    ['Bytes', new Uint8Array([0, 255, 10]), 'AP8K'],
  ])('%s of %o', (name, value, json) => {
    expect(type(name).toJson?.(value)).toBe(json);
  });

  it.each(['String', 'Int', 'Boolean', 'Json'])('leaves %s as it is', name => {
    expect(type(name).toJson).toBeUndefined();
  });

  it.each<[name: string, value: unknown]>([
    ['BigInt', -9223372036854775808n],
    ['DateTime', new Date('1999-12-31T23:59:59.999Z')],
    ['Bytes', new Uint8Array([1, 2, 3, 4])],
  ])('gives back what came in: %s', (name, value) => {
    expect(type(name).parse(type(name).toJson?.(value), 'x')).toEqual(value);
  });
});
