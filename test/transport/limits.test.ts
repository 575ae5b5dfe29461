import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type Koa from 'koa';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import { ModernClient, modernRequest } from '../support/modern.ts';
import { start } from '../support/server.ts';
import { open, WireSession } from '../support/wire.ts';

const signIn: Koa.Middleware = (ctx, next) => {
  ctx.state['user'] = ctx.get('x-user') || undefined;
  return next();
};
const clientOf = (user: string, { url }: { url: string }) =>
  new ModernClient(url, { headers: { 'x-user': user }, capabilities: { elicitation: {} } });
const echo = { description: 'Echo', handler: () => 'echo' };
const form = { message: 'Name?', requestedSchema: z.object({ name: z.string() }) };
const accept = (name: string) => ({ action: 'accept', content: { name } });
const ask = {
  description: 'Asks twice',
  handler: async (_: unknown, { mcp }: HandlerContext) => [await mcp.elicit(form), await mcp.elicit(form)],
};
const never = { description: 'Never ends', handler: () => new Promise(() => undefined) };

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
/** What this process holds after garbage collection, buffers included, once the connections of earlier tests are gone. */
async function restingBytes(): Promise<number> {
  for (let before = usedBytes(); ; ) {
    await delay(100);
    const now = usedBytes();
    if (Math.abs(now - before) < 500_000) return now;
    before = now;
  }
}

