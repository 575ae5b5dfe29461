import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { PrismaClient } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { cases, propertyMs } from '../support/property.ts';
import type { Json } from './world.ts';
import { ask, callerOf, fill, internals, openAs, serve } from './world.ts';

const own = (ctx: never): object => ({ clientId: callerOf(ctx) });
const all = ['findUnique', 'findMany', 'count', 'create', 'createMany', 'update', 'updateMany', 'upsert', 'delete', 'deleteMany'];
const models = {
  client: {
    operations: ['findMany', 'update', 'updateMany'],
    where: (ctx: never) => ({ id: callerOf(ctx) }),
    omit: { notes: true, email: true },
  },
  booking: { operations: all, where: own, omit: { internalNote: true }, include: { client: { select: { name: true } }, room: true } },
  membership: { operations: all, where: async (ctx: never) => ({ client: { is: { id: callerOf(ctx) } } }) },
  room: { operations: [...all.slice(0, 3), 'update', 'updateMany'], omit: { active: true } },
  auditLog: { operations: all, data: { actor: 'forced' } },
};

const text = fc.oneof(
  fc.constantFrom('red', 'blue', 'B', 'full', '', '\u0000', '\ud800', 'a\udc00', '%', "'; --", '\\', 'x'.repeat(3000), '__proto__', '🎉'),
  fc.string({ unit: 'binary', maxLength: 8 }),
);
const number = fc.oneof(
  fc.integer({ min: -1, max: 7 }),
  fc.constantFrom(-0, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, 1e21, 1.5, Number.MAX_VALUE, -Number.MAX_VALUE, 5e-324),
  fc.double({ noNaN: true }),
);
const digits = fc.oneof(
  fc.constantFrom('0', '-5', '9223372036854775807', '-9223372036854775808', '9223372036854775808', '9007199254740993', '1e3', 'NaN', '٣'),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc.constantFrom('12.50', '-0', '9'.repeat(100), `0.${'9'.repeat(100)}`, 'Infinity', '1.'),
);
const date = fc.oneof(
  fc.constantFrom('0001-01-01T00:00:00+14:00', '9999-12-31T23:59:59-14:00', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999Z'),
  fc.constantFrom('2026-02-30T00:00:00Z', '2026-01-01', '2026-01-01T24:00:00Z', '2026-01-01T00:00:00+99:99', '-0001-01-01T00:00:00Z'),
  fc.date({ noInvalidDate: true }).map(value => value.toISOString()),
);
const bytes = fc.constantFrom('', 'AA==', 'AP8K', 'A', '====', 'A===', 'not base64', 'AAA=');
const json = fc.oneof(
  fc.json().map(value => JSON.parse(value)),
  fc.constantFrom({ $type: 'FieldRef', value: { _ref: 'internalNote', _container: 'Booking' } }, { $type: 'Json', value: '{' }, { set: 1 }),
  fc.constantFrom(
    { prisma__type: 'param', prisma__value: { name: '%1', type: 'Any' } },
    { constructor: { prototype: 1 } },
    { a: '\ud800' },
  ),
);
const junk = fc.oneof(text, number, digits, date, json, fc.constantFrom(null, true, [], {}, { set: 1 }, { increment: 1 }, [[]]));
const id = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 8 }) }, junk);
const roomId = fc.oneof({ weight: 5, arbitrary: fc.constantFrom('red', 'blue', null) }, junk);
const columns: Record<string, Record<string, fc.Arbitrary<Json>>> = {
  client: { id, name: text, phone: text, notes: text, email: text, passwordHash: text, referredById: id, joinedAt: date, bookings: json },
  booking: {
    id,
    clientId: id,
    roomId,
    startsAt: date,
    status: text,
    price: digits,
    meta: json,
    internalNote: text,
    client: json,
    room: json,
  },
  membership: { clientId: id, roomId, level: text, slot: number, expiresAt: date, client: json, room: json },
  room: { id: text, code: text, capacity: number, active: fc.boolean() },
  auditLog: { id: digits, payload: bytes, ratio: number, actor: text },
};
const plain: Record<string, Json> = {
  client: {},
  booking: { clientId: 2, startsAt: '2026-04-01T09:00:00Z', price: '1' },
  membership: { clientId: 2, roomId: 'red', level: 'x', slot: 1 },
  room: {},
  auditLog: { id: '7', payload: '', ratio: 0 },
};

