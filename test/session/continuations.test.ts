import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import type { ContinuationStore } from '../../src/session/continuations.ts';
import { memoryContinuations } from '../../src/session/continuations.ts';
import { prismaContinuations } from '../../src/session/prisma-continuations.ts';
import { memoryStore } from '../../src/session/store.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { ModernClient } from '../support/modern.ts';
import { start as startServer } from '../support/server.ts';
import { continuationsSuite, newContinuation } from './continuations-suite.ts';
import { Clock, node } from './fixtures.ts';

describe('memoryContinuations', () => {
  continuationsSuite('memory', async () => {
    let current = memoryContinuations();
    // A new store behind the same face stands for an emptied one.
    const store: ContinuationStore = {
      save: continuation => current.save(continuation),
      take: id => current.take(id),
      sweepContinuations: (now, limit) => current.sweepContinuations(now, limit),
    };
    return {
      store,
      other: store,
      reset: async () => {
        current = memoryContinuations();
      },
      close: async () => {},
    };
  });
});

describeDatabases('prismaContinuations', provider => {
  continuationsSuite(provider, async () => {
    const { prisma, connect, close } = await openDatabase(provider);
    const other = await connect();
    return {
      store: prismaContinuations(prisma.mcpContinuation as never),
      other: prismaContinuations(other.mcpContinuation as never),
      reset: async () => {
        await prisma.mcpContinuation.deleteMany();
      },
      close,
    };
  });

  it('carries a call that asks on one process to the answer on another, once', async () => {
    await using database = await openDatabase(provider);
    const tools = {
      greet: {
        description: 'Asks for a name',
        handler: async (_: unknown, { mcp }: HandlerContext) => {
          const first = await mcp.elicit({ message: 'First?', requestedSchema: z.object({ name: z.string() }) });
          const last = await mcp.elicit({ message: 'Last?', requestedSchema: z.object({ name: z.string() }) });
          return { first, last };
        },
      },
    };
    const accept = (name: string) => ({ action: 'accept', content: { name } });
    await using a = await startServer({ prisma: database.prisma, tools });
    await using b = await startServer({ prisma: await database.connect(), tools });
    const [atA, atB] = [a, b].map(({ url }) => new ModernClient(url, { capabilities: { elicitation: {} } })) as [
      ModernClient,
      ModernClient,
    ];
    const { requestState: one } = await atA.call('greet');
    const retry = { name: 'greet', requestState: one, inputResponses: { elicitation_create_1: accept('Ada') } };
    const { requestState: two, resultType } = await atB.result('tools/call', retry);
    expect([resultType, await database.prisma.mcpContinuation.count()]).toEqual(['input_required', 1]);
    expect(await atA.error('tools/call', retry)).toMatchObject({ code: -32602 });
    const last = { name: 'greet', requestState: two, inputResponses: { elicitation_create_2: accept('Lovelace') } };
    const replies = await Promise.all([atA, atB, atA, atB].map(each => each.request('tools/call', last)));
    const results = replies.flatMap(({ response }) => (response.result === undefined ? [] : [JSON.parse(response.result.content[0].text)]));
    expect(results).toEqual([{ first: accept('Ada'), last: accept('Lovelace') }]);
    expect(await database.prisma.mcpContinuation.count()).toBe(0);
  });
});

describe('the sweeper', () => {
  it('removes continuations that nobody came back for, and no others', async () => {
    const store = memoryStore();
    const clock = new Clock();
    const { sessions } = node({ store, clock });
    const [gone, kept] = [newContinuation(), newContinuation({ expiresAt: new Date(clock.now + 5_000) })];
    for (const each of [gone, kept]) await store.save(each);
    clock.advance(2_000);
    await sessions.sweep();
    expect([await store.take(gone.id), await store.take(kept.id)]).toEqual([undefined, kept]);
    await sessions.close();
  });
});
