import type Koa from 'koa';
import type { Bus } from './bus/bus.ts';
import type { HandlerContext } from './context.ts';
import type { Prompt as HostPrompt } from './host/prompts.ts';
import type { Resource as HostResource } from './host/resources.ts';
import type { Tool as HostTool } from './host/tools.ts';
import type { WhereLimits } from './models/arguments/where.ts';
import type { Datamodel } from './models/datamodel/datamodel.ts';
import type { Models, Style } from './models/declaration/declaration.ts';
import type { ExposureLike } from './models/exposure.ts';
import type { CacheHints, CallContext, Icon, JsonObject } from './protocol/definitions.ts';
import type { SessionEvent } from './session/session-log.ts';
import type { Store } from './store/store.ts';

/** A tool of the host's own. `S` is the type of its `inputSchema`, `C` that of the Prisma client. */
export type Tool<S = unknown, C = unknown> = HostTool<S, HandlerContext<C>>;
/** A resource of the host's own. `S` is the type of its `argsSchema`, `C` that of the Prisma client. */
export type Resource<S = unknown, C = unknown> = HostResource<S, HandlerContext<C>>;
/** A prompt of the host's own. `S` is the type of its `argsSchema`, `C` that of the Prisma client. */
export type Prompt<S = unknown, C = unknown> = HostPrompt<S, HandlerContext<C>>;

/**
 * Ceilings; a breach is answered, never a crash. Every one can be raised; only those per minute can be switched off, with `false`. Times are at
 * most 2147483647 ms.
 */
export interface Limits {
  /** Bytes of a request's body, counted after inflation; more is answered 413. @default 4194304 */
  maxBodyBytes?: number;
  /**
   * Values in a request's body: members of objects and elements of arrays. More is answered 413 before it is parsed, because `JSON.parse` holds the
   * event loop for as long as there are values. A body that the host's own parser has read is not counted. @default 200000
   */
  maxBodyValues?: number;
  /** Levels of nesting in a message; more is answered 400. @default 64 */
  maxDepth?: number;
  /** Messages in one batch (2025-03-26 only); more is answered 400. @default 50 */
  maxBatch?: number;
  /** Characters of a resource's URI, in UTF-16 code units; a request with a longer one gets -32602. @default 8192 */
  maxUriCharacters?: number;
  /**
   * Requests being served at once in this process: of one session, and of one principal without sessions (2026-07-28), where all guests are one
   * principal. One more gets -32600. @default 100
   */
  maxCalls?: number;
  /**
   * Requests of one principal in a minute, in this process; more are answered 429 with `Retry-After`. Each request of a batch counts; `initialize`,
   * notifications and answers do not. All guests are one principal. `rateLimiters.calls` counts for all processes. @default 60000
   */
  callsPerMinute?: number | false;
  /**
   * Sessions that one principal opens in a minute, in this process, by `initialize` or an HTTP+SSE stream; more are answered 429 with `Retry-After`.
   * All guests are one principal. `rateLimiters.initializes` counts for all processes. @default 6000
   */
  initializesPerMinute?: number | false;
  /**
   * Resources that one session is subscribed to, and URIs of one `subscriptions/listen`; one more gets -32602. Bounds the rows and the memory
   * that a session costs. @default 1000
   */
  maxSubscriptions?: number;
  /** Streams that one session has open with GET in this process; one more closes the oldest. @default 8 */
  maxStreams?: number;
  /** Streams of `subscriptions/listen` in this process; one more gets an error. @default 1000 */
  maxListeners?: number;
  /**
   * Streams of `subscriptions/listen` of one principal in this process, so that one caller does not take those of all; one more gets an error.
   * All guests are one principal. @default 100
   */
  maxListenersPerPrincipal?: number;
  /**
   * Calls of one principal that wait for their client's answers (2026-07-28) or for a confirmation, in all processes; one more drops the oldest,
   * whose retry is refused.
   * All guests are one principal. @default 100
   */
  maxContinuations?: number;
  /** Bytes of the earlier answers that such a call keeps between its questions, as JSON; more get -32602. @default 262144 */
  maxContinuationBytes?: number;
  /** Milliseconds that an idempotency key, and the result of its write, is kept. @default 86400000 (a day) */
  idempotencyMs?: number;
  /**
   * Idempotency keys of one principal that are kept, in all processes; one more drops the oldest, whose write then happens again if it is repeated.
   * All guests are one principal. @default 1000
   */
  maxIdempotencyKeys?: number;
  /** Bytes of a result that is kept with its key, as JSON. The repeated call of a larger one gets an error that says so. @default 65536 */
  maxIdempotencyBytes?: number;
  /**
   * Milliseconds that a task and its result are kept, from its start, by default and at most; 2025-11-25 clients may ask for less. A task that still
   * runs then is given up. @default 3600000 (an hour)
   */
  taskMs?: number;
  /**
   * Tasks of one principal that run at once, in all processes; one more gets -32600. As many that have ended are kept besides; one more drops the
   * one that ended first. All guests are one principal. @default 100
   */
  maxTasks?: number;
  /**
   * Bytes of JSON answers in this process that their callers have not read; further requests are answered 503, and a result past it becomes an
   * error. @default 268435456
   */
  maxUnsentBytes?: number;
  /** The same for one principal; all guests are one. @default 67108864 */
  maxUnsentBytesPerPrincipal?: number;
  /** Milliseconds in which a caller reads nothing of a JSON answer of 16 KiB or more; then its connection is closed. @default 30000 */
  sendMs?: number;
  /** Bytes waiting for a slow reader; past them its stream is closed. @default 16777216 */
  maxStreamBufferBytes?: number;
  /** Bytes of one result; a larger one becomes an error that says so. @default 8388608 */
  maxResultBytes?: number;
  /** Milliseconds a handler may run; then its signal aborts and the client gets an error. A task may run for `taskMs`. @default 300000 */
  handlerMs?: number;
  /** Milliseconds a handler waits for a client that it asked for something; its own time stands still meanwhile. @default 600000 */
  inputMs?: number;
  /**
   * Milliseconds between comments on an idle stream, so that no proxy cuts it. The answer to a call that has said nothing for as long becomes such a
   * stream, if its client accepts one. @default 15000
   */
  heartbeatMs?: number;
  /**
   * Messages of one call's stream that are kept for a client that comes back; older ones are dropped, which the client is told. If more wait for a
   * client that has not come back, the stream ends with an error. @default 1000
   */
  maxEvents?: number;
  /** Characters of them. @default 16777216 */
  maxEventBytes?: number;
  /** Milliseconds that what a client has not received is kept for it. @default 300000 */
  replayMs?: number;
  /**
   * Milliseconds the database may take for one step of a request, of which a request has at most six; then it is answered 503 with `Retry-After`.
   * @default 5000
   */
  storeMs?: number;
  /** Resources that the `list` of all templates gives for one `resources/list`; more are left out, and the app's `error` event says so once. @default 10000 */
  maxInstances?: number;
  /** Items in one page of a list. @default 1000 */
  pageSize?: number;
  /** Limits of a caller's `where` on a model; a breach is refused with the limit and a remedy. @default see `WhereLimits` */
  where?: Partial<WhereLimits>;
}

