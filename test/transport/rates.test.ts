import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type Koa from 'koa';
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import { createClient } from 'redis';
import { describe, expect, it } from 'vitest';
import { redisUrl, requireRedis } from '../bus/redis-server.ts';
import { ModernClient } from '../support/modern.ts';
import { start } from '../support/server.ts';
import { initializeParams, openSse } from '../support/sse.ts';
import type { Exchange } from '../support/wire.ts';
import { open, post } from '../support/wire.ts';

const signIn: Koa.Middleware = (ctx, next) => {
  ctx.state['user'] = ctx.get('x-user') || undefined;
  return next();
};
const as = (user: string) => ({ headers: { 'x-user': user } });
const ping = (id: number | string) => ({ jsonrpc: '2.0', id, method: 'ping' });
const initialize = { jsonrpc: '2.0', id: 'i', method: 'initialize', params: initializeParams };
const seconds = expect.stringMatching(/^(?:[1-9]|[1-5]\d|60)$/u) as string;
const factsOf = ({ status, headers, response: { id, error } }: Exchange) => [status, headers.get('retry-after'), id, error?.code];
const refused = (id: unknown) => [429, seconds, id, -32600];

describe('limits.callsPerMinute', () => {
  it('answers one request too many of a principal 429 with its id, in all its sessions, and serves other principals', async () => {
    await using server = await start({ limits: { callsPerMinute: 3 } }, { before: [signIn] });
    const [ada, other, grace] = [await open(server.url, as('ada')), await open(server.url, as('ada')), await open(server.url, as('grace'))];
    for (const session of [ada, other, ada]) expect(await session.result('ping')).toEqual({});
    const late = await other.send(ping('late'));
    expect(factsOf(late)).toEqual(refused('late'));
    expect(late.response.error?.message).toMatch(/^Too many requests \(more than 3 a minute\) of this caller.* again in \d+ s$/u);
    expect(await grace.result('ping')).toEqual({});
  });

  it('counts neither initialize, notifications, answers, streams, probes nor lists of sessions', async () => {
    await using server = await start({ limits: { callsPerMinute: 1 }, operators: () => true });
    const session = await open(server.url);
    for (let times = 0; times < 3; times += 1) {
      expect((await session.notify('notifications/cancelled', { requestId: 9 })).status).toBe(202);
      expect((await session.send({ jsonrpc: '2.0', id: 9, result: {} })).status).toBe(202);
      for (const path of ['/health', '/health/live', '/sessions']) expect((await fetch(server.url + path)).status).toBe(200);
      await (await session.listen(AbortSignal.timeout(10_000))).return(undefined);
    }
    expect(await session.result('ping')).toEqual({});
    expect((await session.send(ping(1))).status).toBe(429);
    expect((await session.notify('notifications/cancelled', { requestId: 9 })).status).toBe(202);
  });

  it('counts each request of a batch, and refuses all of a batch that has too many', async () => {
    await using server = await start({ limits: { callsPerMinute: 4 } });
    const session = await open(server.url, { revision: '2025-03-26' });
    const note = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 9 } };
    expect((await session.send([ping(1), note, ping(2), ping(3)])).status).toBe(200);
    const { status, headers, text, messages } = await session.send([ping(4), note, ping('5')]);
    expect([status, headers.get('retry-after'), text[0]]).toEqual([429, seconds, '[']);
    expect(messages.map(({ id, error }) => [id, error?.code])).toEqual([
      [4, -32600],
      ['5', -32600],
    ]);
    expect((await session.send([note])).status).toBe(202);
  });

  it('counts requests of 2026-07-28 together with those of sessions', async () => {
    await using server = await start(
      { limits: { callsPerMinute: 3 }, tools: { echo: { description: 'Echo', handler: () => 'echo' } } },
      { before: [signIn] },
    );
    const client = new ModernClient(server.url, as('ada'));
    expect(await (await open(server.url, as('ada'))).result('ping')).toEqual({});
    expect((await client.call('echo')).content[0].text).toBe('echo');
    (await client.listen({ toolsListChanged: true })).close();
    expect(factsOf(await client.request('tools/list', {}, { id: 'late' }))).toEqual(refused('late'));
    const listen = await client.request('subscriptions/listen', { notifications: { toolsListChanged: true } }, { id: 'listen' });
    expect(factsOf(listen)).toEqual(refused('listen'));
    expect((await new ModernClient(server.url).call('echo')).content[0].text).toBe('echo');
  });

  it('answers the POST of HTTP+SSE 429, and nothing on the stream', async () => {
    await using server = await start({ limits: { callsPerMinute: 2 } });
    const session = await openSse(`${server.url}/sse`);
    expect((await session.request('initialize', initializeParams)).error).toBeUndefined();
    expect((await session.request('ping')).result).toEqual({});
    const late = await session.post(ping('late'));
    expect([late.status, late.headers.get('retry-after')]).toEqual([429, seconds]);
    expect(await late.json()).toMatchObject({ id: 'late', error: { code: -32600 } });
    expect((await session.post({ jsonrpc: '2.0', method: 'notifications/initialized' })).status).toBe(202);
    session.close();
    expect(session.reader.received).toHaveLength(2);
  });

  it('false counts nothing, and guests are one caller unless `principal` tells them apart', async () => {
    await using unlimited = await start({ limits: { callsPerMinute: false, initializesPerMinute: false } });
    const session = await open(unlimited.url);
    const statuses = await Promise.all(Array.from({ length: 50 }, async (_, id) => (await session.send(ping(id))).status));
    expect(new Set(statuses)).toEqual(new Set([200]));
    const limits = { callsPerMinute: 1 };
    await using together = await start({ limits });
    await using apart = await start({ limits, principal: ctx => `guest ${ctx.get('x-forwarded-for')}` });
    for (const [server, status] of [[together, 429] as const, [apart, 200] as const]) {
      const guests = await Promise.all(['1.1.1.1', '2.2.2.2'].map(ip => open(server.url, { headers: { 'x-forwarded-for': ip } })));
      expect((await guests[0]?.send(ping(1)))?.status).toBe(200);
      expect((await guests[1]?.send(ping(1)))?.status).toBe(status);
    }
  });
});

