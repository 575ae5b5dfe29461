import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AuditLog } from '../src/audit.ts';
import type { AuditOptions } from '../src/index.ts';
import { memoryStore } from '../src/index.ts';
import { connect } from './matrix/peer.ts';
import { describeRevisions } from './matrix/revisions.ts';
import { seeded } from './models/served.ts';
import type { Json } from './security/world.ts';
import { ask, openAs, signIn } from './security/world.ts';
import type { TestDatabase } from './support/database.ts';
import { describeDatabases } from './support/database.ts';
import { ModernClient } from './support/modern.ts';
import type { TestServer } from './support/server.ts';
import { start } from './support/server.ts';

const operations = ['findUnique', 'findMany', 'count', 'create', 'createMany', 'update', 'updateMany', 'upsert', 'delete', 'deleteMany'];
const startsAt = '2026-05-01T09:00:00.000Z';
const booking = (more: object = {}) => ({ clientId: 1, startsAt, price: '1', ...more });
const models: Json = {
  booking: { operations, omit: { internalNote: true } },
  client: { operations: ['findMany'], omit: { phone: true } },
  room: { operations, style: 'compact', omit: { active: true } },
};

const caller = { client: { info: undefined, capabilities: {} }, revision: '2025-11-25' } as Json;

type Audited = Pick<TestDatabase, 'prisma' | 'datamodel'>;

function open(
  { prisma, datamodel }: Audited,
  audit: boolean | 'required' | AuditOptions = true,
  options: object = {},
): Promise<TestServer> {
  return start({ prisma, datamodel, models, audit, ...options }, { before: [signIn] });
}

/** Something that a test waits for, and lets go on. */
function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  let open = () => {};
  const promise = new Promise<void>(resolve => {
    open = resolve;
  });
  return { promise, open };
}

