import { describe, expect, it } from 'vitest';
import type { Column } from '../../src/console/components/columns.ts';
import type { Filter } from '../../src/console/components/filter.ts';
import { readFilter, writeFilter } from '../../src/console/components/filter.ts';

const columns: Column[] = ['id', 'status', 'startsAt', 'tags'].map(name => ({ name, schema: { type: 'string' } }));

describe('a filter by hand', () => {
  it.each<[object | undefined, Filter]>([
    [undefined, { join: 'AND', conditions: [] }],
    [{ id: 5 }, { join: 'AND', conditions: [{ column: 'id', operator: 'equals', value: 5 }] }],
    [
      { startsAt: { gte: 'a', lt: 'b' }, status: 'PENDING' },
      {
        join: 'AND',
        conditions: [
          { column: 'startsAt', operator: 'gte', value: 'a' },
          { column: 'startsAt', operator: 'lt', value: 'b' },
          { column: 'status', operator: 'equals', value: 'PENDING' },
        ],
      },
    ],
    [
      { OR: [{ id: 1 }, { status: { in: ['A', 'B'] } }] },
      {
        join: 'OR',
        conditions: [
          { column: 'id', operator: 'equals', value: 1 },
          { column: 'status', operator: 'in', value: ['A', 'B'] },
        ],
      },
    ],
    [
      { AND: [{ id: { not: 1 } }, { id: { not: 2 } }] },
      {
        join: 'AND',
        conditions: [
          { column: 'id', operator: 'not', value: 1 },
          { column: 'id', operator: 'not', value: 2 },
        ],
      },
    ],
    [
      { status: null, id: { not: null } },
      {
        join: 'AND',
        conditions: [
          { column: 'status', operator: 'isNull', value: undefined },
          { column: 'id', operator: 'isNotNull', value: undefined },
        ],
      },
    ],
  ])('%j is read as conditions, and they are written as the same', (where, filter) => {
    expect(readFilter(where, columns)).toEqual(filter);
    if (where === undefined) expect(writeFilter(filter)).toBeUndefined();
    else if ('status' in where && where.status === null) expect(writeFilter(filter)).toEqual({ status: null, id: { not: null } });
    else
      expect(writeFilter(filter)).toEqual('startsAt' in where ? { startsAt: { gte: 'a', lt: 'b' }, status: { equals: 'PENDING' } } : where);
  });

  it.each([
    [{ client: { name: 'Ada' } }],
    [{ NOT: { id: 1 } }],
    [{ id: { not: { gt: 1 } } }],
    [{ OR: [{ id: 1, status: 'A' }] }],
    [{ OR: [{ id: 1 }], status: 'A' }],
    [{ id: { mode: 'insensitive' } }],
    [[]],
    ['id'],
  ])('%j says more than conditions can, so it is not read', where => {
    expect(readFilter(where, columns)).toBeUndefined();
  });

  it('leaves out conditions without a value', () => {
    const conditions = [
      { column: 'id', operator: 'equals', value: undefined },
      { column: 'status', operator: 'in', value: [] },
      { column: 'tags', operator: 'has', value: 'x' },
    ];
    expect(writeFilter({ join: 'AND', conditions })).toEqual({ tags: { has: 'x' } });
    expect(writeFilter({ join: 'OR', conditions: conditions.slice(0, 2) })).toBeUndefined();
  });
});
