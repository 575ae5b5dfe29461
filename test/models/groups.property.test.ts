import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { cases, propertyMs } from '../support/property.ts';
import type { Json, Served } from './served.ts';
import { serve } from './served.ts';

type Row = Readonly<Record<string, unknown>>;

/** What callers see: rows for which `score` is 0 or more and not NULL, without `label` and `bound`. */
const policy = { score: { gte: 0 } };
const operations = ['findFirst', 'findMany', 'count', 'aggregate', 'groupBy'];

const numbers = ['id', 'score', 'points', 'ratio', 'amount', 'leadId'];
/** Text and enums have extremes too, but databases order them in their own ways. */
const extremes = [...numbers, 'seenAt'];
const keys = [...numbers, 'seenAt', 'active', 'mood', 'nick'];
const hidden = ['label', 'bound', 'nothing'];

/** Values whose sums no floating point number rounds. */
const rows: readonly Row[] = Array.from({ length: 60 }, (_, index) => {
  const pick = <T>(values: readonly T[], step: number): T => values[Math.floor(index / step) % values.length] as T;
  return {
    id: index + 1,
    nick: pick(['ann', 'bob', 'cy'], 2),
    label: pick(['secret', null], 1),
    score: pick([0, 1, -1, 2, null, 5], 1),
    bound: index,
    points: pick([1n, -7n, null, 9_000_000_000n], 1),
    ratio: pick([0.5, null, -2.25, 4, 0.125], 1),
    amount: pick(['1.5', '-2.25', null, '1000.75'], 3),
    active: pick([true, false, null], 5),
    seenAt: pick(
      [
        Date.UTC(2025, 11, 28, 23, 59),
        Date.UTC(2025, 11, 29),
        Date.UTC(2026, 0, 1),
        Date.UTC(2026, 1, 28, 12),
        null,
        Date.UTC(1969, 11, 31, 23),
      ],
      1,
    ),
    mood: pick(['CALM', 'BUSY', null], 7),
    leadId: index % 5 === 0 ? null : 1,
  };
});
const visible = rows.filter(({ score }) => typeof score === 'number' && score >= 0);

describeDatabases('aggregate and groupBy', provider => {
  let db: TestDatabase;
  let served: Served;

  beforeAll(async () => {
    db = await openDatabase(provider);
    const toDate = (time: unknown) => (time === null ? null : new Date(time as number));
    await db.prisma.member.createMany({
      data: rows.map(row => ({ ...row, leadId: null, facts: {}, seenAt: toDate(row['seenAt']) })) as never,
    });
    await db.prisma.member.updateMany({
      where: { id: { in: rows.flatMap(({ id, leadId }) => (leadId === 1 ? [id as number] : [])) } },
      data: { leadId: 1 },
    });
    served = serve(db, { member: { operations, where: policy, omit: { label: true, bound: true }, take: 100 } });
  });
  afterAll(() => db.close());

  it(
    'agree with a naive evaluation over the visible rows, and refuse hidden columns',
    async () => {
      const tally = { groups: 0, refused: 0, folded: 0 };
      await fc.assert(
        fc.asyncProperty(call, async ({ operation, args, isLawful }) => {
          if (!isLawful) {
            expect(await served.fail(`member_${operation}`, args)).toMatch(/has no column|groups have no|no date|there already/);
            tally.refused += 1;
            return;
          }
          const answer = await served.run(`member_${operation}`, args);
          if (operation === 'aggregate') {
            expect(answer).toEqual(figures(args, matching(args.where)));
            return;
          }
          const { groups, truncated } = answer;
          const expected = grouped(args, provider);
          expect(groups).toEqual(expected.slice(0, args.take ?? 100));
          expect(truncated ?? false).toBe(expected.length > (args.take ?? 100));
          tally.groups += groups.length;
          if (JSON.stringify(args.by).includes(':')) tally.folded += 1;
        }),
        cases(provider === 'sqlite' ? 250 : 150),
      );
      expect(tally.groups).toBeGreaterThan(200);
      expect(tally.refused).toBeGreaterThan(5);
      expect(tally.folded).toBeGreaterThan(20);
    },
    propertyMs,
  );

  it(
    'with distinct, findMany gives the first row of each value',
    async () => {
      const args = fc.record({
        distinct: fc.uniqueArray(fc.constantFrom(...keys), { minLength: 1, maxLength: 2 }),
        orderBy: fc
          .tuple(fc.constantFrom('id', 'leadId', 'points'), fc.constantFrom('asc', 'desc'))
          .map(([name, order]) => ({ [name]: order })),
        take: fc.integer({ min: 1, max: 20 }),
      });
      await fc.assert(
        fc.asyncProperty(args, async ({ distinct, orderBy, take }) => {
          const { rows: all } = await served.run('member_findMany', { orderBy });
          const first = all.filter(
            (row: Json, at: number) => all.findIndex((other: Json) => distinct.every(name => other[name] === row[name])) === at,
          );
          const { rows: found, truncated } = await served.run('member_findMany', { distinct, orderBy, take });
          expect(found).toEqual(first.slice(0, take));
          expect(truncated ?? false).toBe(first.length > take);
        }),
        cases(40),
      );
    },
    propertyMs,
  );
});

