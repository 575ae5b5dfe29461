import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EmptyDatabase } from '../support/database.ts';
import { emptyDatabase } from '../support/database.ts';
import type { AppProcess } from '../support/example.ts';
import { startExample } from '../support/example.ts';
import type { TestClient } from './client.ts';
import { describeClients } from './kinds.ts';

let place: EmptyDatabase;
let example: AppProcess;
beforeAll(async () => {
  place = await emptyDatabase('sqlite');
  example = await startExample({ DATABASE_URL: place.url });
});
afterAll(async () => {
  await example[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

describeClients(kind => {
  let client: TestClient;
  beforeAll(async () => {
    client = await kind.connect(example.origin, { token: 'demo-ada' });
  });
  afterAll(() => client[Symbol.asyncDispose]());

  // Structured content came with 2025-06-18; before it, the text is the row.
  const row = ({ structured, text }: { structured: unknown; text: string }) =>
    kind.revision < '2025-06-18' ? (JSON.parse(text) as unknown) : structured;

  it('lists the tools', async () => {
    expect(await client.listTools()).toEqual(expect.arrayContaining(['get_client', 'booking_findMany', 'booking_create', 'client_update']));
  });

  it('finds a client by e-mail address', async () => {
    const result = await client.callTool('get_client', { email: 'ada@example.com' });
    expect(result.isError).toBe(false);
    expect(row(result)).toEqual({ id: 1, name: 'Ada Lovelace', joinedAt: '2024-01-01T09:00:00.000Z', email: 'ada@example.com' });
  });

  it('is told by a result, not a failure, what is wrong with a call', async () => {
    expect(await client.callTool('get_client', { email: 'nobody@example.com' })).toMatchObject({
      isError: true,
      text: 'No client has the e-mail address nobody@example.com',
    });
    expect(await client.callTool('booking_findMany', { where: { client: { email: 'ada@example.com' } } })).toMatchObject({
      isError: true,
      text: expect.stringContaining('email'),
    });
  });

  it('finds the own bookings only', async () => {
    const { text } = await client.callTool('booking_findMany', { where: { id: { lte: 1000 } }, take: 50 });
    expect(text.match(/"clientId":1\b/gu)).toHaveLength(12);
    expect(text.match(/"clientId":/gu)).toHaveLength(12);
  });

  it('makes, changes and removes a booking', async () => {
    const created = row(await client.callTool('booking_create', { data: { startsAt: '2027-06-01T18:00:00Z', people: 3 } }));
    expect(created).toMatchObject({ clientId: 1, people: 3, status: 'PENDING', client: { name: 'Ada Lovelace' } });
    const where = { id: (created as { id: number }).id };
    const updated = await client.callTool('booking_update', { where, data: { status: 'CONFIRMED' } });
    expect(row(updated)).toMatchObject({ ...where, status: 'CONFIRMED' });
    const first = await client.callTool('booking_delete', { where });
    // A client that cannot ask its user gets a token.
    const { _unconfirmed: asked } = row(first) as { _unconfirmed?: { confirmation: string } };
    const deleted = asked ? await client.callTool('booking_delete', { where, confirmation: asked.confirmation }) : first;
    expect(row(deleted)).toMatchObject({ ...where, status: 'CONFIRMED' });
    expect((await client.callTool('booking_findUnique', { where })).isError).toBe(true);
  });

  it('reads all clients', async () => {
    expect(await client.listResources()).toContain('reservations://clients');
    expect(JSON.parse(await client.readResource('reservations://clients'))).toHaveLength(200);
  });

  it('reads one client by its template', async () => {
    expect(await client.listTemplates()).toContain('reservations://client/{id}');
    expect(JSON.parse(await client.readResource('reservations://client/2'))).toMatchObject({ id: 2, name: 'Grace Hopper' });
  });

  it('gets the prompt', async () => {
    expect(await client.listPrompts()).toEqual(['client_summary', 'timetable', 'booking_summary']);
    expect(await client.getPrompt('client_summary', { client_email: 'ada@example.com' })).toMatch(/Ada Lovelace .* joined on 2024-01-01/u);
    expect(await client.getPrompt('booking_summary', { id: '1' })).toMatch(/^Summarise the booking of Ada Lovelace for \d+ on \d{4}-/u);
  });

  it('searches clients and bookings, and fetches one', async () => {
    const { results } = row(await client.callTool('search', { query: 'grace HOPPER' })) as { results: object[] };
    expect(results).toEqual([{ id: 'client:2', title: 'Grace Hopper', url: 'reservations://client/2' }]);
    expect(row(await client.callTool('fetch', { id: 'client:2' }))).toMatchObject({
      id: 'client:2',
      text: expect.stringContaining('Grace'),
    });
  });

  it('may only read without a token', async () => {
    await using guest = await kind.connect(example.origin);
    expect((await guest.callTool('booking_count')).text).toContain('"count":0');
    expect(await guest.callTool('booking_create', { data: { clientId: 1, startsAt: '2027-06-01T18:00:00Z' } })).toMatchObject({
      isError: true,
      text: 'Guests may only read; sign in with a bearer token',
    });
  });
});
