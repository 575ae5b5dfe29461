import { refuse } from '../messages.ts';
import type { ScalarType } from './scalars.ts';
import { isoOf } from './scalars.ts';

/** Narrows the scalar type of a column to a native type such as `@db.VarChar(4)`. `args` are the numbers in parentheses. */
type Narrowing = (type: ScalarType, args: readonly number[]) => ScalarType;

const comparisons: readonly string[] = ['lt', 'lte', 'gt', 'gte'];
const patterns: readonly string[] = ['contains', 'startsWith', 'endsWith'];

const narrowings: ReadonlyMap<string, Narrowing> = new Map<string, Narrowing>([
  ...['Uuid', 'UniqueIdentifier'].map(name => [name, uuid] as const),
  ['ObjectId', type => ({ ...type, parse: matching(type, /^[\da-f]{24}$/i, 'not 24 hexadecimal digits') })],
  ...['VarChar', 'Char', 'NVarChar', 'NChar'].map(name => [name, text] as const),
  ['Inet', type => ({ ...type, cased: true, input: { ...type.input, description: 'IP address' } })],
  ['Bit', bits(true)],
  ['VarBit', bits(false)],
  ['Xml', type => ({ ...type, operators: patterns, cased: true, comparable: false, sortable: false, aggregates: [] })],
  ['TinyInt', type => integer(type, -128, 127)],
  ['SmallInt', type => integer(type, -32_768, 32_767)],
  ['MediumInt', type => integer(type, -8_388_608, 8_388_607)],
  ['UnsignedTinyInt', type => integer(type, 0, 255)],
  ['UnsignedSmallInt', type => integer(type, 0, 65_535)],
  ['UnsignedMediumInt', type => integer(type, 0, 16_777_215)],
  ['UnsignedInt', type => integer(type, 0, 2_147_483_647)],
  ['Oid', type => ({ ...integer(type, 0, 2_147_483_647), aggregates: ['_min', '_max'] })],
  ['Real', type => ({ ...type, parse: within(type, 3.402_823_4e38) })],
  ['Money', type => ({ ...type, aggregates: ['_sum', '_min', '_max'], parse: within(type, 92_233_720_368_547_000) })],
  ['Decimal', decimal],
  ['Date', date],
  ['Time', time],
  ['Timetz', time],
]);

/**
 * The scalar type of a column, narrowed to the values that its native type takes.
 *
 * @param native As in the schema after `@db.`, e.g. `VarChar(4)`. An unknown type, or none, changes nothing.
 */
export function narrow(type: ScalarType, native: string | undefined): ScalarType {
  if (native === undefined) return type;
  const narrowed = narrowedTypes.get(type) ?? new Map<string, ScalarType>();
  narrowedTypes.set(type, narrowed);
  const found = narrowed.get(native) ?? narrowedBy(type, native);
  narrowed.set(native, found);
  return found;
}

/** Many columns share a native type. */
const narrowedTypes = new WeakMap<ScalarType, Map<string, ScalarType>>();

function narrowedBy(type: ScalarType, native: string): ScalarType {
  const [, name = '', args = ''] = /^(\w+)(?:\((.*)\))?$/.exec(native) ?? [];
  // `@db.Bit` of a Boolean column is a boolean.
  if (type.input.type === 'boolean') return type;
  const numbers = args === '' ? [] : args.split(',').map(Number);
  return narrowings.get(name)?.(type, numbers) ?? type;
}

function uuid(type: ScalarType): ScalarType {
  const parse = matching(type, /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i, 'not a UUID, such as 0189f7a4-7a52-7b3c-8a50-6d8ad9d9b0f1');
  return {
    ...type,
    input: { ...type.input, description: 'UUID' },
    operators: comparisons,
    aggregates: [],
    cased: true,
    parse,
    fromText: written => (written === written.toLowerCase() ? written : undefined),
  };
}

function text(type: ScalarType, [max]: readonly number[]): ScalarType {
  if (max === undefined || !(max > 0)) return type;
  return {
    ...type,
    input: { ...type.input, description: `at most ${max} characters` },
    fits: (value, path) => {
      if ([...String(value)].length > max) refuse(path, `longer than ${max} characters`);
    },
  };
}

