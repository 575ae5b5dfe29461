import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReservationsApp } from '../../example-app/app.ts';
import { createApp } from '../../example-app/app.ts';
import type { Database } from '../../example-app/database.ts';
import { openDatabase } from '../../example-app/database.ts';
import type { SeenTool } from '../schemas/tokens.ts';
import { complaintsAbout } from '../schemas/vendor-rules.ts';
import type { EmptyDatabase } from '../support/database.ts';
import { emptyDatabase } from '../support/database.ts';

let place: EmptyDatabase;
let database: Database;
let example: ReservationsApp;
let server: Server;
let origin: string;
const errors: unknown[] = [];

beforeAll(async () => {
  place = await emptyDatabase('sqlite');
  database = await openDatabase(place.url);
  example = createApp(database.prisma, database.datamodel);
  // Koa reports what a client was told as well (`expose`); only the rest is a fault.
  example.app.on('error', (error: { expose?: boolean }) => {
    if (error.expose !== true) errors.push(error);
  });
  server = example.app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await example.endpoint.close();
  server.closeAllConnections();
  server.close();
  await database.prisma.$disconnect();
  await place[Symbol.asyncDispose]();
  expect(errors).toEqual([]);
});

/** The official client, signed in with a demo token or as a guest. */
async function connect(token?: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ name: 'test', version: '1.0.0' });
  const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  // The SDK's own type of `sessionId` is not written for exactOptionalPropertyTypes.
  const transport = new StreamableHTTPClientTransport(new URL(`${origin}/mcp`), { requestInit: { headers } });
  await client.connect(transport);
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() });
}

interface Result {
  readonly isError?: boolean;
  readonly text: string;
  readonly value: unknown;
}

async function call(client: Client, name: string, args: Record<string, unknown>): Promise<Result> {
  const result = await client.callTool({ name, arguments: args });
  const [first] = result.content as { text?: string }[];
  return { isError: result.isError === true, text: first?.text ?? '', value: result.structuredContent };
}

async function readClients(client: Client): Promise<{ id: number; name: string; email?: string }[]> {
  const { contents } = await client.readResource({ uri: 'reservations://clients' });
  return JSON.parse((contents[0] as { text: string }).text);
}

