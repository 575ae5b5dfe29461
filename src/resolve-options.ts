import { hostname } from 'node:os';
import type { WhereLimits } from './models/arguments/where.ts';
import { styles } from './models/declaration/declaration.ts';
import type { AuditOptions, McpOptions, ResolvedLimits, ResolvedOptions, UntypedOptions } from './options.ts';
import { defaults } from './options.ts';
import type { JsonObject } from './protocol/definitions.ts';
import { assertCacheHints, isObject, isScopes, scopesInWords } from './protocol/definitions.ts';
import { tasksExtension } from './protocol/revisions.ts';
import { maxTimerMs } from './timing.ts';

const optionKeys = [
  'name',
  'version',
  'title',
  'description',
  'instructions',
  'websiteUrl',
  'icons',
  'path',
  'prisma',
  'datamodel',
  'models',
  'style',
  'tools',
  'resources',
  'prompts',
  'extensions',
  'cache',
  'principal',
  'auth',
  'allowedHosts',
  'allowedOrigins',
  'cors',
  'sessions',
  'bus',
  'limits',
  'rateLimiters',
  'audit',
  'telemetry',
  'onError',
  'onSession',
  'onRootsChanged',
  'log',
  'logCalls',
  'node',
  'operators',
  'console',
];
const authKeys = ['verify', 'authorizationServers', 'requiredScopes', 'resource'];
const whereLimitKeys: (keyof WhereLimits)[] = [
  'maxDepth',
  'maxConditions',
  'maxValues',
  'maxRelations',
  'maxHops',
  'maxListFilters',
  'maxListHops',
  'maxWildcards',
  'maxPatternCharacters',
  'maxTextWork',
];
const definitionKeys = {
  tools: [
    'description',
    'title',
    'inputSchema',
    'outputSchema',
    'annotations',
    'icons',
    '_meta',
    'scopes',
    'task',
    'beforeTask',
    'enabled',
    'handler',
  ],
  resources: [
    'uri',
    'uriTemplate',
    'title',
    'description',
    'mimeType',
    'size',
    'annotations',
    'cache',
    'icons',
    '_meta',
    'scopes',
    'argsSchema',
    'complete',
    'list',
    'enabled',
    'handler',
  ],
  prompts: ['description', 'title', 'argsSchema', 'complete', 'icons', '_meta', 'scopes', 'enabled', 'handler'],
};

/**
 * Checks the options and fills in the defaults. The result is frozen; the input is not changed.
 *
 * @throws {TypeError} An unknown key (a typo must never widen access), or a missing or invalid value. The message names the option.
 */
