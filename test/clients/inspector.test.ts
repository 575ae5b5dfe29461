import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeChromium, launch } from '../intruders/chromium.ts';
import type { EmptyDatabase } from '../support/database.ts';
import { emptyDatabase } from '../support/database.ts';
import type { AppProcess } from '../support/example.ts';
import { startExample } from '../support/example.ts';
import type { Inspector, Target } from './inspector.ts';
import { loadInspector } from './inspector.ts';

let place: EmptyDatabase;
let example: AppProcess;
let inspector: Inspector;
beforeAll(async () => {
  place = await emptyDatabase('sqlite');
  [example, inspector] = await Promise.all([startExample({ DATABASE_URL: place.url }), loadInspector()]);
}, 300_000);
afterAll(async () => {
  await inspector[Symbol.asyncDispose]();
  await example[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

const ways = [
  ['HTTP+SSE', { transport: 'sse', path: '/mcp/sse' }, '2025-11-25'],
  ['sessions', { transport: 'http', path: '/mcp' }, '2025-11-25'],
  ['2026-07-28', { transport: 'http', era: 'modern', path: '/mcp' }, '2026-07-28'],
] as const;
const targetOf = ({ path, ...way }: (typeof ways)[number][1]): Target => ({ ...way, url: example.origin + path, token: 'demo-ada' });
const ada = { id: 1, name: 'Ada Lovelace', joinedAt: '2024-01-01T09:00:00.000Z', email: 'ada@example.com' };

describe.each(ways)('the command line of the Inspector, with %s', (_, way, revision) => {
  const run = (...args: string[]) => inspector.run(targetOf(way), '--method', ...args);
  const names = (items: readonly { name: string }[]) => items.map(({ name }) => name);

  it('connects', async () => {
    expect(await run('initialize')).toMatchObject({ protocolVersion: revision, serverInfo: { name: 'reservations' } });
  }, 60_000);

  it('lists tools, resources, templates and prompts', async () => {
    const [tools, resources, templates, prompts] = (await Promise.all([
      run('tools/list'),
      run('resources/list'),
      run('resources/templates/list'),
      run('prompts/list'),
    ])) as [{ tools: [] }, { resources: [] }, { resourceTemplates: [] }, { prompts: [] }];
    expect(names(tools.tools)).toEqual(expect.arrayContaining(['get_client', 'booking_findMany']));
    expect(names(resources.resources)).toEqual(expect.arrayContaining(['clients', 'booking']));
    expect(names(templates.resourceTemplates)).toEqual(expect.arrayContaining(['client', 'booking_page']));
    expect(names(prompts.prompts)).toEqual(expect.arrayContaining(['client_summary', 'booking_summary']));
  }, 60_000);

  it('calls a tool, reads a resource and gets a prompt', async () => {
    expect(await run('tools/call', '--tool-name', 'get_client', '--tool-arg', 'email=ada@example.com')).toMatchObject({
      structuredContent: ada,
    });
    expect(await run('tools/call', '--tool-name', 'booking_count', '--tool-args-json', '{"where":{"status":"PENDING"}}')).toMatchObject({
      structuredContent: { count: expect.any(Number) },
    });
    const { contents } = (await run('resources/read', '--uri', 'reservations://client/1')) as { contents: [{ text: string }] };
    expect(JSON.parse(contents[0].text)).toMatchObject({ id: 1, name: 'Ada Lovelace' });
    expect(await run('prompts/get', '--prompt-name', 'client_summary', '--prompt-args', 'client_email=ada@example.com')).toMatchObject({
      messages: expect.arrayContaining([expect.objectContaining({ role: 'user' })]),
    });
  }, 60_000);
});

describeChromium('the page of the Inspector', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  const open = async (page: Page, tab: string) => page.locator('header').getByText(tab, { exact: true }).click();

  it.each(ways)(
    'connects with %s, calls a tool by its form, and lists resources and prompts',
    async (_, way) => {
      await using server = await inspector.serve(targetOf(way));
      await using page = await browser.newPage();
      await page.goto(server.url);
      // The switch itself lies below its drawing.
      await page.getByRole('switch', { name: 'Connect or disconnect' }).click({ force: true });
      await page.locator('[data-status=connected]').waitFor();
      await open(page, 'Tools');
      await page.getByText('get_client').first().click();
      await page.getByRole('textbox', { name: 'email' }).fill(ada.email);
      await page.getByRole('button', { name: 'Execute Tool' }).click();
      await page.getByText('Ada Lovelace').first().waitFor();
      await open(page, 'Resources');
      await page.getByText('Booking rows').waitFor();
      await open(page, 'Prompts');
      await page.getByText('Summarise a client and their bookings').waitFor();
    },
    120_000,
  );
});
