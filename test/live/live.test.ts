import { expect, it } from 'vitest';
import { memoryBus } from '../../src/index.ts';
import { describePostgres, openDatabase } from '../support/database.ts';
import { startLiveApp } from './app.ts';
import { fillDatabase, runScenario } from './scenario.ts';

// The same with three real processes and 10,000 writes is in processes.test.ts.
describePostgres('live rows of three endpoints over one database', () => {
  it('are told to those who could see them before or after each of 300 writes, once a look, within a second', {
    timeout: 240_000,
  }, async () => {
    await using db = await openDatabase('postgresql');
    await fillDatabase(db.prisma);
    const errors: unknown[] = [];
    const bus = memoryBus();
    const options = { databaseUrl: db.url, bus, lookMs: 300, onError: (error: unknown) => void errors.push(error) };
    const apps = await Promise.all([1, 2, 3].map(() => startLiveApp(options)));
    try {
      await runScenario(apps, {
        seed: 1,
        writes: 300,
        pauseMs: 30,
        withinMs: 1000,
        apartMs: 200,
        probe: () => db.prisma.$queryRaw`SELECT 1`,
      });
    } finally {
      await Promise.all(apps.map(app => app.close()));
    }
    expect(errors).toEqual([]);
  });
});
