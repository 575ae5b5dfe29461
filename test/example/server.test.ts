import { once } from 'node:events';
import { createServer } from 'node:net';
import pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import { describeDatabases, emptyDatabase } from '../support/database.ts';
import { startExample } from '../support/example.ts';

describeDatabases('the example as a process', provider => {
  it('makes its database, prints one line and closes cleanly', async () => {
    await using place = await emptyDatabase(provider);
    await using example = await startExample({ DATABASE_URL: place.url });
    const { origin, output } = example;
    expect(origin).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const response = await fetch(`${origin}/bookings`, { headers: { Authorization: 'Bearer demo-ada' } });
    expect(await response.json()).toHaveLength(12);
    expect(await example.stop('SIGTERM')).toEqual([0, null]);
    expect(output().trimEnd().split('\n')).toHaveLength(1);
    expect(output()).toContain(`claude mcp add --transport http reservations ${origin}/mcp --header "Authorization: Bearer demo-ada"`);
  });

  it('keeps what was written when it is killed and started again', async () => {
    await using place = await emptyDatabase(provider);
    await using first = await startExample({ DATABASE_URL: place.url });
    const headers = { Authorization: 'Bearer demo-grace', 'Content-Type': 'application/json' };
    const body = JSON.stringify({ startsAt: '2027-05-01T18:00:00Z' });
    const { id } = (await (await fetch(`${first.origin}/bookings`, { method: 'POST', headers, body })).json()) as { id: number };
    await first.stop('SIGKILL');

    await using second = await startExample({ DATABASE_URL: place.url });
    expect(await (await fetch(`${second.origin}/bookings/${id}`, { headers })).json()).toMatchObject({ id, clientId: 2 });
    expect(await second.stop('SIGINT')).toEqual([0, null]);
  });
});

describe('two processes of the example on PostgreSQL', () => {
  it('have one connection of the bus each, and close it when they end', async () => {
    await using place = await emptyDatabase('postgresql');
    const listening = async () => {
      const database = new pg.Client({ connectionString: place.url });
      await database.connect();
      const sql = "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'reservations bus'";
      const { rows } = await database.query<{ count: number }>(sql).finally(() => database.end());
      return rows[0]?.count;
    };
    await using first = await startExample({ DATABASE_URL: place.url });
    await using second = await startExample({ DATABASE_URL: place.url });
    // The bus connects when it is used first.
    for (const { origin } of [first, second]) await fetch(`${origin}/mcp/health`);
    await vi.waitFor(async () => expect(await listening()).toBe(2), { timeout: 10_000 });
    expect(await first.stop('SIGTERM')).toEqual([0, null]);
    await vi.waitFor(async () => expect(await listening()).toBe(1), { timeout: 10_000 });
    expect(await second.stop('SIGTERM')).toEqual([0, null]);
    expect(await listening()).toBe(0);
  });
});

describe('the example on a port that is taken', () => {
  it('ends with a message that names the address', async () => {
    await using place = await emptyDatabase('sqlite');
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await expect(startExample({ DATABASE_URL: place.url, PORT: String(port) })).rejects.toThrow(`127.0.0.1:${port} is taken; set PORT`);
    taken.close();
  });
});
