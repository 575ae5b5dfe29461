import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect, it } from 'vitest';
import { describeDatabases, emptyDatabase } from '../support/database.ts';
import { startExample } from '../support/example.ts';

describeDatabases('a session of the example', provider => {
  it('goes on under the same id after the app was killed and started again', async () => {
    await using place = await emptyDatabase(provider);
    await using first = await startExample({ DATABASE_URL: place.url });
    const client = new Client({ name: 'test', version: '1.0.0' });
    const headers = { Authorization: 'Bearer demo-ada' };
    const transport = new StreamableHTTPClientTransport(new URL(`${first.origin}/mcp`), { requestInit: { headers } });
    await client.connect(transport);
    const { sessionId } = transport;
    const count = async () => (await client.callTool({ name: 'booking_count', arguments: {} })).structuredContent;
    expect(await count()).toEqual({ count: 12 });
    await client.callTool({ name: 'booking_create', arguments: { data: { startsAt: '2027-06-01T18:00:00Z' } } });
    await first.stop('SIGKILL');

    await using second = await startExample({ DATABASE_URL: place.url, PORT: String(first.port) });
    expect(second.port).toBe(first.port);
    expect(await count()).toEqual({ count: 13 });
    expect(sessionId).toMatch(/^mcp_/);
    expect(transport.sessionId).toBe(sessionId);
    await client.close();
  });
});
