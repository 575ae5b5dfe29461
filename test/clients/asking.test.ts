import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AppProcess } from '../support/example.ts';
import { startApp } from '../support/example.ts';
import type { Ability, TestClient } from './client.ts';
import { describeClients } from './kinds.ts';

let app: AppProcess;
beforeAll(async () => {
  app = await startApp(new URL('app.ts', import.meta.url));
});
afterAll(async () => {
  const { output } = app;
  await app[Symbol.asyncDispose]();
  // Koa reports on stderr what no client was told.
  expect(output().trimEnd().split('\n')).toHaveLength(1);
});

describeClients(kind => {
  let client: TestClient;
  beforeAll(async () => {
    client = await kind.connect(app.origin);
  });
  afterAll(() => client[Symbol.asyncDispose]());

  /** A test of something that not every client can do. */
  const able = (ability: Ability, title: string, test: () => Promise<void>) => {
    if (kind.can.has(ability)) it(title, test);
  };

  it(`agrees on ${kind.revision}`, async () => {
    const { text } = await client.callTool('client');
    expect(JSON.parse(text)).toEqual({ name: expect.stringMatching(/^(?:official-v[12]|by-hand|mcp)$/u), revision: kind.revision });
  });

  able('progress', 'gets every progress notification, in order and before the result', async () => {
    const [key, seen] = [randomUUID(), [] as unknown[]];
    // Over SSE the official clients lose progress that arrives in one packet with the result, so that has to wait.
    const onProgress = (progress: number, total: number | undefined) => {
      seen.push([progress, total]);
      if (progress === total) void fetch(`${app.origin}/proceeds/${key}`, { method: 'POST' });
    };
    expect((await client.callTool('count', { to: 5, key }, { onProgress })).text).toBe('5');
    expect(seen).toEqual([1, 2, 3, 4, 5].map(step => [step, 5]));
  });

  able('cancel', 'cancels a call: the handler is aborted, the session goes on', async () => {
    const [key, abort] = [randomUUID(), new AbortController()];
    const call = client.callTool('wait', { key }, { signal: abort.signal });
    await fetch(`${app.origin}/began/${key}`);
    const rejected = expect(call).rejects.toThrow();
    abort.abort();
    await Promise.all([rejected, fetch(`${app.origin}/aborted/${key}`)]);
    expect((await client.callTool('count', { to: 1 })).text).toBe('1');
  });

  it('has other calls answered while one waits', async () => {
    const [key, abort] = [randomUUID(), new AbortController()];
    const waiting = client.callTool('wait', { key }, { signal: abort.signal });
    await fetch(`${app.origin}/began/${key}`);
    const counted = await Promise.all([1, 2, 3].map(to => client.callTool('count', { to })));
    expect(counted.map(({ text }) => text)).toEqual(['1', '2', '3']);
    const rejected = expect(waiting).rejects.toThrow();
    abort.abort();
    await rejected;
  });

  describe('is asked', () => {
    able('form', 'to fill in a form, and its answer reaches the handler', async () => {
      const { text } = await client.callTool('form', { message: 'Who comes?' });
      // What the form did not ask for is not passed on.
      expect(JSON.parse(text)).toEqual({ action: 'accept', content: { name: 'Ada', people: 3 } });
    });

    able('form', 'to fill in a form, and may decline or cancel', async () => {
      expect(JSON.parse((await client.callTool('form', { message: 'Please decline' })).text)).toEqual({ action: 'decline' });
      expect(JSON.parse((await client.callTool('form', { message: 'Please cancel' })).text)).toEqual({ action: 'cancel' });
    });

    able('form', 'twice in one call, the second time with the first answer', async () => {
      expect(await client.callTool('two_forms')).toMatchObject({ isError: false, text: 'accept, then decline' });
    });

    able('page', 'to open a page', async () => {
      expect(JSON.parse((await client.callTool('page')).text)).toEqual({ action: 'accept' });
    });

    able('sample', 'for its model', async () => {
      expect((await client.callTool('sample')).text).toBe('five, seven, five');
    });

    able('roots', 'for its roots', async () => {
      expect((await client.callTool('roots')).text).toBe('file:///work');
    });
  });

  if (!kind.can.has('form'))
    it('is told that it cannot be asked with a form', async () => {
      expect(await client.callTool('form', { message: 'Who comes?' })).toMatchObject({
        isError: true,
        text: expect.stringContaining('elicitation'),
      });
    });
  if (!kind.can.has('page'))
    it('is told that it cannot be asked to open a page', async () => {
      expect(await client.callTool('page')).toMatchObject({ isError: true, text: expect.stringContaining('2025-11-25') });
    });
});
