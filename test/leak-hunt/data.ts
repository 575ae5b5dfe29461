import { isDeepStrictEqual } from 'node:util';
import type { Random } from '../chaos/random.ts';
import { oneJson } from './json.ts';
import type { Column, Key, Model, Relation, Schema } from './schema.ts';
import { modelOf } from './schema.ts';

/** A row. Its values are in the form in which they travel: BigInt and Decimal as strings, DateTime as ISO 8601, Bytes as base64. */
export type Row = Readonly<Record<string, unknown>>;

/** A value that is no list and not null, as text. */
export function textOf(value: unknown): string {
  return String(value);
}

/** A whole database: the rows of each model by its key, and the pairs of each implicit many-to-many relation by its table. Never changed in place. */
export interface Data {
  readonly rows: ReadonlyMap<string, readonly Row[]>;
  readonly links: ReadonlyMap<string, readonly Link[]>;
}

/** The ids on both sides of an implicit many-to-many relation. */
export type Link = readonly [number, number];

/** The rows of a model. */
export function rowsOf(data: Data, key: string): readonly Row[] {
  return data.rows.get(key) ?? [];
}

/** The pairs of a many-to-many relation. */
export function linksOf(data: Data, table: string): readonly Link[] {
  return data.links.get(table) ?? [];
}

/** The same data with other rows of one model. */
export function withRows(data: Data, key: string, rows: readonly Row[]): Data {
  return { ...data, rows: new Map(data.rows).set(key, rows) };
}

/** The same data with other pairs of one relation. */
export function withLinks(data: Data, table: string, links: readonly Link[]): Data {
  return { ...data, links: new Map(data.links).set(table, links) };
}

/** The rows that a row is related to, whoever may see them. */
export function related(data: Data, relation: Relation, row: Row): readonly Row[] {
  const { target, from, to, back, backTo, join } = relation;
  const others = rowsOf(data, target);
  if (join !== undefined) {
    const ids = linksOf(data, join.table).flatMap(link => (link[join.side] === row['id'] ? [link[1 - join.side]] : []));
    return others.filter(({ id }) => ids.includes(id as number));
  }
  if (from.length > 0) return others.filter(other => from.every((name, at) => row[name] !== null && row[name] === other[to[at] as string]));
  return others.filter(other => back.every((name, at) => other[name] !== null && other[name] === row[backTo[at] as string]));
}

/** Whether two rows have the same values in these columns. */
export function sameIn(fields: readonly string[], one: Row, other: Row): boolean {
  return fields.every(name => one[name] === other[name]);
}

/** The values of a row in the columns of a key, as text. */
export function idOf({ fields }: Key, row: Row): string {
  return JSON.stringify(fields.map(name => row[name]));
}

/** Whether unique constraints and foreign keys hold everywhere. */
export function isConsistent(schema: Schema, data: Data): boolean {
  return [...schema.values()].every(model => {
    const rows = rowsOf(data, model.key);
    return model.uniques.every(unique => isUnique(rows, unique)) && rows.every(row => isReferring(data, model, row));
  });
}

/** Whether every foreign key of a row names a row. */
export function isReferring(data: Data, model: Model, row: Row): boolean {
  return [...model.relations.values()].every(
    relation => relation.from.length === 0 || relation.from.some(name => row[name] === null) || related(data, relation, row).length > 0,
  );
}

function isUnique(rows: readonly Row[], fields: readonly string[]): boolean {
  const seen = rows.filter(row => fields.every(name => row[name] !== null)).map(row => JSON.stringify(fields.map(name => row[name])));
  return new Set(seen).size === seen.length;
}

/** What two databases differ in, a line for each row. */
export function differences(schema: Schema, one: Data, other: Data): string[] {
  const lines: string[] = [];
  const compare = (name: string, before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>) => {
    for (const id of new Set([...before.keys(), ...after.keys()])) {
      const [a, b] = [before.get(id), after.get(id)];
      if (!isDeepStrictEqual(a, b)) lines.push(`${name} ${id}: ${JSON.stringify(a) ?? 'absent'} / ${JSON.stringify(b) ?? 'absent'}`);
    }
  };
  for (const model of schema.values()) {
    const [first] = model.keys;
    if (first === undefined) continue;
    // Prisma reads a list that is NULL as an empty list.
    const lists = [...model.columns.values()].filter(({ list }) => list).map(({ name }) => name);
    const whole = (row: Row): Row => ({ ...row, ...Object.fromEntries(lists.map(name => [name, row[name] ?? []])) });
    const byId = (data: Data) => new Map(rowsOf(data, model.key).map(row => [idOf(first, row), whole(row)]));
    compare(model.name, byId(one), byId(other));
  }
  for (const table of new Set([...one.links.keys(), ...other.links.keys()])) {
    const byPair = (data: Data) => new Map(linksOf(data, table).map(link => [String(link), link]));
    compare(table, byPair(one), byPair(other));
  }
  return lines;
}