/** An aggregate, as `having` and `orderBy` name it. */
const measure = fc.oneof(
  fc.constant(['_count', '_all'] as const),
  fc.tuple(fc.constantFrom('_sum', '_avg'), fc.constantFrom(...numbers)),
  fc.tuple(fc.constantFrom('_min', '_max'), fc.constantFrom(...extremes)),
);
const condition: fc.Arbitrary<Json> = fc
  .tuple(measure, fc.constantFrom('gt', 'gte', 'lt', 'lte', 'equals', 'not'), fc.constantFrom(0, 1, 2, 6, -3, 20))
  .map(([[aggregate, column], operator, number]) => {
    const isDate = column === 'seenAt';
    const isText = ['points', 'amount'].includes(column) && aggregate !== '_avg' && aggregate !== '_count';
    const value = isDate
      ? `20${25 + (Math.abs(number) % 2)}-12-30T00:00:00Z`
      : isText || (column === 'amount' && aggregate === '_avg')
        ? String(number)
        : number;
    const filter = { [operator]: value };
    return column === '_all' ? { _count: filter } : { [column]: { [aggregate]: filter } };
  });
const having: fc.Arbitrary<Json> = fc.oneof(
  condition,
  fc.tuple(condition, condition).map(([one, other]) => ({ OR: [one, other] })),
  condition.map(one => ({ NOT: one })),
  fc.tuple(condition, condition).map(parts => ({ NOT: parts })),
);
const flags = (columns: readonly string[]) =>
  fc
    .uniqueArray(fc.constantFrom(...columns), { minLength: 1, maxLength: 2 })
    .map(names => Object.fromEntries(names.map(name => [name, true])));
const aggregates = { _count: fc.constant(true), _sum: flags(numbers), _avg: flags(numbers), _min: flags(extremes), _max: flags(extremes) };
const where = fc.constantFrom(
  { id: { lt: 40 } },
  { mood: 'CALM' },
  { OR: [{ active: true }, { points: null }] },
  { NOT: { ratio: { gt: 0 } } },
  { id: 0 },
);
const key = fc.oneof(fc.constantFrom(...keys), fc.constantFrom('seenAt:day', 'seenAt:week', 'seenAt:month', 'seenAt:year'));
const by = fc.uniqueArray(key, { minLength: 1, maxLength: 3, selector: name => name.replace(/:.*/, '') });

const groupArgs = fc
  .record({ by, where, having, take: fc.integer({ min: 1, max: 100 }), ...aggregates }, { requiredKeys: ['by'] })
  .chain(args =>
    fc
      .option(
        fc.tuple(
          fc.oneof(fc.constantFrom(...args.by.map(name => [name.replace(/:.*/, '')] as const)), measure),
          fc.constantFrom('asc', 'desc'),
        ),
      )
      .map(step => {
        if (step === null) return args;
        const [[name, column], direction] = step;
        return { ...args, orderBy: { [name]: column === undefined || column === '_all' ? direction : { [column]: direction } } };
      }),
  );

