import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { answers, clientCapabilities } from '../clients/client.ts';
import { ModernClient } from '../support/modern.ts';
import type { WireMessage } from '../support/schemas.ts';
import { to } from './cluster.ts';
import { openCall, openGet, openSession, textOf } from './requests.ts';
import type { Scene } from './suite.ts';

/** Calls of a session whose requests land on different processes. */
export function callScenarios(scene: () => Scene): void {
  describe('calls', () => {
    it('are served by any process: initialize at A, GET at B, call at C', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'a');
      const stream = await openGet(session, 'b');
      const call = await openCall(session, 'c', 'count', { to: 3 }, { progressToken: 'p' });
      expect((await call.end()).map(({ params, result }) => params?.['progress'] ?? result.content[0].text)).toEqual([1, 2, 3, '3']);
      expect(call.response.headers.get('x-process')).toBe(cluster.at('c').name);
      expect(stream.isOver).toBe(false);
      stream.close();
    });

    it('of 20 at once in one session, over all processes, get 20 answers', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'a');
      const exchanges = await Promise.all(
        Array.from({ length: 20 }, (_, index) => session.request('tools/call', { name: 'count', arguments: { to: index } })),
      );
      expect(exchanges.map(({ response }) => response.result.content[0].text)).toEqual(exchanges.map((_, index) => `${index}`));
      expect(new Set(exchanges.map(({ headers }) => headers.get('x-process'))).size).toBe(3);
    });

    it.each([
      ['form', 'elicitation/create', 'Ada'],
      ['sample', 'sampling/createMessage', 'five, seven, five'],
      ['roots', 'roots/list', 'file:///work'],
    ] as const)('ask at A and are answered at B: %s', async (name, method, text) => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'c', clientCapabilities);
      const call = await openCall(session, 'a', name, {});
      const question = await call.until(message => message.method === method, method);
      const result = answers[method](question.params as { message?: string });
      const { status } = await session.send({ jsonrpc: '2.0', id: question.id, result }, to('b'));
      expect(status).toBe(202);
      expect(textOf((await call.end()).at(-1) as WireMessage)).toBe(text);
    });

    it('are told when the client refuses at B what was asked at A', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'c', clientCapabilities);
      const call = await openCall(session, 'a', 'sample', {});
      const { id } = await call.until(message => message.method === 'sampling/createMessage');
      await session.send({ jsonrpc: '2.0', id, error: { code: -1, message: 'No, thanks' } }, to('b'));
      const { result } = (await call.end()).at(-1) as WireMessage;
      expect(result).toMatchObject({ isError: true });
      expect(result.content[0].text).toContain('No, thanks');
    });

    it('ask at A and are answered at B in 2026-07-28, where the answer comes with the call made anew', async () => {
      const { cluster } = scene();
      const client = new ModernClient(cluster.url, { capabilities: { elicitation: { form: {} } } });
      const asked = await client.call('form', {}, to('a'));
      const [key = ''] = Object.keys(asked.inputRequests);
      const answered = {
        name: 'form',
        arguments: {},
        requestState: asked.requestState,
        inputResponses: { [key]: answers['elicitation/create']({}) },
      };
      expect((await client.result('tools/call', answered, to('b'))).content[0].text).toBe('Ada');
    });

    it('that run at A are cancelled at C, and get no answer', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'b');
      const key = randomUUID();
      const call = openCall(session, 'a', 'say', { key }, { id: 41 }).catch((error: Error) => error);
      await cluster.at('a').order({ do: 'began', key });
      const params = { requestId: 41, reason: 'Enough' };
      expect((await session.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params }, to('c'))).status).toBe(202);
      await cluster.at('a').order({ do: 'aborted', key });
      expect((await call) as Error).toMatchObject({ text: '' });
    });

    it('that run at A and stream are cancelled at C, and their stream ends without an answer', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'b');
      const key = randomUUID();
      await cluster.at('a').order({ do: 'feed', key, line: 'one' });
      const call = await openCall(session, 'a', 'say', { key }, { id: 42 });
      await call.count(1);
      await session.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 42 } }, to('c'));
      await cluster.at('a').order({ do: 'aborted', key });
      expect((await call.end()).map(textOf)).toEqual(['one']);
    });

    it('end with their session: DELETE at B ends the stream at A and the call at C, and no process knows the session any more', async () => {
      const { cluster } = scene();
      const session = await openSession(cluster, 'b');
      const key = randomUUID();
      await cluster.at('c').order({ do: 'feed', key, line: 'one' });
      const [stream, call] = [await openGet(session, 'a'), await openCall(session, 'c', 'say', { key })];
      await call.count(1);
      const { status } = await fetch(cluster.url, { method: 'DELETE', headers: { ...session.headers, ...to('b').headers } });
      expect(status).toBe(204);
      await cluster.at('c').order({ do: 'aborted', key });
      expect([await stream.end(), (await call.end()).map(textOf)]).toEqual([[], ['one']]);
      for (const at of ['a', 'b', 'c'] as const) expect([at, (await session.request('ping', {}, to(at))).status]).toEqual([at, 404]);
    });
  });
}
