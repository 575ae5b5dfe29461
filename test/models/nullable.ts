import fc from 'fast-check';
import { Prisma } from '../../generated/test/sqlite/client/client.ts';
import type { Provider, TestDatabase } from '../support/database.ts';
import type { Json } from './served.ts';

const day = (n: number): Date => new Date(Date.UTC(2026, 0, n));
const bytes = (n: number): Uint8Array<ArrayBuffer> => new Uint8Array([n, 255]);

/** A few members of which every nullable column is NULL for some, with docs, badges and leads. */
export async function fillMembers({ prisma, provider }: TestDatabase): Promise<void> {
  const extras = [{ a: 'x' }, { a: 1 }, { a: null }, { a: [] }, { b: 'x' }, 'x', Prisma.JsonNull, Prisma.DbNull];
  for (let id = 1; id <= 16; id++) {
    /** NULL for a third of the members, a different third for each column. */
    const some = <T>(column: number, value: T): T | null => ((id * 7 + column * 5) % 9 < 3 ? null : value);
    const n = id % 3;
    await prisma.member.create({
      data: {
        id,
        nick: `nick ${id}`,
        label: some(0, ['a', 'B', 'ab'][n] as string),
        score: some(1, n),
        bound: some(2, 1),
        points: some(3, BigInt(n)),
        ratio: some(4, n / 2),
        amount: some(5, `${n}.5`),
        active: some(6, n === 1),
        seenAt: some(7, day(1 + n)),
        photo: some(8, bytes(n)),
        extra: extras[id % extras.length] as never,
        facts: extras[(id * 5) % 6] as never,
        mood: some(1, n === 1 ? 'CALM' : 'BUSY'),
      },
    });
  }
  for (let id = 1; id <= 16; id++) {
    if (id % 4 > 0) await prisma.member.update({ where: { id }, data: { leadId: (id * 5) % 16 || null } });
    await prisma.doc.create({
      data: { id, title: `doc ${id}`, rank: id % 3 || null, authorId: id % 5 ? id : null, editorId: (id % 16) + 1 },
    });
    if (id % 3 > 0) await prisma.badge.create({ data: { id, text: `badge ${id}`, level: id % 4 || null, memberId: id % 7 ? id : null } });
  }
  if (provider === 'sqlite') return;
  const lists = ["'{}'", 'NULL', "'{a}'", "'{a,b}'"];
  for (let id = 1; id <= 8; id++) {
    const [labels, sizes, moods] = [lists[id % 4], ["'{1,2}'", 'NULL', "'{}'"][id % 3], ['NULL', "'{CALM}'"][id % 2]];
    await prisma.$executeRawUnsafe(`INSERT INTO "Listing" VALUES (${id}, 'name ${id}', ${labels}, ${sizes}, ${moods})`);
    await prisma.$executeRawUnsafe(`INSERT INTO "Entry" VALUES (${id}, ${id})`);
  }
}

