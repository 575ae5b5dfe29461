import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import type { Exposure } from '../../src/models/datamodel/graph.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import { attempt } from '../../src/models/queries/prisma-errors.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { seeded, serve } from './served.ts';

const operations = ['create', 'update', 'delete'];
const noise = /sql|constraint|prisma|_key|_fkey|table|at .*:\d+/i;

describeDatabases('an error of the database', provider => {
  let db: TestDatabase;
  let served: Served;
  beforeAll(async () => {
    db = await seeded(provider);
    served = serve(db, {
      client: { operations, data: { passwordHash: 'x' } },
      booking: { operations },
      membership: { operations },
      room: { operations },
    });
  });
  afterAll(() => db.close());

  it.each<[title: string, tool: string, args: Json, message: string]>([
    [
      'a unique column',
      'client_create',
      { data: { email: 'ada@example.com', name: 'X' } },
      'already exists: there is another Client with the same email',
    ],
    [
      'a unique column, updated',
      'client_update',
      { where: { id: 2 }, data: { email: 'ada@example.com' } },
      'already exists: there is another Client with the same email',
    ],
    [
      'a compound primary key',
      'membership_create',
      { data: { clientId: 1, roomId: 'red', level: 'a', slot: 9 } },
      'already exists: there is another Membership with the same clientId, roomId',
    ],
    [
      'a named compound unique',
      'membership_create',
      { data: { clientId: 3, roomId: 'red', level: 'a', slot: 1 } },
      'already exists: there is another Membership with the same roomId, slot',
    ],
    [
      'another compound unique',
      'membership_create',
      { data: { clientId: 3, roomId: 'blue', level: 'full', slot: 1 } },
      'already exists: there is another Membership with the same level, slot',
    ],
    ['a row to update', 'booking_update', { where: { id: 99 }, data: { price: '1' } }, 'not found: no Booking matches where'],
    ['a row to delete', 'booking_delete', { where: { id: 99 } }, 'not found: no Booking matches where'],
    ['a row that others belong to', 'client_delete', { where: { id: 1 } }, 'still referenced: other rows belong to this Client'],
  ])('about %s says what a model can act on, and no more', async (_title, tool, args, message) => {
    const told = await served.fail(tool, args);
    expect(told).toBe(message);
    expect(told).not.toMatch(noise);
  });

  it.each(['create', 'update'])('about a foreign key in %s names the column where the database does', async operation => {
    const data = { clientId: 99, startsAt: '2026-01-01T00:00:00Z', price: '1' };
    const told = await served.fail(
      `booking_${operation}`,
      operation === 'create' ? { data } : { where: { id: 1 }, data: { clientId: 99 } },
    );
    expect(told).toBe(provider === 'postgresql' ? 'data.clientId: the related row does not exist' : 'data: the related row does not exist');
  });

  it('about a value that does not fit is for the caller', async () => {
    if (provider === 'sqlite')
      return expect(await served.run('booking_update', { where: { id: 1 }, data: { price: '9'.repeat(100) } })).toHaveProperty('price');
    expect(await served.fail('booking_update', { where: { id: 1 }, data: { price: '9'.repeat(100) } })).toBe(
      'data: a value, or the result of increment, decrement, multiply or divide, is out of the range of its column; nothing was changed',
    );
  });
});

describe('an error told by its code', () => {
  const [exposure] = resolveExposures({ client: { omit: { name: true } } }, modelGraph(datamodel)) as [Exposure];
  const told = (error: unknown, operation = 'create'): Promise<unknown> =>
    attempt(exposure, operation, () => Promise.reject(error as Error)).catch((reason: unknown) => reason);
  const known = (code: string, meta: object = {}): Error => Object.assign(new Error('SELECT secret FROM x'), { code, meta });

  it.each<[meta: object, message: string]>([
    [{ target: ['email'] }, 'already exists: there is another Client with the same email'],
    [{ target: ['email', 'passwordHash', 'name'] }, 'already exists: there is another Client with the same email'],
    [{ target: 'Client_email_key' }, 'already exists: there is another Client with the same email'],
    [{ target: 'Client_passwordHash_key' }, 'already exists: there is another Client'],
    [
      { driverAdapterError: { cause: { constraint: { fields: ['"email"'] } } } },
      'already exists: there is another Client with the same email',
    ],
    [{ driverAdapterError: { cause: { constraint: { index: 'PRIMARY' } } } }, 'already exists: there is another Client with the same id'],
    [{ driverAdapterError: { cause: { constraint: { index: 'custom' } } } }, 'already exists: there is another Client'],
    [{}, 'already exists: there is another Client'],
  ])('P2002 with %o', async (meta, message) => {
    expect(await told(known('P2002', meta))).toMatchObject({ name: 'ToolError', message, status: 409, cause: { code: 'P2002' } });
  });

  it.each(['P2000', 'P2003', 'P2004', 'P2006', 'P2007', 'P2011', 'P2014', 'P2019', 'P2020', 'P2023', 'P2025', 'P2033'])(
    '%s is for the caller',
    async code => {
      const error = (await told(known(code))) as Error;
      expect(error.name).toBe('ToolError');
      expect(error.message).not.toContain('SELECT');
    },
  );

  it.each([known('P1001'), known('P2010'), known('P2028'), new Error('x'), known('ECONNREFUSED'), { code: 2 }, null])(
    'anything else stays what it is: %o',
    async error => {
      expect(await told(error)).toBe(error);
    },
  );

  it('P2034 is tried once more, and only once', async () => {
    const work = vi.fn<() => Promise<number>>().mockRejectedValueOnce(known('P2034')).mockResolvedValueOnce(7);
    expect(await attempt(exposure, 'update', work)).toBe(7);
    const never = vi.fn(() => Promise.reject(known('P2034')));
    await expect(attempt(exposure, 'update', never)).rejects.toMatchObject({ code: 'P2034' });
    expect(never).toHaveBeenCalledTimes(2);
    const other = vi.fn(() => Promise.reject(known('P2002')));
    await expect(attempt(exposure, 'update', other)).rejects.toThrow('already exists');
    expect(other).toHaveBeenCalledTimes(1);
  });
});
