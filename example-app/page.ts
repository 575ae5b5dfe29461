import { readFileSync } from 'node:fs';
import type { Middleware } from 'koa';

const style = readFileSync(new URL('page.css', import.meta.url), 'utf8');

/** What each caller may do, by demo token. `policies.ts` and `mcp.ts` enforce it. */
const callers = [
  [
    'Ada Lovelace, a client',
    'demo-ada',
    'Reads, makes, changes and cancels her own bookings, and changes her own name. Sees the names of all clients.',
  ],
  ['Grace Hopper, a client', 'demo-grace', 'The same with the bookings and the name of Grace.'],
  ['Staff', 'demo-staff', 'Does all this for every client, and sees all e-mail addresses.'],
  ['Guest', undefined, 'Sees the names of all clients, and no booking. Changes nothing.'],
] as const;

/** Serves `/`, which says what the app is, who can sign in and how to connect, and its style sheet. Needs no sign-in. */
export const homePage: Middleware = async function homePage(ctx, next) {
  const isRead = ctx.method === 'GET' || ctx.method === 'HEAD';
  if (!isRead || (ctx.path !== '/' && ctx.path !== '/page.css')) {
    await next();
    return;
  }
  ctx.set({
    'Content-Security-Policy': "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
  });
  ctx.type = ctx.path === '/' ? 'html' : 'css';
  ctx.body = ctx.path === '/' ? toHtml(`${ctx.protocol}://${ctx.host}`) : style;
};

function toHtml(origin: string): string {
  const url = `${origin}/mcp`;
  const authorization = 'Authorization: Bearer demo-ada';
  const cursor = { mcpServers: { reservations: { url, headers: { Authorization: 'Bearer demo-ada' } } } };
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
  const listTools = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: meta } });
  const ways = [
    ['Claude Code', `claude mcp add --transport http reservations ${url} --header "${authorization}"`],
    ['Cursor, in .cursor/mcp.json', JSON.stringify(cursor, null, 2)],
    ['MCP Inspector', `npx @modelcontextprotocol/inspector --web --transport http --server-url ${url} --header "${authorization}"`],
    [
      'curl',
      [
        `curl ${url} -H '${authorization}'`,
        "-H 'Content-Type: application/json' -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/list'",
        `-d '${listTools}'`,
      ].join(' \\\n  '),
    ],
  ] as const;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Reservations, the example app of koa-mcp</title>
<link rel="stylesheet" href="page.css">
</head>
<body>
<main>
<h1>Reservations</h1>
<p>Clients of a restaurant book tables here. AI agents do so through the Model Context Protocol (MCP), on behalf of whoever is signed in and
under the same rules. This is the example app of koa-mcp, with 200 clients and 1,000 bookings.</p>
<p>The endpoint is <code>${escapeHtml(url)}</code>. In a browser it opens as <a href="mcp">a console</a>, where you can try each tool by
hand.</p>

<h2>Who can sign in</h2>
<p>A caller signs in with a bearer token. These tokens are for demonstration only.</p>
<table>
<thead><tr><th scope="col">Caller</th><th scope="col">Token</th><th scope="col">May do</th></tr></thead>
<tbody>
${callers.map(([caller, token, may]) => `<tr><th scope="row">${caller}</th><td>${token ? `<code>${token}</code>` : 'none'}</td><td>${may}</td></tr>`).join('\n')}
</tbody>
</table>

<h2>Connect an agent</h2>
<dl>
${ways.map(([client, how]) => `<dt>${client}</dt>\n<dd><pre><code>${escapeHtml(how)}</code></pre></dd>`).join('\n')}
</dl>

<h2>Watch it work</h2>
<dl>
<dt><code>npm run example:agent</code></dt>
<dd>Books a table through the tools, as an agent would, and cancels it again. It prints each step.</dd>
<dt><code>npm run example:cluster</code></dt>
<dd>Runs three processes of this app over PostgreSQL behind one URL. You can kill one of them: sessions go on in the others.</dd>
</dl>
</main>
</body>
</html>
`;
}

/** The origin of the page comes from the header `Host`, which anybody can write. */
function escapeHtml(text: string): string {
  const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replaceAll(/[&<>"']/g, character => names[character] ?? character);
}
