import { oneValue, rowsOf } from './data.ts';
import { isFilterable, visibleColumns } from './declaration.ts';
import { randomJsonFilter } from './json.ts';
import type { Json } from './oracle.ts';
import type { Maker } from './request.ts';
import type { Column, Relation } from './schema.ts';

/** The names that may be in a `where`. */
export interface Names {
  readonly columns: (key: string) => readonly Column[];
  readonly relations: (key: string) => readonly Relation[];
  /** Names that must be refused. */
  readonly forbidden: (key: string) => readonly string[];
}

const maxDepth = 3;
const odd = ['_count', 'constructor', 'toString', 'nothing', 'vaults', 'is', 'some'];

/** What callers of the tools may name. */
export function namesOfTools({ setting: { declaration, schema } }: Maker): Names {
  const relations = (key: string) => {
    const exposure = declaration.get(key);
    return exposure === undefined ? [] : [...exposure.model.relations.values()].filter(each => isFilterable(declaration, exposure, each));
  };
  const columns = (key: string) => {
    const exposure = declaration.get(key);
    return exposure === undefined ? [] : visibleColumns(exposure);
  };
  const forbidden = (key: string) => {
    const model = schema.get(key);
    const known = new Set([...columns(key), ...relations(key)].map(({ name }) => name));
    return [...(model?.columns.keys() ?? []), ...(model?.relations.keys() ?? []), ...odd].filter(name => !known.has(name));
  };
  return { columns, relations, forbidden };
}

/** What the code of the host may name. Bytes are left out, because JSON cannot carry them to Prisma, and so is Json, which Prisma filters in other words. */
export function namesOfPrisma({ setting: { schema } }: Maker): Names {
  return {
    columns: key => [...(schema.get(key)?.columns.values() ?? [])].filter(({ type }) => type !== 'Bytes' && type !== 'Json'),
    relations: key => [...(schema.get(key)?.relations.values() ?? [])],
    forbidden: () => [],
  };
}

/** A random `where`. */
export function randomWhere(maker: Maker, names: Names, key: string, depth = 0): Json {
  const { random } = maker;
  const where: Json = {};
  for (let count = random.pick([0, 1, 1, 1, 1, 2]); count > 0; count--) {
    const relations = depth < maxDepth ? names.relations(key) : [];
    const kind = random.next();
    const relation = kind < 0.6 && relations.length > 0 ? random.pick(relations) : undefined;
    const column = random.pick(names.columns(key));
    const name = kind < 0.2 && depth < maxDepth ? random.pick(['AND', 'OR', 'NOT']) : (relation ?? column).name;
    if (Object.hasOwn(where, name)) continue;
    if (name === 'AND' || name === 'OR' || name === 'NOT') where[name] = randomParts(maker, names, key, depth);
    else where[name] = relation === undefined ? randomFilter(maker, column, key) : randomRelation(maker, names, relation, depth);
  }
  const forbidden = names.forbidden(key);
  if (forbidden.length > 0 && maker.strays()) {
    const hidden = forbidden.flatMap(name => maker.model(key).columns.get(name) ?? []);
    const column = hidden.length > 0 && random.chance(0.6) ? random.pick(hidden) : undefined;
    if (column === undefined) where[random.pick(forbidden)] = forbiddenFilter(maker);
    else where[column.name] = randomFilter(maker, column, key);
  }
  return where;
}

/** A random filter of one column. */
export function randomFilter(maker: Maker, column: Column, key: string): Json {
  const { random } = maker;
  const value = () => valueFor(maker, column, key);
  if (column.type === 'Json') return randomJsonFilter(maker, value);
  if (column.list) {
    const values = () => Array.from({ length: random.pick([0, 1, 1, 2]) }, value);
    return random.pick<() => Json>([
      () => ({ has: value() }),
      () => ({ hasSome: values() }),
      () => ({ hasEvery: values() }),
      () => ({ isEmpty: random.chance(0.5) }),
      () => ({ equals: values() }),
    ])();
  }
  if (column.nullable && random.chance(0.2)) return random.pick<Json>([null, { not: null }, { equals: null }, { not: { equals: null } }]);
  const kind = random.next();
  if (kind < 0.25) return value();
  const first = randomOperator(maker, column, value);
  if (kind < 0.7) return first;
  if (kind < 0.85) return { not: first };
  return { ...first, ...randomOperator(maker, column, value) };
}

/** A value to compare a column with: mostly one that a row has. */
export function valueFor({ random, data }: Maker, column: Column, key: string): unknown {
  const rows = rowsOf(data, key);
  const found = rows.length > 0 && random.chance(0.7) ? random.pick(rows)[column.name] : undefined;
  const value = column.list && Array.isArray(found) ? found[0] : found;
  return value ?? oneValue(column, random);
}

function randomOperator({ random }: Maker, { type }: Column, value: () => unknown): Json {
  const comparison = random.pick(['lt', 'lte', 'gt', 'gte']);
  const plain = random.pick(['equals', 'not', 'in', 'notIn']);
  const equality = () => ({ [plain]: plain === 'in' || plain === 'notIn' ? Array.from({ length: random.between(0, 3) }, value) : value() });
  if (type === 'Boolean') return { [random.pick(['equals', 'not'])]: value() };
  if (type === 'Bytes' || type === 'Enum' || random.chance(0.4)) return equality();
  if (type !== 'String' || random.chance(0.3)) return { [comparison]: value() };
  const text = String(value());
  const part = random.chance(0.15) ? random.pick(['%', '_b', 'B', '']) : text.slice(random.between(0, 1), random.between(1, 3));
  const operator = random.pick(['contains', 'startsWith', 'endsWith']);
  return { [operator]: part };
}

function randomParts(maker: Maker, names: Names, key: string, depth: number): Json {
  const { random } = maker;
  return Array.from({ length: random.pick([0, 1, 1, 2, 2]) }, () => randomWhere(maker, names, key, depth + 1));
}

function randomRelation(maker: Maker, names: Names, { target, many }: Relation, depth: number): Json {
  const { random } = maker;
  const inner = () => randomWhere(maker, names, target, depth + 1);
  if (many) {
    if (maker.isMischievous && names.forbidden(target).length > 0 && maker.strays()) return { is: inner() };
    return { [random.pick(['some', 'every', 'none'])]: inner() };
  }
  return random.pick<() => Json>([
    () => ({ is: inner() }),
    () => ({ is: inner() }),
    () => ({ isNot: inner() }),
    () => ({ isNot: inner() }),
    () => ({ is: inner(), isNot: inner() }),
    () => null,
    () => ({ is: null }),
    () => ({ isNot: null }),
  ])();
}

function forbiddenFilter({ random }: Maker): Json {
  return random.pick<Json>([{ startsWith: 'a' }, 1, 'ab', { gt: 0 }, null, { not: null }, {}, { is: {} }, { some: {} }, { isNot: null }]);
}
