import { EventEmitter, once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { WireMessage } from '../support/schemas.ts';
import { start } from '../support/server.ts';
import type { Peer } from './peer.ts';
import { connect } from './peer.ts';
import { describeRevisions, errorTable, startEverything } from './revisions.ts';

type Server = Awaited<ReturnType<typeof startEverything>>;

describeRevisions('messages beside results', row => {
  let server: Server;
  let peer: Peer;
  const isModern = row.era === 'modern';
  beforeAll(async () => {
    server = await startEverything();
    peer = await connect(server.url, row);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it.each(['token', 0, 7])('report progress under the token %j, forward only, before the response', async progressToken => {
    const { messages, headers } = await peer.request('tools/call', { name: 'advance' }, { progressToken });
    expect(headers.get('content-type')).toBe('text/event-stream');
    const params = (
      [
        [1, 'one'],
        [2, 'two'],
        [2.5, 'more'],
      ] as const
    ).map(([progress, message]) => ({
      progressToken,
      progress,
      total: 3,
      ...(row.progressMessage && { message }),
    }));
    expect(messages.slice(0, -1)).toEqual(params.map(each => ({ jsonrpc: '2.0', method: 'notifications/progress', params: each })));
    expect(messages.at(-1)?.result?.content).toEqual([]);
  });

  it('report no progress that is no number of JSON, and no such total', async () => {
    const { messages } = await peer.request('tools/call', { name: 'estimate' }, { progressToken: 'token' });
    expect(messages.slice(0, -1).map(({ params }) => params)).toEqual([
      { progressToken: 'token', progress: 1 },
      { progressToken: 'token', progress: 2, total: 2 },
    ]);
  });

  it('report no progress that nobody asked for', async () => {
    const { messages, headers } = await peer.request('tools/call', { name: 'advance' });
    expect([messages.length, headers.get('content-type')?.split(';')[0]]).toEqual([1, 'application/json']);
  });

  it('are dropped for a client that does not read streams, and the result comes', async () => {
    const { messages } = await peer.request(
      'tools/call',
      { name: 'advance' },
      { progressToken: 1, headers: { accept: 'application/json' } },
    );
    expect(messages.map(({ result }) => result?.content)).toEqual([[]]);
  });

  it('log to a session from the start, and to a stateless call when it asks for it', async () => {
    const other = await connect(server.url, row);
    const { messages } = await other.request('tools/call', { name: 'talk' });
    expect(messages.slice(0, -1).map(({ params }) => params?.['level'])).toEqual(isModern ? [] : ['debug', 'warning', 'emergency']);
  });

  it('log nothing below the level that the client has set', async () => {
    const other = await connect(server.url, row);
    await other.setLogLevel('warning');
    const { messages } = await other.request('tools/call', { name: 'talk' });
    expect(messages.slice(0, -1).map(({ params }) => params)).toEqual([
      { level: 'warning', logger: 'me', data: { loud: true } },
      { level: 'emergency', data: null },
    ]);
    await other.setLogLevel('emergency');
    expect((await other.request('tools/call', { name: 'talk' })).messages.length).toBe(2);
  });

  it('do not log at a level that does not exist', async () => {
    const set = isModern
      ? peer.raw({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/list',
          params: {
            _meta: {
              'io.modelcontextprotocol/protocolVersion': row.id,
              'io.modelcontextprotocol/clientCapabilities': {},
              'io.modelcontextprotocol/logLevel': 'loud',
            },
          },
        })
      : peer.request('logging/setLevel', { level: 'loud' });
    expect((await set).response.error?.code).toBe(errorTable.InvalidParams.code);
  });

  it('tell of changed lists', async () => {
    const stream = await peer.watch([]);
    for (const list of ['tools', 'resources', 'prompts'] as const) {
      await server.mcp.listChanged(list);
      expect((await stream.next())?.method).toBe(`notifications/${list}/list_changed`);
    }
    stream.close();
  });

  it('tell of changes of the resources subscribed to, and of no others', async () => {
    const stream = await peer.watch(['test://fixed', 'test://item/book/5']);
    for (const uri of ['test://item/book/6', 'test://item/book/5', 'test://fixed']) await server.mcp.resourceUpdated(uri);
    const updated = [await nextUpdate(stream), await nextUpdate(stream)];
    expect(updated.map(message => [message?.method, message?.params?.['uri']])).toEqual([
      ['notifications/resources/updated', 'test://item/book/5'],
      ['notifications/resources/updated', 'test://fixed'],
    ]);
    stream.close();
  });

  it('tell the app of changed roots where the revision has a notification for it, and let it ask for them', async () => {
    const heard = new EventEmitter();
    const tools = { echo: { description: 'Echo', handler: () => 'echo' } };
    await using own = await start({ tools, onRootsChanged: async ctx => heard.emit('roots', await ctx.mcp.roots(), ctx.mcp.revision) });
    const client = await connect(own.url, row, { roots: { listChanged: true } });
    const stream = await client.watch([]);
    const told = once(heard, 'roots');
    expect((await client.raw({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' })).status).toBe(202);
    await own.mcp.listChanged('tools');
    const messages = [await stream.next()];
    if (!isModern) messages.push(await stream.next());
    expect(messages.map(message => message?.method).toSorted()).toEqual([
      'notifications/tools/list_changed',
      ...(isModern ? [] : ['roots/list']),
    ]);
    const question = messages.find(message => message?.method === 'roots/list');
    if (question !== undefined) {
      const roots = [{ uri: 'file:///home/ada' }];
      expect((await client.raw({ jsonrpc: '2.0', id: question.id, result: { roots } })).status).toBe(202);
      expect(await told).toEqual([roots, row.id]);
    }
    stream.close();
  });

  it('end a subscription in the revision’s way', async () => {
    if (!row.methods.has('resources/unsubscribe')) {
      expect((await peer.request('resources/unsubscribe', { uri: 'test://fixed' })).response.error?.code).toBe(
        errorTable.MethodNotFound.code,
      );
      return;
    }
    const [left, wanted] = ['test://item/left/1', 'test://item/a/1'];
    const stream = await peer.watch([left, wanted]);
    expect((await peer.request('resources/unsubscribe', { uri: left })).response.result).toEqual({});
    for (const uri of [left, wanted]) await server.mcp.resourceUpdated(uri);
    const heard: unknown[] = [];
    while (heard.at(-1) !== wanted) heard.push((await nextUpdate(stream))?.params?.['uri']);
    expect(heard).not.toContain(left);
    stream.close();
  });

  it('cancel a call in the revision’s way: its handler hears of it and nobody is answered', async () => {
    const started = once(server.happened, 'started');
    const ended = once(server.happened, 'ended');
    const call = peer.begin('wait', 4711);
    await started;
    await call.cancel();
    expect(await ended).toEqual(['aborted']);
    const answer = (await call.done) as { status?: number; messages?: unknown[] };
    if (isModern) expect(answer).toMatchObject({ name: 'AbortError' });
    else expect([answer.status, answer.messages]).toEqual([202, []]);
  });

  it('do not cancel a call for a notification that names another id, or the same of another type', async () => {
    const started = once(server.happened, 'started');
    const call = peer.begin('wait', 4712);
    await started;
    for (const requestId of ['4712', 4713, null, {}, undefined]) {
      expect((await peer.raw({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } })).status).toBe(202);
    }
    server.happened.emit('go');
    expect(await call.done).toMatchObject({ status: 200 });
  });

  it('take a closed connection for a cancellation where there are no sessions, and only there', async () => {
    const started = once(server.happened, 'started');
    const ended = once(server.happened, 'ended');
    const call = peer.begin('wait', 4714);
    await started;
    call.disconnect();
    await call.done;
    if (!isModern) {
      // The server has seen the end of the connection before it takes the next request on another one.
      await peer.request('tools/list');
      server.happened.emit('go');
    }
    expect(await ended).toEqual([isModern ? 'aborted' : 'went on']);
  });
});

/** A stream that is opened anew may begin with what the one before carried last. */
async function nextUpdate(stream: { next(): Promise<WireMessage | undefined> }): Promise<WireMessage | undefined> {
  let message = await stream.next();
  while (message?.method?.endsWith('list_changed')) message = await stream.next();
  return message;
}