describeDatabases('the audit log', provider => {
  let db: TestDatabase;
  let server: TestServer;
  beforeAll(async () => {
    db = await seeded(provider);
    server = await open(db);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await db.close();
  });
  let putBack = async () => {};
  afterEach(async () => {
    await putBack();
    await db.prisma.booking.deleteMany({ where: { startsAt } });
    await db.prisma.mcpAuditEntry.deleteMany();
  });

  const entries = (): Promise<Json[]> => db.prisma.mcpAuditEntry.findMany({ orderBy: [{ startedAt: 'asc' }, { durationMs: 'asc' }] });
  const only = async (): Promise<Json> => {
    const found = await entries();
    expect(found).toHaveLength(1);
    return found[0];
  };
  const bookings = () => db.prisma.booking.count({ where: { startsAt } });

  /** Takes the table away until the test puts it back. */
  const takeTable = async (): Promise<void> => {
    const rename = async (from: string, to: string) => {
      await db.prisma.$executeRawUnsafe(`ALTER TABLE "${from}" RENAME TO "${to}"`);
    };
    await rename('McpAuditEntry', 'away');
    let isAway = true;
    putBack = async () => {
      if (isAway) await rename('away', 'McpAuditEntry');
      isAway = false;
    };
  };

  it('has who called what, with which arguments, and what came of it', async () => {
    const before = Date.now();
    const session = await openAs(server.url, 1);
    const { id } = await ask(session, 'booking_create', { data: booking() });
    const { startedAt, durationMs, ...row } = await only();
    expect(startedAt.getTime()).toBeGreaterThanOrEqual(before);
    expect(startedAt.getTime()).toBeLessThanOrEqual(Date.now());
    expect(durationMs).toBeGreaterThanOrEqual(0);
    expect(durationMs).toBeLessThanOrEqual(Date.now() - before + 1);
    expect(id).toBeGreaterThan(0);
    expect(row).toEqual({
      id: expect.stringMatching(/^[\da-f-]{36}$/),
      endpoint: 'test/mcp',
      principal: '1',
      sessionId: session.id,
      client: 'wire 1.0.0',
      revision: '2025-11-25',
      method: 'tools/call',
      name: 'booking_create',
      arguments: { data: booking() },
      rows: 1,
      outcome: 'ok',
      error: null,
      expiresAt: null,
    });
  });

  it('counts the rows of every operation that writes, and has no reads', async () => {
    const session = await openAs(server.url, 1);
    const { id } = await ask(session, 'booking_create', { data: booking() });
    await ask(session, 'booking_createMany', { data: [booking(), booking({ price: '2' })] });
    await ask(session, 'booking_update', { where: { id }, data: { price: '3' } });
    await ask(session, 'booking_updateMany', { where: { startsAt }, data: { price: '4' } });
    await ask(session, 'booking_updateMany', { where: { startsAt }, data: { price: '4' }, dryRun: true });
    await ask(session, 'booking_upsert', { where: { id }, create: booking(), update: { price: '5' } });
    await ask(session, 'booking_findMany');
    await session.result('resources/read', { uri: `test://booking/${id}` });
    await ask(session, 'booking_delete', { where: { id } });
    await ask(session, 'booking_deleteMany', { where: { startsAt } });
    expect((await entries()).map(({ name, rows, outcome }) => `${name} ${rows} ${outcome}`)).toEqual([
      'booking_create 1 ok',
      'booking_createMany 2 ok',
      'booking_update 1 ok',
      'booking_updateMany 3 ok',
      'booking_updateMany 0 ok',
      'booking_upsert 1 ok',
      'booking_delete 1 ok',
      'booking_deleteMany 2 ok',
    ]);
  });

  it('commits the row of a write together with the write: where one cannot be added, nothing is written', async () => {
    const session = await openAs(server.url, 1);
    await takeTable();
    const refused = 'error: This call cannot be recorded, so nothing was changed; try again later';
    expect(await ask(session, 'booking_create', { data: booking() })).toBe(refused);
    expect(await ask(session, 'booking_createMany', { data: [booking(), booking()] })).toBe(refused);
    expect(await bookings()).toBe(0);
    // The app hears of the outage once.
    expect(server.errors.splice(0).map(({ message }) => message)).toEqual(['audit: calls cannot be recorded']);
    await putBack();
    expect(await ask(session, 'booking_create', { data: booking() })).toMatchObject({ price: '1' });
    expect(await only()).toMatchObject({ name: 'booking_create', outcome: 'ok' });
    await takeTable();
    await ask(session, 'booking_create', { data: booking() });
    expect(server.errors.splice(0)).toHaveLength(1);
  });

  it('has what failed, with what the client was told, and what a caller may not write', async () => {
    const own = { booking: { ...models.booking, where: (ctx: Json) => ({ clientId: ctx.state.user.clientId }) } };
    await using scoped = await open(db, true, { models: own });
    const session = await openAs(scoped.url, 1);
    const answers = [
      await ask(session, 'booking_create', { data: booking({ clientId: 2 }) }),
      await ask(session, 'booking_update', { where: { id: 999_999 }, data: { price: '1' } }),
      await ask(session, 'booking_create', { data: 5 }),
    ];
    for (const answer of answers) expect(answer).toContain('error: ');
    expect((await entries()).map(({ outcome, error, rows }) => [outcome, `error: ${error}`, rows])).toEqual(
      answers.map(answer => ['error', answer, null]),
    );
    expect(await bookings()).toBe(0);
  });

  it('never has a value of a hidden column, of a model that is not exposed, or of an argument to mask', async () => {
    await using masking = await open(
      db,
      { mask: ['Token'] },
      {
        tools: {
          login: {
            description: 'Signs in',
            inputSchema: z.object({ user: z.string(), deep: z.array(z.object({ TOKEN: z.string() })) }),
            handler: () => ({ done: true }),
          },
        },
      },
    );
    const session = await openAs(masking.url, 1);
    await ask(session, 'booking_create', { data: booking({ internalNote: 'hidden-1' }) });
    await ask(session, 'booking_deleteMany', {
      where: { OR: [{ client: { phone: 'hidden-2', name: 'Ada' } }, { internalNote: 'hidden-3' }] },
    });
    await ask(session, 'booking_deleteMany', { where: { client: { memberships: { some: { level: 'hidden-4' } } } } });
    await ask(session, 'create_rows', { model: 'Room', operation: 'create', data: { code: 'X', active: 'hidden-5' } });
    await ask(session, 'login', { user: 'ada', deep: [{ TOKEN: 'hidden-6' }] });
    const found = (await entries()).map(each => each.arguments);
    expect(JSON.stringify(found)).not.toContain('hidden-');
    expect(found).toEqual([
      { data: booking({ internalNote: '[masked]' }) },
      { where: { OR: [{ client: { phone: '[masked]', name: 'Ada' } }, { internalNote: '[masked]' }] } },
      { where: { client: { memberships: '[masked]' } } },
      { model: 'Room', operation: 'create', data: { code: 'X', active: '[masked]' } },
      { user: 'ada', deep: [{ TOKEN: '[masked]' }] },
    ]);
  });

  it('has a write that waits for its confirmation, without the token', async () => {
    await using confirming = await open(db, true, { models: { booking: { ...models.booking, confirm: ['deleteMany'] } } });
    const session = await openAs(confirming.url, 1);
    const args = { where: { startsAt } };
    const { confirmation } = (await ask(session, 'booking_deleteMany', args))._unconfirmed;
    await ask(session, 'booking_deleteMany', { ...args, confirmation });
    expect((await entries()).map(({ outcome, arguments: sent }) => [outcome, sent])).toEqual([
      ['unconfirmed', args],
      ['ok', { ...args, confirmation: '[masked]' }],
    ]);
  });

  it('has a repeated write, which wrote nothing', async () => {
    await using repeating = await open(db, true, { models: { booking: { ...models.booking, idempotent: ['create'] } } });
    const session = await openAs(repeating.url, 1);
    const args = { data: booking(), idempotencyKey: 'k' };
    const first = await ask(session, 'booking_create', args);
    expect(await ask(session, 'booking_create', args)).toEqual(first);
    expect((await entries()).map(({ outcome, rows }) => [outcome, rows])).toEqual([
      ['ok', 1],
      ['ok', 0],
    ]);
    expect(await bookings()).toBe(1);
    await db.prisma.mcpIdempotencyKey.deleteMany();
  });

  it('has reads on every surface if they are asked for', async () => {
    const prompts = { greet: { description: 'Greets', argsSchema: z.object({ name: z.string() }), handler: () => 'Hello' } };
    await using reading = await open(db, { reads: true }, { prompts });
    const session = await openAs(reading.url, 1);
    await ask(session, 'booking_findMany', { take: 2 });
    await ask(session, 'booking_count');
    await session.result('resources/read', { uri: 'test://booking/1' });
    await session.error('resources/read', { uri: 'test://booking/999999' });
    await session.result('prompts/get', { name: 'greet', arguments: { name: 'Ada' } });
    const ref = { type: 'ref/resource', uri: 'test://booking/{id}' };
    await session.result('completion/complete', { ref, argument: { name: 'id', value: '1' } });
    await session.result('tools/list');
    expect((await entries()).map(({ method, name, rows, outcome, arguments: sent }) => [method, name, rows, outcome, sent])).toEqual([
      ['tools/call', 'booking_findMany', 2, 'ok', { take: 2 }],
      ['tools/call', 'booking_count', null, 'ok', {}],
      ['resources/read', 'test://booking/1', null, 'ok', {}],
      ['resources/read', 'test://booking/999999', null, 'error', {}],
      ['prompts/get', 'greet', null, 'ok', { name: 'Ada' }],
      ['completion/complete', 'test://booking/{id}', null, 'ok', { argument: { name: 'id', value: '1' }, others: {} }],
    ]);
  });

  it("does not run a tool of the app's own that cannot be recorded where that is required, and withholds a read", async () => {
    let runs = 0;
    const running = gate();
    const goOn = gate();
    const tools = {
      pay: {
        description: 'Pays',
        handler: async () => {
          runs += 1;
          running.open();
          await goOn.promise;
          return { paid: true };
        },
      },
    };
    await using required = await open(db, { required: true, reads: true }, { tools });
    const session = await openAs(required.url, 1);
    await takeTable();
    for (const [method, params, why] of [
      ['tools/call', { name: 'pay' }, 'nothing was done'],
      ['tools/call', { name: 'booking_findMany' }, 'so its result is withheld'],
      ['resources/read', { uri: 'test://booking/1' }, 'so its result is withheld'],
    ] as const) {
      const { response } = await session.request(method, params);
      expect(response.error).toMatchObject({ code: -32603, message: `This call cannot be recorded, ${why}; try again later` });
      expect(response.result).toBeUndefined();
    }
    expect(runs).toBe(0);
    await putBack();
    required.errors.splice(0);
    const paid = session.call('pay');
    await running.promise;
    // A process that dies now leaves this row.
    expect(await only()).toMatchObject({ name: 'pay', outcome: 'started', durationMs: null });
    goOn.open();
    await paid;
    expect(await only()).toMatchObject({ name: 'pay', outcome: 'ok', durationMs: expect.any(Number) });
  });

  it("runs a tool of the app's own without a row where that is not required, and tells the app", async () => {
    await using lenient = await open(db, true, { tools: { pay: { description: 'Pays', handler: () => ({ paid: true }) } } });
    const session = await openAs(lenient.url, 1);
    await takeTable();
    expect(await ask(session, 'pay')).toEqual({ paid: true });
    expect(lenient.errors.splice(0).map(({ message }) => message)).toEqual(['audit: calls cannot be recorded']);
    await putBack();
  });

  it('has a call that was cancelled, and says so if its write was committed after all', async () => {
    const asked = gate();
    const goOn = gate();
    const where = async () => {
      asked.open();
      await goOn.promise;
      return {};
    };
    await using slow = await open(db, true, { models: { booking: { ...models.booking, where } } });
    const session = await openAs(slow.url, 1);
    const abort = new AbortController();
    const params = { name: 'booking_create', arguments: { data: booking() } };
    const sent = session.send({ jsonrpc: '2.0', id: 77, method: 'tools/call', params }, { signal: abort.signal }).catch(() => undefined);
    await asked.promise;
    await session.notify('notifications/cancelled', { requestId: 77 });
    await expect.poll(entries).toMatchObject([{ outcome: 'cancelled', rows: null }]);
    goOn.open();
    await expect.poll(entries).toMatchObject([{ outcome: 'ok', rows: 1 }]);
    expect(await bookings()).toBe(1);
    abort.abort();
    await sent;
  });

  it('keeps the row of a write that was committed before its call was cancelled', async () => {
    const errors: unknown[] = [];
    const log = new AuditLog({ prisma: db.prisma, endpoint: 'test/mcp', storeMs: 5000, onError: error => errors.push(error) });
    const entry = await log.begin(caller, { method: 'tools/call', name: 'booking_create', arguments: () => ({}), isRead: false });
    await db.prisma.$transaction(tx => entry?.commitIn(tx) ?? Promise.resolve());
    await entry?.finish({ outcome: 'cancelled' });
    expect(await only()).toMatchObject({ outcome: 'ok' });
    expect(errors).toEqual([]);
  });

  it('leaves a conflict of transactions to the write, which is repeated', async () => {
    const errors: unknown[] = [];
    const log = new AuditLog({ prisma: db.prisma, endpoint: 'test/mcp', storeMs: 5000, onError: error => errors.push(error) });
    const entry = await log.begin(caller, { method: 'tools/call', name: 'booking_create', arguments: () => ({}), isRead: false });
    const conflict = Object.assign(new Error('conflict'), { code: 'P2034' });
    await expect(entry?.commitIn({ mcpAuditEntry: { create: () => Promise.reject(conflict) } })).rejects.toBe(conflict);
    expect(errors).toEqual([]);
  });

  it('stores what a database does not, and the beginning of what is too long', async () => {
    const session = await openAs(server.url, 1);
    await ask(session, 'booking_create', { data: booking({ price: 'a\0b\ud800' }) });
    await ask(session, 'booking_create', { data: booking({ price: 'x'.repeat(70_000) }) });
    const [odd, long] = await entries();
    expect(odd.arguments).toEqual({ data: booking({ price: 'a\ufffdb\ufffd' }) });
    expect(odd.outcome).toBe('error');
    expect(long.arguments).toEqual({ characters: expect.any(Number), beginning: expect.stringContaining('{"data":') });
    expect(long.arguments.characters).toBeGreaterThan(70_000);
    expect(long.arguments.beginning).toHaveLength(1000);
  });

  it('removes rows after their time, and no others', async () => {
    await using short = await open(db, { keepMs: 1 }, { sessions: { sweepMs: 20, store: memoryStore() } });
    await ask(await openAs(server.url, 1), 'booking_create', { data: booking() });
    await ask(await openAs(short.url, 1), 'booking_create', { data: booking({ price: '7' }) });
    await expect.poll(entries, { timeout: 5000 }).toMatchObject([{ arguments: { data: booking() } }]);
  });

  it('has a call that asks its client something', async () => {
    const handler = async (_: unknown, ctx: Json) => {
      await ctx.mcp.elicit({ message: 'Which?', requestedSchema: z.object({ room: z.string() }) });
      return { done: true };
    };
    await using asking = await open(db, true, { tools: { choose: { description: 'Chooses', handler } } });
    const capabilities = { elicitation: {} };
    const client = new ModernClient(asking.url, { capabilities });
    const { inputRequests, requestState } = await client.call('choose');
    const [key = ''] = Object.keys(inputRequests);
    const answers = { [key]: { action: 'accept', content: { room: 'blue' } } };
    await client.result('tools/call', { name: 'choose', requestState, inputResponses: answers });
    expect((await entries()).map(({ outcome }) => outcome)).toEqual(['input_required', 'ok']);
  });
});

