import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { live, memoryStore } from '../../src/index.ts';
import { connect } from '../matrix/peer.ts';
import { describeRevisions } from '../matrix/revisions.ts';
import type { Json } from '../security/world.ts';
import { ask, openAs, signIn } from '../security/world.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { seeded, serve } from './served.ts';

const operations = ['findUnique', 'findMany', 'create', 'createMany', 'update', 'updateMany', 'upsert', 'delete', 'deleteMany'];
const writes = operations.slice(2);
const models: Json = {
  booking: { operations, idempotent: writes },
  room: { operations, idempotent: ['create', 'deleteMany'], confirm: ['create', 'deleteMany'], style: 'compact' },
  membership: { operations, style: 'compact' },
};
const refused = 'error: idempotencyKey: was used for a call with other arguments; nothing was changed; use a new one';
const startsAt = '2026-05-01T09:00:00.000Z';
const booking = (internalNote: string, more: object = {}) => ({ clientId: 1, startsAt, price: '1', internalNote, ...more });

function open({ prisma, datamodel }: Pick<TestDatabase, 'prisma' | 'datamodel'>, options: object = {}): Promise<TestServer> {
  return start({ prisma, datamodel, models, ...options }, { before: [signIn] });
}

describeDatabases('an idempotency key', provider => {
  let db: TestDatabase;
  let servers: [TestServer, TestServer];
  beforeAll(async () => {
    db = await seeded(provider);
    servers = [await open(db), await open({ ...db, prisma: await db.connect() })];
  });
  afterAll(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
    await db.close();
  });
  afterEach(async () => {
    await db.prisma.booking.deleteMany({ where: { startsAt } });
    await db.prisma.mcpIdempotencyKey.deleteMany();
  });

  const as = (clientId?: number, server = servers[0]) => openAs(server.url, clientId);
  const rows = () => db.prisma.booking.count({ where: { startsAt } });
  const keys = () => db.prisma.mcpIdempotencyKey.count();

  it('makes one row of calls at the same time on two endpoints, and gives them the same result', async () => {
    const sessions = await Promise.all(servers.map(server => as(1, server)));
    const args = { data: booking('a'), idempotencyKey: 'k' };
    const answers = await Promise.all([0, 1, 2].flatMap(() => sessions.map(session => ask(session, 'booking_create', args))));
    expect(answers[0]).toMatchObject({ internalNote: 'a' });
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await rows()).toBe(1);
  });

  it('gives the result of every write again, links included, after a restart', async () => {
    const { id: updated } = await db.prisma.booking.create({ data: booking('x') });
    const { id: deleted } = await db.prisma.booking.create({ data: booking('gone') });
    const calls: [string, object][] = [
      ['create', { data: booking('a', { meta: { b: 1, a: [2, { d: 1, c: null }] } }) }],
      ['createMany', { data: [booking('b'), booking('c', { price: '2.50' })] }],
      ['update', { where: { id: updated }, data: { price: { increment: 1 } } }],
      ['updateMany', { where: { id: { in: [updated] } }, data: { price: { increment: 1 } } }],
      ['upsert', { where: { id: 999_999 }, create: booking('d'), update: {} }],
      ['delete', { where: { id: deleted } }],
      ['deleteMany', { where: { internalNote: 'b' } }],
    ];
    const first: Json[] = [];
    const session = await as(1);
    for (const [operation, args] of calls) first.push(await session.call(`booking_${operation}`, { ...args, idempotencyKey: 'k' }));
    for (const answer of first) expect(answer.isError).toBeUndefined();
    expect(first.filter(({ content }) => content.some(({ type }: Json) => type === 'resource_link'))).not.toEqual([]);
    const stored = await db.prisma.booking.findMany({ orderBy: { id: 'asc' } });
    await using restarted = await open({ ...db, prisma: await db.connect() });
    const other = await as(1, restarted);
    for (const [index, [operation, args]] of calls.entries()) {
      expect(await other.call(`booking_${operation}`, { ...args, idempotencyKey: 'k' })).toEqual(first[index]);
    }
    expect(await db.prisma.booking.findMany({ orderBy: { id: 'asc' } })).toEqual(stored);
    expect(await keys()).toBe(calls.length);
  });

  it('is for one set of arguments, in any order', async () => {
    const session = await as(1);
    const first = await ask(session, 'booking_create', { data: booking('a'), idempotencyKey: 'k' });
    expect(await ask(session, 'booking_create', { data: booking('b'), idempotencyKey: 'k' })).toBe(refused);
    const { clientId, ...others } = booking('a');
    expect(await ask(session, 'booking_create', { idempotencyKey: 'k', data: { ...others, clientId } })).toEqual(first);
    expect(await rows()).toBe(1);
  });

  it('belongs to one caller, and a guest has it in one session', async () => {
    const args = { data: booking('a'), idempotencyKey: 'k' };
    const callers = [await as(1), await as(2), await as(), await as()];
    const ids = [];
    for (const session of callers) ids.push((await ask(session, 'booking_create', args)).id);
    expect(new Set(ids).size).toBe(4);
    for (const [index, session] of callers.entries()) expect((await ask(session, 'booking_create', args)).id).toBe(ids[index]);
    // What others did with the key is not told.
    expect(await ask(await as(3), 'booking_create', { ...args, data: booking('b') })).toMatchObject({ internalNote: 'b' });
    expect(await rows()).toBe(5);
  });

  it('belongs to one endpoint', async () => {
    const args = { data: booking('a'), idempotencyKey: 'k' };
    const first = await ask(await as(1), 'booking_create', args);
    await using other = await open(db, { path: '/other' });
    expect((await ask(await as(1, other), 'booking_create', args)).id).not.toBe(first.id);
  });

  it('is free again after a write that failed', async () => {
    const session = await as(1);
    const args = { where: { id: 999_999 }, data: { internalNote: 'a' }, idempotencyKey: 'k' };
    expect(await ask(session, 'booking_update', args)).toBe('error: not found: no Booking matches where');
    const item = (index: number, code: string) => ({ clientId: 1, startsAt, price: '1', roomId: index === 0 ? null : code });
    expect(await ask(session, 'booking_createMany', { data: [item(0, ''), item(1, 'none')], idempotencyKey: 'k' })).toContain(
      'does not exist',
    );
    expect(await ask(session, 'booking_create', { data: booking('a', { roomId: 'none' }), idempotencyKey: 'k' })).toContain(
      'does not exist',
    );
    expect(await ask(session, 'booking_create', { data: {}, idempotencyKey: 'k' })).toContain('are required');
    expect([await keys(), await rows()]).toEqual([0, 0]);
    expect(await ask(session, 'booking_create', { data: booking('a'), idempotencyKey: 'k' })).toMatchObject({ internalNote: 'a' });
  });

  it('is free again after its time, and swept then', async () => {
    await using hasty = await open(db, { limits: { idempotencyMs: 1 }, sessions: { sweepMs: 20, store: memoryStore() } });
    const session = await as(1, hasty);
    const args = { data: booking('a'), idempotencyKey: 'k' };
    const first = await ask(session, 'booking_create', args);
    const second = await ask(session, 'booking_create', args);
    expect(second.id).not.toBe(first.id);
    await expect.poll(keys, { timeout: 5000 }).toBe(0);
  });

  it('asks to try again where the row of the key comes and goes', async () => {
    const taken = Object.assign(new Error('taken'), { code: 'P2002' });
    const query = () => Promise.reject(taken);
    const prisma = db.prisma.$extends({ query: { mcpIdempotencyKey: { create: query } } }) as unknown as TestDatabase['prisma'];
    await using server = await open({ ...db, prisma });
    expect(await ask(await as(1, server), 'booking_create', { data: booking('a'), idempotencyKey: 'k' })).toBe(
      'error: conflict: another call is using this idempotencyKey; nothing was changed; try again',
    );
    expect(await rows()).toBe(0);
  });

  it('is not kept by a dry run, nor used by one', async () => {
    const session = await as(1);
    await ask(session, 'booking_create', { data: booking('a') });
    const args = { where: { internalNote: 'a' }, idempotencyKey: 'k' };
    expect(await ask(session, 'booking_deleteMany', { ...args, dryRun: true })).toMatchObject({ count: 1, dryRun: true });
    expect(await keys()).toBe(0);
    expect(await ask(session, 'booking_deleteMany', args)).toEqual({ count: 1 });
    expect(await ask(session, 'booking_deleteMany', { ...args, dryRun: true })).toMatchObject({ count: 0, dryRun: true });
    expect(await ask(session, 'booking_deleteMany', args)).toEqual({ count: 1 });
  });

  it.each([
    ['empty', ''],
    ['too long', 'x'.repeat(256)],
    ['a number', 5],
    ['null', null],
    ['a list', ['k']],
  ])('is refused if it is %s', async (_, idempotencyKey) => {
    const answer = await ask(await as(1), 'booking_create', { data: booking('a'), idempotencyKey });
    expect(answer).toContain('error: idempotencyKey: expected a string of 1 to 255 characters, got ');
    expect(await rows()).toBe(0);
  });

  it('drops the oldest keys of a caller beyond limits.maxIdempotencyKeys', async () => {
    await using small = await open(db, { limits: { maxIdempotencyKeys: 2 } });
    const [ada, grace] = [await as(1, small), await as(2, small)];
    const of = (session: Json, note: string) => ask(session, 'booking_create', { data: booking(note), idempotencyKey: note });
    const kept = await of(grace, 'g');
    for (const note of ['a', 'b', 'c']) {
      await of(ada, note);
      await expect.poll(() => db.prisma.mcpIdempotencyKey.count({ where: { principal: '1' } })).toBeLessThanOrEqual(2);
    }
    expect(await of(grace, 'g')).toEqual(kept);
    const before = await rows();
    await of(ada, 'c');
    expect(await rows()).toBe(before);
    await of(ada, 'a');
    expect(await rows()).toBe(before + 1);
  });

  it('says what happened where the result was too long to keep, or has other columns by now', async () => {
    await using small = await open(db, { limits: { maxIdempotencyBytes: 200 } });
    const long = { data: booking('x'.repeat(200)), idempotencyKey: 'long' };
    const done = 'error: idempotencyKey: this call has been made and its rows were written, but ';
    expect(await ask(await as(1, small), 'booking_create', long)).toMatchObject({ internalNote: long.data.internalNote });
    const tooLong = `${done}its result was too long to keep (limits.maxIdempotencyBytes); read the rows`;
    expect(await ask(await as(1, small), 'booking_create', long)).toBe(tooLong);
    const args = { data: { clientId: 1, startsAt, price: '1' }, idempotencyKey: 'k' };
    await ask(await as(1), 'booking_create', args);
    await using changed = await open(db, { models: { booking: { ...models.booking, omit: { meta: true } } } });
    expect(await ask(await as(1, changed), 'booking_create', args)).toBe(`${done}the columns of results have changed since; read the rows`);
    expect(await rows()).toBe(2);
  });

  it('works for a write that its row policy checks, and for one that is out of it', async () => {
    const own = { booking: { ...models.booking, where: (ctx: Json) => ({ client: { id: ctx.state.user.clientId } }) } };
    await using server = await open(db, { models: own });
    const session = await as(1, server);
    const args = { data: booking('a'), idempotencyKey: 'k' };
    const first = await ask(session, 'booking_create', args);
    expect(first).toMatchObject({ internalNote: 'a' });
    expect(await ask(session, 'booking_create', args)).toEqual(first);
    expect(await ask(session, 'booking_create', { data: booking('a', { clientId: 2 }), idempotencyKey: 'other' })).toContain('not allowed');
    expect([await keys(), await rows()]).toEqual([1, 1]);
  });

  it('does not make a policy that reads the database wait for the write', async () => {
    const where = async () => {
      await db.prisma.client.count();
      return {};
    };
    await using server = await open(db, { models: { booking: { ...models.booking, where } } });
    expect(await ask(await as(1, server), 'booking_create', { data: booking('a'), idempotencyKey: 'k' })).toMatchObject({ clientId: 1 });
  });

  it('upserts one row where calls with different keys meet, and is free again after a conflict', async () => {
    await using server = await open(db, { models: { membership: { operations, idempotent: writes } } });
    const session = await as(1, server);
    const row = { clientId: 3, roomId: 'blue', level: 'a', slot: 50 };
    const where = { clientId_roomId: { clientId: 3, roomId: 'blue' } };
    const upsert = (idempotencyKey: string) =>
      ask(session, 'membership_upsert', { where, create: row, update: { level: idempotencyKey }, idempotencyKey });
    const answers = await Promise.all(['k', 'l', 'm'].map(upsert));
    expect(answers.map(({ slot }) => slot)).toEqual([50, 50, 50]);
    expect(await db.prisma.membership.count({ where: { slot: 50 } })).toBe(1);
    expect(await keys()).toBe(3);
    expect(await ask(session, 'membership_create', { data: row, idempotencyKey: 'n' })).toContain('already exists');
    await db.prisma.membership.deleteMany({ where: { slot: 50 } });
    expect(await ask(session, 'membership_create', { data: row, idempotencyKey: 'n' })).toEqual({ ...row, expiresAt: null });
    await db.prisma.membership.deleteMany({ where: { slot: 50 } });
  });

  it('tells of the write and of nothing else', async () => {
    const prisma = live(await db.connect());
    const served = serve({ ...db, prisma }, models);
    const told: string[][] = [];
    const stop = served.live?.listen({ committed: changes => told.push([...changes]), onError: error => told.push([String(error)]) });
    const ctx = { mcp: { principal: '1' } } as Json;
    const args = { data: booking('a'), idempotencyKey: 'k' };
    const { id } = await served.run('booking_create', args, ctx);
    await served.run('booking_create', args, ctx);
    stop?.();
    expect(told).toEqual([[`booking:${id}`]]);
  });

  it('answers a write that was confirmed and done from its row, without asking again', async () => {
    await using server = await open(db, { models: { booking: { ...models.booking, confirm: writes } } });
    const { id } = await db.prisma.booking.create({ data: booking('a') });
    const session = await as(1, server);
    const args = { where: { id }, idempotencyKey: 'k' };
    const asked = await ask(session, 'booking_delete', args);
    const { confirmation } = asked._unconfirmed;
    expect([await rows(), await keys()]).toEqual([1, 0]);
    const done = await ask(session, 'booking_delete', { ...args, confirmation });
    expect(done).toMatchObject({ id, internalNote: 'a' });
    expect(await ask(session, 'booking_delete', { ...args, confirmation })).toEqual(done);
    expect(await ask(session, 'booking_delete', args)).toEqual(done);
    expect(await ask(session, 'booking_delete', { where: { id: 1 }, idempotencyKey: 'k' })).toBe(refused);
    const none = { where: { internalNote: 'none' }, idempotencyKey: 'k' };
    const many = { ...none, confirmation: (await ask(session, 'booking_deleteMany', none))._unconfirmed.confirmation };
    expect(await ask(session, 'booking_deleteMany', many)).toEqual({ count: 0 });
    expect(await ask(session, 'booking_deleteMany', { ...none, dryRun: true })).toMatchObject({ count: 0, dryRun: true });
  });

  it('is taken by compact models that want it, and by no other', async () => {
    const session = await as(1);
    const room = { model: 'room', operation: 'create', data: { code: 'N', capacity: 1 }, idempotencyKey: 'k' };
    const { confirmation } = (await ask(session, 'create_rows', room))._unconfirmed;
    const done = await ask(session, 'create_rows', { ...room, confirmation });
    expect(done).toMatchObject({ code: 'N' });
    expect(await ask(session, 'create_rows', room)).toEqual(done);
    const free = { model: 'membership', operation: 'deleteMany', where: { slot: 99 }, idempotencyKey: 'k' };
    expect(await ask(session, 'delete_rows', free)).toBe('error: idempotencyKey: unknown argument (where, dryRun)');
    const { operations: described } = await ask(session, 'describe_model', { model: 'room' });
    expect(
      described.filter(({ arguments: text }: Json) => text.includes('idempotencyKey?')).map(({ operation }: Json) => operation),
    ).toEqual(['create', 'deleteMany']);
    await db.prisma.room.delete({ where: { code: 'N' } });
  });
});

