import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { postgresAvailable, postgresUrl } from './database.ts';

/** Set-up of every run: names it for the databases of its test files, which stay for the next test. They are removed after the last one. */
export function setup(): () => Promise<void> {
  process.env['TEST_RUN'] ??= `run_${randomBytes(6).toString('hex')}`;
  const run = process.env['TEST_RUN'];
  return async () => {
    await Promise.all([removeSqlite(run), postgresAvailable() && removePostgres(run)]);
  };
}

async function removeSqlite(run: string): Promise<void> {
  const folders = (await readdir(tmpdir())).filter(name => name.startsWith(`koa-mcp-${run}-`));
  await Promise.all(folders.map(name => rm(path.join(tmpdir(), name), { recursive: true, force: true })));
}

async function removePostgres(run: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgresUrl });
  await client.connect();
  const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [
    `koa_mcp_${run}_`,
  ]);
  for (const { datname } of rows) await client.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`);
  await client.end();
}
