import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ExposureLike } from '../../src/models/exposure.ts';
import type { TestDatabase } from '../support/database.ts';
import { openDatabase } from '../support/database.ts';
import type { Json } from './world.ts';
import { ask, fill, openAs, serve } from './world.ts';

/** A filter by the related row tells what the foreign key says, so it is there only where the key, or the related row, is seen anyway. */
describe('a filter by relation', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await openDatabase('sqlite');
    await fill(db.prisma);
  });
  afterAll(() => db.close());

  async function asked(models: Record<string, ExposureLike>, tool: string, where: object): Promise<Json> {
    await using server = await serve(db, models);
    const session = await openAs(server.url);
    const { tools } = await session.result('tools/list');
    const { key } = /^(?<key>\w+)_/.exec(tool)?.groups ?? {};
    const lists = tools.find(({ name }: Json) => name === `${key}_findMany`).inputSchema.properties.where.description as string;
    const offered =
      /Relations: ([^.]*)\./
        .exec(lists)?.[1]
        ?.split(', ')
        .map(text => /^\w+/.exec(text)?.[0]) ?? [];
    const answer = await ask(session, tool, { where });
    const [relation = ''] = Object.keys(where);
    // The tool's text offers what the parser takes.
    expect(offered.includes(relation)).toBe(typeof answer === 'object');
    return answer;
  }
  const anonymous = { omit: { clientId: true } };
  const secret = { client: { omit: { passwordHash: true } } };

  it.each<[side: string, tool: string, where: object]>([
    ['the side of the key', 'booking_count', { client: { id: 2 } }],
    ['the side of the key, by absence', 'booking_count', { client: { isNot: { id: 2 } } }],
    ['the other side', 'client_count', { bookings: { some: { id: 4 } } }],
    ['the other side, by absence', 'client_count', { bookings: { none: {} } }],
  ])('through a hidden foreign key is refused from %s', async (_side, tool, where) => {
    const answer = await asked({ ...secret, booking: anonymous }, tool, where);
    expect(answer).toMatch(/^error: where\.\w+: \w+ has no column "(client|bookings)"/);
  });

  it('through a hidden foreign key is refused behind another relation', async () => {
    await using server = await serve(db, { ...secret, booking: anonymous, room: {} });
    expect(await ask(await openAs(server.url), 'room_count', { where: { bookings: { some: { client: { id: 2 } } } } })).toBe(
      'error: where.bookings.some.client: Booking has no column "client" (id, roomId, startsAt, status, price, meta, internalNote, room, AND, OR, NOT)',
    );
  });

  it('to a row of the same model is refused from both sides where its key is hidden', async () => {
    const models = { client: { omit: { passwordHash: true, referredById: true } } };
    expect(await asked(models, 'client_count', { referredBy: null })).toContain('has no column "referredBy"');
    expect(await asked(models, 'client_count', { referrals: { none: {} } })).toContain('has no column "referrals"');
    expect(await asked(secret, 'client_count', { referredBy: null })).toEqual({ count: 3 });
    expect(await asked(secret, 'client_count', { referrals: { none: {} } })).toEqual({ count: 3 });
  });

  it('works where the key is visible', async () => {
    const models = { ...secret, booking: {} };
    expect(await asked(models, 'booking_count', { client: { id: 2 } })).toEqual({ count: 3 });
    expect(await asked(models, 'client_count', { bookings: { some: { id: 4 } } })).toEqual({ count: 1 });
  });

  it('between two lists, which have no key, is refused unless rows of one come with those of the other', async () => {
    const every = { tags: { every: { label: 'x' } } };
    const tagged = (client: object, tag: object): Record<string, ExposureLike> => ({ client: { ...secret.client, ...client }, tag });
    const refused = 'has no column "tags"';
    expect(await asked(tagged({}, {}), 'client_count', every)).toContain(refused);
    expect(await asked(tagged({}, {}), 'tag_count', { clients: { none: {} } })).toContain('has no column "clients"');
    expect(await asked(tagged({ include: { tags: { select: { label: true } } } }, {}), 'client_count', every)).toContain(refused);
    expect(await asked(tagged({ include: { tags: { where: { label: 'x' } } } }, {}), 'client_count', every)).toContain(refused);
    expect(await asked(tagged({ include: { tags: true } }, {}), 'client_count', every)).toEqual({ count: 3 });
    expect(await asked(tagged({}, { include: { clients: { select: { id: true } } } }), 'client_count', every)).toEqual({ count: 3 });
    expect(await asked(tagged({ include: { tags: true } }, {}), 'tag_count', { clients: { none: {} } })).toEqual({ count: 0 });
  });

  it('works where rows come with the related key instead, and not where they come with less or with some', async () => {
    const filter = { client: { id: 2 } };
    const including = (client: unknown): Record<string, ExposureLike> => ({ ...secret, booking: { ...anonymous, include: { client } } });
    expect(await asked(including(true), 'booking_count', filter)).toEqual({ count: 3 });
    expect(await asked(including({ select: { name: true } }), 'booking_count', filter)).toContain('has no column "client"');
    const room = { booking: { omit: { roomId: true }, include: { room: { where: { capacity: { gt: 5 } } } } }, room: {} };
    expect(await asked(room, 'booking_count', { room: { id: 'red' } })).toContain('has no column "room"');
  });
});
