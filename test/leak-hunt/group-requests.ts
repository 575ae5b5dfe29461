import type { Row } from './data.ts';
import { textOf } from './data.ts';
import type { Exposure } from './declaration.ts';
import { isSortable, visibleColumns } from './declaration.ts';
import type { Truth } from './filter.ts';
import { compare } from './filter.ts';
import type { Json, Oracle } from './oracle.ts';
import type { Maker, Request } from './request.ts';
import { answer } from './request.ts';
import type { Column, ColumnType, Model } from './schema.ts';
import type { Names } from './where.ts';
import { randomWhere, valueFor } from './where.ts';

type Make = (maker: Maker, exposure: Exposure, names: Names) => Pick<Request, 'params' | 'expect'>;

const numeric: readonly ColumnType[] = ['Int', 'BigInt', 'Float', 'Decimal'];
const buckets = ['day', 'week', 'month', 'year'] as const;
const aggregateNames = ['_sum', '_avg', '_min', '_max'] as const;
type AggregateName = (typeof aggregateNames)[number];

/** An aggregate of a column; `undefined` for the number of rows. */
type Measure = readonly [aggregate: AggregateName | '_count', column: Column | undefined];

/** What rows of a group have in common. */
interface Key {
  readonly column: Column;
  readonly bucket: (typeof buckets)[number] | undefined;
}

/** The tool `aggregate`. */
export const aggregate: Make = (maker, exposure, names) => {
  const { model } = exposure;
  const where = maker.random.chance(0.8) ? randomWhere(maker, names, model.key) : undefined;
  const columns = visibleColumns(exposure);
  const asked: Json = { _count: true, ...randomAggregates(maker, columns, false) };
  stray(maker, exposure, name => {
    asked[maker.random.pick([...aggregateNames, '_count'])] = { [name]: true };
  });
  return {
    params: { where, ...asked },
    expect: oracle => answer(figures(columns, asked, oracle.matching(model.key, where, 'findMany'))),
  };
};

/** The tool `groupBy`. */
export const groupBy: Make = (maker, exposure, names) => {
  const { random } = maker;
  const { model, take: most } = exposure;
  const where = random.chance(0.6) ? randomWhere(maker, names, model.key) : undefined;
  const columns = visibleColumns(exposure);
  const chosen = new Set([1, 2].slice(random.between(0, 1)).map(() => random.pick(columns.filter(isSortable))));
  const keys = [...chosen].map((column): Key => {
    const bucket = column.type === 'DateTime' && random.chance(0.6) ? random.pick(buckets) : undefined;
    return { column, bucket };
  });
  const isFolded = keys.some(({ bucket }) => bucket !== undefined);
  const asked: Json = { ...(random.chance(0.7) && { _count: true }), ...randomAggregates(maker, columns, isFolded) };
  const having = random.chance(0.3) ? randomHaving(maker, model, columns, isFolded) : undefined;
  const step = random.chance(0.4) ? randomStep(maker, keys, columns, isFolded) : undefined;
  const take = random.chance(0.3) ? random.between(1, most) : undefined;
  const params: Json = {
    by: keys.map(({ column: { name }, bucket }) => (bucket === undefined ? name : `${name}:${bucket}`)),
    where,
    having,
    take,
    ...asked,
    ...(step && { orderBy: stepArgs(step) }),
  };
  stray(maker, exposure, name => {
    const sins: Json = {
      by: [random.pick([name, `${name}:week`])],
      having: { [name]: random.pick<Json>([{ _count: { gt: 0 } }, { _min: { not: null } }, { _max: { gt: 0 } }, 'ab']) },
      orderBy: random.pick<Json>([{ [name]: 'asc' }, { _count: { [name]: 'asc' } }, { _max: { [name]: 'asc' } }]),
    };
    const place = random.pick(['by', 'having', 'orderBy', '_count', ...aggregateNames]);
    params[place] = sins[place] ?? { [name]: true };
  });
  return {
    params,
    expect: oracle => {
      const groups = groupsOf(keys, oracle.matching(model.key, where, 'findMany'));
      const kept = groups.filter(({ rows }) => having === undefined || truthOf(columns, having, rows) === true);
      const sorted = kept.sort((one, other) => compareGroups(oracle, keys, step, one, other));
      const limit = take ?? most;
      const json = sorted.slice(0, limit).map(group => ({ ...group.json, ...figures(columns, asked, group.rows) }));
      return answer(sorted.length > limit ? { groups: json, truncated: true } : { groups: json });
    },
  };
};

