import { EventEmitter, once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { HandlerContext } from '../../src/index.ts';
import { memoryStore } from '../../src/index.ts';
import type { WireMessage } from '../support/schemas.ts';
import { start } from '../support/server.ts';
import { initializeParams, openSse } from '../support/sse.ts';
import type { WireSession } from '../support/wire.ts';
import { open, post } from '../support/wire.ts';

const capabilities = { roots: { listChanged: true } };
const roots = [{ uri: 'file:///home/ada', name: 'home' }];
const changed = 'notifications/roots/list_changed';

/** Options of an app that asks for changed roots, and what it hears. */
function asking(): { heard: EventEmitter; onRootsChanged: (ctx: HandlerContext) => Promise<void> } {
  const heard = new EventEmitter();
  return {
    heard,
    onRootsChanged: async ({ mcp }) => {
      heard.emit('begins');
      heard.emit('roots', await mcp.roots(), mcp.principal);
    },
  };
}

const answer = (session: WireSession, question: WireMessage | undefined) =>
  session.send({ jsonrpc: '2.0', id: question?.id, result: { roots } });

describe('onRootsChanged', () => {
  it.each([false, true])('asks a client whose stream is at another process and was open before: %s', async isOpenBefore => {
    const { heard, onRootsChanged } = asking();
    const options = { onRootsChanged, sessions: { store: memoryStore(), lookMs: 20 } };
    await using here = await start(options);
    await using elsewhere = await start(options);
    const session = await open(here.url, { capabilities });
    const abort = new AbortController();
    const before = isOpenBefore ? await session.listen(abort.signal) : undefined;
    const told = once(heard, 'roots');
    const { status } = await post(elsewhere.url, { jsonrpc: '2.0', method: changed }, { headers: session.headers });
    expect(status).toBe(202);
    const messages = before ?? (await session.listen(abort.signal));
    const { value: question } = await messages.next();
    expect(question).toMatchObject({ method: 'roots/list', params: {} });
    await answer(session, question as WireMessage);
    expect(await told).toEqual([roots, undefined]);
    abort.abort();
  });

  it('asks a client of HTTP+SSE on its stream', async () => {
    const { heard, onRootsChanged } = asking();
    await using server = await start({ onRootsChanged, principal: () => 'ada' });
    const session = await openSse(`${server.url}/sse`);
    await session.request('initialize', { ...initializeParams, capabilities });
    const told = once(heard, 'roots');
    await session.post({ jsonrpc: '2.0', method: changed });
    const question = await session.next();
    expect(question?.method).toBe('roots/list');
    await session.post({ jsonrpc: '2.0', id: question?.id, result: { roots } });
    expect(await told).toEqual([roots, 'ada']);
  });

  it('is called once more for all changes while it runs', async () => {
    const { heard, onRootsChanged } = asking();
    let begun = 0;
    heard.on('begins', () => {
      begun += 1;
    });
    await using server = await start({ onRootsChanged });
    const session = await open(server.url, { capabilities });
    const abort = new AbortController();
    const messages = await session.listen(abort.signal);
    for (let times = 0; times < 5; times += 1) await session.notify(changed);
    for (let round = 1; round <= 2; round += 1) {
      const told = once(heard, 'roots');
      await answer(session, (await messages.next()).value as WireMessage);
      await told;
    }
    await session.result('ping');
    expect(begun).toBe(2);
    abort.abort();
  });

  it('is not called for a client that has no roots, and its errors go to onError', async () => {
    const errors: unknown[] = [];
    const failure = new Error('the app’s mistake');
    const reported = new EventEmitter();
    await using server = await start({
      onRootsChanged: () => {
        throw failure;
      },
      onError: error => {
        errors.push(error);
        reported.emit('error-seen');
      },
    });
    const without = await open(server.url);
    expect((await without.notify(changed)).status).toBe(202);
    await without.result('ping');
    expect(errors).toEqual([]);
    const seen = once(reported, 'error-seen');
    const session = await open(server.url, { capabilities });
    expect((await session.notify(changed)).status).toBe(202);
    await seen;
    expect(errors).toEqual([failure]);
  });
});
