import net from 'node:net';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../src/errors.ts';
import { bounded } from '../../src/store/outage.ts';
import { prismaStore } from '../../src/store/prisma-store.ts';
import type { Store } from '../../src/store/store.ts';
import type { TestDatabase } from '../support/database.ts';
import { describePostgres, openDatabase } from '../support/database.ts';
import { newEvent, newId, newSession } from './fixtures.ts';

const unavailable = { name: 'StoreUnavailable', message: expect.stringContaining('the database is away or too busy') };

describePostgres('prismaStore over PostgreSQL', () => {
  let database: TestDatabase;
  const role = `koa_mcp_test_role_${process.pid}`;
  beforeAll(async () => {
    database = await openDatabase('postgresql');
    await run(database.url, `CREATE ROLE ${role} LOGIN CONNECTION LIMIT 1; GRANT SELECT ON "McpSession" TO ${role}`);
  });
  afterAll(async () => {
    await run(database.url, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await database.close();
  });

  /** A store with a client of its own, and a way to keep its queries waiting. */
  const open = async (config: pg.PoolConfig = {}) => {
    const { PrismaClient } = await import('../../generated/test/postgresql/client/client.ts');
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: database.url, max: 1, ...config }) });
    return { store: prismaStore(prisma), [Symbol.asyncDispose]: () => prisma.$disconnect() };
  };
  /** Holds a lock that every query of sessions and events waits for, while `work` runs. */
  const whileLocked = async <T>(work: () => Promise<T>): Promise<T> => {
    const holder = new pg.Client({ connectionString: database.url });
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE "McpSession", "McpEvent" IN ACCESS EXCLUSIVE MODE');
    return work().finally(() => holder.end());
  };
  /** The process of the server that serves a query which waits for the lock. */
  const waiting = async (): Promise<number> => {
    const sql = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' LIMIT 1`;
    for (;;) {
      const { rows } = await run(database.url, sql);
      if (rows[0]) return rows[0].pid as number;
    }
  };

  it.each<[string, (store: Store) => Promise<unknown>]>([
    ['read', store => store.find(newId())],
    ['write', store => store.append([newEvent('s', 'a')])],
    ['write of many rows', store => store.append([newEvent('s', 'a'), newEvent('s', 'b')])],
  ])('says that it is away when its connection is terminated in a %s, and serves the next', async (_, call) => {
    await using opened = await open();
    await whileLocked(async () => {
      const pending = call(opened.store);
      const outcome = expect(pending).rejects.toMatchObject(unavailable);
      await run(database.url, `SELECT pg_terminate_backend(${await waiting()})`);
      await outcome;
    });
    await call(opened.store);
  });

  it.each(['end', 'destroy', 'resetAndDestroy'] as const)('says so when the network ends a connection in the middle: %s', async how => {
    await using proxy = await listen(socket => {
      const upstream = net.connect(Number(new URL(database.url).port || 5432), new URL(database.url).hostname);
      upstream.on('error', () => socket.destroy());
      socket.on('close', () => upstream.destroy());
      socket.pipe(upstream).pipe(socket);
    });
    await using opened = await open({ connectionString: at(database.url, proxy.port) });
    await whileLocked(async () => {
      const outcome = expect(opened.store.find(newId())).rejects.toMatchObject(unavailable);
      await waiting();
      for (const socket of proxy.sockets) socket[how]();
      await outcome;
    });
    expect(await opened.store.find(newId())).toBeUndefined();
  });

  it('says so when nobody listens', async () => {
    await using opened = await open({ connectionString: at(database.url, 1) });
    await expect(opened.store.find(newId())).rejects.toMatchObject(unavailable);
  });

  it.each([
    ['57P03', 'the database system is starting up'],
    ['57P01', 'terminating connection due to administrator command'],
    ['53300', 'sorry, too many clients already'],
  ])('says so when the server answers %s to a connection', async (state, text) => {
    await using server = await listen(socket => {
      socket.once('data', () => {
        const fields = Buffer.from(`SFATAL\0VFATAL\0C${state}\0M${text}\0\0`);
        const head = Buffer.alloc(5);
        head.write('E');
        head.writeInt32BE(fields.length + 4, 1);
        socket.end(Buffer.concat([head, fields]));
      });
    });
    await using opened = await open({ connectionString: at(database.url, server.port) });
    await expect(opened.store.find(newId())).rejects.toMatchObject(unavailable);
  });

  it('says so when a server accepts connections and answers nothing', async () => {
    await using server = await listen(() => {});
    await using opened = await open({ connectionString: at(database.url, server.port), connectionTimeoutMillis: 100 });
    await expect(opened.store.find(newId())).rejects.toMatchObject(unavailable);
  });

  it('says so when its role has no connection left', async () => {
    const url = new URL(database.url);
    url.username = role;
    const other = new pg.Client({ connectionString: url.href });
    await other.connect();
    await using opened = await open({ connectionString: url.href });
    await expect(opened.store.find(newId())).rejects.toMatchObject(unavailable);
    await other.end();
  });

  it.each<[string, pg.PoolConfig]>([
    ['statement_timeout', { statement_timeout: 100 }],
    ['lock_timeout', { lock_timeout: 100 }],
    ['query_timeout', { query_timeout: 100 }],
  ])('says so when a query runs into %s', async (_, config) => {
    await using opened = await open(config);
    await whileLocked(() => expect(opened.store.append([newEvent('s', 'a')])).rejects.toMatchObject(unavailable));
    await opened.store.append([newEvent('s', 'a')]);
  });

  it('says so when its pool has no connection in time', async () => {
    await using opened = await open({ connectionTimeoutMillis: 100 });
    const held = await whileLocked(async () => {
      const first = opened.store.find(newId());
      await waiting();
      await expect(opened.store.find(newId())).rejects.toMatchObject(unavailable);
      return { first };
    });
    expect(await held.first).toBeUndefined();
  });

  it('says so when the server only reads, or has no disk', async () => {
    await using opened = await open({ options: '-c default_transaction_read_only=on' });
    await expect(opened.store.create(newSession())).rejects.toMatchObject(unavailable);
    await run(
      database.url,
      `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
       CREATE TRIGGER full_disk BEFORE INSERT ON "McpEvent" FOR EACH ROW WHEN (NEW."stream" = 'full') EXECUTE FUNCTION full_disk()`,
    );
    await expect(prismaStore(database.prisma).append([newEvent('full', 'a')])).rejects.toMatchObject(unavailable);
  });

  it('that hangs is given up in time, and serves again', async () => {
    await using opened = await open();
    const store = bounded(opened.store, 200);
    await whileLocked(async () => {
      const hanging = { name: 'StoreUnavailable', message: 'the store has not answered `append` within 200 ms' };
      await expect(store.append([newEvent('s', 'a')])).rejects.toMatchObject(hanging);
      await expect(store.find(newId())).rejects.toMatchObject({ name: 'StoreUnavailable' });
    });
    await expect.poll(() => store.find(newId()).then(() => 'served', String), { timeout: 5_000 }).toBe('served');
  });

  it('gives Prisma’s own error for what trying again does not help', async () => {
    const { prisma } = database;
    const store = prismaStore(prisma);
    const refusalOf = async (call: Promise<unknown>) => {
      const error: unknown = await call.catch((thrown: unknown) => thrown);
      expect(StoreUnavailable.isError(error)).toBe(false);
      return (error as { code?: unknown }).code;
    };
    expect(await refusalOf(store.append([newEvent('s', 'a\0')]))).toBe('P2039');
    expect(await refusalOf(store.append([newEvent('s', 'a\0'), newEvent('s', 'b')]))).toBe('P2039');
    await run(database.url, 'ALTER TABLE "McpNode" RENAME TO "Gone"');
    expect(await refusalOf(store.beat('a', new Date()))).toBe('P2021');
    await run(database.url, 'ALTER TABLE "Gone" RENAME TO "McpNode"; ALTER TABLE "McpNode" RENAME COLUMN "beat" TO "gone"');
    expect(await refusalOf(store.beats(['a']))).toBe('P2022');
    const none = new URL(database.url);
    none.pathname = '/none_such';
    await using opened = await open({ connectionString: none.href });
    expect(await refusalOf(opened.store.find(newId()))).toBe('P1003');
  });
});

