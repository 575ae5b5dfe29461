import type { IncomingMessage, ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { connectHttpSse } from '../../src/client/http-sse.ts';
import type { JsonObject } from '../../src/protocol/definitions.ts';
import { serve } from '../support/by-hand.ts';

const initialized = { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: { name: 'old' } };

/** A server of 2024-11-05. @param first Its first event. @param answer Takes each message but those that open the session. */
async function old(first: string, answer: (message: JsonObject, response: ServerResponse, stream: ServerResponse) => unknown = () => {}) {
  const posted: unknown[] = [];
  let stream: ServerResponse | undefined;
  const server = await serve(async (request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'GET') {
      stream = response;
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(first);
      return;
    }
    const message = (await json(request)) as JsonObject;
    posted.push(message['method'] ?? 'answer');
    if (message['method'] === 'initialize') {
      stream?.write(`event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: message['id'], result: initialized })}\n\n`);
    } else if (message['method'] !== 'notifications/initialized' && stream !== undefined) await answer(message, response, stream);
    if (!response.headersSent) response.writeHead(202).end();
  });
  const told: string[] = [];
  const endpoint = { url: server.url, fetch, headers: {}, clientInfo: { name: 'test', version: '1' }, capabilities: {} };
  const connecting = connectHttpSse(endpoint, {
    answer: async () => ({}),
    notified: method => told.push(method),
    streamChanged: state => told.push(state),
    lost: () => told.push('lost'),
  });
  return { connecting, posted, told, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
const endpointEvent = 'event: endpoint\ndata: /messages?sessionId=1\n\n';

describe('a session over HTTP+SSE', () => {
  it('answers a ping, and skips events that are no messages', async () => {
    await using server = await old(endpointEvent, (message, _response, stream) => {
      if (message['method'] !== 'tools/list') return;
      stream.write('event: ping\ndata: now\n\ndata: {"jsonrpc":"2.0","id":"p","method":"ping"}\n\n');
      stream.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: message['id'], result: { tools: [] } })}\n\n`);
    });
    const connection = await server.connecting;
    expect(await connection.request('tools/list')).toEqual({ tools: [] });
    await expect.poll(() => server.posted).toContain('answer');
    await connection.close();
    await expect(connection.request('tools/list')).rejects.toThrow(/abort/u);
  });

  it('is lost with its stream: what waits is rejected, and so is every later request', async () => {
    await using server = await old(endpointEvent, (_message, response, stream) => {
      response.writeHead(202).end(() => stream.end());
    });
    const connection = await server.connecting;
    const text = 'The stream has ended, and with it the session.';
    await expect(connection.request('tools/list')).rejects.toMatchObject({ name: 'RequestError', message: text });
    await expect(connection.request('tools/list')).rejects.toMatchObject({ name: 'RequestError', message: text });
    expect(server.told).toEqual(['off', 'lost']);
    expect(server.posted.filter(method => method === 'tools/list')).toHaveLength(1);
  });

  it('rejects a request whose POST is refused, with the reason', async () => {
    await using server = await old(endpointEvent, (_message, response) => {
      response.writeHead(404).end('{"jsonrpc":"2.0","error":{"code":-32600,"message":"Session not found"}}');
    });
    const connection = await server.connecting;
    await expect(connection.request('tools/list')).rejects.toMatchObject({ code: -32600, status: 404, message: 'Session not found' });
    await connection.close();
  });

  it.each([
    ['names another origin', 'event: endpoint\ndata: http://elsewhere.example/m\n\n', 'another origin: http://elsewhere.example'],
    ['is of another kind', 'data: {}\n\n', 'does not begin with the event `endpoint`'],
    ['names no address', 'event: endpoint\ndata: http://[\n\n', 'does not begin with the event `endpoint`'],
  ])('is refused if its first event %s, and nothing is posted', async (_, first, message) => {
    await using server = await old(first);
    await expect(server.connecting).rejects.toThrow(message);
    expect(server.posted).toEqual([]);
  });
});