describeRevisions('an idempotency key', row => {
  let db: TestDatabase;
  let server: TestServer;
  let forGuests: TestServer;
  beforeAll(async () => {
    db = await seeded('sqlite');
    const { prisma, datamodel } = db;
    server = await start({ prisma, datamodel, models, principal: () => 'ada' });
    forGuests = await start({ prisma, datamodel, models });
  });
  afterAll(async () => {
    for (const each of [server, forGuests]) await each[Symbol.asyncDispose]();
    await db.close();
  });
  beforeEach(async () => {
    await db.prisma.booking.deleteMany({ where: { startsAt } });
  });

  const create = { name: 'booking_create', arguments: { data: booking('a'), idempotencyKey: 'k' } };

  it('makes one row of repeated calls, and gives the same result', async () => {
    const results = [];
    for (let time = 0; time < 3; time += 1) {
      const peer = await connect(server.url, row);
      results.push((await peer.request('tools/call', create)).response.result);
    }
    expect(JSON.parse(results[0].content[0].text)).toMatchObject({ internalNote: 'a' });
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    expect(await db.prisma.booking.count({ where: { startsAt } })).toBe(1);
  });

  it('is refused to guests whom nothing tells apart', async () => {
    const { result } = (await (await connect(forGuests.url, row)).request('tools/call', create)).response;
    expect(await db.prisma.booking.count({ where: { startsAt } })).toBe(row.era === 'modern' ? 0 : 1);
    if (row.era === 'modern') {
      expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('idempotencyKey: only signed-in users') }] });
    }
  });
});

