import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { answers } from '../clients/client.ts';
import type { WireMessage } from '../support/schemas.ts';
import type { SseSession } from '../support/sse.ts';
import type { Cluster, Place } from './cluster.ts';
import { to } from './cluster.ts';
import { eventually } from './eventually.ts';
import { bigText } from './protocol.ts';
import { openSseAt, textOf } from './requests.ts';
import type { Scene } from './suite.ts';

/** Clients of 2024-11-05, whose stream is at one process and whose messages land on others. */
export function sseScenarios(scene: () => Scene): void {
  describe('an HTTP+SSE client whose stream is at A', () => {
    it('initializes at B, calls at C and at A, and gets progress and answers on its stream', async () => {
      const { cluster } = scene();
      const client = await connect(cluster, 'a', { initializeAt: 'b' });
      for (const [index, place] of (['c', 'a', 'b'] as const).entries()) {
        const progressToken = `p${index}`;
        const params = { name: 'count', arguments: { to: 3 }, _meta: { progressToken } };
        const { result } = await client.request('tools/call', params, to(place).headers);
        const progress = client.reader.messages.filter(message => message.params?.['progressToken'] === progressToken);
        expect([progress.map(({ params }) => params?.['progress']), result.content[0].text]).toEqual([[1, 2, 3], '3']);
      }
      client.reader.close();
    });

    it('gets a result of 1 MB with quotes and line breaks from B, as it is', async () => {
      const { cluster } = scene();
      const client = await connect(cluster, 'a');
      const bytes = 1_000_000;
      const { result } = await client.request('tools/call', { name: 'big', arguments: { bytes } }, to('b').headers);
      expect(result.content[0].text === bigText(bytes)).toBe(true);
      client.reader.close();
    });

    it('gets 20 answers to 20 calls at once over all processes', async () => {
      const { cluster } = scene();
      const client = await connect(cluster, 'a');
      const calls = Array.from({ length: 20 }, (_, index) => client.request('tools/call', { name: 'count', arguments: { to: index } }));
      expect((await Promise.all(calls)).map(({ result }) => result.content[0].text)).toEqual(calls.map((_, index) => `${index}`));
      client.reader.close();
    });

    it.each([
      ['sample', 'sampling/createMessage', 'five, seven, five'],
      ['roots', 'roots/list', 'file:///work'],
    ] as const)('is asked by a call at B and answers to C: %s', async (name, method, text) => {
      const { cluster } = scene();
      const client = await connect(cluster, 'a');
      const id = await client.send('tools/call', { name, arguments: {} }, to('b').headers);
      const question = await client.reader.until(message => message.method === method, method);
      const answer = { jsonrpc: '2.0', id: question.id, result: answers[method]() } as WireMessage;
      expect((await client.post(answer, to('c').headers)).status).toBe(202);
      expect(textOf(await client.answer(id))).toBe(text);
      client.reader.close();
    });

    it('cancels at C a call that it made at B', async () => {
      const { cluster } = scene();
      const client = await connect(cluster, 'a');
      const key = randomUUID();
      const requestId = await client.send('tools/call', { name: 'say', arguments: { key } }, to('b').headers);
      const runsAt = await whereItBegan(cluster, key);
      await client.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } }, to('c').headers);
      await cluster.at(runsAt).order({ do: 'aborted', key });
      expect((await client.request('ping', undefined, to('b').headers)).result).toEqual({});
      expect(client.reader.messages.filter(({ id, method }) => id === requestId && method === undefined)).toEqual([]);
      client.reader.close();
    });

    it('ends its session by going: a call at B is given up, and no process knows the session any more', async () => {
      const { cluster } = scene();
      const client = await connect(cluster, 'a');
      const key = randomUUID();
      await client.send('tools/call', { name: 'say', arguments: { key } }, to('b').headers);
      const runsAt = await whereItBegan(cluster, key);
      client.reader.close();
      await cluster.at(runsAt).order({ do: 'aborted', key });
      for (const place of ['a', 'b', 'c'] as const) {
        const ping = async () => (await client.post({ jsonrpc: '2.0', id: 99, method: 'ping' }, to(place).headers)).status;
        await eventually(async () => ((await ping()) === 404 ? true : undefined), `a 404 of ${place}`);
      }
    });

    it('hears of a resource that it subscribed to at B and that is updated at C', async () => {
      const { cluster } = scene();
      const client = await connect(cluster, 'a');
      const uri = `test://item/${randomUUID()}`;
      await client.request('resources/subscribe', { uri }, to('b').headers);
      await cluster.at('c').order({ do: 'resourceUpdated', uris: [uri] });
      await client.reader.until(({ params }) => params?.['uri'] === uri, `the update of ${uri}`);
      client.reader.close();
    });
  });
}

const capabilities = { sampling: {}, roots: {} };

async function connect(cluster: Cluster, place: Place, { initializeAt = place }: { initializeAt?: Place } = {}): Promise<SseSession> {
  const client = await openSseAt(cluster, place);
  const params = { protocolVersion: '2024-11-05', capabilities, clientInfo: { name: 'sse', version: '1' } };
  await client.request('initialize', params, to(initializeAt).headers);
  expect((await client.post({ jsonrpc: '2.0', method: 'notifications/initialized' }, to(initializeAt).headers)).status).toBe(202);
  return client;
}

/** The process that serves a call: the one that took it, or another that it was left to. */
async function whereItBegan(cluster: Cluster, key: string): Promise<Place> {
  return Promise.race(
    (['a', 'b', 'c'] as const).map(place =>
      cluster
        .at(place)
        .order({ do: 'began', key })
        .then(() => place),
    ),
  );
}
