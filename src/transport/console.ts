import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type Koa from 'koa';

/** `npm run build` makes it. `src` and `dist` are both two levels above it. */
const file = new URL('../../dist/console/page.html', import.meta.url);

/** The page, and the policy under which a browser runs it. */
interface Page {
  readonly html: string;
  readonly policy: string;
}

let page: Promise<Page> | undefined;

/**
 * Whether a GET is that of a person who opens the endpoint in a browser: `text/html` named and preferred, no session. No client of the protocol
 * sends such a request.
 */
export function wantsConsole(ctx: Koa.Context): boolean {
  const { headers } = ctx.req;
  if (headers['mcp-session-id'] !== undefined || !headers.accept?.includes('text/html')) return false;
  return ctx.accepts('application/json', 'text/event-stream', 'text/html') === 'text/html';
}

/**
 * Answers with the console. The file is read at the first request.
 *
 * @param lists What operators can list here, such as `sessions`.
 */
export async function respondConsole(ctx: Koa.Context, lists: readonly string[]): Promise<void> {
  page ??= readPage();
  const { html, policy } = await page.catch((error: unknown) => {
    page = undefined;
    throw error;
  });
  ctx.set({
    'Content-Security-Policy': policy,
    'Content-Type': 'text/html; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cache-Control': 'no-cache',
    Vary: 'Accept',
  });
  ctx.status = 200;
  ctx.body = lists.length === 0 ? html : html.replace('<html ', `<html data-operators="${lists.join(' ')}" `);
}

async function readPage(): Promise<Page> {
  const html = await readFile(file, 'utf8');
  return { html, policy: policyOf(html) };
}

/**
 * The page runs its own script and style and nothing else, and speaks to its own origin alone.
 *
 * @see https://www.w3.org/TR/CSP3/
 */
function policyOf(html: string): string {
  const hashOf = (tag: string) => {
    const content = new RegExp(`<${tag}[^>]*>(.*?)</${tag}>`, 'su').exec(html)?.[1] ?? '';
    return `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
  };
  return [
    "default-src 'none'",
    `script-src ${hashOf('script')}`,
    `style-src ${hashOf('style')}`,
    "connect-src 'self'",
    'img-src data:',
    'media-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
