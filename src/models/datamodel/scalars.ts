import type { JsonSchema } from '../../protocol/json-schema.ts';
import { nameOf, refuse } from '../messages.ts';
import { didYouMean } from '../near-names.ts';

/** An aggregate of the values of a column, as Prisma names it. */
export type AggregateName = '_sum' | '_avg' | '_min' | '_max';

/** How one Prisma scalar type is read from JSON, written to JSON and filtered. */
export interface ScalarType {
  readonly input: JsonSchema;
  readonly output: JsonSchema;
  /** Filter operators besides `equals`, `not`, `in` and `notIn`. */
  readonly operators: readonly string[];
  /** Whether `in` and `notIn` are offered. */
  readonly listable: boolean;
  /** Whether text always compares by case, so that `mode` is refused. @default false */
  readonly cased?: boolean;
  /** Whether values can be compared. If not, `equals` and `not` take only null. @default true */
  readonly comparable?: boolean;
  /** Whether rows can be ordered by it. @default true */
  readonly sortable?: boolean;
  /** The aggregates that every database has for it, besides the count. */
  readonly aggregates: readonly AggregateName[];
  /** Converts JSON to Prisma's value, or refuses with the path. */
  readonly parse: (value: unknown, path: string) => unknown;
  /** Refuses a parsed value that a filter may name but the column cannot hold. */
  readonly fits?: (value: unknown, path: string) => void;
  /** Converts a URI variable to the JSON that `parse` takes; absent where that is the text itself. A row has one URI: `1`, not `001`. */
  readonly fromText?: (text: string) => unknown;
  /** Converts Prisma's value to JSON; absent where the value is JSON already. */
  readonly toJson?: (value: unknown) => unknown;
}

const maxJsonDepth = 64;
const comparisons = ['lt', 'lte', 'gt', 'gte'] as const;
const extremes = ['_min', '_max'] as const;
const allAggregates = ['_sum', '_avg', '_min', '_max'] as const;
/** Databases read a float from 16 digits. A number closer to the largest double would be rounded up to infinity. */
const maxFloat = 1.797693134862315e308;
const int32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };
const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

const string: ScalarType = {
  input: { type: 'string' },
  output: { type: 'string' },
  operators: [...comparisons, 'contains', 'startsWith', 'endsWith'],
  aggregates: extremes,
  listable: true,
  parse: parseText,
};

const int: ScalarType = {
  input: { type: 'integer' },
  output: { type: 'integer' },
  operators: comparisons,
  aggregates: allAggregates,
  listable: true,
  parse: (value, path) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) return refuse(path, `expected an integer, got ${nameOf(value)}`);
    if (value < int32.min || value > int32.max) return refuse(path, `out of range, ${int32.min} to ${int32.max}`);
    return value;
  },
  fromText: numberFromText,
};

const float: ScalarType = {
  input: { type: 'number' },
  // JSON has no numbers for them and would write null, as if the column were NULL.
  output: { type: ['number', 'string'], description: 'a string only if it is NaN, Infinity or -Infinity' },
  operators: comparisons,
  aggregates: allAggregates,
  listable: true,
  parse: (value, path) => {
    if (typeof value !== 'number') return refuse(path, `expected a number, got ${nameOf(value)}`);
    return Math.abs(value) <= maxFloat ? value : refuse(path, `out of range, ${-maxFloat} to ${maxFloat}`);
  },
  fromText: numberFromText,
  toJson: value => (Number.isFinite(value) ? value : String(value)),
};

const bigInt: ScalarType = {
  input: { type: 'string', description: 'integer in a string' },
  output: { type: 'string' },
  operators: comparisons,
  aggregates: allAggregates,
  listable: true,
  parse: (value, path) => {
    const text = Number.isSafeInteger(value) ? String(value) : value;
    if (typeof text !== 'string' || !/^-?\d{1,19}$/.test(text)) return refuse(path, 'not an integer in a string, such as "42"');
    const big = BigInt(text);
    if (big < int64.min || big > int64.max) return refuse(path, `out of range, ${int64.min} to ${int64.max}`);
    return big;
  },
  fromText: text => (/^(0|-?[1-9]\d*)$/.test(text) ? text : undefined),
  toJson: String,
};

