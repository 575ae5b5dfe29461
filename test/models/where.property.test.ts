import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import type { Exposure } from '../../src/models/graph.ts';
import { modelGraph } from '../../src/models/graph.ts';
import { parseWhere } from '../../src/models/where.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import { cases, propertyMs } from '../support/property.ts';
import type { Json, Served } from './served.ts';
import { seeded, serve } from './served.ts';

const limits = { maxDepth: 12, maxConditions: 1000, maxValues: 50 };
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
