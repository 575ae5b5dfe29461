import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { away, disturbed } from '../delivery/fixtures.ts';
import type { Peer } from '../matrix/peer.ts';
import { connect } from '../matrix/peer.ts';
import { describeRevisions } from '../matrix/revisions.ts';
import type { Json } from '../security/world.ts';
import { ask, openAs, signIn } from '../security/world.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { seeded } from './served.ts';

const operations = ['findMany', 'create', 'createMany', 'update', 'updateMany', 'upsert', 'delete', 'deleteMany'];
const writes = operations.slice(1);
const models: Json = {
  booking: { operations, confirm: writes },
  room: { operations, confirm: ['deleteMany'], style: 'compact' },
  membership: { operations, style: 'compact' },
};
const yes = { action: 'accept', content: { confirm: true } };
const refused =
  'confirmation: unknown, used, expired or for another call, or the rows have changed since; nothing was changed; leave it out to get another';

function open({ prisma, datamodel }: TestDatabase, options: object = {}): Promise<TestServer> {
  return start({ prisma, datamodel, models, ...options }, { before: [signIn] });
}

/** What a result says of a write that was not confirmed. */
const unconfirmed = (answer: Json): { effect: string; next: string; confirmation: string } => answer._unconfirmed;

describeRevisions('a write that the user must confirm', row => {
  const elicits = row.asks.has('elicitation/create');
  let db: TestDatabase;
  let server: TestServer;
  let peer: Peer;
  beforeAll(async () => {
    db = await seeded('sqlite');
    server = await open(db);
    peer = await connect(server.url, row, { elicitation: { form: {} } });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await db.close();
  });

  const count = (): Promise<number> => db.prisma.booking.count();

  it('asks the user where the client can, and hands out a token elsewhere', async () => {
    const before = await count();
    const { asked, response } = await peer.converse('booking_deleteMany', { where: { id: { in: [5, 6] } } }, () => yes);
    if (!elicits) {
      expect(asked).toEqual([]);
      expect(JSON.parse(response.result.content[0].text)._unconfirmed.effect).toBe(
        'would delete 2 Booking rows ({"id":5}, {"id":6}) for good',
      );
      expect(await count()).toBe(before);
      return;
    }
    expect(asked).toEqual([
      {
        method: 'elicitation/create',
        params: {
          ...(row.elicitationMode && { mode: 'form' }),
          message: 'Delete 2 Booking rows ({"id":5}, {"id":6}) for good?',
          requestedSchema: { type: 'object', properties: { confirm: { type: 'boolean', title: 'Yes, do it' } }, required: ['confirm'] },
        },
      },
    ]);
    expect(JSON.parse(response.result.content[0].text)).toEqual({ count: 2 });
    expect(await count()).toBe(before - 2);
  });

  it.skipIf(!elicits).each([{ action: 'decline' }, { action: 'cancel' }, { action: 'accept', content: { confirm: false } }])(
    'does nothing after %j',
    async answer => {
      const before = await count();
      const { response } = await peer.converse('booking_delete', { where: { id: 1 } }, () => answer);
      expect(response.result).toMatchObject({
        isError: true,
        content: [{ text: 'not confirmed: the user did not agree; nothing was changed' }],
      });
      expect(await count()).toBe(before);
    },
  );

  it.skipIf(!elicits)('does not take the answer to one question for an answer to another', async () => {
    const where = { status: 'CONFIRMED' as const };
    const { asked, response } = await peer.converse('booking_deleteMany', { where }, async (_, index) => {
      // While the user reads, one more row matches.
      if (index > 0) return { action: 'decline' };
      await db.prisma.booking.update({ where: { id: 2 }, data: { status: 'CONFIRMED' } });
      return yes;
    });
    expect(asked).toHaveLength(row.era === 'modern' ? 2 : 1);
    expect(response.result.isError).toBe(true);
    expect(await db.prisma.booking.count({ where })).toBe(3);
  });
});