describe('the declaration of writes that take idempotency keys', () => {
  it('is refused where the client has no rows for them, or the model no such write', async () => {
    await using db = await seeded('sqlite');
    const { mcpIdempotencyKey, booking: bookings, ...prisma } = db.prisma as Json;
    const compiled = (client: object, idempotent: unknown) => () =>
      serve({ ...db, prisma: client as Json }, { booking: { operations: ['findMany', 'create'], idempotent } });
    expect(compiled({ booking: bookings }, ['create'])).toThrow(
      new TypeError(
        'models.booking.idempotent: this client has no model McpIdempotencyKey; run `npx koa-mcp init` to add it to your schema, then migrate ' +
          'and run `prisma generate`',
      ),
    );
    const { result, ...fields } = mcpIdempotencyKey.fields;
    expect(compiled({ ...prisma, booking: bookings, mcpIdempotencyKey: { fields } }, ['create'])).toThrow(
      'models.booking.idempotent: this client has no column result of the model McpIdempotencyKey; run',
    );
    expect(compiled({ booking: bookings }, [])).not.toThrow();
    expect(compiled(db.prisma, ['delete'])).toThrow(
      'models.booking.idempotent: there is no `delete` to repeat; the writes in operations are create',
    );
    expect(compiled(db.prisma, 'create')).toThrow('models.booking.idempotent: expected an array of create');
  });

  it('puts the key into the schemas of these writes alone', async () => {
    await using db = await seeded('sqlite');
    const { tools } = serve(db, { ...models, client: { operations: ['create'], data: { passwordHash: 'x' } } });
    const keyed = tools.filter(({ inputSchema }) => 'idempotencyKey' in (inputSchema.properties ?? {}));
    expect(keyed.map(({ name }) => name)).toEqual([...writes.map(name => `booking_${name}`), 'create_rows', 'delete_rows']);
    for (const { inputSchema } of keyed) {
      expect(inputSchema.properties?.['idempotencyKey']).toEqual({
        type: 'string',
        maxLength: 255,
        description: 'new for each write, the same to repeat it',
      });
      expect(inputSchema.required ?? []).not.toContain('idempotencyKey');
    }
  });
});
