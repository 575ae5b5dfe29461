import { readdir, readFile } from 'node:fs/promises';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import pg from 'pg';
import { expect, it } from 'vitest';
import { openDatabase } from '../../example-app/database.ts';
import type { Provider } from '../support/database.ts';
import { describeDatabases, emptyDatabase } from '../support/database.ts';

describeDatabases('the migrations of the example', provider => {
  it('keep sessions, subscriptions and events of a database made by the first of them', async () => {
    await using place = await emptyDatabase(provider);
    await runSql(provider, place.url, await first(provider));
    const { prisma } = await openDatabase(place.url);
    expect(await prisma.mcpSession.findMany()).toMatchObject([
      { id: 'mcp_1', principal: 'ada', initialized: true, holder: null, delivered: 0 },
    ]);
    expect(await prisma.mcpSubscription.findMany()).toEqual([{ sessionId: 'mcp_1', uriHash: 'hash', uri: 'a://1' }]);
    expect(await prisma.mcpEvent.findMany()).toMatchObject([{ sessionId: 'mcp_1', stream: 's', seq: 1, data: '{}', bytes: 0 }]);
    // Events still go with their session, and the endpoint's own are of none.
    await prisma.mcpEvent.create({ data: { stream: '*', seq: 1, data: '{}', final: false, expiresAt: new Date(0) } });
    await prisma.mcpSession.deleteMany();
    expect(await prisma.mcpEvent.findMany({ select: { stream: true } })).toEqual([{ stream: '*' }]);
    await prisma.$disconnect();
  });
});

/** The first migration, applied, and rows that the package of its time wrote. */
async function first(provider: Provider): Promise<string> {
  const folder = new URL(`../../example-app/prisma/migrations/${provider}/`, import.meta.url);
  const [name = ''] = (await readdir(folder)).sort();
  const yes = provider === 'sqlite' ? '1' : 'true';
  const at = provider === 'sqlite' ? `'2026-01-01T00:00:00.000+00:00'` : `'2026-01-01'`;
  return `${await readFile(new URL(`${name}/migration.sql`, folder), 'utf8')};
    CREATE TABLE "_prisma_migrations" (
      "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMP, "migration_name" VARCHAR(255) NOT NULL,
      "logs" TEXT, "rolled_back_at" TIMESTAMP, "started_at" TIMESTAMP NOT NULL, "applied_steps_count" INTEGER NOT NULL DEFAULT 0);
    INSERT INTO "_prisma_migrations" VALUES ('1', 'sum', ${at}, '${name}', NULL, NULL, ${at}, 1);
    INSERT INTO "McpSession" VALUES ('mcp_1', 'streamable', '2025-11-25', 'ada', '{}', '{}', NULL, ${yes}, ${at}, ${at}, ${at});
    INSERT INTO "McpSubscription" VALUES ('mcp_1', 'hash', 'a://1');
    INSERT INTO "McpEvent" ("stream", "seq", "sessionId", "data", "final", "expiresAt") VALUES ('s', 1, 'mcp_1', '{}', ${yes}, ${at});`;
}

async function runSql(provider: Provider, url: string, sql: string): Promise<void> {
  if (provider === 'sqlite') {
    const connection = await new PrismaLibSql({ url }).connect();
    await connection.executeScript(sql);
    await connection.dispose();
    return;
  }
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}