/** Any `where` that a host may give a model of `fillMembers`, over columns of every type, relations, and groups of both. */
export function policiesOf(model: 'member' | 'listing', { prisma, provider }: TestDatabase): fc.Arbitrary<Json> {
  const columns = model === 'member' ? memberColumns(prisma, provider) : listingColumns;
  const rank = values(fc.constantFrom(1, 2));
  const one = fc.oneof(
    ...Object.entries(columns).map(([name, filter]) => ({
      weight: name === 'extra' || name === 'facts' ? 3 : 1,
      arbitrary: filter.map(value => ({ [name]: value })),
    })),
  );
  return fc.letrec<{ where: Json }>(tie => {
    const where = tie('where');
    const parts = fc.array(where, { minLength: 1, maxLength: 2 });
    const doc = fc.oneof(
      rank.map(filter => ({ rank: filter })),
      where.map(author => ({ author })),
    );
    const toOne = (inner: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
      fc.oneof(
        fc.constant(null),
        inner,
        fc.record({ is: inner }),
        fc.record({ isNot: inner }),
        fc.constantFrom({ is: null }, { isNot: null }),
      );
    const toMany = (inner: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
      fc.oneof(fc.record({ some: inner }), fc.record({ none: inner }), fc.record({ every: inner }));
    const related = fc.oneof(
      toOne(where).map(lead => ({ lead })),
      toMany(doc).map(docs => ({ docs })),
      toOne(rank.map(level => ({ level }))).map(badge => ({ badge })),
    );
    return {
      where: fc.oneof(
        { maxDepth: 4, depthSize: 'small' },
        one,
        ...(model === 'member' ? [related] : []),
        fc.tuple(one, one).map(([first, second]) => ({ ...first, ...second })),
        parts.map(AND => ({ AND })),
        parts.map(OR => ({ OR })),
        fc.oneof(where, parts).map(NOT => ({ NOT })),
      ),
    };
  }).where;
}

/** Filters by equality and its kin. */
function values(value: fc.Arbitrary<Json>, ...more: string[]): fc.Arbitrary<Json> {
  const operator = fc.constantFrom('equals', 'not', 'in', 'notIn', ...more);
  const filter = fc.tuple(operator, value, fc.boolean(), fc.boolean()).map(([name, one, isNull, isEmpty]) => {
    if (name === 'in' || name === 'notIn') return { [name]: isEmpty ? [] : [one] };
    return { [name]: isNull && (name === 'equals' || name === 'not') ? null : one };
  });
  return fc.oneof(
    value,
    fc.constant(null),
    filter,
    fc.tuple(filter, filter).map(([first, second]) => ({ ...first, ...second })),
    filter.map(not => ({ not })),
  );
}

function memberColumns(prisma: TestDatabase['prisma'], provider: Provider): Record<string, fc.Arbitrary<Json>> {
  const { bound } = prisma.member.fields;
  const comparisons = ['lt', 'lte', 'gt', 'gte'];
  const text = values(fc.constantFrom('a', 'B', 'b'), ...comparisons, 'contains', 'startsWith', 'endsWith');
  const path = provider === 'sqlite' ? '$.a' : ['a'];
  const json = fc.oneof(
    fc.constantFrom<Json[]>('x', 1, { a: 'x' }).chain(value => fc.constantFrom<Json[]>({ equals: value }, { not: value })),
    fc
      .constantFrom<Json[]>(Prisma.DbNull, Prisma.JsonNull, Prisma.AnyNull)
      .chain(value => fc.constantFrom<Json[]>({ equals: value }, { not: value })),
  );
  return {
    label:
      provider === 'sqlite'
        ? text
        : fc.oneof(text, fc.constantFrom({ contains: 'A', mode: 'insensitive' }, { not: { equals: 'b' }, mode: 'insensitive' })),
    score: fc.oneof(
      values(fc.constantFrom(0, 1, 2), ...comparisons),
      fc.constantFrom<Json[]>({ gt: bound }, { equals: bound }, { not: { equals: bound } }, { not: { lt: bound } }),
    ),
    points: values(fc.constantFrom(0n, 1n), ...comparisons),
    ratio: values(fc.constantFrom(0, 0.5), ...comparisons),
    amount: values(fc.constantFrom('0.5', '1.5'), ...comparisons),
    active: fc.oneof(fc.constantFrom(true, false, null, { equals: true }, { not: true }, { not: null }, { not: { equals: false } })),
    seenAt: values(fc.constantFrom(day(1), day(2)), ...comparisons),
    photo: values(fc.constantFrom(bytes(0), bytes(1))),
    extra: fc.oneof(
      json,
      json.map(filter => ({ path, ...filter })),
      fc.constantFrom({ path, string_contains: 'x' }, { path, string_contains: 'x', not: 'y' }, { path, array_starts_with: 'x' }),
    ),
    facts: fc.constantFrom<Json[]>({ path, equals: 'x' }, { path, not: 'x' }, { equals: { a: 1 } }),
    mood: values(fc.constantFrom('CALM', 'BUSY')),
  };
}

const listFilters = (value: Json): fc.Arbitrary<Json> =>
  fc.constantFrom<Json[]>(
    { has: value },
    { hasSome: [value] },
    { hasSome: [] },
    { hasEvery: [value] },
    { hasEvery: [] },
    { isEmpty: true },
    { isEmpty: false },
    { equals: [value] },
    { equals: [] },
    { equals: null },
  );
const listingColumns: Record<string, fc.Arbitrary<Json>> = { labels: listFilters('a'), sizes: listFilters(1), moods: listFilters('CALM') };
