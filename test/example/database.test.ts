import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../example-app/database.ts';
import { modelsFor } from '../../src/cli/init.ts';
import type { Datamodel } from '../../src/models/datamodel/datamodel.ts';
import { compile } from '../support/compile.ts';
import { describeDatabases, emptyDatabase } from '../support/database.ts';

const run = promisify(execFile);
const read = (file: string) => readFile(new URL(`../../${file}`, import.meta.url), 'utf8');

describeDatabases('the database of the example', provider => {
  it('is made and seeded at the first start, and left alone by the next', async () => {
    await using place = await emptyDatabase(provider);
    const first = await openDatabase(place.url);
    expect(await first.prisma.client.count()).toBe(200);
    expect(await first.prisma.booking.count()).toBe(1000);
    await first.prisma.booking.deleteMany({ where: { clientId: 2 } });
    await first.prisma.$disconnect();

    const { prisma } = await openDatabase(place.url);
    expect(await prisma.booking.count()).toBe(993);
    expect(await prisma.booking.create({ data: { clientId: 2, startsAt: new Date(0) } })).toMatchObject({ id: 1001, status: 'PENDING' });
    await prisma.$disconnect();
  });

  it('is seeded once when several processes start on it at once', async () => {
    await using place = await emptyDatabase(provider);
    const script = await compile(new URL('open-database.ts', import.meta.url));
    const start = () => run(process.execPath, [script, place.url]);
    const processes = await Promise.all([start(), start(), start(), start()]);
    expect(processes.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 4 }, () => '200 1000\n'));
  });

  describe('as it is seeded', () => {
    let place: Awaited<ReturnType<typeof emptyDatabase>>;
    let opened: Awaited<ReturnType<typeof openDatabase>>;
    beforeAll(async () => {
      place = await emptyDatabase(provider);
      opened = await openDatabase(place.url);
    });
    afterAll(async () => {
      await opened.prisma.$disconnect();
      await place[Symbol.asyncDispose]();
    });

    it('holds the same rows every time, Ada Lovelace and Grace Hopper first', async () => {
      const clients = await opened.prisma.client.findMany({ orderBy: { id: 'asc' } });
      expect(clients.slice(0, 2)).toEqual([
        { id: 1, email: 'ada@example.com', name: 'Ada Lovelace', joinedAt: new Date('2024-01-01T09:00:00Z') },
        { id: 2, email: 'grace@example.com', name: 'Grace Hopper', joinedAt: new Date('2024-01-04T09:00:00Z') },
      ]);
      expect(new Set(clients.map(({ name }) => name)).size).toBe(200);
      expect(await opened.prisma.booking.count({ where: { clientId: 1 } })).toBe(12);
      expect(await opened.prisma.booking.count({ where: { clientId: 2 } })).toBe(7);
      const bookings = await opened.prisma.booking.findMany({ orderBy: { id: 'asc' } });
      expect(createHash('sha256').update(JSON.stringify({ clients, bookings })).digest('hex')).toBe(seedHash);
    });

    it('has its migrations where prisma migrate deploy finds them applied', async () => {
      const folder = `example-app/prisma/migrations/${provider}`;
      const names = (await readdir(new URL(`../../${folder}`, import.meta.url))).filter(name => name !== 'migration_lock.toml').sort();
      const rows = await opened.prisma.$queryRaw<object[]>`SELECT * FROM "_prisma_migrations" ORDER BY "migration_name"`;
      const checksums = await Promise.all(
        names.map(async name =>
          createHash('sha256')
            .update(await read(`${folder}/${name}/migration.sql`))
            .digest('hex'),
        ),
      );
      expect(rows).toMatchObject(
        names.map((name, index) => ({ migration_name: name, checksum: checksums[index], rolled_back_at: null, logs: null })),
      );
      expect(rows.every(row => 'finished_at' in row && row.finished_at !== null)).toBe(true);
      expect(await read(`${folder}/migration_lock.toml`)).toContain(`provider = "${provider}"`);
    });

    it('has every column of the schema', async () => {
      const models: Datamodel['models'] = opened.datamodel.models;
      for (const { key } of Object.values(models)) {
        const delegate = opened.prisma[key as 'client'];
        await expect(delegate.findFirst()).resolves.not.toThrow();
      }
    });
  });

  it('says what is wrong when it cannot be opened, and leaves no process hanging', async () => {
    const url = provider === 'sqlite' ? 'file:/nowhere/at/all.db' : 'postgresql://postgres@127.0.0.1:1/none';
    await expect(openDatabase(url)).rejects.toThrow();
  });
});

describe('the schema of the example', () => {
  it('holds an exact copy of the models of the package, as they are for SQLite', async () => {
    expect(await read('example-app/prisma/mcp.prisma')).toBe(modelsFor('sqlite', await read('prisma/mcp.prisma')));
  });
});

const seedHash = '7d263e064a7ce03c79c5b4cf22f765ab92898521bb9fc3a81508cccc25a0ad17';
