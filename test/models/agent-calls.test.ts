import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DatamodelField } from '../../src/models/datamodel/datamodel.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { fillMembers } from './nullable.ts';
import type { Json, Served } from './served.ts';
import { serve } from './served.ts';

const operations = ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'];
const reads = ['findUnique', 'findMany', 'count'];

/** Values as agents give them for a type: right, nearly right, and odd. */
const given: Record<string, Json[]> = {
  String: ['', 'a', 'O’Brien', '50%', "x'; DROP TABLE--", '\\', 'ünï', 'a\u0000', 'x'.repeat(300)],
  Int: [0, 1, -3, 2, 2_147_483_647, 2_147_483_648, 1.5, '1'],
  BigInt: ['1', 2, '9007199254740993', '9223372036854775807', '-0', '1e3', 1e300],
  Float: [0, 1.5, -2.25, 1e308, 1.797693134862315e308, 'NaN', '1.5'],
  Decimal: ['1.5', 2, '0.001', '-12345678901234567890.5', '1e5', '€5'],
  Boolean: [true, false, 'true', 1],
  DateTime: [
    '2026-11-21',
    '2026-11-21T10:00:00Z',
    '2026-11-21T10:00:00+02:00',
    '09:30',
    '09:30:00',
    '21.11.2026',
    '2026-02-30',
    1_700_000_000,
  ],
  Bytes: ['', 'AP8K', 'not base64', [1, 2]],
  Json: [1, 'text', true, [], [1, 'x'], { a: 1 }, { a: { b: ['x'] } }, { set: 1 }],
};
const operators = [
  'equals',
  'not',
  'in',
  'notIn',
  'lt',
  'lte',
  'gt',
  'gte',
  'contains',
  'startsWith',
  'endsWith',
  'mode',
  'has',
  'hasSome',
];
const jsonOperators = [
  'path',
  'string_contains',
  'string_starts_with',
  'array_contains',
  'array_starts_with',
  'gt',
  'lt',
  'equals',
  'not',
  'mode',
];
const odd: Json[] = [null, {}, [], [null], { nope: 1 }, '', 0, true];

