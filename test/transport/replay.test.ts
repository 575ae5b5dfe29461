import type { EventSourceMessage } from 'eventsource-parser';
import { describe, expect, it } from 'vitest';
import type { HandlerContext } from '../../src/index.ts';
import { prismaStore } from '../../src/index.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { rawEvents, take } from '../support/sse.ts';
import type { WireSession } from '../support/wire.ts';
import { open } from '../support/wire.ts';

/** A tool that says each line it is fed, and ends when told. */
function feeder() {
  const waiting: ((line: string | undefined) => void)[] = [];
  const lines: (string | undefined)[] = [];
  const next = () =>
    new Promise<string | undefined>(resolve => {
      if (lines.length > 0) resolve(lines.shift());
      else waiting.push(resolve);
    });
  const feed = (line?: string) => {
    const waiter = waiting.shift();
    if (waiter) waiter(line);
    else lines.push(line);
  };
  const tool = {
    description: 'Says what it is fed',
    handler: async (_: unknown, { mcp }: HandlerContext) => {
      for (let line = await next(); line !== undefined; line = await next()) mcp.log('info', line);
      return 'done';
    },
  };
  return { feed, tool };
}

async function postCall(
  server: TestServer,
  session: WireSession,
  name: string,
  signal?: AbortSignal,
): Promise<AsyncGenerator<EventSourceMessage>> {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: { ...session.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name } }),
    ...(signal && { signal }),
  });
  return rawEvents(response);
}

async function resume(url: string, session: WireSession, lastEventId: string, signal?: AbortSignal): Promise<Response> {
  return fetch(url, {
    headers: { ...session.headers, accept: 'text/event-stream', 'last-event-id': lastEventId },
    ...(signal && { signal }),
  });
}

const textOf = ({ data }: EventSourceMessage): unknown => {
  const { params, result } = JSON.parse(data) as { params?: { data: string }; result?: { content: { text: string }[] } };
  return params?.data ?? result?.content[0]?.text;
};

describe('a call’s stream', () => {
  it('begins with an event that has an id and no data, in 2025-11-25 only', async () => {
    const { feed, tool } = feeder();
    await using server = await start({ tools: { tool } });
    for (const revision of ['2025-03-26', '2025-06-18', '2025-11-25']) {
      const session = await open(server.url, { revision });
      feed('one');
      feed();
      const events = await postCall(server, session, 'tool');
      const [first] = await take(events, 1);
      expect([revision, first?.data === '', typeof first?.id]).toEqual([revision, revision === '2025-11-25', 'string']);
      await take(events, 5);
    }
  });

  it('goes on where the client was, over a new connection, while the call runs', async () => {
    const { feed, tool } = feeder();
    await using server = await start({ tools: { tool } });
    const session = await open(server.url);
    const abort = new AbortController();
    feed('one');
    feed('two');
    const events = await postCall(server, session, 'tool', abort.signal);
    const [, one] = await take(events, 3);
    abort.abort();
    feed('three');
    const resumed = rawEvents(await resume(server.url, session, one?.id as string));
    expect((await take(resumed, 2)).map(textOf)).toEqual(['two', 'three']);
    feed('four');
    feed();
    expect((await take(resumed, 3)).map(textOf)).toEqual(['four', 'done']);
    expect((await resumed.next()).done).toBe(true);
  });

  it('is closed by closeStream, with a time to come back after, and its result waits for the client', async () => {
    let finish: (() => void) | undefined;
    await using server = await start({
      tools: {
        poll: {
          description: 'Polls',
          handler: async (_: unknown, { mcp }: HandlerContext) => {
            mcp.closeStream({ retryMs: 321 });
            await new Promise<void>(resolve => {
              finish = resolve;
            });
            return 'later';
          },
        },
      },
    });
    const session = await open(server.url);
    const response = await fetch(server.url, {
      method: 'POST',
      headers: { ...session.headers, 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'poll' } }),
    });
    const text = await response.text();
    const [, id] = /^id: (\S+)\ndata: \n\nretry: 321\n\n$/u.exec(text) ?? [];
    expect(id).toBeDefined();
    finish?.();
    const resumed = rawEvents(await resume(server.url, session, id as string));
    expect((await take(resumed, 2)).map(textOf)).toEqual(['later']);
  });

  it('closeStream does nothing for a client that could not come back', async () => {
    await using server = await start({
      tools: {
        poll: {
          description: 'Polls',
          handler: (_: unknown, { mcp }: HandlerContext) => {
            mcp.closeStream();
            return 'at once';
          },
        },
      },
    });
    const session = await open(server.url, { revision: '2025-06-18' });
    expect((await session.call('poll')).content[0].text).toBe('at once');
  });

  it.each([
    ['is of nobody', 'nonsense'],
    ['has another stream’s proof', `${'A'.repeat(32)}_1`],
  ])('answers 400 for a Last-Event-ID that %s', async (_, id) => {
    await using server = await start({});
    const session = await open(server.url);
    expect((await resume(server.url, session, id)).status).toBe(400);
  });

  it('answers 400 for a Last-Event-ID of another session', async () => {
    const { feed, tool } = feeder();
    await using server = await start({ tools: { tool } });
    const [mine, other] = [await open(server.url), await open(server.url)];
    feed('secret');
    feed();
    const [first] = await take(await postCall(server, mine, 'tool'), 5);
    expect((await resume(server.url, other, first?.id as string)).status).toBe(400);
  });

  it('ends at once when everything was received', async () => {
    const { feed, tool } = feeder();
    await using server = await start({ tools: { tool } });
    const session = await open(server.url);
    feed('one');
    feed();
    const received = await take(await postCall(server, session, 'tool'), 5);
    const resumed = rawEvents(await resume(server.url, session, received.at(-1)?.id as string));
    expect((await resumed.next()).done).toBe(true);
  });
});

