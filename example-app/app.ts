import Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import type { Datamodel, McpMiddleware } from 'koa-mcp';
import { api } from './api.ts';
import type { PrismaClient } from './generated/sqlite/client/client.ts';
import { reservations } from './mcp.ts';
import { signIn } from './users.ts';

export interface ReservationsApp {
  readonly app: Koa;
  /** The MCP endpoint, to be closed with the server. */
  readonly endpoint: McpMiddleware;
}

/** The app without a socket: tests and `server.ts` listen themselves. */
export function createApp(prisma: PrismaClient, datamodel: Datamodel): ReservationsApp {
  const app = new Koa();
  const endpoint = reservations(prisma, datamodel);
  const router = api(prisma);
  app.use(signIn).use(bodyParser()).use(endpoint).use(router.routes()).use(router.allowedMethods());
  return { app, endpoint };
}
