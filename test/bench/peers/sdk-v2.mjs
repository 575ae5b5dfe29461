import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import Router from '@koa/router';
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node';
import { isInitializeRequest, McpServer } from '@modelcontextprotocol/server';
import Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import { listen, reportErrors } from '../contenders/listen.ts';
import { registrar } from './sdk-tools.mjs';

/** The official SDK v2 in Koa, with a transport and a server for each session. */
export async function serve(setup) {
  const register = await registrar(setup);
  const transports = new Map();
  const open = async () => {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      // JSON is its faster answer, yet notifications of a call only go out in streams.
      enableJsonResponse: !setup.streams,
      onsessioninitialized: id => void transports.set(id, transport),
    });
    await register(new McpServer({ name: 'bench', version: '1.0.0' })).connect(transport);
    return transport;
  };
  const app = new Koa();
  reportErrors(app);
  const router = new Router();
  router.post('/mcp', async ctx => {
    const { body } = ctx.request;
    const transport = transports.get(ctx.get('mcp-session-id')) ?? (isInitializeRequest(body) ? await open() : undefined);
    if (transport === undefined) ctx.throw(404);
    ctx.respond = false;
    await transport.handleRequest(ctx.req, ctx.res, body);
  });
  app.use(bodyParser());
  app.use(router.routes());
  return listen(createServer(app.callback()));
}
