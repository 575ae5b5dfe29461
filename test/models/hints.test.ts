import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { datamodel as postgresql } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import type { CompiledModels } from '../../src/models/compile.ts';
import { compileModels } from '../../src/models/compile.ts';
import type { Datamodel } from '../../src/models/datamodel/datamodel.ts';
import { operationNames } from '../../src/models/declaration/operations.ts';
import type { ExposureLike } from '../../src/models/exposure.ts';
import { nearest } from '../../src/models/near-names.ts';
import type { Json } from './served.ts';
import { callOf } from './served.ts';

const clientOf = (model: Datamodel): object =>
  Object.fromEntries(Object.values(model.models).map(({ key }) => [key, { findMany: () => undefined }]));

function compile(models: Record<string, ExposureLike>, model: Datamodel = datamodel): CompiledModels {
  return compileModels({ name: 'test', prisma: clientOf(model), datamodel: model, models });
}

/** The refusal of a call; `undefined` if the call reached the database, which does not exist here. */
async function refusal({ tools }: CompiledModels, name: string, args: object): Promise<string | undefined> {
  const tool = tools.find(known => known.name === name) ?? expect.fail(`no tool ${name}`);
  try {
    await tool.call({ ...args }, callOf());
  } catch (error) {
    if ((error as Error).name === 'ToolError') return (error as Error).message;
  }
  return undefined;
}

