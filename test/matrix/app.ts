import { EventEmitter } from 'node:events';
import { z } from 'zod';
import type { HandlerContext, McpOptions } from '../../src/index.ts';
import { McpError, UrlElicitationRequired } from '../../src/index.ts';

/** One of everything, with every member that some revision has. */
// biome-ignore lint/suspicious/noExplicitAny: the schemas of the parts differ
export function everything(): { options: Partial<McpOptions<any, any, any, any>>; happened: EventEmitter } {
  const happened = new EventEmitter();
  return {
    options: {
      title: 'Everything',
      version: '1.2.3',
      description: 'A server of the tests',
      websiteUrl: 'https://example.com',
      icons,
      instructions: 'Use it',
      extensions: { 'com.example/thing': { level: 2 } },
      cache: listHints,
      tools: tools(happened),
      resources,
      prompts,
    },
    happened,
  };
}

/** Hints for the lists of the matrix' app. */
export const listHints = { ttlMs: 60_000, cacheScope: 'public' } as const;
/** Hints for its fixed resource. */
export const fixedHints = { ttlMs: 5000, cacheScope: 'public' } as const;

const icons = [{ src: 'data:image/png;base64,AAAA', mimeType: 'image/png', sizes: ['1x1'] }];
const audio = { type: 'audio', data: 'AAAA', mimeType: 'audio/wav' };
const link = { type: 'resource_link', uri: 'test://fixed', name: 'fixed', title: 'Fixed' };
const image = { type: 'image', data: 'AAAA', mimeType: 'image/png' };

const tools = (happened: EventEmitter) => ({
  echo: {
    title: 'Echo',
    description: 'Says it again',
    inputSchema: z.object({ text: z.string().default('nothing'), times: z.int().min(1).optional() }),
    annotations: { readOnlyHint: true },
    icons,
    _meta: { 'example.com/kind': 'echo' },
    handler: ({ text }: { text: string }) => text,
  },
  mirrored: {
    description: 'Has an argument that a header repeats',
    inputSchema: z.object({ region: z.string().optional().meta({ 'x-mcp-header': 'Region' }) }),
    handler: ({ region = 'none' }: { region?: string }) => region,
  },
  row: {
    description: 'An object',
    outputSchema: z.object({ a: z.number() }),
    handler: () => ({ a: 1 }),
  },
  numbers: {
    description: 'A list',
    outputSchema: z.array(z.number()),
    handler: () => [1, 2],
  },
  media: {
    description: 'Audio, a link and an image',
    handler: () => ({ content: [audio, link, image], _meta: { 'example.com/own': true } }),
  },
  marked: {
    description: 'Text with all that may hang on it',
    handler: () => ({
      content: [
        {
          type: 'text',
          text: 'marked',
          annotations: { audience: ['user'], priority: 1, lastModified: '2026-01-01T00:00:00Z' },
          _meta: { a: 1 },
        },
        { type: 'resource', resource: { uri: 'test://fixed', text: 'hello', _meta: { a: 1 } } },
        { ...link, icons, annotations: { priority: 0.5 } },
      ],
    }),
  },
  refuse: {
    description: 'Fails with a message for the model',
    handler: (_: unknown, ctx: HandlerContext) => ctx.throw(409, 'That slot is taken'),
  },
  crash: {
    description: 'Fails with a message for nobody',
    handler: () => {
      throw new Error('password=hunter2');
    },
  },
  advance: {
    description: 'Reports progress, once not forward',
    handler: (_: unknown, { mcp }: HandlerContext) => {
      for (const [step, text] of [
        [1, 'one'],
        [2, 'two'],
        [2, 'again'],
        [1, 'back'],
        [2.5, 'more'],
      ] as const)
        mcp.progress(step, 3, text);
    },
  },
  estimate: {
    description: 'Reports progress that is no number of JSON',
    handler: (_: unknown, { mcp }: HandlerContext) => {
      mcp.progress(Number.NaN);
      mcp.progress(1, Number.POSITIVE_INFINITY);
      mcp.progress(Number.POSITIVE_INFINITY);
      mcp.progress(2, 2);
    },
  },
  coded: {
    description: 'Fails with a code of the app',
    handler: () => {
      throw new McpError('InvalidParams', 'Sold out', { code: 4711, data: { left: 0 } });
    },
  },
  talk: {
    description: 'Logs at three levels',
    handler: (_: unknown, { mcp }: HandlerContext) => {
      mcp.log('debug', 'quiet');
      mcp.log('warning', { loud: true }, 'me');
      mcp.log('emergency', null);
    },
  },
  wait: {
    description: 'Runs until it is given up, or told to go on',
    handler: async (_: unknown, { mcp }: HandlerContext) => {
      const end = new Promise<string>(resolve => {
        const goOn = () => resolve('went on');
        mcp.signal.addEventListener('abort', () => {
          happened.off('go', goOn);
          resolve('aborted');
        });
        happened.once('go', goOn);
      });
      happened.emit('started');
      const how = await end;
      happened.emit('ended', how);
      return how;
    },
  },
  later: {
    description: 'May run as a task',
    task: 'optional' as const,
    handler: () => 'later',
  },
  book: {
    description: 'Asks with a form',
    inputSchema: z.object({ times: z.int().default(1) }),
    handler: async ({ times }: { times: number }, { mcp }: HandlerContext) => {
      const answers: unknown[] = [];
      for (let time = 0; time < times; time += 1) {
        answers.push(
          await mcp.elicit({ message: `Room ${time}?`, requestedSchema: z.object({ people: z.int().min(1), quiet: z.boolean() }) }),
        );
      }
      return { answers };
    },
  },
  careful: {
    description: 'Asks with a form, and closes what it has opened',
    handler: async (_: unknown, { mcp }: HandlerContext) => {
      happened.emit('opened');
      try {
        return await mcp.elicit({ message: 'Sure?', requestedSchema: z.object({ sure: z.boolean() }) });
      } finally {
        happened.emit('closed');
      }
    },
  },
  choose: {
    description: 'Asks with titled choices and defaults',
    handler: async (_: unknown, { mcp }: HandlerContext) =>
      mcp.elicit({
        message: 'Which?',
        requestedSchema: {
          type: 'object',
          properties: {
            size: {
              type: 'string',
              oneOf: [
                { const: 's', title: 'Small' },
                { const: 'l', title: 'Large' },
              ],
              default: 's',
            },
            note: { type: 'string', default: 'none', maxLength: 20 },
            gift: { type: 'boolean', default: true },
          },
          required: ['size'],
        },
      }),
  },
  select: {
    description: 'Asks for several of a list',
    handler: async (_: unknown, { mcp }: HandlerContext) =>
      mcp.elicit({
        message: 'Which ones?',
        requestedSchema: {
          type: 'object',
          properties: { extras: { type: 'array', items: { type: 'string', enum: ['tea', 'cake'] }, maxItems: 2 } },
        },
      }),
  },
  visit: {
    description: 'Asks to open a page',
    handler: async (_: unknown, { mcp }: HandlerContext) =>
      mcp.elicit({ mode: 'url', message: 'Pay here', url: 'https://example.com/pay' }),
  },
  connect: {
    description: 'Needs a page that its user must visit first',
    handler: () => {
      if (happened.listenerCount('connected') > 0) return 'connected';
      throw new UrlElicitationRequired([{ message: 'Connect first', url: 'https://example.com/connect' }], 'Not connected');
    },
  },
  pay: {
    description: 'Sends the user to a page, and tells its id',
    handler: async (_: unknown, { mcp }: HandlerContext) => {
      const elicitationId = mcp.newElicitationId();
      await mcp.elicit({ mode: 'url', message: 'Pay here', url: 'https://example.com/pay', elicitationId });
      return elicitationId;
    },
  },
  think: {
    description: 'Asks the client’s model',
    handler: async (_: unknown, { mcp }: HandlerContext) =>
      mcp.sample({ messages: [{ role: 'user', content: { type: 'text', text: 'Hm?' } }], maxTokens: 10 }),
  },
  folders: {
    description: 'Asks for the roots',
    handler: async (_: unknown, { mcp }: HandlerContext) => ({ roots: await mcp.roots() }),
  },
  whoami: {
    description: 'Shows what the handler knows of its call',
    handler: (_: unknown, { mcp }: HandlerContext) => ({
      revision: mcp.revision,
      session: typeof mcp.sessionId,
      client: mcp.client.info?.name,
      capabilities: mcp.client.capabilities,
    }),
  },
});

