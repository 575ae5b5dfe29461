import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import type { DatamodelField } from '../../src/models/datamodel/datamodel.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { cases, propertyMs } from '../support/property.ts';
import type { TestServer } from '../support/server.ts';
import type { WireSession } from '../support/wire.ts';
import type { Json } from './world.ts';
import { callerOf, fill, internals, openAs, serve } from './world.ts';

/** What client 2 may see. `fill({ other: true })` differs from `fill()` in nothing of it. */
const models = {
  client: {
    select: { id: true, name: true, joinedAt: true },
    where: async (ctx: never) => ({ id: { in: callerOf(ctx) === 2 ? [2, 3] : [] } }),
    include: { bookings: { select: { id: true, startsAt: true } }, _count: { select: { bookings: true } } },
  },
  booking: {
    omit: { roomId: true, internalNote: true },
    where: (ctx: never) => ({ clientId: callerOf(ctx) }),
    include: { client: { select: { name: true } } },
    take: 5,
  },
  room: { include: { memberships: true }, take: 1 },
  membership: { where: { client: { id: 2 } } },
};
const keys = ['client', 'booking', 'room', 'membership'] as const;

describeDatabases('what a caller is answered', provider => {
  let worlds: { db: TestDatabase; server: TestServer; session: WireSession }[];

  beforeAll(async () => {
    worlds = await Promise.all(
      [false, true].map(async other => {
        const db = await openDatabase(provider);
        await fill(db.prisma, { other });
        const server = await serve(db, models);
        return { db, server, session: await openAs(server.url, 2) };
      }),
    );
  });
  afterAll(async () => {
    for (const { db, server } of worlds) {
      await server[Symbol.asyncDispose]();
      await db.close();
    }
  });

  const answers = (method: string, params: Json): Promise<Json[]> =>
    Promise.all(
      worlds.map(async ({ session }) => {
        const { result, error } = (await session.request(method, params)).response;
        return error ?? result;
      }),
    );

  it(
    'does not depend on hidden columns or on rows out of sight, whatever is asked',
    async () => {
      const tally = { rows: 0, errors: 0 };
      await fc.assert(
        fc.asyncProperty(fc.gen(), async g => {
          const { method, params } = request(g);
          const [here, there] = await answers(method, params);
          expect(there).toEqual(here);
          const text = JSON.stringify(here);
          expect(text).not.toMatch(internals);
          expect(text).not.toMatch(/(client|booking):\d:\w+:[ab]/);
          tally[here.isError === true || here.code !== undefined ? 'errors' : 'rows'] += 1;
        }),
        cases(provider === 'sqlite' ? 300 : 150),
      );
      expect(tally.rows).toBeGreaterThan(50);
      expect(tally.errors).toBeGreaterThan(50);
    },
    propertyMs,
  );

  it('would: the worlds differ in what is hidden', async () => {
    const [here, there] = await Promise.all(worlds.map(({ db }) => db.prisma.booking.findMany({ orderBy: { id: 'asc' } })));
    expect(there?.map(({ roomId }) => roomId)).not.toEqual(here?.map(({ roomId }) => roomId));
    expect(there?.map(({ clientId }) => clientId)).not.toEqual(here?.map(({ clientId }) => clientId));
  });
});

/** Any request that reads, mostly well formed, about anything in the datamodel. */
function request(g: fc.GeneratorValue): { method: string; params: Json } {
  const key = g(fc.constantFrom, ...keys);
  const kind = g(fc.constantFrom, 'findMany', 'findMany', 'findMany', 'count', 'count', 'findUnique', 'resource', 'completion');
  if (kind === 'resource') {
    const tail = g(
      fc.constantFrom,
      '',
      '/1',
      '/2',
      '/3',
      '/%32',
      '/2/red',
      '/1/red',
      '/red',
      '/2?roomId=red',
      '/%00',
      '/2.0',
      '/-1',
      '/1e0',
    );
    return { method: 'resources/read', params: { uri: `test://${key}${tail}` } };
  }
  if (kind === 'completion') {
    const [uri, names] =
      key === 'membership' ? [`test://${key}/{clientId}/{roomId}`, ['clientId', 'roomId']] : [`test://${key}/{id}`, ['id']];
    const argument = { name: g(fc.constantFrom, ...names, 'email'), value: g(fc.constantFrom, '', '1', '2', 'r', '%', '_', 'x') };
    const context = { arguments: { clientId: g(fc.constantFrom, '1', '2'), roomId: 'red' } };
    return { method: 'completion/complete', params: { ref: { type: 'ref/resource', uri }, argument, context } };
  }
  const args: Json = {};
  if (kind === 'findUnique') args.where = uniqueWhere(g, key);
  else if (g(fc.boolean) || kind === 'count') args.where = where(g, key, 0);
  if (kind === 'findMany' && chance(g, 3)) args.orderBy = { [name(g, key)]: g(fc.constantFrom, 'asc', 'desc') };
  if (kind === 'findMany' && chance(g, 4)) args.take = g(fc.constantFrom, 1, 2, 5, 0, -1, 100, 1.5, '1');
  if (kind === 'findMany' && chance(g, 4)) args.cursor = cursor(g);
  if (kind !== 'count' && chance(g, 4)) args.select = { [name(g, key)]: g(fc.constantFrom, true, true, false, { select: { id: true } }) };
  return { method: 'tools/call', params: { name: `${key}_${kind}`, arguments: args } };
}

