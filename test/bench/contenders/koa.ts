import { createServer } from 'node:http';
import { PassThrough } from 'node:stream';
import Router from '@koa/router';
import Koa from 'koa';
import bodyParser from 'koa-bodyparser';
import type { Setup } from '../setup.ts';
import type { BareMessage } from './bare.ts';
import { answer, bare, streamHeaders } from './bare.ts';
import { listen, reportErrors } from './listen.ts';

/** Bare Koa with body parser and router: what a Koa app costs that does the same work without a protocol. */
export async function serve(setup: Setup): Promise<number> {
  const known = await bare(setup);
  const app = new Koa();
  reportErrors(app);
  const router = new Router();
  router.post('/mcp', async ctx => {
    const answered = await answer(known, ctx.request.body as BareMessage, ctx.req.headers['mcp-protocol-version']);
    if ('stream' in answered) {
      ctx.set(streamHeaders);
      ctx.body = answered.stream;
      return;
    }
    if (answered.headers !== undefined) ctx.set(answered.headers);
    ctx.type = 'application/json';
    ctx.body = answered.json;
  });
  // A stream on which nothing happens.
  router.get('/mcp', ctx => {
    ctx.set(streamHeaders);
    const stream = new PassThrough();
    stream.write(': \n\n');
    ctx.body = stream;
  });
  app.use(bodyParser());
  app.use(router.routes());
  const callback = app.callback();
  return listen(createServer((request, response) => void callback(request, response)));
}
