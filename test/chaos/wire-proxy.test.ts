import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { EmptyDatabase } from '../support/database.ts';
import { describePostgres, emptyDatabase } from '../support/database.ts';
import { WireMessages } from './wire-messages.ts';
import type { WireProxy } from './wire-proxy.ts';
import { openWireProxy } from './wire-proxy.ts';

describePostgres('the road to PostgreSQL', () => {
  let database: EmptyDatabase;
  let direct: pg.Client;
  beforeAll(async () => {
    database = await emptyDatabase('postgresql');
    direct = new pg.Client(database.url);
    await direct.connect();
    await direct.query('CREATE TABLE note (id int PRIMARY KEY)');
  });
  afterAll(async () => {
    await direct.end();
    await database[Symbol.asyncDispose]();
  });

  const ids = async () => (await direct.query<{ id: number }>('SELECT id FROM note ORDER BY id')).rows.map(({ id }) => id);
  const insert = (client: pg.Client, id: number) => client.query('INSERT INTO note (id) VALUES ($1)', [id]);
  /** A proxy, and clients through it, with an empty table. */
  const start = async () => {
    await direct.query('TRUNCATE note');
    const { hostname, port } = new URL(database.url);
    const proxy = await openWireProxy({ host: hostname, port: Number(port || 5432) });
    const clients: pg.Client[] = [];
    return {
      proxy,
      async client() {
        const url = Object.assign(new URL(database.url), { hostname: '127.0.0.1', port: `${proxy.port}` });
        const client = new pg.Client(url.href);
        client.on('error', () => {});
        clients.push(client);
        await client.connect();
        return client;
      },
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]();
        await Promise.all(clients.map(client => client.end()));
      },
    };
  };
  /** Loses the answers to writes, and notes what the table held each time. */
  const loseAnswers = (proxy: WireProxy) => {
    const seen: Promise<number[]>[] = [];
    proxy.losesAnswer = () => {
      seen.push(ids());
      return true;
    };
    return seen;
  };

  it('loses the answer to a write when the server has committed it, and resets its connection', async () => {
    await using road = await start();
    const [client, other] = [await road.client(), await road.client()];
    const seen = loseAnswers(road.proxy);
    await expect(insert(client, 1)).rejects.toThrow(/terminated|ECONNRESET/u);
    expect(await Promise.all(seen)).toEqual([[1]]);
    expect(road.proxy.lostAnswers).toBe(1);
    expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('loses neither the answer to what has written nothing, nor to a write that may still be rolled back', async () => {
    await using road = await start();
    const client = await road.client();
    const seen = loseAnswers(road.proxy);
    await client.query('SELECT * FROM note');
    await client.query('DELETE FROM note');
    await client.query('BEGIN');
    await insert(client, 1);
    await client.query('ROLLBACK');
    await client.query('SELECT * FROM note');
    await insert(client, Number.NaN).catch(() => undefined);
    await client.query('BEGIN; COMMIT');
    expect(seen).toEqual([]);

    await client.query('BEGIN');
    await insert(client, 2);
    await insert(client, 3);
    expect(seen).toEqual([]);
    await expect(client.query('COMMIT')).rejects.toThrow(/terminated|ECONNRESET/u);
    expect(await Promise.all(seen)).toEqual([[2, 3]]);
  });

  it('asks of each committed write, and forwards the answers it is not to lose', async () => {
    await using road = await start();
    const client = await road.client();
    let asked = 0;
    road.proxy.losesAnswer = () => ++asked === 3;
    expect((await insert(client, 1)).rowCount).toBe(1);
    expect((await client.query('UPDATE note SET id = 2 RETURNING id')).rows).toEqual([{ id: 2 }]);
    await expect(client.query('DELETE FROM note')).rejects.toThrow(/terminated|ECONNRESET/u);
    expect([asked, road.proxy.lostAnswers, await ids()]).toEqual([3, 1, []]);
  });

  it('carries notifications that come to a connection without a question', async () => {
    await using road = await start();
    const [listener, sender] = [await road.client(), await road.client()];
    await listener.query('LISTEN chaos');
    const heard = new Promise<string | undefined>(resolve => {
      listener.once('notification', ({ payload }) => resolve(payload));
    });
    await sender.query("NOTIFY chaos, 'hello'");
    expect(await heard).toBe('hello');
  });

  it('cuts a query in the middle, which is then not done, and an answer, when it is done', async () => {
    await using road = await start();
    const [first, second] = [await road.client(), await road.client()];
    road.proxy.cutNext('query');
    await expect(insert(first, 1)).rejects.toThrow(/terminated|ECONNRESET/u);
    expect(await ids()).toEqual([]);
    road.proxy.cutNext('answer');
    await expect(insert(second, 2)).rejects.toThrow(/terminated|ECONNRESET/u);
    await expect.poll(ids).toEqual([2]);
    const third = await road.client();
    expect((await insert(third, 3)).rowCount).toBe(1);
  });

  it('resets all connections, and lets in new ones', async () => {
    await using road = await start();
    const client = await road.client();
    const waiting = client.query('SELECT pg_sleep(60)');
    waiting.catch(() => undefined);
    expect(road.proxy.cut()).toBe(1);
    await expect(waiting).rejects.toThrow(/terminated|ECONNRESET/u);
    expect((await (await road.client()).query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('swallows everything without a word, and delivers it late', async () => {
    await using road = await start();
    const client = await road.client();
    const heal = road.proxy.swallow();
    let isSettled = false;
    const [written, connected] = [insert(client, 1), road.client()];
    written.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    // The server is asked twice in between, over another road.
    expect([await ids(), await ids(), isSettled]).toEqual([[], [], false]);
    heal('deliver');
    expect((await written).rowCount).toBe(1);
    expect((await (await connected).query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(await ids()).toEqual([1]);
  });

  it('swallows everything, and resets the connections in the end', async () => {
    await using road = await start();
    const client = await road.client();
    const heal = road.proxy.swallow();
    const written = insert(client, 1);
    written.catch(() => undefined);
    expect(await ids()).toEqual([]);
    heal('reset');
    await expect(written).rejects.toThrow(/terminated|ECONNRESET/u);
    expect((await insert(await road.client(), 2)).rowCount).toBe(1);
    expect(await ids()).toEqual([2]);
  });

  it('takes its time each way, and keeps the order', async () => {
    await using road = await start();
    const client = await road.client();
    road.proxy.latencyMs = 50;
    const startedAt = performance.now();
    for (const n of [1, 2, 3]) expect((await client.query('SELECT $1::int AS n', [n])).rows).toEqual([{ n }]);
    // Three times there and back; timers may fire a little early.
    expect(performance.now() - startedAt).toBeGreaterThan(290);
    road.proxy.latencyMs = 0;
    const big = await client.query<{ text: string }>("SELECT repeat('x', 5000000) AS text");
    expect(big.rows[0]?.text.length).toBe(5_000_000);
  });
});

it('messages are put together again, however the connection cuts them', () => {
  const all = Buffer.from('5a0000000549' + '430000000b53454c45435400' + '3100000004', 'hex');
  const byteByByte = new WireMessages();
  const taken = [...all].flatMap(byte => byteByByte.take(Buffer.from([byte])));
  expect(taken.map(message => String.fromCharCode(message[0] ?? 0))).toEqual(['Z', 'C', '1']);
  expect(Buffer.concat(taken)).toEqual(all);
  expect(new WireMessages().take(all)).toEqual(taken);
});
