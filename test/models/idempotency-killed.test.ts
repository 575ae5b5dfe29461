import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Revision } from '../../src/protocol/revisions.ts';
import { revisions } from '../../src/protocol/revisions.ts';
import { connect } from '../matrix/peer.ts';
import { compile } from '../support/compile.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { KilledAppSettings } from './killed-app.ts';
import { seeded } from './served.ts';

interface AppProcess {
  readonly url: string;
  readonly child: ChildProcess;
}

async function startProcess(settings: KilledAppSettings): Promise<AppProcess> {
  const child = fork(await compile(new URL('killed-app.ts', import.meta.url)), [JSON.stringify(settings)]);
  const [url] = (await once(child, 'message')) as [string];
  return { url, child };
}

const startsAt = '2026-05-01T09:00:00.000Z';
const calls = [
  ['tools', (key: string) => ({ name: 'booking_create', arguments: { data: { clientId: 1, startsAt, price: '1', internalNote: key } } })],
  [
    'compact',
    (key: string) => ({
      name: 'create_rows',
      arguments: { model: 'tag', operation: 'createMany', data: [{ label: key }, { label: `${key}!` }] },
    }),
  ],
] as const;
const cases = revisions.flatMap((row, index) => {
  // What is rolled back does not depend on the revision.
  const kills = index === revisions.length - 1 ? (['before commit', 'after commit'] as const) : (['after commit'] as const);
  return calls.flatMap(([style, callOf]) => kills.map(kill => [kill, style, row.id, { row, callOf, kill }] as const));
});

describeDatabases('a call with an idempotency key', provider => {
  let db: TestDatabase;
  let survivor: AppProcess;
  beforeAll(async () => {
    db = await seeded(provider);
    survivor = await startProcess({ provider, databaseUrl: db.url, kill: 'never' });
  });
  afterAll(async () => {
    const exit = once(survivor.child, 'exit');
    survivor.child.kill('SIGKILL');
    await exit;
    await db.close();
  });

  const resultOf = async (url: string, row: Revision, params: object) => {
    const peer = await connect(url, row);
    return (await peer.request('tools/call', { ...params })).response.result;
  };

  it.each(cases)(
    'writes once if its process is killed %s, in the style %s and in %s',
    async (_, style, revision, { row, callOf, kill }) => {
      const key = `${kill} ${style} ${revision}`;
      const { name, arguments: args } = callOf(key);
      const params = { name, arguments: { ...args, idempotencyKey: key } };
      const rows = () =>
        style === 'tools'
          ? db.prisma.booking.count({ where: { internalNote: key } })
          : db.prisma.tag.count({ where: { label: { startsWith: key } } });
      const { url, child } = await startProcess({ provider, databaseUrl: db.url, kill });
      const exit = once(child, 'exit');
      await expect(resultOf(url, row, params)).rejects.toThrow();
      expect(await exit).toEqual([null, 'SIGKILL']);
      expect(await rows()).toBe(kill === 'before commit' ? 0 : style === 'tools' ? 1 : 2);
      const first = await resultOf(survivor.url, row, params);
      expect(first.isError).toBeUndefined();
      expect(await resultOf(survivor.url, row, params)).toEqual(first);
      expect(await rows()).toBe(style === 'tools' ? 1 : 2);
    },
  );
});
