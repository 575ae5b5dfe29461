import { EventEmitter, once } from 'node:events';
import type Koa from 'koa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../src/errors.ts';
import type { Continuation, Store } from '../../src/index.ts';
import { memoryStore } from '../../src/index.ts';
import { ModernClient } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { able, accept, done, options, questions, textOf } from './input-app.ts';

let server: TestServer;
let client: ModernClient;
beforeAll(async () => {
  server = await start(options);
  client = new ModernClient(server.url, { capabilities: able });
});
afterAll(() => server[Symbol.asyncDispose]());

const greet = (more: object = {}, args: object = {}, by: ModernClient = client) =>
  by.result('tools/call', { name: 'greet', arguments: args, ...more });

describe('a requestState', () => {
  const answers = { inputResponses: { elicitation_create_1: accept({ name: 'Ada' }) } };
  const refused = { status: 200, code: -32602, message: expect.stringContaining('requestState') };
  const state = async (args: object = {}, by?: ModernClient) => questions(await greet({}, args, by)).requestState;

  it('is not taken twice', async () => {
    const requestState = await state();
    expect(textOf(await greet({ requestState, ...answers }))).toBe('Hello Ada');
    expect(await client.error('tools/call', { name: 'greet', arguments: {}, requestState, ...answers })).toMatchObject(refused);
  });

  it('leaves no row behind once it was used', async () => {
    const store = memoryStore();
    await using own = await start({ ...options, sessions: { store } });
    const by = new ModernClient(own.url, { capabilities: able });
    const requestState = await state({}, by);
    expect(await store.findContinuation(requestState)).toBeDefined();
    expect(textOf(await greet({ requestState, ...answers }, {}, by))).toBe('Hello Ada');
    expect(await store.findContinuation(requestState)).toBeUndefined();
  });

  it('is not used up by a retry whose client went away before the handler began', async () => {
    const happened = new EventEmitter();
    const store = memoryStore();
    const gate = once(happened, 'gone');
    let isFirst = true;
    const takeContinuation: Store['takeContinuation'] = async (id, by) => {
      const isTaken = await store.takeContinuation(id, by);
      if (isFirst) {
        isFirst = false;
        happened.emit('taken');
        await gate;
      }
      return isTaken;
    };
    const watch: Koa.Middleware = (ctx, next) => {
      ctx.res.once('close', () => {
        if (!ctx.res.writableFinished) setImmediate(() => happened.emit('gone'));
      });
      return next();
    };
    await using own = await start({ ...options, sessions: { store: { ...store, takeContinuation } } }, { before: [watch] });
    const by = new ModernClient(own.url, { capabilities: able });
    const requestState = await state({}, by);
    done.length = 0;
    const abort = new AbortController();
    const params = { name: 'greet', arguments: {}, requestState, ...answers };
    const given = by.request('tools/call', params, { signal: abort.signal }).catch(() => undefined);
    await once(happened, 'taken');
    abort.abort();
    await Promise.all([given, gate]);
    expect(textOf(await greet({ requestState, ...answers }, {}, by))).toBe('Hello Ada');
    expect(done).toEqual(['before', 'after']);
  });

  it('is not used up by a retry whose next question the database does not take', async () => {
    const store = memoryStore();
    let isAway = false;
    const saveContinuation: Store['saveContinuation'] = async continuation => {
      if (isAway) throw new StoreUnavailable('away');
      await store.saveContinuation(continuation);
    };
    await using own = await start({ ...options, sessions: { store: { ...store, saveContinuation } } });
    const by = new ModernClient(own.url, { capabilities: able });
    const { requestState } = questions(await by.call('interview'));
    const retry = { name: 'interview', requestState, ...answers };
    isAway = true;
    expect(await by.error('tools/call', retry)).toMatchObject({ status: 503 });
    isAway = false;
    expect(questions(await by.result('tools/call', retry)).requestState).not.toBe(requestState);
    own.errors.length = 0;
  });

  it('is taken once of twenty at the same time', async () => {
    const requestState = await state();
    done.length = 0;
    const params = { name: 'greet', arguments: {}, requestState, ...answers };
    const replies = await Promise.all(Array.from({ length: 20 }, () => client.request('tools/call', params)));
    expect(replies.filter(({ response }) => response.result !== undefined).length).toBe(1);
    expect(done).toEqual(['before', 'after']);
  });

  it.each<[string, (requestState: string) => unknown]>([
    ['tampered with', requestState => (requestState.startsWith('A') ? `B${requestState.slice(1)}` : `A${requestState.slice(1)}`)],
    ['cut', requestState => requestState.slice(0, -1)],
    ['longer', requestState => `${requestState}A`],
    ['empty', () => ''],
    ['made up', () => 'x'.repeat(43)],
    ['a number', () => 5],
    ['null', () => null],
    ['an object', () => ({ id: 'x' })],
  ])('is refused when it is %s, and the handler does not run', async (_, change) => {
    const requestState = change(await state());
    done.length = 0;
    expect(await client.error('tools/call', { name: 'greet', arguments: {}, requestState, ...answers })).toMatchObject(refused);
    expect(done).toEqual([]);
  });

  it.each<[string, string, Record<string, unknown>]>([
    ['another tool', 'tools/call', { name: 'part', arguments: {} }],
    ['other arguments', 'tools/call', { name: 'greet', arguments: { polite: true } }],
    ['no arguments', 'tools/call', { name: 'greet' }],
    ['another method', 'prompts/get', { name: 'greet', arguments: {} }],
    ['a resource', 'resources/read', { uri: 'test://secret/5' }],
  ])('is refused for %s', async (_, method, params) => {
    const requestState = await state();
    expect(await client.error(method, { ...params, requestState, ...answers })).toMatchObject(refused);
  });

  it('is taken for the same arguments in another order', async () => {
    const requestState = await state({ polite: true, tags: { a: 1, b: 2 } });
    expect(textOf(await greet({ requestState, ...answers }, { tags: { b: 2, a: 1 }, polite: true }))).toBe('Hello Ada');
  });

  it('is taken with another id, progress token and log level', async () => {
    const requestState = await state();
    const params = { name: 'greet', arguments: {}, requestState, ...answers };
    const result = await client.result('tools/call', params, { id: 'another', progressToken: 5, logLevel: 'error' });
    expect(textOf(result)).toBe('Hello Ada');
  });

  it('is refused to another principal, and to a guest, who do not use it up', async () => {
    const ada = new ModernClient(server.url, { capabilities: able, headers: { 'x-user': 'ada' } });
    const eve = new ModernClient(server.url, { capabilities: able, headers: { 'x-user': 'eve' } });
    const requestState = await state({}, ada);
    const params = { name: 'greet', arguments: {}, requestState, ...answers };
    for (const other of [eve, client]) expect(await other.error('tools/call', params)).toMatchObject(refused);
    expect(textOf(await greet({ requestState, ...answers }, {}, ada))).toBe('Hello Ada');
  });

  it('is refused when its time is over', async () => {
    const memory = memoryStore();
    const store = { ...memory, saveContinuation: (kept: Continuation) => memory.saveContinuation({ ...kept, expiresAt: new Date() }) };
    await using late = await start({ ...options, sessions: { store } });
    const other = new ModernClient(late.url, { capabilities: able });
    const requestState = await state({}, other);
    expect(await other.error('tools/call', { name: 'greet', arguments: {}, requestState, ...answers })).toMatchObject(refused);
  });

  it('that was refused can be left out to begin anew', async () => {
    await client.error('tools/call', { name: 'greet', arguments: {}, requestState: 'x'.repeat(43) });
    expect(questions(await greet()).keys).toEqual(['elicitation_create_1']);
  });

  it('is an error of the server, not a silence, when it cannot be kept', async () => {
    const memory = memoryStore();
    const store = { ...memory, saveContinuation: () => Promise.reject(new Error('disk full')) };
    await using broken = await start({ ...options, sessions: { store } });
    const error = await new ModernClient(broken.url, { capabilities: able }).error('tools/call', { name: 'greet' });
    expect(error).toMatchObject({ status: 200, code: -32603, message: expect.stringMatching(/^Internal error \(ref/) });
    expect(broken.errors.splice(0).map(({ message }) => message)).toEqual(['disk full']);
  });
});
