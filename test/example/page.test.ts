import { execFile } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createApp } from '../../example-app/app.ts';
import { openDatabase } from '../../example-app/database.ts';
import { users } from '../../example-app/users.ts';
import { overflowOf, violationsOf } from '../console/open.ts';
import { describeChromium, launch } from '../intruders/chromium.ts';
import { codes, table } from '../readme/readme.ts';
import { emptyDatabase } from '../support/database.ts';

let origin: string;
let page: string;
let close: () => Promise<void>;
beforeAll(async () => {
  const place = await emptyDatabase('sqlite');
  const { prisma, datamodel } = await openDatabase(place.url);
  const { app, endpoint } = createApp(prisma, datamodel);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  close = async () => {
    await endpoint.close();
    server.closeAllConnections();
    server.close();
    await prisma.$disconnect();
    await place[Symbol.asyncDispose]();
  };
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  page = await (await fetch(`${origin}/`)).text();
});
afterAll(() => close());

/** The texts of all elements of this name, without their tags. */
function texts(element: string): string[] {
  const characters: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };
  return [...page.matchAll(new RegExp(`<${element}\\b[^>]*>(.*?)</${element}>`, 'gs'))].map(([, html = '']) =>
    html.replaceAll(/<[^>]+>/g, '').replaceAll(/&#?\w+;/g, name => characters[name] ?? name),
  );
}

it('names every demo token, and the guest', () => {
  const tokens = texts('td').filter((_, index) => index % 2 === 0);
  expect(tokens).toEqual([...users.keys(), 'none']);
});

it('shows how to connect as docs/clients.md does', () => {
  const commands = texts('pre');
  const documented = new Map(
    table('client', 'how').map(([client, how]) => [client, codes(how)[0]?.replace('http://127.0.0.1:3000', origin)]),
  );
  expect(commands).toContain(documented.get('Claude Code'));
  expect(commands).toContain(documented.get('MCP Inspector'));
  const cursor: unknown = JSON.parse(documented.get('Cursor, in `.cursor/mcp.json`') ?? '');
  expect(commands).toContain(JSON.stringify(cursor, null, 2));
});

it('has a command for curl that lists the tools', async () => {
  const curl = texts('pre').find(text => text.startsWith('curl ')) ?? expect.fail('no curl');
  const { stdout } = await promisify(execFile)('bash', ['-c', curl.replace('curl', 'curl -s')]);
  expect(JSON.parse(stdout).result.tools).toContainEqual(expect.objectContaining({ name: 'get_client' }));
});

it('writes no HTML that a header Host brings', async () => {
  const { stdout } = await promisify(execFile)('curl', ['-s', `${origin}/`, '-H', 'Host: a"<script>alert(1)</script>']);
  expect(stdout).toContain('<code>http://a&quot;&lt;script&gt;');
  expect(stdout).not.toContain('<script');
});

it('is there for guests, and leaves other methods and paths to the app', async () => {
  expect((await fetch(`${origin}/`, { method: 'HEAD' })).status).toBe(200);
  expect((await fetch(`${origin}/`, { method: 'POST' })).status).toBe(404);
  expect((await fetch(`${origin}/nothing`)).status).toBe(404);
});

describeChromium('the page in a browser', () => {
  const looks = [
    ['light', 390],
    ['light', 1280],
    ['dark', 390],
    ['dark', 1280],
  ] as const;
  it.each(looks)('is readable and obeys its content security policy, %s at %i pixels', async (colorScheme, width) => {
    await using browser = await launch();
    const tab = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
    const complaints: string[] = [];
    tab.on('console', message => complaints.push(message.text()));
    await tab.goto(`${origin}/`);
    expect(await violationsOf(tab)).toEqual([]);
    expect(await overflowOf(tab)).toEqual([]);
    // Chromium asks for an icon by itself.
    expect(complaints.filter(text => !text.includes('404'))).toEqual([]);
    const background = await tab.locator('body').evaluate(body => {
      const { getComputedStyle } = globalThis as unknown as { getComputedStyle(element: unknown): { backgroundColor: string } };
      return getComputedStyle(body).backgroundColor;
    });
    expect(background).toBe(colorScheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(22, 25, 28)');
  });

  it('leads to the console of the endpoint', async () => {
    await using browser = await launch();
    const tab = await browser.newPage();
    await tab.goto(`${origin}/`);
    await tab.getByRole('link', { name: 'a console' }).click();
    await tab.waitForURL(`${origin}/mcp`);
    await tab.getByText('Tools').first().waitFor();
  });
});
