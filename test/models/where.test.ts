import { describe, expect, it } from 'vitest';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { parseWhere, resolveWhereLimits } from '../../src/models/arguments/where.ts';
import type { Exposure } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import type { Json } from './served.ts';

const limits = resolveWhereLimits(
  { maxDepth: 4, maxConditions: 20, maxValues: 3, maxHops: 12, maxListFilters: 100, maxListHops: 12, maxRelations: 100 },
  undefined,
);
const exposuresOf = (models: Json, provider?: string): Record<string, Exposure> => {
  const exposures = resolveExposures(models, modelGraph(provider === undefined ? datamodel : { ...datamodel, provider }));
  return Object.fromEntries(exposures.map(exposure => [exposure.node.key, exposure]));
};
const exposures = exposuresOf({
  client: {},
  booking: { omit: { internalNote: true } },
  room: { operations: ['create', 'update', 'delete'] },
  auditLog: {},
});
const parse = (key: string, where: Json): Json => parseWhere(exposures[key] as Exposure, where, limits).where;

const bookingNames = 'id, clientId, roomId, startsAt, status, price, meta, client, AND, OR, NOT';

describe('the where of a caller becomes Prisma’s', () => {
  it.each<[title: string, key: string, where: Json, parsed: Json]>([
    ['nothing', 'booking', {}, {}],
    ['a bare value', 'client', { name: 'Ada' }, { name: 'Ada' }],
    ['null of a nullable column', 'client', { phone: null }, { phone: null }],
    ['not null', 'client', { phone: { not: null } }, { phone: { not: null } }],
    [
      'text operators',
      'client',
      { name: { startsWith: 'A', contains: 'd', endsWith: 'a' } },
      { name: { startsWith: 'A', contains: 'd', endsWith: 'a' } },
    ],
    ['a nested not', 'client', { name: { not: { in: ['a'] } } }, { name: { not: { in: ['a'] } } }],
    ['converted values', 'booking', { startsAt: { gte: '2026-01-01T00:00:00Z' } }, { startsAt: { gte: new Date('2026-01-01T00:00:00Z') } }],
    ['converted lists', 'auditLog', { id: { in: ['1', '2'] } }, { id: { in: [1n, 2n] } }],
    ['decimals', 'booking', { price: { lt: '12.50' } }, { price: { lt: '12.50' } }],
    ['an enum', 'booking', { status: { notIn: ['PENDING'] } }, { status: { notIn: ['PENDING'] } }],
    ['Json as a bare value', 'booking', { meta: [1] }, { meta: { equals: [1] } }],
    ['Json with operators', 'booking', { meta: { not: { a: null } } }, { meta: { not: { a: null } } }],
    [
      'AND, OR and NOT',
      'client',
      { AND: [{ id: 1 }], OR: [{ id: 2 }, { NOT: { id: 3 } }] },
      { AND: [{ id: 1 }], OR: [{ id: 2 }, { NOT: [{ id: 3 }] }] },
    ],
    ['an empty OR as a condition that Prisma does not drop', 'client', { OR: [] }, { id: { in: [] } }],
    ['a list relation', 'client', { bookings: { some: { status: 'PENDING' } } }, { bookings: { some: { status: 'PENDING' } } }],
    ['a single relation', 'booking', { client: { isNot: { id: 1 } } }, { client: { isNot: { id: 1 } } }],
    ['a single relation in short', 'booking', { client: { name: 'Ada' } }, { client: { is: { name: 'Ada' } } }],
    ['an absent relation', 'client', { referredBy: null }, { referredBy: null }],
  ])('%s', (_title, key, where, parsed) => {
    expect(parse(key, where)).toEqual(parsed);
  });

  it('offers mode only where the datamodel names a provider that has it', () => {
    const where = { name: { contains: 'a', mode: 'insensitive' } };
    expect(parseWhere(exposuresOf({ client: {} }, 'postgresql')['client'] as Exposure, where, limits).where).toEqual(where);
    for (const provider of ['sqlite', undefined]) {
      const exposure = exposuresOf({ client: {} }, provider)['client'] as Exposure;
      expect(() => parseWhere(exposure, where, limits)).toThrow('where.name.mode: not a filter for name');
    }
  });

  it('says whether related policies must be woven in', () => {
    expect(parseWhere(exposures['client'] as Exposure, { OR: [{ name: 'a' }] }, limits).relational).toBe(false);
    expect(parseWhere(exposures['client'] as Exposure, { OR: [{ bookings: { none: {} } }] }, limits).relational).toBe(true);
  });
});

