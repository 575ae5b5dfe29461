import { isPlainObject } from './messages.ts';

/** The nulls of a Json column, in Prisma's words: SQL NULL, the JSON value `null`, and either (in filters only). */
export type JsonNullName = 'DbNull' | 'JsonNull' | 'AnyNull';

/**
 * `Prisma.DbNull` or `Prisma.JsonNull`, without the generated client that has them.
 *
 * Prisma calls `toJSON` of what it does not know, and `{ $type: 'Enum', value: 'DbNull' }` is what it makes of `Prisma.DbNull`.
 * The method is the object's own because Prisma's extensions copy arguments property by property.
 */
export function jsonNull(name: JsonNullName): object {
  return { toJSON: () => ({ $type: 'Enum', value: name }) };
}

/** Which null a host's `Prisma.DbNull`, `Prisma.JsonNull` or `Prisma.AnyNull` is; `undefined` for any other value. */
export function nameOfJsonNull(value: unknown): JsonNullName | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isPlainObject(value)) return undefined;
  // `Prisma.DbNull`, or `new Prisma.NullTypes.DbNull()` in older clients.
  const text = (value as { toString: () => string }).toString();
  const [, name] = /^(?:new )?Prisma\.(?:NullTypes\.)?(DbNull|JsonNull|AnyNull)(?:\(\))?$/.exec(text) ?? [];
  return name as JsonNullName | undefined;
}
