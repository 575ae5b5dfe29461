import { PrismaLibSql } from '@prisma/adapter-libsql';
import { describe, expect, it } from 'vitest';
import type { CheckedClient, SqliteAdapterFactory } from '../../src/store/sqlite-adapter.ts';
import { assertSharableSqlite, sqliteAdapter } from '../../src/store/sqlite-adapter.ts';
import { openDatabase, requirePostgres } from '../support/database.ts';
import { start } from '../support/server.ts';
import { post } from '../support/wire.ts';
import { oneConnection, sqliteFile } from './sqlite-processes.ts';

const remedy =
  "Wrap the adapter: new PrismaClient({ adapter: sqliteAdapter(new PrismaLibSql({ url: 'file:./dev.db' })) }), with sqliteAdapter of 'koa-mcp'.";

describe('the check of a SQLite client', () => {
  it('passes a wrapped adapter on a file as it was made, which is in WAL mode afterwards, also for another client', async () => {
    await using file = await sqliteFile('delete');
    await assertSharableSqlite(file.client(sqliteAdapter(new PrismaLibSql({ url: file.url }))));
    expect(await file.client(new PrismaLibSql({ url: file.url })).$queryRaw`PRAGMA journal_mode`).toEqual([{ journal_mode: 'wal' }]);
  });

  it('refuses a file that is not in WAL mode', async () => {
    await using file = await sqliteFile('delete');
    await expect(assertSharableSqlite(file.client(new PrismaLibSql({ url: file.url, timeout: 10_000 })))).rejects.toThrow(
      new TypeError(
        `prisma: the SQLite file ${file.path} is in journal mode delete, where one process that reads makes the commit of another fail. ${remedy}`,
      ),
    );
  });

  it('refuses a file that a wrapped adapter could not put into WAL mode', async () => {
    await using file = await sqliteFile('delete');
    const prisma = file.client(sqliteAdapter(withoutWal(new PrismaLibSql({ url: file.url }))));
    await expect(assertSharableSqlite(prisma)).rejects.toThrow(
      new TypeError(
        `prisma: the SQLite file ${file.path} stays in journal mode delete, where one process that reads makes the commit of another fail. ` +
          'Move it to a local disk: WAL mode needs shared memory.',
      ),
    );
  });

  it('refuses an adapter that does not wait for other processes', async () => {
    await using file = await sqliteFile('wal');
    await expect(assertSharableSqlite(file.client(new PrismaLibSql({ url: file.url, timeout: 4_999 })))).rejects.toThrow(
      new TypeError(
        `prisma: this client waits 4999 ms while another process writes to ${file.path} (PRAGMA busy_timeout), and needs 5000. ${remedy}`,
      ),
    );
  });

  it('refuses libsql, whatever it is set to', async () => {
    await using file = await sqliteFile('wal');
    await expect(assertSharableSqlite(file.client(new PrismaLibSql({ url: file.url, timeout: 10_000 })))).rejects.toThrow(
      new TypeError(
        `prisma: after one SQLITE_BUSY this libsql client acknowledges writes to ${file.path} and does not commit them. ${remedy}`,
      ),
    );
  });

  it.each(['at first', 'when asked again'])('refuses an adapter that runs other queries in an open transaction, %s', async time => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(oneConnection(new PrismaLibSql({ url: file.url, timeout: 10_000 })));
    if (time === 'when asked again') await assertSharableSqlite(prisma).catch(() => undefined);
    await expect(assertSharableSqlite(prisma)).rejects.toThrow(
      new TypeError(
        `prisma: this client runs other queries inside an open transaction, so they are rolled back with it, in ${file.path}. ${remedy}`,
      ),
    );
  });

  it('passes such an adapter that is wrapped, and leaves nothing behind in the file', async () => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(sqliteAdapter(oneConnection(new PrismaLibSql({ url: file.url }))));
    await assertSharableSqlite(prisma);
    expect(await prisma.$queryRaw`SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite%'`).toEqual([{ name: 'Ledger' }]);
  });

  it('passes a database in memory, and leaves its tables alone', async () => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(new PrismaLibSql({ url: ':memory:' }));
    await prisma.$executeRaw`CREATE TABLE Ledger (id INTEGER)`;
    await assertSharableSqlite(prisma);
    expect(await prisma.$queryRaw`SELECT id FROM Ledger`).toEqual([]);
  });

  it('throws what Prisma throws where the file cannot be opened', async () => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(sqliteAdapter(new PrismaLibSql({ url: 'file:/nowhere/at/all.db' })));
    await expect(assertSharableSqlite(prisma)).rejects.toThrow('/nowhere/at/all.db');
  });
});

describe('the check of a client of another database', () => {
  it('passes PostgreSQL after one query that is no error there', async test => {
    await requirePostgres(test);
    await using database = await openDatabase('postgresql');
    const asked: Promise<unknown>[] = [];
    const client = new Proxy<CheckedClient>(database.prisma, {
      get(target, property) {
        if (property !== '$queryRawUnsafe') throw new Error(`${String(property)} is not for PostgreSQL`);
        return (sql: string) => {
          const answer = target.$queryRawUnsafe(sql);
          asked.push(answer);
          return answer;
        };
      },
    });
    await assertSharableSqlite(client);
    expect(await Promise.allSettled(asked)).toMatchObject([{ status: 'fulfilled' }]);
  });
});

describe('a server whose SQLite client cannot be shared', () => {
  it('warns its process with the first request, after one check', async () => {
    await using database = await openDatabase('sqlite', { record: true });
    await using server = await start({ prisma: database.prisma });
    const checks = () => database.statements.filter(statement => statement.startsWith('SELECT CASE')).length;
    expect(checks()).toBe(0);
    const warning = new Promise<Error>(resolve => process.once('warning', resolve));
    for (let request = 0; request < 3; request += 1) await post(server.url, {});
    const message = expect.stringContaining('after one SQLITE_BUSY this libsql client acknowledges writes');
    expect(await warning).toMatchObject({ name: 'KoaMcpWarning', message });
    expect(checks()).toBe(1);
  });
});

/** As on a file system where WAL mode cannot be had: SQLite then stays in the mode it is in, and reports no error. */
function withoutWal(factory: PrismaLibSql): SqliteAdapterFactory {
  return {
    provider: 'sqlite',
    adapterName: factory.adapterName,
    async connect() {
      const connection = await factory.connect();
      const queryRaw = connection.queryRaw.bind(connection);
      const nothing = { columnNames: [], columnTypes: [], rows: [] };
      connection.queryRaw = query => (query.sql.includes('journal_mode =') ? Promise.resolve(nothing) : queryRaw(query));
      return connection;
    },
  };
}
