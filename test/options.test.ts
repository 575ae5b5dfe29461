import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { mcp, memoryStore, postgresBus, prismaStore } from '../src/index.ts';
import { defaults } from '../src/options.ts';
import { resolveOptions } from '../src/resolve-options.ts';

const handler = () => 'done';
const limiter = { consume: () => Promise.resolve() };
const tool = { description: 'Under test', handler };

/** Options as JavaScript may pass them. */
function start(options: unknown): void {
  void mcp(options as { name: string }).close();
}

describe('mcp(options)', () => {
  it.each<[unknown, string]>([
    [undefined, 'options: must be an object'],
    [{ nam: 'x' }, 'options.nam: no such option (name, version,'],
    [{ name: 'my server' }, 'name: must begin with a letter'],
    [{ name: 'x', version: 1 }, 'version: must be a string'],
    [{ name: 'x', path: 5 }, 'path: must be a string'],
    [{ name: 'x', path: 'mcp' }, 'path: "mcp" must be a plain path that begins with `/`'],
    [{ name: 'x', path: '/mcp/:id' }, 'path: "/mcp/:id" must be a plain path'],
    [{ name: 'x', style: 'small' }, "style: must be 'tools' or 'compact'"],
    [{ name: 'x', principal: 'sub' }, 'principal: must be a function'],
    [{ name: 'x', onError: 1 }, 'onError: must be a function'],
    [{ name: 'x', onSession: {} }, 'onSession: must be a function'],
    [{ name: 'x', onRootsChanged: true }, 'onRootsChanged: must be a function (ctx) => void'],
    [{ name: 'x', extensions: ['com.example/thing'] }, "extensions: must be an object, such as { 'com.example/thing': {} }"],
    [{ name: 'x', extensions: { 'com.example/thing': true } }, 'extensions.com.example/thing: must be an object, {} for no settings'],
    [{ name: 'x', extensions: { 'io.modelcontextprotocol/tasks': {} } }, 'extensions.io.modelcontextprotocol/tasks: declares itself'],
    ...['thing', 'com.example/', '/thing', '1com.example/thing', 'com..example/thing', 'com.example-/thing', 'com.example/-thing'].map(
      id =>
        [{ name: 'x', extensions: { [id]: {} } }, `extensions: the identifier ${JSON.stringify(id)} must have a prefix and a name`] as [
          unknown,
          string,
        ],
    ),
    [
      { name: 'x', resources: { a: { uri: 'a:b', handler, list: () => [] } } },
      'resources.a.list: must be a function (ctx) => [{ variables, name }]',
    ],
    [{ name: 'x', resources: { a: { uriTemplate: 'a:{b}', handler, list: [] } } }, 'resources.a.list: must be a function (ctx) =>'],
    [
      { name: 'x', cache: { cacheScope: 'public' }, resources: { a: { uriTemplate: 'a:{b}', handler, list: () => [] } } },
      'cache: the lists cannot be public, since not every caller sees the same of a',
    ],
    [{ name: 'x', cache: 60_000 }, 'cache: must be { ttlMs, cacheScope }'],
    [{ name: 'x', cache: { ttl: 60_000 } }, 'cache.ttl: no such option (ttlMs, cacheScope)'],
    [{ name: 'x', cache: { ttlMs: -1 } }, 'cache.ttlMs: -1 must be an integer from 0 to 2147483647'],
    [{ name: 'x', cache: { ttlMs: 2 ** 31 } }, 'cache.ttlMs: 2147483648 must be an integer'],
    [{ name: 'x', cache: { ttlMs: null } }, 'cache.ttlMs: null must be an integer'],
    [{ name: 'x', cache: { cacheScope: 'shared' } }, "cache.cacheScope: must be 'public' or 'private'"],
    [
      { name: 'x', cache: { cacheScope: 'public' }, tools: { a: tool, b: { ...tool, enabled: () => true } } },
      'cache: the lists cannot be public, since not every caller sees the same of b',
    ],
    [{ name: 'x', resources: { a: { uri: 'a:b', handler, cache: { ttlMs: 0.5 } } } }, 'resources.a.cache.ttlMs: 0.5 must be an integer'],
    [
      { name: 'x', resources: { a: { uri: 'a:b', handler, cache: { cacheScope: 'public' }, enabled: () => true } } },
      'resources.a.cache: cannot be public, since not every caller may read it',
    ],
    [{ name: 'x', tools: { a: { ...tool, _meta: 'kind' } } }, 'tools.a._meta: must be an object'],
    [{ name: 'x', tools: { a: { ...tool, _meta: { 'a b': 1 } } } }, 'tools.a._meta: the key "a b" must be a name such as'],
    [{ name: 'x', prompts: { a: { ...tool, _meta: { 'a/b/c': 1 } } } }, 'prompts.a._meta: the key "a/b/c" must be a name such as'],
    [{ name: 'x', resources: { a: { uri: 'a:b', handler, _meta: { _a: 1 } } } }, 'resources.a._meta: the key "_a" must be a name such as'],
    [{ name: 'x', log: console }, 'log: must be a function (line) => void, such as console.log'],
    [{ name: 'x', operators: ['root'] }, 'operators: must be a function'],
    [{ name: 'x', node: '' }, 'node: must be a string of 1 to 100 characters'],
    [{ name: 'x', datamodel: {} }, 'datamodel: must be what `generator mcp` wrote'],
    [{ name: 'x', models: { client: {} } }, 'models: needs `prisma`'],
    [{ name: 'x', prisma: {} }, 'prisma: sessions cannot be rows, this client has no model McpSession'],
    [{ name: 'x', sessions: { store: {} } }, 'sessions.store: must be a store, such as memoryStore()'],
    [{ name: 'x', sessions: { idle: 1 } }, 'sessions.idle: no such option'],
    [{ name: 'x', sessions: { idleMs: 1000 } }, 'sessions.touchMs: 60000 must be at most half of sessions.idleMs (1000)'],
    [{ name: 'x', limits: null }, 'limits: must be an object'],
    [{ name: 'x', limits: { maxBodyBytes: '1mb' } }, 'limits.maxBodyBytes: 1mb must be a positive integer'],
    [{ name: 'x', limits: { maxDepth: Number.POSITIVE_INFINITY } }, 'limits.maxDepth: Infinity must be a positive integer'],
    [{ name: 'x', limits: { callsPerMinute: 0 } }, 'limits.callsPerMinute: 0 must be a positive integer or false'],
    [{ name: 'x', limits: { initializesPerMinute: true } }, 'limits.initializesPerMinute: true must be a positive integer or false'],
    [{ name: 'x', limits: { maxCalls: false } }, 'limits.maxCalls: false must be a positive integer'],
    [{ name: 'x', rateLimiters: { calls: 6000 } }, 'rateLimiters.calls: must be a limiter with consume(key, points)'],
    [{ name: 'x', rateLimiters: { call: limiter } }, 'rateLimiters.call: no such option (calls, initializes)'],
    [
      { name: 'x', limits: { callsPerMinute: 1 }, rateLimiters: { calls: limiter } },
      'limits.callsPerMinute: rateLimiters.calls counts instead',
    ],
  ])('refuses %j', (options, message) => {
    expect(() => start(options)).toThrow(message);
    expect(() => start(options)).toThrow(TypeError);
  });

  it.each(['kind', 'a', 'A.b-c_d', '', 'com.example/kind', 'io.modelcontextprotocol/ui', 'a/b', 'a1.b-2/c', 'com.example/'])(
    'takes %j for a key of `_meta`',
    key => {
      expect(() => start({ name: 'x', tools: { a: { ...tool, _meta: { [key]: 1 } } } })).not.toThrow();
    },
  );

  it('takes `false` for limits per minute, also where a limiter counts instead', () => {
    const limits = { callsPerMinute: false, initializesPerMinute: false } as const;
    expect(resolveOptions({ name: 'x', limits, rateLimiters: { calls: limiter } }).limits).toMatchObject(limits);
  });

  const longestTimer = 2_147_483_647;
  const longestLook = 86_400_000;
  const longestLife = 3_155_760_000_000;
  it.each([
    ...Object.keys(defaults.limits).flatMap(key => (key.endsWith('Ms') ? [['limits', key, longestTimer] as const] : [])),
    ...Object.keys(defaults.sessions).flatMap(key =>
      key.endsWith('Ms') ? [['sessions', key, { idleMs: longestLife, lookMs: longestLook }[key] ?? longestTimer] as const] : [],
    ),
  ])('takes a %s.%s of up to %d ms and no longer one, which a timer or a date could not hold', (group, key, longest) => {
    const sessions = { idleMs: longestLife, deadMs: longestTimer };
    const named = (ms: number) => ({ name: 'x', sessions, [group]: { ...(group === 'sessions' && sessions), [key]: ms } });
    // A database must answer twice before its process counts as dead.
    const taken = key === 'storeMs' ? Math.floor(longest / 2) : longest;
    expect(resolveOptions(named(taken))[group]).toMatchObject({ [key]: taken });
    for (const ms of [longest + 1, 2 ** 53, Number.MAX_VALUE]) {
      expect(() => start(named(ms))).toThrow(`${group}.${key}: ${ms} must be at most ${longest} (milliseconds)`);
      expect(() => start(named(ms))).toThrow(TypeError);
    }
  });

  it('refuses a process that counts as dead before its database had to answer twice', () => {
    const withTimes = (storeMs: number, deadMs: number) => resolveOptions({ name: 'x', limits: { storeMs }, sessions: { deadMs } });
    expect(withTimes(2000, 4000).limits.storeMs).toBe(2000);
    expect(() => withTimes(2001, 4000)).toThrow('limits.storeMs: 2001 must be at most half of sessions.deadMs (4000)');
  });

  it.each(['timeoutMs', 'probeIntervalMs'])('refuses a postgresBus with a %s that no timer can wait for', key => {
    for (const ms of [0, longestTimer + 1, Number.NaN, '10']) {
      const connect = () => expect.fail('connected');
      expect(() => postgresBus({ connect, [key]: ms })).toThrow(`postgresBus.${key}: ${ms} is not a number of milliseconds from 1 to`);
    }
  });

  it.each([
    ['a string', 'example.com'],
    ['a port', ['localhost:3000']],
    ['a scheme', ['https://example.com']],
    ['upper case, which no parsed URL has', ['Example.com']],
  ])('refuses allowedHosts with %s: no request could match', (_, allowedHosts) => {
    expect(() => start({ name: 'x', allowedHosts })).toThrow('allowedHosts: must be an array of host names');
  });

  it.each([
    ['a host', ['example.com']],
    ['a path', ['https://example.com/']],
    ['a wildcard', ['*']],
    ['a pattern', ['https://*.example.com']],
  ])('refuses allowedOrigins with %s: no request could match', (_, allowedOrigins) => {
    expect(() => start({ name: 'x', allowedOrigins })).toThrow('allowedOrigins: must be an array of origins');
  });

  it.each([
    ['an array', ['https://example.com']],
    ['no origins', {}],
    ['a host', { origins: ['example.com'] }],
    ['a pattern, which is no exact origin', { origins: ['https://*.example.com'] }],
  ])('refuses cors with %s', (_, cors) => {
    expect(() => start({ name: 'x', cors })).toThrow('cors: must be { origins }, an array of origins');
    expect(() => start({ name: 'x', cors: { origins: ['*', 'null'], credentials: true } })).toThrow('cors.credentials: no such option');
  });

  it('takes names, addresses and origins as requests bring them', () => {
    const allowedHosts = ['example.com', '10.0.0.1', '[::1]'];
    const allowedOrigins = ['https://example.com', 'http://localhost:5173', 'vscode-webview://abc', 'null'];
    expect(resolveOptions({ name: 'x', allowedHosts, allowedOrigins })).toMatchObject({ allowedHosts, allowedOrigins });
  });

  it.each([
    [{ tools: [{ name: 'a', ...tool }] }, 'tools: must be an object whose keys are the names'],
    [{ tools: { a: handler } }, 'tools.a: must be an object'],
    [{ tools: { a: { description: 'x' } } }, 'tools.a.handler: must be a function'],
    [{ tools: { a: { handler } } }, 'tools.a.description: say what it is for'],
    [{ tools: { a: { ...tool, input: z.object({}) } } }, 'tools.a.input: no such option'],
    [{ tools: { a: { ...tool, inputSchema: { type: 'object' } } } }, 'tools.a.inputSchema: must be a schema of zod 4'],
    [{ tools: { a: { ...tool, outputSchema: {} } } }, 'tools.a.outputSchema: must be a schema of zod 4'],
    [{ tools: { a: { ...tool, inputSchema: z.string() } } }, 'tools.a.inputSchema: the root must be an object'],
    [{ tools: { 'a b': tool } }, 'tool "a b": the name must match'],
    [{ resources: { a: { handler } } }, 'resources.a: give exactly one of `uri` and `uriTemplate`'],
    [{ resources: { a: { uriTemplate: 'x://{id}', argsSchema: {}, handler } } }, 'resources.a.argsSchema: must be a schema of zod 4'],
    [{ resources: { a: { uriTemplate: 'x://{id}', complete: { ix: () => [] }, handler } } }, 'resources.a.complete.ix: there is no such'],
    [{ resources: { a: { uri: 'x://a', complete: { id: () => [] }, handler } } }, 'resources.a.complete.id: there is no such'],
    [{ prompts: { a: { ...tool, argsSchema: z.object({ to: z.string() }), complete: { too: () => [] } } } }, 'prompts.a.complete.too'],
  ])('refuses %j', (options, message) => {
    expect(() => start({ name: 'x', ...options })).toThrow(message);
    expect(() => start({ name: 'x', ...options })).toThrow(TypeError);
  });
});

