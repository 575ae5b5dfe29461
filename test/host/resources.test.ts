import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';

const startResources = (): Promise<TestServer> =>
  start({
    resources: {
      hours: {
        uri: 'test://hours',
        title: 'Opening hours',
        description: 'When',
        size: 6,
        annotations: { priority: 1 },
        handler: () => '9 to 5',
      },
      // A part of a larger buffer.
      logo: { uri: 'test://logo', mimeType: 'image/png', handler: () => new Uint8Array([0, 1, 2, 3, 0]).subarray(1, 4) },
      gone: { uri: 'test://gone', handler: () => null },
      broken: { uri: 'test://broken', handler: () => Promise.reject(new Error('secret')) },
      invoice: {
        uriTemplate: 'test://invoice/{id}',
        argsSchema: z.object({ id: z.coerce.number().int() }),
        complete: { id: value => ['1', '2', '10'].filter(id => id.startsWith(value)) },
        handler: ({ id }: { id: number }) => (id < 100 ? { id, total: 5 } : undefined),
      },
      hidden: { uri: 'test://hidden', enabled: () => false, handler: () => 'hidden' },
    },
    prompts: {
      greet: {
        title: 'Greet',
        description: 'Greets someone',
        argsSchema: z.object({ name: z.string().describe('Whom'), tone: z.enum(['warm', 'cold']).optional() }),
        complete: {
          tone: (value, _ctx, others) =>
            ['warm', 'cold'].filter(tone => tone.startsWith(value)).map(tone => `${tone}${others['name'] ?? ''}`),
        },
        handler: ({ name, tone = 'warm' }: { name: string; tone?: string }) => `Greet ${name} (${tone})`,
      },
      chat: { description: 'Two messages', handler: () => [{ role: 'assistant', content: { type: 'text', text: 'Hi' } }] },
      many: {
        description: 'Many',
        argsSchema: z.object({ n: z.string() }),
        complete: { n: () => Array.from({ length: 150 }, (_, n) => `${n}`) },
        handler: () => 'x',
      },
    },
  });

describe('resources', () => {
  it('are listed with their metadata, templates apart, and hidden ones not at all', async () => {
    await using server = await startResources();
    const session = await open(server.url);
    const { resources } = await session.result('resources/list');
    expect(resources[0]).toEqual({
      uri: 'test://hours',
      name: 'hours',
      title: 'Opening hours',
      description: 'When',
      size: 6,
      annotations: { priority: 1 },
    });
    expect(resources.map(({ name }: { name: string }) => name)).toEqual(['hours', 'logo', 'gone', 'broken']);
    expect((await session.result('resources/templates/list')).resourceTemplates).toEqual([
      { uriTemplate: 'test://invoice/{id}', name: 'invoice' },
    ]);
  });

  it('are read as text, bytes or JSON', async () => {
    await using server = await startResources();
    const session = await open(server.url);
    const read = async (uri: string) => (await session.result('resources/read', { uri })).contents;
    expect(await read('test://hours')).toEqual([{ uri: 'test://hours', mimeType: 'text/plain', text: '9 to 5' }]);
    expect(await read('test://logo')).toEqual([{ uri: 'test://logo', mimeType: 'image/png', blob: 'AQID' }]);
    expect(await read('test://invoice/7')).toEqual([{ uri: 'test://invoice/7', mimeType: 'application/json', text: '{"id":7,"total":5}' }]);
  });

  it.each(['test://nope', 'test://gone', 'test://hidden', 'test://invoice/100', 'test://invoice/1/2'])(
    'answers -32002 with the URI for %s',
    async uri => {
      await using server = await startResources();
      expect(await (await open(server.url)).error('resources/read', { uri })).toEqual({
        code: -32002,
        message: `Resource not found: ${uri}`,
        data: { uri },
      });
    },
  );

  it('answer -32603 for a bad variable, naming it, and for a handler that fails, hiding why', async () => {
    await using server = await startResources();
    const session = await open(server.url);
    expect((await session.error('resources/read', { uri: 'test://invoice/x' })).message).toContain('id: ');
    expect((await session.error('resources/read', { uri: 'test://broken' })).message).toMatch(/^Internal error \(ref \w+\)$/u);
    expect(server.errors.splice(0).map(({ message }) => message)).toEqual(['secret']);
  });

  it.each([{}, { uri: 7 }, { uri: '' }])('answer -32602 for the params %j', async params => {
    await using server = await startResources();
    const session = await open(server.url);
    for (const method of ['resources/read', 'resources/subscribe', 'resources/unsubscribe']) {
      expect(await session.error(method, params)).toEqual({ code: -32602, message: expect.stringContaining('`uri`') });
    }
  });

  it('can be subscribed to only where they exist', async () => {
    await using server = await startResources();
    const session = await open(server.url);
    expect((await session.error('resources/subscribe', { uri: 'test://nope' })).code).toBe(-32002);
    expect(await session.result('resources/subscribe', { uri: 'test://invoice/3' })).toEqual({});
    expect(await session.result('resources/unsubscribe', { uri: 'test://never' })).toEqual({});
  });
});

