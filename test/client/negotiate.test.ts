import { json } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { negotiate } from '../../src/client/negotiate.ts';
import { textIn } from '../../src/client/wire.ts';
import type { JsonObject } from '../../src/protocol/definitions.ts';
import { serve } from '../support/by-hand.ts';

/** What the server answers to a method, or to a verb: a status, and a body of JSON. */
type Answers = Record<string, readonly [status: number, body?: JsonObject]>;

async function serveAnswers(answers: Answers) {
  const seen: string[] = [];
  const server = await serve(async (request, response) => {
    const message = request.method === 'POST' ? ((await json(request)) as JsonObject) : {};
    const key = textIn(message['method']) ?? request.method ?? '';
    seen.push(key);
    const [status, body] = answers[key] ?? [key.startsWith('notifications/') ? 202 : 405];
    const text = body === undefined ? '' : JSON.stringify({ jsonrpc: '2.0', id: message['id'], ...body });
    response.writeHead(status, { 'content-type': 'application/json', 'mcp-session-id': 's' }).end(text);
  });
  const told: string[] = [];
  const endpoint = { url: server.url, fetch, headers: {}, clientInfo: { name: 'test', version: '1' }, capabilities: {} };
  const listener = {
    answer: async () => ({}),
    notified: () => undefined,
    streamChanged: (state: string) => told.push(state),
    lost: () => undefined,
  };
  return { seen, told, endpoint, listener, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const opened = (protocolVersion: string): Answers => ({
  initialize: [200, { result: { protocolVersion, capabilities: {}, serverInfo: {} } }],
});
const discovered = { supportedVersions: ['2026-07-28'], capabilities: {} };

describe('the negotiation of a revision', () => {
  it.each<[string, Answers[string]]>([
    ['does not know the method', [200, { error: { code: -32601, message: 'No such method' } }]],
    ['wants a session', [400, { error: { code: -32000, message: 'Bad Request: Server not initialized' } }]],
    ['does not speak the revision', [400, { error: { code: -32022, message: 'Unsupported', data: { supported: [] } } }]],
    ['has no route for it', [404]],
  ])('goes on with `initialize` if a stateless request is refused by a server that %s', async (_, refusal) => {
    await using server = await serveAnswers({ 'server/discover': refusal, ...opened('2025-06-18') });
    const { server: found } = await negotiate(server.endpoint, server.listener);
    expect(found).toMatchObject({ revision: '2025-06-18', sessionId: 's' });
    expect(server.seen).toEqual(['server/discover', 'initialize', 'notifications/initialized']);
  });

  it.each<[string, Answers[string]]>([
    ['a sign-in', [401]],
    ['too many requests', [429]],
    ['a failure of the server', [500, { error: { code: -32603, message: 'Internal error' } }]],
    ['a missing capability', [400, { error: { code: -32021, message: 'Missing' } }]],
  ])('ends with the first refusal if it is about %s', async (_, refusal) => {
    await using server = await serveAnswers({ 'server/discover': refusal, ...opened('2025-06-18') });
    await expect(negotiate(server.endpoint, server.listener)).rejects.toMatchObject({ name: 'RequestError', status: refusal[0] });
    expect(server.seen).toEqual(['server/discover']);
  });

  it('tries HTTP+SSE last, and then fails with what `initialize` was answered', async () => {
    await using server = await serveAnswers({ 'server/discover': [404], initialize: [405], GET: [404] });
    await expect(negotiate(server.endpoint, server.listener)).rejects.toMatchObject({ status: 405 });
    expect(server.seen).toEqual(['server/discover', 'initialize', 'GET']);
  });

  it('keeps to the only revision that is wanted, and ends the session if the server wants another one', async () => {
    await using server = await serveAnswers(opened('2025-03-26'));
    const refused = negotiate(server.endpoint, server.listener, '2025-11-25');
    await expect(refused).rejects.toThrow('The server does not speak revision 2025-11-25. It wants 2025-03-26.');
    expect(server.seen.at(-1)).toBe('DELETE');
  });

  it('refuses a revision that the client does not know, and ends the session', async () => {
    await using server = await serveAnswers(opened('2030-01-01'));
    await expect(negotiate(server.endpoint, server.listener, '2025-11-25')).rejects.toThrow('2030-01-01, which this client does not');
    expect(server.seen).toEqual(['initialize', 'DELETE']);
  });

  it('opens no stream', async () => {
    await using server = await serveAnswers({ 'server/discover': [200, { result: discovered }] });
    await negotiate(server.endpoint, server.listener);
    expect(server.seen).toEqual(['server/discover']);
  });
});

describe('a connection without a session', () => {
  it.each<[string, Answers[string]]>([
    ['a result', [200, { result: {} }]],
    ['an error', [404, { error: { code: -32601, message: 'No such method' } }]],
    ['a refusal', [503]],
  ])('has no stream of notifications if the server answers `subscriptions/listen` with %s', async (_, answer) => {
    await using server = await serveAnswers({ 'server/discover': [200, { result: discovered }], 'subscriptions/listen': answer });
    const connection = await connect(server.endpoint, '2026-07-28', server.listener);
    expect(server.told).toEqual(['connecting', 'off']);
    await connection.close();
  });
});
