import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { callOf, seeded, serve } from './served.ts';

const all = ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'];
const valid = { email: 'new@example.com', name: 'New' };

/** `passwordHash` is hidden for its name, `notes` by `omit`, `secretive` does not exist. */
const hidden = ['passwordHash', 'notes'];
const unknown = 'secretive';

/** Every place of every tool where a caller can name a column of Client. */
const surfaces: [title: string, tool: string, args: (column: string) => Json][] = [
  ['where', 'client_findMany', column => ({ where: { [column]: 'x' } })],
  ['where with an operator', 'client_findMany', column => ({ where: { [column]: { startsWith: 'x' } } })],
  ['where of null', 'client_findMany', column => ({ where: { [column]: null } })],
  ['where of a wrong type', 'client_findMany', column => ({ where: { [column]: 1 } })],
  ['where below AND', 'client_findMany', column => ({ where: { AND: [{ [column]: 'x' }] } })],
  ['where below OR and NOT', 'client_findMany', column => ({ where: { OR: [{ NOT: [{ [column]: { startsWith: 'x' } }] }] } })],
  ['where of a list relation', 'client_findMany', column => ({ where: { referrals: { some: { [column]: 'x' } } } })],
  ['where of a list relation, none', 'client_findMany', column => ({ where: { referrals: { none: { [column]: 'x' } } } })],
  ['where of a list relation, every', 'client_findMany', column => ({ where: { referrals: { every: { [column]: 'x' } } } })],
  ['where of a single relation', 'client_findMany', column => ({ where: { referredBy: { is: { [column]: 'x' } } } })],
  ['where of a single relation, isNot', 'client_findMany', column => ({ where: { referredBy: { isNot: { [column]: 'x' } } } })],
  ['where of a single relation, in short', 'client_findMany', column => ({ where: { referredBy: { name: 'x', [column]: 'x' } } })],
  [
    'where over another model',
    'booking_findMany',
    column => ({ where: { client: { bookings: { every: { client: { [column]: 'x' } } } } } }),
  ],
  ['where of count', 'client_count', column => ({ where: { [column]: { lt: 'm' } } })],
  ['unique where', 'client_findUnique', column => ({ where: { [column]: 'x' } })],
  ['unique where beside a key', 'client_findUnique', column => ({ where: { id: 1, [column]: 'x' } })],
  ['unique where of update', 'client_update', column => ({ where: { [column]: 'x' }, data: { name: 'y' } })],
  ['unique where of delete', 'client_delete', column => ({ where: { [column]: 'x' } })],
  ['select', 'client_findMany', column => ({ select: { [column]: true } })],
  ['select of false', 'client_findUnique', column => ({ where: { id: 1 }, select: { id: true, [column]: false } })],
  ['orderBy', 'client_findMany', column => ({ orderBy: [{ [column]: 'asc' }] })],
  ['orderBy of an object', 'client_findMany', column => ({ orderBy: { [column]: 'asc' } })],
  ['data of create', 'client_create', column => ({ data: { ...valid, [column]: 'x' } })],
  ['data of update', 'client_update', column => ({ where: { id: 1 }, data: { [column]: 'x' } })],
];

describeDatabases('a hidden column', provider => {
  let db: TestDatabase;
  let served: Served;
  beforeAll(async () => {
    db = await seeded(provider);
    served = serve(db, {
      client: { operations: all, omit: { notes: true }, data: { passwordHash: 'forced' }, orderBy: { notes: 'desc' } },
      booking: { include: { client: true } },
    });
  });
  afterAll(() => db.close());

  describe.each(surfaces)('in %s', (_title, tool, args) => {
    it.each(hidden)('is answered like an unknown one, before any query: %s', async column => {
      db.queries.length = 0;
      const told = await served.fail(tool, args(column));
      expect(told).toBe((await served.fail(tool, args(unknown))).replaceAll(unknown, column));
      expect(told.replace(`.${column}:`, '').replace(`"${column}"`, '')).not.toContain(column);
      expect(db.queries).toEqual([]);
    });
  });

  it('is in no schema, title or description of any tool, resource or template', () => {
    const { tools, resources, resourceTemplates } = served;
    expect(tools.length).toBeGreaterThan(8);
    const words = JSON.stringify({ tools, resources, resourceTemplates });
    for (const column of hidden) expect(words).not.toContain(column);
  });

  it('is in no result, of no operation', async () => {
    const created = await served.run('client_create', { data: valid });
    const results = [
      created,
      await served.run('client_findMany'),
      await served.run('client_findUnique', { where: { id: 1 } }),
      await served.run('client_update', { where: { id: created.id }, data: { name: 'Newer' } }),
      await served.run('booking_findMany'),
      await served.run('client_delete', { where: { id: created.id } }),
      await served.read('client'),
      await served.read('client', { id: '1' }),
      await served.read('booking'),
    ];
    for (const column of [...hidden, 'forced', 'vip']) expect(JSON.stringify(results)).not.toContain(column);
  });

  it('is asked of the database in no query that a caller can start', async () => {
    db.queries.length = 0;
    await served.run('client_findMany');
    await served.run('booking_findMany');
    await served.run('client_findUnique', { where: { email: 'ada@example.com' } });
    for (const { args } of db.queries) {
      expect(args).not.toHaveProperty('select.passwordHash');
      expect(args).not.toHaveProperty('select.client.select.passwordHash');
      expect(JSON.stringify((args as { where?: unknown }).where ?? {})).not.toContain('notes');
    }
  });

  it('is not named when it breaks a unique constraint', async () => {
    const secretive = serve(db, { room: { operations: all, omit: { code: true }, data: { code: 'R' } } });
    expect(await secretive.fail('room_create', { data: { capacity: 3 } })).toBe('already exists: there is another Room');
    const partly = serve(db, { membership: { operations: all, omit: { slot: true }, data: { slot: 1 } } });
    const told = await partly.fail('membership_create', { data: { clientId: 3, roomId: 'red', level: 'other' } });
    expect(told).toBe('already exists: there is another Membership with the same roomId');
  });

  it('that a key is made of takes the key away: no unique where, no cursor, no template', async () => {
    const keyless = serve(db, { booking: { omit: { id: true }, operations: ['findMany', 'count'], take: 2 } });
    expect(keyless.resourceTemplates).toEqual([]);
    const page = await keyless.run('booking_findMany');
    expect(page).toEqual({ rows: [expect.anything(), expect.anything()], truncated: true });
    expect(page.rows[0]).not.toHaveProperty('id');
    expect(await keyless.fail('booking_findMany', { cursor: Buffer.from('[1]').toString('base64url') })).toContain(
      'cursor: unknown argument',
    );
    const other = serve(db, { client: { omit: { id: true }, take: 1 } });
    expect(other.resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(['test://client/{email}', 'test://client{?cursor}']);
    const { nextCursor } = await other.run('client_findMany', { select: { name: true } });
    expect(Buffer.from(nextCursor, 'base64url').toString()).toBe('["ada@example.com"]');
    expect((await other.run('client_findMany', { cursor: nextCursor })).rows).toMatchObject([{ name: 'Grace' }]);
  });

  it('is completed nowhere', async () => {
    const template = served.resourceTemplates.find(({ name }) => name === 'client');
    expect(Object.keys(template?.complete ?? {})).toEqual(['id']);
    expect(await template?.complete?.['id']?.('', callOf(), { passwordHash: 'x' })).toEqual(
      await template?.complete?.['id']?.('', callOf(), {}),
    );
  });
});
