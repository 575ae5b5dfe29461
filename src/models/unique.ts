import type { Exposure } from './exposure.ts';
import type { UniqueKey } from './graph.ts';
import { uniqueWhere } from './graph.ts';
import { join, list, parseObject, quote, refuse } from './messages.ts';
import type { Args } from './policy.ts';

/**
 * A caller's unique `where`: exactly one of the visible unique keys, as Prisma writes it.
 *
 * `{ id: 1 }`, `{ clientId_roomId: { clientId: 1, roomId: "a" } }`
 */
export function parseUniqueWhere(exposure: Exposure, value: unknown): Args {
  const where = parseObject(value, 'where');
  const names = Object.keys(where);
  const [name] = names;
  for (const unknown of names) {
    if (exposure.uniques.some(key => key.name === unknown)) continue;
    refuse(
      join('where', unknown),
      `${exposure.node.name} has no unique key ${quote(unknown)} (${list(exposure.uniques.map(key => key.name))})`,
    );
  }
  if (name === undefined || names.length > 1) {
    const keys = exposure.uniques.map(key => key.name);
    return refuse('where', keys.length === 1 ? `name the row by ${list(keys)}` : `name the row by exactly one of ${list(keys)}`);
  }
  const key = exposure.uniques.find(known => known.name === name) as UniqueKey;
  if (!key.compound) return { [name]: parseColumn(exposure, name, where[name], `where.${name}`) };
  const part = parseObject(where[name], `where.${name}`);
  for (const unknown of Object.keys(part)) {
    if (!key.fields.includes(unknown)) refuse(join(`where.${name}`, unknown), `not a part of the key (${list(key.fields)})`);
  }
  const values = key.fields.map(field => [field, parseColumn(exposure, field, own(part, field), `where.${name}.${field}`)]);
  return { [name]: Object.fromEntries(values) as Args };
}

/** The opaque cursor that names a row by a unique key: base64url of the JSON of its values. */
export function encodeCursor(exposure: Exposure, key: UniqueKey, row: Args): string {
  const values = key.fields.map(name => {
    const toJson = exposure.columns.get(name)?.type.toJson;
    return toJson === undefined ? row[name] : toJson(row[name]);
  });
  return Buffer.from(JSON.stringify(values)).toString('base64url');
}

/** The key values of the row a cursor names; whether that row is there and in sight is for the database to say. */
export function parseCursor(exposure: Exposure, key: UniqueKey, value: unknown): Args {
  if (typeof value !== 'string') return refuse('cursor', 'expected the nextCursor of an earlier result');
  let values: unknown;
  try {
    values = JSON.parse(Buffer.from(value, 'base64url').toString());
  } catch {
    return refuse('cursor', 'not a nextCursor of this tool; leave it out to start from the first row');
  }
  if (!Array.isArray(values) || values.length !== key.fields.length) {
    return refuse('cursor', 'not a nextCursor of this tool; leave it out to start from the first row');
  }
  const parts = key.fields.map((name, index) => [name, parseColumn(exposure, name, values[index], 'cursor')]);
  return Object.fromEntries(parts) as Args;
}

/** The unique `where` made of URI variables; `undefined` if one cannot be a value of its column. */
export function whereOfVariables(exposure: Exposure, key: UniqueKey, variables: Readonly<Record<string, string>>): Args | undefined {
  const row: Args = {};
  try {
    for (const name of key.fields) {
      const text = own(variables, name) ?? '';
      const fromText = exposure.columns.get(name)?.type.fromText;
      row[name] = parseColumn(exposure, name, fromText === undefined ? text : fromText(text), name);
    }
  } catch {
    return undefined;
  }
  return uniqueWhere(key, row);
}

function own<T>(object: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function parseColumn(exposure: Exposure, name: string, value: unknown, path: string): unknown {
  const column = exposure.columns.get(name);
  if (column === undefined) return refuse(path, 'not a visible column');
  return value === undefined ? refuse(path, 'is required') : column.type.parse(value, path);
}
