import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { PrismaLibSql } from '@prisma/adapter-libsql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PrismaClient } from '../../example-app/generated/sqlite/client/client.ts';
import { migrate } from '../../example-app/migrations.ts';
import { checkDatabase } from '../../src/cli/database-check.ts';
import type { Endpoint } from '../../src/cli/endpoint-module.ts';
import type { Finding } from '../../src/cli/finding.ts';
import { checkPackages } from '../../src/cli/package-check.ts';
import { checkSchema } from '../../src/cli/schema-check.ts';
import { root } from '../readme/readme.ts';
import { postgresAvailable, postgresUrl } from '../support/database.ts';
import { koaMcp } from './built.ts';

let folder: string;
let prisma: PrismaClient;
const url = () => `file:${path.join(folder, 'dev.db')}`;
beforeAll(async () => {
  // Inside the repository, so that modules find its packages.
  await mkdir(path.join(root, 'generated/test'), { recursive: true });
  folder = await mkdtemp(path.join(root, 'generated/test/doctor-'));
  prisma = new PrismaClient({ adapter: new PrismaLibSql({ url: url() }) });
  await migrate(prisma, 'sqlite', async () => {});
});
afterAll(async () => {
  await prisma.$disconnect();
  await rm(folder, { recursive: true });
});

const importing = (names: string, file: string) =>
  `import { ${names} } from ${JSON.stringify(pathToFileURL(path.join(root, file)).href)};\n`;

/** Runs the doctor on the example with this bus. */
async function doctor(bus: string, start = '', end = ''): Promise<{ code: unknown; findings: Finding[] }> {
  const module = path.join(folder, 'endpoint.ts');
  await writeFile(
    module,
    `import { PrismaLibSql } from '@prisma/adapter-libsql';
import * as koaMcp from 'koa-mcp';
import Koa from 'koa';
import pg from 'pg';
${importing('PrismaClient', 'example-app/generated/sqlite/client/client.ts')}${importing('datamodel', 'example-app/generated/sqlite/mcp/datamodel.ts')}${importing('reservations', 'example-app/mcp.ts')}${start}
const prisma = new PrismaClient({ adapter: new PrismaLibSql({ url: ${JSON.stringify(url())} }) });
export const endpoint = reservations(prisma, datamodel, ${bus});
void [koaMcp, Koa, pg];
${end}`,
  );
  const { code, stdout } = await koaMcp(root, 'doctor', module, '--json');
  return { code, findings: JSON.parse(stdout) as Finding[] };
}
const of = (check: string, { findings }: { findings: readonly Finding[] }) => findings.filter(finding => finding.check === check);

describe('koa-mcp doctor', () => {
  it('finds nothing wrong with an app that is migrated, and says so of its proxy', async () => {
    const examined = await doctor('undefined', '', 'export const app = Object.assign(new Koa(), { proxy: true }).use(endpoint);');
    expect(examined.findings.filter(({ status }) => status === 'problem')).toEqual([]);
    expect(examined.code).toBe(0);
    expect(of('tables', examined)).toEqual([{ check: 'tables', status: 'ok', found: '10 tables have all their columns' }]);
    expect(of('migrations', examined)).toEqual([{ check: 'migrations', status: 'ok', found: expect.stringMatching(/^all \d+ applied$/) }]);
    for (const check of ['node', 'koa', 'zod', 'prisma', 'client', 'database', 'clock', 'bus']) {
      expect(of(check, examined)).toMatchObject([{ status: 'ok' }]);
    }
    expect(of('proxy', examined)).toMatchObject([{ status: 'ok', found: expect.stringContaining('app.proxy is on') }]);
  }, 60_000);

  it('hears a wake-up that goes over PostgreSQL to another process and back, and misses one over the bus of one process', async ({
    skip,
  }) => {
    skip(!postgresAvailable(), 'no PostgreSQL answers');
    const heard = await doctor(`koaMcp.postgresBus({ connect: () => new pg.Client(${JSON.stringify(postgresUrl)}) })`);
    expect(of('bus', heard)).toMatchObject([
      { status: 'ok', found: expect.stringMatching(/^a wake-up went to another process and back in \d+ ms$/) },
    ]);
    const deaf = await doctor('koaMcp.memoryBus()');
    expect(of('bus', deaf)).toMatchObject([
      { status: 'problem', found: expect.stringContaining('did not come back'), remedy: expect.any(String) },
    ]);
    expect(deaf.code).toBe(1);
  }, 90_000);

  it('names a column that the database lacks, and a migration that is not applied', async () => {
    await prisma.$executeRawUnsafe('ALTER TABLE "McpTask" RENAME COLUMN "version" TO "other"');
    await prisma.$executeRawUnsafe('DELETE FROM _prisma_migrations');
    const examined = await doctor('undefined');
    expect(of('tables', examined)).toMatchObject([
      { status: 'problem', found: expect.stringMatching(/^mcpTask: .*version/), remedy: expect.stringContaining('migrate deploy') },
    ]);
    expect(of('migrations', examined)).toMatchObject([
      { status: 'problem', found: expect.stringMatching(/^not applied: \d+_/), remedy: 'npx prisma migrate deploy' },
    ]);
    expect(examined.code).toBe(1);
  }, 60_000);

  it('reports a module that cannot be loaded as a problem, beside what it can check without it', async () => {
    const examined = await doctor('undefined', "throw new Error('no DATABASE_URL');");
    expect(of('endpoint', examined)).toMatchObject([{ status: 'problem', found: expect.stringContaining('no DATABASE_URL') }]);
    expect(of('node', examined)).toMatchObject([{ status: 'ok' }]);
    expect(of('client', examined)).toMatchObject([{ status: 'ok' }]);
    expect(examined.code).toBe(1);
  }, 60_000);
});

