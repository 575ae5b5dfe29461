import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, describePostgres, openDatabase } from '../support/database.ts';
import type { TestServer } from '../support/server.ts';
import type { WireSession } from '../support/wire.ts';
import type { Json } from './world.ts';
import { ask, callerOf, fill, openAs, serve } from './world.ts';

const all = ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'];
const policies = {
  'a column': (ctx: never): object => ({ clientId: callerOf(ctx) }),
  'a relation': async (ctx: never): Promise<object> => ({ client: { id: callerOf(ctx) } }),
  'an OR': (ctx: never): object => ({ OR: [{ clientId: callerOf(ctx) }, { client: { referredById: callerOf(ctx) } }] }),
};

describeDatabases('a row policy', provider => {
  let db: TestDatabase;
  let server: TestServer;
  let own: WireSession;
  let other: WireSession;
  let guest: WireSession;

  beforeAll(async () => {
    db = await openDatabase(provider);
    await fill(db.prisma);
    const where = policies['a relation'];
    const models = {
      booking: {
        operations: all,
        where,
        data: async (_ctx: never, operation: string) => (operation === 'create' ? { status: 'PENDING' } : {}),
      },
      membership: { operations: all, where: policies['a column'] },
      client: { where: (ctx: never) => ({ id: callerOf(ctx) }), omit: { passwordHash: true }, include: { bookings: { take: 1 } } },
    };
    server = await serve(db, models);
    [own, other, guest] = await Promise.all([openAs(server.url, 2), openAs(server.url, 1), openAs(server.url)]);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await db.close();
  });

  const missing = (name: string): string => `error: not found: no ${name} matches where`;

  it('holds for every way to name a row', async () => {
    for (const where of [
      { clientId_roomId: { clientId: 1, roomId: 'red' } },
      { roomSlot: { roomId: 'red', slot: 1 } },
      { level_slot: { level: 'full', slot: 1 } },
    ]) {
      expect(await ask(other, 'membership_findUnique', { where })).toMatchObject({ clientId: 1 });
      for (const session of [own, guest]) {
        expect(await ask(session, 'membership_findUnique', { where })).toBe(missing('Membership'));
        expect(await ask(session, 'membership_update', { where, data: { level: 'x' } })).toBe(missing('Membership'));
        expect(await ask(session, 'membership_delete', { where })).toBe(missing('Membership'));
      }
    }
    expect(await db.prisma.membership.count({ where: { clientId: 1, level: 'full' } })).toBe(1);
  });

  it('answers each of several callers at once by its own, though Prisma puts their queries together', async () => {
    const callers = [own, other, guest, own, other, guest];
    for (let round = 0; round < 5; round++) {
      const rows = await Promise.all(callers.map(session => ask(session, 'booking_findUnique', { where: { id: 2 } })));
      expect(rows.map(row => row.clientId)).toEqual([2, undefined, undefined, 2, undefined, undefined]);
    }
  });

  it('keeps a row from being moved, into or out of it, by a key or by a forced value', async () => {
    const refused = 'error: data.clientId: the related row does not exist';
    expect(await ask(own, 'booking_update', { where: { id: 2 }, data: { clientId: 1 } })).toBe(refused);
    expect(await ask(other, 'booking_update', { where: { id: 2 }, data: { clientId: 1 } })).toBe(missing('Booking'));
    const stray = { clientId: 3, startsAt: '2026-05-01T09:00:00Z', price: '1' };
    for (const session of [own, guest]) expect(await ask(session, 'booking_create', { data: stray })).toBe(refused);
    expect(await ask(own, 'booking_create', { data: { ...stray, clientId: 2, status: 'CONFIRMED' } })).toMatchObject({ status: 'PENDING' });
    expect(await db.prisma.booking.count({ where: { clientId: { not: 2 } } })).toBe(3);
  });

  it('keeps the lists of a row, what they were cut by, and the list resource to it', async () => {
    const { rows } = await ask(own, 'client_findMany');
    expect(rows).toEqual([
      expect.objectContaining({ id: 2, bookings: [expect.objectContaining({ clientId: 2 })], _truncated: ['bookings'] }),
    ]);
    const read = async (session: WireSession, uri: string): Promise<Json> => {
      const { result, error } = (await session.request('resources/read', { uri })).response;
      return error?.code ?? JSON.parse(result.contents[0].text);
    };
    expect((await read(own, 'test://booking')).rows.every((row: Json) => row.clientId === 2)).toBe(true);
    expect(await read(guest, 'test://booking')).toEqual({ rows: [] });
    for (const path of ['1', '%31', '1.0', '01', '2/../1', '1?id=2', '1#2', '%2531', '1%00'])
      expect(await read(own, `test://booking/${path}`)).toBe(-32002);
    for (const path of ['1/red', '1/%72ed', '%31/red']) expect(await read(own, `test://membership/${path}`)).toBe(-32002);
  });

  it('holds a cursor to it, whoever made that', async () => {
    const page = await ask(other, 'booking_findMany', { take: 1 });
    expect(page.nextCursor).toBeTypeOf('string');
    const gone = 'error: cursor: its row is gone; leave cursor out to start from the first row';
    expect(await ask(own, 'booking_findMany', { cursor: page.nextCursor })).toBe(gone);
    expect(await ask(own, 'booking_findMany', { cursor: Buffer.from('[4000]').toString('base64url') })).toBe(gone);
  });
});

