import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EmptyDatabase } from '../support/database.ts';
import { describeDatabases, emptyDatabase } from '../support/database.ts';
import type { AppProcess } from '../support/example.ts';
import { startExample } from '../support/example.ts';
import type { ClientKind, TestClient } from './client.ts';
import { clientKinds } from './kinds.ts';

// Those that cannot be run here are named by the other suites.
const kinds = clientKinds.filter(({ problem }) => problem === undefined);

describeDatabases('after kill -9 of the example between two calls, and a new start', provider => {
  let place: EmptyDatabase;
  let example: AppProcess;
  const clients = new Map<ClientKind, { client: TestClient; sessionId: string | undefined; notes: string }>();
  beforeAll(async () => {
    place = await emptyDatabase(provider);
    example = await startExample({ DATABASE_URL: place.url });
    await Promise.all(
      kinds.map(async kind => {
        const client = await kind.connect(example.origin, { token: 'demo-ada' });
        const notes = randomUUID();
        // Listed first: from then on the official clients hold results to the tools' output schemas.
        await client.listTools();
        expect((await client.callTool('booking_create', { data: { startsAt: '2027-06-01T18:00:00Z', notes } })).isError).toBe(false);
        clients.set(kind, { client, sessionId: client.sessionId(), notes });
      }),
    );
    const { port } = example;
    await example.stop('SIGKILL');
    example = await startExample({ DATABASE_URL: place.url, PORT: String(port) });
  });
  afterAll(async () => {
    for (const { client } of clients.values()) await client[Symbol.asyncDispose]();
    await example[Symbol.asyncDispose]();
    await place[Symbol.asyncDispose]();
  });

  const connected = (kind: ClientKind) => {
    const found = clients.get(kind);
    if (found === undefined) throw new Error(`${kind.name} is not connected`);
    return found;
  };
  const expectBooking = async (kind: ClientKind) => {
    const { client, notes } = connected(kind);
    const { isError, text } = await client.callTool('booking_findMany', { where: { notes } });
    expect([isError, text.split(notes).length - 1]).toEqual([false, 1]);
  };

  describe('the next call goes on in the same session', () => {
    const sessionful = kinds.filter(({ transport }) => transport === 'streamable');
    it.each(sessionful.map(kind => [kind.name, kind] as const))('of %s', async (_, kind) => {
      const { client, sessionId } = connected(kind);
      await expectBooking(kind);
      expect(sessionId).toMatch(/^mcp_/u);
      expect(client.sessionId()).toBe(sessionId);
    });
  });

  describe('the next call needs no session', () => {
    const stateless = kinds.filter(({ transport }) => transport === 'stateless');
    it.each(stateless.map(kind => [kind.name, kind] as const))('of %s', async (_, kind) => {
      await expectBooking(kind);
      expect(connected(kind).sessionId).toBeUndefined();
    });
  });

  describe('the stream, which is the session, is opened again', () => {
    const streaming = kinds.filter(({ transport }) => transport === 'sse');
    it.each(streaming.map(kind => [kind.name, kind] as const))('by %s, which calls on without a new connect', async (_, kind) => {
      // `EventSource` waits a few seconds before it connects again.
      await expect.poll(() => expectBooking(kind).catch(String), { timeout: 15_000, interval: 100 }).toBeUndefined();
    });
  });
});