const resources = {
  fixed: {
    uri: 'test://fixed',
    title: 'Fixed',
    description: 'Always the same',
    annotations: { audience: ['user' as const], priority: 1, lastModified: '2026-01-01T00:00:00Z' },
    cache: { ...fixedHints },
    icons,
    _meta: { 'example.com/kind': 'fixed' },
    handler: () => ({ contents: [{ uri: 'test://fixed', mimeType: 'text/plain', text: 'hello', _meta: { a: 1 } }] }),
  },
  sized: { uri: 'test://sized', size: 5, handler: () => 'hello' },
  item: {
    uriTemplate: 'test://item/{kind}/{id}',
    title: 'Item',
    description: 'One of many',
    icons,
    _meta: { 'example.com/kind': 'item' },
    complete: {
      id: (value: string, _: unknown, others: Readonly<Record<string, string>>) => [`${value}${others['kind'] ?? 'unknown'}`],
      kind: () => Array.from({ length: 150 }, (_, index) => `kind${index}`),
    },
    handler: ({ kind, id }: { kind: string; id: string }) => (id === 'none' ? undefined : { kind, id }),
  },
  found: {
    uriTemplate: 'test://grün{?a,b}',
    handler: (found: { a?: string; b?: string }) => found,
  },
};

const prompts = {
  greet: {
    title: 'Greet',
    description: 'A greeting',
    icons,
    _meta: { 'example.com/kind': 'greet' },
    argsSchema: z.object({ name: z.string().meta({ title: 'Name', description: 'Whom' }), tone: z.string().optional() }),
    handler: ({ name }: { name: string }) => `Greet ${name}`,
  },
  listen: {
    description: 'Messages of many kinds',
    handler: () => [audio, link, image].map(content => ({ role: 'user', content })),
  },
};
