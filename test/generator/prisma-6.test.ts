import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { installPackage, withoutEngine } from '../support/installed-package.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);
const run = promisify(execFile);
const packages = ['prisma@6.19', '@prisma/client@6.19', '@prisma/adapter-libsql@6.19', 'koa@3', 'zod@4'];

it('the packed package serves the models of a client of Prisma 6.19', async () => {
  await using installed = await installPackage(packages);
  const folder = installed.path;

  const example = path.join(root, 'example-app/prisma');
  const schema = (await readFile(path.join(example, 'schema.prisma'), 'utf8'))
    .replace('provider = "sqlite"', 'provider = "sqlite"\n  url = "file:./walk.db"')
    .replace('provider            = "prisma-client"', 'provider = "prisma-client"\n  engineType = "client"')
    .replaceAll('../generated/sqlite/', '../generated/');
  await mkdir(path.join(folder, 'prisma'));
  await writeFile(path.join(folder, 'prisma/schema.prisma'), schema);
  await copyFile(path.join(example, 'mcp.prisma'), path.join(folder, 'prisma/mcp.prisma'));
  const [migration = expect.fail('the example has no migration')] = await readdir(path.join(example, 'migrations/sqlite'));
  await copyFile(path.join(example, 'migrations/sqlite', migration, 'migration.sql'), path.join(folder, 'migration.sql'));
  await copyFile(path.join(root, 'test/generator/prisma-6-walk.mjs'), path.join(folder, 'walk.mjs'));
  await run('npx', ['prisma', 'generate', '--schema', 'prisma'], { cwd: folder, env: withoutEngine });

  const { stdout } = await run(process.execPath, ['--import', pathToFileURL(require.resolve('tsx')).href, 'walk.mjs'], { cwd: folder });
  const booking = { id: 1, clientId: 1, startsAt: '2026-02-01T09:00:00.000Z', people: 3, status: 'PENDING', notes: null };
  expect(JSON.parse(stdout)).toEqual({
    created: { ...booking, client: { name: 'Ada' } },
    hidden: 'data.clientId: the related row does not exist',
    updated: { ...booking, people: 5, status: 'CONFIRMED', client: { name: 'Ada' } },
    found: { rows: [{ name: 'Ada' }] },
    one: { name: 'Grace', joinedAt: '2026-01-01T00:00:00.000Z' },
    counted: { count: 2 },
    taken: expect.stringMatching(/^already exists: /),
    referenced: expect.stringMatching(/^still referenced: /),
    deleted: { ...booking, people: 5, status: 'CONFIRMED' },
    missing: expect.stringMatching(/^not found: /),
    sessions: 1,
  });
}, 600_000);
