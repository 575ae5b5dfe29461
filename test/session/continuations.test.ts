import { once } from 'node:events';
import type Koa from 'koa';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext, Store } from '../../src/index.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import type { Disturbance } from '../delivery/fixtures.ts';
import { answerLost, away, disturbed, first, hanging } from '../delivery/fixtures.ts';
import { newContinuation } from '../store/fixtures.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { ModernClient } from '../support/modern.ts';
import { start as startServer } from '../support/server.ts';
import { Clock, node } from './fixtures.ts';

const accept = (name: string) => ({ action: 'accept', content: { name } });

/** A tool that asks twice, and what it did after its last question. */
function asking() {
  const done: unknown[] = [];
  const tools = {
    greet: {
      description: 'Asks for a name',
      handler: async (_: unknown, { mcp }: HandlerContext) => {
        const first = await mcp.elicit({ message: 'First?', requestedSchema: z.object({ name: z.string() }) });
        const last = await mcp.elicit({ message: 'Last?', requestedSchema: z.object({ name: z.string() }) });
        done.push({ first, last });
        return { first, last };
      },
    },
  };
  return { tools, done };
}

/** The second request of a call, which answers its first question, and the third, which answers its second. */
const round2 = (requestState: unknown) => ({ name: 'greet', requestState, inputResponses: { elicitation_create_1: accept('Ada') } });
const round3 = (requestState: unknown) => ({ name: 'greet', requestState, inputResponses: { elicitation_create_2: accept('Lovelace') } });
const both = { first: accept('Ada'), last: accept('Lovelace') };

const newClient = ({ url }: { url: string }) => new ModernClient(url, { capabilities: { elicitation: {} } });
/** What was lost, by the names of the errors, of which a test expects none at its end. */
const namesOf = (errors: Error[]) => new Set(errors.splice(0).map(({ name }) => name));
const unavailable = new Set(['StoreUnavailable']);

describeDatabases('continuations that are rows', provider => {
  it('carries a call that asks on one process to the answer on another, once', async () => {
    await using database = await openDatabase(provider);
    const { tools } = asking();
    await using a = await startServer({ prisma: database.prisma, tools });
    await using b = await startServer({ prisma: await database.connect(), tools });
    const [atA, atB] = [newClient(a), newClient(b)];
    const { requestState: one } = await atA.call('greet');
    const { requestState: two, resultType } = await atB.result('tools/call', round2(one));
    expect(resultType).toBe('input_required');
    await expect.poll(() => database.prisma.mcpContinuation.count()).toBe(1);
    expect(await atA.error('tools/call', round2(one))).toMatchObject({ code: -32602 });
    const replies = await Promise.all([atA, atB, atA, atB].map(each => each.request('tools/call', round3(two))));
    const results = replies.flatMap(({ response }) => (response.result === undefined ? [] : [JSON.parse(response.result.content[0].text)]));
    expect(results).toEqual([both]);
    await expect.poll(() => database.prisma.mcpContinuation.count()).toBe(0);
  });
});

/** A call that has asked its first question, and two processes on one store, the first of which has a way to it that can be disturbed. */
async function startPair(before: Koa.Middleware[] = []) {
  const store = memoryStore();
  const road = disturbed(store);
  const { tools, done } = asking();
  const start = (each: Store) => startServer({ tools, sessions: { store: each }, limits: { storeMs: 100 } }, { before });
  const [a, b] = [await start(road.store), await start(store)];
  const [atA, atB] = [newClient(a), newClient(b)];
  const { requestState: state } = await atA.call('greet');
  const close = async () => {
    await a[Symbol.asyncDispose]();
    await b[Symbol.asyncDispose]();
  };
  return { ...road, a, atA, atB, state, done, [Symbol.asyncDispose]: close };
}

const textOf = (result: { content: { text: string }[] }): unknown => JSON.parse(result.content[0]?.text ?? '');