describe('prompts', () => {
  it('are listed with their arguments', async () => {
    await using server = await startResources();
    const { prompts } = await (await open(server.url)).result('prompts/list');
    expect(prompts[0]).toEqual({
      name: 'greet',
      title: 'Greet',
      description: 'Greets someone',
      arguments: [
        { name: 'name', description: 'Whom', required: true },
        { name: 'tone', required: false },
      ],
    });
  });

  it('are written from their arguments', async () => {
    await using server = await startResources();
    const session = await open(server.url);
    expect(await session.result('prompts/get', { name: 'greet', arguments: { name: 'Ada' } })).toEqual({
      description: 'Greets someone',
      messages: [{ role: 'user', content: { type: 'text', text: 'Greet Ada (warm)' } }],
    });
    expect((await session.result('prompts/get', { name: 'chat' })).messages).toEqual([
      { role: 'assistant', content: { type: 'text', text: 'Hi' } },
    ]);
  });

  it.each([
    [{}, '`name`'],
    [{ name: 'nope' }, 'Unknown prompt: nope'],
    [{ name: 'greet' }, '`arguments.name`'],
    [{ name: 'greet', arguments: { name: 7 } }, '`arguments.name`'],
    [{ name: 'greet', arguments: 'Ada' }, '`arguments`'],
    [{ name: 'greet', arguments: { name: 'Ada', tone: 'loud' } }, 'tone: '],
  ])('answer -32602 for %j and name the member', async (params, member) => {
    await using server = await startResources();
    expect(await (await open(server.url)).error('prompts/get', params)).toEqual({ code: -32602, message: expect.stringContaining(member) });
  });
});

describe('completion/complete', () => {
  it('completes variables and arguments, knowing the others', async () => {
    await using server = await startResources();
    const session = await open(server.url);
    const complete = async (params: object) => (await session.result('completion/complete', params)).completion;
    expect(await complete({ ref: { type: 'ref/resource', uri: 'test://invoice/{id}' }, argument: { name: 'id', value: '1' } })).toEqual({
      values: ['1', '10'],
      hasMore: false,
    });
    const context = { arguments: { name: '!' } };
    expect(
      (await complete({ ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'tone', value: 'w' }, context })).values,
    ).toEqual(['warm!']);
    expect((await complete({ ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'name', value: 'w' } })).values).toEqual([]);
  });

  it('sends a hundred values at most and says that there are more', async () => {
    await using server = await startResources();
    const { completion } = await (await open(server.url)).result('completion/complete', {
      ref: { type: 'ref/prompt', name: 'many' },
      argument: { name: 'n', value: '' },
    });
    expect([completion.values.length, completion.hasMore]).toEqual([100, true]);
  });

  it.each([
    [{}, '`ref`'],
    [{ ref: { type: 'ref/tool', name: 'x' }, argument: { name: 'a', value: '' } }, '`ref.type`'],
    [{ ref: { type: 'ref/prompt', name: 'nope' }, argument: { name: 'a', value: '' } }, 'nope'],
    [{ ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'nope', value: '' } }, 'nope'],
    [{ ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'tone' } }, '`argument`'],
    [{ ref: { type: 'ref/resource', uri: { toString: 1 } }, argument: { name: 'x', value: '' } }, '`ref.uri`'],
    [{ ref: { type: 'ref/resource', uri: 'test://other/{x}' }, argument: { name: 'x', value: '' } }, 'test://other/{x}'],
    [
      { ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'tone', value: '' }, context: { arguments: { a: 1 } } },
      '`context.arguments`',
    ],
  ])('answers -32602 for %j', async (params, member) => {
    await using server = await startResources();
    expect(await (await open(server.url)).error('completion/complete', params)).toEqual({
      code: -32602,
      message: expect.stringContaining(member),
    });
  });
});
