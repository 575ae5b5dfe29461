import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explainDatabaseError } from '../../src/models/queries/prisma-errors.ts';
import { describeError } from '../../src/protocol/handler-errors.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import type { TestServer } from '../support/server.ts';
import type { WireSession } from '../support/wire.ts';
import type { Json } from './world.ts';
import { ask, askText, fill, internals, openAs, serve } from './world.ts';

const operations = ['findUnique', 'findMany', 'count', 'create', 'update', 'delete'];
const numbers = (from: number): number[] => Array.from({ length: 200 }, (_, index) => from + index);
const booking = (values: object): object => ({ data: { clientId: 1, startsAt: '2026-01-01T00:00:00Z', price: '1', ...values } });
const notDate = 'not an ISO 8601 date-time with its zone, such as 2026-01-31T09:00:00Z, nor a date';

describeDatabases('a value', provider => {
  let db: TestDatabase;
  let server: TestServer;
  let session: WireSession;

  beforeAll(async () => {
    db = await openDatabase(provider);
    await fill(db.prisma);
    const models = { client: { omit: { passwordHash: true } }, booking: { operations }, room: { operations }, auditLog: { operations } };
    server = await serve(db, models);
    session = await openAs(server.url);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await db.close();
  });

  it.each<[title: string, tool: string, args: object, answer: string]>([
    ['half a surrogate pair', 'room_create', { data: { code: 'x\ud800', capacity: 1 } }, 'data.code: contains half of a surrogate pair'],
    ['half a pair in Json', 'booking_create', booking({ meta: { a: ['\udc00'] } }), 'data.meta: contains half of a surrogate pair'],
    [
      'half a pair to look for',
      'room_count',
      { where: { code: { contains: '\ud800' } } },
      'where.code.contains: contains half of a surrogate pair',
    ],
    [
      'a date before year 1',
      'booking_create',
      booking({ startsAt: '0001-01-01T00:00:00+10:00' }),
      `data.startsAt: ${notDate}; the year is out of range, 1 to 9999`,
    ],
    [
      'a date after year 9999',
      'booking_create',
      booking({ startsAt: '9999-12-31T23:59:59-12:00' }),
      `data.startsAt: ${notDate}; the year is out of range, 1 to 9999`,
    ],
    [
      'such a date to look for',
      'booking_count',
      { where: { startsAt: '0001-01-01T00:00:00+10:00' } },
      `where.startsAt: ${notDate}; the year is out of range, 1 to 9999`,
    ],
    [
      'the largest double',
      'auditLog_count',
      { where: { ratio: { lt: Number.MAX_VALUE } } },
      'where.ratio.lt: out of range, -1.797693134862315e+308 to 1.797693134862315e+308',
    ],
    [
      'a mode inside a not',
      'client_count',
      { where: { name: { not: { equals: 'a', mode: 'insensitive' } } } },
      `where.name.not.mode: not a filter for name (equals, not, in, notIn, lt, lte, gt, gte, contains, startsWith, endsWith); ${
        provider === 'sqlite'
          ? 'leave mode out, this database does not have it: contains, startsWith and endsWith ignore the case of ASCII letters, equals does not'
          : 'write mode beside not'
      }`,
    ],
  ])('such as %s is refused', async (_title, tool, args, answer) => {
    expect(await ask(session, tool, args)).toBe(`error: ${answer}`);
  });

  it('such as 1e400 is refused, in a column and in Json', async () => {
    expect(await askText(session, 'booking_create', JSON.stringify(booking({ meta: 0 })).replace('"meta":0', '"meta":[1e400]'))).toBe(
      'error: data.meta: contains a number out of range',
    );
    expect(await askText(session, 'auditLog_count', '{"where":{"ratio":1e400}}')).toContain('where.ratio: out of range');
  });

  it.each(['1.797693134862315e308', '-1.797693134862315e308', '5e-324', '-0'])('of %s is a float that comes back', async ratio => {
    const created = await askText(session, 'auditLog_create', `{"data":{"id":"77","payload":"","ratio":${ratio}}}`);
    expect(created).toMatchObject({ id: '77', ratio: Number(ratio) + 0 });
    expect(await ask(session, 'auditLog_delete', { where: { id: '77' } })).toMatchObject({ id: '77' });
  });

  it('that the driver could not read back leaves no row, which would fail every list it is in', async () => {
    for (const id of ['9223372036854775807', '-9223372036854775808', '9007199254740993']) {
      const answer = await ask(session, 'auditLog_create', { data: { id, payload: '', ratio: 1 } });
      if (typeof answer === 'string') {
        expect(answer).toBe('error: data: a value is out of the range that this database can return; nothing was changed');
        expect(provider).toBe('sqlite');
      } else expect(answer).toMatchObject({ id });
      const { rows } = await ask(session, 'auditLog_findMany');
      expect(rows.map((row: Json) => row.id)).toEqual(typeof answer === 'string' ? [] : [id]);
      if (typeof answer === 'object') await ask(session, 'auditLog_delete', { where: { id } });
    }
  });

  it.each<[title: string, meta: unknown]>([
    ['a field reference', { $type: 'FieldRef', value: { _ref: 'internalNote', _container: 'Booking' } }],
    [
      'a typed value',
      [
        { $type: 'Decimal', value: 'x' },
        { $type: 'Json', value: '{' },
      ],
    ],
    ['a parameter', { prisma__type: 'param', prisma__value: { name: '%1', type: 'Any' } }],
    ['a generated value', [{ prisma__type: 'generatorCall', prisma__value: { name: 'uuid', args: [4] } }]],
    ['an operation', { set: { increment: 1 } }],
    ['a constructor', { constructor: { prototype: { admin: true } }, toJSON: 'x' }],
  ])('that spells %s of Prisma’s inside stays data', async (_title, meta) => {
    const { id, ...row } = await ask(session, 'booking_create', booking({ meta }));
    expect(row.meta).toEqual(meta);
    const found = await ask(session, 'booking_findMany', { where: { meta: { equals: meta }, id } });
    expect(found.rows).toEqual([{ id, ...row }]);
    expect(await ask(session, 'booking_count', { where: { meta: { equals: { $type: 'FieldRef' } } } })).toEqual({ count: 0 });
  });

  it('too many of them are refused or looked for, never a failure', async () => {
    for (const branches of [5, 24]) {
      const OR = Array.from({ length: branches }, (_, index) => ({ id: { in: numbers(index * 400), notIn: numbers(index * 400 + 200) } }));
      for (const tool of ['client_count', 'client_findMany']) {
        const answer = await ask(session, tool, { where: { OR } });
        if (provider === 'sqlite') expect(answer).toBe('error: where: too many values altogether; give fewer, in several calls');
        else expect(answer).not.toBeTypeOf('string');
      }
    }
  });

  it('that is long or hard to match is answered or refused', async () => {
    expect(await ask(session, 'client_count', { where: { name: { contains: '%a'.repeat(499) } } })).toBe(
      'error: where.name.contains: more than 10 wildcards (% and _) in one where (limits.where.maxWildcards); look for a plain part of the text',
    );
    expect(await ask(session, 'client_count', { where: { name: { contains: 'ab'.repeat(499) } } })).toEqual({ count: 0 });
    const code = Array.from({ length: 400_000 }, (_, index) => ((index * 7919) % 36).toString(36) + index.toString(36)).join('');
    const answer = await ask(session, 'room_create', { data: { code: code.slice(0, 500_000), capacity: 1 } });
    if (provider === 'postgresql') expect(answer).toBe('error: a value is too large for the database');
    else expect(answer).toMatchObject({ capacity: 1 });
  });

  // SQLite takes no constraints later.
  const onPostgres = provider === 'postgresql' ? it : () => undefined;
  onPostgres('that a constraint or trigger of the database refuses is for the caller, without its words', async () => {
    await db.prisma.$executeRawUnsafe('ALTER TABLE "Room" ADD CONSTRAINT "most" CHECK ("capacity" < 1000)');
    await db.prisma.$executeRawUnsafe('ALTER TABLE "Room" ADD CONSTRAINT "once" EXCLUDE USING btree ("capacity" WITH =)');
    await db.prisma.$executeRawUnsafe(
      `CREATE FUNCTION no() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'the secret of %', NEW."code"; END $$ LANGUAGE plpgsql`,
    );
    const refused = 'error: data: a constraint of the database refuses these values';
    expect(await ask(session, 'room_create', { data: { code: 'C', capacity: 5000 } })).toBe(refused);
    expect(await ask(session, 'room_create', { data: { code: 'C', capacity: 2 } })).toBe(refused);
    await db.prisma.$executeRawUnsafe('CREATE TRIGGER no BEFORE UPDATE ON "Room" FOR EACH ROW EXECUTE FUNCTION no()');
    expect(await ask(session, 'room_update', { where: { id: 'red' }, data: { capacity: 3 } })).toBe(refused);
  });

  it('of a hostile name is refused by name alone', async () => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty', 'passwordHash', '_count', '$queryRaw', '__proto_']) {
      for (const [tool, args] of [
        ['client_findMany', { where: { [name]: 1 } }],
        ['client_findMany', { select: { [name]: true } }],
        ['client_findMany', { orderBy: [{ [name]: 'asc' }] }],
        ['booking_create', booking({ [name]: 1 })],
        ['booking_findUnique', { where: { [name]: 1 } }],
        ['booking_count', { [name]: 1 }],
        ['booking_count', { where: { client: { [name]: { not: '' } } } }],
      ] as const) {
        const answer = await ask(session, tool, args);
        expect(answer).toMatch(/^error: /);
        expect(answer.replaceAll(name, '')).not.toMatch(internals);
        expect(answer.replaceAll(name, '')).not.toContain('passwordHash');
      }
    }
  });
});

describe('a database that is too busy', () => {
  it.each(['P1008', 'P2024', 'P2028'])('(%s) is said to be, and reported', code => {
    const reported: unknown[] = [];
    const error = Object.assign(new Error('Unable to start a transaction in SELECT 1'), { code });
    const report = (each: unknown): string => {
      reported.push(each);
      return 'abc';
    };
    expect(describeError({ server: { explainError: explainDatabaseError }, report } as never, error)).toBe(
      'The database is too busy to answer; try again later (ref abc)',
    );
    expect(reported).toEqual([error]);
  });
});