export function resolveOptions(options: object): ResolvedOptions {
  assertKeys('options', options, optionKeys);
  assertShapes(options);
  const path = options.path ?? defaults.path;
  if (!path.startsWith('/') || /[?#:*()]/u.test(path))
    throw new TypeError(`path: ${JSON.stringify(path)} must be a plain path that begins with \`/\``);
  if (options.limits !== undefined) assertKeys('limits', options.limits, [...Object.keys(defaults.limits), 'where']);
  if (options.cors !== undefined) assertKeys('cors', options.cors, ['origins']);
  if (options.limits?.where !== undefined) assertKeys('limits.where', options.limits.where, whereLimitKeys);
  if (options.sessions !== undefined) assertKeys('sessions', options.sessions, [...Object.keys(defaults.sessions), 'store']);
  assertRateLimiters(options);
  assertTelemetry(options);
  const limits: ResolvedLimits = { ...defaults.limits, ...defined(options.limits) };
  const sessions = { ...defaults.sessions, ...defined(options.sessions) };
  assertPositive('limits', limits);
  assertPositive('limits.where', limits.where ?? {});
  assertPositive('sessions', sessions);
  if (sessions.touchMs * 2 > sessions.idleMs) {
    throw new TypeError(
      `sessions.touchMs: ${sessions.touchMs} must be at most half of sessions.idleMs (${sessions.idleMs}), or sessions in use expire`,
    );
  }
  if (limits.storeMs * 2 > sessions.deadMs) {
    throw new TypeError(
      `limits.storeMs: ${limits.storeMs} must be at most half of sessions.deadMs (${sessions.deadMs}), or one slow answer makes a process count as dead`,
    );
  }
  return Object.freeze({
    ...options,
    audit: resolveAudit(options),
    console: options.console ?? process.env['NODE_ENV'] !== 'production',
    path: path.length > 1 ? path.replace(/\/+$/u, '') : path,
    version: options.version ?? defaults.version,
    node: options.node ?? `${hostname().slice(0, 80)}:${process.pid}`,
    limits: Object.freeze(limits),
    sessions: Object.freeze(sessions),
  });
}

/** An origin as browsers send it. */
const origin = /^(?:null|[a-z][a-z\d+.-]*:\/\/[^\sA-Z/?#*]+)$/u;
const corsOrigin = new RegExp(`^\\*$|${origin.source}`, 'u');
const isText = (value: unknown): value is string => typeof value === 'string';
const isName = (value: unknown): boolean => isText(value) && /^[A-Za-z][A-Za-z0-9+.-]*$/u.test(value);
const isNodeName = (value: unknown): boolean => isText(value) && /^.{1,100}$/u.test(value);
const isFunction = (value: unknown): boolean => typeof value === 'function';
const isListOf = (item: RegExp) => (value: unknown) => Array.isArray(value) && value.every(member => isText(member) && item.test(member));
const hasMembers = (names: readonly string[]) => (value: unknown) =>
  isObject(value) && names.every(name => typeof value[name] === 'object');
const hasMethods = (names: readonly string[]) => (value: unknown) => isObject(value) && names.every(name => isFunction(value[name]));

/** The checks of plain options. TypeScript users get them from the types; JavaScript users need them at run time. */
const shapes: readonly (readonly [keyof McpOptions, (value: unknown) => boolean, string])[] = [
  ...(['version', 'title', 'description', 'instructions', 'websiteUrl', 'path'] as const).map(key => [key, isText, 'be a string'] as const),
  ['datamodel', hasMembers(['models', 'enums']), 'be what `generator mcp` wrote (npx koa-mcp init)'],
  ['style', value => styles.some(style => style === value), `be ${styles.map(style => `'${style}'`).join(' or ')}`],
  ['principal', isFunction, 'be a function (ctx) => string | undefined'],
  ['allowedHosts', isListOf(/^(?:[^\sA-Z:/[\]]+|\[[\da-f:.]+\])$/u), 'be an array of host names in lower case, without scheme or port'],
  ['allowedOrigins', isListOf(origin), 'be an array of origins such as https://app.example.com'],
  [
    'cors',
    value => isObject(value) && isListOf(corsOrigin)(value['origins']),
    "be { origins }, an array of origins such as https://app.example.com, or ['*']",
  ],
  ['bus', hasMethods(['publish', 'subscribe', 'close']), 'be a bus, such as memoryBus() or postgresBus({ connect })'],
  ['onError', isFunction, 'be a function (error) => void'],
  ['onSession', isFunction, 'be a function (event) => void'],
  ['onRootsChanged', isFunction, 'be a function (ctx) => void'],
  ['log', isFunction, 'be a function (line) => void, such as console.log'],
  ['logCalls', value => typeof value === 'boolean', 'be true or false'],
  ['node', isNodeName, 'be a string of 1 to 100 characters that no other process has'],
  ['operators', isFunction, 'be a function (ctx) => boolean'],
  ['console', value => typeof value === 'boolean', 'be true or false'],
];

/** Checks all options but `prisma` and `models`, which `compileModels` and the stores check, and the numbers in `limits` and `sessions`. */
function assertShapes(options: JsonObject): asserts options is JsonObject & UntypedOptions {
  for (const [key, fits, what] of shapes) {
    if (options[key] !== undefined && !fits(options[key])) throw new TypeError(`${key}: must ${what}`);
  }
  if (!isName(options['name'])) {
    throw new TypeError(
      'name: must begin with a letter and hold letters, digits, `+`, `.` and `-` only; it is the scheme of resource URIs (`title` is free text)',
    );
  }
  const { sessions } = options;
  if (isObject(sessions) && sessions['store'] !== undefined && !hasMethods(['find'])(sessions['store'])) {
    throw new TypeError('sessions.store: must be a store, such as memoryStore() or prismaStore(prisma)');
  }
  assertExtensions(options['extensions']);
  if (options['cache'] !== undefined) assertCacheHints('cache', options['cache']);
  if (options['auth'] !== undefined) assertAuth(options['auth'], options);
  for (const kind of ['tools', 'resources', 'prompts'] as const) assertDefinitions(kind, options[kind], options['auth'] !== undefined);
}

function assertAuth(auth: unknown, options: JsonObject): void {
  assertKeys('auth', auth, authKeys);
  const { verify, authorizationServers: servers, requiredScopes, resource } = auth;
  if (!isFunction(verify)) throw new TypeError('auth.verify: must be a function (token, ctx) => { principal, scopes, expiresAt }');
  if (!Array.isArray(servers) || servers.length === 0 || !servers.every(isServerUrl)) {
    throw new TypeError('auth.authorizationServers: must be an array of URLs such as https://login.example.com, at least one');
  }
  if (requiredScopes !== undefined && !isScopes(requiredScopes)) {
    throw new TypeError(`auth.requiredScopes: must be ${scopesInWords}`);
  }
  if (resource !== undefined && !isServerUrl(resource)) {
    throw new TypeError('auth.resource: must be the URL of the endpoint, such as https://api.example.com/mcp');
  }
  if (options['principal'] !== undefined) {
    throw new TypeError('principal: cannot be combined with `auth`, whose `verify` says who is calling; leave one of the two out');
  }
}

/** RFC 9728 §1.2 and RFC 8414 §2: a URL without a query and fragment. */
function isServerUrl(value: unknown): boolean {
  return isText(value) && /^https?:\/\/[^?#\s]+$/u.test(value) && URL.canParse(value);
}

function assertDefinitions(kind: 'tools' | 'resources' | 'prompts', definitions: unknown, hasAuth: boolean): void {
  if (definitions === undefined) return;
  if (!isObject(definitions)) throw new TypeError(`${kind}: must be an object whose keys are the names`);
  for (const [name, definition] of Object.entries(definitions)) {
    const path = `${kind}.${name}`;
    assertKeys(path, definition, definitionKeys[kind]);
    for (const key of ['inputSchema', 'outputSchema', 'argsSchema']) assertZod(`${path}.${key}`, definition[key]);
    if (!isFunction(definition['handler'])) throw new TypeError(`${path}.handler: must be a function (args, ctx) => result`);
    const { description, scopes, enabled, task, beforeTask, _meta, cache } = definition;
    assertMeta(`${path}._meta`, _meta);
    if (cache !== undefined) assertCacheHints(`${path}.cache`, cache);
    if (cache?.cacheScope === 'public' && (scopes !== undefined || enabled !== undefined))
      throw new TypeError(
        `${path}.cache: cannot be public, since not every caller may read it; leave out cacheScope, or enabled and scopes`,
      );
    if (task !== undefined && task !== 'optional' && task !== 'required')
      throw new TypeError(`${path}.task: must be 'optional' or 'required'`);
    if (beforeTask !== undefined && !(isFunction(beforeTask) && task !== undefined))
      throw new TypeError(`${path}.beforeTask: must be a function (args, ctx) => unknown, and needs \`task\``);
    if (scopes !== undefined && !isScopes(scopes)) throw new TypeError(`${path}.scopes: must be ${scopesInWords}`);
    if (scopes !== undefined && !hasAuth)
      throw new TypeError(`${path}.scopes: nothing checks them without \`auth\`; set it, or use \`enabled\``);
    if (kind !== 'resources' && (!isText(description) || description === '')) {
      throw new TypeError(`${path}.description: say what it is for; models choose by it`);
    }
  }
}

/** @see https://modelcontextprotocol.io/specification/2026-07-28/basic#meta */
const metaPrefix = /^(?:[A-Za-z](?:[A-Za-z\d-]*[A-Za-z\d])?\.)*[A-Za-z](?:[A-Za-z\d-]*[A-Za-z\d])?\//u;
const metaName = /^(?:[A-Za-z\d](?:[\w.-]*[A-Za-z\d])?)?$/u;

function isMetaKey(key: string): boolean {
  return metaName.test(key.replace(metaPrefix, ''));
}

function assertMeta(path: string, meta: unknown): void {
  if (meta === undefined) return;
  if (!isObject(meta)) throw new TypeError(`${path}: must be an object`);
  const wrong = Object.keys(meta).find(key => !isMetaKey(key));
  if (wrong !== undefined)
    throw new TypeError(`${path}: the key ${JSON.stringify(wrong)} must be a name such as \`kind\` or \`com.example/kind\``);
}

function assertExtensions(extensions: unknown): void {
  if (extensions === undefined) return;
  if (!isObject(extensions)) throw new TypeError("extensions: must be an object, such as { 'com.example/thing': {} }");
  for (const [id, settings] of Object.entries(extensions)) {
    if (!metaPrefix.test(id) || id.endsWith('/') || !isMetaKey(id))
      throw new TypeError(`extensions: the identifier ${JSON.stringify(id)} must have a prefix and a name, such as com.example/thing`);
    if (id === tasksExtension) throw new TypeError(`extensions.${id}: declares itself if a tool has \`task\`; leave it out`);
    if (!isObject(settings)) throw new TypeError(`extensions.${id}: must be an object, {} for no settings`);
  }
}

function assertZod(path: string, schema: unknown): void {
  if (schema === undefined || (typeof schema === 'object' && schema !== null && '_zod' in schema)) return;
  throw new TypeError(`${path}: must be a schema of zod 4, such as z.object({ id: z.int() })`);
}

function assertKeys(path: string, value: unknown, known: readonly string[]): asserts value is JsonObject {
  if (!isObject(value)) throw new TypeError(`${path}: must be an object`);
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw new TypeError(`${path}.${key}: no such option (${known.join(', ')})`);
  }
}

function assertRateLimiters({ rateLimiters, limits = {} }: UntypedOptions): void {
  if (rateLimiters === undefined) return;
  assertKeys('rateLimiters', rateLimiters, ['calls', 'initializes']);
  for (const kind of ['calls', 'initializes'] as const) {
    if (rateLimiters[kind] === undefined) continue;
    if (!hasMethods(['consume'])(rateLimiters[kind]))
      throw new TypeError(`rateLimiters.${kind}: must be a limiter with consume(key, points), such as new RateLimiterRedis({ … })`);
    if (typeof limits[`${kind}PerMinute`] === 'number')
      throw new TypeError(`limits.${kind}PerMinute: rateLimiters.${kind} counts instead; leave one of the two out`);
  }
}

function assertTelemetry({ telemetry, logCalls, log }: UntypedOptions): void {
  if (logCalls === true && log === undefined) throw new TypeError('logCalls: needs `log`, which takes the lines, such as console.log');
  if (telemetry === undefined || telemetry === false) return;
  assertKeys('telemetry', telemetry, ['clientContext', 'resourceUris']);
  const { clientContext, resourceUris } = telemetry;
  if (clientContext !== undefined && clientContext !== 'parent' && clientContext !== 'link')
    throw new TypeError("telemetry.clientContext: must be 'parent' or 'link'");
  if (resourceUris !== undefined && typeof resourceUris !== 'boolean') throw new TypeError('telemetry.resourceUris: must be true or false');
}

function resolveAudit({ audit, prisma }: UntypedOptions): AuditOptions | undefined {
  if (audit === undefined || audit === false) return undefined;
  const resolved = audit === 'required' ? { required: true } : audit === true ? {} : audit;
  if (!isObject(resolved)) throw new TypeError("audit: must be true, 'required' or { reads, required, keepMs, mask }");
  assertKeys('audit', resolved, ['reads', 'required', 'keepMs', 'mask']);
  for (const key of ['reads', 'required'] as const) {
    if (!['undefined', 'boolean'].includes(typeof resolved[key])) throw new TypeError(`audit.${key}: must be true or false`);
  }
  const { keepMs, mask } = resolved;
  if (keepMs !== undefined) assertPositive('audit', { keepMs });
  if (mask !== undefined && !(Array.isArray(mask) && mask.every(isText)))
    throw new TypeError("audit.mask: must be an array of names, such as ['password']");
  if (prisma === undefined) throw new TypeError('audit: needs `prisma`, the client of the database that keeps the rows');
  return resolved;
}

function assertPositive(path: string, values: object): void {
  for (const [key, value] of Object.entries(values)) {
    const isRate = key.endsWith('PerMinute');
    if (key === 'store' || key === 'where' || (isRate && value === false)) continue;
    if (!(Number.isInteger(value) && value > 0))
      throw new TypeError(`${path}.${key}: ${String(value)} must be a positive integer${isRate ? ' or false' : ''}`);
    const longest = key.endsWith('Ms') ? (longestMs.get(key) ?? maxTimerMs) : Number.POSITIVE_INFINITY;
    if (value > longest) throw new TypeError(`${path}.${key}: ${String(value)} must be at most ${longest} (milliseconds)`);
  }
}

/** Maximum times that differ from `maxTimerMs`. */
const longestMs: ReadonlyMap<string, number> = new Map([
  // A hundred years. The time is added to dates, and no timer waits for it.
  ['idleMs', 3_155_760_000_000],
  ['keepMs', 3_155_760_000_000],
  // A day. Some timers wait for a multiple of it.
  ['lookMs', 86_400_000],
]);

function defined<T extends object>(value: T | undefined): T {
  return Object.fromEntries(Object.entries(value ?? {}).filter(([, member]) => member !== undefined)) as T;
}
