import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReservationsApp } from '../../example-app/app.ts';
import { createApp } from '../../example-app/app.ts';
import type { Database } from '../../example-app/database.ts';
import { openDatabase } from '../../example-app/database.ts';
import type { EmptyDatabase } from '../support/database.ts';
import { emptyDatabase } from '../support/database.ts';
import type { WireSession } from '../support/wire.ts';
import { open } from '../support/wire.ts';
import type { Json } from './world.ts';
import { ask, internals } from './world.ts';

/** The example, as somebody who wants more than it gives: e-mail addresses of others, and their bookings. */
describe('the example app, attacked', () => {
  let place: EmptyDatabase;
  let database: Database;
  let example: ReservationsApp;
  let server: Server;
  let guest: WireSession;
  let ada: WireSession;
  let grace: Json;

  beforeAll(async () => {
    place = await emptyDatabase('sqlite');
    database = await openDatabase(place.url);
    example = createApp(database.prisma, database.datamodel);
    example.app.on('error', () => undefined);
    server = example.app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    [guest, ada] = await Promise.all([open(url), open(url, { headers: { authorization: 'Bearer demo-ada' } })]);
    grace = await database.prisma.client.findUniqueOrThrow({ where: { id: 2 }, include: { bookings: true } });
  });
  afterAll(async () => {
    await example.endpoint.close();
    server.closeAllConnections();
    server.close();
    await database.prisma.$disconnect();
    await place[Symbol.asyncDispose]();
  });

  it('tells no e-mail address by any filter, order, selection, key, cursor or write', async () => {
    const letter = grace.email.slice(0, 2);
    const oracles: [tool: string, args: object][] = [
      ['client_findMany', { where: { email: { startsWith: letter } } }],
      ['client_count', { where: { OR: [{ NOT: [{ email: { not: letter } }] }] } }],
      ['client_count', { where: { bookings: { some: { client: { email: { contains: letter } } } } } }],
      ['booking_count', { where: { client: { is: { email: grace.email } } } }],
      ['booking_count', { where: { NOT: { client: { isNot: { AND: [{ email: grace.email }] } } } } }],
      ['client_findMany', { orderBy: [{ email: 'asc' }] }],
      ['booking_findMany', { orderBy: [{ client: { email: 'asc' } }] }],
      ['client_findMany', { select: { email: true } }],
      ['booking_findMany', { select: { client: { select: { email: true } } } }],
      ['client_findUnique', { where: { email: grace.email } }],
      ['client_findUnique', { where: { id: 2, email: grace.email } }],
      ['client_update', { where: { id: 1 }, data: { email: grace.email } }],
      ['client_update', { where: { email: grace.email }, data: { name: 'x' } }],
    ];
    for (const session of [guest, ada]) {
      for (const [tool, args] of oracles) {
        const answer = await ask(session, tool, args);
        expect(answer, `${tool} ${JSON.stringify(args)}`).toMatch(/^error: /);
        expect(answer).not.toMatch(internals);
        expect(answer.replace(/^error: [\w.[\]]+: \w+ has no [\w ]+"\w+"/, '')).not.toContain('email');
      }
      const cursor = Buffer.from(JSON.stringify([grace.email])).toString('base64url');
      expect(await ask(session, 'client_findMany', { cursor })).toMatch(/^error: cursor/);
    }
    const shown = JSON.stringify([
      await ask(guest, 'client_findMany'),
      await guest.result('resources/read', { uri: 'reservations://client' }),
      await guest.result('resources/read', { uri: 'reservations://clients' }),
      await guest.result('completion/complete', {
        ref: { type: 'ref/resource', uri: 'reservations://client/{id}' },
        argument: { name: 'id', value: '' },
      }),
    ]);
    for (const { email } of await database.prisma.client.findMany()) expect(shown).not.toContain(email);
  });

  it('gives and changes no booking of others, nor for them', async () => {
    const [{ id }] = grace.bookings;
    const startsAt = '2026-12-01T18:00:00Z';
    for (const session of [guest, ada]) {
      expect(await ask(session, 'booking_findUnique', { where: { id } })).toBe('error: not found: no Booking matches where');
      expect(await ask(session, 'booking_count', { where: { clientId: 2 } })).toEqual({ count: 0 });
      expect(await ask(session, 'client_count', { where: { bookings: { some: {} }, id: 2 } })).toEqual({ count: 0 });
      for (const uri of [`reservations://booking/${id}`, `reservations://booking/%${Buffer.from(String(id)).toString('hex')}`])
        expect((await session.error('resources/read', { uri })).code).toBe(-32002);
    }
    expect(await ask(guest, 'booking_create', { data: { clientId: 2, startsAt } })).toBe(
      'error: Guests may only read; sign in with a bearer token',
    );
    expect(await ask(guest, 'booking_delete', { where: { id } })).toBe('error: Guests may only read; sign in with a bearer token');
    expect(await ask(ada, 'booking_create', { data: { clientId: 2, startsAt } })).toMatchObject({ clientId: 1 });
    expect(await ask(ada, 'booking_update', { where: { id }, data: { notes: 'mine' } })).toBe('error: not found: no Booking matches where');
    expect(await ask(ada, 'booking_delete', { where: { id } })).toBe('error: not found: no Booking matches where');
    expect(await ask(ada, 'client_update', { where: { id: 2 }, data: { name: 'mine' } })).toBe('error: not found: no Client matches where');
    expect(await database.prisma.client.findUniqueOrThrow({ where: { id: 2 }, include: { bookings: true } })).toEqual(grace);
  });
});