describe('a retry', () => {
  it('is served though the database loses answers to its writes', async () => {
    await using pair = await startPair();
    const { atA, atB, disturb, state, done } = pair;
    disturb('takeContinuation', first(2, answerLost));
    disturb('saveContinuation', first(2, answerLost));
    const { requestState } = await atA.result('tools/call', round2(state));
    expect(textOf(await atB.result('tools/call', round3(requestState)))).toEqual(both);
    expect(done).toEqual([both]);
  });

  it.each<[string, keyof Store, Disturbance]>([
    ['loses the answers to its take', 'takeContinuation', answerLost],
    ['never answers its take', 'takeContinuation', hanging],
    ['is away at its take', 'takeContinuation', away],
    ['loses the answers to the next question', 'saveContinuation', answerLost],
    ['is away at the next question', 'saveContinuation', away],
  ])('is answered 503 where the database %s, and can be made again, at any process, once', async (_, verb, disturbance) => {
    await using pair = await startPair();
    const { a, atA, atB, disturb, state, done } = pair;
    const heal = [disturb(verb, disturbance), disturb('returnContinuation', away)];
    const { status, headers } = await atA.request('tools/call', round2(state));
    expect([status, headers.get('retry-after')]).toEqual([503, '1']);
    const again = Array.from({ length: 20 }, () => atB.request('tools/call', round2(state)));
    for (const end of heal) end();
    const replies = (await Promise.all(again)).map(({ response }) => response);
    const [served, ...more] = replies.flatMap(({ result }) => result ?? []);
    expect([served?.['resultType'], more.length]).toEqual(['input_required', 0]);
    expect(replies.flatMap(({ error }) => error?.code ?? [])).toEqual(Array.from({ length: 19 }, () => -32602));
    expect(textOf(await atA.result('tools/call', round3(served?.['requestState'])))).toEqual(both);
    expect(done).toEqual([both]);
    expect(namesOf(a.errors)).toEqual(unavailable);
  });

  it('asks the database for no `requestState` that no server gives', async () => {
    await using pair = await startPair();
    for (const text of ['x', 'x'.repeat(42), 'x'.repeat(44), `${'x'.repeat(42)}\0`, 'x'.repeat(100_000)])
      expect(await pair.atA.error('tools/call', round2(text))).toMatchObject({ code: -32602 });
    expect(pair.count('findContinuation')).toBe(0);
  });

  it('that is refused before its handler begins can be made again', async () => {
    const tools = {
      greet: {
        description: 'Asks for a name',
        inputSchema: z.object({ region: z.string().meta({ 'x-mcp-header': 'Region' }) }),
        handler: (_: unknown, { mcp }: HandlerContext) => mcp.elicit({ message: 'Name?', requestedSchema: z.object({ name: z.string() }) }),
      },
    };
    await using server = await startServer({ tools });
    const client = newClient(server);
    const headers = { 'Mcp-Param-Region': 'eu' };
    const { requestState } = await client.call('greet', { region: 'eu' }, { headers });
    const retry = { ...round2(requestState), arguments: { region: 'eu' } };
    expect(await client.error('tools/call', retry)).toMatchObject({ status: 400, code: -32020 });
    expect(textOf(await client.result('tools/call', retry, { headers }))).toEqual(accept('Ada'));
  });

  it('whose client goes before its handler begins can be made again', async () => {
    const abort = new AbortController();
    let closed: Promise<unknown> = Promise.resolve();
    let over = closed;
    await using pair = await startPair([
      (ctx, next) => {
        closed = once(ctx.res, 'close');
        over = next();
        return over;
      },
    ]);
    const { atA, disturb, state, done } = pair;
    const end = disturb('takeContinuation', async run => {
      abort.abort();
      await closed;
      return run();
    });
    await expect(atA.request('tools/call', round2(state), { signal: abort.signal })).rejects.toThrow('aborted');
    await over;
    end();
    const { requestState } = await atA.result('tools/call', round2(state));
    expect(textOf(await atA.result('tools/call', round3(requestState)))).toEqual(both);
    expect(done).toEqual([both]);
  });
});

describe('close()', () => {
  it('gives back what a retry has taken that came to nothing', async () => {
    await using pair = await startPair();
    const { a, atA, store, disturb, state } = pair;
    disturb('saveContinuation', away);
    const heal = disturb('returnContinuation', away);
    expect((await atA.request('tools/call', round2(state))).status).toBe(503);
    heal();
    await a.mcp.close({ deadlineMs: 1000 });
    expect(await store.takeContinuation(String(state), 'another')).toBe(true);
    expect(namesOf(a.errors)).toEqual(unavailable);
  });
});

describe('the sweeper', () => {
  it('removes continuations that nobody came back for, and no others', async () => {
    const store = memoryStore();
    const clock = new Clock();
    const { sessions } = node({ store, clock });
    const [gone, kept] = [newContinuation(), newContinuation({ expiresAt: new Date(clock.now + 5_000) })];
    for (const each of [gone, kept]) await store.saveContinuation(each);
    clock.advance(2_000);
    await sessions.sweep();
    expect([await store.findContinuation(gone.id), await store.findContinuation(kept.id)]).toEqual([undefined, kept]);
    await sessions.close();
  });
});