function usedBytes(): number {
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('limits', () => {
  it('handlerMs: a handler past its time is stopped and the model told', async () => {
    let signal: AbortSignal | undefined;
    await using server = await start({
      limits: { handlerMs: 50 },
      tools: {
        never: {
          ...never,
          handler: (_: unknown, { mcp }: HandlerContext) => {
            signal = mcp.signal;
            return new Promise(() => undefined);
          },
        },
      },
    });
    const session = await open(server.url);
    expect(await session.call('never')).toEqual({ content: [{ type: 'text', text: expect.stringContaining('0.05 s') }], isError: true });
    expect(signal?.aborted).toBe(true);
  });

  it('maxResultBytes: a result past the ceiling becomes an error that says what to do, counted in bytes', async () => {
    await using server = await start({
      limits: { maxResultBytes: 1000 },
      tools: {
        fits: { description: 'Fits', handler: () => 'x'.repeat(900) },
        wide: { description: 'Fits in characters, not in bytes', handler: () => 'ü'.repeat(600) },
      },
      resources: { big: { uri: 'test://big', handler: () => 'x'.repeat(2000) } },
    });
    const session = await open(server.url);
    expect((await session.call('fits')).isError).toBeUndefined();
    const wide = await session.call('wide');
    expect([wide.isError, wide.content[0].text]).toEqual([true, expect.stringMatching(/1000 bytes.*fewer/u)]);
    expect(await session.error('resources/read', { uri: 'test://big' })).toMatchObject({ code: -32603, data: { uri: 'test://big' } });
  });

  it('maxCalls: one request too many at once in a session is refused, and others are served', async () => {
    await using server = await start({ limits: { maxCalls: 2 }, tools: { never } });
    const [session, other] = [await open(server.url), await open(server.url)];
    const calls = [1, 2].map(id => session.send({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'never' } }));
    // The third comes after the two on the same connection pool; ask until they are in.
    await expect.poll(async () => (await session.request('ping')).response.error?.message).toContain('2');
    expect(await other.result('ping')).toEqual({});
    await session.notify('notifications/cancelled', { requestId: 1 });
    expect((await session.request('ping')).response.result).toEqual({});
    await session.notify('notifications/cancelled', { requestId: 2 });
    await Promise.all(calls);
  });

  it('maxCalls: one stateless request too many of a caller is refused, and other callers and guests are served', async () => {
    let begun = 0;
    const hang = {
      ...never,
      handler: () => {
        begun += 1;
        return new Promise(() => undefined);
      },
    };
    await using server = await start({ limits: { maxCalls: 2 }, tools: { hang, echo } }, { before: [signIn] });
    const [guest, ada, grace] = [clientOf('', server), clientOf('ada', server), clientOf('grace', server)];
    const refusal = { status: 400, code: -32600, message: expect.stringMatching(/caller \(2\); wait/u) as string };
    const abort = new AbortController();
    const calls: Promise<unknown>[] = [];
    for (const [count, client] of [guest, ada].entries()) {
      for (const _ of [1, 2]) calls.push(client.call('hang', {}, { signal: abort.signal }).catch(() => undefined));
      await expect.poll(() => begun).toBe(2 * (count + 1));
      expect(await client.error('tools/call', { name: 'echo' })).toMatchObject(refusal);
      expect((await grace.call('echo')).content[0].text).toBe('echo');
    }
    expect((await (await open(server.url)).call('echo')).content[0].text).toBe('echo');
    abort.abort();
    await Promise.all(calls);
    await expect.poll(async () => (await guest.request('tools/call', { name: 'echo' })).status).toBe(200);
  });

  it('maxListenersPerPrincipal: one caller cannot take the streams of all others, and maxListeners holds for all together', async () => {
    await using server = await start({ limits: { maxListenersPerPrincipal: 2, maxListeners: 3 }, tools: { echo } }, { before: [signIn] });
    const [guest, ada, grace] = [clientOf('', server), clientOf('ada', server), clientOf('grace', server)];
    const refusal = async (client: ModernClient) => (await client.error('subscriptions/listen', { notifications: {} })).message;
    const streams = [await guest.listen({ toolsListChanged: true }), await guest.listen({ toolsListChanged: true })];
    expect(await refusal(guest)).toMatch(/caller \(2\); close/u);
    streams.push(await ada.listen({ toolsListChanged: true }));
    expect(await refusal(grace)).toMatch(/at once \(3\)/u);
    for (const stream of streams) stream.close();
    // The server learns of the end of a stream with the end of its connection.
    await expect
      .poll(async () =>
        guest.listen({}).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
  });

  describe('of answers that nobody reads', () => {
    // More than the buffers of a connection take.
    const bytes = 24 * 1024 * 1024;
    const big = { description: 'More than a connection buffers', handler: () => 'x'.repeat(bytes) };
    const patience = { timeout: 10_000 };
    const limits = { maxResultBytes: 2 * bytes, maxUnsentBytesPerPrincipal: bytes, maxUnsentBytes: 3 * bytes };
    /** Calls a tool, in either era, and never reads its answer. */
    const ignore = async (user: string, { url }: { url: string }, era: 'stateless' | 'session') => {
      const call = { name: 'big', arguments: {} };
      const session = era === 'session' ? await open(url, { headers: { 'x-user': user } }) : undefined;
      const { body, headers } =
        session === undefined
          ? modernRequest('tools/call', call)
          : { body: { jsonrpc: '2.0', id: 9, method: 'tools/call', params: call }, headers: { 'mcp-session-id': session.id } };
      const abort = new AbortController();
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'x-user': user, ...headers },
        body: JSON.stringify(body),
        signal: abort.signal,
      });
      // A response that nobody holds is collected, and fetch then closes its connection.
      return { response, abort: () => abort.abort() };
    };
    /** Koa reports connections that are reset while an answer is sent. */
    const forgiveResets = ({ errors }: { errors: Error[] }) => {
      for (const error of errors.splice(0)) expect(error).toMatchObject({ code: 'ECONNRESET' });
    };
    const statusOf = async (client: ModernClient) => (await client.request('tools/call', { name: 'echo' })).status;

    it.each(['stateless', 'session'] as const)(
      'maxUnsentBytesPerPrincipal: a caller who reads nothing is refused until it reads or leaves, and others are served (%s)',
      async era => {
        await using server = await start({ limits, tools: { big, echo } }, { before: [signIn] });
        const [ada, grace] = [clientOf('ada', server), clientOf('grace', server)];
        const unread = await ignore('ada', server, era);
        expect(await ada.error('tools/call', { name: 'echo' })).toMatchObject({
          status: 503,
          message: expect.stringMatching(/nothing was done/u),
        });
        expect((await grace.call('echo')).content[0].text).toBe('echo');
        const session = await open(server.url, { headers: { 'x-user': 'ada' } });
        expect((await session.request('tools/call', { name: 'echo', arguments: {} })).status).toBe(503);
        unread.abort();
        await expect.poll(() => statusOf(ada), patience).toBe(200);
        forgiveResets(server);
      },
    );

    it('are in memory once, in either era', async () => {
      await using server = await start({ limits, tools: { big } }, { before: [signIn] });
      const before = await restingBytes();
      const unread = [await ignore('ada', server, 'stateless'), await ignore('grace', server, 'session')];
      // A handler's result is garbage once it is sent, but the last of its turns may still run.
      await expect.poll(() => usedBytes() - before, patience).toBeLessThan(1.5 * unread.length * bytes);
      expect(usedBytes() - before).toBeGreaterThan(0.9 * unread.length * bytes);
      for (const each of unread) each.abort();
      await expect.poll(() => usedBytes() - before, patience).toBeLessThan(0.5 * bytes);
      forgiveResets(server);
    });

    it('maxUnsentBytes: the bytes of all callers together have a ceiling, and a result past it becomes an error', async () => {
      await using server = await start({ limits, tools: { big, echo } }, { before: [signIn] });
      const unread = [await ignore('ada', server, 'stateless'), await ignore('grace', server, 'session')];
      const alan = clientOf('alan', server);
      expect((await alan.call('echo')).content[0].text).toBe('echo');
      expect((await alan.error('tools/call', { name: 'big' })).message).toMatch(/result is dropped; the request may have taken effect/u);
      for (const each of unread) each.abort();
      await expect.poll(async () => (await alan.request('tools/call', { name: 'big' })).response.error, patience).toBeUndefined();
      forgiveResets(server);
    });

    it('sendMs: a connection that takes nothing for so long is closed', async () => {
      await using server = await start({ limits: { ...limits, sendMs: 100 }, tools: { big, echo } }, { before: [signIn] });
      const { response } = await ignore('ada', server, 'stateless');
      await expect.poll(() => statusOf(clientOf('ada', server)), patience).toBe(200);
      await expect(response.text()).rejects.toThrow();
    });
  });

  it('maxContinuations: one more of a caller drops its oldest, those of other callers stay', async () => {
    const store = memoryStore();
    const options = { limits: { maxContinuations: 2 }, sessions: { store }, tools: { ask } };
    await using server = await start(options, { before: [signIn] });
    await using sibling = await start(options, { before: [signIn] });
    const [guest, ada, there] = [clientOf('', server), clientOf('ada', server), clientOf('', sibling)];
    const { requestState: kept } = await ada.call('ask');
    const states: string[] = [];
    for (const each of [guest, guest, there, guest]) states.push((await each.call('ask')).requestState);
    await expect.poll(async () => (await Promise.all(states.map(id => store.findContinuation(id)))).filter(Boolean).length).toBe(2);
    const answers = { name: 'ask', inputResponses: { elicitation_create_1: accept('x') } };
    expect(await guest.error('tools/call', { ...answers, requestState: states[0] })).toMatchObject({ code: -32602 });
    for (const [each, requestState] of [[ada, kept] as const, [guest, states.at(-1)] as const])
      expect((await each.result('tools/call', { ...answers, requestState })).resultType).toBe('input_required');
  });

  it('maxContinuationBytes: answers past it are not kept, and the client is told', async () => {
    await using server = await start({ limits: { maxContinuationBytes: 200 }, tools: { ask } });
    const client = clientOf('', server);
    const answer = async (name: string) => {
      const { requestState } = await client.call('ask');
      return client.request('tools/call', { name: 'ask', requestState, inputResponses: { elicitation_create_1: accept(name) } });
    };
    expect((await answer('x'.repeat(50))).response.result?.resultType).toBe('input_required');
    expect((await answer('ü'.repeat(100))).response.error).toMatchObject({
      code: -32602,
      message: expect.stringMatching(/200 bytes.*limits\.maxContinuationBytes.*shorter/u) as string,
    });
  });

  it('maxSubscriptions: one more is refused in every process until the session ends one of them', async () => {
    const store = memoryStore();
    const options = {
      limits: { maxSubscriptions: 2 },
      sessions: { store },
      resources: { item: { uriTemplate: 'test://item/{id}', handler: () => 'i' } },
    };
    await using server = await start(options);
    await using sibling = await start(options);
    const session = await open(server.url);
    const there = new WireSession(sibling.url, session.id, session.initialized, session.headers, session.answered);
    const subscribe = { uri: 'test://item/3' };
    await session.result('resources/subscribe', { uri: 'test://item/1' });
    await there.result('resources/subscribe', { uri: 'test://item/2' });
    for (const place of [session, there]) {
      expect(await place.error('resources/subscribe', subscribe)).toMatchObject({
        code: -32602,
        message: expect.stringMatching(/limits\.maxSubscriptions.*2.*unsubscribe/u) as string,
      });
      expect(await place.result('resources/subscribe', { uri: 'test://item/1' })).toEqual({});
    }
    expect(await (await open(server.url)).result('resources/subscribe', subscribe)).toEqual({});
    await session.result('resources/unsubscribe', { uri: 'test://item/1' });
    expect(await there.result('resources/subscribe', subscribe)).toEqual({});
  });

  it('maxSubscriptions: subscriptions/listen takes as many URIs', async () => {
    await using server = await start({
      limits: { maxSubscriptions: 2 },
      resources: { fixed: { uri: 'test://fixed', handler: () => 'f' } },
    });
    const client = new ModernClient(server.url);
    const uris = ['test://fixed', 'test://2', 'test://3'];
    const stream = await client.listen({ resourceSubscriptions: uris.slice(1) });
    stream.close();
    expect(await client.error('subscriptions/listen', { notifications: { resourceSubscriptions: uris } })).toMatchObject({
      code: -32602,
      message: expect.stringMatching(/at most 2 URIs.*limits\.maxSubscriptions/u) as string,
    });
  });

  it('pageSize: lists come in pages whose cursor is good once more, and on another process', async () => {
    const tools = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map(name => [name, { description: name, handler: () => name }]));
    await using server = await start({ limits: { pageSize: 2 }, tools });
    await using sibling = await start({ limits: { pageSize: 2 }, tools });
    const [session, other] = [await open(server.url), await open(sibling.url)];
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await session.result('tools/list', cursor === undefined ? {} : { cursor });
      const again = await other.result('tools/list', cursor === undefined ? undefined : { cursor });
      expect(again).toEqual(page);
      names.push(...page.tools.map(({ name }: { name: string }) => name));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(names).toEqual(['a', 'b', 'c', 'd', 'e']);
    // The third is of tools:3, in the middle of a page.
    for (const foreign of ['', 'x', 'dG9vbHM6Mw', 'dG9vbHM6OTk', 'cHJvbXB0czoy', 7, null]) {
      expect((await session.error('tools/list', { cursor: foreign })).code).toBe(-32602);
    }
  });
});