const write = fc.constantFrom(...Object.keys(models)).chain(key => {
  const { operations } = models[key as keyof typeof models];
  const values = columns[key] as Record<string, fc.Arbitrary<Json>>;
  const some = fc
    .array(fc.constantFrom(...Object.keys(values)), { maxLength: 2 })
    .chain(names =>
      fc.tuple(
        ...names.map(name => fc.oneof({ weight: 6, arbitrary: values[name] as fc.Arbitrary<Json> }, junk).map(value => [name, value])),
      ),
    )
    .map(entries => Object.fromEntries(entries as [string, Json][]));
  const compound = fc.record({ clientId: id, roomId }).map(value => ({ clientId_roomId: value }));
  const slot = fc.record({ roomId, slot: fc.integer({ min: 1, max: 3 }) }).map(value => ({ roomSlot: value }));
  const where =
    key === 'membership'
      ? fc.oneof(compound, slot, some)
      : fc.oneof(
          (values['id'] as fc.Arbitrary<Json>).map(value => ({ id: value })),
          some,
        );
  const few = fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 4 });
  const filter = fc.oneof(
    some,
    fc.constantFrom<Json>({ clientId: { gt: 0 } }, { NOT: { client: { is: { phone: 'x' } } } }, { client: { isNot: { name: 'x' } } }, {}),
    few.map(ids => (key === 'membership' ? { slot: { in: ids } } : { id: { in: ids } })),
  );
  return fc
    .record({ operation: fc.constantFrom(...operations.filter(name => !name.startsWith('find') && name !== 'count')), where, filter, some })
    .map(({ operation, where: one, filter: many, some: data }) => ({
      tool: `${key}_${operation}`,
      args: argsOf(operation, { key, one, many, data }),
    }));
});

function argsOf(operation: string, { key, one, many, data }: { key: string; one: Json; many: Json; data: Json }): object {
  const created = { ...plain[key], ...data };
  switch (operation) {
    case 'create':
      return { data: created };
    case 'createMany':
      return { data: [created, plain[key]] };
    case 'update':
      return { where: one, data };
    case 'updateMany':
      return { where: many, data };
    case 'upsert':
      return { where: one, create: created, update: data };
    case 'delete':
      return { where: one };
    default:
      return { where: many };
  }
}

/** What client 2 must not have changed. */
async function outOfReach(prisma: PrismaClient): Promise<unknown> {
  const not = { not: 2 };
  return [
    await prisma.client.findMany({ where: { id: not }, orderBy: { id: 'asc' } }),
    await prisma.client.findMany({ where: { id: 2 }, select: { id: true, notes: true, email: true, passwordHash: true } }),
    await prisma.booking.findMany({ where: { clientId: not }, orderBy: { id: 'asc' } }),
    await prisma.booking.count({ where: { clientId: 2, id: { gt: 6 }, internalNote: { not: null } } }),
    await prisma.membership.findMany({ where: { clientId: not } }),
    await prisma.room.findMany({ where: { active: false } }),
    await prisma.auditLog.count({ where: { OR: [{ actor: null }, { actor: { not: 'forced' } }] } }),
  ];
}

describeDatabases('any write of a caller', provider => {
  it(
    'leaves what the declaration keeps from it as it was, and is answered without a word of the inside',
    async () => {
      await using db = await openDatabase(provider);
      await fill(db.prisma);
      await db.prisma.client.updateMany({ where: { id: 2 }, data: { referredById: 1 } });
      await using server = await serve(db, models);
      const session = await openAs(server.url, 2);
      const before = await outOfReach(db.prisma);
      let done = 0;
      await fc.assert(
        fc.asyncProperty(write, async ({ tool, args }) => {
          const answer = await ask(session, tool, args);
          expect(await outOfReach(db.prisma)).toEqual(before);
          if (typeof answer === 'string') {
            expect(answer).not.toMatch(internals);
            return;
          }
          done += 1;
          // A reference may only lead to what is in sight.
          expect(await db.prisma.client.count({ where: { id: 2, referredById: { notIn: [1, 2] } } })).toBe(0);
          // No row that was written makes a list unreadable.
          for (const key of ['auditLog', 'booking']) expect(await ask(session, `${key}_findMany`)).toHaveProperty('rows');
        }),
        cases(200),
      );
      expect(done).toBeGreaterThan(10);
    },
    propertyMs,
  );
});
