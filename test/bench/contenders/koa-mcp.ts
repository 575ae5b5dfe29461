import { createServer } from 'node:http';
import Koa from 'koa';
import type { Datamodel, HandlerContext, McpMiddleware, McpOptions } from 'koa-mcp';
import pg from 'pg';
import type { Database, Setup } from '../setup.ts';
import { bookingClient, bookingColumns, bookingOperations, pageRows, toolsOf } from '../tools.ts';
import { hostTools } from './host-tools.ts';
import { listen, reportErrors } from './listen.ts';
import { loadKoaMcp } from './load.ts';
import { openPrisma } from './prisma.ts';

/** koa-mcp as it is built and published. */
export async function serve(setup: Setup): Promise<number> {
  const { mcp, memoryStore, postgresBus, live } = await loadKoaMcp(setup.build);
  const { database, sessions = 'memory', cacheMs, hostTool } = setup;
  let queries = 0;
  const countQuery = () => {
    queries += 1;
  };
  const opened = database && (await openPrisma(database, hostTool === 'queries' ? countQuery : undefined));
  const prisma = opened && (setup.live ? live(opened) : opened);
  const app = new Koa();
  reportErrors(app);
  const options: McpOptions = {
    name: 'bench',
    version: '1.0.0',
    ...(prisma && { prisma }),
    ...(setup.bus && database && { bus: postgresBus({ connect: () => new pg.Client({ connectionString: database.url }) }) }),
    ...(setup.app === 'models' && database && (await models(database))),
    tools: {
      ...(setup.app !== 'models' && tools(setup.app)),
      ...(hostTool && hostTools(hostTool, { middleware: () => middleware, queries: () => queries, prisma })),
    },
    sessions: {
      // One principal opens them all.
      maxPerPrincipal: 1_000_000_000,
      ...(sessions === 'memory' && { store: memoryStore() }),
      ...(cacheMs !== undefined && { cacheMs }),
    },
  };
  const middleware = openEndpoint(mcp, options);
  app.use(middleware);
  const callback = app.callback();
  return listen(createServer((request, response) => void callback(request, response)));
}

/** One guest sends all requests. A build without limits a minute refuses them as options. */
function openEndpoint(mcp: (options: never) => McpMiddleware, options: McpOptions): McpMiddleware {
  try {
    return mcp({ ...options, limits: { callsPerMinute: 1_000_000_000, initializesPerMinute: 1_000_000_000 } } as never);
  } catch {
    return mcp(options as never);
  }
}

function tools(app: Setup['app']): NonNullable<McpOptions['tools']> {
  const entries = toolsOf(app).map(({ name, description, inputSchema, run }) => {
    const handler = (args: Record<string, unknown>, ctx: HandlerContext) =>
      run(args, { progress: (progress, total, message) => ctx.mcp.progress(progress, total, message) });
    return [name, { description, inputSchema, handler }];
  });
  return Object.fromEntries(entries) as NonNullable<McpOptions['tools']>;
}

async function models({ provider }: Database): Promise<{ datamodel: Datamodel; models: object }> {
  const { datamodel } = (await import(`../../../generated/test/${provider}/mcp/datamodel.ts`)) as { datamodel: Datamodel };
  const booking = { select: bookingColumns, include: { client: { select: bookingClient } }, take: pageRows, operations: bookingOperations };
  return { datamodel, models: { booking } };
}