describe('the example over MCP', () => {
  it('is called reservations and offers the classic trio', async () => {
    await using client = await connect('demo-ada');
    expect(client.getServerVersion()).toMatchObject({ name: 'reservations', title: 'Reservations' });
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('get_client');
    expect((await client.listResources()).resources).toContainEqual(expect.objectContaining({ uri: 'reservations://clients' }));
    expect((await client.listPrompts()).prompts).toContainEqual({
      name: 'client_summary',
      description: 'Summarise a client and their bookings',
      arguments: [{ name: 'client_email', description: 'E-mail address of the client', required: true }],
    });
  });

  it('offers tools for its models that every vendor takes', async () => {
    await using client = await connect('demo-ada');
    const tools = (await client.listTools()).tools.filter(({ name }) => /^(client|booking)_/.test(name));
    expect(tools).toHaveLength(12);
    expect(complaintsAbout(tools as SeenTool[])).toEqual([]);
  });

  it.each([
    ['demo-ada', { id: 1, name: 'Ada Lovelace', joinedAt: '2024-01-01T09:00:00.000Z', email: 'ada@example.com' }],
    ['demo-grace', { id: 1, name: 'Ada Lovelace', joinedAt: '2024-01-01T09:00:00.000Z' }],
    ['demo-staff', { id: 1, name: 'Ada Lovelace', joinedAt: '2024-01-01T09:00:00.000Z', email: 'ada@example.com' }],
    [undefined, { id: 1, name: 'Ada Lovelace', joinedAt: '2024-01-01T09:00:00.000Z' }],
  ])('finds a client by e-mail address for %s', async (token, expected) => {
    await using client = await connect(token);
    expect((await call(client, 'get_client', { email: 'Ada@example.com' })).value).toEqual(expected);
  });

  it('says so when no client has the address, or it is none', async () => {
    await using client = await connect('demo-ada');
    expect(await call(client, 'get_client', { email: 'nobody@example.com' })).toMatchObject({
      isError: true,
      text: 'No client has the e-mail address nobody@example.com',
    });
    expect(await call(client, 'get_client', { email: 'nobody' })).toMatchObject({
      isError: true,
      text: expect.stringContaining('email: '),
    });
  });

  it('reads all clients, with no address but the own', async () => {
    await using ada = await connect('demo-ada');
    const clients = await readClients(ada);
    expect(clients).toHaveLength(200);
    expect(clients.flatMap(({ email }) => email ?? [])).toEqual(['ada@example.com']);
    await using guest = await connect();
    expect((await readClients(guest)).flatMap(({ email }) => email ?? [])).toEqual([]);
  });

  it('summarises a client with the number of bookings and the date joined', async () => {
    await using client = await connect('demo-ada');
    const { messages } = await client.getPrompt({ name: 'client_summary', arguments: { client_email: 'ada@example.com' } });
    const count = await database.prisma.booking.count({ where: { clientId: 1 } });
    expect(messages).toEqual([
      {
        role: 'user',
        content: {
          type: 'text',
          text: `Summarise the client Ada Lovelace (ada@example.com): ${count} bookings that you may see, joined on 2024-01-01.`,
        },
      },
    ]);
  });

  it.each([
    ['demo-ada', 12],
    ['demo-grace', 7],
    ['demo-staff', 1000],
    [undefined, 0],
  ])('lets %s see %i bookings, through every surface', async (token, count) => {
    await using client = await connect(token);
    expect((await call(client, 'booking_count', {})).value).toEqual({ count });
    const { contents } = await client.readResource({ uri: 'reservations://booking' });
    expect(JSON.parse((contents[0] as { text: string }).text).rows).toHaveLength(Math.min(count, 50));
    const foreign = await call(client, 'booking_findUnique', { where: { id: 12 } });
    const own = token === 'demo-ada' || token === 'demo-staff';
    expect(foreign.isError).toBe(!own);
    if (own) expect(foreign.value).toMatchObject({ id: 12, clientId: 1, client: { name: 'Ada Lovelace' } });
  });

  it('finds bookings by their notes, each client its own, and has a prompt about one', async () => {
    await using ada = await connect('demo-ada');
    const wished = await database.prisma.booking.findMany({ where: { clientId: 1, notes: { not: null } }, orderBy: { startsAt: 'asc' } });
    const { results } = (await call(ada, 'search', { query: 'WINDOW, please' })).value as { results: { id: string; title: string }[] };
    expect(results.map(({ id }) => id)).toEqual(wished.map(({ id }) => `booking:${id}`));
    expect(results[0]?.title).toMatch(/^Ada Lovelace, \d{4}-/);
    await using guest = await connect();
    expect((await call(guest, 'search', { query: 'WINDOW, please' })).value).toEqual({ results: [] });
    expect(await call(guest, 'fetch', { id: results[0]?.id })).toMatchObject({ isError: true });
    const { messages } = await ada.getPrompt({ name: 'booking_summary', arguments: { id: '1' } });
    expect(messages).toMatchObject([{ content: { type: 'text' } }, { content: { resource: { uri: 'reservations://booking/1' } } }]);
    await expect(guest.getPrompt({ name: 'booking_summary', arguments: { id: '1' } })).rejects.toThrow('there is no Booking with id "1"');
  });

  it.each([
    ['demo-ada', { clientId: 1 }],
    ['demo-grace', { clientId: 2 }],
    ['demo-staff', {}],
  ])('counts the bookings that %s may see per status and week, as the prompt of the timetable asks for', async (token, where) => {
    await using client = await connect(token);
    const { messages } = await client.getPrompt({ name: 'timetable', arguments: { from: '2027-01-01', to: '2027-04-01' } });
    const [, args = ''] =
      /Call booking_groupBy with (\{.*\})\./.exec(messages.map(({ content }) => (content as { text: string }).text).join()) ?? [];
    expect(JSON.parse(args)).toMatchObject({ by: ['status', 'startsAt:week'] });
    const { groups } = (await call(client, 'booking_groupBy', JSON.parse(args))).value as { groups: object[] };

    const expected: { status: string; startsAt: string; _count: number; _sum: { people: number } }[] = [];
    const startsAt = { gte: new Date('2027-01-01'), lt: new Date('2027-04-01') };
    for (const booking of await database.prisma.booking.findMany({ where: { ...where, startsAt } })) {
      const monday = new Date(booking.startsAt);
      monday.setUTCDate(monday.getUTCDate() - ((monday.getUTCDay() + 6) % 7));
      const key = { status: booking.status, startsAt: monday.toISOString().slice(0, 10) };
      const group = expected.find(other => other.status === key.status && other.startsAt === key.startsAt);
      if (group === undefined) expected.push({ ...key, _count: 1, _sum: { people: booking.people } });
      else Object.assign(group, { _count: group._count + 1, _sum: { people: group._sum.people + booking.people } });
    }
    expect(expected).not.toEqual([]);
    expect(groups).toHaveLength(expected.length);
    expect(groups).toEqual(expect.arrayContaining(expected));
  });

  it('reads one client by its template', async () => {
    await using client = await connect('demo-ada');
    const { contents } = await client.readResource({ uri: 'reservations://client/2' });
    expect(JSON.parse((contents[0] as { text: string }).text)).toEqual({
      id: 2,
      name: 'Grace Hopper',
      joinedAt: '2024-01-04T09:00:00.000Z',
    });
  });

  it.each([{ client: { email: { startsWith: 'a' } } }, { NOT: [{ OR: [{ client: { email: 'ada@example.com' } }] }] }])(
    'refuses to filter by a column nobody may see: %j',
    async where => {
      await using client = await connect('demo-staff');
      expect(await call(client, 'booking_findMany', { where })).toMatchObject({ isError: true, text: expect.stringContaining('email') });
    },
  );

  it('lets a client book for itself only, change the own booking only, and cancel it', async () => {
    await using ada = await connect('demo-ada');
    await using grace = await connect('demo-grace');
    const data = { startsAt: '2027-06-01T18:00:00Z', people: 3 };
    const created = await call(ada, 'booking_create', { data });
    expect(created.value).toMatchObject({ clientId: 1, people: 3, status: 'PENDING', startsAt: '2027-06-01T18:00:00.000Z' });
    const where = { id: (created.value as { id: number }).id };

    const change = { where, data: { status: 'CONFIRMED' } };
    expect((await call(grace, 'booking_update', change)).isError).toBe(true);
    expect((await call(grace, 'booking_delete', { where })).isError).toBe(true);
    expect(await database.prisma.booking.findUnique({ where })).toMatchObject({ status: 'PENDING', clientId: 1 });
    expect((await call(ada, 'booking_update', change)).value).toMatchObject({ status: 'CONFIRMED', clientId: 1 });
    await call(ada, 'booking_update', { where, data: { clientId: 2 } });
    expect(await database.prisma.booking.findUnique({ where })).toMatchObject({ clientId: 1 });
    const asked = (await call(ada, 'booking_delete', { where })).value as { _unconfirmed: { effect: string; confirmation: string } };
    expect(asked._unconfirmed.effect).toMatch(/^would delete the Booking \{.*\} for good$/);
    expect(await database.prisma.booking.findUnique({ where })).not.toBeNull();
    const { confirmation } = asked._unconfirmed;
    expect((await call(ada, 'booking_delete', { where, confirmation })).isError).toBe(false);
    expect(await database.prisma.booking.findUnique({ where })).toBeNull();
  });

  it('keeps a record of who wrote what', async () => {
    await using ada = await connect('demo-ada');
    await database.prisma.mcpAuditEntry.deleteMany();
    const change = { where: { id: 2 }, data: { name: 'X' } };
    await call(ada, 'client_update', change);
    await call(ada, 'client_findMany', {});
    expect(await database.prisma.mcpAuditEntry.findMany()).toMatchObject([
      { endpoint: 'reservations/mcp', client: 'test 1.0.0', name: 'client_update', arguments: change, outcome: 'error' },
    ]);
  });

  it('lets staff write any row', async () => {
    await using staff = await connect('demo-staff');
    const { value } = await call(staff, 'booking_create', { data: { clientId: 3, startsAt: '2027-06-02T18:00:00Z' } });
    expect(value).toMatchObject({ clientId: 3, client: { name: 'Alan Turing' } });
    const where = { id: (value as { id: number }).id };
    expect((await call(staff, 'booking_update', { where, data: { notes: 'By phone' } })).value).toMatchObject({ notes: 'By phone' });
    const asked = (await call(staff, 'booking_delete', { where })).value as { _unconfirmed: { confirmation: string } };
    const { confirmation } = asked._unconfirmed;
    expect((await call(staff, 'booking_delete', { where, confirmation })).value).toMatchObject({ ...where, notes: 'By phone' });
    expect((await call(staff, 'client_update', { where: { id: 3 }, data: { name: 'A. M. Turing' } })).value).toMatchObject({
      name: 'A. M. Turing',
    });
    await database.prisma.client.update({ where: { id: 3 }, data: { name: 'Alan Turing' } });
  });

  it('lets a client change its own name and nobody else’s', async () => {
    await using ada = await connect('demo-ada');
    expect((await call(ada, 'client_update', { where: { id: 2 }, data: { name: 'X' } })).isError).toBe(true);
    expect((await call(ada, 'client_update', { where: { id: 1 }, data: { name: 'Ada King' } })).value).toMatchObject({ name: 'Ada King' });
    await database.prisma.client.update({ where: { id: 1 }, data: { name: 'Ada Lovelace' } });
  });

  it.each([
    ['booking_create', { data: { clientId: 1, startsAt: '2027-06-01T18:00:00Z' } }],
    ['booking_update', { where: { id: 1 }, data: { people: 9 } }],
    ['booking_delete', { where: { id: 1 } }],
    ['client_update', { where: { id: 1 }, data: { name: 'X' } }],
  ])('tells a guest who tries %s to sign in, and writes nothing', async (name, args) => {
    const rows = async () => [await database.prisma.booking.findMany(), await database.prisma.client.findMany()];
    const before = await rows();
    await using guest = await connect();
    expect(await call(guest, name, args)).toMatchObject({ isError: true, text: 'Guests may only read; sign in with a bearer token' });
    expect(await rows()).toEqual(before);
  });

  it('refuses an unknown token with 401 and a challenge', async () => {
    const response = await fetch(`${origin}/mcp`, { method: 'POST', headers: { Authorization: 'Bearer nobody' }, body: '{}' });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="reservations", error="invalid_token"');
  });

  it('leaves the routes of the app alone', async () => {
    const response = await fetch(`${origin}/bookings`, { headers: { Authorization: 'Bearer demo-grace' } });
    expect(await response.json()).toHaveLength(7);
  });
});

it('tells Ada of her booking that the REST route has made, and not of that of Grace', async () => {
  await using ada = await connect('demo-ada');
  await using grace = await connect('demo-grace');
  const heard: string[] = [];
  for (const [name, client] of Object.entries({ ada, grace })) {
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.push(`${name}: ${params.uri}`));
    await client.subscribeResource({ uri: 'reservations://booking' });
  }
  const book = (token: string) =>
    fetch(`${origin}/bookings`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ startsAt: '2027-05-01T18:00:00Z' }),
    });
  expect((await book('demo-ada')).status).toBe(201);
  await expect.poll(() => heard, { timeout: 5000 }).toEqual(['ada: reservations://booking']);
  expect((await book('demo-grace')).status).toBe(201);
  await expect.poll(() => heard, { timeout: 5000 }).toEqual(['ada: reservations://booking', 'grace: reservations://booking']);
});
