import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { McpError, mcp, ToolError } from '../../src/index.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';

// biome-ignore lint/suspicious/noExplicitAny: any tool
async function callTool(tool: any, args?: unknown) {
  await using server = await start({ tools: { tool: { description: 'Under test', ...tool } } });
  const result = await (await open(server.url)).call('tool', args);
  return { result, errors: server.errors.splice(0) };
}

describe('tools/list', () => {
  it('shows the JSON Schema of the zod schemas, with descriptions and without noise', async () => {
    await using server = await start({
      tools: {
        book: {
          title: 'Book',
          description: 'Books a slot',
          inputSchema: z.object({
            id: z.int().describe('Of the booking'),
            seats: z.number().min(1).default(1),
            note: z.string().optional(),
          }),
          outputSchema: z.object({ ok: z.boolean() }),
          annotations: { idempotentHint: true },
          handler: () => ({ ok: true }),
        },
        bare: { description: 'Takes nothing', handler: () => 'x' },
      },
    });
    expect((await (await open(server.url)).result('tools/list')).tools).toEqual([
      {
        name: 'book',
        title: 'Book',
        description: 'Books a slot',
        inputSchema: {
          type: 'object',
          properties: {
            id: { type: 'integer', description: 'Of the booking' },
            seats: { type: 'number', minimum: 1, default: 1 },
            note: { type: 'string' },
          },
          required: ['id'],
        },
        outputSchema: { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'], additionalProperties: false },
        annotations: { idempotentHint: true },
      },
      { name: 'bare', description: 'Takes nothing', inputSchema: { type: 'object', additionalProperties: false } },
    ]);
  });

  it('waits for promises that are not of the language, as Prisma has them', async () => {
    const eventually = <T>(value: T): Promise<T> => {
      // biome-ignore lint/suspicious/noThenProperty: such a promise
      const promise: PromiseLike<T> = { then: (resolve: (value: T) => void) => void setImmediate(resolve, value) } as never;
      return promise as Promise<T>;
    };
    await using server = await start({
      principal: () => eventually<string | undefined>('ann'),
      tools: {
        open: { description: 'For all', enabled: () => eventually(true), handler: (_, ctx) => eventually({ who: ctx.mcp.principal }) },
        closed: { description: 'For none', enabled: () => eventually(false), handler: () => 'closed' },
      },
    });
    const session = await open(server.url);
    expect((await session.result('tools/list')).tools.map(({ name }: { name: string }) => name)).toEqual(['open']);
    expect((await session.call('open')).structuredContent).toEqual({ who: 'ann' });
    expect(await session.error('tools/call', { name: 'closed' })).toMatchObject({ code: -32602, message: 'Unknown tool: closed' });
  });

  it('shows only what the caller may use, and refuses the rest as unknown', async () => {
    let admin = false;
    await using server = await start({
      tools: {
        all: { description: 'For all', handler: () => 'all' },
        few: { description: 'For few', enabled: () => admin, handler: () => 'few' },
      },
    });
    const session = await open(server.url);
    const names = async () => (await session.result('tools/list')).tools.map(({ name }: { name: string }) => name);
    expect(await names()).toEqual(['all']);
    const refused = await session.error('tools/call', { name: 'few' });
    const unknown = await session.error('tools/call', { name: 'fez' });
    expect(refused).toEqual({ code: -32602, message: unknown.message.replace('fez', 'few') });
    admin = true;
    expect(await names()).toEqual(['all', 'few']);
    expect((await session.call('few')).content[0].text).toBe('few');
  });
});

describe('a handler', () => {
  it('gets what the schema made of the arguments, and the Koa context', async () => {
    const { result } = await callTool(
      {
        inputSchema: z.object({ when: z.string().transform(Date.parse), seats: z.number().default(2) }),
        handler: (args: unknown, ctx: { path: string; state: object; mcp: { revision: string } }) => ({
          args,
          path: ctx.path,
          revision: ctx.mcp.revision,
        }),
      },
      { when: '2026-01-01T00:00:00Z' },
    );
    expect(result.structuredContent).toEqual({ args: { when: 1767225600000, seats: 2 }, path: '/mcp', revision: '2025-11-25' });
  });

  it.each([
    ['a string', 'hello', { content: [{ type: 'text', text: 'hello' }] }],
    ['nothing', undefined, { content: [] }],
    ['null', null, { content: [{ type: 'text', text: 'null' }] }],
    [
      'a row',
      { id: 1, at: new Date(0) },
      {
        content: [{ type: 'text', text: '{"id":1,"at":"1970-01-01T00:00:00.000Z"}' }],
        structuredContent: { id: 1, at: '1970-01-01T00:00:00.000Z' },
      },
    ],
    ['an array', [{ id: 1 }], { content: [{ type: 'text', text: '[{"id":1}]' }] }],
    [
      'a BigInt and bytes',
      { big: 2n ** 64n, bytes: Buffer.from('hi') },
      {
        content: [{ type: 'text', text: '{"big":"18446744073709551616","bytes":"aGk="}' }],
        structuredContent: { big: '18446744073709551616', bytes: 'aGk=' },
      },
    ],
    [
      'a ready result',
      { content: [{ type: 'text', text: 'a' }], _meta: { b: 1 } },
      { content: [{ type: 'text', text: 'a' }], _meta: { b: 1 } },
    ],
  ])('that returns %s is understood', async (_, value, expected) => {
    expect((await callTool({ handler: () => value })).result).toEqual(expected);
  });

  it('that declares an outputSchema sends what passed it, and nothing else', async () => {
    const { result } = await callTool({ outputSchema: z.object({ id: z.number() }), handler: () => ({ id: 1, secret: 'x' }) });
    expect(result).toEqual({ content: [{ type: 'text', text: '{"id":1}' }], structuredContent: { id: 1 } });
  });

  it('that breaks its outputSchema is an internal error, reported to the app', async () => {
    const { result, errors } = await callTool({ outputSchema: z.object({ id: z.number() }), handler: () => ({ id: 'one' }) });
    expect(result).toEqual({
      isError: true,
      content: [{ type: 'text', text: expect.stringMatching(/^Internal error \(ref [0-9a-f]{8}\)$/u) }],
    });
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('id: ')]);
  });

  it('that gives no row where its outputSchema wants one tells the app how to say that no row exists', async () => {
    for (const row of [null, undefined]) {
      const { errors } = await callTool({ outputSchema: z.object({ id: z.number() }), handler: () => row });
      expect(errors.map(({ message }) => message)).toEqual([
        expect.stringMatching(
          /^tools\.\w+\.handler: the result does not match outputSchema: .*; for a row that may be missing, use findUniqueOr/,
        ),
      ]);
    }
    const nullable = await callTool({ outputSchema: z.object({ id: z.number() }).nullable(), handler: () => null });
    expect(nullable).toEqual({ result: { content: [{ type: 'text', text: 'null' }], structuredContent: { result: null } }, errors: [] });
  });

  it('that says itself that it failed need not keep to its outputSchema', async () => {
    const failed = { isError: true, content: [{ type: 'text', text: 'No such booking' }] };
    expect(await callTool({ outputSchema: z.object({ id: z.number() }), handler: () => failed })).toEqual({ result: failed, errors: [] });
  });

  it('that declares a root other than an object is wrapped where the revision wants one', async () => {
    await using server = await start({
      tools: { list: { description: 'Lists', outputSchema: z.array(z.string()), handler: () => ['a'] } },
    });
    const session = await open(server.url);
    expect((await session.result('tools/list')).tools[0].outputSchema).toMatchObject({ type: 'object', required: ['result'] });
    expect(await session.call('list')).toEqual({ content: [{ type: 'text', text: '["a"]' }], structuredContent: { result: ['a'] } });
  });
});

