import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaClient } from '../../generated/test/sqlite/client/client.ts';
import type { SqliteAdapterFactory } from '../../src/store/sqlite-adapter.ts';
import { compile } from '../support/compile.ts';
import { emptyDatabase } from '../support/database.ts';
import type { Answer, Order } from './sqlite-process.ts';

/** A process of its own with the same file. */
export interface OtherProcess {
  /** Resolves to what it answers. */
  order(order: Order): Promise<Answer>;
  kill(): Promise<void>;
}

/** A SQLite file with one table, and what is opened on it; all of it ends with the test. */
export interface SqliteFile {
  readonly url: string;
  readonly path: string;
  client(adapter: Pick<SqliteAdapterFactory, 'provider' | 'adapterName' | 'connect'>): PrismaClient;
  start(name?: string): Promise<OtherProcess>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @param mode The file's journal mode; SQLite's own default is `delete`. */
export async function sqliteFile(mode: 'delete' | 'wal'): Promise<SqliteFile> {
  const place = await emptyDatabase('sqlite');
  const connection = await new PrismaLibSql({ url: place.url }).connect();
  await connection.executeScript(`PRAGMA journal_mode = ${mode};
    CREATE TABLE Ledger (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE)`);
  await connection.dispose();
  const clients: PrismaClient[] = [];
  const processes: OtherProcess[] = [];
  return {
    url: place.url,
    path: place.url.slice('file:'.length),
    client(adapter) {
      const client = new PrismaClient({ adapter: adapter as PrismaLibSql });
      clients.push(client);
      return client;
    },
    async start(name = 'other') {
      const other = await startProcess(place.url, name);
      processes.push(other);
      return other;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(processes.map(other => other.kill()));
      await Promise.all(clients.map(client => client.$disconnect()));
      await place[Symbol.asyncDispose]();
    },
  };
}

async function startProcess(url: string, name: string): Promise<OtherProcess> {
  const child: ChildProcess = fork(await compile(new URL('sqlite-process.ts', import.meta.url)), [url, name]);
  await once(child, 'message');
  return {
    async order(order) {
      const answered = once(child, 'message') as Promise<[Answer]>;
      child.send(order);
      const [answer] = await answered;
      if (typeof answer === 'object' && 'error' in answer) throw new Error(answer.error);
      return answer;
    },
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** An adapter that has one connection and does not keep other queries out of its transactions, as that of `better-sqlite3`. */
export function oneConnection(factory: PrismaLibSql): SqliteAdapterFactory {
  return {
    provider: 'sqlite',
    adapterName: 'one-connection',
    async connect() {
      const connection = await factory.connect();
      const run = async (sql: string): Promise<void> => {
        await connection.queryRaw({ sql, args: [], argTypes: [] });
      };
      return {
        queryRaw: query => connection.queryRaw(query),
        executeRaw: query => connection.executeRaw(query),
        // That of libsql would end an open transaction.
        executeScript: run,
        dispose: () => connection.dispose(),
        async startTransaction() {
          await run('BEGIN');
          return {
            ...{ provider: 'sqlite', adapterName: 'one-connection', options: { usePhantomQuery: false } },
            queryRaw: query => connection.queryRaw(query),
            executeRaw: query => connection.executeRaw(query),
            commit: () => Promise.resolve(),
            rollback: () => Promise.resolve(),
          };
        },
        ...{ provider: 'sqlite', adapterName: 'one-connection' },
      };
    },
  };
}
