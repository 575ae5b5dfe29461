import { randomBytes } from 'node:crypto';
import type Koa from 'koa';
import { memoryBus } from './bus/bus.ts';
import { handlerContexts } from './context.ts';
import { compilePrompts } from './host/prompts.ts';
import { compileResources } from './host/resources.ts';
import { compileTools } from './host/tools.ts';
import { compileModels } from './models/compile.ts';
import type { McpOptions, ResolvedOptions } from './options.ts';
import type { CallContext, Definitions } from './protocol/definitions.ts';
import type { Registry } from './protocol/registry.ts';
import { registry } from './protocol/registry.ts';
import type { ListName } from './protocol/subscriptions.ts';
import { resolveOptions } from './resolve-options.ts';
import type { SessionPage, SessionQuery } from './session/session-list.ts';
import { SessionLog } from './session/session-log.ts';
import { memoryStore } from './store/memory-store.ts';
import { prismaStore } from './store/prisma-store.ts';
import type { CheckedClient } from './store/sqlite-adapter.ts';
import { assertSharableSqlite } from './store/sqlite-adapter.ts';
import { maxTimerMs } from './timing.ts';
import { endpoint } from './transport/endpoint.ts';
import type { Environment } from './transport/environment.ts';
import { openService } from './transport/service.ts';