describe('a refusal names the remedy', () => {
  const open = compile({
    client: { include: { tags: { select: { id: true, label: true } } } },
    tag: { where: { id: { gt: 0 } } },
    booking: { operations: operationNames, include: { client: { select: { name: true } } } },
    room: { operations: ['count'] },
    membership: { style: 'compact' },
    member: {},
    doc: {},
    badge: { operations: operationNames },
  });

  it.each<[tool: string, args: Json, path: string, remedy: string]>([
    // A relation that rows do not include: the call that reads it.
    [
      'client_findMany',
      { select: { bookings: true } },
      'select.bookings',
      '; bookings is a relation: read it with booking_findMany { where: { clientId: <id> } }',
    ],
    [
      'client_findUnique',
      { where: { id: 1 }, include: { bookings: true } },
      'include',
      '; bookings is a relation: read it with booking_findMany { where: { clientId: <id> } }',
    ],
    [
      'client_findMany',
      { include: { memberships: { take: 3 } } },
      'include',
      '; memberships is a relation: read it with read_rows { model: "membership", operation: "findMany", where: { clientId: <id> } }',
    ],
    [
      'client_findMany',
      { select: { referredBy: true } },
      'select.referredBy',
      '; referredBy is a relation: read it with client_findUnique { where: { id: <referredById> } }',
    ],
    [
      'booking_findMany',
      { select: { room: true } },
      'select.room',
      '; room is a relation: read it with room_count { where: { id: <roomId> } }',
    ],
    [
      'tag_findMany',
      { select: { clients: true } },
      'select.clients',
      'read it with client_findMany { where: { tags: { some: { id: <id> } } } }',
    ],
    [
      'member_findMany',
      { select: { badge: true } },
      'select.badge',
      '; badge is a relation: read it with badge_findMany { where: { memberId: <id> } }',
    ],
    [
      'doc_findUnique',
      { where: { id: 1 }, select: { editor: true } },
      'select.editor',
      '; editor is a relation: read it with member_findUnique { where: { id: <editorId> } }',
    ],
    ['booking_findMany', { include: { client: true } }, 'include', '; rows always include client'],
    ['booking_findMany', { include: true }, 'include', '; rows always include client'],
    ['badge_findMany', { include: { nothing: true } }, 'include', '; rows include no relations'],
    // Names near those of Prisma and of columns.
    ['client_findMany', { where: { joined_at: null } }, 'where.joined_at', '; did you mean joinedAt?'],
    ['client_findMany', { where: { emial: 'a' } }, 'where.emial', '; did you mean email?'],
    ['client_findMany', { where: { or: [] } }, 'where.or', '; did you mean OR?'],
    ['client_findMany', { select: { Name: true } }, 'select.Name', '; did you mean name?'],
    ['client_findMany', { where: { 'bookings.status': 'PENDING' } }, 'where.bookings.status', '; write bookings: { some: { status: … } }'],
    ['booking_findMany', { where: { 'client.name': 'Ada' } }, 'where.client.name', '; write client: { is: { name: … } }'],
    ['client_findMany', { where: { tags: { label: 'gold' } } }, 'where.tags.label', '; write { some: { label: … } }'],
    ['client_findMany', { where: { bookings: { any: {} } } }, 'where.bookings.any', 'not a relation filter (some, every, none)'],
    ['booking_findMany', { where: { price: { eq: '1' } } }, 'where.price.eq', '; did you mean equals?'],
    ['booking_findMany', { where: { price: { $gte: '1' } } }, 'where.price.$gte', '; did you mean gte?'],
    ['booking_findMany', { where: { price: { '>=': '1' } } }, 'where.price.>=', '; did you mean gte?'],
    ['booking_findMany', { where: { price: { between: ['1', '2'] } } }, 'where.price.between', '; write between as { gte: …, lte: … }'],
    ['client_findMany', { where: { name: { like: '%a%' } } }, 'where.name.like', '; did you mean contains?'],
    ['client_findMany', { where: { name: { startswith: 'A' } } }, 'where.name.startswith', '; did you mean startsWith?'],
    ['client_findMany', { where: { phone: { isNull: true } } }, 'where.phone.isNull', '; write null itself, or { not: null }'],
    ['booking_findMany', { where: { status: { nin: ['PENDING'] } } }, 'where.status.nin', '; did you mean notIn?'],
    ['booking_findMany', { where: { status: 'confirmed' } }, 'where.status', '; did you mean CONFIRMED?'],
    ['booking_findMany', { where: '{"id":1}' }, 'where', 'expected an object, got JSON in a string'],
    ['client_findMany', { where: { name: { $regex: '^A' } } }, 'where.name.$regex', '; did you mean contains?'],
    ['client_findMany', { where: { name: { iexact: 'ada' } } }, 'where.name.iexact', '; did you mean equals?'],
    ['booking_findMany', { where: { price: { $gt: '1' } } }, 'where.price.$gt', '; did you mean gt?'],
    ['booking_findMany', { where: { price__gt: '1' } }, 'where.price__gt', '; write price: { gt: … }'],
    // Filters of relations.
    [
      'booking_findMany',
      { where: { client: { some: { name: 'Ada' } } } },
      'where.client.some',
      '; client is one row, not a list: write client: { is: { email: … } }, or client: { email: … }',
    ],
    ['booking_findMany', { where: { client: { none: {} } } }, 'where.client.none', 'write client: { isNot: { email: … } }'],
    ['client_findMany', { where: { bookings: { is: {} } } }, 'where.bookings.is', '; bookings is a list: write { some: { clientId: … } }'],
    [
      'booking_findMany',
      { where: { client: 1 } },
      'where.client',
      '; client is a row, not a value: write client: { email: … }, or clientId: … for its key',
    ],
    ['client_findMany', { where: { bookings: 'x' } }, 'where.bookings', '; bookings is a list of rows: write bookings: { some: {'],
    ['client_findMany', { where: { bookings: null } }, 'where.bookings', '; to find rows without bookings, write bookings: { none: {} }'],
    [
      'client_findMany',
      { where: { name: { contains: 'a', mode: 'insensitive' } } },
      'where.name.mode',
      '; leave mode out, this database does not have it: contains, startsWith and endsWith ignore the case of ASCII letters',
    ],
    // Dates.
    ['booking_findMany', { where: { startsAt: '2024-02-30' } }, 'where.startsAt', '; there is no day 2024-02-30'],
    ['booking_findMany', { where: { startsAt: '2024-13-01T09:00:00Z' } }, 'where.startsAt', '; there is no day 2024-13-01'],
    ['booking_findMany', { where: { startsAt: '2024-01-01T25:00:00Z' } }, 'where.startsAt', '; there is no such time of day or zone'],
    [
      'booking_findMany',
      { where: { startsAt: '2024-01-01 09:00' } },
      'where.startsAt',
      '; the zone is missing: add Z for UTC, or an offset',
    ],
    ['booking_findMany', { where: { startsAt: 1_700_000_000 } }, 'where.startsAt', '; a number of seconds or milliseconds is not taken'],
    // Arguments of other query languages, and arguments at the wrong place.
    ['client_findMany', { limit: 5 }, 'limit', '; did you mean take?'],
    ['client_findMany', { sort: 'name' }, 'sort', '; did you mean orderBy?'],
    ['client_findMany', { filter: {} }, 'filter', '; did you mean where?'],
    ['client_findMany', { order_by: {} }, 'order_by', '; did you mean orderBy?'],
    ['client_findMany', { offset: 5 }, 'offset', 'did you mean cursor? It takes the nextCursor of the page before'],
    ['client_findMany', { skip: 5 }, 'skip', 'did you mean cursor? It takes the nextCursor of the page before'],
    ['client_findMany', { take: 0 }, 'take', '; to count rows, use client_count { where: … }'],
    ['client_findMany', { take: -5 }, 'take', '; to read from the end, turn the direction of orderBy'],
    ['client_findMany', { take: 26 }, 'take', '; read the following rows by the nextCursor of the result'],
    ['client_findUnique', { id: 1 }, 'id', '; columns belong into where: { id: … }'],
    ['booking_create', { clientId: 1 }, 'clientId', '; columns belong into data: { clientId: … }'],
    // A unique where.
    ['client_findUnique', { where: { client_id: 1 } }, 'where.client_id', '; did you mean id?'],
    ['client_findUnique', { where: { uuid: 1 } }, 'where.uuid', '; did you mean id?'],
    ['client_findUnique', { where: { Email: 'a' } }, 'where.Email', '; did you mean email?'],
    [
      'client_findUnique',
      { where: { name: 'Ada' } },
      'where.name',
      '; it is not unique, client_findMany { where: { name: … } } finds rows by it',
    ],
    ['client_findUnique', { where: {} }, 'where', 'name the row by exactly one of id, email: { id: … }'],
    ['client_findUnique', {}, 'where', 'name the row by exactly one of id, email: { id: … }'],
    ['client_findUnique', { where: { id: { equals: 1 } } }, 'where.id', 'expected the value itself, got an object'],
    // Orders.
    ['client_findMany', { orderBy: { tags: { _count: 'asc' } } }, 'orderBy.tags', '; order by a column of Client itself'],
    ['booking_findMany', { orderBy: [{ starts_at: 'asc' }] }, 'orderBy[0].starts_at', '; did you mean startsAt?'],
    // Data.
    ['booking_create', { data: {} }, 'data', 'clientId, startsAt, price are required'],
    ['booking_create', { data: { clientId: 1, price: '1' } }, 'data.startsAt', 'is required'],
    ['booking_create', { data: { client: { connect: { id: 1 } } } }, 'data.client', '; to relate rows, set clientId'],
    ['booking_create', { data: { room_id: 'red' } }, 'data.room_id', '; did you mean roomId?'],
    ['booking_update', { where: { id: 1 }, data: { id: 2 } }, 'data.id', '; its value is not for callers to set'],
  ])('%s %j', async (tool, args, path, remedy) => {
    const message = await refusal(open, tool, args);
    expect(message?.startsWith(`${path}: `), message).toBe(true);
    expect(message).toContain(remedy);
  });

  it.each<[where: Json, path: string, remedy: string]>([
    [{ labels: 'a' }, 'where.labels', '; to find rows whose list has this value, write { has: … }'],
    [{ labels: { contains: 'a' } }, 'where.labels.contains', '; did you mean has?'],
    [{ labels: { $in: ['a'] } }, 'where.labels.$in', '; did you mean hasSome?'],
    [{ labels: { $all: ['a'] } }, 'where.labels.$all', '; did you mean hasEvery?'],
    [{ labels: { hassome: ['a'] } }, 'where.labels.hassome', '; did you mean hasSome?'],
    [{ labels: { has: ['a'] } }, 'where.labels.has', 'hasSome and hasEvery take arrays'],
    [{ labels: { hasSome: 'a' } }, 'where.labels.hasSome', '; has takes one value'],
    [{ name: { not: { contains: 'a', mode: 'insensitive' } } }, 'where.name.not.mode', '; write mode beside not'],
  ])('of a list, or of mode, on PostgreSQL: %j', async (where, path, remedy) => {
    const message = await refusal(compile({ listing: {} }, postgresql), 'listing_findMany', { where });
    expect(message?.startsWith(`${path}: `), message).toBe(true);
    expect(message).toContain(remedy);
  });

  it('leaves out the value of a hidden key', async () => {
    const keyless = compile({ client: { select: { name: true, email: true } }, booking: {} });
    const message = await refusal(keyless, 'client_findMany', { select: { bookings: true } });
    expect(message).toContain('booking_findMany { where: { clientId: … } }');
  });

  it('says how to write a compound key', async () => {
    const { tools } = open;
    const read = tools.find(({ name }) => name === 'read_rows') ?? expect.fail('no read_rows');
    const call = read.call({ model: 'membership', operation: 'findUnique', where: { clientId: 1, roomId: 'red' } }, callOf());
    await expect(call).rejects.toThrow('where.clientId: Membership has no unique key "clientId"');
    await expect(call).rejects.toThrow('; write { clientId_roomId: { clientId: …, roomId: … } }');
  });

  it('says nothing where nothing is near', async () => {
    expect(await refusal(open, 'client_findMany', { where: { colour: 'red' } })).toMatch(/AND, OR, NOT\)$/);
    expect(await refusal(open, 'client_findMany', { explain: true })).toMatch(/distinct\)$/);
    expect(await refusal(open, 'booking_findMany', { where: { price: { regex: '1' } } })).toMatch(/gte\)$/);
  });

  it.each<[name: string, hint: string | undefined]>([
    ['booking_merge', `the tools of booking are ${operationNames.map(name => `booking_${name}`).join(', ')}`],
    ['bookings_findMany', 'call booking_findMany { … }'],
    ['room_delete', 'the tools of room are room_count'],
    ['membership_findMany', 'call read_rows { model: "membership", operation: "findMany", … }'],
    ['membership_create', 'the tools of membership are read_rows (findUnique, findMany, count)'],
    ['auditLog_findMany', undefined],
    ['cancel_everything', undefined],
    ['_', undefined],
  ])('of the unknown tool %s', (name, hint) => {
    expect(open.unknownToolHint(name)).toBe(hint);
  });
});

