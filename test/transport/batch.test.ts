import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../src/errors.ts';
import type { HandlerContext } from '../../src/index.ts';
import { memoryStore } from '../../src/store/memory-store.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';

const ping = (id: number | string) => ({ jsonrpc: '2.0', id, method: 'ping' });

describe('a batch in 2025-03-26', () => {
  it('is answered with an array of all responses', async () => {
    await using server = await start({});
    const session = await open(server.url, { revision: '2025-03-26' });
    const { status, text, messages } = await session.send([ping(1), { jsonrpc: '2.0', id: 2, method: 'no/such' }, ping('3')]);
    expect([status, text[0]]).toEqual([200, '[']);
    expect(new Map(messages.map(({ id, error }) => [id, error?.code]))).toEqual(
      new Map<unknown, unknown>([
        [1, undefined],
        [2, -32601],
        ['3', undefined],
      ]),
    );
  });

  it('of one element is still answered with an array', async () => {
    await using server = await start({});
    const session = await open(server.url, { revision: '2025-03-26' });
    expect((await session.send([ping(1)])).text).toBe('[{"jsonrpc":"2.0","id":1,"result":{}}]');
  });

  it('of notifications and responses only is answered 202', async () => {
    await using server = await start({});
    const session = await open(server.url, { revision: '2025-03-26' });
    const batch = [
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 9, result: {} },
    ];
    expect((await session.send(batch)).status).toBe(202);
  });

  it('becomes a stream with one response for each request when one of them has something to say', async () => {
    await using server = await start({
      tools: { talk: { description: 'Logs', handler: (_: unknown, { mcp }: HandlerContext) => mcp.log('info', 'hello') } },
    });
    const session = await open(server.url, { revision: '2025-03-26' });
    const { headers, messages } = await session.send([
      ping(1),
      { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'talk' } },
      ping(3),
    ]);
    expect(headers.get('content-type')).toBe('text/event-stream');
    expect(
      messages
        .filter(({ id }) => id !== undefined)
        .map(({ id }) => id)
        .sort(),
    ).toEqual([1, 2, 3]);
    expect(messages.some(({ method }) => method === 'notifications/message')).toBe(true);
  });

  it('keeps the other responses when the database is away for one request', async () => {
    const away = () => Promise.reject(new StoreUnavailable('away'));
    const resource = { uri: 'test://a', handler: () => 'a' };
    await using server = await start({ sessions: { store: { ...memoryStore(), subscribe: away } }, resources: { resource } });
    const session = await open(server.url, { revision: '2025-03-26' });
    const subscribe = { jsonrpc: '2.0', id: 2, method: 'resources/subscribe', params: { uri: 'test://a' } };
    const { status, messages } = await session.send([ping(1), subscribe]);
    expect(status).toBe(200);
    expect(messages.toSorted((a, b) => Number(a.id) - Number(b.id))).toMatchObject([
      { id: 1, result: {} },
      { id: 2, error: { code: -32603, message: expect.stringContaining('database') } },
    ]);
    server.errors.length = 0;
  });

  it('gives each call a context of its own', async () => {
    await using server = await start({
      tools: {
        who: {
          description: 'Says its token',
          handler: async (_: unknown, { mcp }: HandlerContext) => mcp.progress(1, undefined, String(mcp.revision)),
        },
      },
    });
    const session = await open(server.url, { revision: '2025-03-26' });
    const call = (id: number) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'who', _meta: { progressToken: `token-${id}` } },
    });
    const { messages } = await session.send([call(1), call(2)]);
    const tokens = messages.filter(({ method }) => method === 'notifications/progress').map(({ params }) => params?.['progressToken']);
    expect(tokens.sort()).toEqual(['token-1', 'token-2']);
  });

  it('is refused as a whole, with 400, where one element is no message or there are too many', async () => {
    await using server = await start({ limits: { maxBatch: 3 } });
    const session = await open(server.url, { revision: '2025-03-26' });
    expect((await session.send([ping(1), 7])).status).toBe(400);
    expect((await session.send([1, 2, 3, 4].map(ping))).status).toBe(400);
    expect((await session.send([1, 2, 3].map(ping))).status).toBe(200);
  });
});

describe.each(['2024-11-05', '2025-06-18', '2025-11-25'])('a batch in %s', revision => {
  it('is answered 400', async () => {
    await using server = await start({});
    const session = await open(server.url, { revision });
    const { status, messages } = await session.send([ping(1)]);
    expect([status, messages[0]?.error?.message]).toEqual([400, expect.stringContaining('no batches')]);
  });
});