it('a policy that turns guests away says so on every surface, and not that the server is broken', async () => {
  await using db = await openDatabase('sqlite');
  await fill(db.prisma);
  const where = async (ctx: Json): Promise<object> => {
    if (callerOf(ctx) === -1) ctx.throw(403, 'Sign in first');
    return { clientId: callerOf(ctx) };
  };
  await using server = await serve(db, { booking: { operations: all, where } });
  const guest = await openAs(server.url);
  for (const [tool, args] of [
    ['booking_findMany', {}],
    ['booking_count', { where: { id: 1 } }],
    ['booking_findUnique', { where: { id: 1 } }],
    ['booking_update', { where: { id: 1 }, data: { internalNote: 'x' } }],
    ['booking_delete', { where: { id: 1 } }],
  ] as const)
    expect(await ask(guest, tool, args)).toBe('error: Sign in first');
  const completion = { ref: { type: 'ref/resource', uri: 'test://booking/{id}' }, argument: { name: 'id', value: '' } };
  for (const uri of ['test://booking', 'test://booking/1'])
    expect((await guest.error('resources/read', { uri })).message).toBe('Sign in first');
  expect(await guest.error('completion/complete', completion)).toMatchObject({ code: -32602, message: 'Sign in first' });
});

/** Real transactions at once: another process gives the row away while the write of its former owner waits for it. */
describePostgres('a row given away while its former owner writes (postgresql)', () => {
  type Write = readonly [tool: string, args: object];
  const args = { where: { id: 2 } };
  const writes: Write[] = [
    ['booking_update', { ...args, data: { internalNote: 'mine' } }],
    ['booking_update', { ...args, data: { internalNote: 'mine', clientId: 2 } }],
    ['booking_delete', args],
    ['scoped', { operation: 'update', args: { ...args, data: { internalNote: 'mine', clientId: 2 } } }],
    ['scoped', { operation: 'updateMany', args: { ...args, data: { internalNote: 'mine', clientId: 2 } } }],
    ['scoped', { operation: 'delete', args }],
    ['scoped', { operation: 'deleteMany', args }],
  ];

  it.each(Object.entries(policies))('stays as it was given, under a policy of %s', async (_title, where) => {
    await using db = await openDatabase('postgresql');
    await fill(db.prisma);
    const scoped = {
      description: 'Runs one query of the scoped client',
      handler: async (input: Json, ctx: Json) => ctx.prisma.booking[input.operation](input.args),
      inputSchema: (await import('zod')).z.looseObject({}),
    };
    const models = { booking: { operations: all, where } };
    await using server = await serve(db, models, { scoped });
    const session = await openAs(server.url, 2);
    const thief = new pg.Client({ connectionString: db.url });
    await thief.connect();
    for (const [tool, input] of writes) {
      await db.prisma.booking.update({ where: { id: 2 }, data: { clientId: 2 } });
      await thief.query('BEGIN');
      await thief.query('UPDATE "Booking" SET "clientId" = 1 WHERE "id" = 2');
      const answer = ask(session, tool, input);
      await untilBlocked(thief);
      await thief.query('COMMIT');
      expect(await answer, `${tool} ${JSON.stringify(input)}`).toSatisfy(
        (value: Json) => value.count === 0 || /^error: not (found|allowed)/i.test(value),
      );
      expect(await db.prisma.booking.findUnique({ where: { id: 2 }, select: { clientId: true, internalNote: true } })).toEqual({
        clientId: 1,
        internalNote: 'booking:2:internalNote:a',
      });
    }
    await thief.end();
  });
});

/** Waits until some other connection waits for a lock of this one. */
async function untilBlocked(client: pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await client.query('SELECT 1 FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))');
    if (rows.length > 0) return;
  }
}