describe('an inputSchema with an asynchronous part', () => {
  it('is awaited, each time', async () => {
    const free = z.object({ slot: z.string().refine(async slot => Promise.resolve(slot !== 'taken'), 'is taken') });
    await using server = await start({
      tools: { book: { description: 'Books', inputSchema: free, handler: ({ slot }: { slot: string }) => slot } },
    });
    const session = await open(server.url);
    for (const _ of [1, 2]) {
      expect((await session.call('book', { slot: 'free' })).content[0].text).toBe('free');
      expect((await session.call('book', { slot: 'taken' })).content[0].text).toBe('Invalid arguments: slot: is taken');
    }
  });
});

describe('an error', () => {
  it('in the arguments names each member, for the model to correct', async () => {
    const { result } = await callTool(
      { inputSchema: z.object({ id: z.int(), on: z.object({ day: z.string() }) }), handler: () => 'never' },
      { id: 'x', on: {} },
    );
    expect(result.isError).toBe(true);
    expect(result.content[0].text).toMatch(/^Invalid arguments: id: .*number.*; on\.day: .*string/u);
  });

  it.each([
    ['a ToolError', () => Promise.reject(new ToolError('No such booking: 7')), 'No such booking: 7'],
    [
      'a 4xx of ctx.throw',
      (_: unknown, ctx: { throw(status: number, message: string): never }) => ctx.throw(404, 'No such booking'),
      'No such booking',
    ],
    ['an error with expose', () => Promise.reject(Object.assign(new Error('Shown'), { expose: true, status: 500 })), 'Shown'],
  ])('%s says its message to the model', async (_, handler, text) => {
    expect(await callTool({ handler })).toEqual({ result: { isError: true, content: [{ type: 'text', text }] }, errors: [] });
  });

  it.each([
    ['P2002', 'Already exists'],
    ['P2003', 'Refused'],
    ['P2025', 'Not found'],
  ])('of Prisma with the code %s is told by its code, without its text', async (code, told) => {
    const error = Object.assign(new Error('Invalid `prisma.user.update()` invocation: passwordHash'), { code });
    const { result, errors } = await callTool({ handler: () => Promise.reject(error) });
    expect([result.isError, result.content[0].text, errors]).toEqual([true, expect.stringMatching(new RegExp(`^${told}`, 'u')), []]);
    expect(result.content[0].text).not.toMatch(/invocation|passwordHash/u);
  });

  it.each([
    ['an Error', () => Promise.reject(new Error('password=hunter2'))],
    [
      'a synchronous Error',
      () => {
        throw new Error('password=hunter2');
      },
    ],
    ['a 5xx of ctx.throw', (_: unknown, ctx: { throw(status: number, message: string): never }) => ctx.throw(500, 'password=hunter2')],
    [
      'a 500 that does not say whether it may be shown',
      () => Promise.reject(Object.assign(new Error('password=hunter2'), { status: 500 })),
    ],
    ['a 4xx that must not be shown', () => Promise.reject(Object.assign(new Error('password=hunter2'), { expose: false, status: 400 }))],
    [
      'a string',
      () => {
        throw 'password=hunter2' as unknown as Error;
      },
    ],
  ])('%s stays inside: the model gets a reference, the app the error, once', async (_, handler) => {
    const { result, errors } = await callTool({ handler });
    const [, ref] = /^Internal error \(ref ([0-9a-f]{8})\)$/u.exec(result.content[0].text) ?? [];
    expect(result.isError).toBe(true);
    expect(errors.map(error => [error.message, (error as Error & { ref?: string }).ref])).toEqual([['password=hunter2', ref]]);
  });

  it('of the class McpError is a JSON-RPC error', async () => {
    await using server = await start({
      tools: { tool: { description: 'x', handler: () => Promise.reject(new McpError('InvalidParams', 'No', { data: { a: 1 } })) } },
    });
    expect(await (await open(server.url)).error('tools/call', { name: 'tool' })).toEqual({ code: -32602, message: 'No', data: { a: 1 } });
  });

  it('may have a code of the app, which JSON-RPC does not reserve', async () => {
    const handler = () => Promise.reject(new McpError('InternalError', 'Sold out', { code: 1001 }));
    await using server = await start({ tools: { tool: { description: 'x', handler } } });
    expect(await (await open(server.url)).error('tools/call', { name: 'tool' })).toEqual({ code: 1001, message: 'Sold out' });
    expect([-32_769, -31_999, 0].map(code => new McpError('InternalError', 'x', { code }).code)).toEqual([-32_769, -31_999, 0]);
    for (const code of [-32_768, -32_000, 1.5, Number.NaN]) {
      expect(() => new McpError('InternalError', 'x', { code })).toThrow(`McpError: the code ${code} must be an integer`);
    }
  });

  it.each([
    [{}, '`name`'],
    [{ name: 7 }, '`name`'],
    [{ name: 'nope' }, 'Unknown tool: nope'],
    [{ name: '__proto__' }, 'Unknown tool: __proto__'],
    [{ name: 'tool', arguments: [] }, '`arguments`'],
    [{ name: 'tool', arguments: 'x' }, '`arguments`'],
  ])('in the params %j is -32602 and names the member', async (params, member) => {
    await using server = await start({ tools: { tool: { description: 'x', handler: () => 'x' } } });
    expect(await (await open(server.url)).error('tools/call', params)).toEqual({ code: -32602, message: expect.stringContaining(member) });
  });
});

