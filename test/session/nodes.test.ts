import { expect, it } from 'vitest';
import { prismaStore } from '../../src/store/prisma-store.ts';
import type { Provider } from '../support/database.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { Clock, HOUR, newInit, newSession, node, start } from './fixtures.ts';

describeDatabases('two processes over one database', provider => {
  it('serve the same session, and go on with it after one was closed', async () => {
    await using pair = await open(provider);
    const { a, b, clock } = pair;
    const session = await a.sessions.open(newInit({ capabilities: { elicitation: {} } }));
    expect(await b.sessions.find(session.id, 'ada')).toEqual(session);
    expect(await b.sessions.find(session.id, 'eve')).toBeUndefined();
    await a.sessions.update(session.id, { initialized: true });
    await a.sessions.close();
    clock.advance(5_000);
    expect(await b.sessions.find(session.id, 'ada')).toMatchObject({ initialized: true });
  });

  it('notice within the cache time that the other ended a session', async () => {
    await using pair = await open(provider);
    const { a, b, clock } = pair;
    const { id } = await a.sessions.open(newInit());
    expect(await b.sessions.find(id, 'ada')).toBeDefined();
    const streaming = await a.sessions.open(newInit());
    b.sessions.retain(streaming.id);
    expect(await a.sessions.end(id)).toBe(true);
    expect(await a.sessions.end(streaming.id)).toBe(true);
    clock.advance(5_000);
    expect(await b.sessions.find(id, 'ada')).toBeUndefined();
    await b.sessions.flush();
    expect(b.ended).toEqual([id, streaming.id]);
  });

  it('sweep at once: every expired session goes, with its subscriptions, and no other', async () => {
    await using pair = await open(provider);
    const { a, b, clock, prisma } = pair;
    const expired = Array.from({ length: 700 }, () => newSession());
    const alive = newSession({ expiresAt: new Date(start + 2 * HOUR) });
    await prisma.mcpSession.createMany({ data: [...expired, alive].map(session => ({ ...session, clientInfo: {}, capabilities: {} })) });
    await a.sessions.subscribe(expired[0]?.id ?? '', 'a://1');
    await a.sessions.subscribe(alive.id, 'a://1');
    clock.advance(1_000);
    await Promise.all([a.sessions.sweep(), b.sessions.sweep(), a.sessions.sweep()]);
    expect(await prisma.mcpSession.findMany({ select: { id: true } })).toEqual([{ id: alive.id }]);
    expect(await prisma.mcpSubscription.count()).toBe(1);
    expect(new Set([...a.ended, ...b.ended])).toEqual(new Set(expired.map(session => session.id)));
    expect([...a.errors, ...b.errors]).toEqual([]);
  });

  it('spare a session that is in use in the other', async () => {
    await using pair = await open(provider);
    const { a, b, clock } = pair;
    const [streaming, idle] = [await a.sessions.open(newInit()), await a.sessions.open(newInit())];
    a.sessions.retain(streaming.id);
    for (let i = 0; i < 3; i += 1) {
      clock.advance(HOUR / 2);
      await a.sessions.flush();
      await b.sessions.sweep();
    }
    expect(b.ended).toEqual([idle.id]);
    expect(await b.sessions.find(streaming.id, 'ada')).toMatchObject({ id: streaming.id });
  });

  it('write uses of the same sessions at once without losing the later one', async () => {
    await using pair = await open(provider);
    const { a, b, clock, prisma } = pair;
    const ids: string[] = [];
    for (let i = 0; i < 50; i += 1) ids.push((await a.sessions.open(newInit())).id);
    for (const id of ids) await a.sessions.find(id, 'ada');
    clock.advance(1_000);
    for (const id of ids.toReversed()) await b.sessions.find(id, 'ada');
    await Promise.all([b.sessions.flush(), a.sessions.flush()]);
    expect([...a.errors, ...b.errors]).toEqual([]);
    const rows = await prisma.mcpSession.findMany({ select: { lastSeenAt: true } });
    expect(new Set(rows.map(row => row.lastSeenAt.getTime()))).toEqual(new Set([start + 1_000]));
  });

  it('keep a principal at its number of sessions between them', async () => {
    await using pair = await open(provider, { maxPerPrincipal: 4 });
    const { a, b, clock, prisma } = pair;
    for (let i = 0; i < 6; i += 1) {
      clock.advance(1);
      await (i % 2 ? a : b).sessions.open(newInit());
    }
    await Promise.all([a.sessions.flush(), b.sessions.flush()]);
    const rows = await prisma.mcpSession.findMany({ orderBy: { createdAt: 'asc' }, select: { createdAt: true } });
    expect(rows.map(row => row.createdAt.getTime() - start)).toEqual([3, 4, 5, 6]);
  });

  it('store whatever text a client calls itself', async () => {
    await using pair = await open(provider);
    const { a, b } = pair;
    const clientInfo = { name: 'a\0b\ud800c\\u0000d😀', version: '1', ['k\0']: ['\udfff'] };
    const { id } = await a.sessions.open(newInit({ clientInfo }));
    const expected = { name: 'a\ufffdb\ufffdc\\u0000d😀', version: '1', ['k\ufffd']: ['\ufffd'] };
    expect(await b.sessions.find(id, 'ada')).toMatchObject({ clientInfo: expected });
  });

  it('keep a session through a flush that the database refused', async () => {
    await using pair = await open(provider);
    const { a, clock, prisma } = pair;
    const { id } = await a.sessions.open(newInit());
    await a.sessions.flush();
    clock.advance(1_000);
    await a.sessions.find(id, 'ada');
    await prisma.$executeRawUnsafe('ALTER TABLE "McpSession" RENAME TO "Gone"');
    await a.sessions.flush();
    expect(a.errors).toHaveLength(1);
    await prisma.$executeRawUnsafe('ALTER TABLE "Gone" RENAME TO "McpSession"');
    await a.sessions.flush();
    expect(await prisma.mcpSession.findUnique({ where: { id } })).toMatchObject({ lastSeenAt: new Date(start + 1_000) });
  });
});

async function open(provider: Provider, options: { maxPerPrincipal?: number } = {}) {
  const database = await openDatabase(provider);
  const clock = new Clock();
  const [first, second] = [database.prisma, await database.connect()];
  const a = node({ clock, store: prismaStore(first), ...options });
  const b = node({ clock, store: prismaStore(second), ...options });
  const close = async () => {
    await Promise.all([a.sessions.close(), b.sessions.close()]);
    await database.close();
  };
  return { a, b, clock, prisma: first, [Symbol.asyncDispose]: close };
}
