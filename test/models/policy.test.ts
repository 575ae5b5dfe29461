import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import type { ModelNode } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import { Policies } from '../../src/models/policy/policy.ts';
import { scopeWhere } from '../../src/models/policy/related-policies.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { Json } from './served.ts';
import { callOf, seeded, serve } from './served.ts';

const nodeOf = (models: Json, key: string): ModelNode => {
  const graph = modelGraph(datamodel);
  resolveExposures(models, graph);
  return graph.byKey.get(key) as ModelNode;
};

describe('adding related policies to a where', () => {
  const P = { name: 'P' };
  const models = { client: { where: P }, booking: { where: { status: 'PENDING' } }, room: {} };
  const scoped = (key: string, where: Json): Json => scopeWhere(nodeOf(models, key), where, new Policies(callOf()));
  const B = { status: 'PENDING' };

  it.each<[title: string, key: string, where: Json, expected: Json]>([
    ['plain conditions stay', 'booking', { id: 1, OR: [{ id: 2 }], NOT: { id: 3 } }, { id: 1, OR: [{ id: 2 }], NOT: [{ id: 3 }] }],
    ['some', 'client', { bookings: { some: { id: 1 } } }, { AND: [{ bookings: { some: { AND: [{ id: 1 }, B] } } }] }],
    ['some of anything', 'client', { bookings: { some: {} } }, { AND: [{ bookings: { some: B } }] }],
    ['none', 'client', { bookings: { none: { id: 1 } } }, { AND: [{ bookings: { none: { AND: [{ id: 1 }, B] } } }] }],
    ['every', 'client', { bookings: { every: { id: 1 } } }, { AND: [{ bookings: { none: { AND: [B, { NOT: { id: 1 } }] } } }] }],
    ['every of anything is no condition', 'client', { bookings: { every: {} } }, {}],
    [
      'none and every at once',
      'client',
      { bookings: { none: { id: 1 }, every: { id: 2 } } },
      { AND: [{ bookings: { none: { AND: [{ id: 1 }, B] } } }, { bookings: { none: { AND: [B, { NOT: { id: 2 } }] } } }] },
    ],
    ['is', 'booking', { client: { is: { id: 1 } } }, { AND: [{ client: { is: { AND: [{ id: 1 }, P] } } }] }],
    ['is in short', 'booking', { client: { id: 1 } }, { AND: [{ client: { is: { AND: [{ id: 1 }, P] } } }] }],
    ['isNot', 'booking', { client: { isNot: { id: 1 } } }, { AND: [{ client: { isNot: { AND: [{ id: 1 }, P] } } }] }],
    ['null', 'booking', { client: null }, { AND: [{ client: { isNot: P } }] }],
    ['is null', 'booking', { client: { is: null } }, { AND: [{ client: { isNot: P } }] }],
    ['is not null', 'booking', { client: { isNot: null } }, { AND: [{ client: { is: P } }] }],
    ['null of an optional relation without policy', 'booking', { room: null }, { AND: [{ room: { is: null } }] }],
    ['not null of an optional relation without policy', 'booking', { room: { isNot: null } }, { AND: [{ room: { isNot: null } }] }],
    [
      'a relation without policy on the way to one with',
      'booking',
      { room: { bookings: { some: {} } } },
      { AND: [{ room: { is: { AND: [{ bookings: { some: B } }] } } }] },
    ],
    [
      'a relation below AND, OR and NOT',
      'booking',
      { AND: { NOT: [{ OR: [{ client: { id: 1 } }] }] } },
      { AND: [{ NOT: [{ OR: [{ AND: [{ client: { is: { AND: [{ id: 1 }, P] } } }] }] }] }] },
    ],
    [
      'a relation of a relation',
      'client',
      { bookings: { some: { client: { id: 1 } } } },
      { AND: [{ bookings: { some: { AND: [{ AND: [{ client: { is: { AND: [{ id: 1 }, P] } } }] }, B] } } }] },
    ],
  ])('%s', (_title, key, where, expected) => {
    expect(scoped(key, where)).toEqual(expected);
  });
});

describe('a policy function', () => {
  it('runs once per model and operation, awaited or not, however often it is read', async () => {
    for (const where of [vi.fn(() => ({ id: 1 })), vi.fn(async () => ({ id: 1 }))]) {
      const node = nodeOf({ client: { where } }, 'client');
      const policies = new Policies(callOf());
      const read = () =>
        policies.settled(() => [policies.filter(node, 'findMany'), policies.filter(node, 'count'), policies.filter(node, 'findMany')]);
      expect(await read()).toEqual([{ id: 1 }, { id: 1 }, { id: 1 }]);
      await read();
      expect(where.mock.calls.map((call: unknown[]) => call[1])).toEqual(['findMany', 'count']);
    }
  });

  it('gives its context and the operation, and {} lets every row through', async () => {
    const ctx = callOf(7);
    const where = vi.fn(() => ({}));
    const policies = new Policies(ctx);
    expect(policies.filter(nodeOf({ client: { where } }, 'client'), 'delete')).toBeUndefined();
    expect(where).toHaveBeenCalledWith(ctx, 'delete');
  });

  it('finds nothing as long as it is awaited', () => {
    const node = nodeOf({ client: { where: () => Promise.resolve({}) } }, 'client');
    expect(new Policies(callOf()).filter(node, 'findMany')).toEqual({ id: { in: [] } });
  });
});

