import { describe, expect, it } from 'vitest';
import { datamodel as postgres } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { compileModels } from '../../src/models/compile.ts';
import { isSecretName } from '../../src/models/datamodel/columns.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import { withArticle } from '../../src/models/messages.ts';
import type { Json } from './served.ts';

const resolve = (models: Json) => resolveExposures(models, modelGraph(datamodel));
const clientColumns = 'id, email, name, phone, joinedAt, passwordHash, notes, referredById, updatedAt';

describe('a declaration that cannot be right stops the start', () => {
  it('create of a model with a required column whose type Prisma does not have', () => {
    const graph = () => modelGraph(postgres);
    const message = 'models.place: Prisma has no create for Place, a model with a required column of an unsupported type; list';
    expect(() => resolveExposures({ place: { operations: ['create'], data: () => ({}) } }, graph())).toThrow(message);
    expect(resolveExposures({ place: { operations: ['findMany', 'update', 'delete'] } }, graph())).toHaveLength(1);
  });

  it.each<[title: string, models: Json, message: string]>([
    ['an unknown model', { bookings: {} }, 'models.bookings: the datamodel has no model `bookings` (client, booking, room,'],
    ['an unknown option', { booking: { wehre: {} } }, 'models.booking.wehre: unknown option (operations, where, select,'],
    ['an exposure that is no object', { booking: true }, 'models.booking: expected an object'],
    [
      'an unknown operation',
      { booking: { operations: ['findAll'] } },
      'models.booking.operations: unknown operation `findAll` (findUnique,',
    ],
    ['operations that are no array', { booking: { operations: 'count' } }, 'models.booking.operations: expected an array of findUnique,'],
    [
      'an unknown column in omit',
      { client: { omit: { nope: true } } },
      `models.client.omit.nope: Client has no field \`nope\` (${clientColumns})`,
    ],
    ['an unknown column in select', { client: { select: { nope: true } } }, 'models.client.select.nope: Client has no field `nope`'],
    [
      'a relation in select',
      { client: { select: { bookings: true } } },
      'models.client.select.bookings: is a relation; name it under include',
    ],
    ['a flag that is no boolean', { client: { omit: { email: 'yes' } } }, 'models.client.omit.email: expected true or false'],
    ['select with omit', { client: { select: { id: true }, omit: { email: true } } }, 'models.client: has both select and omit; keep one'],
    ['no visible column', { client: { select: { id: false } } }, 'models.client: leaves no column of Client visible'],
    [
      'a cache of another scope',
      { booking: { cache: { cacheScope: 'all' } } },
      "models.booking.cache.cacheScope: must be 'public' or 'private'",
    ],
    ['a cache that is no object', { booking: { cache: 5 } }, 'models.booking.cache: must be { ttlMs, cacheScope }'],
    [
      'a public cache with a policy',
      { booking: { cache: { cacheScope: 'public' }, where: () => ({}) } },
      'models.booking.cache: cannot be public, since the model has a row policy; leave out cacheScope',
    ],
    [
      'a public cache with a policy that is the same for all',
      { booking: { cache: { cacheScope: 'public' }, where: { status: 'CONFIRMED' } } },
      'models.booking.cache: cannot be public, since the model has a row policy',
    ],
    [
      'a public cache of rows that include rows with a policy',
      { booking: { cache: { cacheScope: 'public' }, include: { client: true } }, client: { where: () => ({}) } },
      'models.booking.cache: cannot be public, since the model includes or counts rows that have a row policy',
    ],
    [
      'a public cache of rows that count rows with a policy',
      { client: { cache: { cacheScope: 'public' }, include: { _count: { select: { bookings: true } } } }, booking: { where: () => ({}) } },
      'models.client.cache: cannot be public, since the model includes or counts rows that have a row policy',
    ],
    [
      'a public cache of rows that need a scope',
      { booking: { cache: { cacheScope: 'public' }, scopes: { read: ['bookings.read'] } } },
      'models.booking.cache: cannot be public, since the model needs scopes',
    ],
    ['a take of 0', { booking: { take: 0 } }, 'models.booking.take: expected a whole number of rows, 1 or more, got 0'],
    ['a take of 2.5', { booking: { take: 2.5 } }, 'models.booking.take: expected a whole number of rows, 1 or more, got 2.5'],
    ['a take in a string', { booking: { take: '5' } }, 'models.booking.take: expected a whole number of rows, 1 or more, got 5'],
    ['a where that got lost', { booking: { where: undefined } }, 'models.booking.where: is undefined; leave the key out'],
    ['a where of null', { booking: { where: null } }, 'models.booking.where: expected a where, got null; {} means every row'],
    ['a where of an array', { booking: { where: [] } }, 'models.booking.where: expected a where, got an array'],
    ['an unknown column in where', { booking: { where: { user: 1 } } }, 'models.booking.where.user: Booking has no field `user`'],
    ['the same below OR', { booking: { where: { OR: [{ user: 1 }] } } }, 'models.booking.where.OR.user: Booking has no field `user`'],
    [
      'the same in a relation',
      { booking: { where: { client: { is: { nope: 1 } } } } },
      'models.booking.where.client.is.nope: Client has no field',
    ],
    [
      'a wrong relation filter',
      { client: { where: { bookings: { is: {} } } } },
      'models.client.where.bookings.is: not a relation filter (some, every, none)',
    ],
    [
      'undefined in where',
      { booking: { where: { clientId: undefined } } },
      'models.booking.where.clientId: is undefined, which Prisma reads as no condition',
    ],
    [
      'a filter of mode alone',
      { client: { where: { name: { mode: 'insensitive' } } } },
      'models.client.where.name: has mode alone, which every row meets; add a condition',
    ],
    ['the same in not', { client: { where: { name: { not: { mode: 'insensitive' } } } } }, 'models.client.where.name.not: has mode alone'],
    [
      'an empty not',
      { client: { where: { name: { not: {} } } } },
      'models.client.where.name.not: is {}, which Prisma reads as no condition',
    ],
    ['a path alone', { booking: { where: { meta: { path: '$.a' } } } }, 'models.booking.where.meta: has path alone'],
    [
      'an order by a relation with a policy',
      { booking: { orderBy: { client: { name: 'asc' } } }, client: { where: { id: 1 } } },
      'models.booking.orderBy.client: models.client.where cannot reach into an order; order by columns of Booking itself',
    ],
    [
      'the same in include',
      { room: { include: { bookings: { orderBy: { client: { name: 'asc' } } } } }, booking: {}, client: { where: { id: 1 } } },
      'models.room.include.bookings.orderBy.client: models.client.where cannot',
    ],
    ['undefined deep in where', { booking: { where: { id: { in: [1, undefined] } } } }, 'models.booking.where.id.in[1]: is undefined'],
    [
      'a condition of {}',
      { booking: { where: { clientId: {} } } },
      'models.booking.where.clientId: is {}, which Prisma reads as no condition',
    ],
    ['a relation condition of {}', { client: { where: { bookings: {} } } }, 'models.client.where.bookings: is {}'],
    [
      'OR with a part that is {}',
      { booking: { where: { OR: [{ id: 1 }, {}] } } },
      'models.booking.where.OR: is {}, which Prisma reads as no condition',
    ],
    ['OR with a part that comes to {}', { booking: { where: { OR: [{ AND: [] }] } } }, 'models.booking.where.OR: is {}'],
    ['NOT of {}', { booking: { where: { NOT: {} } } }, 'models.booking.where.NOT: is {}'],
    ['an unknown column in orderBy', { booking: { orderBy: { nope: 'asc' } } }, 'models.booking.orderBy.nope: Booking has no field `nope`'],
    ['an unknown direction', { booking: { orderBy: { id: 'up' } } }, "models.booking.orderBy.id: expected 'asc' or 'desc'"],
    [
      'an unknown relation in include',
      { booking: { include: { user: true } } },
      'models.booking.include.user: Booking has no relation `user` (client, room)',
    ],
    ['a column in include', { booking: { include: { price: true } } }, 'models.booking.include.price: Booking has no relation `price`'],
    [
      'an unexposed model in include',
      { booking: { include: { client: true } } },
      'models.booking.include.client: Client is not exposed; name the columns in select, or add models.client',
    ],
    [
      'the same with omit',
      { booking: { include: { client: { omit: { email: true } } } } },
      'models.booking.include.client: Client is not exposed',
    ],
    [
      'a column that the related exposure hides',
      { client: { omit: { email: true } }, booking: { include: { client: { select: { email: true } } } } },
      'models.booking.include.client.select.email: models.client hides it (it shows id, name, phone, joinedAt, notes, referredById, updatedAt)',
    ],
    [
      'a secret column of a related exposure',
      { client: {}, booking: { include: { client: { select: { passwordHash: true } } } } },
      'models.booking.include.client.select.passwordHash: models.client hides it',
    ],
    [
      'an option Prisma lacks for one row',
      { client: {}, booking: { include: { client: { take: 1 } } } },
      'models.booking.include.client.take: unknown option (select, omit, include)',
    ],
    [
      'a misspelt option of a relation',
      { client: { include: { bookings: { selct: {} } } } },
      'models.client.include.bookings.selct: unknown option',
    ],
    [
      'a bad take of a relation',
      { booking: {}, client: { include: { bookings: { take: 0 } } } },
      'models.client.include.bookings.take: expected a whole number',
    ],
    [
      'an unknown column in the where of a relation',
      { booking: {}, client: { include: { bookings: { where: { nope: 1 } } } } },
      'models.client.include.bookings.where.nope: Booking has no field',
    ],
    [
      'a count of one row',
      { booking: { include: { _count: { select: { client: true } } } } },
      'models.booking.include._count.select.client: Booking has no list relation `client`',
    ],
    ['data of an unknown column', { booking: { data: { nope: 1 } } }, 'models.booking.data.nope: Booking has no field `nope`'],
    [
      'data of a relation',
      { booking: { data: { client: { connect: { id: 1 } } } } },
      'models.booking.data.client: is no column of Booking; set clientId',
    ],
    [
      'data of undefined',
      { booking: { data: { clientId: undefined } } },
      "models.booking.data.clientId: is undefined, so the caller's value would stand",
    ],
    ['a description that is no string', { booking: { description: 1 } }, 'models.booking.description: expected a string'],
    [
      'create without a required column',
      { client: { operations: ['create'] } },
      'models.client: create needs passwordHash, which is hidden; show it, force it in data,',
    ],
    [
      'a write of a view',
      { author: { operations: ['findMany', 'update'] } },
      'models.author: Prisma has no update for Author, a view; list operations without it',
    ],
    [
      'findUnique without a visible key',
      { booking: { omit: { id: true } } },
      'models.booking: findUnique needs a unique key whose columns are all visible',
    ],
    [
      'update without a column to write',
      { booking: { operations: ['update'], select: { id: true } } },
      'models.booking: update has no visible column to write',
    ],
  ])('%s', (_title, models, message) => {
    expect(() => resolve(models)).toThrow(TypeError);
    expect(() => resolve(models)).toThrow(message);
  });

  it('a client that was generated without the model', () => {
    const options = { name: 'test', prisma: {}, datamodel, models: { booking: {} } };
    expect(() => compileModels(options)).toThrow('models.booking: the Prisma client has no `booking`, though the datamodel has Booking');
  });
});

