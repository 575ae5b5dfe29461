import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { revisions } from '../../src/protocol/revisions.ts';
import { compile } from '../support/compile.ts';
import type { TestDatabase } from '../support/database.ts';
import { describePostgres, openDatabase } from '../support/database.ts';
import type { Party } from './party.ts';
import { connect, isRefused } from './party.ts';

interface AppProcess {
  readonly url: string;
  readonly child: ChildProcess;
}

async function startProcess(databaseUrl: string): Promise<AppProcess> {
  const child = fork(await compile(new URL('replays-app.ts', import.meta.url)), [databaseUrl]);
  const [url] = (await once(child, 'message')) as [string];
  return { url, child };
}

async function stop({ child }: AppProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** Requests with one token, sent to each process at the same time. */
const copies = 4;

describePostgres('a token that is good once, sent to two processes at once', () => {
  let db: TestDatabase;
  let processes: AppProcess[];
  beforeAll(async () => {
    db = await openDatabase('postgresql');
    await db.prisma.room.create({ data: { id: 'red', code: 'R', capacity: 1 } });
    processes = await Promise.all([startProcess(db.url), startProcess(db.url)]);
  });
  afterAll(async () => {
    await Promise.all(processes.map(stop));
    await db.close();
  });

  /** How many of all copies of a request are not refused. */
  async function countOf(parties: readonly Party[], params: Record<string, unknown>): Promise<number> {
    const requests = parties.flatMap(party => Array.from({ length: copies }, () => party.request('tools/call', params)));
    const answers = await Promise.all(requests);
    for (const { status } of answers) expect(status).toBe(200);
    return answers.filter(answer => !isRefused(answer)).length;
  }

  it.each(revisions.map(row => [row.id, row] as const))('counts once: a confirmation in %s', async (_, row) => {
    const parties = await Promise.all(processes.map(process => connect(process, { row })));
    const args = { where: { id: 'red' }, data: { capacity: { increment: 1 } } };
    for (const giver of parties) {
      const before = await db.prisma.room.findUniqueOrThrow({ where: { id: 'red' } });
      const { content } = await giver.result('tools/call', { name: 'room_update', arguments: args });
      const { confirmation } = JSON.parse(content[0].text)._unconfirmed;
      expect(await countOf(parties, { name: 'room_update', arguments: { ...args, confirmation } })).toBe(1);
      expect((await db.prisma.room.findUniqueOrThrow({ where: { id: 'red' } })).capacity).toBe(before.capacity + 1);
    }
  });

  it('counts once: a requestState in 2026-07-28', async () => {
    const row = revisions.find(({ era }) => era === 'modern');
    if (row === undefined) throw new Error('no stateless revision');
    const parties = await Promise.all(processes.map(process => connect(process, { row, capabilities: { elicitation: { form: {} } } })));
    for (const [round, giver] of parties.entries()) {
      const params = { name: 'form', arguments: {} };
      const { requestState, inputRequests } = await giver.result('tools/call', params);
      const [key = ''] = Object.keys(inputRequests);
      const inputResponses = { [key]: { action: 'accept', content: { name: `round ${round}` } } };
      expect(await countOf(parties, { ...params, requestState, inputResponses })).toBe(1);
      expect(await db.prisma.tag.count({ where: { label: { startsWith: `round ${round} ` } } })).toBe(1);
    }
  });
});