/**
 * Counts the requests of each principal, for all processes together. The limiters of `rate-limiter-flexible` have this shape.
 *
 * `new RateLimiterRedis({ storeClient: redis, keyPrefix: 'mcp', points: 6000, duration: 60 })`
 */
export interface RateLimiter {
  /**
   * Resolves if the caller `key` may send `points` more requests. Otherwise rejects with `{ msBeforeNext }`, the milliseconds until it may. Any
   * other rejection means that the limiter does not work.
   */
  consume(key: string, points: number): Promise<unknown>;
}

/** What `verify` has found out about an access token. */
export interface VerifiedToken {
  /** The caller, as a stable text. Sessions are bound to it. */
  readonly principal: string;
  /** What the token allows. @default none */
  readonly scopes?: readonly string[] | undefined;
  /** When the token stops being good. Its streams end then. @default never */
  readonly expiresAt?: Date | undefined;
}

/** Access tokens as the way in: OAuth 2.0 for MCP clients that sign their users in, such as Claude and ChatGPT. */
export interface AuthOptions {
  /**
   * Checks the access token of a request. `undefined` or an error is answered 401; an error with a `status` from 500 on, or of a database or
   * network that is away, 503. It must refuse tokens that were issued for another server: `jwtVerifier` checks `audience`.
   */
  verify: (token: string, ctx: Koa.Context) => VerifiedToken | undefined | Promise<VerifiedToken | undefined>;
  /** Issuers of the tokens, by their URLs: where clients sign in. At least one. */
  authorizationServers: string[];
  /** Scopes that every request needs; a token that lacks one is answered 403. @default none */
  requiredScopes?: string[];
  /**
   * The URL of the endpoint as clients know it, which tokens name as their audience. Set it behind a proxy.
   *
   * @default taken from the request; `X-Forwarded-*` count only with `app.proxy`
   */
  resource?: string;
}