const decimal: ScalarType = {
  input: { type: 'string', description: 'decimal number in a string' },
  output: { type: 'string' },
  operators: comparisons,
  aggregates: allAggregates,
  listable: true,
  parse: (value, path) => {
    const text = typeof value === 'number' ? String(value) : value;
    if (typeof text !== 'string' || !/^-?\d{1,100}(\.\d{1,100})?$/.test(text)) {
      return refuse(path, 'not a decimal number in a string, such as "12.50"');
    }
    return text;
  },
  fromText: text => (/^-?(0|[1-9]\d*)(\.\d*[1-9])?$/.test(text) && text !== '-0' ? text : undefined),
  toJson: decimalText,
};

const boolean: ScalarType = {
  input: { type: 'boolean' },
  output: { type: 'boolean' },
  operators: [],
  aggregates: [],
  listable: false,
  parse: (value, path) => (typeof value === 'boolean' ? value : refuse(path, `expected true or false, got ${nameOf(value)}`)),
  fromText: text => (text === 'true' ? true : text === 'false' ? false : text),
};

const dateTime: ScalarType = {
  input: { type: 'string', description: 'ISO 8601 date-time or date' },
  output: { type: 'string' },
  operators: comparisons,
  aggregates: extremes,
  listable: true,
  parse: parseDateTime,
  fromText: text => (isoDateTime.test(text) && isoOf(new Date(text)) === text ? text : undefined),
  toJson: isoOf,
};