describe('prismaStore over SQLite', () => {
  const open = async (database: TestDatabase) => {
    const { PrismaClient } = await import('../../generated/test/sqlite/client/client.ts');
    const prisma = new PrismaClient({ adapter: new PrismaLibSql({ url: database.url, timeout: 50 }) });
    return { prisma, store: prismaStore(prisma), [Symbol.asyncDispose]: () => prisma.$disconnect() };
  };

  it('says that it is away while another connection writes', async () => {
    await using database = await openDatabase('sqlite');
    const connection = await new PrismaLibSql({ url: database.url }).connect();
    const transaction = await connection.startTransaction();
    await transaction.executeRaw({ sql: `INSERT INTO "McpNode" VALUES ('a', 1, 0)`, args: [], argTypes: [] });
    for (const events of [[newEvent('s', 'a')], [newEvent('s', 'a'), newEvent('s', 'b')]]) {
      // A client of its own for each: libsql's statement that was refused stays open.
      await using opened = await open(database);
      await expect(opened.store.append(events)).rejects.toMatchObject(unavailable);
    }
    await transaction.executeRaw({ sql: 'ROLLBACK', args: [], argTypes: [] });
    await transaction.rollback();
    await connection.dispose();
    await using opened = await open(database);
    await opened.store.append([newEvent('s', 'a')]);
    expect(await opened.store.latest(2)).toHaveLength(1);
  });

  it('says so when the disk is full', async () => {
    await using database = await openDatabase('sqlite');
    await using opened = await open(database);
    // The file may be larger: the databases of other tests are used again. A limit below its size would have no effect.
    await opened.prisma.$executeRaw`VACUUM`;
    await opened.prisma.$queryRaw`PRAGMA max_page_count = 100`;
    await expect(opened.store.append([newEvent('s', 'x'.repeat(900_000))])).rejects.toMatchObject(unavailable);
  });

  it('gives Prisma’s own error for a table that is not there', async () => {
    await using database = await openDatabase('sqlite');
    await database.prisma.$executeRaw`DROP TABLE "McpNode"`;
    await expect(prismaStore(database.prisma).beats(['a'])).rejects.toMatchObject({ code: expect.stringMatching(/^P20/) });
  });
});

async function run(connectionString: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client.query(sql).finally(() => client.end());
}

/** The same URL with the port of a server of this process. */
function at(url: string, port: number): string {
  const changed = new URL(url);
  changed.host = `127.0.0.1:${port}`;
  return changed.href;
}

async function listen(handle: (socket: net.Socket) => void) {
  const sockets = new Set<net.Socket>();
  const server = net.createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    handle(socket);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => server.close(resolve));
  };
  return { port: (server.address() as net.AddressInfo).port, sockets, [Symbol.asyncDispose]: close };
}
