import { isPlainObject } from './messages.ts';

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
