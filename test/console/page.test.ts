import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import mount from 'koa-mount';
import { afterEach, describe, expect, it } from 'vitest';
import { resolveOptions } from '../../src/resolve-options.ts';
import { start } from '../support/server.ts';

/** What Chromium sends for a page that a person opens. */
const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';
const get = (url: string, headers: Record<string, string> = {}) => fetch(url, { headers: { accept, ...headers } });

describe('the console', () => {
  const { NODE_ENV } = process.env;
  afterEach(() => {
    process.env['NODE_ENV'] = NODE_ENV;
  });

  it('is what a browser gets that opens the endpoint, under a policy that lets it run nothing else and speak to nobody else', async () => {
    await using server = await start({});
    const response = await get(server.url);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(await response.text()).toMatch(/^<!doctype html>.*<script>.+<\/script>\s*<\/body>\s*<\/html>\s*$/su);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[\w+/=]{44}'; style-src 'sha256-[\w+/=]{44}'; connect-src 'self';/u);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/u);
  });

  it('is at most 60 kB when it is compressed, and names no other host', () => {
    const html = readFileSync(new URL('../../dist/console/page.html', import.meta.url), 'utf8');
    expect(gzipSync(html).length).toBeLessThan(60_000);
    const hosts = [...html.matchAll(/\bhttps?:\/\/([\w.-]+\.\w+)/gu)].map(([, host]) => host);
    // The names of a licence and of XML, which are never fetched.
    expect([...new Set(hosts)].toSorted()).toEqual(['preactjs.com', 'www.w3.org']);
  });

  it.each<[string, Record<string, string>]>([
    ['names no text/html', { accept: '*/*' }],
    ['prefers an event stream', { accept: 'text/event-stream, text/html;q=0.5' }],
    ['prefers JSON', { accept: 'application/json, text/html;q=0.9' }],
  ])('is not for a request that %s', async (_, headers) => {
    await using server = await start({});
    expect((await get(server.url, headers)).status).toBe(405);
  });

  it('is not for a request with a session, another method or another path', async () => {
    await using server = await start({});
    expect((await get(server.url, { 'mcp-session-id': 'x' })).status).toBe(404);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const response = await fetch(server.url, { method, headers: { accept } });
      expect(response.headers.get('content-type'), method).not.toContain('text/html');
    }
    expect((await get(`${server.url}/messages`)).status).toBe(405);
    expect((await get(`${server.url}/console`)).status).toBe(404);
  });

  it('is there without a token, because it holds no data, while every request of the protocol needs one', async () => {
    await using server = await start({ auth: { verify: () => undefined, authorizationServers: ['https://login.example.com'] } });
    expect((await get(server.url)).status).toBe(200);
    expect((await fetch(server.url)).status).toBe(401);
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(401);
  });

  it('is not there for a Host that is not allowed', async () => {
    await using server = await start({ allowedHosts: ['house.example.com'] });
    expect((await get(server.url)).status).toBe(403);
  });

  it('knows whether there is a list of sessions, and nothing else of the app', async () => {
    await using server = await start({ name: 'secret-name', operators: () => false });
    await using other = await start({});
    const [page, plain] = [await (await get(server.url)).text(), await (await get(other.url)).text()];
    expect(page.replace('<html data-operators="sessions" ', '<html ')).toBe(plain);
    expect(page).not.toContain('secret-name');
  });

  it.each([
    ['production', undefined, false],
    ['production', true, true],
    ['development', undefined, true],
    ['development', false, false],
  ] as const)('in %s with `console: %s` is there: %s', async (environment, option, isThere) => {
    process.env['NODE_ENV'] = environment;
    expect(resolveOptions({ name: 'x', ...(option !== undefined && { console: option }) }).console).toBe(isThere);
    await using server = await start(option === undefined ? {} : { console: option });
    expect((await get(server.url)).status).toBe(isThere ? 200 : 405);
  });

  it('refuses another value of the option', () => {
    expect(() => resolveOptions({ name: 'x', console: 'yes' })).toThrow('console: must be true or false');
  });

  it('is served below a prefix', async () => {
    await using server = await start({}, { mount: middleware => mount('/api', middleware), path: '/api/mcp' });
    expect((await get(server.url)).status).toBe(200);
  });
});
