import { isObject } from '../../protocol/definitions.ts';
import type { Args } from '../declaration/delegates.ts';
import { isPlainObject, join, list, nameOf, refuse } from '../messages.ts';
import type { Column } from './graph.ts';
import type { ScalarType } from './scalars.ts';

/** The names and numbers that lead to a value inside Json: `["items", 0, "name"]`. */
type JsonPath = readonly (string | number)[];

/** How one kind of database filters inside Json. */
interface Dialect {
  readonly operators: readonly string[];
  /** Prisma's form of a path. */
  readonly toPath: (keys: JsonPath, path: string) => unknown;
}

const texts: readonly string[] = ['string_contains', 'string_starts_with', 'string_ends_with'];
const ends: readonly string[] = ['array_starts_with', 'array_ends_with'];
const comparisons: readonly string[] = ['lt', 'lte', 'gt', 'gte'];
const maxPathKeys = 32;

const postgresql: Dialect = { operators: [...texts, 'array_contains', ...ends, ...comparisons], toPath: keys => keys.map(String) };

const dialects: ReadonlyMap<string, Dialect> = new Map([
  ['postgresql', postgresql],
  ['postgres', postgresql],
  ['cockroachdb', { ...postgresql, operators: [...texts, 'array_contains', ...ends] }],
  ['mysql', { operators: [...texts, 'array_contains', ...ends, ...comparisons], toPath: toJsonPath }],
  ['sqlite', { operators: [...texts, ...ends], toPath: toJsonPath }],
]);

/** The Json type with the filter operators that this kind of database has. */
export function jsonType(type: ScalarType, provider: string | undefined): ScalarType {
  const dialect = dialects.get(provider ?? '');
  return dialect === undefined ? type : { ...type, operators: ['path', ...dialect.operators] };
}

/** What `parseJsonFilter` needs besides the filter. */
export interface JsonFilterPlace {
  readonly provider: string | undefined;
  readonly path: string;
  /** Parses the text of a LIKE pattern. */
  readonly parsePattern: (value: unknown, path: string) => unknown;
}

/**
 * The filter of a Json column, in Prisma's form. A path is an array for every database; `null` means no value: SQL NULL, or the JSON value null.
 *
 * `{ path: ["a", 0], string_contains: "x" }` → `{ path: '$."a"[0]', string_contains: 'x' }` on SQLite
 */
export function parseJsonFilter({ type, name }: Column, value: unknown, place: JsonFilterPlace): Args {
  const { path } = place;
  if (!isObject(value)) return { equals: parseOperand(type, value, path) };
  const operators = ['equals', 'not', ...type.operators];
  const filter: Args = {};
  for (const [operator, operand] of Object.entries(value)) {
    const at = join(path, operator);
    if (!operators.includes(operator)) {
      refuse(at, `not a filter for ${name} (${list(operators)}); to compare with a whole object, put it into equals`);
    }
    // Without a path PostgreSQL would compare the JSON text of the whole value, quotes included.
    if ((texts.includes(operator) || comparisons.includes(operator)) && value['path'] === undefined) {
      refuse(at, `goes with path, such as "path": ["key"]`);
    }
    if (operator === 'path') filter[operator] = parsePath(operand, at, place.provider);
    else if (operator === 'equals' || operator === 'not') filter[operator] = parseOperand(type, operand, at);
    else if (texts.includes(operator)) filter[operator] = place.parsePattern(operand, at);
    else if (comparisons.includes(operator)) filter[operator] = parseComparable(type, operand, at);
    else filter[operator] = operand === null ? refuse(at, 'expected a value, got null') : type.parse(operand, at);
  }
  if (Object.keys(filter).every(operator => operator === 'path')) refuse(path, `expected a value or one of ${list(operators)}`);
  return filter;
}

function parseOperand(type: ScalarType, value: unknown, path: string): unknown {
  return value === null ? jsonNull('AnyNull') : type.parse(value, path);
}

/** Prisma compares values inside Json only with numbers and texts. */
function parseComparable(type: ScalarType, value: unknown, path: string): unknown {
  if (typeof value !== 'number' && typeof value !== 'string') return refuse(path, `expected a number or a string, got ${nameOf(value)}`);
  return type.parse(value, path);
}

function parsePath(value: unknown, path: string, provider: string | undefined): unknown {
  const isKey = (key: unknown): boolean => (typeof key === 'number' ? Number.isSafeInteger(key) && key >= 0 : isKeyText(key));
  if (!Array.isArray(value) || value.length === 0 || value.length > maxPathKeys || !value.every(isKey)) {
    return refuse(path, `expected an array of 1 to ${maxPathKeys} keys and indexes, such as ["items", 0, "name"]`);
  }
  return dialects.get(provider ?? '')?.toPath(value as JsonPath, path);
}

function isKeyText(key: unknown): boolean {
  return typeof key === 'string' && key.length <= 200 && !/\0|\p{Surrogate}/u.test(key);
}

/** `["a", 0]` → `$."a"[0]` */
function toJsonPath(keys: JsonPath, path: string): string {
  const parts = keys.map(key => {
    if (typeof key === 'number') return `[${key}]`;
    return /["\\]/.test(key) ? refuse(path, 'this database cannot look for a key with a quote or a backslash') : `."${key}"`;
  });
  return `$${parts.join('')}`;
}

/** The nulls of a Json column, in Prisma's words: SQL NULL, the JSON value `null`, and either (in filters only). */
export type JsonNullName = (typeof names)[number];

const names = ['DbNull', 'JsonNull', 'AnyNull'] as const;

const nulls: Readonly<Record<JsonNullName, object>> = {
  DbNull: toNull('DbNull'),
  JsonNull: toNull('JsonNull'),
  AnyNull: toNull('AnyNull'),
};

/** `Prisma.DbNull`, `Prisma.JsonNull` or `Prisma.AnyNull`, without the generated client that has them. */
export function jsonNull(name: JsonNullName): object {
  return nulls[name];
}

/** The name of `Prisma.DbNull`, `Prisma.JsonNull` or `Prisma.AnyNull`. `undefined` for any other value. */
export function nameOfJsonNull(value: unknown): JsonNullName | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isPlainObject(value)) return undefined;
  // `Prisma.DbNull`, or `new Prisma.NullTypes.DbNull()` in older clients.
  const text = (value as { toString: () => string }).toString();
  const [, name] = /^(?:new )?Prisma\.(?:NullTypes\.)?(DbNull|JsonNull|AnyNull)(?:\(\))?$/.exec(text) ?? [];
  return names.find(known => known === name);
}

/**
 * Prisma calls `toJSON` of objects that it does not know, and converts `Prisma.DbNull` to `{ $type: 'Enum', value: 'DbNull' }`.
 * `toJSON` is an own property because Prisma's extensions copy arguments property by property.
 */
function toNull(name: JsonNullName): object {
  return { toJSON: () => ({ $type: 'Enum', value: name }) };
}