/** What a caller may not name, in each place where a column can be. */
const sin = fc.tuple(fc.constantFrom('by', '_sum', '_avg', '_min', '_max', 'having', 'orderBy'), fc.constantFrom(...hidden));

const call: fc.Arbitrary<{ operation: string; args: Json; isLawful: boolean }> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc
      .record({ where, ...aggregates }, { requiredKeys: ['_count'] })
      .map(args => ({ operation: 'aggregate', args, isLawful: true })),
  },
  { weight: 6, arbitrary: groupArgs.map(args => ({ operation: 'groupBy', args, isLawful: true })) },
  {
    weight: 1,
    arbitrary: fc.tuple(groupArgs, sin).map(([args, [place, name]]) => {
      const bad: Json = { by: [name], having: { [name]: { _max: { not: 1 } } }, orderBy: { _max: { [name]: 'asc' } } };
      return { operation: 'groupBy', args: { ...args, [place]: bad[place] ?? { [name]: true } }, isLawful: false };
    }),
  },
);

function matching(given: Json): readonly Row[] {
  const meets = ({ id, mood, active, points, ratio }: Row): boolean => {
    if (given === undefined) return true;
    if (given.mood !== undefined) return mood === 'CALM';
    if (given.OR !== undefined) return active === true || points === null;
    if (given.NOT !== undefined) return ratio !== null && !((ratio as number) > 0);
    return given.id === 0 ? false : (id as number) < 40;
  };
  return visible.filter(meets);
}

/** One aggregate of rows as a number, or as a time in milliseconds. All values are exact in floating point. */
function figure(aggregate: string, column: string, of: readonly Row[]): number | null {
  if (column === '_all') return of.length;
  const values = of.flatMap(row => (row[column] === null ? [] : [Number(row[column])]));
  if (aggregate === '_count') return values.length;
  if (values.length === 0) return null;
  const sum = values.reduce((total, value) => total + value, 0);
  if (aggregate === '_sum') return sum;
  return aggregate === '_avg' ? sum / values.length : Math[aggregate === '_min' ? 'min' : 'max'](...values);
}

function figures(args: Json, of: readonly Row[]): Json {
  const out: Json = args._count === true ? { _count: of.length } : {};
  for (const aggregate of ['_sum', '_avg', '_min', '_max']) {
    if (args[aggregate] === undefined) continue;
    out[aggregate] = Object.fromEntries(
      Object.keys(args[aggregate]).map(column => [column, toJson(aggregate, column, figure(aggregate, column, of))]),
    );
  }
  return out;
}

function toJson(aggregate: string, column: string, value: number | null): Json {
  if (value === null) return null;
  if (column === 'seenAt') return new Date(value).toISOString();
  if (column === 'points' && aggregate !== '_avg') return String(value);
  if (column !== 'amount') return aggregate === '_avg' ? expect.closeTo(value, 6) : value;
  return aggregate === '_avg'
    ? expect.toSatisfy((text: string) => /^-?\d+(\.\d+)?$/.test(text) && Math.abs(Number(text) - value) < 1e-6)
    : String(value);
}

