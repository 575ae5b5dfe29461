import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { compile } from '../support/compile.ts';
import { describePostgres, openDatabase } from '../support/database.ts';
import type { LiveProcessSettings, LiveReport } from './app-process.ts';
import type { Writer } from './scenario.ts';
import { fillDatabase, runScenario } from './scenario.ts';
import type { Write } from './writes.ts';

/** A process of the app that writes what it is told. */
interface LiveProcess extends Writer {
  readonly child: ChildProcess;
  readonly problems: string[];
}

async function startProcess(settings: LiveProcessSettings): Promise<LiveProcess> {
  const child = fork(await compile(new URL('app-process.ts', import.meta.url)), [JSON.stringify(settings)]);
  const orders = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  const problems: string[] = [];
  let next = 0;
  const url = await new Promise<string>((resolve, reject) => {
    child.once('exit', () => reject(new Error('a process has ended')));
    child.on('message', (report: LiveReport) => {
      if ('url' in report) return resolve(report.url);
      if ('problem' in report) return problems.push(report.problem);
      const order = orders.get(report.done);
      orders.delete(report.done);
      if (report.failure === undefined) order?.resolve();
      else order?.reject(new Error(report.failure));
    });
  });
  const write = (ordered: Write) =>
    new Promise<void>((resolve, reject) => {
      const number = next++;
      orders.set(number, { resolve, reject });
      child.send({ number, write: ordered });
    });
  return { url, write, child, problems };
}

/** `TEST_WRITES=10000` takes ten minutes. */
const writes = Number(process.env['TEST_WRITES'] ?? 1000);

describePostgres('live rows of three processes', () => {
  it('are told to those who could see them before or after each of a thousand writes, once a look, within a second', {
    timeout: 3_600_000,
  }, async () => {
    await using db = await openDatabase('postgresql');
    await fillDatabase(db.prisma);
    const settings = { databaseUrl: db.url, channel: `live_${process.pid}`, lookMs: 700 };
    const processes = await Promise.all([1, 2, 3].map(() => startProcess(settings)));
    try {
      const probe = () => db.prisma.$queryRaw`SELECT 1`;
      await runScenario(processes, { seed: 2, writes, pauseMs: 40, withinMs: 1000, apartMs: 500, probe });
    } finally {
      const exits = processes.map(({ child }) => once(child, 'exit'));
      for (const { child } of processes) child.kill('SIGKILL');
      await Promise.all(exits);
    }
    expect(processes.flatMap(({ problems }) => problems)).toEqual([]);
  });
});