/** Which calls are recorded, as rows of `McpAuditEntry` in the app's database. */
export interface AuditOptions {
  /** Whether reads are recorded too: of rows, resources, prompts and completions, and tools with `readOnlyHint`. @default false */
  readonly reads?: boolean;
  /**
   * Whether a call that cannot be recorded is refused: an own tool does not run, and the result of a read is withheld. A write of a model and its
   * row are committed together in any case. @default false: `onError` hears of it
   */
  readonly required?: boolean;
  /** Milliseconds that a row is kept; at most 3155760000000 (100 years). @default until the app removes it */
  readonly keepMs?: number;
  /** Names of arguments whose values are not recorded, on any level and in any case, e.g. `['password']`. Values of hidden columns never are. @default none */
  readonly mask?: readonly string[];
}

/** What spans and metrics of OpenTelemetry tell, beyond what the semantic conventions for MCP say. */
export interface TelemetryOptions {
  /**
   * What the trace context is that a client sends in `_meta`: the parent of the span, as the conventions have it, or only a link. A parent decides
   * whether the span is sampled, so choose `'link'` for an endpoint that anybody can call.
   *
   * @default 'parent'
   */
  readonly clientContext?: 'parent' | 'link';
  /** Whether spans contain the URIs of resources that templates make. These URIs contain arguments, such as the key of a row. @default false */
  readonly resourceUris?: boolean;
}

/** Where sessions live and for how long. Times are at most 2147483647 ms where nothing else is said. */
export interface SessionOptions {
  /** Keeps sessions and all other protocol state. @default rows through `prisma`, or memory without it */
  store?: Store;
  /** Milliseconds without a request after which a session ends. Long, since no client survives losing one. At most 3155760000000 (100 years). @default 604800000 (7 days) */
  idleMs?: number;
  /**
   * Sessions of one principal; one more ends the oldest whose client sent `initialize` and nothing else, or else the longest idle. Guests share one
   * principal. @default 1000
   */
  maxPerPrincipal?: number;
  /** Milliseconds a stateless client has to answer what a call asked it, and that a confirmation of a write is good for. @default 600000 */
  continuationMs?: number;
  /** Milliseconds a session row is trusted before it is read again. @default 5000 */
  cacheMs?: number;
  /** Milliseconds between writes of `lastSeenAt`, per session. @default 60000 */
  touchMs?: number;
  /** Milliseconds between sweeps of expired sessions. @default 60000 */
  sweepMs?: number;
  /** Milliseconds between looks for what other processes left, should their wake-ups be lost. At most 86400000 (a day). @default 1000 */
  lookMs?: number;
  /**
   * Milliseconds of silence after which a process counts as dead: what it had accepted is answered with an error, and a process that cannot read
   * the database for so long ends its own streams. A process that holds a stream raises a counter in its row five times in this time.
   * At least twice `limits.storeMs`.
   * @default 15000
   */
  deadMs?: number;
}