/** The groups of a call, all of them, in their order. */
function grouped(args: Json, provider: string): Json[] {
  const steps: [name: string, bucket: string | undefined][] = args.by.map((name: string) => name.split(':'));
  const groups = new Map<string, { keys: Json; of: Row[] }>();
  for (const row of matching(args.where)) {
    const values = Object.fromEntries(steps.map(([name, bucket]) => [name, bucket === undefined ? row[name] : startOf(bucket, row[name])]));
    const id = JSON.stringify(Object.values(values).map(String));
    const group = groups.get(id) ?? { keys: values, of: [] };
    group.of.push(row);
    groups.set(id, group);
  }
  const found = [...groups.values()].filter(({ of }) => args.having === undefined || truth(args.having, of) === true);
  const [[ordered, order] = []] = Object.entries<Json>(args.orderBy ?? {});
  const orderOf = (group: { keys: Json; of: Row[] }): [value: unknown, direction: string][] => {
    const given: [unknown, string][] = [];
    if (ordered !== undefined && ordered in group.keys) given.push([rank(ordered, group.keys[ordered], provider), order as string]);
    else if (ordered !== undefined && typeof order === 'string') given.push([group.of.length, order]);
    else if (ordered !== undefined) {
      const [[column, direction]] = Object.entries(order as Record<string, string>) as [[string, string]];
      given.push([figure(ordered, column, group.of), direction]);
    }
    return [...given, ...steps.map(([name]): [unknown, string] => [rank(name, group.keys[name], provider), 'asc'])];
  };
  found.sort((one, other) => {
    const others = orderOf(other);
    for (const [at, [value, direction]] of orderOf(one).entries()) {
      const result = compare(value, others[at]?.[0], provider) * (direction === 'asc' ? 1 : -1);
      if (result !== 0) return result;
    }
    return 0;
  });
  return found.map(({ keys: values, of }) => ({
    ...Object.fromEntries(steps.map(([name, bucket]) => [name, keyJson(name, bucket, values[name])])),
    ...figures(args, of),
  }));
}

/** SQLite orders an enum by its text, PostgreSQL as the schema does: CALM, BUSY. */
function rank(name: string, value: unknown, provider: string): unknown {
  return name === 'mood' && provider === 'postgresql' && value !== null ? ['CALM', 'BUSY'].indexOf(value as string) : value;
}

function keyJson(name: string, bucket: string | undefined, value: unknown): Json {
  if (value === null) return null;
  if (bucket !== undefined) return new Date(value as number).toISOString().slice(0, 10);
  if (name === 'seenAt') return new Date(value as number).toISOString();
  return name === 'points' || name === 'amount' ? String(typeof value === 'bigint' ? value : Number(value)) : value;
}

function startOf(bucket: string, time: unknown): number | null {
  if (time === null) return null;
  const date = new Date(time as number);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  if (bucket === 'year') return Date.UTC(year, 0, 1);
  if (bucket === 'month') return Date.UTC(year, month, 1);
  return Date.UTC(year, month, day - (bucket === 'week' ? (date.getUTCDay() + 6) % 7 : 0));
}

function compare(one: unknown, other: unknown, provider: string): number {
  if (one === null || other === null) return (Number(one === null) - Number(other === null)) * (provider === 'postgresql' ? 1 : -1);
  const [a, b] = [one, other].map(value => (typeof value === 'string' && !Number.isNaN(Number(value)) ? Number(value) : value));
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
}

/** SQL's three values. */
function truth(given: Json, of: readonly Row[]): boolean | null {
  const [[name, value]] = Object.entries<Json>(given) as [[string, Json]];
  const not = (part: boolean | null): boolean | null => (part === null ? null : !part);
  const all = (parts: (boolean | null)[]): boolean | null => (parts.includes(false) ? false : parts.includes(null) ? null : true);
  if (name === 'OR') return not(all(value.map((part: Json) => not(truth(part, of)))));
  if (name === 'NOT') return all([value].flat().map((part: Json) => not(truth(part, of))));
  const [[aggregate, filter]] = (name === '_count' ? [['_all', value]] : Object.entries(value)) as [[string, Json]];
  const actual = name === '_count' ? of.length : figure(aggregate, name, of);
  const [[operator, operand]] = Object.entries(filter) as [[string, Json]];
  if (actual === null) return null;
  const wanted = name === 'seenAt' && aggregate !== '_count' ? Date.parse(operand) : Number(operand);
  const results: Record<string, boolean> = {
    gt: actual > wanted,
    gte: actual >= wanted,
    lt: actual < wanted,
    lte: actual <= wanted,
    equals: actual === wanted,
    not: actual !== wanted,
  };
  return results[operator] ?? null;
}