const texts = ['ab', 'abc', 'b', 'bcd', 'cab', 'd1', 'e', 'zz9'];
const days = [1, 2, 3, 4].map(day => new Date(Date.UTC(2026, 0, day, 9)).toISOString());
const photos = ['AP8=', 'AQI=', ''];

/** Any value of a column, and null now and then where that is allowed. A list that nobody wrote is NULL too. */
export function anyValue(column: Column, random: Random): unknown {
  if (column.nullable && random.chance(0.35)) return null;
  if (column.list && random.chance(0.25)) return null;
  if (column.list) return Array.from({ length: random.pick([0, 0, 1, 2]) }, () => oneValue(column, random));
  return oneValue(column, random);
}

/** Any value of a column, or of an item of a list. */
export function oneValue({ type, values }: Column, random: Random): unknown {
  switch (type) {
    case 'String':
      return random.pick(texts);
    case 'Int':
      return random.between(0, 3);
    case 'BigInt':
      return String(random.between(-1, 3));
    case 'Float':
      return random.between(-1, 4) / 2;
    case 'Decimal':
      return String(random.between(-1, 4) / 2);
    case 'Boolean':
      return random.chance(0.5);
    case 'DateTime':
      return random.pick(days);
    case 'Bytes':
      return random.pick(photos);
    case 'Enum':
      return random.pick(values);
    case 'Json':
      return oneJson(random);
  }
}

/** The number of rows of each model, and the order in which they are made: a row refers only to rows of models before it, or of its own. */
const sizes: readonly (readonly [key: string, rows: number])[] = [
  ['team', 5],
  ['person', 12],
  ['doc', 11],
  ['badge', 8],
  ['profile', 7],
  ['tag', 5],
  ['room', 4],
  ['seat', 11],
  ['vault', 5],
  ['shelf', 7],
  ['crate', 9],
];

/** A random database. Every unique constraint and every foreign key holds. */
export function randomData(schema: Schema, random: Random): Data {
  let data: Data = { rows: new Map(), links: new Map() };
  for (const [key, size] of sizes) {
    if (!schema.has(key)) continue;
    for (let at = 1; at <= size; at++) data = withRandomRow(schema, data, key, at, random);
  }
  for (const [table, a, b] of [
    ['_PersonToTag', 'person', 'tag'],
    ['_DocToTag', 'doc', 'tag'],
  ] as const) {
    const pairs = rowsOf(data, a).flatMap(one => rowsOf(data, b).map((other): Link => [one['id'] as number, other['id'] as number]));
    data = withLinks(
      data,
      table,
      pairs.filter(() => random.chance(0.25)),
    );
  }
  return data;
}

/** Adds a random row. If it breaks a constraint in ten attempts, no row is added. */
export function withRandomRow(schema: Schema, data: Data, key: string, at: number, random: Random): Data {
  const model = modelOf(schema, key);
  for (let attempt = 0; attempt < 10; attempt++) {
    const next = withRows(data, key, [...rowsOf(data, key), randomRow(data, model, at, random)]);
    if (isConsistent(schema, next)) return next;
  }
  return data;
}

/** The value that a foreign key column may have: one that exists, or null. */
export function anyReference(data: Data, model: Model, name: string, random: Random): unknown {
  const relation = [...model.relations.values()].find(({ from }) => from.includes(name));
  const column = model.columns.get(name);
  if (relation === undefined || column === undefined) return undefined;
  if (column.nullable && random.chance(0.25)) return null;
  const others = rowsOf(data, relation.target);
  const other = others.length === 0 ? undefined : random.pick(others);
  return other === undefined ? (column.nullable ? null : undefined) : other[relation.to[relation.from.indexOf(name)] as string];
}

/** Whether a column is a part of a foreign key. */
export function isForeignKey(model: Model, name: string): boolean {
  return [...model.relations.values()].some(({ from }) => from.includes(name));
}

function randomRow(data: Data, model: Model, at: number, random: Random): Row {
  const row: Record<string, unknown> = {};
  for (const column of model.columns.values()) {
    const { name } = column;
    if (isForeignKey(model, name)) row[name] = anyReference(data, model, name, random);
    else if (column.isId) row[name] = column.type === 'Int' ? at : `k${at}`;
    else if (name === 'label' && model.key === 'tag') row[name] = `t${at}`;
    else if (name === 'slot') row[name] = random.between(0, 6);
    else row[name] = anyValue(column, random);
  }
  return row;
}
