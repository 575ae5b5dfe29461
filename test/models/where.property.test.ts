import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { parseWhere, resolveWhereLimits } from '../../src/models/arguments/where.ts';
import type { Datamodel, DatamodelField } from '../../src/models/datamodel/datamodel.ts';
import type { Exposure } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { cases, propertyMs } from '../support/property.ts';
import { fillMembers } from './nullable.ts';
import type { Json, Served } from './served.ts';
import { seeded, serve } from './served.ts';

const limits = resolveWhereLimits(
  { maxDepth: 12, maxConditions: 1000, maxValues: 50, maxHops: 12, maxListFilters: 100, maxListHops: 12, maxRelations: 100 },
  undefined,
);
const visible = { client: { omit: { notes: true } }, booking: { omit: { meta: true } }, room: {} };

/** What a caller may say of each model, nested up to some depth. */
const { client, booking, room } = fc.letrec<Record<'client' | 'booking' | 'room', Json>>(tie => {
  const combined = (own: fc.Arbitrary<Json>, name: 'client' | 'booking' | 'room') => {
    const parts = fc.array(tie(name), { maxLength: 3 });
    const options = { depthSize: 'small', maxDepth: 4, depthIdentifier: 'where' } as const;
    return fc.oneof(
      options,
      own,
      fc.record({ AND: parts }),
      fc.record({ OR: parts }),
      fc.record({ NOT: fc.oneof(tie(name), parts) }),
      fc.tuple(own, tie(name)).map(([a, b]) => ({ ...a, AND: [b] })),
    );
  };
  const toMany = (name: 'client' | 'booking' | 'room') =>
    fc.oneof(...['some', 'every', 'none'].map(operator => tie(name).map(where => ({ [operator]: where }))));
  const toOne = (name: 'client' | 'booking' | 'room') =>
    fc.oneof(
      tie(name).map(where => ({ is: where })),
      tie(name).map(where => ({ isNot: where })),
    );
  const optional = (name: 'client' | 'booking' | 'room') =>
    fc.oneof(toOne(name), fc.constant(null), fc.constant({ is: null }), fc.constant({ isNot: null }));
  const one = (columns: Record<string, fc.Arbitrary<Json>>) =>
    fc.oneof(...Object.entries(columns).map(([name, value]) => value.map(part => ({ [name]: part }))));
  const id = fc.oneof(
    fc.integer({ min: 0, max: 8 }),
    fc.record({ gt: fc.integer({ min: 0, max: 8 }) }),
    fc.record({ in: fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 3 }) }),
  );
  const text = fc.oneof(
    fc.constantFrom('Ada', 'Grace', 'window'),
    fc.record({ contains: fc.constantFrom('a', 'i', '') }),
    fc.record({ not: fc.constantFrom('Ada', 'late') }),
  );
  const nullable = fc.oneof(text, fc.constant(null), fc.constant({ not: null }));
  return {
    client: combined(
      one({ id, name: text, phone: nullable, bookings: toMany('booking'), referrals: toMany('client'), referredBy: optional('client') }),
      'client',
    ),
    booking: combined(
      one({
        id,
        status: fc.constantFrom('PENDING', 'CONFIRMED', 'CANCELLED'),
        internalNote: nullable,
        client: toOne('client'),
        room: optional('room'),
      }),
      'booking',
    ),
    room: combined(one({ active: fc.boolean(), code: fc.constantFrom('R', 'B'), capacity: id, bookings: toMany('booking') }), 'room'),
  };
});
const wheres = { client, booking, room };