describe('the standalone stream', () => {
  it('replays what was said while its client was away', async () => {
    await using server = await start({ tools: { one: { description: 'One', handler: () => 'one' } } });
    const session = await open(server.url);
    const abort = new AbortController();
    const first = await fetch(server.url, { headers: { ...session.headers, accept: 'text/event-stream' }, signal: abort.signal });
    const [primed] = await take(rawEvents(first), 1);
    abort.abort();
    await server.mcp.listChanged('tools');
    await server.mcp.listChanged('prompts');
    const resumed = rawEvents(await resume(server.url, session, primed?.id as string));
    expect((await take(resumed, 2)).map(({ data }) => (JSON.parse(data) as { method: string }).method)).toEqual([
      'notifications/tools/list_changed',
      'notifications/prompts/list_changed',
    ]);
    await server.mcp.listChanged('resources');
    expect((await take(resumed, 1)).map(({ data }) => (JSON.parse(data) as { method: string }).method)).toEqual([
      'notifications/resources/list_changed',
    ]);
    await session.request('ping');
  });
});

describeDatabases('a stream whose client went away', provider => {
  it('is replayed by another process out of the database, to its end', async () => {
    await using database = await openDatabase(provider);
    const { feed, tool } = feeder();
    const tools = { tool };
    await using server = await start({ tools, sessions: { store: prismaStore(database.prisma) } });
    await using other = await start({ tools, sessions: { store: prismaStore(await database.connect()) } });
    const session = await open(server.url);
    const abort = new AbortController();
    feed('one');
    const events = await postCall(server, session, 'tool', abort.signal);
    const [primed] = await take(events, 2);
    abort.abort();
    feed('two\nwith "quotes"');
    const resumed = rawEvents(await resume(other.url, session, primed?.id as string));
    expect((await take(resumed, 2)).map(textOf)).toEqual(['one', 'two\nwith "quotes"']);
    feed();
    expect((await take(resumed, 2)).map(textOf)).toEqual(['done']);
  });

  it('is handed over when its process closes: the client is told to come back, and another process goes on', async () => {
    await using database = await openDatabase(provider);
    const server = await start({ sessions: { store: prismaStore(database.prisma) } });
    await using other = await start({ sessions: { store: prismaStore(await database.connect()) } });
    const session = await open(server.url);
    const response = await fetch(server.url, { headers: { ...session.headers, accept: 'text/event-stream' } });
    const text = response.text();
    await server[Symbol.asyncDispose]();
    const [, id] = /^id: (\S+)\ndata: \n\nretry: 1000\n\n$/u.exec(await text) ?? [];
    expect(id).toBeDefined();
    const resumed = await resume(other.url, session, id as string);
    expect(resumed.status).toBe(200);
    await resumed.body?.cancel();
  });

  it('writes no row for a stream that was received', async () => {
    await using database = await openDatabase(provider);
    const { feed, tool } = feeder();
    await using server = await start({ tools: { tool }, sessions: { store: prismaStore(database.prisma) } });
    const session = await open(server.url);
    feed('one');
    feed();
    expect((await take(await postCall(server, session, 'tool'), 5)).length).toBe(3);
    expect(await database.prisma.mcpEvent.count()).toBe(0);
  });
});