describeDatabases('a confirmation token', provider => {
  let db: TestDatabase;
  let servers: [TestServer, TestServer];
  beforeAll(async () => {
    db = await seeded(provider);
    servers = [await open(db), await open(db)];
  });
  afterAll(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
    await db.close();
  });
  beforeEach(async () => {
    await db.prisma.booking.update({ where: { id: 1 }, data: { internalNote: null } });
  });

  const ada = (server = servers[0]) => openAs(server.url, 1);
  const note = async () => (await db.prisma.booking.findUnique({ where: { id: 1 } }))?.internalNote;
  const change = (internalNote: string) => ({ where: { id: 1 }, data: { internalNote } });
  const tokenOf = async (args: object, server = servers[0]) => {
    const answer = await ask(await ada(server), 'booking_update', args);
    expect(await note()).toBeNull();
    return unconfirmed(answer).confirmation;
  };

  it('comes with what would happen, and does it once, in any process', async () => {
    const answer = await ask(await ada(), 'booking_update', change('a'));
    const { effect, next, confirmation } = unconfirmed(answer);
    expect(effect).toMatch(/^would change the Booking \{"id":1,.*\}, setting \{"internalNote":"a"\}$/);
    expect(next).toBe('Nothing was changed. Ask the user. If they agree, repeat the call within 600 s with this confirmation.');
    expect(await note()).toBeNull();
    const other = await ada(servers[1]);
    expect(await ask(other, 'booking_update', { ...change('a'), confirmation })).toMatchObject({ id: 1, internalNote: 'a' });
    expect(await ask(other, 'booking_update', { ...change('a'), confirmation })).toBe(`error: ${refused}`);
    expect(await ask(await ada(), 'booking_update', { ...change('a'), confirmation })).toBe(`error: ${refused}`);
  });

  it('is used up, also where the same call would do the same again', async () => {
    const data = { clientId: 1, startsAt: '2026-05-01T09:00:00Z', price: '1', internalNote: 'once' };
    const [first, second] = [await ada(), await ada(servers[1])];
    const { confirmation } = unconfirmed(await ask(first, 'booking_create', { data }));
    expect(await ask(first, 'booking_create', { data, confirmation })).toMatchObject({ internalNote: 'once' });
    for (const session of [first, second]) {
      expect(await ask(session, 'booking_create', { data, confirmation })).toBe(`error: ${refused}`);
    }
    expect(await db.prisma.booking.deleteMany({ where: { internalNote: 'once' } })).toEqual({ count: 1 });
  });

  it('is good after a restart', async () => {
    const first = await open(db);
    const confirmation = await tokenOf(change('a'), first);
    await first[Symbol.asyncDispose]();
    await using second = await open(db);
    expect(await ask(await ada(second), 'booking_update', { ...change('a'), confirmation })).toMatchObject({ internalNote: 'a' });
  });

  it('counts once where two processes get it at the same time', async () => {
    const args = { where: { id: 1 }, data: { price: { increment: 1 } } };
    const { price } = await db.prisma.booking.findUniqueOrThrow({ where: { id: 1 } });
    const confirmation = await tokenOf(args);
    const sessions = await Promise.all(servers.map(server => ada(server)));
    const answers = await Promise.all(sessions.map(session => ask(session, 'booking_update', { ...args, confirmation })));
    expect(answers.filter(answer => answer === `error: ${refused}`)).toHaveLength(1);
    const after = await db.prisma.booking.findUniqueOrThrow({ where: { id: 1 } });
    expect(Number(after.price)).toBe(Number(price) + 1);
  });

  it('is for one caller, one call, one state of the rows, and one time', async () => {
    const confirmation = await tokenOf(change('a'));
    const session = await ada();
    const grace = await openAs(servers[0].url, 2);
    const guest = await openAs(servers[0].url);
    for (const [caller, tool, args] of [
      [grace, 'booking_update', change('a')],
      [guest, 'booking_update', change('a')],
      [session, 'booking_update', change('b')],
      [session, 'booking_updateMany', change('a')],
      [session, 'booking_update', { ...change('a'), confirmation: 'x' }],
      [session, 'booking_update', { ...change('a'), confirmation: 5 }],
      [session, 'booking_update', { ...change('a'), confirmation: 'x'.repeat(43) }],
    ] as const) {
      expect(await ask(caller, tool, { confirmation, ...args })).toBe(`error: ${refused}`);
    }
    const { status } = await db.prisma.booking.findUniqueOrThrow({ where: { id: 1 } });
    await db.prisma.booking.update({ where: { id: 1 }, data: { status: 'CANCELLED' } });
    expect(await ask(session, 'booking_update', { ...change('a'), confirmation })).toBe(`error: ${refused}`);
    await db.prisma.booking.update({ where: { id: 1 }, data: { status } });
    await using hasty = await open(db, { sessions: { continuationMs: 1 } });
    const expired = await tokenOf(change('a'), hasty);
    expect(await ask(session, 'booking_update', { ...change('a'), confirmation: expired })).toBe(`error: ${refused}`);
    expect(await note()).toBeNull();
    // None of these has used it up.
    expect(await ask(session, 'booking_update', { ...change('a'), confirmation })).toMatchObject({ internalNote: 'a' });
  });

  it('is asked for by every kind of write, and not by a dry run or a mistake', async () => {
    const session = await ada();
    const rows = () => db.prisma.booking.findMany({ orderBy: { id: 'asc' } });
    const before = await rows();
    const data = { clientId: 1, startsAt: '2026-05-01T09:00:00Z', price: '1' };
    const effects = [];
    for (const [tool, args] of [
      ['create', { data }],
      ['createMany', { data: [data, data] }],
      ['updateMany', { where: { id: { lt: 3 } }, data: { price: '5' } }],
      ['upsert', { where: { id: 99 }, create: data, update: {} }],
      ['upsert', { where: { id: 1 }, create: data, update: { price: '5' } }],
      ['delete', { where: { id: 1 } }],
      ['deleteMany', { where: { id: 1 } }],
    ] as const) {
      const { effect } = unconfirmed(await ask(session, `booking_${tool}`, args));
      effects.push(effect.replaceAll(/\{"id":1,.*null\}/g, '{…}').replaceAll(/\{"clientId":1[^}]*\}/g, '{…}'));
    }
    expect(effects).toEqual([
      'would create a Booking: {…}',
      'would create 2 Booking rows: [{…},{…}]',
      'would change 2 Booking rows ({"id":1}, {"id":2}), setting {"price":"5"}',
      'would create a Booking: {…}',
      'would change the Booking {…}, setting {"price":"5"}',
      'would delete the Booking {…} for good',
      'would delete 1 Booking row ({"id":1}) for good',
    ]);
    expect(await ask(session, 'booking_deleteMany', { where: { id: 1 }, dryRun: true })).toMatchObject({ count: 1, dryRun: true });
    expect(await ask(session, 'booking_delete', { where: { id: 99 } })).toBe('error: not found: no Booking matches where');
    expect(await ask(session, 'booking_create', { data: {} })).toBe('error: data: clientId, startsAt, price are required');
    expect(await ask(session, 'booking_deleteMany', { where: {} })).toContain('where: every row meets it');
    expect(await rows()).toEqual(before);
  });

  it('is asked for by compact models that want it, and by no other', async () => {
    const session = await ada();
    const doomed = { where: { id: 'none' } };
    const { confirmation, effect } = unconfirmed(await ask(session, 'delete_rows', { model: 'room', operation: 'deleteMany', ...doomed }));
    expect(effect).toBe('would delete 0 Room rows for good');
    expect(await ask(session, 'delete_rows', { model: 'room', operation: 'deleteMany', ...doomed, confirmation })).toEqual({ count: 0 });
    const free = { model: 'membership', operation: 'deleteMany', where: { slot: 99 } };
    expect(await ask(session, 'delete_rows', free)).toEqual({ count: 0 });
    expect(await ask(session, 'delete_rows', { ...free, confirmation })).toBe('error: confirmation: unknown argument (where, dryRun)');
  });
});