describeDatabases('any where of a caller', provider => {
  let whole: TestDatabase;
  let pruned: TestDatabase;
  let policed: Served;
  let open: Served;

  beforeAll(async () => {
    [whole, pruned] = await Promise.all([seeded(provider), seeded(provider)]);
    // A database in which the rows that the policies hide were never written. Dangling clients stay, as nobody can see where they point.
    await dropForeignKeys(pruned);
    await pruned.prisma.booking.deleteMany({ where: { status: 'CANCELLED' } });
    await pruned.prisma.booking.updateMany({ where: { roomId: 'blue' }, data: { roomId: null } });
    await pruned.prisma.$executeRawUnsafe(`DELETE FROM "Room" WHERE "id" = 'blue'`);
    await pruned.prisma.client.updateMany({ where: { referredById: 1 }, data: { referredById: null } });
    await pruned.prisma.$executeRawUnsafe(`DELETE FROM "Client" WHERE "id" = 1`);
    policed = serve(
      whole,
      {
        client: { ...visible.client, where: async () => ({ notes: null }) },
        booking: { ...visible.booking, where: { status: { not: 'CANCELLED' } } },
        room: { ...visible.room, where: () => ({ active: true }) },
      },
      limits,
    );
    open = serve(pruned, visible, limits);
  });
  afterAll(() => Promise.all([whole.close(), pruned.close()]));

  it('has a reference that is really smaller', async () => {
    for (const model of ['client', 'booking', 'room']) {
      const { count } = await open.run(`${model}_count`);
      expect(await policed.run(`${model}_count`)).toEqual({ count });
      expect(count).toBeGreaterThan(0);
    }
    expect(await pruned.prisma.booking.count()).toBe(5);
    expect(await pruned.prisma.client.count()).toBe(2);
    expect(await pruned.prisma.room.count()).toBe(1);
  });

  it.each(['client', 'booking', 'room'] as const)(
    'of a %s finds what it would find if hidden rows did not exist',
    async model => {
      await fc.assert(
        fc.asyncProperty(wheres[model], async where => {
          const args = { where, select: { id: true } };
          const expected = await open.run(`${model}_findMany`, args);
          expect(await policed.run(`${model}_findMany`, args)).toEqual(expected);
          expect(await policed.run(`${model}_count`, { where })).toEqual({ count: expected.rows.length });
        }),
        cases(provider === 'sqlite' ? 100 : 30),
      );
    },
    propertyMs,
  );
});

async function dropForeignKeys({ prisma, provider }: TestDatabase): Promise<void> {
  if (provider === 'sqlite') {
    await prisma.$executeRawUnsafe('PRAGMA foreign_keys = OFF');
    return;
  }
  for (const name of ['Booking_clientId_fkey', 'Booking_roomId_fkey'])
    await prisma.$executeRawUnsafe(`ALTER TABLE "Booking" DROP CONSTRAINT "${name}"`);
  for (const name of ['Membership_clientId_fkey', 'Membership_roomId_fkey'])
    await prisma.$executeRawUnsafe(`ALTER TABLE "Membership" DROP CONSTRAINT "${name}"`);
  await prisma.$executeRawUnsafe('ALTER TABLE "Client" DROP CONSTRAINT "Client_referredById_fkey"');
}

/** Some values of each type that rows of `fillMembers` have, and some that no row has, as a caller writes them. */
const valuesOf: Readonly<Record<string, Json[]>> = {
  Int: [0, 1, 2, 3, 7, -1],
  BigInt: ['0', '1', 2, '9223372036854775807'],
  Float: [0, 0.5, 1, 1.5, -2],
  Decimal: ['0.5', '1.5', 2.5, '1.50', '7'],
  String: ['a', 'B', 'ab', 'b', 'nick 1', 'name 2', 'doc 3', 'nothing'],
  DateTime: ['2026-01-01T00:00:00Z', '2026-01-02T01:00:00+01:00', '2026-01-03T00:00:00.000Z'],
  Bytes: ['AP8=', 'Af8=', ''],
  Boolean: [true, false],
  Mood: ['CALM', 'BUSY'],
};
const comparable = ['Int', 'BigInt', 'Float', 'Decimal', 'String', 'DateTime'];