/** The options of `mcp()`. `C` is the type of the Prisma client. */
export interface McpOptions<C = unknown, T = Record<string, unknown>, R = Record<string, unknown>, P = Record<string, unknown>> {
  /** Programmatic name of the server, also the scheme of its models' resource URIs. */
  name: string;
  /** Version of the server, as told to clients. @default '0.0.0' */
  version?: string;
  /** Name for people. @default none */
  title?: string;
  /** What the server is for, for people. Clients of 2025-11-25 and newer get it. @default none */
  description?: string;
  /** Tells a model how to use the server as a whole. @default none */
  instructions?: string;
  /** A page about the server. @default none */
  websiteUrl?: string;
  /** Icons of the server. @default none */
  icons?: Icon[];
  /** The MCP endpoint's path, matched in exactly this case. @default '/mcp' */
  path?: string;
  /** The host's own client; sessions are rows in its database. @default none: sessions in memory */
  prisma?: C;
  /** What `generator mcp` wrote; needed for `models`. @default none */
  datamodel?: Datamodel;
  /** The exposed models, by the client's property names. @default none */
  models?: Models<C, HandlerContext<C>>;
  /**
   * How models become tools. `'tools'`: a tool for each operation of each model. `'compact'`: at most six generic tools, which find a model,
   * describe it and run its operations; for schemas with more models than a client takes tools. A model's own `style` overrides it.
   *
   * @default 'tools'
   */
  style?: Style;
  /** The host's own tools, by name. @default none */
  tools?: { [K in keyof T]: Tool<T[K], C> };
  /** The host's own resources, by name. @default none */
  resources?: { [K in keyof R]: Resource<R[K], C> };
  /** The host's own prompts, by name. @default none */
  prompts?: { [K in keyof P]: Prompt<P[K], C> };
  /**
   * Extensions of the protocol that the app serves, by identifier, with their settings: `{ 'com.example/thing': {} }`. They are declared to clients
   * of 2026-07-28, in `capabilities.extensions`; older revisions do not have that member. What a client declares is in
   * `ctx.mcp.client.capabilities`. The extension of tasks declares itself.
   *
   * @default none
   * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning#extension-negotiation
   */
  extensions?: Readonly<Record<string, JsonObject>>;
  /**
   * How long clients may keep the lists of tools, resources, templates and prompts and the answer to `server/discover`, and whether they may share
   * them. Resources and models have a `cache` of their own. `'public'` is refused if a list depends on its caller.
   *
   * @default `{ ttlMs: 0, cacheScope: 'private' }`
   */
  cache?: CacheHints;
  /**
   * Who is calling, as a stable text; `undefined` is a guest. Sessions are bound to it.
   *
   * @default `ctx.state.user`: itself if a string, else its `id` or `sub`
   */
  principal?: (ctx: Koa.Context) => string | undefined | Promise<string | undefined>;
  /**
   * Access tokens as the way in, instead of the app's own sign-in: then `principal` and `ctx.state.user` do not say who is calling. Every request
   * needs a token, except those for `<path>/health` and for the metadata with which clients begin to sign in.
   *
   * @default none: the app has authenticated the caller
   */
  auth?: AuthOptions;
  /**
   * Host names (without port) that requests may be addressed to; others are answered 403, against DNS rebinding.
   *
   * @default loopback names for a request on a loopback address unless `app.proxy` is set; elsewhere any
   */
  allowedHosts?: string[];
  /**
   * Origins whose pages may call, e.g. `https://app.example.com`; others are answered 403. Requests without `Origin`
   * pass, unless `Sec-Fetch-Site` is `cross-site` or `same-site`.
   *
   * @default loopback origins for a request on a loopback address, else none
   */
  allowedOrigins?: string[];
  /**
   * Origins whose pages may call from a browser, such as the MCP Inspector's, or `['*']`. Their preflights are answered, answers carry CORS
   * headers, and they count as allowed like `allowedOrigins`. Cookies are not allowed.
   *
   * @default none: no CORS headers
   */
  cors?: { origins: string[] };
  /** Where sessions live and for how long. @default see `SessionOptions` */
  sessions?: SessionOptions;
  /** Carries wake-ups between the processes of the app. @default memoryBus(): other processes are noticed by looking, see `sessions.lookMs` */
  bus?: Bus;
  /** Ceilings; a breach is answered, never a crash. @default see `Limits` */
  limits?: Limits;
  /**
   * Limiters that count for all processes together, in place of `limits.callsPerMinute` and `limits.initializesPerMinute`. Those of
   * `rate-limiter-flexible` fit. While a limiter does not work, requests are let through, and `onError` hears of it once.
   *
   * @default none: each process counts in memory
   */
  rateLimiters?: { calls?: RateLimiter; initializes?: RateLimiter };
  /**
   * Whether the calls that write are recorded. Each becomes a row of the model `McpAuditEntry` in the app's database: the caller, the tool, the
   * arguments and the outcome. `'required'` is `{ required: true }`. The option needs `prisma`.
   *
   * @default no calls are recorded
   */
  audit?: boolean | 'required' | AuditOptions;
  /**
   * Spans and metrics by the semantic conventions for MCP, if the app has the package `@opentelemetry/api`. They contain no arguments, no rows and
   * no text of errors. `false` makes none.
   *
   * @default {}
   * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/
   */
  telemetry?: false | TelemetryOptions;
  /** Takes errors of background work. @default the app's `error` event */
  onError?: (error: unknown) => void;
  /** Hears of every session that was created, initialized, resumed, ended, expired or refused. What it throws goes to `onError`. @default none */
  onSession?: (event: SessionEvent) => unknown;
  /**
   * Called when a client says that its roots have changed, with a context whose `ctx.mcp.roots()` asks for them. It runs once at a time for a session
   * in each process, and once more for changes meanwhile. What it throws goes to `onError`. Clients of 2026-07-28 say nothing.
   *
   * @default none
   * @see https://modelcontextprotocol.io/specification/2025-11-25/client/roots#root-list-changes
   */
  onRootsChanged?: (ctx: HandlerContext<C>) => unknown;
  /** Takes one line of JSON for the start and for each event of a session, e.g. `console.log`. @default none: the start is a line on stderr */
  log?: (line: string) => unknown;
  /** Whether `log` also gets a line for each message of a client and each run of a task. A line contains no arguments. @default false */
  logCalls?: boolean;
  /** Name of this process in events, log lines and the list of sessions; each process needs its own. @default host name and process id */
  node?: string;
  /**
   * Who may list and end sessions at `<path>/sessions`: anybody's, whole ids included; and list the calls that `audit` has recorded at
   * `<path>/calls`. Asked on each request; `false` is answered 403.
   *
   * @default none: there is no such route
   */
  operators?: (ctx: Koa.Context) => boolean | Promise<boolean>;
  /**
   * Whether a browser that opens the endpoint gets the console, a page that calls its tools by hand. The page holds no data: its requests need the
   * same sign-in as those of every other client.
   *
   * @default true unless `NODE_ENV` is `production`
   */
  console?: boolean;
}