/** What a refusal must say: what the caller can change, or where the row stands. */
const member =
  /^(where|data|orderBy|select|take|cursor|limit|include)\b|^(not found|already exists|still referenced): |^a value does not fit the type of its column \(/;
const remedies =
  /expected |not one of |not made of |such as|must |leave |give |look |\(.+\)|out of (the )?range|more than \d+ digits|(is|are) required|never null|not base64|contains |longer than|does not exist|name (the row|at least)|no pages|not found: |already exists|still referenced|can(not)? be /;

describeDatabases('calls as an agent makes them', provider => {
  let db: TestDatabase;
  let served: Served;
  beforeAll(async () => {
    db = await openDatabase(provider);
    await fillMembers(db);
    await db.prisma.client.create({ data: { id: 1, email: 'a@example.com', name: 'Ada', passwordHash: 'x' } });
    await db.prisma.room.create({ data: { id: 'red', code: 'R', capacity: 2 } });
    await db.prisma.booking.create({
      data: { id: 1, clientId: 1, roomId: 'red', startsAt: new Date(0), price: '1.5', meta: { a: ['x'] } },
    });
    await db.prisma.auditLog.create({ data: { id: 1n, payload: new Uint8Array(2), ratio: 1 } });
    if (provider === 'postgresql') await db.prisma.$executeRawUnsafe(`INSERT INTO "Native" ("id") VALUES (gen_random_uuid())`);
    const models = Object.values(db.datamodel.models).filter(({ name }) => !name.startsWith('Mcp'));
    served = serve(
      db,
      Object.fromEntries(
        models.map(({ key, missing = [] }) => [
          key,
          { operations: missing.length === 0 ? operations : reads, ...(key === 'client' && { omit: { passwordHash: false } }) },
        ]),
      ),
      {},
    );
  });
  afterAll(() => db.close());

  /** A call of any tool with arguments of any of its columns, relations and operators. */
  function calls(): fc.Arbitrary<[tool: string, args: Json]> {
    const models = Object.values(db.datamodel.models).filter(({ key }) => served.tools.some(({ name }) => name.startsWith(`${key}_`)));
    const value = (field: DatamodelField): fc.Arbitrary<Json> => {
      const enums = db.datamodel.enums[field.type]?.values;
      const own = enums === undefined ? (given[field.type] ?? odd) : [...enums, 'calm', 'LOST'];
      const one = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...own) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });
      return field.isList ? fc.oneof(fc.array(one, { maxLength: 2 }), one) : one;
    };
    const filter = (field: DatamodelField): fc.Arbitrary<Json> => {
      const names = field.type === 'Json' ? jsonOperators : operators;
      const operand = (operator: string): fc.Arbitrary<Json> =>
        operator === 'path'
          ? fc.constantFrom<Json[]>(['a'], ['a', 'b', 0], ['a b'], '$.a', 'a', [])
          : operator === 'mode'
            ? fc.constantFrom('insensitive', 'loose')
            : fc.oneof(value(field), fc.array(value(field), { maxLength: 3 }), fc.constantFrom(...odd));
      const one = fc.constantFrom(...names).chain(operator => operand(operator).map(part => ({ [operator]: part })));
      return fc.oneof(
        value(field),
        one,
        fc.tuple(one, one).map(([a, b]) => ({ ...a, ...b })),
        one.map(not => ({ not })),
      );
    };
    const where = (model: (typeof models)[number], depth: number): fc.Arbitrary<Json> => {
      const columns = model.fields.filter(({ kind }) => kind !== 'object');
      const relations = model.fields.filter(({ kind }) => kind === 'object');
      const column = fc.constantFrom(...columns).chain(field => filter(field).map(part => ({ [field.name]: part })));
      if (depth === 0) return column;
      const inner = where(model, depth - 1);
      const related = relations.map(field => {
        const target = db.datamodel.models[field.type];
        const part = target === undefined ? fc.constant({}) : where(target, depth - 1);
        const names = field.isList ? ['some', 'every', 'none', 'is'] : ['is', 'isNot', 'some'];
        return fc
          .oneof(
            part,
            fc.constant(null),
            fc.constantFrom(...names).chain(name => part.map(each => ({ [name]: each }))),
          )
          .map(each => ({ [field.name]: each }));
      });
      return fc.oneof(
        { weight: 4, arbitrary: column },
        ...related.map(arbitrary => ({ weight: 1, arbitrary })),
        {
          weight: 1,
          arbitrary: fc
            .constantFrom('AND', 'OR', 'NOT')
            .chain(name => fc.oneof(inner, fc.array(inner, { maxLength: 2 })).map(part => ({ [name]: part }))),
        },
        { weight: 1, arbitrary: fc.tuple(column, inner).map(([a, b]) => ({ ...a, ...b })) },
      );
    };
    const unique = (model: (typeof models)[number]): fc.Arbitrary<Json> => {
      const key = model.fields.find(({ isId }) => isId) ?? model.fields.find(({ isUnique }) => isUnique);
      if (key === undefined || model.primaryKey.length > 1)
        return fc.constantFrom<Json[]>({ clientId_roomId: { clientId: 1, roomId: 'red' } }, { clientId: 1 }, {});
      const right = key.type === 'Int' ? 1 : key.type === 'BigInt' ? '1' : 'red';
      return fc.oneof(
        { weight: 3, arbitrary: fc.constant({ [key.name]: right }) },
        value(key).map(each => ({ [key.name]: each })),
        where(model, 0),
      );
    };
    const order = (model: (typeof models)[number]): fc.Arbitrary<Json> =>
      fc
        .constantFrom(...model.fields)
        .chain(({ name, kind, isList }) =>
          fc
            .constantFrom<Json[]>(
              'asc',
              'DESC',
              { sort: 'desc', nulls: 'last' },
              ...(kind === 'object' ? [isList ? { _count: 'desc' } : { id: 'asc' }, { name: 'asc' }] : []),
            )
            .map(direction => ({ [name]: direction })),
        );
    const data = (model: (typeof models)[number]): fc.Arbitrary<Json> => {
      const field = fc.constantFrom(...model.fields).chain(each => {
        const change = fc
          .constantFrom('set', 'increment', 'multiply', 'divide', 'push', 'connect')
          .chain(name => value(each).map(part => ({ [name]: part })));
        return fc.oneof({ weight: 3, arbitrary: value(each) }, { weight: 1, arbitrary: change }).map(part => ({ [each.name]: part }));
      });
      const whole = fc.tuple(
        ...model.fields
          .filter(({ kind, isRequired, hasDefaultValue }) => kind !== 'object' && isRequired && !hasDefaultValue)
          .map(each => value(each).map(part => [each.name, part] as const)),
      );
      return fc.oneof(
        field,
        fc.tuple(field, field).map(([a, b]) => ({ ...a, ...b })),
        fc.tuple(whole, field).map(([all, one]) => ({ ...Object.fromEntries(all), ...one })),
      );
    };
    return fc.constantFrom(...models).chain(model => {
      const select = fc.constantFrom<Json[]>(undefined, undefined, { id: true }, { nope: true }, ['id'], { id: 'yes' });
      const args: Record<string, fc.Arbitrary<Json>> = {
        findUnique: fc.record({ where: unique(model), select }),
        findMany: fc.record({
          where: where(model, 2),
          orderBy: fc.option(fc.oneof(order(model), fc.array(order(model), { maxLength: 2 })), { nil: undefined }),
          take: fc.constantFrom(undefined, undefined, 1, 0, 1000, '5'),
          cursor: fc.constantFrom(undefined, undefined, undefined, 'x', 1),
          select,
        }),
        count: fc.record({ where: where(model, 2) }),
        create: fc.record({ data: data(model) }),
        update: fc.record({ where: unique(model), data: data(model) }),
        delete: fc.record({ where: unique(model) }),
      };
      const names = operations.filter(operation => served.tools.some(({ name }) => name === `${model.key}_${operation}`));
      return fc
        .constantFrom(...names.flatMap(name => (name === 'findMany' || name === 'update' ? [name, name] : [name])))
        .chain(operation => (args[operation] as fc.Arbitrary<Json>).map((each): [string, Json] => [`${model.key}_${operation}`, each]));
    });
  }

  it('never end in an internal error, and each refusal names the member and the remedy', async () => {
    let answered = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(calls(), async ([tool, args]) => {
        try {
          await served.run(tool, args);
          answered++;
        } catch (error) {
          const { name, message } = error as Error;
          const call = `${tool} ${JSON.stringify(args)}: ${message}`;
          expect(name, call).toBe('ToolError');
          expect(message, call).toMatch(member);
          expect(message, call).toMatch(remedies);
          refused++;
        }
      }),
      { numRuns: Number(process.env['RUNS'] ?? 200), seed: Number(process.env['SEED'] ?? 7), endOnFailure: true },
    );
    expect(answered).toBeGreaterThan(20);
    expect(refused).toBeGreaterThan(20);
  }, 60_000);
});
