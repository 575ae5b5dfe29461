import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type Koa from 'koa';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { McpOptions } from '../../src/index.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { describeChromium, launch, startPages } from './chromium.ts';
import { pageAttacks } from './page-attacks.ts';

/** An endpoint that notes every request, and every call of its tool. */
async function startTarget(options: Partial<McpOptions> = {}) {
  const requests: { readonly query: string; readonly method: string; readonly status: number }[] = [];
  const sessions: string[] = [];
  let acted = 0;
  const note: Koa.Middleware = async (ctx, next) => {
    await next();
    // The browser also asks for an icon of the site.
    if (ctx.path !== '/favicon.ico') requests.push({ query: ctx.querystring, method: ctx.method, status: ctx.status });
  };
  // A page that was loaded under the name, before that became one of this machine.
  const serve: Koa.Middleware = ctx => {
    if (ctx.path === '/page') ctx.body = '<!doctype html><title>Page</title>';
  };
  const act = { description: 'Acts', handler: () => String(++acted) };
  const server = await start(
    { tools: { act }, onSession: ({ type }) => sessions.push(type), ...options },
    { before: [note], after: [serve] },
  );
  return { server, requests, sessions, acted: () => acted };
}
type Target = Awaited<ReturnType<typeof startTarget>>;

describeChromium('a page', () => {
  let browser: Browser;
  let pages: Awaited<ReturnType<typeof startPages>>;
  beforeAll(async () => {
    browser = await launch();
    pages = await startPages();
  });
  afterAll(async () => {
    await browser.close();
    await pages[Symbol.asyncDispose]();
  });

  const originOf = (host: string): string => `http://${host}:${pages.port}`;
  const visit = async (url: string): Promise<Page> => {
    const page = await browser.newPage();
    await page.goto(url);
    return page;
  };

  /** Tries one attack from a page, and waits until the server has answered its request. */
  async function attack(page: Page, name: string, { url, requests }: { url: string; requests: Target['requests'] }): Promise<string> {
    const query = new URLSearchParams({ try: name }).toString();
    const read = await page.evaluate(pageAttacks[name] as (url: string) => Promise<string>, `${url}?${query}`);
    await expect.poll(() => requests.filter(request => request.query === query), { message: name, timeout: 10_000 }).not.toEqual([]);
    return read;
  }

  describe.each<[string, (own: string) => Partial<McpOptions>]>([
    ['without cors', () => ({})],
    ['with cors for another page', own => ({ cors: { origins: [own] } })],
  ])('%s', (_, optionsOf) => {
    let target: Target;
    beforeAll(async () => {
      target = await startTarget(optionsOf(originOf('good.example')));
    });
    afterAll(() => target.server[Symbol.asyncDispose]());

    describe.each(['evil.example', 'evil.localhost', 'localhost', '127.0.0.1'])('of %s on another port', host => {
      let page: Page;
      beforeAll(async () => {
        page = await visit(originOf(host));
      });
      afterAll(() => page.close());

      it.each(Object.keys(pageAttacks))('gets nothing by %s: no call, no session, no answer', async name => {
        target.requests.length = 0;
        expect(await attack(page, name, { url: target.server.url, requests: target.requests })).toBe('');
        for (const { method, status } of target.requests) expect(status, method).toBeGreaterThanOrEqual(400);
        expect([target.acted(), target.sessions]).toEqual([0, []]);
      });
    });
  });

  it.each([
    ['without cors', {}],
    ['with cors for every origin', { cors: { origins: ['*'] } }],
  ])('whose name has become one of this machine (DNS rebinding) gets a 403 %s', async (_, options) => {
    const target = await startTarget(options);
    await using server = target.server;
    const url = server.url.replace('127.0.0.1', 'rebind.example');
    const page = await visit(new URL('/page', url).href);
    target.requests.length = 0;
    for (const name of Object.keys(pageAttacks)) {
      const read = await attack(page, name, { url, requests: target.requests });
      if (read !== '') expect(read, name).toContain('Host \\"rebind.example');
    }
    expect(new Set(target.requests.map(({ status }) => status))).toEqual(new Set([403]));
    expect([target.acted(), target.sessions]).toEqual([0, []]);
    await page.close();
  });

  it('of an origin in `cors.origins` connects with the official client, reads the id of its session, calls and closes', async () => {
    const target = await startTarget({ cors: { origins: [originOf('good.example')] } });
    await using server: TestServer = target.server;
    const page = await visit(originOf('good.example'));
    await page.addScriptTag({ content: await officialClient() });
    const done = await page.evaluate(async url => {
      const { Client, StreamableHTTPClientTransport } = (
        globalThis as unknown as { official: typeof import('@modelcontextprotocol/client') }
      ).official;
      const client = new Client({ name: 'page', version: '1' });
      const transport = new StreamableHTTPClientTransport(new URL(url));
      await client.connect(transport);
      const { content } = await client.callTool({ name: 'act', arguments: {} });
      const { sessionId } = transport;
      await transport.terminateSession();
      await client.close();
      return { content, sessionId };
    }, server.url);
    expect(done).toEqual({ content: [{ type: 'text', text: '1' }], sessionId: expect.stringMatching(/^mcp_/u) });
    expect(target.sessions).toEqual(['created', 'initialized', 'ended']);
    await page.close();
  });
});

/** The official client as a script for pages, which leaves it in `window.official`. */
async function officialClient(): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: "export { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';",
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    bundle: true,
    format: 'iife',
    globalName: 'official',
    platform: 'browser',
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}