describeRevisions('the audit log', row => {
  it('has the write of a signed-in caller and of a guest', async () => {
    await using db = await seeded('sqlite');
    await using server = await open(db);
    const peer = await connect(server.url, row);
    await peer.request('tools/call', { name: 'booking_create', arguments: { data: booking() } });
    const found = await db.prisma.mcpAuditEntry.findMany();
    expect(found).toMatchObject([
      {
        revision: row.id,
        principal: null,
        sessionId: row.era === 'modern' ? null : expect.stringMatching(/^mcp_/),
        method: 'tools/call',
        name: 'booking_create',
        rows: 1,
        outcome: 'ok',
      },
    ]);
  });
});

describe('the option audit', () => {
  it.each([
    ['yes', "audit: must be true, 'required' or { reads, required, keepMs, mask }"],
    [{ read: true }, 'audit.read: no such option (reads, required, keepMs, mask)'],
    [{ reads: 1 }, 'audit.reads: must be true or false'],
    [{ keepMs: 0 }, 'audit.keepMs: 0 must be a positive integer'],
    [{ mask: 'password' }, "audit.mask: must be an array of names, such as ['password']"],
    [true, 'audit: needs `prisma`, the client of the database that keeps the rows'],
  ])('is refused as %j', async (audit, message) => {
    await expect(start({ audit: audit as never })).rejects.toThrow(new TypeError(message));
  });

  it('is refused where the client has no rows for it', async () => {
    await using db = await seeded('sqlite');
    const { mcpAuditEntry, ...prisma } = db.prisma as Json;
    const begun = (client: object) => start({ prisma: client, audit: true, sessions: { store: memoryStore() } });
    const remedy = 'run `npx koa-mcp init` to add it to your schema, then migrate and run `prisma generate`';
    await expect(begun({ booking: db.prisma.booking })).rejects.toThrow(`audit: this client has no model McpAuditEntry; ${remedy}`);
    const { rows, ...fields } = mcpAuditEntry.fields;
    await expect(begun({ ...prisma, mcpAuditEntry: { fields } })).rejects.toThrow(
      `audit: this client has no column rows of the model McpAuditEntry; ${remedy}`,
    );
  });

  it('records nothing unless it is set', async () => {
    await using db = await seeded('sqlite');
    await using server = await open(db, false);
    await ask(await openAs(server.url, 1), 'booking_create', { data: booking() });
    expect(await db.prisma.mcpAuditEntry.count()).toBe(0);
  });
});