/** Names something hidden now and then. */
function stray(maker: Maker, { model, hidden }: Exposure, sin: (name: string) => void): void {
  const forbidden = [...hidden, ...hidden, ...hidden, ...model.relations.keys(), 'nothing'];
  if (maker.strays()) sin(maker.random.pick(forbidden));
}

/** The columns of which an aggregate can be asked. Averages of decimals are left out, because databases round them in their own ways. */
function aggregable(columns: readonly Column[], name: AggregateName, isFolded: boolean): Column[] {
  return columns.filter(({ type, list }) => {
    if (list) return false;
    if (name === '_sum') return numeric.includes(type);
    if (name === '_avg') return numeric.includes(type) && type !== 'Decimal';
    return numeric.includes(type) || type === 'DateTime' || (!isFolded && (type === 'String' || type === 'Enum'));
  });
}

function randomAggregates({ random }: Maker, columns: readonly Column[], isFolded: boolean): Json {
  const asked: Json = {};
  for (const name of aggregateNames) {
    const possible = aggregable(columns, name, isFolded);
    if (possible.length > 0 && random.chance(0.4)) asked[name] = { [random.pick(possible).name]: true, [random.pick(possible).name]: true };
  }
  return asked;
}

function randomMeasure({ random }: Maker, columns: readonly Column[], isFolded: boolean): Measure {
  const name = random.pick(['_sum', '_min', '_max'] as const);
  const possible = aggregable(columns, name, isFolded);
  return possible.length === 0 || random.chance(0.4) ? ['_count', undefined] : [name, random.pick(possible)];
}

function randomHaving(maker: Maker, model: Model, columns: readonly Column[], isFolded: boolean): Json {
  const { random } = maker;
  const one = (): Json => {
    const [name, column] = randomMeasure(maker, columns, isFolded);
    const operator = random.pick(column?.type === 'Enum' ? ['equals', 'not'] : ['gt', 'gte', 'lt', 'lte', 'equals', 'not']);
    if (column === undefined) return { _count: { [operator]: random.between(0, 3) } };
    if (column.nullable && random.chance(0.15)) return { [column.name]: { [name]: random.pick<Json>([null, { not: null }]) } };
    return { [column.name]: { [name]: { [operator]: valueFor(maker, column, model.key) } } };
  };
  return random.pick<() => Json>([one, one, () => ({ OR: [one(), one()] }), () => ({ NOT: one() }), () => ({ AND: [one(), one()] })])();
}

type Step = readonly [of: Key | Measure, direction: 'asc' | 'desc'];

function randomStep(maker: Maker, keys: readonly Key[], columns: readonly Column[], isFolded: boolean): Step {
  const of = maker.random.chance(0.5) ? maker.random.pick(keys) : randomMeasure(maker, columns, isFolded);
  return [of, maker.random.pick(['asc', 'desc'])];
}

function stepArgs([of, direction]: Step): Json {
  if ('column' in of) return { [of.column.name]: direction };
  const [name, column] = of;
  return { [name]: column === undefined ? direction : { [column.name]: direction } };
}

/** A group of rows, with its keys as values to sort by and as JSON. */
interface Group {
  readonly values: readonly unknown[];
  readonly json: Json;
  readonly rows: Row[];
}

/** Rows by what they have in common. */
function groupsOf(keys: readonly Key[], rows: readonly Row[]): Group[] {
  const groups = new Map<string, Group>();
  for (const row of rows) {
    const values = keys.map(({ column: { name }, bucket }) => {
      const value = row[name] ?? null;
      return bucket === undefined || value === null ? value : startOf(bucket, textOf(value));
    });
    const id = JSON.stringify(values);
    const group = groups.get(id) ?? { values, json: Object.fromEntries(keys.map(({ column }, at) => [column.name, values[at]])), rows: [] };
    group.rows.push(row);
    groups.set(id, group);
  }
  return [...groups.values()];
}