/** What `mcp()` returns: Koa middleware, with what the host may do from outside a request. */
export interface McpMiddleware extends Koa.Middleware {
  /**
   * Tells the clients, whichever process holds their streams, that a list reads differently now, e.g. because an `enabled` condition changed.
   * Kept for sessions without a stream that were used within `limits.replayMs`. Resolves once it cannot be lost.
   */
  listChanged(list: ListName): Promise<void>;
  /** Tells the clients that subscribed to it, likewise, that a resource has changed. */
  resourceUpdated(uri: string): Promise<void>;
  /** The sessions in the database, whichever process serves them. */
  readonly sessions: McpSessions;
  /**
   * Prepares the end of this process without an error for anybody: `<path>/health` says 503, so that the load balancer looks elsewhere, everything
   * is still served, and streams are ended one after the other, so that their clients come back through other processes. `close()` is next.
   *
   * Resolves when no call runs any more and no HTTP+SSE stream is open, or at the deadline.
   *
   * @param options.deadlineMs @default 10000
   */
  drain(options?: { deadlineMs?: number }): Promise<void>;
  /**
   * Ends the service: running calls may finish, streams end, timers stop, what is buffered is written.
   *
   * @param options.deadlineMs Milliseconds for all of it, whatever the database does; what is not done by then is given up. `Infinity` sets no
   * limit. @default 10000
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
}

/** What the host may do with sessions. */
export interface McpSessions {
  /** One page of them, those used last first. @throws {RangeError} `take` is not 1 to 200, or `after` was not a `next`. */
  list(query?: SessionQuery): Promise<SessionPage>;
  /** Ends a session, wherever it is served; `false` if there is none of that id. */
  end(id: string): Promise<boolean>;
}

/**
 * Makes the Koa middleware that adds the MCP routes under `path` and exposes `models`, `tools`, `resources` and `prompts`.
 *
 * `app.use(mcp({ name: 'reservations', prisma, datamodel, models: { booking: {} } }))`
 *
 * @throws {TypeError} At start-up, naming the option: unknown keys, models or columns, impossible values, tables that are missing.
 */
export function mcp<C, T = Record<string, unknown>, R = Record<string, unknown>, P = Record<string, unknown>>(
  options: McpOptions<C, T, R, P>,
): McpMiddleware {
  const resolved = resolveOptions(options as unknown as McpOptions);
  const { definitions, scope } = compile(resolved);
  const apps = new Set<Koa>();
  const onError = resolved.onError ?? reportTo(apps);
  const { store = resolved.prisma === undefined ? memoryStore() : prismaStore(resolved.prisma as object) } = resolved.sessions;
  const { bus = memoryBus() } = resolved;
  const ignoreBus = bus.onError?.(onError);
  const service = openService({
    registry: index(resolved, definitions),
    store,
    bus,
    nodeName: resolved.node,
    sessions: resolved.sessions,
    limits: resolved.limits,
    sessionLog: isHeard(resolved) ? new SessionLog({ ...resolved, onError }) : undefined,
    onFirstRequest: () => warnOfSqlite(resolved),
    onError,
    principal: normalizePrincipal(resolved.principal ?? principalOf),
    createContext: handlerContexts(scope),
    report,
  });
  const { environment } = service;
  const serve = endpoint(environment, resolved);

  const middleware: Koa.Middleware = function mcpMiddleware(ctx, next) {
    apps.add(ctx.app);
    return serve(ctx, next) as Promise<unknown>;
  };
  return Object.assign(middleware, {
    sessions: {
      list: (query?: SessionQuery) => environment.sessions.list(query),
      end: (id: string) => environment.sessions.end(id, 'operator'),
    },
    listChanged: service.listChanged,
    resourceUpdated: service.resourceUpdated,
    drain: ({ deadlineMs = 10_000 }: { deadlineMs?: number } = {}) => service.drain(Math.min(deadlineMs, maxTimerMs)),
    async close({ deadlineMs = 10_000 }: { deadlineMs?: number } = {}) {
      await service.close(Math.min(deadlineMs, maxTimerMs));
      ignoreBus?.();
      // A bus that the host made may serve others too.
      if (resolved.bus === undefined) await bus.close();
    },
  });
}

/** Warns of a SQLite client that loses writes once several processes, or several requests of one, share its file. */
function warnOfSqlite({ prisma, sessions }: ResolvedOptions): void {
  if (prisma === undefined || sessions.store !== undefined) return;
  // What else goes wrong is told to the requests that need the database.
  assertSharableSqlite(prisma as CheckedClient).catch((error: unknown) => {
    if (error instanceof TypeError) process.emitWarning(error.message, 'KoaMcpWarning');
  });
}

/** Tells the last app seen; before the first request there is none, and what goes wrong at the start becomes a process warning. */
function reportTo(apps: ReadonlySet<Koa>): (error: unknown) => void {
  return error => {
    const app = [...apps].at(-1);
    if (app !== undefined) app.emit('error', error);
    else process.emitWarning(error instanceof Error ? error.message : String(error), 'KoaMcpWarning');
  };
}

/** Whether anybody is told what happens to sessions. */
function isHeard({ onSession, log }: ResolvedOptions): boolean {
  return onSession !== undefined || log !== undefined;
}

function compile(options: ResolvedOptions): { definitions: Definitions; scope: ((ctx: CallContext) => unknown) | undefined } {
  const { name, prisma, datamodel, models, tools = {}, resources = {}, prompts = {} } = options;
  if (models !== undefined && (prisma === undefined || datamodel === undefined)) {
    throw new TypeError('models: needs `prisma`, the client, and `datamodel`, which `generator mcp` writes (npx koa-mcp init)');
  }
  const compiled =
    prisma === undefined || datamodel === undefined
      ? undefined
      : compileModels({ name, prisma: prisma as never, datamodel, models: models ?? {} });
  if (compiled !== undefined && compiled.hidden.length > 0) {
    const columns = compiled.hidden.join(', ');
    process.emitWarning(
      `Hidden, since their names suggest secrets: ${columns}. Name them in \`select\` to show them, in \`omit\` to say so.`,
      'KoaMcpWarning',
    );
  }
  const own = compileResources(resources as never);
  return {
    definitions: {
      tools: [...compileTools(tools as never), ...(compiled?.tools ?? [])],
      resources: [...own.resources, ...(compiled?.resources ?? [])],
      resourceTemplates: [...own.resourceTemplates, ...(compiled?.resourceTemplates ?? [])],
      prompts: [...compilePrompts(prompts as never), ...(compiled?.prompts ?? [])],
    },
    scope: compiled?.scope ?? (prisma === undefined ? undefined : () => prisma),
  };
}

function index(options: ResolvedOptions, definitions: Definitions): Registry {
  const { name, version, title, websiteUrl, icons, instructions } = options;
  const info = {
    name,
    version,
    ...(title !== undefined && { title }),
    ...(websiteUrl !== undefined && { websiteUrl }),
    ...(icons !== undefined && { icons }),
  };
  return registry({ info, instructions }, definitions);
}

function normalizePrincipal(principal: NonNullable<ResolvedOptions['principal']>): Environment['principal'] {
  return async ctx => toPrincipal(await principal(ctx));
}

function toPrincipal(name: string | undefined): string | null {
  if (name === '') throw new TypeError("principal: returned ''; give the user's name, or undefined for a guest");
  return name ?? null;
}

/** The default of `principal`. Fails closed: a signed-in user that has no name of its own must not share the guests' sessions. */
function principalOf(ctx: Koa.Context): string | undefined {
  const user: unknown = ctx.state['user'];
  if (user === undefined || user === null) return undefined;
  const { id, sub } = user as { id?: unknown; sub?: unknown };
  for (const name of [user, id, sub]) {
    const isName =
      (typeof name === 'string' && name !== '') || typeof name === 'bigint' || (typeof name === 'number' && Number.isFinite(name));
    if (isName) return String(name);
  }
  throw new TypeError('ctx.state.user has no usable `id` or `sub`; tell mcp() who is calling with the option `principal`');
}

function report(error: unknown, ctx: Koa.Context): string {
  const ref = randomBytes(4).toString('hex');
  const reported = error instanceof Error && Object.isExtensible(error) ? error : new Error(String(error), { cause: error });
  Object.defineProperty(reported, 'ref', { value: ref, configurable: true });
  ctx.app.emit('error', reported, ctx);
  return ref;
}