/** Any filter of a column that is not Json. */
function filterOf({ type, isList, isRequired }: DatamodelField, insensitive: boolean): fc.Arbitrary<Json> {
  const value = fc.constantFrom(...(valuesOf[type] ?? []));
  const some = fc.array(value, { maxLength: 3 });
  if (isList) {
    const isEmpty = fc.boolean().map(empty => ({ isEmpty: empty }));
    const lists = some.chain(values => fc.constantFrom<Json[]>({ hasEvery: values }, { hasSome: values }, { equals: values }));
    return fc.oneof(
      lists,
      isEmpty,
      value.map(has => ({ has })),
    );
  }
  const orNull = isRequired ? value : fc.oneof({ weight: 3, arbitrary: value }, fc.constant(null));
  const operators: fc.Arbitrary<Json>[] = [orNull.map(equals => ({ equals })), orNull.map(not => ({ not }))];
  if (type !== 'Boolean')
    operators.push(
      some.map(values => ({ in: values })),
      some.map(notIn => ({ notIn })),
    );
  if (comparable.includes(type)) {
    operators.push(fc.tuple(fc.constantFrom('lt', 'lte', 'gt', 'gte'), value).map(([name, one]) => ({ [name]: one })));
  }
  if (type === 'String') {
    const part = fc.constantFrom('a', 'n', 'B', '1', '', '%', 'i_k');
    const pattern = fc.tuple(fc.constantFrom('contains', 'startsWith', 'endsWith'), part).map(([name, one]) => ({ [name]: one }));
    operators.push(pattern, ...(insensitive ? [pattern.map(filter => ({ ...filter, mode: 'insensitive' }))] : []));
  }
  const filter = fc.oneof(...operators);
  const plain = filter.filter(one => one.mode === undefined);
  return fc.oneof(
    orNull,
    filter,
    plain.map(not => ({ not })),
    fc.tuple(filter, plain).map(([one, other]) => ({ ...other, ...one })),
  );
}

/** The same `where` for Prisma, which takes BigInt and bytes as such. */
function toPrisma({ models }: Datamodel, model: string, where: Json): Json {
  const fields = models[model]?.fields ?? [];
  const convert = (type: string, value: Json): Json => {
    if (Array.isArray(value)) return value.map(item => convert(type, item));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, name === 'mode' ? part : convert(type, part)]));
    if (type === 'BigInt' && value !== null && typeof value !== 'boolean') return BigInt(value);
    return type === 'Bytes' && typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'base64')) : value;
  };
  return Object.fromEntries(
    Object.entries(where as Record<string, Json>).map(([name, value]) => {
      const field = fields.find(known => known.name === name);
      if (field === undefined) return [name, [value].flat().map(part => toPrisma({ models, enums: {} }, model, part))];
      if (field.kind !== 'object') return [name, convert(field.type, value)];
      if (value === null) return [name, null];
      const filters = Object.entries(value as Record<string, Json>).map(([operator, part]) => [
        operator,
        part === null ? null : toPrisma({ models, enums: {} }, field.type, part),
      ]);
      return [name, Object.fromEntries(filters)];
    }),
  );
}

