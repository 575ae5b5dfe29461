import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ModernClient } from '../support/modern.ts';
import type { WireSession } from '../support/wire.ts';
import { places, to } from './cluster.ts';
import { openGet, openSession, openSseAt, textOf } from './requests.ts';
import type { Scene } from './suite.ts';

/** What clients are told without having asked, wherever it arises and wherever their streams are. */
export function notificationScenarios(scene: () => Scene): void {
  const updated = (place: 'a' | 'b' | 'c', uris: readonly string[]) => scene().cluster.at(place).order({ do: 'resourceUpdated', uris });

  describe('notifications', () => {
    it('of a resource reach the stream at C when it was subscribed to at A and is updated at B', async () => {
      const session = await openSession(scene().cluster, 'a');
      const [wanted, other] = [newUri(), newUri()];
      await subscribe(session, 'a', [wanted]);
      const stream = await openGet(session, 'c');
      await updated('b', [other, wanted]);
      expect(textOf(await stream.until(({ method }) => method === 'notifications/resources/updated'))).toBe(wanted);
      await session.request('resources/unsubscribe', { uri: wanted }, to('b'));
      const last = newUri();
      await subscribe(session, 'b', [last]);
      await updated('a', [wanted, last]);
      await stream.until(message => textOf(message) === last);
      expect(stream.messages.map(textOf)).toEqual([wanted, last]);
      stream.close();
    });

    it('of a list changed at B reach a GET stream at A, an HTTP+SSE stream at A and a subscription of 2026-07-28 at C', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'b');
      const stream = await openGet(session, 'a');
      const older = await openSseAt(cluster, 'a');
      const params = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'sse', version: '1' } };
      await older.request('initialize', params, to('a').headers);
      await older.post({ jsonrpc: '2.0', method: 'notifications/initialized' }, to('a').headers);
      const modern = await new ModernClient(cluster.url).listen({ toolsListChanged: true }, to('c'));
      await cluster.at('b').order({ do: 'listChanged', list: 'tools' });
      const method = 'notifications/tools/list_changed';
      await stream.until(message => message.method === method, method);
      await older.reader.until(message => message.method === method, method);
      expect((await modern.next())?.method).toBe(method);
      stream.close();
      older.reader.close();
      modern.close();
    });

    it('of a resource updated at B reach a subscription of 2026-07-28 at C', async () => {
      const uri = newUri();
      const modern = await new ModernClient(scene().cluster.url).listen({ resourceSubscriptions: [uri] }, to('c'));
      await updated('b', [newUri(), uri]);
      expect((await modern.next())?.params?.['uri']).toBe(uri);
      modern.close();
    });

    it('for a session without an open stream are kept, and delivered once, when one opens at another process', async () => {
      const session = await openSession(scene().cluster, 'a');
      const uris = Array.from({ length: 4 }, newUri);
      await subscribe(session, 'a', uris);
      await updated('b', uris.slice(0, 2));
      const first = await openGet(session, 'c');
      await first.count(2);
      await updated('a', uris.slice(2, 3));
      await first.count(3);
      first.close();
      await updated('b', uris.slice(3));
      const second = await openGet(session, 'b', first.lastEventId);
      await second.count(1);
      expect([first, second].map(({ messages }) => messages.map(textOf))).toEqual([uris.slice(0, 3), uris.slice(3)]);
      second.close();
    });

    it('go on the newer of two streams of a session, at A and at B, each once, and the older one ends', async () => {
      const session = await openSession(scene().cluster, 'c');
      const uris = Array.from({ length: 9 }, newUri);
      await subscribe(session, 'c', uris);
      const [first, second] = [await openGet(session, 'a'), await openGet(session, 'b')];
      for (const [index, place] of places.entries()) await updated(place, uris.slice(index * 3, index * 3 + 3));
      const both = () => [...first.messages, ...second.messages].map(textOf);
      await expect.poll(() => both().length, { timeout: 15_000 }).toBe(9);
      // What came twice would have come by the time that a last one has.
      const last = newUri();
      await subscribe(session, 'c', [last]);
      await updated('c', [last]);
      await expect.poll(() => both().length, { timeout: 15_000 }).toBe(10);
      expect(both()).toEqual([...uris, last]);
      expect([first.isOver, first.received]).toEqual([true, []]);
      first.close();
      second.close();
    });

    it('of 8 publishers in all processes come in the order of each, each once', async () => {
      const session = await openSession(scene().cluster, 'a');
      const uris = Array.from({ length: 8 }, () => Array.from({ length: 15 }, newUri));
      // A session may have 100 requests at once.
      for (const own of uris) await subscribe(session, 'b', own);
      const stream = await openGet(session, 'c');
      await Promise.all(uris.map((own, publisher) => updated(places[publisher % 3] ?? 'a', own)));
      const heard = (await stream.count(8 * 15)).map(textOf);
      expect([new Set(heard).size, new Set(stream.received.map(({ id }) => id)).size]).toEqual([8 * 15, 8 * 15]);
      for (const own of uris) expect(heard.filter(uri => own.includes(uri as string))).toEqual(own);
      stream.close();
    });
  });
}

function newUri(): string {
  return `test://item/${randomUUID()}`;
}

async function subscribe(session: WireSession, place: 'a' | 'b' | 'c', uris: readonly string[]): Promise<void> {
  const subscribed = await Promise.all(uris.map(uri => session.request('resources/subscribe', { uri }, to(place))));
  for (const { response } of subscribed) expect(response.result).toEqual({});
}