describe('a write that must be confirmed, while the database of the sessions is away', () => {
  it('is refused with the reason, and can be made again with the same token', async () => {
    await using db = await seeded('sqlite');
    const { store, disturb } = disturbed();
    await using server = await open(db, { sessions: { store }, limits: { storeMs: 100 } });
    const session = await openAs(server.url, 1);
    const args = { where: { id: 1 }, data: { internalNote: 'a' } };
    const reason = 'error: the database does not answer, so the confirmation cannot be checked; nothing was changed; try again';
    const healSave = disturb('saveContinuation', away);
    expect(await ask(session, 'booking_update', args)).toBe(reason);
    healSave();
    const { confirmation } = unconfirmed(await ask(session, 'booking_update', args));
    const healTake = disturb('takeContinuation', away);
    expect(await ask(session, 'booking_update', { ...args, confirmation })).toBe(reason);
    healTake();
    expect(await ask(session, 'booking_update', { ...args, confirmation })).toMatchObject({ internalNote: 'a' });
    server.errors.length = 0;
  });
});

describe('the schemas of a write that must be confirmed', () => {
  it('have the token, and a result without a row', async () => {
    const db = await seeded('sqlite');
    await using server = await open(db);
    const { tools } = await (await openAs(server.url, 1)).result('tools/list');
    const { inputSchema, outputSchema } = tools.find(({ name }: Json) => name === 'booking_delete');
    expect(inputSchema.properties.confirmation).toEqual({ type: 'string' });
    expect(outputSchema.properties).toHaveProperty('_unconfirmed');
    expect(outputSchema.required).toEqual([]);
    const names = tools.filter((tool: Json) => 'confirmation' in tool.inputSchema.properties).map(({ name }: Json) => name);
    expect(names).toEqual([...writes.map(name => `booking_${name}`), 'delete_rows']);
    await db.close();
  });
});
