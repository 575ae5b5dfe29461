// One process of an app, which idempotency-killed.test.ts starts. It kills itself before or after the commit of its first transaction.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { PrismaPg } from '@prisma/adapter-pg';
import Koa from 'koa';
import { PrismaClient as PostgresqlClient } from '../../generated/test/postgresql/client/client.ts';
import { datamodel as postgresqlDatamodel } from '../../generated/test/postgresql/mcp/datamodel.ts';
import { PrismaClient as SqliteClient } from '../../generated/test/sqlite/client/client.ts';
import { datamodel as sqliteDatamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import type { McpOptions } from '../../src/index.ts';
import { mcp, sqliteAdapter } from '../../src/index.ts';

/** What the process is started with, as JSON. */
export interface KilledAppSettings {
  readonly provider: 'sqlite' | 'postgresql';
  readonly databaseUrl: string;
  readonly kill: 'before commit' | 'after commit' | 'never';
}

const { provider, databaseUrl, kill } = JSON.parse(process.argv[2] ?? '') as KilledAppSettings;
const isSqlite = provider === 'sqlite';
const client = isSqlite
  ? new SqliteClient({ adapter: sqliteAdapter(new PrismaLibSql({ url: databaseUrl })) })
  : (new PostgresqlClient({ adapter: new PrismaPg({ connectionString: databaseUrl }) }) as unknown as SqliteClient);
const models: McpOptions<SqliteClient>['models'] = {
  booking: { operations: ['findUnique', 'create'], idempotent: ['create'] },
  tag: { operations: ['findUnique', 'createMany'], idempotent: ['createMany'], style: 'compact' },
};
const datamodel = isSqlite ? sqliteDatamodel : postgresqlDatamodel;
const server = new Koa()
  .use(mcp({ name: 'test', prisma: kill === 'never' ? client : mortal(client), datamodel, models, principal: () => 'ada' }))
  .listen(0, '127.0.0.1');
await once(server, 'listening');
// Whoever started it is gone.
process.on('disconnect', () => process.exit());
process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);

type Transact = (work: (tx: unknown) => Promise<unknown>, ...options: unknown[]) => Promise<unknown>;

/** The same client, whose first transaction is the end of the process. */
function mortal(prisma: SqliteClient): SqliteClient {
  const run = prisma.$transaction.bind(prisma) as unknown as Transact;
  const transact: Transact = async (work, ...options) => {
    await run(
      async tx => {
        await work(tx);
        if (kill === 'before commit') process.kill(process.pid, 'SIGKILL');
      },
      ...options,
    );
    return process.kill(process.pid, 'SIGKILL');
  };
  return new Proxy(prisma, { get: (target, name) => (name === '$transaction' ? transact : (Reflect.get(target, name) as unknown)) });
}
