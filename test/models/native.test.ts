import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datamodel } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { operatorsOf } from '../../src/models/arguments/where.ts';
import type { Exposure } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import type { TestDatabase } from '../support/database.ts';
import { describePostgres, openDatabase } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { serve } from './served.ts';

const id = '0189f7a4-7a52-7b3c-8a50-6d8ad9d9b0f1';
const operations = ['findUnique', 'findMany', 'count', 'create', 'update'];
const [exposure] = resolveExposures({ native: { operations } }, modelGraph(datamodel)) as [Exposure];

describe('a datamodel', () => {
  it('has the native types of columns, as in the schema', () => {
    const types = (datamodel.models['Native']?.fields ?? []).map(({ name, nativeType }) => [name, nativeType]);
    expect(Object.fromEntries(types)).toMatchObject({ id: 'Uuid', code: 'VarChar(4)', exact: 'Decimal(5, 2)', time: 'Time(3)' });
    expect(datamodel.models['Client']?.fields[1]).not.toHaveProperty('nativeType');
  });
});

describePostgres('a column with a native type', () => {
  let db: TestDatabase;
  let served: Served;
  beforeAll(async () => {
    db = await openDatabase('postgresql');
    served = serve(db, { native: { operations } });
    await db.prisma.$executeRawUnsafe(`INSERT INTO "Native" ("id") VALUES ('${id}')`);
    await served.run('native_update', {
      where: { id },
      data: { code: 'ab', address: '10.0.0.1', bits: '101', markup: '<a/>', small: 3, exact: '1.50' },
    });
  });
  afterAll(() => db.close());

  it.each<[data: Json, message: string]>([
    [{ other: 'x' }, 'data.other: not a UUID, such as 0189f7a4-7a52-7b3c-8a50-6d8ad9d9b0f1'],
    [{ ids: ['x'] }, 'data.ids[0]: not a UUID, such as'],
    [{ code: 'abcde' }, 'data.code: longer than 4 characters'],
    [{ fixed: 'abc' }, 'data.fixed: longer than 2 characters'],
    [{ bits: '1' }, 'data.bits: expected 3 bits, got 1'],
    [{ bits: 'abc' }, 'data.bits: not made of 0s and 1s'],
    [{ flags: '1111' }, 'data.flags: expected at most 3 bits, got 4'],
    [{ small: 32_768 }, 'data.small: out of range, -32768 to 32767'],
    [{ oid: -1 }, 'data.oid: out of range, 0 to 2147483647'],
    [{ real: 1e39 }, 'data.real: out of range, -3.4028234e+38 to 3.4028234e+38'],
    [{ exact: '1000' }, 'data.exact: more than 3 digits before the point'],
    [{ exact: '999.999' }, 'data.exact: more than 3 digits before the point'],
    [{ cash: '99999999999999999' }, 'data.cash: out of range, -92233720368547000 to 92233720368547000'],
    [{ address: 'x' }, 'a value does not fit the type of its column (address takes Inet)'],
    [{ markup: '<a' }, 'a value does not fit the type of its column (markup takes Xml)'],
  ])('refuses to hold %o and says what it wants', async (data, message) => {
    expect(await served.fail('native_update', { where: { id }, data })).toContain(message);
  });

  it.each<[where: Json, message: string]>([
    [{ other: { contains: 'a' } }, 'where.other.contains: not a filter for other (equals, not, in, notIn, lt, lte, gt, gte)'],
    [{ other: { equals: id, mode: 'insensitive' } }, 'where.other.mode: not a filter for other'],
    [{ address: { equals: '10.0.0.1', mode: 'insensitive' } }, 'where.address.mode: not a filter for address'],
    [{ address: 'x' }, 'a value does not fit the type of its column (address takes Inet)'],
    [{ markup: '<a/>' }, 'where.markup: markup cannot be compared with a value, only with null (contains, startsWith, endsWith)'],
    [{ markup: { in: ['<a/>'] } }, 'where.markup.in: not a filter for markup'],
    [{ small: { gt: 70_000 } }, 'where.small.gt: out of range'],
  ])('refuses the filter %o', async (where, message) => {
    expect(await served.fail('native_count', { where })).toContain(message);
  });

  it.each<[where: Json]>([
    [{ code: { startsWith: 'abcdef' } }],
    [{ code: { not: 'much longer than it' } }],
    [{ code: { contains: 'AB', mode: 'insensitive' } }],
    [{ address: { startsWith: '10.' } }],
    [{ markup: { contains: '<a' } }],
    [{ markup: { not: null } }],
    [{ id: id.toUpperCase() }],
    [{ exact: { lt: '100000.123' } }],
    [{ bits: { gt: '1' } }],
  ])('takes the filter %o', async where => {
    expect(await served.run('native_count', { where })).toEqual(expect.objectContaining({ count: expect.any(Number) }));
  });

  it('has one URI a row', async () => {
    expect(await served.read('native', { id })).toMatchObject({ id, exact: '1.5' });
    expect(await served.read('native', { id: id.toUpperCase() })).toBeUndefined();
    expect(await served.read('native', { id: 'x' })).toBeUndefined();
    expect(await served.fail('native_findMany', { orderBy: { markup: 'asc' } })).toContain('no column "markup" to order by');
  });

  it('never answers with an internal error, whatever the input', async () => {
    const values: Json[] = [
      '',
      'a',
      'ab',
      id,
      '10.0.0.1/8',
      '10.0.0.1',
      '::1',
      '101',
      '1',
      '<a/>',
      'a&b',
      0,
      3,
      -1,
      70_000,
      4_000_000_000,
      1.5,
      1e39,
      '1.5',
    ];
    const more: Json[] = ['999.995', '12345678901234567890', '2026-01-02T03:04:05Z', null, true, { a: 1 }, [], [id]];
    const value = fc.constantFrom(...values, ...more);
    const column = fc.constantFrom(...exposure.columns.values());
    const filter = column.chain(each =>
      fc.tuple(fc.constantFrom(...operatorsOf(each, true)), value, fc.boolean(), fc.boolean()).map(([operator, operand, plain, listed]) => {
        const own = listed || ['in', 'notIn', 'hasEvery', 'hasSome'].includes(operator) ? [operand] : operand;
        return { [each.name]: plain ? operand : operator === 'mode' ? { equals: operand, mode: 'insensitive' } : { [operator]: own } };
      }),
    );
    const data = fc.tuple(column, value).map(([each, one]) => ({ [each.name]: one }));
    let done = 0;
    const settle = (tool: string, args: object): Promise<void> =>
      served.run(tool, args).then(
        () => {
          done++;
        },
        (error: Error) => {
          expect(error.name, `${tool} ${JSON.stringify(args)}: ${error.message}`).toBe('ToolError');
        },
      );
    await fc.assert(
      fc.asyncProperty(filter, data, async (where, change) => {
        await settle('native_findMany', { where });
        await settle('native_update', { where: { id }, data: change });
      }),
      { numRuns: 300 },
    );
    expect(done).toBeGreaterThan(100);
  }, 60_000);
});
