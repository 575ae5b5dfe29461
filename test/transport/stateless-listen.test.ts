import { describe, expect, it } from 'vitest';
import { ModernClient } from '../support/modern.ts';
import { start } from '../support/server.ts';
import { post } from '../support/wire.ts';

const options = {
  tools: { t: { description: 'T', handler: () => 't' } },
  resources: { fixed: { uri: 'test://fixed', handler: () => 'f' }, item: { uriTemplate: 'test://item/{id}', handler: () => 'i' } },
};
const subscriptionId = 'io.modelcontextprotocol/subscriptionId';

async function startListening(more: object = {}) {
  const server = await start({ ...options, ...more });
  return Object.assign(server, { client: new ModernClient(server.url) });
}

describe('subscriptions/listen', () => {
  it('is acknowledged first, with what the server can honour', async () => {
    await using server = await startListening();
    const stream = await server.client.listen({
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: false,
      resourceSubscriptions: ['test://fixed', 'test://item/5', 'test://nowhere', 'other:thing'],
      tasks: true,
    });
    expect(stream.acknowledged.params?.['notifications']).toEqual({
      toolsListChanged: true,
      resourceSubscriptions: ['test://fixed', 'test://item/5'],
    });
    stream.close();
  });

  it.each([{}, { promptsListChanged: true }, { resourceSubscriptions: [] }])('is acknowledged with nothing for %j', async filter => {
    await using server = await startListening();
    const stream = await server.client.listen(filter);
    expect(stream.acknowledged.params?.['notifications']).toEqual({});
    stream.close();
  });

  it.each([1_700_000_000_000, 1, 0, '1', 'listen-1', ''])('names itself on every message by its own id %j, in its own type', async id => {
    await using server = await startListening();
    const stream = await server.client.listen({ toolsListChanged: true, resourceSubscriptions: ['test://fixed'] }, { id });
    await server.mcp.listChanged('tools');
    await server.mcp.resourceUpdated('test://fixed');
    const messages = [stream.acknowledged, await stream.next(), await stream.next()];
    await server.mcp.close();
    messages.push(await stream.next());
    for (const message of messages) {
      const meta = (message?.params?.['_meta'] ?? message?.result._meta) as Record<string, unknown>;
      expect(meta[subscriptionId]).toBe(id);
    }
  });

  it('tells what was asked for and nothing else', async () => {
    await using server = await startListening();
    const stream = await server.client.listen({ resourcesListChanged: true, resourceSubscriptions: ['test://item/5'] });
    await server.mcp.listChanged('tools');
    await server.mcp.listChanged('prompts');
    for (const uri of ['test://fixed', 'test://item/6', 'test://item/5']) await server.mcp.resourceUpdated(uri);
    await server.mcp.listChanged('resources');
    const heard = [await stream.next(), await stream.next()];
    expect(heard.map(message => [message?.method, message?.params?.['uri']])).toEqual([
      ['notifications/resources/updated', 'test://item/5'],
      ['notifications/resources/list_changed', undefined],
    ]);
    stream.close();
  });

  it('may be open several times at once, with equal ids, each for itself', async () => {
    await using server = await startListening();
    const tools = await server.client.listen({ toolsListChanged: true }, { id: 1 });
    const resources = await server.client.listen({ resourcesListChanged: true }, { id: 1 });
    const both = await server.client.listen({ toolsListChanged: true, resourcesListChanged: true }, { id: '1' });
    await server.mcp.listChanged('tools');
    await server.mcp.listChanged('resources');
    expect((await tools.next())?.method).toBe('notifications/tools/list_changed');
    expect((await resources.next())?.method).toBe('notifications/resources/list_changed');
    expect([(await both.next())?.method, (await both.next())?.method]).toEqual([
      'notifications/tools/list_changed',
      'notifications/resources/list_changed',
    ]);
    tools.close();
    await server.mcp.listChanged('resources');
    expect((await resources.next())?.method).toBe('notifications/resources/list_changed');
    for (const stream of [resources, both]) stream.close();
  });

  it('is told on its stream, not on those of the other era, and the other way round', async () => {
    await using server = await startListening();
    const stream = await server.client.listen({ toolsListChanged: true });
    const call = await server.client.request('tools/call', { name: 't' }, { progressToken: 1, logLevel: 'debug' });
    expect(call.messages.length).toBe(1);
    await server.mcp.listChanged('tools');
    expect((await stream.next())?.method).toBe('notifications/tools/list_changed');
    stream.close();
  });

  it('ends with a result when the server closes, and the stream with it', async () => {
    await using server = await startListening();
    const stream = await server.client.listen({ toolsListChanged: true }, { id: 'last' });
    await server.mcp.close();
    const messages = await stream.rest();
    expect(messages).toEqual([
      {
        jsonrpc: '2.0',
        id: 'last',
        result: {
          resultType: 'complete',
          _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'test', version: '0.0.0' }, [subscriptionId]: 'last' },
        },
      },
    ]);
  });

  it('ends with its connection and leaves nothing behind', async () => {
    await using server = await startListening({ limits: { maxListeners: 2 } });
    for (let round = 0; round < 5; round += 1) {
      const streams: { close(): void }[] = [];
      // The server learns of the end of a stream with the end of its connection.
      await expect
        .poll(async () => {
          streams.push(
            ...(await server.client.listen({ toolsListChanged: true }).then(
              stream => [stream],
              () => [],
            )),
          );
          return streams.length;
        })
        .toBe(2);
      expect(await server.client.error('subscriptions/listen', { notifications: {} })).toMatchObject({ status: 200, code: -32603 });
      for (const stream of streams) stream.close();
    }
    await server.mcp.listChanged('tools');
  });

  it('keeps an idle stream alive with comments', async () => {
    await using server = await startListening({ limits: { heartbeatMs: 20 } });
    const stream = await server.client.listen({ toolsListChanged: true });
    const next = stream.next();
    await expect.poll(() => stream.comments).toBeGreaterThan(2);
    await server.mcp.listChanged('tools');
    expect((await next)?.method).toBe('notifications/tools/list_changed');
    expect(stream.oddities).toEqual([]);
    stream.close();
  });

  it.each<[string, unknown]>([
    ['no filter', undefined],
    ['a filter that is a list', []],
    ['a flag that is no boolean', { toolsListChanged: 'yes' }],
    ['URIs that are no list', { resourceSubscriptions: 'test://fixed' }],
    ['a URI that is no string', { resourceSubscriptions: [1] }],
    ['too many URIs', { resourceSubscriptions: Array.from({ length: 1001 }, () => 'test://fixed') }],
  ])('is refused with %s', async (_, notifications) => {
    await using server = await startListening();
    const { status, response, headers } = await server.client.request('subscriptions/listen', { notifications });
    expect([status, response.error?.code, headers.get('content-type')?.split(';')[0]]).toEqual([200, -32602, 'application/json']);
  });

  it('is refused with 406 to a client that does not read streams', async () => {
    await using server = await startListening();
    const { status } = await server.client.request(
      'subscriptions/listen',
      { notifications: {} },
      { headers: { accept: 'application/json' } },
    );
    expect(status).toBe(406);
  });

  it('obeys the ladder of checks', async () => {
    await using server = await startListening();
    const { status, code } = await server.client.error('subscriptions/listen', { notifications: {} }, { headers: { 'mcp-method': 'x' } });
    expect([status, code]).toEqual([400, -32020]);
  });

  it('does not exist in the older era', async () => {
    await using server = await startListening();
    const { status } = await post(server.url, { jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params: { notifications: {} } });
    expect(status).toBe(400);
  });
});
