import type Koa from 'koa';
import { describe, expect, it } from 'vitest';
import type { McpOptions, SessionEvent, SessionInfo, SessionPage } from '../../src/index.ts';
import { prismaStore } from '../../src/index.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';

/** Who asks stands in a header. */
const principal = (ctx: Koa.Context) => ctx.get('x-user') || undefined;
const operators = (ctx: Koa.Context) => ctx.get('x-user') === 'root';
const host: Koa.Middleware = ctx => {
  ctx.body = 'host';
};
const as = (user: string) => ({ headers: { 'x-user': user } });

async function list(url: string, query = '', user = 'root'): Promise<SessionPage> {
  const response = await fetch(`${url}/sessions${query}`, as(user));
  expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
  return (await response.json()) as SessionPage;
}

describe('<path>/sessions', () => {
  it('does not exist unless `operators` is given', async () => {
    await using server = await start({}, { after: [host] });
    for (const [path, method] of [
      ['sessions', 'GET'],
      ['sessions/x', 'DELETE'],
    ] as const) {
      expect(await (await fetch(`${server.url}/${path}`, { method })).text()).toBe('host');
    }
  });

  it('shows an operator who is connected, with which client, and nobody else anything', async () => {
    await using server = await start({ principal, operators });
    const ada = await open(server.url, as('ada'));
    const guest = await open(server.url);
    const { sessions, next } = await list(server.url);
    expect(next).toBeUndefined();
    expect(sessions.map(({ id }) => id).toSorted()).toEqual([guest.id, ada.id].toSorted());
    expect(sessions.find(session => session.id === ada.id)).toEqual({
      id: ada.id,
      principal: 'ada',
      clientName: 'wire',
      clientVersion: '1.0.0',
      revision: '2025-11-25',
      transport: 'streamable',
      initialized: true,
      connection: null,
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/u),
      lastSeenAt: expect.any(String),
      expiresAt: expect.any(String),
    });
    for (const method of ['GET', 'DELETE']) {
      const path = method === 'GET' ? 'sessions' : `sessions/${guest.id}`;
      const response = await fetch(`${server.url}/${path}`, { method, ...as('ada') });
      expect([response.status, await response.text()]).toEqual([403, expect.not.stringContaining('mcp_')]);
    }
    expect((await fetch(`${server.url}/sessions`, { method: 'POST', ...as('root') })).headers.get('allow')).toBe('GET');
    expect(await guest.result('ping')).toEqual({});
  });

  it('shows the sessions of one principal, or those of the guests, if asked', async () => {
    await using server = await start({ principal, operators });
    const [ada, guest] = [await open(server.url, as('ada')), await open(server.url)];
    await open(server.url, as('grace'));
    const idsOf = async (query: string): Promise<string[]> => (await list(server.url, query)).sessions.map(({ id }) => id);
    expect(await idsOf('?principal=ada')).toEqual([ada.id]);
    expect(await idsOf('?principal=')).toEqual([guest.id]);
    expect(await idsOf('?principal=nobody')).toEqual([]);
    expect(await idsOf('')).toHaveLength(3);
  });

  it.each<[string, NonNullable<McpOptions['operators']>, number]>([
    ['false', () => Promise.resolve(false), 403],
    ['something true that is not true', () => 'no' as never, 403],
    ['an error of the host’s own', ctx => ctx.throw(401, 'Sign in'), 401],
    ['true, later', () => Promise.resolve(true), 200],
  ])('asks `operators` on each request: %s', async (_, operators, status) => {
    await using server = await start({ operators });
    expect((await fetch(`${server.url}/sessions`)).status).toBe(status);
    const { id } = await open(server.url);
    const ended = await fetch(`${server.url}/sessions/${id}`, { method: 'DELETE' });
    expect(ended.status).toBe(status === 200 ? 204 : status);
    server.errors.length = 0;
  });

  it('ends a session: its stream ends, its client is answered 404, and its principal hears nothing of why', async () => {
    const events: SessionEvent[] = [];
    await using server = await start({ principal, operators, onSession: event => events.push(event), node: 'a:1' });
    const session = await open(server.url, as('ada'));
    const stream = await session.listen(new AbortController().signal);
    const url = `${server.url}/sessions/${session.id}`;
    expect((await fetch(url, { method: 'DELETE', ...as('root') })).status).toBe(204);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect((await session.request('ping')).status).toBe(404);
    expect((await fetch(url, { method: 'DELETE', ...as('root') })).status).toBe(404);
    expect((await fetch(`${server.url}/sessions/mcp_x`, { method: 'DELETE', ...as('root') })).status).toBe(404);
    // Not the pattern of the route, taken for a path.
    expect((await fetch(`${server.url}/sessions/:id`, { method: 'DELETE', ...as('root') })).status).toBe(404);
    expect(events.map(({ type, reason, node }) => [type, reason, node])).toEqual([
      ['created', undefined, 'a:1'],
      ['initialized', undefined, 'a:1'],
      ['ended', 'operator', 'a:1'],
      ['rejected', 'unknown', 'a:1'],
    ]);
  });

  it.each(['?take=0', '?take=201', '?take=', '?take=x', '?take=1&take=2', '?after=x', '?after=1.mcp_x', '?principal=a&principal=b'])(
    'answers 400 to the query %s',
    async query => {
      await using server = await start({ operators: () => true });
      const response = await fetch(`${server.url}/sessions${query}`);
      expect([response.status, await response.json()]).toMatchObject([400, { error: { message: expect.stringMatching(/^\w+: /u) } }]);
    },
  );
});