function where(g: fc.GeneratorValue, key: string, depth: number): Json {
  const conditions: Json = {};
  for (let count = g(fc.constantFrom, 0, 1, 1, 1, 2); count > 0; count--) {
    const form = g(fc.constantFrom, 'column', 'column', 'relation', 'relation', depth < 3 ? 'combined' : 'column');
    const fields = fieldsOf(key).filter(({ kind }) => (kind === 'object') === (form === 'relation'));
    if (form === 'combined') {
      const combined = g(fc.constantFrom, 'AND', 'OR', 'NOT');
      const one = (): Json => where(g, key, depth + 1);
      conditions[combined] = g(fc.constantFrom, [], [one()], [one(), one()], combined === 'OR' ? [one()] : one());
      continue;
    }
    const field = g(fc.constantFrom, ...fields);
    conditions[field.name] = form === 'relation' ? relation(g, field, depth) : filter(g, field);
  }
  return conditions;
}

function relation(g: fc.GeneratorValue, { type, isList }: DatamodelField, depth: number): Json {
  const inner = (): Json => (depth > 2 ? {} : where(g, type.charAt(0).toLowerCase() + type.slice(1), depth + 1));
  if (isList) return { [g(fc.constantFrom, 'some', 'every', 'none')]: inner() };
  return g(fc.constantFrom, null, inner(), { is: inner() }, { isNot: inner() }, { is: null }, { isNot: null });
}

function filter(g: fc.GeneratorValue, field: DatamodelField): Json {
  const one = (): Json => value(g, field);
  const operator = g(fc.constantFrom, 'equals', 'not', 'lt', 'gte', 'contains', 'startsWith', 'endsWith', 'mode', '_ref');
  return g(
    fc.constantFrom,
    one(),
    one(),
    { [operator]: one() },
    { not: { [operator]: one() } },
    { in: [one(), one()] },
    { notIn: [one()] },
  );
}

function value(g: fc.GeneratorValue, { type }: DatamodelField): Json {
  if (chance(g, 12))
    return g(fc.constantFrom, null, {}, [], true, -1, 'x', { $type: 'FieldRef', value: { _ref: 'notes', _container: 'Client' } });
  switch (type) {
    case 'Int':
      return g(fc.constantFrom, 0, 1, 2, 3, 4, 6);
    case 'DateTime':
      return g(fc.constantFrom, '2026-03-02T09:00:00Z', '2026-03-20T09:00:00Z');
    case 'Decimal':
      return g(fc.constantFrom, '11', '99', '0');
    case 'Boolean':
      return g(fc.boolean);
    case 'BookingStatus':
      return g(fc.constantFrom, 'PENDING', 'CONFIRMED', 'CANCELLED');
    default:
      return g(fc.constantFrom, 'red', 'blue', 'Client 2', 'full', 'client:', '%', '', 'client:2:notes:a', 'B');
  }
}

function uniqueWhere(g: fc.GeneratorValue, key: string): Json {
  const id = g(fc.constantFrom, 1, 2, 3, 4, 'red', 'blue');
  return g(
    fc.constantFrom,
    { id },
    { id, AND: [where(g, key, 2)] },
    { email: 'client:2:email:a' },
    { code: 'R' },
    { clientId_roomId: { clientId: id, roomId: 'red' } },
    { clientId_roomId: { clientId: 1, roomId: 'red', client: { id: 1 } } },
    { roomSlot: { roomId: 'red', slot: g(fc.constantFrom, 1, 2, 7) } },
    { level_slot: { level: 'full', slot: 1 } },
  );
}

function cursor(g: fc.GeneratorValue): Json {
  const keyValues = g(fc.constantFrom, [1], [2], [3], [6], ['red'], [1, 'red'], [2, 'red'], [null], [{}], [{ not: 0 }], 1, {});
  return chance(g, 8) ? g(fc.string) : Buffer.from(JSON.stringify(keyValues)).toString('base64url');
}

function name(g: fc.GeneratorValue, key: string): string {
  return g(fc.constantFrom, ...fieldsOf(key).map(field => field.name), '_count', '__proto_', 'constructor');
}

function fieldsOf(key: string): readonly DatamodelField[] {
  return Object.values(datamodel.models).find(model => model.key === key)?.fields ?? [];
}

function chance(g: fc.GeneratorValue, oneIn: number): boolean {
  return g(fc.nat, { max: oneIn - 1 }) === 0;
}