/** @param exact Whether a value has exactly the number of bits of the type, rather than at most that number. */
function bits(exact: boolean): Narrowing {
  return (type, [length = exact ? 1 : Number.POSITIVE_INFINITY]) => {
    const size = exact ? `${length} bits` : `at most ${length} bits`;
    return {
      ...type,
      input: { ...type.input, description: Number.isFinite(length) ? `0s and 1s, ${size}` : '0s and 1s' },
      aggregates: [],
      cased: true,
      parse: matching(type, /^[01]+$/, 'not made of 0s and 1s'),
      fits: (value, path) => {
        const { length: given } = String(value);
        if (exact ? given !== length : given > length) refuse(path, `expected ${size}, got ${given}`);
      },
    };
  };
}

function integer(type: ScalarType, min: number, max: number): ScalarType {
  return {
    ...type,
    parse: (value, path) => {
      const parsed = type.parse(value, path);
      return Number(parsed) < min || Number(parsed) > max ? refuse(path, `out of range, ${min} to ${max}`) : parsed;
    },
  };
}

function within(type: ScalarType, max: number): ScalarType['parse'] {
  return (value, path) => {
    const parsed = type.parse(value, path);
    return Math.abs(Number(parsed)) <= max ? parsed : refuse(path, `out of range, ${-max} to ${max}`);
  };
}

/** Refuses too many digits before the point. The database rounds digits after it. */
function decimal(type: ScalarType, [precision, scale = 0]: readonly number[]): ScalarType {
  if (precision === undefined) return type;
  const digits = precision - scale;
  return {
    ...type,
    input: { ...type.input, description: `decimal number in a string, at most ${digits} digits before the point and ${scale} after it` },
    fits: (value, path) => {
      const [whole = '', fraction = ''] = String(value).replace('-', '').split('.');
      const rounded = BigInt(whole) + (Number(`0.${fraction || 0}`) >= 1 - 0.5 * 10 ** -scale ? 1n : 0n);
      if (rounded !== 0n && String(rounded).length > digits) refuse(path, `more than ${digits} digits before the point`);
    },
  };
}

/** A day: `2026-01-31`. Prisma has it as midnight UTC. A date-time at another time of day is refused, since the database would cut it. */
function date(type: ScalarType): ScalarType {
  return {
    ...type,
    input: { ...type.input, description: 'date, such as 2026-01-31' },
    parse: (value, path) => {
      if (typeof value !== 'string' || !/^[^T]{10}(T00:00(:00(\.0+)?)?Z)?$/.test(value))
        return refuse(path, 'not a date, such as 2026-01-31');
      return type.parse(value, path);
    },
    fromText: text => (/^[^T]+$/.test(text) ? text : undefined),
    toJson: value => isoOf(value).replace(/T.*/, ''),
  };
}

/** A time of day: `09:30:00`. Prisma has it as a time on 1 January 1970, UTC. */
function time(type: ScalarType): ScalarType {
  return {
    ...type,
    input: { ...type.input, description: 'time, such as 09:30:00' },
    parse: (value, path) => {
      const [, text] = (typeof value === 'string' ? /^(?:1970-01-01T)?(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)Z?$/.exec(value) : null) ?? [];
      const parsed = new Date(`1970-01-01T${text}Z`);
      return Number.isNaN(parsed.getTime()) ? refuse(path, 'not a time, such as 09:30:00') : parsed;
    },
    fromText: text => (/^\d{2}:\d{2}:\d{2}(\.\d{3}(?<!000))?$/.test(text) ? text : undefined),
    toJson: value => isoOf(value).replace(/^.*T|\.000Z$|Z$/g, ''),
  };
}

function matching(type: ScalarType, pattern: RegExp, fact: string): ScalarType['parse'] {
  return (value, path) => {
    const parsed = type.parse(value, path);
    return pattern.test(String(parsed)) ? parsed : refuse(path, fact);
  };
}