describe('resolveOptions()', () => {
  it('fills in the defaults, also for members that are undefined, and leaves the input alone', () => {
    const options = Object.freeze({ name: 'x', limits: Object.freeze({ maxDepth: 5 }), sessions: Object.freeze({}) });
    const resolved = resolveOptions(options);
    expect(resolved).toEqual({
      name: 'x',
      path: '/mcp',
      version: '0.0.0',
      console: true,
      node: expect.stringMatching(/^.+:\d+$/u),
      limits: { ...defaults.limits, maxDepth: 5 },
      sessions: defaults.sessions,
    });
    expect(resolveOptions({ name: 'x', limits: { maxDepth: undefined } }).limits).toEqual(defaults.limits);
    expect([resolved, resolved.limits, resolved.sessions].every(Object.isFrozen)).toBe(true);
  });

  it('takes trailing slashes off the path, and leaves the root', () => {
    expect(resolveOptions({ name: 'x', path: '/agents/' }).path).toBe('/agents');
    expect(resolveOptions({ name: 'x', path: '/' }).path).toBe('/');
  });

  it('takes any store that has the verbs of one', () => {
    const store = memoryStore();
    expect(resolveOptions({ name: 'x', sessions: { store } }).sessions.store).toBe(store);
    expect(() => prismaStore({})).toThrow('has no model McpSession');
  });
});