describe('limits.initializesPerMinute', () => {
  it('answers one session too many of a principal 429, by initialize or by a stream of HTTP+SSE, and makes no row', async () => {
    await using server = await start({ limits: { initializesPerMinute: 2 } }, { before: [signIn] });
    const ada = await open(server.url, as('ada'));
    (await openSse(`${server.url}/sse`, as('ada'))).close();
    expect(factsOf(await post(server.url, initialize, as('ada')))).toEqual(refused('i'));
    const stream = await fetch(`${server.url}/sse`, { headers: { accept: 'text/event-stream', 'x-user': 'ada' } });
    expect([stream.status, stream.headers.get('retry-after')]).toEqual([429, seconds]);
    expect(await stream.json()).toMatchObject({
      error: { message: expect.stringContaining('new sessions (more than 2 a minute)') as string },
    });
    expect(await ada.result('ping')).toEqual({});
    await open(server.url, as('grace'));
    await expect.poll(async () => (await server.mcp.sessions.list({ principal: 'ada' })).sessions.length).toBe(1);
  });
});

describe('rateLimiters', () => {
  it('count for all processes together, each in place of the number', async () => {
    const calls = new RateLimiterMemory({ points: 2, duration: 7 });
    await using a = await start({ rateLimiters: { calls } });
    await using b = await start({ rateLimiters: { calls } });
    const [here, there] = [await open(a.url), await open(b.url)];
    expect([await here.result('ping'), await there.result('ping')]).toEqual([{}, {}]);
    const late = await here.send(ping(1));
    expect(late.status).toBe(429);
    expect(Number(late.headers.get('retry-after'))).toBeLessThanOrEqual(7);
    expect(late.response.error?.message).toMatch(/^Too many requests of this caller/u);
  });

  it('may be of Redis', async test => {
    requireRedis(test);
    const client = createClient({ url: redisUrl });
    await client.connect();
    const keyPrefix = `test-${randomUUID()}`;
    const limiter = () => new RateLimiterRedis({ storeClient: client, useRedisPackage: true, keyPrefix, points: 1, duration: 60 });
    await using a = await start({ rateLimiters: { initializes: limiter() } });
    await using b = await start({ rateLimiters: { initializes: limiter() } });
    await open(a.url);
    expect(factsOf(await post(b.url, initialize))).toEqual(refused('i'));
    await client.del(`${keyPrefix}:guests`);
    client.destroy();
  });

  it('that fail let requests through, and are reported once until they work again', async () => {
    let fail: (() => Promise<unknown>) | undefined = () => Promise.reject(new Error('Redis is away'));
    const errors: unknown[] = [];
    const calls = { consume: () => fail?.() ?? Promise.resolve() };
    await using server = await start({ rateLimiters: { calls }, onError: error => errors.push(error) });
    const session = await open(server.url);
    for (let times = 0; times < 3; times += 1) expect(await session.result('ping')).toEqual({});
    expect(errors.map(error => [(error as Error).message, ((error as Error).cause as Error).message])).toEqual([
      ['The rate limiter does not work; requests are let through until it does', 'Redis is away'],
    ]);
    await delay(1100);
    expect(await session.result('ping')).toEqual({});
    expect(errors).toHaveLength(1);
    fail = undefined;
    await delay(1100);
    expect(await session.result('ping')).toEqual({});
    fail = () => {
      throw new Error('thrown, not rejected');
    };
    expect(await session.result('ping')).toEqual({});
    expect(errors).toHaveLength(2);
    await delay(1100);
    fail = () => new RateLimiterMemory({ points: 1, duration: 2 }).consume('any', 2);
    const late = await session.send(ping(1));
    expect([late.status, late.headers.get('retry-after')]).toEqual([429, '2']);
  });

  it('that never answer delay the first request and no further ones', async () => {
    const errors: unknown[] = [];
    let asked = 0;
    const consume = () => {
      asked += 1;
      return new Promise(() => undefined);
    };
    await using server = await start({ rateLimiters: { calls: { consume } }, onError: error => errors.push(error) });
    const session = await open(server.url);
    for (let times = 0; times < 5; times += 1) expect(await session.result('ping')).toEqual({});
    expect([asked, errors.length]).toEqual([1, 1]);
  });
});
