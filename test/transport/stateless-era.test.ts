import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModernClient } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { post } from '../support/wire.ts';

const version = 'io.modelcontextprotocol/protocolVersion';
const capabilities = 'io.modelcontextprotocol/clientCapabilities';

let server: TestServer;
let client: ModernClient;
beforeAll(async () => {
  server = await start({});
  client = new ModernClient(server.url);
});
afterAll(() => server[Symbol.asyncDispose]());

describe('which era a message belongs to', () => {
  const initialize = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
  const meta = { [version]: '2026-07-28', [capabilities]: {} };
  const send = async (body: object, headers: Record<string, string> = {}) => {
    const answer = await post(server.url, { jsonrpc: '2.0', id: 'server-discover-probe-1', ...body }, { headers });
    return { ...answer, code: answer.messages[0]?.error?.code, id: answer.messages[0]?.id };
  };
  const modern = { 'mcp-protocol-version': '2026-07-28' };

  it('says its envelope, even for initialize', async () => {
    const { status, code, headers } = await send(
      { method: 'initialize', params: { ...initialize, _meta: meta } },
      { ...modern, 'mcp-method': 'initialize' },
    );
    expect([status, code, headers.has('mcp-session-id')]).toEqual([404, -32601, false]);
  });

  it('is the older one for initialize without an envelope', async () => {
    const { status, headers } = await send({ method: 'initialize', params: initialize }, { 'mcp-method': 'initialize', 'mcp-name': 'x' });
    expect([status, headers.has('mcp-session-id')]).toEqual([200, true]);
  });

  it('cannot be both: initialize with a version header of the newer era', async () => {
    const { status, code, headers } = await send({ method: 'initialize', params: initialize }, modern);
    expect([status, code, headers.has('mcp-session-id')]).toEqual([400, -32602, false]);
  });

  it.each([{}, { _meta: {} }, { _meta: { progressToken: 1 } }])(
    'says the version header where the body has no envelope: %j',
    async params => {
      const { status, code, id } = await send({ method: 'server/discover', params }, { ...modern, 'mcp-method': 'server/discover' });
      expect([status, code, id]).toEqual([400, -32602, 'server-discover-probe-1']);
    },
  );

  it('is the older one for server/discover without an envelope and header: no modern error, so that the client falls back', async () => {
    const { status, code } = await send({ method: 'server/discover', params: {} });
    expect([status, code]).toEqual([400, -32600]);
  });

  it('says the envelope against the header: one of the older era is a mismatch', async () => {
    const { status, code } = await send({ method: 'server/discover', params: { _meta: meta } }, { 'mcp-protocol-version': '2025-11-25' });
    expect([status, code]).toEqual([400, -32020]);
  });

  it('never says the session id', async () => {
    const { headers: opened } = await send({ method: 'initialize', params: initialize });
    const id = opened.get('mcp-session-id') as string;
    const { status, headers, response } = await client.request('server/discover', {}, { headers: { 'mcp-session-id': id } });
    expect([status, headers.has('mcp-session-id'), response.result.resultType]).toEqual([200, false, 'complete']);
  });

  it('answers the probe of the official client with its string id', async () => {
    const answer = await send({ method: 'server/discover', params: { _meta: meta } }, { ...modern, 'mcp-method': 'server/discover' });
    expect([answer.status, answer.id, answer.response.result.supportedVersions]).toEqual([200, 'server-discover-probe-1', ['2026-07-28']]);
  });

  it('does not change what GET and DELETE do on this endpoint', async () => {
    const get = await fetch(server.url, { headers: { ...modern, accept: 'text/event-stream' } });
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST, GET, DELETE']);
    expect((await fetch(server.url, { method: 'DELETE', headers: modern })).status).toBe(400);
  });
});
