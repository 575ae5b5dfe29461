import { createServer } from 'node:http';
import Router from '@koa/router';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import { listen, reportErrors } from '../contenders/listen.ts';
import { registrar } from './sdk-tools.mjs';

/** The official SDK v2 in Koa, with a server for each request (2026-07-28). */
export async function serve(setup) {
  const register = await registrar(setup);
  const handle = toNodeHandler(createMcpHandler(() => register(new McpServer({ name: 'bench', version: '1.0.0' }))));
  const app = new Koa();
  reportErrors(app);
  const router = new Router();
  router.post('/mcp', async ctx => {
    ctx.respond = false;
    await handle(ctx.req, ctx.res, ctx.request.body);
  });
  app.use(bodyParser());
  app.use(router.routes());
  return listen(createServer(app.callback()));
}