describe('a declaration as it is resolved', () => {
  it('reads only, and shows every column but those whose names smell of secrets', () => {
    const [client] = resolve({ client: {} });
    expect([...(client?.operations ?? [])]).toEqual(['findUnique', 'findMany', 'count']);
    expect([...(client?.columns.keys() ?? [])]).toEqual(['id', 'email', 'name', 'phone', 'joinedAt', 'notes', 'referredById', 'updatedAt']);
    expect(client?.secret).toEqual(['passwordHash']);
    expect(client?.take).toBe(25);
  });

  it.each([{ select: { id: true, passwordHash: true } }, { omit: { passwordHash: false } }])(
    'shows a secret column named in %o',
    declared => {
      const [client] = resolve({ client: declared });
      expect(client?.columns.has('passwordHash')).toBe(true);
      expect(client?.secret).toEqual([]);
    },
  );

  it('names secret columns only where nobody decided on them', () => {
    expect(resolve({ client: { omit: { passwordHash: true } } })[0]?.secret).toEqual([]);
    expect(resolve({ client: { select: { id: true } } })[0]?.secret).toEqual([]);
  });

  it('completes the order with the primary key', () => {
    expect(resolve({ booking: { orderBy: { startsAt: 'desc' } } })[0]?.orderBy).toEqual([{ startsAt: 'desc' }, { id: 'asc' }]);
    expect(resolve({ membership: { orderBy: [{ roomId: 'asc' }] } })[0]?.orderBy).toEqual([{ roomId: 'asc' }, { clientId: 'asc' }]);
    expect(resolve({ booking: { orderBy: { id: 'desc' } } })[0]?.orderBy).toEqual([{ id: 'desc' }]);
  });

  it('offers only unique keys whose columns are all visible', () => {
    const names = (omit: Json) => resolve({ membership: { omit } })[0]?.uniques.map(key => key.name);
    expect(names({})).toEqual(['clientId_roomId', 'roomSlot', 'level_slot']);
    expect(names({ roomId: true })).toEqual(['level_slot']);
  });

  it.each([
    'passwordHash',
    'password',
    'pwd',
    'userPassword',
    'hash',
    'token',
    'accessToken',
    'refresh_token',
    'secret',
    'clientSecret',
    'salt',
    'apiKey',
    'API_KEY',
    'privateKey',
    'otp',
    'totpSeed',
    'recoveryCodes',
    'credentials',
    'PIN',
    'passwd',
    'sessionKey',
    'OTPCode',
    'PINHint',
    'cardPINHint',
  ])('takes %s for a secret', name => expect(isSecretName(name)).toBe(true));

  it.each([
    'id',
    'name',
    'email',
    'hashtag',
    'salty',
    'pinned',
    'keyboard',
    'key',
    'passenger',
    'compass',
    'notes',
    'shipping',
    'option',
    'code',
    'saltwater',
  ])('takes %s for an ordinary name', name => expect(isSecretName(name)).toBe(false));
});

