import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rowToolOf } from '../../src/models/arguments/tool-names.ts';
import type { CompiledModels } from '../../src/models/compile.ts';
import { compileModels } from '../../src/models/compile.ts';
import type { Operation } from '../../src/models/declaration/operations.ts';
import { operationNames } from '../../src/models/declaration/operations.ts';
import type { ExposureLike } from '../../src/models/exposure.ts';
import type { CallContext } from '../../src/protocol/definitions.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import { cases, propertyMs } from '../support/property.ts';
import type { Json } from './served.ts';
import { callOf, seeded, userOf } from './served.ts';

interface Case {
  readonly model: string;
  readonly operation: Operation;
  readonly args: Json;
  readonly caller?: number | undefined;
}

/** Row policies, hidden columns, forced values, includes and each set of operations that matters. */
const models: Record<string, ExposureLike> = {
  client: {
    operations: ['findUnique', 'findFirst', 'findMany', 'count', 'groupBy'],
    omit: { notes: true },
    include: { bookings: { take: 2 }, _count: { select: { bookings: true } } },
  },
  booking: {
    operations: operationNames,
    where: (ctx: CallContext) => ({ clientId: userOf(ctx)?.clientId ?? -1 }),
    data: (ctx: CallContext) => ({ clientId: userOf(ctx)?.clientId ?? -1 }),
    include: { client: { select: { name: true } } },
    orderBy: { startsAt: 'desc' },
    take: 3,
  },
  room: { operations: ['findMany', 'update'], data: { capacity: 4 } },
  membership: { operations: operationNames },
  auditLog: { operations: ['findUnique', 'count', 'create'] },
};
const exposed = Object.entries(models).flatMap(([model, { operations = ['findUnique', 'findMany', 'count'] }]) =>
  operations.map(operation => ({ model, operation: operation as Operation })),
);

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });

