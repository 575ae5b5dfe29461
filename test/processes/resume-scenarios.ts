import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { EventReader } from '../support/sse.ts';
import type { Place } from './cluster.ts';
import { to } from './cluster.ts';
import { bigText } from './protocol.ts';
import { openCall, openGet, openSession, positions, range, resumeCall, textOf } from './requests.ts';
import { linger } from './round-robin.ts';
import type { Scene } from './suite.ts';

/** `Last-Event-ID` answered by another process, while the one that the stream began at lives. */
export function resumeScenarios(scene: () => Scene): void {
  const feed = (place: Place, key: string, ...lines: readonly string[]) =>
    Promise.all(lines.map(line => scene().cluster.at(place).order({ do: 'feed', key, line })));
  const end = (place: Place, key: string) => scene().cluster.at(place).order({ do: 'feed', key });

  describe('the stream of a call that runs at A', () => {
    it('goes on at B after its connection was cut, and to its end', async () => {
      const session = await openSession(scene().cluster, 'c');
      const key = randomUUID();
      await feed('a', key, 'one', 'two');
      const call = await openCall(session, 'a', 'say', { key });
      await call.count(2);
      call.close();
      await feed('a', key, 'three');
      const resumed = await resumeCall(session, 'b', call.received[0]?.id);
      await resumed.count(2);
      await feed('a', key, 'four');
      await resumed.count(3);
      await end('a', key);
      expect((await resumed.end()).map(textOf)).toEqual(['two', 'three', 'four', 'done']);
      expect([resumed.wasCut, positions(resumed)]).toEqual([false, range(2, 5)]);
    });

    it('goes on at B although A does not know that its connection is gone', async () => {
      const session = await openSession(scene().cluster, 'c');
      const key = randomUUID();
      await feed('a', key, 'one');
      const call = await openCall(session, 'a', 'say', { key }, { headers: linger(60_000) });
      await call.count(1);
      call.close();
      await feed('a', key, 'two', 'three');
      const resumed = await resumeCall(session, 'b', call.lastEventId);
      await resumed.count(2);
      await feed('a', key, 'four');
      await resumed.count(3);
      await end('a', key);
      expect((await resumed.end()).map(textOf)).toEqual(['two', 'three', 'four', 'done']);
    });

    it('is had from B with its result of 1 MB, quotes and line breaks, though the call has ended meanwhile', async () => {
      const session = await openSession(scene().cluster, 'c');
      const [key, bytes] = [randomUUID(), 1_000_000];
      const call = await openCall(session, 'a', 'big', { key, bytes });
      await call.count(1);
      call.close();
      await end('a', key);
      const resumed = await resumeCall(session, 'b', call.lastEventId);
      const [result, ...rest] = await resumed.end();
      expect([result?.result.content[0].text === bigText(bytes), rest]).toEqual([true, []]);
    });

    it('can be left and resumed time and again, at every process, and gives every event once', async () => {
      const session = await openSession(scene().cluster, 'b');
      const key = randomUUID();
      await feed('a', key, 'one');
      let reader = await openCall(session, 'a', 'say', { key });
      await reader.count(1);
      const heard = [...reader.messages];
      for (const [index, place] of (['b', 'c', 'a', 'c', 'b'] as const).entries()) {
        reader.close();
        await feed('a', key, `line ${index}`);
        const { lastEventId } = reader;
        // A process that learns late that A had the stream in between ends its connection. The client then comes back.
        do {
          reader = await resumeCall(session, place, lastEventId);
        } while ((await reader.at(0)) === undefined);
        heard.push(...reader.messages);
      }
      await end('a', key);
      heard.push(...(await reader.end()).slice(1));
      expect(heard.map(textOf)).toEqual(['one', ...range(0, 4).map(index => `line ${index}`), 'done']);
    });

    it('is over when everything was received: another process has nothing to add, and says so', async () => {
      const session = await openSession(scene().cluster, 'c');
      const key = randomUUID();
      await feed('a', key, 'one');
      const call = await openCall(session, 'a', 'say', { key });
      await end('a', key);
      await call.end();
      const resumed = await resumeCall(session, 'b', call.lastEventId);
      expect(await resumed.end()).toEqual([]);
    });
  });

  describe('the standalone stream', () => {
    it('that was left at A goes on at B with exactly the events that were missed, in order, and then live', async () => {
      const { session, uris, publish } = await subscribed(9);
      const first = await openGet(session, 'a');
      await publish('b', 0, 3);
      await first.count(3);
      first.close();
      await publish('c', 3, 6);
      const seen = first.received[1];
      const second = await openGet(session, 'b', seen?.id);
      await second.count(4);
      await publish('a', 6, 9);
      await second.count(7);
      expect(second.messages.map(textOf)).toEqual(uris.slice(2));
      second.close();
    });

    it('goes on at B although A does not know that its connection is gone', async () => {
      const { session, uris, publish } = await subscribed(6);
      const first = await openGet(session, 'a', undefined, linger(60_000));
      await publish('b', 0, 2);
      await first.count(2);
      first.close();
      await publish('c', 2, 4);
      const second = await openGet(session, 'b', first.lastEventId);
      await second.count(2);
      await publish('a', 4, 6);
      await second.count(4);
      expect(second.messages.map(textOf)).toEqual(uris.slice(2));
      second.close();
    });

    it('gives every event once to a client that comes and goes while others publish', async () => {
      const { session, uris, publish } = await subscribed(30);
      const publishing = Promise.all([publish('a', 0, 10), publish('b', 10, 20), publish('c', 20, 30)]);
      const heard: unknown[] = [];
      let reader: EventReader | undefined;
      for (let turn = 0; heard.length < 30; turn += 1) {
        reader = await openGet(session, (['a', 'b', 'c'] as const)[turn % 3] ?? 'a', reader?.lastEventId);
        await reader.count(Math.min(4, 30 - heard.length));
        reader.close();
        await reader.end();
        heard.push(...reader.messages.map(textOf));
      }
      await publishing;
      expect([...heard].sort()).toEqual([...uris].sort());
    });
  });

  async function subscribed(count: number) {
    const session = await openSession(scene().cluster, 'a');
    const uris = Array.from({ length: count }, () => `test://item/${randomUUID()}`);
    for (const uri of uris) await session.request('resources/subscribe', { uri }, to('a'));
    const publish = (place: Place, from: number, upTo: number) =>
      scene()
        .cluster.at(place)
        .order({ do: 'resourceUpdated', uris: uris.slice(from, upTo) });
    return { session, uris, publish };
  }
}
