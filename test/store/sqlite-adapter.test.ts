import { readFile } from 'node:fs/promises';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { describe, expect, it } from 'vitest';
import type { PrismaClient } from '../../generated/test/sqlite/client/client.ts';
import type { SqliteAdapterFactory } from '../../src/store/sqlite-adapter.ts';
import { sqliteAdapter } from '../../src/store/sqlite-adapter.ts';
import { oneConnection, sqliteFile } from './sqlite-processes.ts';

/** Of a raw query; of a delegate's method it is P1008. */
const busy = { code: 'P2010', meta: { driverAdapterError: { cause: { kind: 'SocketTimeout' } } } };

const adapters = {
  libsql: (url: string) => new PrismaLibSql({ url }),
  'one connection': (url: string) => oneConnection(new PrismaLibSql({ url })),
};

describe.each(Object.entries(adapters))('a SQLite client with a wrapped adapter (%s)', (_, adapter) => {
  it('commits what it acknowledges after another process has kept it waiting too long', async () => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(sqliteAdapter(adapter(file.url), { timeoutMs: 200 }));
    const other = await file.start();
    await other.order('hold');
    await expect(insert(prisma, 'refused')).rejects.toMatchObject(busy);
    await other.order('release');
    await insert(prisma, 'a');
    await prisma.$transaction(transaction => insert(transaction, 'b'));
    await insert(prisma, 'c');
    expect(await other.order({ keys: true })).toEqual({ keys: ['a', 'b', 'c'] });
  });

  it('waits for another process without stopping its own', async () => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(sqliteAdapter(adapter(file.url), { timeoutMs: 1_000 }));
    await prisma.$transaction(transaction => insert(transaction, 'before'));
    const other = await file.start();
    await other.order('hold');
    const inserted = insert(prisma, 'a');
    // Told only while the insert waits: a driver that stops the process until its time is up would wait in vain.
    await new Promise(resolve => setImmediate(resolve));
    await other.order('release');
    await inserted;
    expect(await other.order({ keys: true })).toEqual({ keys: ['before', 'a'] });
  });

  it('waits for another process in a transaction', async () => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(sqliteAdapter(adapter(file.url)));
    await prisma.$connect();
    const other = await file.start();
    await other.order({ holdMs: 500 });
    await prisma.$transaction(transaction => insert(transaction, 'a'));
    expect(await other.order({ keys: true })).toEqual({ keys: ['a'] });
  });

  it('rolls a transaction back whose commit is refused, and leaves the file to others', async () => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(sqliteAdapter(adapter(file.url)));
    await prisma.$executeRaw`CREATE TABLE Note (ledger INTEGER REFERENCES Ledger (id) DEFERRABLE INITIALLY DEFERRED)`;
    const transaction = prisma.$transaction(async tx => {
      await insert(tx, 'a');
      await tx.$executeRaw`INSERT INTO Note (ledger) VALUES (77)`;
    });
    await expect(transaction).rejects.toThrow(/FOREIGN KEY|ForeignKey/);
    const other = await file.start();
    await other.order({ insertOne: 'of the other' });
    await insert(prisma, 'b');
    expect(await other.order({ keys: true })).toEqual({ keys: ['of the other', 'b'] });
  });

  it('rolls a transaction back whose statement was refused, also if the app went on, and leaves the file to others', async () => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(sqliteAdapter(adapter(file.url)));
    const other = await file.start();
    await other.order('hold');
    const transaction = prisma.$transaction(async tx => {
      await expect(insert(tx, 'a')).rejects.toMatchObject(busy);
      await other.order('release');
    });
    await expect(transaction).rejects.toMatchObject({ cause: { kind: 'SocketTimeout' } });
    await other.order({ insertOne: 'of the other' });
    await insert(prisma, 'b');
    expect(await other.order({ keys: true })).toEqual({ keys: ['of the other', 'b'] });
  });

  it('keeps what ran beside a transaction that is rolled back', async () => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(sqliteAdapter(adapter(file.url)));
    let beside: Promise<void> | undefined;
    const transaction = prisma.$transaction(async tx => {
      await insert(tx, 'inside');
      beside = insert(prisma, 'beside');
      for (let query = 0; query < 5; query += 1) await tx.$queryRaw`SELECT 1`;
      throw new Error('rolled back');
    });
    await expect(transaction).rejects.toThrow('rolled back');
    await beside;
    expect(await keys(prisma)).toEqual(['beside']);
  });

  it('goes on after a transaction that came too late or took too long', async () => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(sqliteAdapter(adapter(file.url)));
    let late: Promise<unknown> | undefined;
    const slow = prisma.$transaction(
      async tx => {
        await insert(tx, 'slow');
        late = expect(prisma.$transaction(tx2 => insert(tx2, 'late'), { maxWait: 50 })).rejects.toMatchObject({ code: 'P2028' });
        await late;
        await new Promise(resolve => setTimeout(resolve, 200));
        await insert(tx, 'too slow');
      },
      { timeout: 150 },
    );
    await expect(slow).rejects.toMatchObject({ code: 'P2028' });
    await insert(prisma, 'a');
    expect(await keys(prisma)).toEqual(['a']);
  });
});