/** The first day of a span of time. Weeks begin on Monday. */
function startOf(bucket: string, time: string): string {
  const date = new Date(time);
  if (bucket === 'week') date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  const day = date.toISOString().slice(0, 10);
  return bucket === 'month' ? `${day.slice(0, 7)}-01` : bucket === 'year' ? `${day.slice(0, 4)}-01-01` : day;
}

function compareGroups(oracle: Oracle, keys: readonly Key[], step: Step | undefined, one: Group, other: Group): number {
  const { provider } = oracle.setting;
  if (step !== undefined) {
    const [of, direction] = step;
    const of_ = (group: Group) => ('column' in of ? group.values[keys.indexOf(of)] : figure(of, group.rows));
    const type = 'column' in of ? of.column.type : (of[1]?.type ?? 'Int');
    const result = compareNullable(provider, type, of_(one), of_(other));
    if (result !== 0) return direction === 'asc' ? result : -result;
  }
  for (const [at, { column }] of keys.entries()) {
    const result = compareNullable(provider, column.type, one.values[at], other.values[at]);
    if (result !== 0) return result;
  }
  return 0;
}

/** SQLite puts NULL before all values, PostgreSQL after them. */
function compareNullable(provider: string, type: ColumnType, one: unknown, other: unknown): number {
  if (one === null || other === null) return (Number(one === null) - Number(other === null)) * (provider === 'sqlite' ? -1 : 1);
  return compare(type, one, other);
}

/** The aggregates that a call asks for. Sums of halves are exact. */
export function figures(columns: readonly Column[], asked: Json, rows: readonly Row[]): Json {
  const out: Json = asked['_count'] === true ? { _count: rows.length } : {};
  for (const name of aggregateNames) {
    if (asked[name] === undefined) continue;
    const named = columns.filter(column => asked[name][column.name] === true);
    out[name] = Object.fromEntries(named.map(column => [column.name, figure([name, column], rows)]));
  }
  return out;
}

/** One aggregate in the form in which it travels. */
function figure([name, column]: Measure, rows: readonly Row[]): unknown {
  if (column === undefined) return rows.length;
  const { type } = column;
  const values = rows.map(row => row[column.name] ?? null).filter(value => value !== null);
  if (values.length === 0) return null;
  if (name === '_min' || name === '_max') {
    const sign = name === '_min' ? -1 : 1;
    return values.reduce((best, value) => (sign * compare(type, value, best) > 0 ? value : best));
  }
  const sum = values.reduce<number>((total, value) => total + Number(value), 0);
  if (name === '_avg') return sum / values.length;
  return type === 'BigInt' || type === 'Decimal' ? String(sum) : sum;
}

function truthOf(columns: readonly Column[], having: Json, rows: readonly Row[]): Truth {
  const [[name, value]] = Object.entries(having) as [[string, Json]];
  if (name === 'AND') return every(value.map((part: Json) => truthOf(columns, part, rows)));
  if (name === 'OR') return not(every(value.map((part: Json) => not(truthOf(columns, part, rows)))));
  if (name === 'NOT') return not(truthOf(columns, value, rows));
  const column = columns.find(each => each.name === name);
  const [[aggregateName, filter]] = (column === undefined ? [['_count', value]] : Object.entries(value)) as [[AggregateName, Json]];
  const actual = figure([aggregateName, column], rows);
  const [[operator, operand]] = (filter === null ? [['equals', null]] : Object.entries(filter)) as [[string, unknown]];
  if (operand === null) return (actual === null) === (operator === 'equals');
  if (actual === null) return null;
  const order = compare(column?.type ?? 'Int', actual, operand);
  const results: Record<string, boolean> = {
    gt: order > 0,
    gte: order >= 0,
    lt: order < 0,
    lte: order <= 0,
    equals: order === 0,
    not: order !== 0,
  };
  return results[operator] ?? null;
}

function not(truth: Truth): Truth {
  return truth === null ? null : !truth;
}

function every(truths: readonly Truth[]): Truth {
  return truths.includes(false) ? false : truths.includes(null) ? null : true;
}
