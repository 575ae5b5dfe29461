import { createServer } from 'node:http';
import { PassThrough } from 'node:stream';
import Router from '@koa/router';
import Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import pg from 'pg';
import { durableSender, durableTable, followDurably } from '../durable-path.ts';
import type { Setup } from '../setup.ts';
import type { BareMessage } from './bare.ts';
import { answer, bare, streamHeaders } from './bare.ts';
import { listen, reportErrors } from './listen.ts';

/** Bare Koa with one session of HTTP+SSE, whose calls may arrive in another process than its stream: over PostgreSQL, by hand. */
export async function serve(setup: Setup): Promise<number> {
  const known = await bare({ app: setup.app });
  const client = new pg.Client({ connectionString: setup.database?.url });
  await client.connect();
  await client.query(durableTable);
  const send = durableSender(client, 'session');
  const app = new Koa();
  reportErrors(app);
  const router = new Router();
  router.get('/mcp/sse', async ctx => {
    const stream = new PassThrough();
    await followDurably(client, 'session', message => stream.write(`event: message\ndata: ${message}\n\n`));
    stream.write('event: endpoint\ndata: /mcp/messages?sessionId=session\n\n');
    ctx.set(streamHeaders);
    ctx.body = stream;
  });
  router.post('/mcp/messages', ctx => {
    const respond = async () => {
      const answered = await answer(known, ctx.request.body as BareMessage, undefined);
      if ('json' in answered && answered.json !== '') await send(answered.json);
    };
    respond().catch(console.error);
    ctx.status = 202;
    ctx.body = '';
  });
  app.use(bodyParser());
  app.use(router.routes());
  const callback = app.callback();
  return listen(createServer((request, response) => void callback(request, response)));
}