describe('the where of a caller is refused', () => {
  it.each<[title: string, key: string, where: Json, message: string]>([
    ['no object', 'booking', 'id = 1', 'where: expected an object, got a string'],
    ['an array', 'booking', [], 'where: expected an object, got an array'],
    ['an unknown column', 'booking', { nope: 1 }, `where.nope: Booking has no column "nope" (${bookingNames})`],
    ['a hidden column', 'booking', { internalNote: 'x' }, `where.internalNote: Booking has no column "internalNote" (${bookingNames})`],
    [
      'a hidden column with operators',
      'booking',
      { internalNote: { startsWith: 'x' } },
      'where.internalNote: Booking has no column "internalNote"',
    ],
    [
      'a secret column through OR and NOT',
      'client',
      { OR: [{ NOT: [{ passwordHash: { startsWith: 'a' } }] }] },
      'where.OR[0].NOT[0].passwordHash: Client has no column "passwordHash"',
    ],
    [
      'a secret column through a relation',
      'booking',
      { client: { is: { passwordHash: 'x' } } },
      'where.client.is.passwordHash: Client has no column',
    ],
    [
      'the same through a chain of relations',
      'client',
      { bookings: { some: { client: { referredBy: { passwordHash: 'x' } } } } },
      'where.bookings.some.client.referredBy.passwordHash: Client has no column',
    ],
    [
      'a relation to a model without reads',
      'booking',
      { room: { is: { code: 'R' } } },
      `where.room: Booking has no column "room" (${bookingNames})`,
    ],
    [
      'a relation to a model that is not exposed',
      'client',
      { memberships: { some: {} } },
      'where.memberships: Client has no column "memberships"',
    ],
    ['__proto__', 'booking', JSON.parse('{"__proto__":{"id":1}}'), 'where.__proto__: Booking has no column "__proto__"'],
    ['constructor', 'booking', { constructor: 1 }, 'where.constructor: Booking has no column "constructor"'],
    ['a compound key', 'client', { clientId_roomId: {} }, 'where.clientId_roomId: Client has no column'],
    [
      'an unknown operator',
      'client',
      { name: { search: 'a' } },
      'where.name.search: not a filter for name (equals, not, in, notIn, lt, lte, gt, gte, contains, startsWith, endsWith)',
    ],
    [
      'an operator of another type',
      'booking',
      { clientId: { contains: '1' } },
      'where.clientId.contains: not a filter for clientId (equals, not, in, notIn, lt, lte, gt, gte)',
    ],
    [
      'a field reference',
      'booking',
      { clientId: { equals: { _ref: 'id', _container: 'Booking' } } },
      'where.clientId.equals: expected an integer, got an object',
    ],
    [
      'a text too long to look for',
      'client',
      { name: { contains: 'x'.repeat(1001) } },
      'where.name.contains: more than 1000 characters of text',
    ],
    [
      'a text that ends with the escape character',
      'client',
      { name: { endsWith: 'a\\' } },
      'where.name.endsWith: must not end with a single backslash',
    ],
    ['no operator', 'booking', { clientId: {} }, 'where.clientId: expected a value or one of equals,'],
    ['a value of the wrong type', 'booking', { startsAt: { gte: 'today' } }, 'where.startsAt.gte: not an ISO 8601 date-time'],
    ['null of a column that is never null', 'booking', { clientId: null }, 'where.clientId: clientId is never null here'],
    ['null in a list', 'booking', { roomId: { in: [null] } }, 'where.roomId.in[0]: expected a string, got null'],
    ['a list that is none', 'booking', { clientId: { in: 1 } }, 'where.clientId.in: expected an array, got a number'],
    ['a list too long', 'booking', { clientId: { in: [1, 2, 3, 4] } }, 'where.clientId.in: more than 3 values'],
    ['OR of an object', 'booking', { OR: { id: 1 } }, 'where.OR: expected an array of objects, got an object'],
    ['AND of a string', 'booking', { AND: ['id'] }, 'where.AND[0]: expected an object, got a string'],
    ['NOT of null', 'booking', { NOT: null }, 'where.NOT: expected an object, got null'],
    ['is on a list', 'client', { bookings: { is: {} } }, 'where.bookings.is: not a relation filter (some, every, none)'],
    [
      'some on a single row',
      'booking',
      { client: { some: {} } },
      'where.client.some: not a relation filter (is, isNot); client is one row',
    ],
    ['null on a list', 'client', { bookings: null }, 'where.bookings: expected an object, got null'],
    ['an empty list filter', 'client', { bookings: {} }, 'where.bookings: expected one of some, every, none'],
  ])('%s', (_title, key, where, message) => {
    expect(() => parse(key, where)).toThrow(message);
  });

  it('one level too deep, by any road', () => {
    const nest = (levels: number, wrap: (inner: Json) => Json): Json => (levels === 0 ? { id: 1 } : wrap(nest(levels - 1, wrap)));
    for (const wrap of [
      (inner: Json) => ({ NOT: inner }),
      (inner: Json) => ({ AND: [inner] }),
      (inner: Json) => ({ referredBy: { is: inner } }),
    ]) {
      expect(parse('client', nest(4, wrap))).toBeDefined();
      expect(() => parse('client', nest(5, wrap))).toThrow('nested deeper than 4 levels');
    }
    expect(() => parse('client', { name: { not: { not: { not: { not: { not: { equals: 'a' } } } } } } })).toThrow(
      'nested deeper than 4 levels',
    );
  });

  it('more conditions than allowed, however they are spread', () => {
    const many = Array.from({ length: 21 }, () => ({ id: 1 }));
    expect(() => parse('client', { OR: many })).toThrow('more than 20 conditions');
    const empty = (groups: number) => Array.from({ length: groups }, () => ({}));
    expect(() => parse('client', { AND: empty(20) })).toThrow('more than 20 conditions');
    expect(parse('client', { AND: empty(19) })).toEqual({});
    expect(() => parse('client', { AND: [{ OR: many.slice(11) }, { OR: many.slice(11) }] })).toThrow('more than 20 conditions');
  });

  it('quotes a long name cut and escaped', () => {
    const name = `\n"${'x'.repeat(500)}`;
    expect(() => parse('booking', { [name]: 1 })).toThrow(/no column "\\n\\"x{58}…" \(/);
  });
});
