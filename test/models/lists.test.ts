import { describe, expect, it } from 'vitest';
import { datamodel } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { sortableColumns } from '../../src/models/arguments/arguments.ts';
import { dataParser } from '../../src/models/arguments/data.ts';
import { parseWhere, resolveWhereLimits } from '../../src/models/arguments/where.ts';
import type { Datamodel } from '../../src/models/datamodel/datamodel.ts';
import type { Exposure } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import { createInput, rowOutput } from '../../src/models/features/schema.ts';
import { rowToJson } from '../../src/models/queries/reads.ts';
import type { Json } from './served.ts';
import { callOf } from './served.ts';

/** Room with two list columns, which SQLite does not have. */
const room = datamodel.models['Room'];
const listed: Datamodel = {
  ...datamodel,
  models: {
    ...datamodel.models,
    Room: {
      ...(room as NonNullable<typeof room>),
      fields: [
        ...(room?.fields ?? []),
        ...(['BigInt', 'DateTime'] as const).map(type => ({
          ...(room?.fields[1] as NonNullable<typeof room>['fields'][number]),
          name: `${type.toLowerCase()}s`,
          type,
          isList: true,
          isUnique: false,
        })),
      ],
    },
  },
};
const graph = modelGraph(listed);
const [exposure] = resolveExposures({ room: { operations: ['findMany', 'create'] } }, graph) as [Exposure];
const limits = resolveWhereLimits(
  { maxDepth: 4, maxConditions: 20, maxValues: 3, maxHops: 12, maxListFilters: 100, maxListHops: 12, maxRelations: 100 },
  undefined,
);
const parse = (where: Json): Json => parseWhere(exposure, where, limits).where;
const parser = dataParser(exposure, 'create', graph);

describe('a list column', () => {
  it('is filtered by has, hasEvery, hasSome, isEmpty and equals, with converted values', () => {
    expect(parse({ bigints: { has: '1' } })).toEqual({ bigints: { has: 1n } });
    expect(parse({ bigints: { hasEvery: ['1'], hasSome: ['2', '3'] } })).toEqual({ bigints: { hasEvery: [1n], hasSome: [2n, 3n] } });
    expect(parse({ bigints: { isEmpty: true } })).toEqual({ bigints: { isEmpty: true } });
    expect(parse({ bigints: ['1'] })).toEqual({ bigints: { equals: [1n] } });
  });

  it.each<[where: Json, message: string]>([
    [{ bigints: { in: ['1'] } }, 'where.bigints.in: not a filter for bigints (equals, has, hasEvery, hasSome, isEmpty)'],
    [{ bigints: '1' }, 'where.bigints: expected an object, got a string'],
    [{ bigints: null }, 'where.bigints: expected an object, got null'],
    [{ bigints: {} }, 'where.bigints: expected a list or one of equals, has, hasEvery, hasSome, isEmpty'],
    [{ bigints: { isEmpty: 'no' } }, 'where.bigints.isEmpty: expected true or false'],
    [{ bigints: { hasSome: ['1', '2', '3', '4'] } }, 'where.bigints.hasSome: more than 3 values'],
    [{ datetimes: { has: 'x' } }, 'where.datetimes.has: not an ISO 8601 date-time'],
  ])('refuses %o', (where, message) => {
    expect(() => parse(where)).toThrow(message);
  });

  it('is written and returned item by item', async () => {
    const data = { code: 'x', capacity: 1, bigints: ['1', '2'], datetimes: ['2026-01-01T00:00:00Z'] };
    const read = await parser.parse(data, callOf());
    expect(read.data).toEqual({ code: 'x', capacity: 1, bigints: [1n, 2n], datetimes: [new Date('2026-01-01T00:00:00Z')] });
    expect(rowToJson(exposure.selection)({ id: 'a', active: true, ...read.data })).toEqual({
      id: 'a',
      active: true,
      code: 'x',
      capacity: 1,
      bigints: ['1', '2'],
      datetimes: ['2026-01-01T00:00:00.000Z'],
    });
    await expect(parser.parse({ code: 'x', capacity: 1, bigints: '1' }, callOf())).rejects.toThrow(
      'data.bigints: expected an array, got a string',
    );
    await expect(parser.parse({ code: 'x', capacity: 1, bigints: [null] }, callOf())).rejects.toThrow('data.bigints[0]: must not be null');
  });

  it('is an array in output schemas, and optional on create', () => {
    expect(rowOutput(exposure.selection, true).properties?.['bigints']).toEqual({ type: 'array', items: { type: 'string' } });
    expect(createInput({ exposure, create: parser, update: parser }).properties?.['data']).toEqual({
      type: 'object',
      description: 'Required: code, capacity. Optional: the other columns but id.',
    });
  });

  it('is nothing to order by', () => {
    expect(sortableColumns(exposure)).toEqual(['id', 'code', 'capacity', 'active']);
  });
});
