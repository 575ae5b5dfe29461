import Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import type { Bus, Datamodel, McpMiddleware } from 'koa-mcp';
import { api } from './api.ts';
import type { PrismaClient } from './generated/sqlite/client/client.ts';
import { reservations } from './mcp.ts';
import { homePage } from './page.ts';
import { signIn } from './users.ts';

export interface ReservationsApp {
  readonly app: Koa;
  /** The MCP endpoint. Close it when you close the server. */
  readonly endpoint: McpMiddleware;
}

/** Makes the app, which does not listen yet: tests and `server.ts` call `listen`. */
export function createApp(prisma: PrismaClient, datamodel: Datamodel, bus?: Bus): ReservationsApp {
  const app = new Koa();
  const endpoint = reservations(prisma, datamodel, bus);
  const router = api(prisma);
  app.use(homePage).use(signIn).use(bodyParser()).use(endpoint).use(router.routes()).use(router.allowedMethods());
  return { app, endpoint };
}
