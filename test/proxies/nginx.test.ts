import { EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type Koa from 'koa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import type { OwnServer } from '../chaos/own-server.ts';
import { byHand } from '../clients/by-hand.ts';
import { officialV1 } from '../clients/official-v1.ts';
import { officialV2 } from '../clients/official-v2.ts';
import { fences } from '../readme/readme.ts';
import { modernRequest } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { openReader } from '../support/sse.ts';
import { open, post } from '../support/wire.ts';
import { describeNginx, startNginx } from './nginx.ts';

/** nginx closes a connection to the app on which nothing comes for so long. */
const readTimeoutMs = 5000;
/** What docs/processes.md tells users to write. */
const documented = fences.filter(({ file, language }) => file === 'docs/processes.md' && language === 'nginx').map(({ text }) => text);

const happened = new EventEmitter();
const quiet = {
  description: 'Says nothing for some time',
  inputSchema: z.object({ forMs: z.int(), key: z.string().default('') }),
  handler: async ({ forMs, key }: { forMs: number; key: string }, { mcp }: HandlerContext) => {
    happened.emit(`${key} started`);
    const end = await delay(forMs, 'done', { signal: mcp.signal }).catch(() => 'aborted');
    happened.emit(`${key} ended`, end);
    return end;
  },
};
const noteClosed: Koa.Middleware = async (ctx, next) => {
  await next();
  if (ctx.body instanceof Readable) ctx.res.once('close', () => happened.emit('stream closed'));
};

describeNginx('behind nginx as docs/processes.md has it', () => {
  it('whose configuration is two locations', () => {
    expect(documented.map(text => /^location (\S+)/u.exec(text)?.[1])).toEqual(['/', '/tools/']);
  });

  describe.each(['on', 'off'])('with proxy_buffering %s', buffering => {
    let server: TestServer;
    let nginx: OwnServer<'SIGTERM'>;
    let stripping: OwnServer<'SIGTERM'>;
    beforeAll(async () => {
      const prepare = (app: Koa) => {
        app.proxy = true;
      };
      server = await start({ limits: { heartbeatMs: 2000 }, tools: { quiet } }, { prepare, before: [noteClosed] });
      const startWith = (location = '') =>
        startNginx(`
          proxy_read_timeout ${readTimeoutMs}ms;
          proxy_buffering ${buffering};
          ${location.replace('http://127.0.0.1:3000', server.origin)}
        `);
      nginx = await startWith(documented[0]);
      stripping = await startWith(documented[1]);
    });
    afterAll(async () => {
      await nginx[Symbol.asyncDispose]();
      await stripping[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });

    it('a call that says nothing for 12 seconds is answered to every client, also below a path that nginx strips', async () => {
      const kinds = [...officialV1, ...officialV2, ...byHand];
      const origins = [nginx.url, `${stripping.url}/tools`];
      const answered = kinds.flatMap(({ name, revision, connect }) =>
        origins.map(async origin => {
          await using client = await connect(origin);
          const { text } = await client.callTool('quiet', { forMs: 12_000 });
          return [name, revision, origin, text];
        }),
      );
      const expected = kinds.flatMap(({ name, revision }) => origins.map(origin => [name, revision, origin, 'done']));
      expect(await Promise.all(answered)).toEqual(expected);
    }, 40_000);

    it('a client that accepts only JSON gets 504 for such a call', async () => {
      const { body, headers } = modernRequest('tools/call', { name: 'quiet', arguments: { forMs: 12_000 } });
      expect((await post(`${nginx.url}/mcp`, body, { headers: { ...headers, accept: 'application/json' } })).status).toBe(504);
    });

    it.each(['before its stream has begun', 'after that'])('a client that leaves a call of 2026-07-28 %s cancels it', async when => {
      const key = `${buffering} ${when}`;
      const [started, ended] = [once(happened, `${key} started`), once(happened, `${key} ended`)];
      const abort = new AbortController();
      const { body, headers } = modernRequest('tools/call', { name: 'quiet', arguments: { forMs: 60_000, key } });
      const answer = fetch(`${nginx.url}/mcp`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
        body: JSON.stringify(body),
        signal: abort.signal,
      });
      await started;
      if (when === 'after that') expect((await answer).headers.get('content-type')).toBe('text/event-stream');
      abort.abort();
      await answer.catch(() => undefined);
      expect(await ended).toEqual(['aborted']);
    });

    it('a client that leaves a call of a session does not, and gets the result when it comes back', async () => {
      const key = `${buffering} session`;
      const session = await open(`${nginx.url}/mcp`);
      const [closed, ended] = [once(happened, 'stream closed'), once(happened, `${key} ended`)];
      const params = { name: 'quiet', arguments: { forMs: 8000, key } };
      const { url, headers } = session;
      const reader = await openReader({ url, headers, body: { jsonrpc: '2.0', id: 7, method: 'tools/call', params } });
      await reader.untilComments(1);
      reader.close();
      await closed;
      const resumed = await openReader({ url, headers: { ...headers, 'last-event-id': reader.lastEventId ?? '' } });
      expect(await resumed.end()).toMatchObject([{ id: 7, result: { content: [{ text: 'done' }] } }]);
      expect(await ended).toEqual(['done']);
    });
  });
});