/** The defaults of all options that have a plain one. */
export const defaults: Readonly<{
  version: string;
  path: string;
  sessions: Required<Omit<SessionOptions, 'store'>>;
  limits: Required<Omit<Limits, 'where'>>;
}> = Object.freeze({
  version: '0.0.0',
  path: '/mcp',
  sessions: Object.freeze({
    idleMs: 7 * 24 * 60 * 60 * 1000,
    maxPerPrincipal: 1000,
    continuationMs: 600_000,
    cacheMs: 5000,
    touchMs: 60_000,
    sweepMs: 60_000,
    lookMs: 1000,
    deadMs: 15_000,
  }),
  limits: Object.freeze({
    maxBodyBytes: 4 * 1024 * 1024,
    maxBodyValues: 200_000,
    maxDepth: 64,
    maxBatch: 50,
    maxUriCharacters: 8192,
    maxCalls: 100,
    callsPerMinute: 60_000,
    initializesPerMinute: 6000,
    maxSubscriptions: 1000,
    maxStreams: 8,
    maxListeners: 1000,
    maxListenersPerPrincipal: 100,
    maxContinuations: 100,
    maxContinuationBytes: 256 * 1024,
    idempotencyMs: 24 * 60 * 60 * 1000,
    maxIdempotencyKeys: 1000,
    maxIdempotencyBytes: 64 * 1024,
    taskMs: 60 * 60 * 1000,
    maxTasks: 100,
    maxUnsentBytes: 256 * 1024 * 1024,
    maxUnsentBytesPerPrincipal: 64 * 1024 * 1024,
    sendMs: 30_000,
    maxStreamBufferBytes: 16 * 1024 * 1024,
    maxResultBytes: 8 * 1024 * 1024,
    handlerMs: 300_000,
    inputMs: 600_000,
    heartbeatMs: 15_000,
    maxEvents: 1000,
    maxEventBytes: 16 * 1024 * 1024,
    replayMs: 300_000,
    storeMs: 5000,
    maxInstances: 10_000,
    pageSize: 1000,
  }),
});

/** `limits` with their defaults. */
export type ResolvedLimits = Readonly<Required<Omit<Limits, 'where'>> & Pick<Limits, 'where'>>;
/** `sessions` with their defaults. */
export type ResolvedSessions = Readonly<Required<Omit<SessionOptions, 'store'>> & Pick<SessionOptions, 'store'>>;

/** The options of `mcp()` without the types of the app's client and schemas, which exist only at compile time. */
export interface UntypedOptions extends Omit<McpOptions, 'prisma' | 'models' | 'tools' | 'resources' | 'prompts' | 'onRootsChanged'> {
  readonly onRootsChanged?: (ctx: CallContext) => unknown;
  readonly prisma?: object;
  readonly models?: Readonly<Record<string, ExposureLike>>;
  readonly tools?: Readonly<Record<string, HostTool>>;
  readonly resources?: Readonly<Record<string, HostResource>>;
  readonly prompts?: Readonly<Record<string, HostPrompt>>;
}

/** The options, checked, with their defaults. */
export interface ResolvedOptions extends Omit<UntypedOptions, 'path' | 'version' | 'limits' | 'sessions' | 'node' | 'audit' | 'console'> {
  readonly audit: AuditOptions | undefined;
  readonly console: boolean;
  readonly path: string;
  readonly version: string;
  readonly node: string;
  readonly limits: ResolvedLimits;
  readonly sessions: ResolvedSessions;
}