describeDatabases('a policy that fails', provider => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await seeded(provider);
  });
  afterAll(() => db.close());

  const skip = { ifUndefined: (value: unknown) => value };
  const failing: [title: string, where: unknown, message: string][] = [
    ['undefined', undefined, 'expected a where, got nothing; {} means every row'],
    ['null', null, 'expected a where, got null'],
    ['false', false, 'expected a where, got a boolean'],
    ['an array', [{}], 'expected a where, got an array'],
    ['undefined for a column', { clientId: undefined }, 'clientId: is undefined, which Prisma reads as no condition'],
    ['undefined deep inside', { OR: [{ client: { is: { id: { in: [undefined] } } } }] }, 'OR.client.is.id.in[0]: is undefined'],
    ['Prisma.skip', { clientId: skip }, 'clientId: is Prisma.skip'],
    ['{} for a column', { clientId: {} }, 'clientId: is {}'],
    ['{} for a relation', { client: {} }, 'client: is {}'],
    ['a column that does not exist', { ownerId: 1 }, 'ownerId: Booking has no field `ownerId`'],
  ];

  it.each(failing)('returning %s, fails closed and tells the app, not the caller', async (_title, value, message) => {
    for (const where of [() => value, async () => value]) {
      const { tools, resources, scope } = serve(db, {
        booking: { where, operations: ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'] },
        client: {},
      });
      const call = (name: string, args: Json) => tools.find(tool => tool.name === name)?.call(args, callOf());
      const client = scope(callOf()) as TestDatabase['prisma'];
      db.queries.length = 0;
      const data = { clientId: 1, startsAt: '2026-05-01T09:00:00Z', price: '1' };
      for (const attempt of [
        () => call('booking_findUnique', { where: { id: 1 } }),
        () => call('booking_findMany', {}),
        () => call('booking_count', {}),
        () => call('booking_create', { data }),
        () => call('booking_update', { where: { id: 1 }, data: { price: '1' } }),
        () => call('booking_delete', { where: { id: 1 } }),
        () => call('client_count', { where: { bookings: { some: {} } } }),
        () => resources.find(({ uri }) => uri === 'test://booking')?.read('test://booking', callOf()),
        () => client.booking.findMany(),
        () => client.client.findMany({ include: { bookings: true } }),
      ]) {
        const error: unknown = await Promise.resolve(attempt()).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(TypeError);
        expect((error as Error).message).toContain(message);
        expect((error as Error).message).toMatch(/^models\.booking\.where \(returned for \w+\)/);
      }
      expect(db.queries).toEqual([]);
    }
  });

  it('throwing, is the app’s error and reaches no database', async () => {
    const where = () => {
      throw new Error('directory is down');
    };
    const { tools } = serve(db, { booking: { where } });
    db.queries.length = 0;
    await expect(tools[0]?.call({ where: { id: 1 } }, callOf())).rejects.toThrow('directory is down');
    expect(db.queries).toEqual([]);
  });

  it('returning an empty OR, hides every row, though Prisma drops one inside an AND', async () => {
    for (const where of [{ OR: [] }, { AND: [{ OR: [] }] }, { AND: { OR: [] } }, { client: { is: { AND: [{ OR: [] }] } } }]) {
      for (const policy of [where, () => where]) {
        const served = serve(db, { booking: { where: policy } });
        expect(await served.run('booking_count')).toEqual({ count: 0 });
        expect(await served.run('booking_count', { where: { id: { gt: 0 } } })).toEqual({ count: 0 });
        expect(await served.fail('booking_findUnique', { where: { id: 1 } })).toContain('not found');
        expect(await served.run('booking_findMany', { where: { NOT: { id: 99 } } })).toEqual({ rows: [] });
      }
    }
  });

  it('of one model leaves the others of the same call alone', async () => {
    const { scope } = serve(db, { booking: { where: async () => undefined }, client: { where: async () => ({ id: 1 }) } });
    const client = scope(callOf()) as TestDatabase['prisma'];
    await expect(client.booking.count()).rejects.toThrow(TypeError);
    expect(await client.client.count()).toBe(1);
  });

  it('is asked at most once per model and operation in one call', async () => {
    const booking = vi.fn(async () => ({ clientId: { in: [1, 2] } }));
    const client = vi.fn(async () => ({ id: { in: [1, 2] } }));
    const served = serve(db, {
      booking: { where: booking, include: { client: true } },
      client: { where: client, include: { bookings: true } },
    });
    await served.run('booking_findMany', {
      where: { OR: [{ client: { name: 'Ada' } }, { client: { bookings: { some: { client: { id: 1 } } } } }] },
    });
    expect(booking.mock.calls.map((call: unknown[]) => call[1])).toEqual(['findMany']);
    expect(client.mock.calls.map((call: unknown[]) => call[1])).toEqual(['findMany']);
  });
});