describe('a near name', () => {
  const names = ['startsAt', 'clientId', 'roomId', 'id', 'email', 'AND'];

  it.each([
    ['starts_at', 'startsAt'],
    ['StartsAt', 'startsAt'],
    ['startAt', 'startsAt'],
    ['satrtsAt', 'startsAt'],
    ['client', 'clientId'],
    ['cliendId', 'clientId'],
    ['mail', 'email'],
    ['and', 'AND'],
    ['ie', undefined],
    ['colour', undefined],
    ['', undefined],
    ['___', undefined],
    ['x'.repeat(10_000), undefined],
  ])('of %s', (name, near) => {
    expect(nearest(name, names)).toBe(near);
  });
});

describe('a hint', () => {
  const hidden = ['Client.notes', 'Client.phone', 'Client.passwordHash', 'Booking.internalNote', 'Booking.roomId'];
  const models: Record<string, ExposureLike> = {
    client: {},
    booking: { operations: ['findUnique', 'findMany', 'count', 'update', 'delete'] },
    room: {},
    membership: { style: 'compact' },
  };
  const hiding = compile({
    ...models,
    client: { omit: { notes: true, phone: true } },
    booking: { ...models['booking'], omit: { internalNote: true, roomId: true } },
  });
  const without = compile(models, pruned(hidden, ['Tag', 'AuditLog', 'Member', 'Doc', 'Badge']));

  /** The datamodel as if these columns and models were not in the schema, nor the relations that need them. */
  function pruned(columns: readonly string[], names: readonly string[]): Datamodel {
    const kept = Object.values(datamodel.models).filter(({ name }) => !names.includes(name) && !name.startsWith('Mcp'));
    const isGone = (model: string, field: Json): boolean =>
      columns.includes(`${model}.${field.name}`) ||
      names.includes(field.type) ||
      (field.relationFromFields ?? []).some((name: string) => columns.includes(`${model}.${name}`));
    const relations = kept.flatMap(({ name, fields }) => fields.filter(field => isGone(name, field)).map(field => field.relationName));
    const isLeft = (model: string, field: Json): boolean =>
      !isGone(model, field) && (field.relationName === undefined || !relations.includes(field.relationName));
    return {
      ...datamodel,
      models: Object.fromEntries(
        kept.map(model => [model.name, { ...model, fields: model.fields.filter(field => isLeft(model.name, field)) }]),
      ),
    };
  }

  const names = fc.oneof(
    fc.constantFrom(
      ...[
        'notes',
        'note',
        'phone',
        'phones',
        'passwordHash',
        'password',
        'internalNote',
        'internal_note',
        'roomId',
        'room',
        'room_id',
        'tags',
      ],
      ...[
        'tag',
        'tagId',
        'auditLog',
        'bookings',
        'booking',
        'client',
        'clientId',
        'id',
        'email',
        'member',
        'members',
        'memberships',
        'nothing',
      ],
      ...[
        'client.notes',
        'client.name',
        'room.code',
        'bookings.internalNote',
        'bookings.roomId',
        'referrals',
        'referredBy',
        'badge',
        'doc',
      ],
    ),
    fc.string({ maxLength: 6 }),
  );
  const value = fc.oneof(fc.constant(1), fc.constant(true), fc.constant('asc'), fc.dictionary(names, fc.constant(1), { maxKeys: 1 }));
  const part = fc.dictionary(names, fc.oneof(value, fc.dictionary(fc.constantFrom('some', 'is', 'eq', 'notes'), value, { maxKeys: 1 })), {
    minKeys: 1,
    maxKeys: 2,
  });
  const args = fc.dictionary(fc.oneof(fc.constantFrom('where', 'select', 'orderBy', 'data', 'include'), names), part, {
    minKeys: 1,
    maxKeys: 2,
  });

  it('never tells a hidden name from one that does not exist', async () => {
    expect(hiding.tools.map(({ name }) => name)).toEqual(without.tools.map(({ name }) => name));
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...hiding.tools.map(({ name }) => name)), args, names, async (tool, given, name) => {
        const [shown, expected] = await Promise.all([hiding, without].map(compiled => refusal(compiled, tool, given)));
        expect(shown).toBe(expected);
        if (shown !== undefined) refused += 1;
        expect(hiding.unknownToolHint(`${name}_findMany`)).toBe(without.unknownToolHint(`${name}_findMany`));
      }),
      { numRuns: 1500 },
    );
    expect(refused).toBeGreaterThan(1000);
  });

  it('of a generic tool does not either', async () => {
    const call = async ({ tools }: CompiledModels, tool: string, given: object): Promise<Json> =>
      tools
        .find(({ name }) => name === tool)
        ?.call({ ...given }, callOf())
        .then(
          ({ structuredContent }) => structuredContent,
          (error: Error) => error.message,
        );
    await fc.assert(
      fc.asyncProperty(names, async name => {
        for (const [tool, given] of [
          ['find_models', { query: name }],
          ['describe_model', { model: name }],
          ['read_rows', { model: name, operation: 'findMany' }],
          ['read_rows', { model: 'membership', operation: name }],
        ] as const) {
          expect(await call(hiding, tool, given)).toEqual(await call(without, tool, given));
        }
      }),
      { numRuns: 300 },
    );
  });
});