describe('mcp.sessions', () => {
  it('lists and ends from outside a request', async () => {
    await using server = await start({ principal });
    const [ada, guest] = [await open(server.url, as('ada')), await open(server.url)];
    const ids = async (query?: Parameters<typeof server.mcp.sessions.list>[0]) =>
      (await server.mcp.sessions.list(query)).sessions.map(({ id }) => id);
    expect((await ids()).toSorted()).toEqual([ada.id, guest.id].toSorted());
    expect(await ids({ principal: 'ada' })).toEqual([ada.id]);
    expect(await ids({ principal: null })).toEqual([guest.id]);
    await expect(server.mcp.sessions.list({ take: 201 })).rejects.toThrow(RangeError);
    expect([await server.mcp.sessions.end(ada.id), await server.mcp.sessions.end(ada.id)]).toEqual([true, false]);
    expect((await ada.request('ping')).status).toBe(404);
    expect(await ids()).toEqual([guest.id]);
  });
});

describe('requests for sessions that are refused', () => {
  it('are told on every transport, once each, with what no client is told', async () => {
    const events: SessionEvent[] = [];
    await using server = await start({ principal, onSession: event => events.push(event) });
    const session = await open(server.url, as('ada'));
    const other = { 'content-type': 'application/json', 'x-user': 'eve' };
    const ping = { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }) };
    events.length = 0;
    const asked = [
      fetch(server.url, { ...ping, headers: { ...other, 'mcp-session-id': session.id } }),
      fetch(`${server.url}/sse`, { ...ping, headers: { ...other, 'mcp-session-id': session.id } }),
      fetch(`${server.url}/messages?sessionId=${session.id}`, { ...ping, headers: other }),
      fetch(server.url, { method: 'DELETE', headers: { ...other, 'mcp-session-id': session.id } }),
    ];
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    expect(events).toHaveLength(4);
    for (const event of events) expect(event).toMatchObject({ type: 'rejected', reason: 'principal', principal: 'eve' });
  });

  it('for one call too many are told as refused by a limit', async () => {
    const lines: string[] = [];
    const never = { description: 'Never ends', handler: () => new Promise(() => undefined) };
    await using server = await start({ limits: { maxCalls: 1 }, tools: { never }, log: line => lines.push(line) });
    const session = await open(server.url);
    const abort = new AbortController();
    const call = session.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'never' } }, { signal: abort.signal });
    await expect.poll(async () => (await session.request('ping')).response.error?.code).toBe(-32600);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ type: 'rejected', reason: 'limit', sessionId: session.id.slice(0, 12) });
    await session.notify('notifications/cancelled', { requestId: 1 });
    abort.abort();
    await call.catch(() => undefined);
  });

  it('an HTTP+SSE session ends with its stream', async () => {
    const events: SessionEvent[] = [];
    await using server = await start({ onSession: event => events.push(event) });
    const abort = new AbortController();
    await fetch(`${server.url}/sse`, { headers: { accept: 'text/event-stream' }, signal: abort.signal });
    abort.abort();
    await expect
      .poll(() => events.map(({ type, reason }) => [type, reason]))
      .toEqual([
        ['created', undefined],
        ['ended', 'stream'],
      ]);
  });
});