const bytes: ScalarType = {
  input: { type: 'string', description: 'base64' },
  output: { type: 'string' },
  operators: [],
  aggregates: [],
  listable: true,
  parse: (value, path) => {
    if (typeof value !== 'string' || value.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return refuse(path, 'not base64');
    return new Uint8Array(Buffer.from(value, 'base64'));
  },
  fromText: text => (Buffer.from(text, 'base64').toString('base64') === text ? text : undefined),
  toJson: value => Buffer.from(value as Uint8Array).toString('base64'),
  sortable: false,
};

const json: ScalarType = {
  input: { description: 'any JSON' },
  output: {},
  sortable: false,
  operators: [],
  aggregates: [],
  listable: false,
  parse: (value, path) => {
    assertStorable(value, path, 0);
    return value;
  },
};

const scalarTypes: ReadonlyMap<string, ScalarType> = new Map(
  Object.entries({
    String: string,
    Int: int,
    Float: float,
    BigInt: bigInt,
    Decimal: decimal,
    Boolean: boolean,
    DateTime: dateTime,
    Bytes: bytes,
    Json: json,
  }),
);

/** The entry for a Prisma scalar type. `undefined` for a type that this package does not know. */
export function scalarType(type: string): ScalarType | undefined {
  return scalarTypes.get(type);
}

/** The entry for an enum of these values. */
export function enumType(values: readonly string[]): ScalarType {
  const allowed: ReadonlySet<unknown> = new Set(values);
  return {
    input: { type: 'string', enum: [...values] },
    output: { type: 'string', enum: [...values] },
    operators: [],
    aggregates: extremes,
    listable: true,
    parse: (value, path) => {
      if (allowed.has(value)) return value;
      return refuse(path, `not one of ${values.join(', ')}${typeof value === 'string' ? didYouMean(value, values) : ''}`);
    },
  };
}

/** Text that every database can store, or a refusal. */
export function parseText(value: unknown, path: string): string {
  if (typeof value !== 'string') return refuse(path, `expected a string, got ${nameOf(value)}`);
  // PostgreSQL cannot store U+0000 in text. Half of a surrogate pair cannot be encoded in UTF-8.
  if (value.includes('\0')) return refuse(path, 'contains U+0000');
  return /\p{Surrogate}/u.test(value) ? refuse(path, 'contains half of a surrogate pair') : value;
}

const isoDate = /^(\d{4})-(\d{2})-(\d{2})$/;
const isoDateTime = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/** `Date` reads a date without a time as midnight UTC. */
function parseDateTime(value: unknown, path: string): Date {
  const match = typeof value === 'string' ? (isoDateTime.exec(value) ?? isoDate.exec(value)) : null;
  const date = match === null ? undefined : new Date(match[0]);
  if (match === null || date === undefined || !isCalendarDay(match) || !isStorableYear(date.getUTCFullYear())) {
    return refuse(path, `not an ISO 8601 date-time with its zone, such as 2026-01-31T09:00:00Z, nor a date${dateHint(value, match)}`);
  }
  return date;
}

const withoutZone = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?$/;

/** The mistake in a text that is nearly a date-time, or in a number. */
function dateHint(value: unknown, match: RegExpExecArray | null): string {
  if (typeof value === 'number') return '; a number of seconds or milliseconds is not taken';
  if (match !== null) {
    const [, year, month, day] = match;
    if (!isCalendarDay(match)) return `; there is no day ${year}-${month}-${day}`;
    return Number.isNaN(new Date(match[0]).getTime()) ? '; there is no such time of day or zone' : '; the year is out of range, 1 to 9999';
  }
  return typeof value === 'string' && withoutZone.test(value) ? '; the zone is missing: add Z for UTC, or an offset such as +02:00' : '';
}

/** `Date` reads 30 February as 2 March. */
function isCalendarDay([, year, month, day]: RegExpExecArray): boolean {
  const last = new Date(Date.UTC(Number(year), Number(month), 0));
  return Number(year) >= 1 && Number(month) >= 1 && Number(month) <= 12 && Number(day) >= 1 && Number(day) <= last.getUTCDate();
}

/** Databases disagree on years before 1 and after 9999. An offset may move a date there. `NaN` is refused too. */
function isStorableYear(year: number): boolean {
  return year >= 1 && year <= 9999;
}

/** The digits of a `Decimal`, without an exponent. */
export function decimalText(value: unknown): string {
  const decimal = value as { toFixed?: () => string };
  return typeof decimal.toFixed === 'function' ? decimal.toFixed() : String(value);
}

/** A value of Prisma as JSON; null for no value. @param type The type of its column; without it the value stays as it is. */
export function jsonOf(type: Pick<ScalarType, 'toJson'> | undefined, value: unknown): unknown {
  return value === null || value === undefined || type?.toJson === undefined ? (value ?? null) : type.toJson(value);
}

/** Values of Prisma as one text. Equal dates, decimals, bytes and other values have equal texts. */
export function keyText(values: readonly unknown[]): string {
  return JSON.stringify(values.map(textOf));
}

/** A value of Prisma as text, null as null. Equal values have equal texts. */
export function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return String(value.getTime());
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' ? value : decimalText(value);
}

function numberFromText(text: string): unknown {
  return String(Number(text)) === text ? Number(text) : text;
}

/** ISO 8601. `Invalid Date` for the infinities of PostgreSQL, which Prisma cannot tell apart. */
export function isoOf(value: unknown): string {
  return value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : String(value);
}

/** Refuses JSON that PostgreSQL's jsonb cannot store, such as U+0000. */
function assertStorable(value: unknown, path: string, depth: number): void {
  if (depth > maxJsonDepth) refuse(path, `nested deeper than ${maxJsonDepth} levels`);
  if (typeof value === 'string') parseText(value, path);
  // JSON.parse reads 1e400 as Infinity.
  else if (typeof value === 'number' && !Number.isFinite(value)) refuse(path, 'contains a number out of range');
  else if (Array.isArray(value)) for (const item of value) assertStorable(item, path, depth + 1);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      parseText(key, path);
      assertStorable(item, path, depth + 1);
    }
  }
}
