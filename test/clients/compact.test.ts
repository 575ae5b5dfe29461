import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seeded } from '../models/served.ts';
import { serveCompact } from '../support/compact.ts';
import type { TestDatabase } from '../support/database.ts';
import type { TestServer } from '../support/server.ts';
import type { TestClient } from './client.ts';
import { officialV1 } from './official-v1.ts';
import { officialV2 } from './official-v2.ts';

describe.each([...officialV1, ...officialV2].map(kind => [kind.name, kind] as const))('a compact endpoint for %s', (_, kind) => {
  let db: TestDatabase;
  let server: TestServer;
  let client: TestClient;
  beforeAll(async () => {
    db = await seeded('sqlite');
    server = await serveCompact(db);
    client = await kind.connect(server.origin);
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await db.close();
  });

  it('is found, described and read, and its answers pass the schemas that the client checks', async () => {
    // The official clients check structured content against the output schemas of tools that they have listed.
    expect(await client.listTools()).toContain('read_rows');
    expect((await client.callTool('find_models', { query: 'bookings' })).structured).toMatchObject({
      models: [{ model: 'booking' }, { model: 'room' }, { model: 'client' }],
    });
    expect((await client.callTool('describe_model', { model: 'booking' })).structured).toMatchObject({
      model: 'booking',
      uniqueKeys: 'id',
    });
    const rows = await client.callTool('read_rows', { model: 'booking', operation: 'findMany', take: 1, select: { id: true } });
    expect(rows).toMatchObject({ isError: false, structured: { rows: [{ id: 1 }], truncated: true } });
  });

  it('tells the model what is wrong and how to call instead', async () => {
    const { isError, text } = await client.callTool('read_rows', { model: 'client', operation: 'findMany', select: { bookings: true } });
    expect(isError).toBe(true);
    expect(text).toMatch(
      /; bookings is a relation: read it with read_rows \{ model: "booking", operation: "findMany", where: \{ clientId: <id> \} \}$/,
    );
  });
});