/** The result or the error of a call. Hints that name a call are written alike for both styles. */
async function outcome({ tools }: CompiledModels, name: string, args: object, caller?: number): Promise<Json> {
  const tool = tools.find(known => known.name === name) ?? expect.fail(`no tool ${name}`);
  try {
    // As it arrives: no undefined, no class.
    const result = await tool.call(JSON.parse(JSON.stringify(args)), callOf(caller));
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
    return result;
  } catch (error) {
    const { name: kind, message, expose, status } = error as Json;
    return { kind, expose, status, message: message.replaceAll(/\w+_rows \{ model: "(\w+)", operation: "(\w+)", /g, '$1_$2 { ') };
  }
}

describeDatabases('a compact endpoint', provider => {
  let own: TestDatabase;
  let other: TestDatabase;
  let tools: CompiledModels;
  let compact: CompiledModels;

  beforeAll(async () => {
    [own, other] = await Promise.all([seeded(provider), seeded(provider)]);
    for (const { prisma } of [own, other]) await prisma.client.updateMany({ data: { updatedAt: new Date(0) } });
    tools = compileModels({ name: 'test', prisma: own.prisma, datamodel: own.datamodel, models });
    compact = compileModels({ name: 'test', prisma: other.prisma, datamodel: other.datamodel, models, style: 'compact' });
  });
  afterAll(() => Promise.all([own.close(), other.close()]));

  const both = async ({ model, operation, args, caller }: Case): Promise<[Json, Json]> => [
    await outcome(tools, `${model}_${operation}`, args, caller),
    await outcome(compact, rowToolOf(operation), { model, operation, ...args }, caller),
  ];

  const when = '2026-05-01T09:00:00Z';

  it.each<Case>([
    { model: 'booking', operation: 'findUnique', args: { where: { id: 1 } }, caller: 1 },
    { model: 'booking', operation: 'findUnique', args: { where: { id: 4 } }, caller: 1 },
    { model: 'booking', operation: 'findUnique', args: { where: { id: 99 } }, caller: 1 },
    {
      model: 'booking',
      operation: 'findMany',
      args: { where: { status: { in: ['PENDING'] } }, select: { id: true, client: true } },
      caller: 2,
    },
    { model: 'booking', operation: 'findMany', args: {} },
    { model: 'booking', operation: 'count', args: { where: { room: { is: { code: 'R' } } } }, caller: 1 },
    { model: 'client', operation: 'findMany', args: { orderBy: [{ name: 'desc' }], take: 1 } },
    { model: 'client', operation: 'findMany', args: { where: { notes: { startsWith: 'v' } } } },
    { model: 'client', operation: 'findMany', args: { select: { passwordHash: true } } },
    { model: 'client', operation: 'findUnique', args: { where: { id: 1 }, select: { notes: true } } },
    { model: 'client', operation: 'findUnique', args: { where: { id: 1 }, include: { bookings: true } } },
    { model: 'client', operation: 'findMany', args: { select: { memberships: true } } },
    { model: 'booking', operation: 'findFirst', args: { where: { status: 'CANCELLED' } }, caller: 1 },
    { model: 'booking', operation: 'findFirst', args: { where: { id: 4 } }, caller: 1 },
    { model: 'booking', operation: 'aggregate', args: { _count: true, _sum: { price: true } }, caller: 1 },
    { model: 'booking', operation: 'groupBy', args: { by: ['status', 'startsAt:week'], _count: true }, caller: 1 },
    { model: 'booking', operation: 'create', args: { data: { startsAt: when, price: '1', roomId: 'red' } }, caller: 1 },
    { model: 'booking', operation: 'create', args: { data: { startsAt: when, price: '1', clientId: 2 } }, caller: 1 },
    { model: 'booking', operation: 'create', args: { data: { startsAt: when } }, caller: 1 },
    { model: 'booking', operation: 'create', args: { data: { startsAt: when, price: '1', roomId: 'no room' } }, caller: 1 },
    { model: 'booking', operation: 'update', args: { where: { id: 1 }, data: { status: 'CANCELLED' } }, caller: 1 },
    { model: 'booking', operation: 'update', args: { where: { id: 4 }, data: { status: 'CANCELLED' } }, caller: 1 },
    { model: 'booking', operation: 'delete', args: { where: { id: 2 } }, caller: 1 },
    { model: 'booking', operation: 'delete', args: { where: { id: 4 } }, caller: 1 },
    { model: 'room', operation: 'update', args: { where: { id: 'red' }, data: { active: false } } },
    { model: 'room', operation: 'update', args: { where: { code: 'R' }, data: { code: 'B' } } },
    { model: 'membership', operation: 'create', args: { data: { clientId: 1, roomId: 'red', level: 'x', slot: 9 } } },
    { model: 'membership', operation: 'delete', args: { where: { clientId_roomId: { clientId: 1, roomId: 'red' } } } },
    { model: 'auditLog', operation: 'create', args: { data: { id: '77', payload: 'AP8K', ratio: 1.5 } } },
  ])('answers as the tool of the model does: $operation of $model, $args', async each => {
    const [expected, answered] = await both(each);
    expect(answered).toEqual(expected);
  });

  it('follows a cursor as the tool of the model does', async () => {
    const args = { where: { id: { gt: 1 } }, take: 1 };
    const [first] = await both({ model: 'client', operation: 'findMany', args });
    const { nextCursor: cursor } = first.structuredContent;
    expect(cursor).toEqual(expect.any(String));
    const [expected, answered] = await both({ model: 'client', operation: 'findMany', args: { ...args, cursor } });
    expect(answered).toEqual(expected);
    expect(answered.structuredContent.rows).toHaveLength(1);
  });

  it(
    'answers any call as the tool of the model does, and with what its output schema says',
    async () => {
      const outputs = new Map(tools.tools.map(tool => [tool.name, ajv.compile(tool.outputSchema ?? false)]));
      let succeeded = 0;
      await fc.assert(
        fc.asyncProperty(anyCall, async call => {
          const [expected, answered] = await both(call);
          expect(answered).toEqual(expected);
          if (answered.kind !== undefined) {
            // An error that the model may not read would be an internal error.
            expect(answered).toMatchObject({ kind: 'ToolError', expose: true, message: expect.stringMatching(refusal) });
            return;
          }
          succeeded += 1;
          expect(outputs.get(`${call.model}_${call.operation}`)?.(answered.structuredContent)).toBe(true);
        }),
        cases(300),
      );
      expect(succeeded).toBeGreaterThan(20);
    },
    propertyMs,
  );

  it('leaves the same rows behind', async () => {
    const rows = ({ prisma }: TestDatabase) =>
      Promise.all([
        prisma.booking.findMany({ orderBy: { id: 'asc' } }),
        prisma.room.findMany({ orderBy: { id: 'asc' } }),
        prisma.membership.findMany({ orderBy: { slot: 'asc' } }),
        prisma.auditLog.findMany({ orderBy: { id: 'asc' } }),
      ]);
    expect(await rows(other)).toEqual(await rows(own));
  });
});

/** A refusal names the argument, with the path in it; the database's own refusals name the fact. */
const refusal =
  /^(?:(?:where|select|orderBy|take|cursor|data|create|update|dryRun|distinct|by|having|_count|_sum|_avg|_min|_max|include|limit|filter|skip|id)[^ ]*: |not found: |not allowed: |already exists: |still referenced: |a value )/;

const small = fc.integer({ min: 0, max: 8 });
const value = fc.oneof(
  small,
  fc.constantFrom('red', 'blue', 'PENDING', 'CONFIRMED', '12.5', '2026-03-02T09:00:00Z', '', null, true),
  fc.constant({}),
);
const column = fc.constantFrom(
  ...[
    'id',
    'clientId',
    'roomId',
    'status',
    'startsAt',
    'price',
    'name',
    'email',
    'notes',
    'passwordHash',
    'code',
    'capacity',
    'level',
    'slot',
  ],
  ...['ratio', 'payload', 'nope', 'start_at', 'AND', 'OR', 'NOT', '__proto__', 'client.name'],
);
const operator = fc.constantFrom('equals', 'not', 'gt', 'lte', 'in', 'contains', 'eq', '$gt', 'between', 'some', 'is', 'none');
const relation = fc.constantFrom('client', 'bookings', 'room', 'memberships', 'referredBy', 'tags');
const filter: fc.Arbitrary<Json> = fc.oneof(
  fc.dictionary(column, value, { maxKeys: 2 }),
  fc.dictionary(column, fc.dictionary(operator, fc.oneof(value, fc.array(value, { maxLength: 2 })), { maxKeys: 2 }), { maxKeys: 2 }),
  fc.dictionary(relation, fc.dictionary(operator, fc.dictionary(column, value, { maxKeys: 1 }), { maxKeys: 1 }), { maxKeys: 1 }),
  fc.constant({}),
  value,
);
const key = fc.oneof(
  small.map(id => ({ id })),
  fc.constantFrom('red', 'blue').map(id => ({ id })),
  fc.record({ clientId: small, roomId: fc.constantFrom('red', 'blue') }).map(clientId_roomId => ({ clientId_roomId })),
  filter,
);
const select = fc.dictionary(fc.oneof(column, relation), fc.boolean(), { maxKeys: 3 });
const data = fc.dictionary(column, value, { maxKeys: 4 });
const orderBy = fc.oneof(
  fc.dictionary(column, fc.constantFrom('asc', 'desc', 'up'), { maxKeys: 2 }),
  fc.array(fc.dictionary(fc.oneof(column, relation), fc.constantFrom('asc', 'desc'), { maxKeys: 1 }), { maxLength: 2 }),
);

const flags = fc.dictionary(column, fc.boolean(), { minKeys: 1, maxKeys: 1 });
const figures = { _count: fc.constantFrom(true, { _all: true }), _sum: flags, _max: flags };

/** The arguments of an operation, often right, and some that it does not have. */
const argumentsOf: Readonly<Record<Operation, fc.Arbitrary<Json>>> = {
  findUnique: fc.record({ where: key, select }, { requiredKeys: [] }),
  findFirst: fc.record({ where: filter, select, orderBy }, { requiredKeys: [] }),
  findMany: fc.record(
    { where: filter, select, orderBy, take: fc.integer({ min: 0, max: 5 }), distinct: fc.array(column, { maxLength: 2 }) },
    { requiredKeys: [] },
  ),
  count: fc.record({ where: filter }, { requiredKeys: [] }),
  aggregate: fc.record({ where: filter, ...figures }, { requiredKeys: ['_count'] }),
  groupBy: fc.record(
    {
      by: fc.array(fc.oneof(column, fc.constant('startsAt:month')), { minLength: 1, maxLength: 2 }),
      where: filter,
      having: fc.constantFrom({ _count: { gt: 1 } }, { price: { _sum: { gt: '20' } } }, { notes: { _min: 'a' } }),
      orderBy: fc.constantFrom({ _count: 'desc' }, { status: 'desc' }, { startsAt: 'asc' }),
      ...figures,
    },
    { requiredKeys: ['by'] },
  ),
  create: fc.record({ data }, { requiredKeys: [] }),
  createMany: fc.record({ data: fc.oneof(fc.array(data, { maxLength: 2 }), data) }, { requiredKeys: [] }),
  update: fc.record({ where: key, data }, { requiredKeys: [] }),
  updateMany: fc.record({ where: filter, data, dryRun: fc.boolean() }, { requiredKeys: [] }),
  upsert: fc.record({ where: key, create: data, update: data }, { requiredKeys: [] }),
  delete: fc.record({ where: key }, { requiredKeys: [] }),
  deleteMany: fc.record({ where: filter, dryRun: fc.boolean() }, { requiredKeys: [] }),
};
const strange = fc.dictionary(fc.constantFrom('include', 'limit', 'filter', 'skip', 'id', 'cursor'), fc.oneof(value, select), {
  maxKeys: 1,
});

const anyCall: fc.Arbitrary<Case> = fc
  .record({ target: fc.constantFrom(...exposed), caller: fc.constantFrom(undefined, 1, 2) })
  .chain(({ target, caller }) =>
    fc
      .tuple(argumentsOf[target.operation], fc.oneof({ weight: 6, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: strange }))
      .map(([args, more]) => ({ ...target, caller, args: { ...args, ...more } })),
  );
