import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import { ModernClient } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';

const resources = {
  note: { uriTemplate: 'lab://note/{id}', handler: ({ id }: Record<string, string>) => `note ${id?.length}` },
  month: { uriTemplate: 'lab://{year}-{month}', handler: () => 'month' },
  day: { uriTemplate: 'lab://{year}-{month}-{day}', handler: () => 'day' },
};

function noteUri(characters: number): string {
  return 'lab://note/'.padEnd(characters, 'x');
}

/** The error of each method that takes a URI of a resource. */
async function errorsOf({ url }: TestServer, uri: string) {
  const [session, client] = [await open(url), new ModernClient(url)];
  return {
    'resources/read': await session.error('resources/read', { uri }),
    'resources/subscribe': await session.error('resources/subscribe', { uri }),
    'resources/unsubscribe': await session.error('resources/unsubscribe', { uri }),
    'resources/read, 2026-07-28': await client.error('resources/read', { uri }),
    'subscriptions/listen': await client.error('subscriptions/listen', {
      notifications: { resourceSubscriptions: ['lab://note/1', uri] },
    }),
  };
}

describe('a long URI from a client without sign-in', () => {
  it.each([
    [{}, 8192],
    [{ maxUriCharacters: 100 }, 100],
  ])('is refused by every method past the limit, with %j', async (limits, maximum) => {
    await using server = await start({ resources, limits });
    const message = `Invalid params: the URI of a resource has at most ${maximum} characters here, this one has ${maximum + 1}`;
    for (const [method, error] of Object.entries(await errorsOf(server, noteUri(maximum + 1)))) {
      expect(error, method).toMatchObject({ code: -32602, message });
    }
  });

  it('is served by every method up to the limit', async () => {
    await using server = await start({ resources });
    const [session, client] = [await open(server.url), new ModernClient(server.url)];
    const uri = noteUri(8192);
    for (const reader of [session, client]) {
      expect((await reader.result('resources/read', { uri })).contents).toEqual([{ uri, mimeType: 'text/plain', text: 'note 8181' }]);
    }
    expect(await session.result('resources/subscribe', { uri })).toEqual({});
    expect(await session.result('resources/unsubscribe', { uri })).toEqual({});
    const stream = await client.listen({ resourceSubscriptions: [uri] });
    expect(stream.acknowledged.params?.['notifications']).toEqual({ resourceSubscriptions: [uri] });
    stream.close();
  });

  it('does not block other callers, even if a template could be tried on it in many ways', async () => {
    await using server = await start({ resources });
    const [attacker, client, other] = [await open(server.url), new ModernClient(server.url), await open(server.url)];
    const uri = `lab://${'-'.repeat(2500)}/`;
    const loop = monitorEventLoopDelay({ resolution: 10 });
    loop.enable();
    const attack = Promise.all([
      attacker.error('resources/read', { uri }),
      attacker.error('resources/subscribe', { uri }),
      attacker.error('resources/read', { uri: `lab://${'-'.repeat(120_000)}/` }),
      client.listen({ resourceSubscriptions: Array.from({ length: 10 }, () => uri) }),
    ]);
    for (let calls = 0; calls < 20; calls += 1) expect(await other.result('ping')).toEqual({});
    const [read, subscribed, tooLong, stream] = await attack;
    loop.disable();
    expect([read.code, subscribed.code, tooLong.code]).toEqual([-32002, -32002, -32602]);
    expect(stream.acknowledged.params?.['notifications']).toEqual({});
    stream.close();
    // In milliseconds. Trying every way would take seconds for each URI.
    expect(loop.max / 1e6).toBeLessThan(1000);
  });
});
