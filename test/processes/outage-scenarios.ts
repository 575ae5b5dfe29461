import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { ModernClient } from '../support/modern.ts';
import { places, to } from './cluster.ts';
import { openCall, openGet, openSession, openSseAt, textOf } from './requests.ts';
import type { Scene } from './suite.ts';

const outageMs = 5000;
const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'outage', version: '1' } },
};

/** The database away, for PostgreSQL: the way to it is cut. */
export function outageScenarios(scene: () => Scene): void {
  describe('while the database is away for 5 s', () => {
    afterEach(() => {
      // Every process reports that the database is away; none may end of it.
      expect(
        scene()
          .cluster.takeProblems()
          .filter(problem => problem.includes('ended by itself')),
      ).toEqual([]);
    });

    it('requests get 503 with Retry-After, streams stay open, and afterwards all goes on', async () => {
      const { cluster, place } = scene();
      const session = await openSession(cluster, 'a');
      const [uri, key] = [`test://item/${randomUUID()}`, randomUUID()];
      await session.request('resources/subscribe', { uri }, to('a'));
      const stream = await openGet(session, 'a');
      const sse = await openSseAt(cluster, 'b');
      await sse.request('initialize', { ...initialize.params, protocolVersion: '2024-11-05' }, to('c').headers);
      await sse.post({ jsonrpc: '2.0', method: 'notifications/initialized' }, to('c').headers);
      const modern = await new ModernClient(cluster.url).listen({ toolsListChanged: true, resourceSubscriptions: [uri] }, to('c'));
      const heard = [modern.next(), modern.next()];
      await cluster.at('c').order({ do: 'feed', key, line: 'one' });
      const call = await openCall(session, 'c', 'say', { key });
      await call.count(1);

      place.proxy?.cut();
      const until = performance.now() + outageMs;
      const announced = cluster.at('b').order({ do: 'listChanged', list: 'tools' });
      announced.catch(() => undefined);
      const statuses = new Set<number>();
      while (performance.now() < until) {
        for (const at of places) {
          const answer = await postTo(cluster.url, at, initialize);
          expect([answer.status, Number(answer.headers.get('retry-after')) > 0]).toEqual([503, true]);
          expect(await answer.json()).toMatchObject({
            jsonrpc: '2.0',
            error: { code: -32603, message: expect.stringMatching(/database/u) },
          });
          // A session whose row was read a moment ago may be served yet.
          statuses.add((await session.request('ping', {}, to(at))).status);
        }
        await delay(500);
      }
      expect([...statuses].filter(status => status !== 200)).toEqual([503]);
      expect([stream.isOver, sse.reader.isOver, call.isOver]).toEqual([false, false, false]);

      place.proxy?.open();
      await announced;
      await stream.until(({ method }) => method === 'notifications/tools/list_changed');
      await sse.reader.until(({ method }) => method === 'notifications/tools/list_changed');
      for (const at of places) await expect.poll(() => session.request('ping', {}, to(at)).then(({ status }) => status)).toBe(200);
      await cluster.at('b').order({ do: 'resourceUpdated', uris: [uri] });
      await stream.until(message => textOf(message) === uri);
      expect((await Promise.all(heard)).map(message => message && textOf(message))).toEqual(['notifications/tools/list_changed', uri]);
      expect((await sse.request('tools/call', { name: 'process' }, to('a').headers)).result.content[0].text).toMatch(/^[abc]/u);
      await cluster.at('c').order({ do: 'feed', key });
      expect((await call.end()).map(textOf)).toEqual(['one', 'done']);
      for (const each of [stream, sse.reader, modern]) each.close();
    }, 60_000);
  });
}

function postTo(url: string, place: 'a' | 'b' | 'c', body: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...to(place).headers };
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
}
