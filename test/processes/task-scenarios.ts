import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { tasksExtension } from '../../src/protocol/revisions.ts';
import { ModernClient } from '../support/modern.ts';
import { events } from '../support/wire.ts';
import type { Place } from './cluster.ts';
import { to } from './cluster.ts';
import { openSession } from './requests.ts';
import type { Scene } from './suite.ts';

/** Tasks whose process is another than the one that is asked, or has ended. */
export function taskScenarios(scene: () => Scene): void {
  const capabilities = { elicitation: { form: {} }, extensions: { [tasksExtension]: {} } };
  const at = (place: Place) => new ModernClient(scene().cluster.url, { capabilities, ...to(place) });
  const get = (place: Place, taskId: string) => at(place).result('tasks/get', { taskId });
  const until = (place: Place, taskId: string, status: string) =>
    expect.poll(async () => (await get(place, taskId)).status, { timeout: 40_000 }).toBe(status);

  afterEach(() => scene().cluster.restore());

  describe('a task of process A', () => {
    it('fails after A was killed, for a client that polls B and one that waits at C; its neighbour’s result stays', {
      timeout: 60_000,
    }, async () => {
      const { cluster } = scene();
      const key = randomUUID();
      const { taskId: done } = await at('a').call('note', { key });
      await until('a', done, 'completed');
      const { taskId } = await at('a').call('wait', { key, forMs: 600_000 });
      const session = await openSession(cluster, 'c');
      const waiting = session.request('tasks/result', { taskId }, to('c'));
      await expect.poll(() => cluster.at('a').ran).toContain(key);
      await cluster.stop('a', 'SIGKILL');
      await until('b', taskId, 'failed');
      expect(await get('b', taskId)).toMatchObject({ error: { code: -32603, message: expect.stringMatching(/ended.*unknown/u) } });
      expect((await waiting).response.error).toMatchObject({ code: -32603 });
      expect((await get('c', done)).result.content[0].text).toMatch(/^a/u);
    });

    it('asks through B and is answered through C', async () => {
      const { taskId } = await at('a').call('form');
      await until('b', taskId, 'input_required');
      const [key = ''] = Object.keys((await get('b', taskId)).inputRequests);
      const inputResponses = { [key]: { action: 'accept', content: { name: 'Ada', people: 2 } } };
      await at('c').result('tasks/update', { taskId, inputResponses });
      await until('b', taskId, 'completed');
      expect((await get('b', taskId)).result.content).toEqual([{ type: 'text', text: 'Ada' }]);
    });

    it('asks on the stream of `tasks/result` at B and is answered at C', async () => {
      const session = await openSession(scene().cluster, 'a', { elicitation: {} });
      const { response } = await session.request('tools/call', { name: 'form', arguments: {}, task: {} }, to('a'));
      const { taskId } = response.result.task;
      const result = await fetch(session.url, {
        method: 'POST',
        headers: {
          ...session.headers,
          ...to('b').headers,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 'result', method: 'tasks/result', params: { taskId } }),
      });
      const seen: unknown[] = [];
      for await (const message of events(result)) {
        seen.push(message.method ?? message.result.content[0].text);
        const answer = { action: 'accept', content: { name: 'Ada', people: 2 } };
        if (message.id !== undefined && message.method !== undefined)
          await session.send({ jsonrpc: '2.0', id: message.id, result: answer }, to('c'));
      }
      expect(seen).toEqual(['elicitation/create', 'Ada']);
    });

    it('is cancelled through B', async () => {
      const { cluster } = scene();
      const key = randomUUID();
      const { taskId } = await at('a').call('wait', { key, forMs: 600_000 });
      await expect.poll(() => cluster.at('a').ran).toContain(key);
      await at('b').result('tasks/cancel', { taskId });
      await expect.poll(() => [...cluster.at('a').aborted], { timeout: 10_000 }).toContain(key);
      expect((await get('c', taskId)).status).toBe('cancelled');
    });

    it('ends before A does, where a deployment ends A', async () => {
      const { cluster } = scene();
      const key = randomUUID();
      const { taskId } = await at('a').call('wait', { key, forMs: 1500 });
      await expect.poll(() => cluster.at('a').ran).toContain(key);
      await cluster.stop('a', 'SIGTERM');
      expect((await get('b', taskId)).result.content).toEqual([{ type: 'text', text: 'waited' }]);
    });
  });

  describe('a task that A has handed over', () => {
    const leave = async (): Promise<string> => {
      const key = randomUUID();
      const { taskId } = await at('a').call('leave', { key });
      await expect.poll(() => scene().cluster.at('a').ran).toContain(key);
      return taskId;
    };

    it('is ended by B, for clients that wait at C in both eras, and stays ended', async () => {
      const { cluster } = scene();
      const taskId = await leave();
      const session = await openSession(cluster, 'c');
      const waiting = session.request('tasks/result', { taskId }, to('c'));
      const stream = await at('c').listen({ taskIds: [taskId] });
      expect(await cluster.at('b').order({ do: 'progressTask', id: taskId, text: 'half' })).toBe(true);
      expect(await cluster.at('b').order({ do: 'completeTask', id: taskId, text: 'from b' })).toBe(true);
      const content = [{ type: 'text', text: 'from b' }];
      let message = await stream.next();
      while (message?.params?.['status'] === 'working') message = await stream.next();
      stream.close();
      expect(message?.params).toMatchObject({ status: 'completed', result: { content } });
      expect((await waiting).response.result).toMatchObject({ content });
      expect(await cluster.at('c').order({ do: 'completeTask', id: taskId, text: 'from c' })).toBe(false);
      expect((await get('a', taskId)).result.content).toEqual(content);
    });

    it('does not fail when A is killed, unlike a task that runs there; B ends it', { timeout: 60_000 }, async () => {
      const { cluster } = scene();
      const taskId = await leave();
      const key = randomUUID();
      const { taskId: own } = await at('a').call('wait', { key, forMs: 600_000 });
      await expect.poll(() => cluster.at('a').ran).toContain(key);
      await cluster.stop('a', 'SIGKILL');
      await until('b', own, 'failed');
      expect((await get('c', taskId)).status).toBe('working');
      expect(await cluster.at('b').order({ do: 'completeTask', id: taskId, text: 'from b' })).toBe(true);
      expect((await get('c', taskId)).result.content).toEqual([{ type: 'text', text: 'from b' }]);
    });

    it('that its client has cancelled through C is not open for B any more', async () => {
      const { cluster } = scene();
      const taskId = await leave();
      await at('c').result('tasks/cancel', { taskId });
      expect(await cluster.at('b').order({ do: 'progressTask', id: taskId, text: 'half' })).toBe(false);
      expect(await cluster.at('b').order({ do: 'completeTask', id: taskId, text: 'from b' })).toBe(false);
      expect((await get('a', taskId)).status).toBe('cancelled');
    });
  });
}