describe('close', () => {
  it('waits for a running call as long as it takes, with deadlineMs of Infinity', async () => {
    let finish: (() => void) | undefined;
    const soon = { description: 'Ends', handler: () => new Promise<string>(resolve => (finish = () => resolve('done'))) };
    const server = await start({ tools: { soon } });
    const session = await open(server.url);
    const called = session.request('tools/call', { name: 'soon' });
    await expect.poll(() => finish).toBeDefined();
    const closed = server.mcp.close({ deadlineMs: Number.POSITIVE_INFINITY });
    for (let times = 0; times < 10; times += 1) expect((await session.request('ping')).status).toBe(503);
    finish?.();
    expect((await called).response.result.content[0].text).toBe('done');
    await closed;
    await server[Symbol.asyncDispose]();
  });

  it('waits for running calls, answers those past the deadline with an error and ends the streams', async () => {
    let finish: (() => void) | undefined;
    const server = await start({
      tools: {
        soon: { description: 'Ends', handler: () => new Promise<string>(resolve => (finish = () => resolve('done'))) },
        never,
      },
    });
    const session = await open(server.url);
    const stream = await session.listen(new AbortController().signal);
    const [soon, late] = [session.request('tools/call', { name: 'soon' }), session.request('tools/call', { name: 'never' })];
    await expect.poll(() => finish).toBeDefined();
    const closed = server.mcp.close({ deadlineMs: 200 });
    const refused = await session.request('ping');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    finish?.();
    expect((await soon).response.result.content[0].text).toBe('done');
    expect((await late).response.error).toMatchObject({ code: -32603, message: expect.stringContaining('closing') as string });
    await closed;
    expect((await stream.next()).done).toBe(true);
    await server[Symbol.asyncDispose]();
  });

  it('answers a call that it stops also on its stream', async () => {
    let isBegun = false;
    const server = await start({
      tools: {
        never: {
          ...never,
          handler: (_: unknown, { mcp }: HandlerContext) => {
            mcp.progress(1);
            isBegun = true;
            return new Promise(() => undefined);
          },
        },
      },
    });
    const session = await open(server.url);
    const called = session.request('tools/call', { name: 'never', _meta: { progressToken: 'p' } });
    await expect.poll(() => isBegun).toBe(true);
    await server.mcp.close({ deadlineMs: 1000 });
    const { messages } = await called;
    expect(messages.map(({ params, error }) => params?.progress ?? error?.message)).toEqual([1, expect.stringContaining('closing')]);
    await server[Symbol.asyncDispose]();
  });
});
