import { randomBytes } from 'node:crypto';
import type Koa from 'koa';
import { announce } from './announce.ts';
import { AuditLog } from './audit.ts';
import { memoryBus } from './bus/bus.ts';
import { callLog } from './call-log.ts';
import { handlerContexts } from './context.ts';
import { compilePrompts } from './host/prompts.ts';
import { compileResources } from './host/resources.ts';
import { compileTools } from './host/tools.ts';
import type { CompiledModels, LiveModels } from './models/compile.ts';
import { compileModels } from './models/compile.ts';
import { explainDatabaseError } from './models/queries/prisma-errors.ts';
import type { McpOptions, ResolvedOptions } from './options.ts';
import type { EndpointParts } from './parts.ts';
import { partsKey } from './parts.ts';
import type { CallContext, Definitions } from './protocol/definitions.ts';
import { isObject } from './protocol/definitions.ts';
import type { Observe } from './protocol/observed.ts';
import { observeAll } from './protocol/observed.ts';
import type { Registry } from './protocol/registry.ts';
import { registry } from './protocol/registry.ts';
import type { ListName } from './protocol/subscriptions.ts';
import type { McpReport } from './report.ts';
import { reportOf } from './report.ts';
import { resolveOptions } from './resolve-options.ts';
import type { SessionPage, SessionQuery } from './session/session-list.ts';
import { SessionLog } from './session/session-log.ts';
import { memoryStore } from './store/memory-store.ts';
import { prismaStore } from './store/prisma-store.ts';
import type { CheckedClient } from './store/sqlite-adapter.ts';
import { assertSharableSqlite } from './store/sqlite-adapter.ts';
import { telemetry } from './telemetry.ts';
import { maxTimerMs } from './timing.ts';
import { Authorization } from './transport/authorization.ts';
import type { McpTasks } from './transport/deferred-tasks.ts';
import { deferredTasks } from './transport/deferred-tasks.ts';
import { endpoint } from './transport/endpoint.ts';
import type { Environment } from './transport/environment.ts';
import { isLoopback } from './transport/http.ts';
import { openService } from './transport/service.ts';

