import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { WireSession } from '../support/wire.ts';
import { to } from './cluster.ts';
import { eventually } from './eventually.ts';
import { openCall, openGet, openSession, openSseAt, resumeCall, textOf } from './requests.ts';
import type { Scene } from './suite.ts';

/** Processes that end, by SIGKILL or by `mcp.close()`, while clients have streams there. */
export function restartScenarios(scene: () => Scene): void {
  const feed = (key: string, line?: string) =>
    scene()
      .cluster.at('a')
      .order({ do: 'feed', key, ...(line !== undefined && { line }) });
  /** Waits until a message is a row. */
  const stored = (session: WireSession, text: string) =>
    eventually(async () => {
      const where = { sessionId: session.id, data: { contains: JSON.stringify(text) } };
      return (await scene().place.database.prisma.mcpEvent.count({ where })) > 0 || undefined;
    }, `a row with ${text}`);
  const subscribe = async (session: WireSession, count: number) => {
    const uris = Array.from({ length: count }, () => `test://item/${randomUUID()}`);
    for (const uri of uris) await session.request('resources/subscribe', { uri }, to('b'));
    return uris;
  };

  afterEach(() => scene().cluster.restore());

  describe('after process A was killed', () => {
    it('B answers for a call’s stream with what was stored of it, and one error; and goes on with the session', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'a');
      const key = randomUUID();
      await feed(key, 'one');
      await feed(key, 'two');
      const call = await openCall(session, 'a', 'say', { key }, { id: 77 });
      await call.count(2);
      call.close();
      await feed(key, 'three');
      await stored(session, 'three');
      await cluster.stop('a', 'SIGKILL');
      const resumed = await resumeCall(session, 'b', call.received[0]?.id);
      const messages = await resumed.end();
      expect(messages.map(textOf)).toEqual(['two', 'three', 'error -32603']);
      expect(messages.at(-1)).toMatchObject({ id: 77, error: { message: expect.stringMatching(/ended.*unknown/u) } });
      expect((await session.request('ping', {}, to('c'))).response.result).toEqual({});
    });

    it('B answers with one error for a call whose client was connected until then', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'a');
      const key = randomUUID();
      await feed(key, 'one');
      const call = await openCall(session, 'a', 'say', { key }, { id: 78 });
      await call.count(1);
      await cluster.stop('a', 'SIGKILL');
      await call.end();
      expect(call.wasCut).toBe(true);
      const resumed = await resumeCall(session, 'b', call.lastEventId);
      const messages = await resumed.end();
      expect(messages.map(({ id, error }) => [id, error?.code])).toEqual([[78, -32603]]);
    });

    it('an HTTP+SSE client whose stream is at B gets one error for the call that ran there, and goes on', async () => {
      const { cluster } = scene();
      const client = await openSseAt(cluster, 'b');
      await client.request('initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'sse', version: '1' } });
      const key = randomUUID();
      const id = await client.send('tools/call', { name: 'say', arguments: { key } }, to('a').headers);
      await cluster.at('a').order({ do: 'began', key });
      await cluster.stop('a', 'SIGKILL');
      expect((await client.answer(id)).error).toMatchObject({ code: -32603, message: expect.stringMatching(/ended.*unknown/u) });
      expect((await client.request('ping')).result).toEqual({});
      client.reader.close();
    });

    it('a POST of an HTTP+SSE session whose stream was there is answered 409 at B, once B has noticed: nobody can be given the answer', async () => {
      const { cluster } = scene();
      const client = await openSseAt(cluster, 'a');
      await client.request('initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'sse', version: '1' } });
      expect((await client.request('ping', undefined, to('b').headers)).result).toEqual({});
      await cluster.stop('a', 'SIGKILL');
      const refused = await eventually(async () => {
        const answer = await client.post({ jsonrpc: '2.0', id: 99, method: 'ping' }, to('b').headers);
        expect([202, 409, 503]).toContain(answer.status);
        return answer.status === 409 ? answer : undefined;
      }, 'an end of the session');
      expect(await refused.json()).toMatchObject({
        error: { message: expect.stringContaining('stream of this session is gone') as string },
      });
      client.reader.close();
    });

    it('its standalone stream goes on at B with exactly the events that were missed, in order', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'a');
      const uris = await subscribe(session, 6);
      const first = await openGet(session, 'a');
      await cluster.at('b').order({ do: 'resourceUpdated', uris: uris.slice(0, 2) });
      await first.count(2);
      await cluster.stop('a', 'SIGKILL');
      await first.end();
      await cluster.at('c').order({ do: 'resourceUpdated', uris: uris.slice(2, 4) });
      const second = await openGet(session, 'b', first.lastEventId);
      await second.count(2);
      await cluster.restore();
      await cluster.at('a').order({ do: 'resourceUpdated', uris: uris.slice(4) });
      await second.count(4);
      expect(second.messages.map(textOf)).toEqual(uris.slice(2));
      second.close();
    });

    it('a client that was connected to it and comes back without Last-Event-ID hears again what was said on that connection', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'a');
      const uris = await subscribe(session, 2);
      const first = await openGet(session, 'a');
      await cluster.at('b').order({ do: 'resourceUpdated', uris: uris.slice(0, 1) });
      await first.count(1);
      await cluster.stop('a', 'SIGKILL');
      const second = await openGet(session, 'c');
      await cluster.at('b').order({ do: 'resourceUpdated', uris: uris.slice(1) });
      await second.count(2);
      expect(second.messages.map(textOf)).toEqual(uris);
      second.close();
    });
  });

  describe('while process A closes', () => {
    it('its calls finish on their streams, and its standalone streams are told to come back, and do so at B', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'a');
      const uris = await subscribe(session, 2);
      const key = randomUUID();
      await feed(key, 'one');
      const [stream, call] = [await openGet(session, 'a'), await openCall(session, 'a', 'say', { key })];
      await call.count(1);
      const closed = cluster.at('a').order({ do: 'close', deadlineMs: 10_000 });
      closed.catch(() => undefined);
      expect((await session.request('ping', {}, to('a'))).status).toBe(503);
      await feed(key, 'two');
      await feed(key);
      expect((await call.end()).map(textOf)).toEqual(['one', 'two', 'done']);
      await stream.end();
      await closed;
      expect([call.wasCut, stream.wasCut, stream.retryMs]).toEqual([false, false, expect.any(Number)]);
      await cluster.stop('a', 'SIGTERM');
      await cluster.at('b').order({ do: 'resourceUpdated', uris });
      const second = await openGet(session, 'b', stream.lastEventId);
      await second.count(2);
      expect(second.messages.map(textOf)).toEqual(uris);
      second.close();
    });

    it('a call that does not end in time is answered with one error, there or at B', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'a');
      const key = randomUUID();
      await feed(key, 'one');
      const call = await openCall(session, 'a', 'say', { key }, { id: 79 });
      await call.count(1);
      const closed = cluster.at('a').order({ do: 'close', deadlineMs: 1000 });
      closed.catch(() => undefined);
      await call.end();
      await closed;
      await cluster.stop('a', 'SIGTERM');
      const resumed = await resumeCall(session, 'b', call.lastEventId);
      const messages = [...call.messages, ...(await resumed.end())];
      expect(messages.map(textOf)).toEqual(['one', 'error -32603']);
      expect(messages.at(-1)?.id).toBe(79);
    });
  });
}