describe('a wrapped adapter', () => {
  it('closes each connection that it opened: one that was busy at once, the last when the client disconnects', async () => {
    await using file = await sqliteFile('wal');
    const { factory, open } = counting(adapters.libsql(file.url));
    const prisma = file.client(sqliteAdapter(factory, { timeoutMs: 200 }));
    const other = await file.start();
    await other.order('hold');
    await expect(insert(prisma, 'refused')).rejects.toMatchObject(busy);
    await other.order('release');
    await insert(prisma, 'a');
    expect(open()).toBe(1);
    await prisma.$disconnect();
    expect(open()).toBe(0);
    expect(await keys(prisma)).toEqual(['a']);
  });

  it('goes on after a transaction that it could not begin', async () => {
    await using file = await sqliteFile('wal');
    const prisma = file.client(sqliteAdapter(adapters.libsql(file.url)));
    const isolationLevel = 'ReadUncommitted' as 'Serializable';
    await expect(prisma.$transaction(transaction => insert(transaction, 'a'), { isolationLevel })).rejects.toThrow();
    await insert(prisma, 'b');
    expect(await keys(prisma)).toEqual(['b']);
  });

  it.each([{ cause: { kind: 'SocketTimeout' } }, { code: 'SQLITE_BUSY_SNAPSHOT' }, { rawCode: 517 }, { rawCode: '5' }])(
    'tries a statement again, on another connection, that was refused with %j',
    async refusal => {
      await using file = await sqliteFile('wal');
      const { factory, open } = counting(adapters.libsql(file.url));
      let refusals = 0;
      const connect: SqliteAdapterFactory['connect'] = async () => {
        const connection = await factory.connect();
        const { executeRaw } = connection;
        connection.executeRaw = query => {
          refusals += 1;
          return refusals === 1 ? Promise.reject(Object.assign(new Error('refused'), refusal)) : executeRaw.call(connection, query);
        };
        return connection;
      };
      const prisma = file.client(sqliteAdapter({ ...factory, connect }));
      await insert(prisma, 'a');
      expect([await keys(prisma), refusals, open()]).toEqual([['a'], 2, 1]);
    },
  );

  it('tries a statement no more once it is disposed of', async () => {
    await using file = await sqliteFile('wal');
    const { factory, open } = counting(adapters.libsql(file.url));
    const connection = await sqliteAdapter(factory, { timeoutMs: 60_000 }).connect();
    const other = await file.start();
    await other.order('hold');
    const statement = connection.executeRaw({ sql: "INSERT INTO Ledger (key) VALUES ('a')", args: [], argTypes: [] });
    const refused = expect(statement).rejects.toMatchObject({ cause: { kind: 'SocketTimeout' } });
    await connection.dispose();
    await refused;
    expect(open()).toBe(0);
  });
});

describe('three processes that insert into one SQLite file as it was made, and are killed', () => {
  it('lose nothing that was acknowledged, and nobody sees an id appear below one that was there', async () => {
    await using file = await sqliteFile('delete');
    const ledger = `${file.path}.ledger`;
    const prisma = file.client(sqliteAdapter(adapters.libsql(file.url)));
    const start = async (name: string) => {
      const process = await file.start(name);
      await process.order({ insert: ledger });
      return process;
    };
    const processes = await Promise.all(['a0', 'b0', 'c0'].map(start));
    const seen: number[] = [];
    const readOn = async (until: number) => {
      const end = (seen.at(-1) ?? 0) + until;
      while ((seen.at(-1) ?? 0) < end) {
        const rows = await prisma.$queryRaw<{ id: number }[]>`SELECT id FROM Ledger WHERE id > ${seen.at(-1) ?? 0} ORDER BY id`;
        seen.push(...rows.map(({ id }) => Number(id)));
      }
    };
    for (let round = 1; round <= 4; round += 1) {
      await readOn(60);
      await processes[round % 3]?.kill();
      processes[round % 3] = await start(`${'abc'[round % 3]}${round}`);
    }
    await readOn(60);
    await Promise.all(processes.map(process => process.kill()));
    await prisma.$queryRaw`SELECT id FROM Ledger`;

    const rows = await prisma.$queryRaw<{ id: number; key: string }[]>`SELECT id, key FROM Ledger ORDER BY id`;
    const there = new Map(rows.map(({ id, key }) => [key, Number(id)]));
    const acknowledged = (await readFile(ledger, 'utf8'))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as { key: string; id: number });
    expect(acknowledged.length).toBeGreaterThan(200);
    expect(acknowledged.filter(({ key, id }) => there.get(key) !== id)).toEqual([]);
    expect(rows.map(({ id }) => Number(id)).slice(0, seen.length)).toEqual(seen);
    expect([...there.keys()].filter(key => Number(key.split('-')[1]) % 10 === 0)).toEqual([]);
  }, 60_000);
});

/** `open()`: how many of its connections have not been disposed of. */
function counting(factory: PrismaLibSql): { factory: SqliteAdapterFactory; open: () => number } {
  let open = 0;
  const connect: SqliteAdapterFactory['connect'] = async () => {
    const connection = await factory.connect();
    open += 1;
    const dispose = connection.dispose.bind(connection);
    connection.dispose = () => {
      open -= 1;
      return dispose();
    };
    return connection;
  };
  return { factory: { provider: 'sqlite', adapterName: factory.adapterName, connect }, open: () => open };
}

type Inserting = Pick<PrismaClient, '$executeRaw'>;

async function insert(client: Inserting, key: string): Promise<void> {
  await client.$executeRaw`INSERT INTO Ledger (key) VALUES (${key})`;
}

async function keys(prisma: PrismaClient): Promise<string[]> {
  const rows = await prisma.$queryRaw<{ key: string }[]>`SELECT key FROM Ledger ORDER BY id`;
  return rows.map(({ key }) => key);
}
