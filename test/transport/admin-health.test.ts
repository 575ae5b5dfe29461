import { request } from 'node:http';
import type Koa from 'koa';
import { describe, expect, it } from 'vitest';
import { memoryBus, memoryStore } from '../../src/index.ts';
import { Health } from '../../src/transport/admin.ts';
import { recorded } from '../session/fixtures.ts';
import { start } from '../support/server.ts';

async function probe(url: string, method = 'GET') {
  const response = await fetch(url, { method });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text), headers: response.headers };
}

/** The host's own answer to all that is not the endpoint's. */
const host: Koa.Middleware = ctx => {
  ctx.body = 'host';
};

/** A request under another name than that of the server. */
function statusUnder(host: string, url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host, origin: `http://${host}` } }, response => resolve(response.resume().statusCode))
      .on('error', reject)
      .end();
  });
}

describe('<path>/health', () => {
  it('answers 200 to GET and HEAD, below any prefix, and says nothing but ok', async () => {
    await using server = await start({ path: '/api/mcp' });
    for (const path of ['health', 'health/live']) {
      const { status, body, headers } = await probe(`${server.url}/${path}`);
      expect([status, body]).toEqual([200, { status: 'ok' }]);
      expect([headers.get('cache-control'), headers.get('content-type')]).toEqual(['no-store', 'application/json; charset=utf-8']);
      expect(await probe(`${server.url}/${path}`, 'HEAD')).toMatchObject({ status: 200, body: undefined });
    }
  });

  it('answers probes that come under an address the endpoint refuses', async () => {
    await using server = await start({ allowedHosts: ['mcp.example.com'] });
    expect(await statusUnder('10.1.2.3:8080', server.url)).toBe(403);
    expect(await statusUnder('10.1.2.3:8080', `${server.url}/health`)).toBe(200);
    expect(await statusUnder('10.1.2.3:8080', `${server.url}/health/live`)).toBe(200);
  });

  it('leaves other methods, and paths behind it, to the host', async () => {
    await using server = await start({}, { after: [host] });
    for (const [path, method] of [
      ['health', 'POST'],
      ['health/ready', 'GET'],
      ['healthz', 'GET'],
    ] as const) {
      expect(await (await fetch(`${server.url}/${path}`, { method })).text()).toBe('host');
    }
  });

  it('answers 503 while the database is away, without a word of why, and 200 when it is back', async () => {
    let isAway = false;
    const away = () => {
      if (isAway) throw new Error('db.internal:5432');
    };
    await using server = await start({ sessions: { store: recorded(memoryStore(), away).store } });
    expect((await probe(`${server.url}/health`)).status).toBe(200);
    isAway = true;
    await expect.poll(async () => (await probe(`${server.url}/health`)).status, { timeout: 5_000 }).toBe(503);
    const { body, headers } = await probe(`${server.url}/health`);
    expect([body, headers.get('retry-after')]).toEqual([{ status: 'unavailable', missing: ['database'] }, '1']);
    expect((await probe(`${server.url}/health/live`)).status).toBe(200);
    isAway = false;
    await expect.poll(async () => (await probe(`${server.url}/health`)).status, { timeout: 5_000 }).toBe(200);
    expect(new Set(server.errors.splice(0).map(String))).toEqual(new Set(['Error: db.internal:5432']));
  });

  it('answers 200 while the bus is not ready, and says that wake-ups are missing: the process serves by looking', async () => {
    const bus = memoryBus();
    await using server = await start({ bus });
    await bus.close();
    expect(await probe(`${server.url}/health`)).toMatchObject({ status: 200, body: { status: 'ok', slow: ['bus'] } });
    expect((await probe(`${server.url}/health/live`)).status).toBe(200);
  });

  it('answers 503 as soon as the service is closing', async () => {
    await using server = await start({});
    const closing = server.mcp.close();
    expect(await probe(`${server.url}/health`)).toMatchObject({ status: 503, body: { status: 'unavailable', missing: ['closing'] } });
    expect((await probe(`${server.url}/health/live`)).status).toBe(200);
    await closing;
  });
});

describe('the query behind it', () => {
  const health = (query: () => Promise<unknown>, options: { queryMs?: number; cacheMs?: number } = {}) => {
    const errors: unknown[] = [];
    const made = new Health({ query, bus: { ready: true }, isClosing: () => false, onError: error => errors.push(error), ...options });
    return { check: () => made.check(), errors };
  };

  it('runs once for all probes of a second', async () => {
    let queries = 0;
    const { check } = health(async () => (queries += 1));
    await Promise.all(Array.from({ length: 50 }, check));
    for (let i = 0; i < 50; i++) await check();
    expect(queries).toBe(1);
  });

  it('is reported once for each outage, however many probes fail', async () => {
    let isAway = true;
    const { check, errors } = health(() => (isAway ? Promise.reject(new Error('away')) : Promise.resolve()), { cacheMs: 0 });
    for (const away of [true, true, false, true, true]) {
      isAway = away;
      expect(await check()).toEqual(away ? ['database'] : []);
    }
    expect(errors.map(String)).toEqual(['Error: away', 'Error: away']);
  });

  it('counts as failed when it hangs, is not sent a second time meanwhile, and counts again when it comes through', async () => {
    let queries = 0;
    let answer: (() => void) | undefined;
    const hanging = () => {
      queries += 1;
      return new Promise<void>(resolve => {
        answer = resolve;
      });
    };
    const { check, errors } = health(hanging, { queryMs: 100, cacheMs: 1 });
    expect(await check()).toEqual(['database']);
    await expect.poll(check).toEqual(['database']);
    expect([queries, errors.map(String)]).toEqual([1, ['Error: The database has not answered a health probe for 100 ms']]);
    answer?.();
    await expect
      .poll(() => {
        answer?.();
        return check();
      })
      .toEqual([]);
  });

  it('is given up for another one when it has hung for five times its time, and not before', async () => {
    const sentAt: number[] = [];
    const { check, errors } = health(
      () => {
        sentAt.push(performance.now());
        return sentAt.length === 1 ? new Promise(() => undefined) : Promise.resolve();
      },
      { queryMs: 30, cacheMs: 0 },
    );
    await expect.poll(check, { timeout: 10_000 }).toEqual([]);
    expect(sentAt).toHaveLength(2);
    expect((sentAt[1] as number) - (sentAt[0] as number)).toBeGreaterThanOrEqual(150);
    expect(errors.map(String)).toEqual(['Error: The database has not answered a health probe for 30 ms']);
  });
});