describeDatabases('pages of <path>/sessions', provider => {
  it('have every session of the database once, those of all processes, used last first', async () => {
    await using database = await openDatabase(provider);
    const options = { principal, operators };
    await using server = await start({ ...options, sessions: { store: prismaStore(database.prisma) } });
    await using sibling = await start({ ...options, sessions: { store: prismaStore(await database.connect()) } });
    const opened: string[] = [];
    for (let i = 0; i < 7; i++) opened.push((await open((i % 2 ? server : sibling).url, as(i === 3 ? 'eve' : 'ada'))).id);
    const pages: SessionInfo[][] = [];
    for (let query: string | undefined = '?take=3'; query !== undefined; ) {
      const { sessions, next }: SessionPage = await list(server.url, query);
      pages.push(sessions);
      query = next && `?take=3&after=${encodeURIComponent(next)}`;
    }
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 1]);
    const listed = pages.flat();
    expect(listed.map(({ id }) => id).toSorted()).toEqual(opened.toSorted());
    expect(listed.map(({ expiresAt }) => expiresAt)).toEqual(
      listed
        .map(({ expiresAt }) => expiresAt)
        .toSorted()
        .toReversed(),
    );
    expect((await list(server.url, '?principal=eve')).sessions.map(({ id }) => id)).toEqual([opened[3]]);
    expect((await list(server.url, '?principal=')).sessions).toEqual([]);
  });
});

describe('<path>/calls', () => {
  const audit = { reads: true };
  const tools = { echo: { description: 'Echoes', handler: () => 'done' } };

  it('does not exist unless `operators` and `audit` are given', async () => {
    await using db = await openDatabase('sqlite');
    for (const options of [{}, { operators }, { audit, prisma: db.prisma }]) {
      await using server = await start(options, { after: [host] });
      expect(await (await fetch(`${server.url}/calls`)).text()).toBe('host');
    }
  });

  it('shows an operator the last calls of this endpoint, newest first and without arguments, and nobody else anything', async () => {
    await using db = await openDatabase('sqlite');
    const options = { prisma: db.prisma, principal, operators, audit, tools };
    await using server = await start(options);
    await using elsewhere = await start({ ...options, name: 'other' });
    for (const url of [server.url, elsewhere.url]) await (await open(url, as('ada'))).call('echo', { secret: 'x' });
    await (await open(server.url)).call('echo', { secret: 'y' });
    const get = (user: string) => fetch(`${server.url}/calls`, as(user));
    const response = await get('root');
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const text = await response.text();
    const { calls } = JSON.parse(text) as { calls: object[] };
    const call = {
      client: 'wire 1.0.0',
      revision: '2025-11-25',
      method: 'tools/call',
      name: 'echo',
      rows: null,
      outcome: 'ok',
      error: null,
    };
    expect(calls).toEqual([
      { ...call, principal: null, startedAt: expect.stringMatching(/^\d{4}-.*Z$/u), durationMs: expect.any(Number) },
      { ...call, principal: 'ada', startedAt: expect.any(String), durationMs: expect.any(Number) },
    ]);
    expect(text).not.toContain('secret');
    const refused = await get('ada');
    expect([refused.status, await refused.text()]).toEqual([403, expect.not.stringContaining('echo')]);
  });
});
