import { randomBytes } from 'node:crypto';
import type Koa from 'koa';
import { handlerContext } from './context.ts';
import { compilePrompts } from './host/prompts.ts';
import { compileResources } from './host/resources.ts';
import { compileTools } from './host/tools.ts';
import { compileModels } from './models/compile.ts';
import type { McpOptions, ResolvedOptions } from './options.ts';
import type { CallContext, Definitions } from './protocol/definitions.ts';
import { notificationText } from './protocol/jsonrpc.ts';
import type { Registry } from './protocol/registry.ts';
import { registry } from './protocol/registry.ts';
import type { ListName } from './protocol/subscriptions.ts';
import { resolveOptions } from './resolve-options.ts';
import { Continuations } from './session/continuations.ts';
import { prismaStore } from './session/prisma-store.ts';
import { Sessions } from './session/sessions.ts';
import { memoryStore } from './session/store.ts';
import { bodyReader } from './transport/body.ts';
import { Calls } from './transport/calls.ts';
import { endpoint } from './transport/endpoint.ts';
import type { Environment } from './transport/environment.ts';
import { Listeners } from './transport/listeners.ts';
import { ReplayStreams } from './transport/replay-streams.ts';
import { Requests } from './transport/requests.ts';
import { Streams } from './transport/streams.ts';

/** How long streams have at least to send what was said on them, when running calls took all the time there was. */
const lastWordsMs = 500;

/** What `mcp()` returns: Koa middleware, with what the host may do from outside a request. */
export interface McpMiddleware extends Koa.Middleware {
  /** Tells the clients with an open stream that a list reads differently now, e.g. because an `enabled` condition changed. */
  listChanged(list: ListName): void;
  /** Tells the clients that subscribed to it that a resource has changed. */
  resourceUpdated(uri: string): Promise<void>;
  /**
   * Ends the service: running calls may finish, streams end, timers stop, what is buffered is written.
   *
   * @param options.deadlineMs How long running calls, and then readers of streams, are waited for. @default 10000
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
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
  const onError = resolved.onError ?? (error => [...apps].at(-1)?.emit('error', error));
  const {
    store = resolved.prisma === undefined ? memoryStore() : prismaStore(resolved.prisma as object),
    continuationMs,
    ...sessionOptions
  } = resolved.sessions;
  const sessions = new Sessions({
    ...sessionOptions,
    store,
    onError,
  });
  const { limits } = resolved;
  const streams = new Streams(limits);
  const replays = new ReplayStreams({ ...limits, store, onError });
  const calls = new Calls({ ...limits, retain: id => sessions.retain(id) });
  sessions.onEnd(id => {
    calls.endSession(id);
    streams.endSession(id);
    replays.endSession(id);
  });
  const indexed = index(resolved, definitions);
  const listeners = new Listeners({ ...limits, streams, registry: indexed });
  const environment: Environment = {
    server: { registry: indexed, limits },
    sessions,
    continuations: new Continuations({ store, continuationMs }),
    listeners,
    calls,
    replays,
    requests: new Requests(limits),
    streams,
    readBody: bodyReader(limits),
    maxBatch: limits.maxBatch,
    isClosing: false,
    principal: normalizePrincipal(resolved.principal ?? principalOf),
    createContext: (ctx, call) => handlerContext(ctx, call, scope),
    report,
  };
  const serve = endpoint(environment, resolved);

  const middleware: Koa.Middleware = function mcpMiddleware(ctx, next) {
    apps.add(ctx.app);
    return serve(ctx, next) as Promise<unknown>;
  };
  return Object.assign(middleware, {
    listChanged(list: ListName) {
      const message = notificationText(`notifications/${list}/list_changed`);
      for (const id of streams.sessionIds()) streams.send(id, message);
      listeners.listChanged(list);
    },
    async resourceUpdated(uri: string) {
      const message = notificationText('notifications/resources/updated', { uri });
      for (const id of await sessions.subscribers(uri, streams.sessionIds())) streams.send(id, message);
      listeners.resourceUpdated(uri);
    },
    async close({ deadlineMs = 10_000 }: { deadlineMs?: number } = {}) {
      environment.isClosing = true;
      const startedAt = Date.now();
      await calls.drain(deadlineMs);
      listeners.close();
      await replays.close();
      await streams.close(Math.max(lastWordsMs, deadlineMs - (Date.now() - startedAt)));
      await sessions.close();
    },
  });
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
  return ctx => {
    const caller = principal(ctx);
    return caller instanceof Promise ? caller.then(name => name ?? null) : (caller ?? null);
  };
}

/** The default of `principal`. Fails closed: a signed-in user that has no name of its own must not share the guests' sessions. */
function principalOf(ctx: Koa.Context): string | undefined {
  const user: unknown = ctx.state['user'];
  if (user === undefined || user === null) return undefined;
  const { id, sub } = user as { id?: unknown; sub?: unknown };
  for (const name of [user, id, sub]) {
    if (typeof name === 'string' || typeof name === 'number' || typeof name === 'bigint') return String(name);
  }
  throw new TypeError('ctx.state.user has neither `id` nor `sub`; tell mcp() who is calling with the option `principal`');
}

function report(error: unknown, ctx: Koa.Context): string {
  const ref = randomBytes(4).toString('hex');
  const reported = error instanceof Error && Object.isExtensible(error) ? error : new Error(String(error), { cause: error });
  Object.defineProperty(reported, 'ref', { value: ref, configurable: true });
  ctx.app.emit('error', reported, ctx);
  return ref;
}