/** The result of `mcp()`: Koa middleware, with methods that the host may call outside a request. */
export interface McpMiddleware extends Koa.Middleware {
  /**
   * Tells all clients, in every process, that a list has changed, e.g. because an `enabled` condition changed. Sessions without a stream
   * get the notification later if they were used within `limits.replayMs`. Resolves once the notification cannot be lost.
   */
  listChanged(list: ListName): Promise<void>;
  /** Tells the clients that subscribed to a resource, in every process, that it has changed. Kept and resolved like `listChanged`. */
  resourceUpdated(uri: string): Promise<void>;
  /**
   * Tells the client that sent its user to a page, in whichever process it has its stream, that the user is done there. Only clients of 2025-11-25
   * are told; those of 2026-07-28 send their request again. Kept and resolved like `listChanged`.
   *
   * @param id From `ctx.mcp.newElicitationId()`. Any other text does nothing, so the id may come from the URL of the page.
   * @see https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation#completion-notifications-for-url-mode-elicitation
   */
  elicitationComplete(id: string): Promise<void>;
  /**
   * Tells the subscribers of a model's resources, in every process, that rows were written where `live()` cannot see it: by raw SQL, or by
   * another program. A subscriber is notified if the resource gives it something else than before. Kept and resolved like `listChanged`.
   *
   * `rowsChanged('booking')` is for any rows of the model, `rowsChanged('booking', { id: 7 })` for one.
   *
   * @throws {TypeError} `models` has no such model, `key` is not its primary key, or `prisma` was not made by `live()`.
   */
  rowsChanged(model: string, key?: Readonly<Record<string, unknown>>): Promise<void>;
  /**
   * Makes middleware that serves the metadata of the option `auth` at its place at the root of the host, for an endpoint that `koa-mount` or a
   * router serves below `prefix`. Without a prefix the endpoint serves it itself.
   *
   * `app.use(endpoint.resourceMetadata('/api'))` → `/.well-known/oauth-protected-resource/api/mcp`
   *
   * @param prefix What stands before `path` in the URL. @default ''
   * @throws {TypeError} There is no `auth`.
   */
  resourceMetadata(prefix?: string): Koa.Middleware;
  /** The sessions in the database, in whichever process they are served. */
  readonly sessions: McpSessions;
  /** The tasks in the database. `ctx.mcp.defer()` leaves a task to these methods. */
  readonly tasks: McpTasks;
  /**
   * Returns what the endpoint exposes and what it costs agents: models, columns, policies, tools, tokens, and the limits of agents. Reads no
   * database. `npx koa-mcp check` prints it.
   */
  report(): McpReport;
  /**
   * Prepares the shutdown of this process without an error for any client. `<path>/health` answers 503, so that the load balancer chooses
   * other processes. Requests are still served. Streams are ended one after the other, so that clients reconnect through other processes.
   * Call `close()` afterwards.
   *
   * Resolves when no call runs any more and no HTTP+SSE stream is open, or at the deadline.
   *
   * @param options.deadlineMs Milliseconds for all of it. @default 10000
   */
  drain(options?: { deadlineMs?: number }): Promise<void>;
  /**
   * Ends the service: running calls may finish, streams end, timers stop, and buffered data is written.
   *
   * @param options.deadlineMs Milliseconds for all of it, even if the database does not answer. Unfinished work is then given up.
   * `Infinity` sets no limit. @default 10000
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
}

/** The methods with which the host lists and ends sessions. */
export interface McpSessions {
  /**
   * Returns one page of sessions, most recently used first. @throws {RangeError} `take` is not 1 to 200, or `after` is not the `next` of a
   * page.
   */
  list(query?: SessionQuery): Promise<SessionPage>;
  /** Ends a session, in whichever process it is served; `false` if no session has that id. */
  end(id: string): Promise<boolean>;
}

/**
 * Makes the Koa middleware that adds the MCP routes under `path` and exposes `models`, `tools`, `resources` and `prompts`.
 *
 * `app.use(mcp({ name: 'reservations', prisma, datamodel, models: { booking: {} } }))`
 *
 * @throws {TypeError} At start-up: unknown keys, models or columns, invalid values, or missing tables. The message names the option.
 */
export function mcp<C, T = Record<string, unknown>, R = Record<string, unknown>, P = Record<string, unknown>>(
  options: McpOptions<C, T, R, P>,
): McpMiddleware {
  const resolved = resolveOptions(options);
  const { definitions, scope, live, keys, report } = compile(resolved);
  const apps = new Set<Koa>();
  const onError = resolved.onError ?? reportTo(apps);
  const { store = resolved.prisma === undefined ? memoryStore() : prismaStore(resolved.prisma) } = resolved.sessions;
  const { bus = memoryBus() } = resolved;
  const ignoreBus = bus.onError?.(onError);
  const { auth, path } = resolved;
  const authorization =
    auth && new Authorization({ ...auth, allowedHosts: resolved.allowedHosts, path, scopes: scopesOf(definitions), report: reportError });
  const audit = auditLog(resolved, onError);
  const registered = index(resolved, definitions);
  const traced = resolved.telemetry === false ? undefined : telemetry({ ...resolved.telemetry, registry: registered });
  const service = openService({
    registry: registered,
    explainError: explainDatabaseError,
    store,
    bus,
    nodeName: resolved.node,
    sessions: resolved.sessions,
    limits: resolved.limits,
    rateLimiters: resolved.rateLimiters,
    audit,
    observe: observeAll([traced?.observe, callLines(resolved, registered, onError)].filter(observe => observe !== undefined)),
    keys,
    sessionLog: isHeard(resolved) || traced ? new SessionLog({ ...resolved, onEnd: traced?.sessionEnded, onError }) : undefined,
    onRootsChanged: resolved.onRootsChanged,
    onFirstRequest: () => warnOfSqlite(resolved),
    onError,
    authorization,
    principal:
      authorization === undefined
        ? normalizePrincipal(resolved.principal ?? guestsNoted(resolved))
        : async ctx => authorization.tokenOf(ctx).principal,
    createContext: handlerContexts(scope),
    report: reportError,
  });
  const { environment } = service;
  const serve = endpoint(environment, { ...resolved, recordedCalls: audit });
  const ignoreWrites = live?.listen({ committed: service.noteRows, onError });

  const middleware: Koa.Middleware = function mcpMiddleware(ctx, next) {
    apps.add(ctx.app);
    return serve(ctx, next);
  };
  announce(report, { ...resolved, onError });
  return Object.assign(middleware, {
    report,
    [partsKey]: partsOf(resolved, definitions),
    resourceMetadata(prefix = '') {
      if (authorization === undefined) throw new TypeError('resourceMetadata: needs the option `auth`');
      return authorization.metadataMiddleware(prefix.replace(/\/+$/u, ''));
    },
    sessions: {
      list: (query?: SessionQuery) => environment.sessions.list(query),
      end: (id: string) => environment.sessions.end(id, 'operator'),
    },
    tasks: deferredTasks(environment, error => {
      const reported = withReference(error);
      onError(reported);
      return reported.ref;
    }),
    listChanged: service.listChanged,
    resourceUpdated: service.resourceUpdated,
    elicitationComplete: service.elicitationComplete,
    async rowsChanged(model: string, key?: Readonly<Record<string, unknown>>) {
      if (live === undefined) throw new TypeError('rowsChanged: needs `models`, and `prisma` from live(new PrismaClient(…))');
      await service.rowsChanged([live.changeOf(model, key)]);
    },
    drain: ({ deadlineMs = 10_000 }: { deadlineMs?: number } = {}) => service.drain(Math.min(deadlineMs, maxTimerMs)),
    async close({ deadlineMs = 10_000 }: { deadlineMs?: number } = {}) {
      await service.close(Math.min(deadlineMs, maxTimerMs));
      ignoreWrites?.();
      ignoreBus?.();
      // The host may use its own bus for other things too, so it stays open.
      if (resolved.bus === undefined) await bus.close();
    },
  });
}

function partsOf({ prisma, datamodel, sessions, audit, bus, instructions }: ResolvedOptions, definitions: Definitions): EndpointParts {
  const hasRows = prisma !== undefined && sessions.store === undefined;
  return { prisma, datamodel, hasRows, hasAudit: audit !== undefined, bus, instructions, definitions };
}

function auditLog({ audit, prisma, name, path, limits }: ResolvedOptions, onError: (error: unknown) => void): AuditLog | undefined {
  if (audit === undefined || prisma === undefined) return undefined;
  return new AuditLog({ ...audit, prisma, endpoint: `${name}${path}`, storeMs: limits.storeMs, onError });
}

function callLines({ log, logCalls, node }: ResolvedOptions, of: Registry, onError: (error: unknown) => void): Observe | undefined {
  return log !== undefined && logCalls === true ? callLog({ log, node, registry: of, onError }) : undefined;
}

/** Warns if a SQLite client would lose writes because several processes, or several requests of one process, share its file. */
function warnOfSqlite({ prisma, sessions }: ResolvedOptions): void {
  if (prisma === undefined || sessions.store !== undefined) return;
  // Any other error is reported by the requests that need the database.
  assertSharableSqlite(prisma as CheckedClient).catch((error: unknown) => {
    if (error instanceof TypeError) process.emitWarning(error.message, 'KoaMcpWarning');
  });
}

/**
 * Reports an error to the app whose first request came last. Before the first request there is no app, and the error becomes a process
 * warning.
 */
function reportTo(apps: ReadonlySet<Koa>): (error: unknown) => void {
  return error => {
    const app = [...apps].at(-1);
    if (app !== undefined) app.emit('error', error);
    else process.emitWarning(error instanceof Error ? error.message : String(error), 'KoaMcpWarning');
  };
}

/** Whether the host wants session events. */
function isHeard({ onSession, log }: ResolvedOptions): boolean {
  return onSession !== undefined || log !== undefined;
}

/** The parts of an endpoint that come from its declaration. */
interface Compiled {
  readonly definitions: Definitions;
  /** Gives `ctx.prisma`. */
  readonly scope: ((ctx: CallContext) => unknown) | undefined;
  /** `undefined` if the client was not made by `live()`, or there are no models. */
  readonly live: LiveModels | undefined;
  /** `undefined` if no model takes idempotency keys. */
  readonly keys: CompiledModels['keys'];
  readonly report: () => McpReport;
}

function compile(options: ResolvedOptions): Compiled {
  const { name, path, auth, prisma, datamodel, models, style, limits, tools = {}, resources = {}, prompts = {} } = options;
  if (models !== undefined && (prisma === undefined || datamodel === undefined)) {
    throw new TypeError('models: needs `prisma`, the client, and `datamodel`, which `generator mcp` writes (npx koa-mcp init)');
  }
  const scoped = Object.entries(models ?? {}).find(([, declared]) => isObject(declared) && declared['scopes'] !== undefined);
  if (auth === undefined && scoped !== undefined) {
    throw new TypeError(`models.${scoped[0]}.scopes: nothing checks them without \`auth\`; set it, or leave scopes out`);
  }
  const compiled =
    prisma === undefined || datamodel === undefined
      ? undefined
      : compileModels({
          name,
          prisma,
          datamodel,
          models: models ?? {},
          style,
          limits: limits.where,
          maxResultBytes: limits.maxResultBytes,
          idempotency: {
            endpoint: JSON.stringify([name, path]),
            idempotencyMs: limits.idempotencyMs,
            maxIdempotencyBytes: limits.maxIdempotencyBytes,
          },
        });
  const own: Definitions = { tools: compileTools(tools), ...compileResources(resources), prompts: compilePrompts(prompts) };
  const made: Definitions = compiled ?? { tools: [], resources: [], resourceTemplates: [], prompts: [] };
  for (const kind of ['tools', 'prompts'] as const) assertOwnNames(kind, own[kind], made[kind]);
  const definitions: Definitions = {
    tools: [...own.tools, ...made.tools],
    resources: [...own.resources, ...made.resources],
    resourceTemplates: [...own.resourceTemplates, ...made.resourceTemplates],
    prompts: [...own.prompts, ...made.prompts],
    ...(compiled && { unknownToolHint: compiled.unknownToolHint }),
  };
  if (options.cache?.cacheScope === 'public') assertSameLists(definitions);
  return {
    definitions,
    live: compiled?.live,
    keys: compiled?.keys,
    scope: compiled?.scope ?? (prisma === undefined ? undefined : () => prisma),
    report: () => reportOf({ name, path, models: compiled?.report() ?? [], own, made }),
  };
}

/** @throws {TypeError} for a name of the app's own that `models` gives to a definition too, such as `search` or `booking_summary`. */
function assertOwnNames(kind: 'tools' | 'prompts', own: readonly { name: string }[], made: readonly { name: string }[]): void {
  const taken = new Set(made.map(({ name }) => name));
  const clash = own.find(({ name }) => taken.has(name));
  if (clash === undefined) return;
  const option = kind === 'prompts' ? 'prompts' : ['search', 'fetch'].includes(clash.name) ? 'search' : 'operations';
  throw new TypeError(`${kind}.${clash.name}: \`models\` make one of this name; rename this one, or change \`${option}\` of the model`);
}

/** @throws {TypeError} A list depends on its caller, so that it cannot be shared. */
function assertSameLists({ tools, resources, resourceTemplates, prompts }: Definitions): void {
  const own = [...tools, ...resources, ...resourceTemplates, ...prompts].find(
    definition => definition.enabled !== undefined || definition.scopes !== undefined || 'list' in definition,
  );
  if (own === undefined) return;
  throw new TypeError(
    `cache: the lists cannot be public, since not every caller sees the same of ${own.name}; leave out cacheScope, or its enabled, scopes and list`,
  );
}

/** All scopes that definitions need, each once. */
function scopesOf({ tools, resources, resourceTemplates, prompts }: Definitions): string[] {
  const all = [...tools, ...resources, ...resourceTemplates, ...prompts];
  return [...new Set(all.flatMap(({ scopes = [] }) => scopes.flat()))];
}

function index(options: ResolvedOptions, definitions: Definitions): Registry {
  const { name, version, title, description, websiteUrl, icons, instructions, extensions, cache } = options;
  const info = {
    name,
    version,
    ...(title !== undefined && { title }),
    ...(description !== undefined && { description }),
    ...(websiteUrl !== undefined && { websiteUrl }),
    ...(icons !== undefined && { icons }),
  };
  return registry({ info, instructions, extensions, cache }, definitions);
}

function normalizePrincipal(principal: NonNullable<ResolvedOptions['principal']>): Environment['principal'] {
  return async ctx => toPrincipal(await principal(ctx));
}

function toPrincipal(name: string | undefined): string | null {
  if (name === '') throw new TypeError("principal: returned ''; give the user's name, or undefined for a guest");
  return name ?? null;
}

/**
 * The default of `principal`, which also warns once of guests that reach an endpoint from another machine: an app without a sign-in lets everybody
 * in who knows its address.
 */
function guestsNoted({ name }: ResolvedOptions): (ctx: Koa.Context) => string | undefined {
  let isWarned = false;
  return ctx => {
    const principal = principalOf(ctx);
    if (principal === undefined && !isWarned && !isLoopback(ctx)) {
      isWarned = true;
      process.emitWarning(
        `${name}: a guest has called, not from this machine. Mount mcp() behind the app's sign-in, or set \`auth\`; if guests are welcome, set \`principal\``,
        'KoaMcpWarning',
      );
    }
    return principal;
  };
}

/**
 * The default of `principal`. It throws for a signed-in user without a usable name, because such users must not share the guests' sessions.
 */
function principalOf(ctx: Koa.Context): string | undefined {
  const user: unknown = ctx.state['user'];
  if (user === undefined || user === null) return undefined;
  const { id, sub } = isObject(user) ? user : {};
  for (const name of [user, id, sub]) {
    const isName =
      (typeof name === 'string' && name !== '') || typeof name === 'bigint' || (typeof name === 'number' && Number.isFinite(name));
    if (isName) return String(name);
  }
  throw new TypeError('ctx.state.user has no usable `id` or `sub`; tell mcp() who is calling with the option `principal`');
}

function reportError(error: unknown, ctx: Koa.Context): string {
  const reported = withReference(error);
  ctx.app.emit('error', reported, ctx);
  return reported.ref;
}

/** The error with the reference that a client may quote, as its member `ref`. */
function withReference(error: unknown): Error & { readonly ref: string } {
  const ref = randomBytes(4).toString('hex');
  const reported = error instanceof Error && Object.isExtensible(error) ? error : new Error(String(error), { cause: error });
  Object.defineProperty(reported, 'ref', { value: ref, configurable: true });
  return reported as Error & { readonly ref: string };
}