const faulty: [unknown, string][] = [
  [{ tools: { 'bad name': { description: 'x', handler: () => 'x' } } }, 'bad name'],
  [{ tools: { x: { handler: () => 'x' } } }, 'tools.x.description'],
  [{ tools: { x: { description: 'x' } } }, 'tools.x.handler'],
  [{ tools: { x: { description: 'x', handler: () => 'x', readonly: true } } }, 'tools.x.readonly'],
  [{ tools: { x: { description: 'x', inputSchema: z.string(), handler: () => 'x' } } }, 'tools.x.inputSchema'],
  [{ tools: { x: { description: 'x', inputSchema: z.object({ f: z.date() }), handler: () => 'x' } } }, 'tools.x.inputSchema'],
  [{ prompts: { x: { description: 'x', argsSchema: z.array(z.string()), handler: () => 'x' } } }, 'prompts.x.argsSchema'],
  [{ resources: { x: { handler: () => 'x' } } }, 'resources.x'],
  [{ resources: { x: { uri: 'a:b', uriTemplate: 'a:{b}', handler: () => 'x' } } }, 'resources.x'],
  [{ resources: { x: { uri: 'no scheme', handler: () => 'x' } } }, 'no scheme'],
  [{ resources: { x: { uriTemplate: 'a:{b}', size: 1, handler: () => 'x' } } }, 'resources.x.size'],
  [{ resources: { x: { uri: 'a:b', size: -1, handler: () => 'x' } } }, 'resources.x.size'],
  [{ resources: { x: { uriTemplate: 'a:{', handler: () => 'x' } } }, 'a:{'],
  [{ name: 'has space' }, 'name'],
  [{ path: 'mcp' }, 'path'],
  [{ modles: {} }, 'modles'],
  [{ limits: { maxBodyByte: 1 } }, 'limits.maxBodyByte'],
  [{ limits: { maxBodyBytes: -1 } }, 'limits.maxBodyBytes'],
  [{ sessions: { idle: 1 } }, 'sessions.idle'],
  [{ sessions: { idleMs: 1000, touchMs: 900 } }, 'sessions.touchMs: 900'],
  [{ models: { client: {} } }, 'models'],
];

describe('at start-up', () => {
  it.each(faulty)('%o is a TypeError that names %s', (options, named) => {
    expect(() => mcp({ name: 'x', ...(options as object) })).toThrow(
      expect.objectContaining({ name: 'TypeError', message: expect.stringContaining(named) }),
    );
  });

  it('infers the arguments of a handler from its own schema', () => {
    mcp({
      name: 'typed',
      tools: {
        one: { description: 'x', inputSchema: z.object({ id: z.int() }), handler: ({ id }) => expectTypeOf(id).toEqualTypeOf<number>() },
        two: {
          description: 'x',
          inputSchema: z.object({ name: z.string() }),
          handler: ({ name }, { mcp: { signal } }) => [name.trim(), signal.aborted],
        },
      },
    });
  });
});
