import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Bus } from '../../src/bus/bus.ts';
import type { PostgresBusOptions } from '../../src/bus/postgres-bus.ts';
import { postgresBus } from '../../src/bus/postgres-bus.ts';
import { describePostgres } from '../support/database.ts';
import type { PostgresServer } from './postgres-server.ts';
import { openPostgres } from './postgres-server.ts';
import { reconnectSuite } from './reconnect-suite.ts';
import { busSuite } from './suite.ts';
import { listen, settle, untilReady } from './woken.ts';

describePostgres('over PostgreSQL', () => {
  busSuite('PostgreSQL', async () => {
    const server = await openPostgres();
    const connect = () => new pg.Client(server.url);
    return { isQuiet: true, bus: async ({ onError }) => postgresBus({ connect, onError }), close: () => server.close() };
  });
  reconnectSuite('PostgreSQL', openPostgres);
  describe('postgresBus', ownTests);
});

function ownTests(): void {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await openPostgres();
  });
  afterAll(() => server.close());
  const connect = () => new pg.Client(server.url);
  const open = async (options: Partial<PostgresBusOptions> = {}) => {
    const bus = postgresBus({ connect, ...options });
    await untilReady(bus);
    return bus;
  };

  it('asks for no client before its first use, so that a process which uses it for nothing ends', async () => {
    const asked = vi.fn(connect);
    const unused = postgresBus({ connect: asked });
    await unused.close();
    expect(asked).not.toHaveBeenCalled();
    for (const use of [bus => bus.publish('a'), bus => bus.subscribe('a', () => {}), bus => bus.ready] satisfies ((
      bus: Bus,
    ) => unknown)[]) {
      const used = postgresBus({ connect: asked });
      use(used);
      await untilReady(used);
      await used.close();
    }
    expect(asked).toHaveBeenCalledTimes(3);
  });

  it('sends many topics of one turn in one query, and never 8,000 bytes in one notification', async () => {
    const queries: unknown[][] = [];
    const bus = await open({
      connect: () => {
        const client = connect();
        const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
        client.query = ((...args: unknown[]) => {
          queries.push(args);
          return query(...args);
        }) as typeof client.query;
        return client;
      },
    });
    const other = await open();
    queries.length = 0;
    const woken = Array.from({ length: 300 }, (_, i) => listen(other, `${'字'.repeat(190)}${i}`));
    for (const { topic } of woken) bus.publish(topic);
    await Promise.all(woken.map(each => each.times(1)));
    expect(queries).toHaveLength(1);
    const payloads = (queries[0] as [{ values: [string, string[]] }])[0].values[1];
    expect(payloads.length).toBeGreaterThan(40);
    for (const payload of payloads) expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(7_000);
    await Promise.all([bus.close(), other.close()]);
  });

  it('keeps channels apart, whatever their names', async () => {
    const names = ['koa_mcp', 'Koa_MCP', `it's "quoted"; UNLISTEN *`, 'x'.repeat(63)];
    const topic = randomUUID();
    const buses = await Promise.all(names.flatMap(channel => [open({ channel }), open({ channel })]));
    const woken = buses.map(bus => listen(bus, topic));
    buses[2]?.publish(topic);
    await Promise.all([woken[2]?.times(1), woken[3]?.times(1)]);
    for (const bus of buses) await settle(bus, bus);
    expect(woken.map(each => each.count)).toEqual([0, 0, 1, 1, 0, 0, 0, 0]);
    await Promise.all(buses.map(bus => bus.close()));
  });

  it('leaves alone what its client hears on another channel', async () => {
    const client = connect();
    const [bus, other, sender] = [await open({ connect: () => client }), await open({ channel: 'elsewhere' }), await open()];
    await client.query('LISTEN elsewhere');
    const woken = listen(bus);
    other.publish(woken.topic);
    await settle(other, other);
    // PostgreSQL delivers notifications in the order of their commits.
    await settle(sender, bus);
    expect(woken.count).toBe(0);
    await Promise.all([bus.close(), other.close(), sender.close()]);
  });

  it('leaves alone what anybody else says on its channel', async () => {
    const onError = vi.fn();
    const bus = await open({ onError });
    const woken = listen(bus, 'x');
    const client = connect();
    await client.connect();
    for (const payload of ['', 'hello', '7', 'null', '{"from":1,"topics":["x"]}', '{"from":"a"}', '{"from":"a","topics":{"x":1}}']) {
      await client.query('SELECT pg_notify($1, $2)', ['koa_mcp', payload]);
    }
    await client.query('SELECT pg_notify($1, $2)', ['koa_mcp', '{"from":"a","topics":[1,null,"x"]}']);
    await woken.times(1);
    await client.end();
    await bus.close();
    expect([woken.count, onError.mock.calls]).toEqual([1, []]);
  });

  it('takes a client out of a pool and destroys it at the end, so that the pool can be ended', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 2 });
    const bus = await open({ connect: () => pool.connect() });
    const other = await open();
    const woken = listen(bus);
    other.publish(woken.topic);
    await woken.times(1);
    expect([pool.totalCount, pool.idleCount]).toEqual([1, 0]);
    await Promise.all([bus.close(), other.close()]);
    expect(pool.totalCount).toBe(0);
    const { rows } = await pool.query('SELECT 1 AS one');
    expect(rows).toEqual([{ one: 1 }]);
    await pool.end();
  });

  it('notices a connection on which the server has gone silent, and takes another', async () => {
    await using node = await server.node(false, { probeIntervalMs: 20, timeoutMs: 200 });
    await untilReady(node.bus);
    const [woken, other] = [listen(node.bus), await open()];
    node.proxy.stall();
    await woken.times(1);
    await untilReady(node.bus);
    other.publish(woken.topic);
    await woken.times(2);
    expect(node.errors.map(error => error.message)).toEqual([
      expect.stringMatching(/no answer within 200 ms to (a|the echo of a) notification/),
    ]);
    expect(node.clients.map(client => client.connection.stream.destroyed)).toEqual([true, false]);
    await other.close();
  });

  it('says so when notifications do not come round, as through a pooler in transaction mode', async () => {
    const errors: Error[] = [];
    const bus = postgresBus({
      timeoutMs: 100,
      onError: error => errors.push(error),
      connect: () => {
        const client = connect();
        const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
        // A pooler may run LISTEN on one server connection and the rest on another.
        client.query = ((...args: unknown[]) =>
          query(...(String(args[0]).startsWith('LISTEN') ? ['SELECT 1'] : args))) as typeof client.query;
        return client;
      },
    });
    expect(bus.ready).toBe(false);
    await vi.waitFor(() => expect(errors).toHaveLength(1));
    expect(errors[0]?.message).toMatch(/no answer within 100 ms to the echo of a notification \(LISTEN needs a connection of its own/);
    expect(bus.ready).toBe(false);
    await bus.close();
  });

  it('tries again when `connect` throws, rejects, or gives nothing in time, and closes a client that comes late', async () => {
    const late = connect();
    const ended = vi.spyOn(late, 'end');
    let deliver: (client: pg.Client) => void = () => {};
    const attempts: (() => pg.Client | Promise<pg.Client>)[] = [
      () => {
        throw new Error('thrown by connect');
      },
      () => Promise.reject(new Error('rejected by connect')),
      () =>
        new Promise(resolve => {
          deliver = resolve;
        }),
    ];
    const errors: Error[] = [];
    const bus = postgresBus({ timeoutMs: 500, onError: error => errors.push(error), connect: () => (attempts.shift() ?? connect)() });
    await untilReady(bus);
    expect(errors.map(error => error.message.replace(/^.*again: /, ''))).toEqual([
      'thrown by connect',
      'rejected by connect',
      '`connect` gave no client within 500 ms',
    ]);
    deliver(late);
    await vi.waitFor(() => expect(ended).toHaveBeenCalled());
    await bus.close();
  });

  it('closes while `connect` hangs', async () => {
    const onError = vi.fn();
    const bus = postgresBus({ connect: () => new Promise(() => {}), onError });
    await bus.close();
    expect([bus.ready, onError.mock.calls]).toEqual([false, []]);
  });

  it('leaves no connection on the server', async () => {
    const name = randomUUID();
    const bus = await open({ connect: () => new pg.Client({ connectionString: server.url, application_name: name }) });
    expect(await server.connections(name)).toHaveLength(1);
    await bus.close();
    await vi.waitFor(async () => expect(await server.connections(name)).toEqual([]));
  });

  it.each([
    ['connect', { connect: undefined }],
    ['connect', { connect: new pg.Client() }],
    ['channel', { channel: '' }],
    ['channel', { channel: 'x'.repeat(64) }],
    ['channel', { channel: 'a\0b' }],
  ])('refuses an impossible `%s` at start-up', (name, options) => {
    expect(() => postgresBus({ connect, ...options } as PostgresBusOptions)).toThrow(new RegExp(`^postgresBus.${name}: `));
  });
}
