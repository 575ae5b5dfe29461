import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { memoryBus } from '../../src/bus/bus.ts';
import type { McpOptions } from '../../src/index.ts';
import { memoryStore } from '../../src/index.ts';
import { away, disturbed, held } from '../delivery/fixtures.ts';
import { start } from '../support/server.ts';
import type { WireSession } from '../support/wire.ts';
import { open, post } from '../support/wire.ts';

const hourMs = 3_600_000;

/** Two endpoints over one store and one bus. They never read the log or the row of a session again by themselves. */
async function openPair(options: Partial<McpOptions['sessions']> = {}) {
  const [store, bus] = [memoryStore(), memoryBus()];
  const open = async () => {
    const disturbance = disturbed(store);
    const sessions = { store: disturbance.store, cacheMs: hourMs, lookMs: hourMs, ...options };
    return Object.assign(await start({ bus, sessions }), disturbance);
  };
  const [a, b] = [await open(), await open()];
  const close = async () => {
    await b[Symbol.asyncDispose]();
    await a[Symbol.asyncDispose]();
  };
  return { a, b, [Symbol.asyncDispose]: close };
}

/** The status of a request of a session. */
const ping = async ({ headers }: WireSession, { url }: { url: string }): Promise<number> =>
  (await post(url, { jsonrpc: '2.0', id: 1, method: 'ping' }, { headers })).status;

describe('a session that has ended at one endpoint', () => {
  it('is answered 404 at the other from the answer to its DELETE on', async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    a.disturb('append', async run => {
      await delay(5);
      return run();
    });
    for (let round = 0; round < 20; round += 1) {
      const session = await open(a.url);
      expect(await ping(session, b)).toBe(200);
      expect((await fetch(a.url, { method: 'DELETE', headers: session.headers })).status).toBe(204);
      expect(await ping(session, b)).toBe(404);
    }
  });

  it('is answered 404 at the other once an operator has ended it, while other sessions go on', async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    const [session, other] = [await open(a.url), await open(a.url)];
    expect([await ping(session, b), await ping(other, b)]).toEqual([200, 200]);
    const finds = b.count('find');
    await a.mcp.sessions.end(session.id);
    expect([await ping(session, b), await ping(other, b)]).toEqual([404, 200]);
    // Only the row of the session that has ended was asked for.
    expect(b.count('find')).toBe(finds + 1);
  });

  it('is answered 404 at the other once it had to give way to a newer one', async () => {
    await using pair = await openPair({ maxPerPrincipal: 1 });
    const { a, b } = pair;
    const session = await open(a.url);
    expect(await ping(session, b)).toBe(200);
    await open(a.url);
    await expect.poll(() => ping(session, a)).toBe(404);
    expect(await ping(session, b)).toBe(404);
  });

  it('is answered 404 at the other even if that cannot read the log, because it reads the row', async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    const session = await open(a.url);
    expect(await ping(session, b)).toBe(200);
    const end = b.disturb('read', away);
    await fetch(a.url, { method: 'DELETE', headers: session.headers });
    expect(await ping(session, b)).toBe(404);
    end();
    expect(b.errors.splice(0).length).toBeGreaterThan(0);
  });

  it('is answered 404 at the other if it ended while that looked for the end of the log', async () => {
    await using pair = await openPair();
    const { a, b } = pair;
    const session = await open(a.url);
    const { disturbance, proceed } = held();
    b.disturb('latest', disturbance);
    // This first request of the endpoint reads the row, and then waits for the log.
    const first = ping(session, b);
    await expect.poll(() => b.count('find')).toBe(1);
    await fetch(a.url, { method: 'DELETE', headers: session.headers });
    proceed();
    await first;
    expect(await ping(session, b)).toBe(404);
  });
});

describe('an endpoint that ends a session', () => {
  it('does not read the log for that', async () => {
    await using pair = await openPair();
    const { a } = pair;
    const [session, other] = [await open(a.url), await open(a.url)];
    const end = a.disturb('read', () => new Promise(() => undefined));
    await fetch(a.url, { method: 'DELETE', headers: session.headers });
    expect(await ping(other, a)).toBe(200);
    end();
  });

  it('answers the DELETE within `storeMs` if the database takes no event', async () => {
    const disturbance = disturbed();
    await using server = await start({ sessions: { store: disturbance.store }, limits: { storeMs: 100 } });
    const session = await open(server.url);
    const end = disturbance.disturb('append', away);
    expect((await fetch(server.url, { method: 'DELETE', headers: session.headers })).status).toBe(204);
    end();
    expect(server.errors.splice(0)).toHaveLength(1);
  });
});