describe('what is wrong with a declaration', () => {
  it('is told all at once, one complaint a line', () => {
    const models = {
      clint: {},
      mcpSession: {},
      client: { wehre: {}, taek: 1, omit: { nope: true } },
      booking: { operations: ['findAll'], where: { user: 1 }, orderBy: { nope: 'asc' }, take: 0, data: { nope: 1 }, description: 5 },
    };
    const told = messageOf(models);
    expect(told).toHaveLength(11);
    expect(told.map(line => line.slice(0, line.indexOf(':')))).toEqual([
      'models.clint',
      'models.mcpSession',
      'models.client.wehre',
      'models.client.taek',
      'models.client.omit.nope',
      'models.booking.where.user',
      'models.booking.data.nope',
      'models.booking.orderBy.nope',
      'models.booking.take',
      'models.booking.description',
      'models.booking.operations',
    ]);
  });

  it('includes what depends on other models, where those are right', () => {
    const models = { booking: { include: { clint: true } }, room: { include: { nope: true }, orderBy: { bookings: { _count: 'asc' } } } };
    expect(messageOf({ ...models, booking: { ...models.booking, where: { id: 1 }, take: 0 } })).toEqual([
      expect.stringContaining('models.booking.take'),
      expect.stringContaining('models.booking.include.clint'),
      expect.stringContaining('models.room.include.nope'),
      expect.stringContaining('models.room.orderBy.bookings: models.booking.where cannot reach into an order'),
    ]);
  });

  it.each(['mcpSession', 'mcpSubscription', 'mcpEvent', 'mcpContinuation', 'mcpIdempotencyKey', 'mcpTask'])(
    'is that it exposes %s',
    key => {
      expect(messageOf({ [key]: {} })).toEqual([`models.${key}: holds the state of MCP itself, session ids included; leave it out`]);
    },
  );
});

function messageOf(models: Json): string[] {
  try {
    resolve(models);
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return (error as Error).message.split('\n');
  }
  return [];
}

describe('an article', () => {
  it.each([
    'an Employee',
    'an Order',
    'an Item',
    'an UploadedFile',
    'a User',
    'a Unit',
    'a UsageRecord',
    'a Euro',
    'a Booking',
    'an Umbrella',
  ])('fits the name of the model: %s', words => {
    expect(withArticle(words.split(' ')[1] ?? '')).toBe(words);
  });
});