type Rows = Readonly<Record<string, unknown>>[];

/** An endpoint whose database answers so. */
function endpointOver(query: (sql: string) => Promise<Rows>): Endpoint {
  const parts = { prisma: { $queryRawUnsafe: query }, datamodel: undefined, hasRows: false, hasAudit: false };
  return { report: () => ({ models: [] }), parts, app: undefined } as unknown as Endpoint;
}

describe('what doctor finds in a database', () => {
  it.each([
    [-1, 'ok', 'behind'],
    [5_000, 'warning', 'ahead of'],
    [-90_000, 'problem', 'behind'],
  ])('whose clock is %d ms away: %s', async (ms, status, words) => {
    const endpoint = endpointOver(async () => [{ now: (Date.now() + ms) / 1000 }]);
    const findings = await checkDatabase(endpoint, { provider: 'postgresql', migrations: undefined });
    expect(findings.find(({ check }) => check === 'clock')).toMatchObject({ status, found: expect.stringContaining(words) });
  });

  it('that does not answer, and nothing more', async () => {
    const endpoint = endpointOver(() => Promise.reject(new Error('\nInvalid call:\n\nCan not reach it\n')));
    expect(await checkDatabase(endpoint, { provider: 'sqlite', migrations: undefined })).toMatchObject([
      { check: 'database', status: 'problem', found: 'does not answer: Can not reach it' },
    ]);
  });

  it('of whose migrations one has failed, and one is not known here', async () => {
    const folders = path.join(folder, 'migrations');
    for (const name of ['1_one', '2_two']) await mkdir(path.join(folders, name), { recursive: true });
    const row = (name: string, finished: boolean) => ({
      migration_name: name,
      finished_at: finished ? new Date() : null,
      rolled_back_at: null,
    });
    const endpoint = endpointOver(async sql =>
      sql.includes('_prisma_migrations') ? [row('1_one', true), row('2_two', false), row('3', true)] : [],
    );
    const findings = await checkDatabase(endpoint, { provider: undefined, migrations: folders });
    expect(findings.filter(({ check }) => check === 'migrations')).toMatchObject([
      { status: 'problem', found: 'failed: 2_two' },
      { status: 'warning', found: expect.stringMatching(/^applied, but not in .*: 3$/) },
    ]);
  });
});

describe('what doctor finds in the files', () => {
  it('packages that are too old, missing or of two versions', async () => {
    const app = path.join(folder, 'app/src');
    await mkdir(app, { recursive: true });
    for (const [name, version] of [
      ['koa', '2.15.0'],
      ['prisma', '7.1.0'],
      ['@prisma/client', '7.0.0'],
    ] as const) {
      await mkdir(path.join(folder, 'app/node_modules', name), { recursive: true });
      await writeFile(path.join(folder, 'app/node_modules', name, 'package.json'), JSON.stringify({ version }));
    }
    const findings = await checkPackages(app);
    expect(findings).toContainEqual({ check: 'koa', status: 'problem', found: '2.15.0', remedy: 'Install a version of ^2.16 || ^3' });
    expect(findings).toContainEqual({ check: '@prisma/client', status: 'ok', found: '7.0.0' });
    const remedy = 'npm install --save-dev prisma@7.0.0';
    expect(findings).toContainEqual({ check: 'prisma', status: 'warning', found: '7.1.0, but @prisma/client is 7.0.0', remedy });
  });

  it('a schema without our models, and a client that is older than the schema or not there', async () => {
    const app = path.join(folder, 'older');
    const schema =
      'datasource db {\n  provider = "sqlite"\n}\ngenerator client {\n  provider = "prisma-client"\n  output = "./client"\n}\nmodel Own {\n  id Int @id\n}\n';
    await mkdir(path.join(app, 'client/internal'), { recursive: true });
    await writeFile(path.join(app, 'schema.prisma'), schema);
    const clientOf = async () => (await checkSchema(app, 'schema.prisma')).findings.filter(({ check }) => check === 'client');
    const remedy = 'npx prisma generate';
    expect(await clientOf()).toEqual([{ check: 'client', status: 'problem', found: 'client has no generated client', remedy }]);
    const generate = (text: string) =>
      writeFile(path.join(app, 'client/internal/class.ts'), `const config = { "inlineSchema": ${JSON.stringify(text)} };`);
    await generate(schema.replace('id Int', 'id   Int  '));
    expect(await clientOf()).toMatchObject([{ status: 'ok' }]);
    await generate(schema.replace('  id Int @id\n', '  id Int @id\n  name String\n'));
    expect(await clientOf()).toEqual([
      { check: 'client', status: 'problem', found: 'client is older than the schema: nameString is gone', remedy },
    ]);
    const { findings } = await checkSchema(app, 'schema.prisma');
    expect(findings[0]).toMatchObject({
      check: 'schema',
      status: 'problem',
      found: expect.stringMatching(/^schema\.prisma lacks McpSession, /),
    });
  });
});
