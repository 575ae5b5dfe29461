import { afterAll, beforeAll, expect, it } from 'vitest';
import { newestLegacy, revisionIds, revisions, tasksExtension } from '../../src/protocol/revisions.ts';
import { ModernClient } from '../support/modern.ts';
import { open, post } from '../support/wire.ts';
import { listHints } from './app.ts';
import type { Peer } from './peer.ts';
import { connect } from './peer.ts';
import { describeRevisions, errorTable, startEverything, statusOf } from './revisions.ts';

type Server = Awaited<ReturnType<typeof startEverything>>;

describeRevisions('the handshake', row => {
  let server: Server;
  let peer: Peer;
  const isModern = row.era === 'modern';
  beforeAll(async () => {
    server = await startEverything();
    peer = await connect(server.url, row);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it('agrees on the revision that the client asks for', () => {
    if (isModern) expect(peer.hello.supportedVersions).toEqual(revisionIds('modern'));
    else expect(peer.hello.protocolVersion).toBe(row.id);
  });

  it.each(['2099-01-01', 'v1', '', '2024-10-07x'])('makes a counter-offer to %j', async version => {
    if (isModern) {
      const error = await new ModernClient(server.url, { revision: version }).error('server/discover');
      expect(error).toMatchObject({
        ...errorAnswer('UnsupportedProtocolVersion'),
        data: { supported: revisionIds('modern'), requested: version },
      });
    } else {
      expect((await open(server.url, { revision: version })).revision).toBe(newestLegacy.id);
    }
  });

  it('advertises what it serves, in the capabilities that the revision has', () => {
    const served = ['tools', 'resources', 'prompts', 'completions', 'logging', 'tasks', 'extensions'];
    expect(Object.keys(peer.hello.capabilities).sort()).toEqual(served.filter(name => row.capabilities.has(name)).sort());
    expect(peer.hello.capabilities).toMatchObject({ tools: { listChanged: true }, resources: { subscribe: true, listChanged: true } });
  });

  it('declares the extensions of the server and of the app where the revision has extensions', () => {
    const declared = { [tasksExtension]: {}, 'com.example/thing': { level: 2 } };
    expect(peer.hello.capabilities.extensions).toEqual(row.capabilities.has('extensions') ? declared : undefined);
    expect(peer.hello.capabilities.experimental).toBeUndefined();
  });

  it('says how long it may be kept where the revision has hints for that', () => {
    const { ttlMs, cacheScope } = peer.hello;
    expect({ ttlMs, cacheScope }).toEqual(row.cacheHints.has('server/discover') ? listHints : { ttlMs: undefined, cacheScope: undefined });
  });

  it('introduces the server with the members that the revision has', () => {
    const info = isModern ? peer.hello._meta['io.modelcontextprotocol/serverInfo'] : peer.hello.serverInfo;
    const said = ['name', 'version', 'title', 'description', 'icons', 'websiteUrl'];
    expect(Object.keys(info).sort()).toEqual(said.filter(member => row.fields.implementation.includes(member)).sort());
    expect([info.name, info.version, peer.hello.instructions]).toEqual(['test', '1.2.3', 'Use it']);
  });

  it('opens a session where the revision has sessions', async () => {
    expect(peer.headers.has('mcp-session-id')).toBe(!isModern);
    const { response } = await peer.request('tools/call', { name: 'whoami' });
    const [{ text }] = response.result.content;
    expect(JSON.parse(text)).toMatchObject({
      revision: row.id,
      session: isModern ? 'undefined' : 'string',
      client: isModern ? 'modern' : 'wire',
    });
  });

  it('knows a method if the revision does, and no other', async () => {
    const all = new Set(revisions.flatMap(({ methods }) => [...methods]));
    for (const method of [...all, 'tasks/list', 'unheard/of']) {
      // Both open something rather than answer.
      if (method === 'initialize' || method === 'subscriptions/listen') continue;
      const { status, response } = await peer.request(method);
      const isUnknown = response.error?.code === errorTable.MethodNotFound.code;
      // A guest has no list of tasks.
      expect([method, isUnknown]).toEqual([method, !row.methods.has(method) || method === 'tasks/list']);
      if (isUnknown) expect(status).toBe(statusOf(row, errorTable.MethodNotFound));
    }
  });

  it('answers a ping, where there are pings, with nothing at all', async () => {
    const { status, response } = await peer.request('ping');
    if (row.methods.has('ping')) expect([status, response.result]).toEqual([200, {}]);
    else expect({ status, ...response.error }).toMatchObject(errorAnswer('MethodNotFound'));
  });

  it.each([0, '0', '', 'server-discover-probe-1', 1.7e12, -7])('echoes the id %j with its type', async id => {
    expect((await peer.request('tools/list', {}, { id })).response.id).toBe(id);
    expect((await peer.request('unheard/of', {}, { id })).response.id).toBe(id);
  });

  it.each([null, 1.5, true, {}, []])('refuses the id %j with 400 and -32600, without an id', async id => {
    const { status, response } = await peer.raw({ jsonrpc: '2.0', id, method: 'tools/list', params: {} });
    expect([status, response.error?.code, 'id' in response]).toEqual([400, errorTable.InvalidRequest.code, false]);
  });

  it.each(['notifications/initialized', 'notifications/cancelled', 'notifications/odd', 'tools/call'])(
    'answers the notification %s 202 and says nothing',
    async method => {
      const { status, text } = await peer.raw({ jsonrpc: '2.0', method, params: { name: 'crash', requestId: 5 } });
      expect([status, text]).toEqual([202, '']);
    },
  );

  it('takes a response that nobody waits for, where there are any', async () => {
    const { status } = await peer.raw({ jsonrpc: '2.0', id: 99, result: {} });
    expect(status).toBe(isModern ? 400 : 202);
  });

  it('takes an array where the revision has batches', async () => {
    const ask = (id: number) => ({ jsonrpc: '2.0', id, method: 'tools/list', params: {} });
    const { status, messages } = await peer.raw([ask(1), ask(2)]);
    if (row.batches) expect([status, messages.map(({ id }) => id).sort()]).toEqual([200, [1, 2]]);
    else expect([status, messages[0]?.error?.code]).toEqual([400, errorTable.InvalidRequest.code]);
  });

  it('refuses a version header that is not its own', async () => {
    const { status, response } = await peer.request('tools/list', {}, { headers: { 'mcp-protocol-version': '2031-01-01' } });
    expect([status, response.error?.code]).toEqual([400, errorTable[isModern ? 'HeaderMismatch' : 'InvalidRequest'].code]);
  });

  it.each([
    ['application/json', 200, 'application/json'],
    ['text/event-stream', 200, 'text/event-stream'],
    ['*/*', 200, 'application/json'],
    ['text/html', 406, 'application/json'],
  ])('answers Accept: %s with %i and %s', async (accept, status, type) => {
    const answer = await peer.request('tools/list', {}, { headers: { accept } });
    expect([answer.status, answer.headers.get('content-type')?.split(';')[0]]).toEqual([status, type]);
  });

  it('pays no heed to the session of another era', async () => {
    const { status, headers } = await peer.request(
      'tools/list',
      {},
      { headers: isModern ? { 'mcp-session-id': 'mcp_x' } : { 'mcp-method': 'ping' } },
    );
    expect(status).toBe(200);
    if (isModern) expect(headers.has('mcp-session-id')).toBe(false);
  });

  it('answers GET without a session 405', async () => {
    const { status } = await fetch(server.url, { headers: { accept: 'text/event-stream', 'mcp-protocol-version': row.id } });
    expect(status).toBe(405);
  });

  it.each(['{', '', '{"jsonrpc":"2.0","id":1,"method":'])('answers the body %j with 400 and -32700', async body => {
    const { status, response } = await post(server.url, body, { headers: { 'mcp-protocol-version': row.id } });
    expect([status, response.error?.code]).toEqual([400, errorTable.ParseError.code]);
  });

  function errorAnswer(name: keyof typeof errorTable) {
    return { status: statusOf(row, errorTable[name]), code: errorTable[name].code };
  }
});