describeDatabases('without policies, any where over columns of every type', provider => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await openDatabase(provider);
    await fillMembers(db);
  });
  afterAll(() => db.close());

  /** Any `where` over all columns but Json, and over relations, by model. */
  const wheresOf = ({ models }: Datamodel): Record<string, fc.Arbitrary<Json>> => {
    const names = ['Member', 'Doc', 'Badge', 'Listing', 'Entry'].filter(name => models[name] !== undefined);
    return fc.letrec<Record<string, Json>>(tie =>
      Object.fromEntries(
        names.map(name => {
          const all = models[name]?.fields ?? [];
          const columns = all
            .filter(({ kind, type }) => kind !== 'object' && type !== 'Json')
            .map(field => filterOf(field, provider === 'postgresql').map((filter): Json => ({ [field.name]: filter })));
          const relations = all
            .filter(({ kind }) => kind === 'object')
            .map(({ name: relation, type, isList, isRequired }) => {
              const operators = isList ? ['some', 'every', 'none'] : ['is', 'isNot'];
              const filters = operators.map(operator => tie(type).map((where): Json => ({ [relation]: { [operator]: where } })));
              const nulls = isList || isRequired ? [] : [null, { is: null }, { isNot: null }];
              return fc.oneof(...filters, ...nulls.map(none => fc.constant<Json>({ [relation]: none })));
            });
          const one = fc.oneof(...columns);
          const parts = fc.array(tie(name), { minLength: 1, maxLength: 2 });
          const combined = parts.chain(list => fc.constantFrom<Json[]>({ AND: list }, { OR: list }, { NOT: list }));
          const where = fc.oneof({ maxDepth: 4, depthSize: 'small' }, { weight: 3, arbitrary: one }, combined, ...relations);
          return [name, where];
        }),
      ),
    );
  };

  it(
    'finds what Prisma finds by the same where',
    async () => {
      const wheres = wheresOf(db.datamodel);
      const models = Object.fromEntries(Object.keys(wheres).map(name => [db.datamodel.models[name]?.key, {}]));
      const { run } = serve(db, models as never, limits);
      const tally = { none: 0, some: 0, all: 0 };
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...Object.keys(wheres)).chain(name => (wheres[name] as fc.Arbitrary<Json>).map(where => [name, where] as const)),
          async ([name, where]) => {
            const key = db.datamodel.models[name]?.key ?? '';
            const args = { where: toPrisma(db.datamodel, name, where), select: { id: true }, orderBy: { id: 'asc' } };
            const expected = await (db.prisma as Json)[key].findMany(args);
            expect((await run(`${key}_findMany`, { where, select: { id: true } })).rows).toEqual(expected);
            expect(await run(`${key}_count`, { where })).toEqual({ count: expected.length });
            tally[expected.length === 0 ? 'none' : expected.length > 7 ? 'all' : 'some']++;
          },
        ),
        cases(provider === 'sqlite' ? 400 : 200),
      );
      expect(tally.some).toBeGreaterThan(30);
      expect(tally.none).toBeGreaterThan(20);
    },
    propertyMs,
  );
});

describe('any JSON as a where', () => {
  const exposures = resolveExposures(visible, modelGraph(datamodel));
  const exposure = exposures.find(({ node }) => node.key === 'client') as Exposure;
  const hidden = ['passwordHash', 'notes', 'meta', 'memberships', 'tags', '__proto__', 'constructor'];
  const words = [
    ...hidden,
    'id',
    'name',
    'AND',
    'OR',
    'NOT',
    'bookings',
    'client',
    'referredBy',
    'referrals',
    'room',
    'some',
    'none',
    'every',
    'is',
    'isNot',
    'equals',
    'not',
    'in',
    'contains',
    'status',
  ];
  const json = fc.letrec<Record<'value', Json>>(tie => ({
    value: fc.oneof(
      { maxDepth: 6, depthSize: 'medium' },
      fc.oneof(fc.constantFrom('a', 'PENDING', null, 1, true), fc.string()),
      fc.array(tie('value'), { maxLength: 3 }),
      fc
        .array(fc.tuple(fc.constantFrom(...words), tie('value')), { maxLength: 3 })
        .map(entries => JSON.parse(`{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`)),
    ),
  })).value;

  it('is refused with a message for the caller, or names visible columns alone', () => {
    let parsed = 0;
    fc.assert(
      fc.property(json, value => {
        let where: Json;
        try {
          ({ where } = parseWhere(exposure, value, limits));
        } catch (error) {
          expect((error as Error).name).toBe('ToolError');
          return;
        }
        parsed++;
        const names = JSON.stringify(where).match(/"(\w+)":/g) ?? [];
        for (const name of hidden) expect(names).not.toContain(`"${name}":`);
      }),
      cases(2000),
    );
    expect(parsed).toBeGreaterThan(50);
  });
});
