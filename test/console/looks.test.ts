import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeChromium, launch } from '../intruders/chromium.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import type { ConsoleApp } from './app.ts';
import { startConsoleApp } from './app.ts';
import type { OpenedConsole } from './open.ts';
import { openConsole, overflowOf, violationsOf } from './open.ts';

type Act = (page: Page, app: ConsoleApp) => Promise<unknown>;
const call: Act = page => page.getByRole('button', { name: 'Call the tool' }).click();
const callAndSee =
  (text: string): Act =>
  async (page, app) => {
    await call(page, app);
    await page.getByText(text).first().waitFor();
  };

/** Every view, empty and full. What a dialog covers is looked at too. */
const views: readonly (readonly [name: string, place: string, act: Act, leave?: Act])[] = [
  ['overview', '#overview', page => page.getByText('Look for a free room first').waitFor()],
  ['set-ups of clients', '#connect', page => page.getByText('mcpServers').first().waitFor()],
  ['the list of tools', '#tools', page => page.getByRole('link', { name: 'All kinds of arguments' }).waitFor()],
  [
    'a form of all kinds of fields',
    '#tools/everything',
    async page => {
      await page.getByRole('button', { name: 'Add an item to Guests' }).click();
      await page.getByRole('button', { name: 'Add address' }).click();
      await page.getByRole('button', { name: 'Add a member to Labels' }).click();
      await page.getByRole('textbox', { name: 'Name 1 of Labels' }).waitFor();
    },
  ],
  [
    'JSON that is wrong',
    '#tools/picture',
    async page => {
      await page.getByRole('tab', { name: 'JSON' }).click();
      await page.getByLabel('Arguments as JSON').fill('{');
      await page.getByText('This is not JSON yet').waitFor();
    },
  ],
  [
    'a table with a filter',
    '#tools/booking_findMany',
    async (page, app) => {
      for (let times = 0; times < 2; times += 1) await page.getByRole('button', { name: 'Add a condition' }).click();
      await page.getByLabel('Value of condition 1').fill('1');
      await page.getByRole('button', { name: 'Remove condition 2' }).click();
      await page.getByRole('button', { name: 'Add an order' }).click();
      await call(page, app);
      await page.getByRole('table').waitFor();
    },
  ],
  [
    'a card',
    '#tools/booking_findUnique',
    async (page, app) => {
      await page.getByRole('button', { name: 'Add a condition' }).click();
      await page.getByLabel('Value of condition 1').fill('1');
      await call(page, app);
      await page.getByRole('tab', { name: 'Card' }).waitFor();
    },
  ],
  ['a row to write', '#tools/booking_create', page => page.getByRole('group', { name: 'Data' }).waitFor()],
  ['groups', '#tools/booking_groupBy', page => page.getByLabel('startsAt:week').waitFor()],
  ['blocks of content', '#tools/picture', callAndSee('One picture')],
  ['an error', '#tools/fail', callAndSee('The roof is missing')],
  ['a running call', '#tools/wait', callAndSee('Room 1 of 4'), page => page.getByRole('button', { name: 'Cancel the call' }).click()],
  ['a question', '#tools/book_table', callAndSee('A table for how many?'), page => page.getByRole('button', { name: 'Decline' }).click()],
  [
    'a question for a model',
    '#tools/ask_model',
    callAndSee('What is the sea?'),
    page => page.getByRole('button', { name: 'Decline' }).click(),
  ],
  ['a confirmation', '#tools/demolish', callAndSee('can destroy data'), page => page.getByRole('button', { name: 'Go back' }).click()],
  ['the list of resources', '#resources', page => page.getByRole('link', { name: 'Booking rows house://booking' }).waitFor()],
  ['a resource', `#resources/${encodeURIComponent('house://booking')}`, page => page.getByRole('table').waitFor()],
  ['no such resource', `#resources/${encodeURIComponent('house://nothing')}`, page => page.getByRole('alert').waitFor()],
  [
    'a template',
    `#resources/${encodeURIComponent('house://dish/{name}{?size}')}`,
    async page => {
      await page.getByLabel('name').focus();
      await page.getByText('3 suggestions').waitFor();
    },
  ],
  [
    'a prompt',
    '#prompts/toast',
    async page => {
      await page.getByText('No messages yet').waitFor();
      await page.getByRole('combobox', { name: 'to required' }).fill('Ada');
      await page.getByRole('button', { name: 'Get the prompt' }).click();
      await page.getByText('Write a merry toast to Ada.').waitFor();
    },
  ],
  ['the live stream', '#live', page => page.getByRole('listitem').filter({ hasText: 'progress' }).first().waitFor()],
  ['calls', '#calls', page => page.getByRole('table').waitFor()],
  [
    'recorded calls',
    '#calls',
    async page => {
      await page.getByRole('tab', { name: 'All clients' }).click();
      await page.getByRole('columnheader', { name: 'Principal' }).waitFor();
    },
  ],
  ['sessions', '#sessions', page => page.getByRole('table').waitFor()],
  [
    'a sign-in',
    '#overview',
    async page => {
      const menu = page.getByRole('button', { name: 'Menu' });
      if (await menu.isVisible()) await menu.click();
      await page.getByRole('button', { name: 'Sign out' }).waitFor();
    },
  ],
];

const cases = views.map(([name, place, act, leave]) => ({ name, place, act, leave }));

const screens = (['light', 'dark'] as const).flatMap(colorScheme => [390, 1280].map(width => ({ colorScheme, width })));

describeChromium('the console', () => {
  let browser: Browser;
  let app: ConsoleApp;
  let empty: TestServer;
  beforeAll(async () => {
    browser = await launch();
    app = await startConsoleApp();
    empty = await start({});
    // A session to list.
    await fetch(app.server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: 'Bearer root' },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: {
          protocolVersion: '2025-11-25',
          capabilities: {},
          clientInfo: { name: 'a client with a rather long name', version: '1.2.3' },
        },
      }),
    });
  });
  afterAll(async () => {
    await browser.close();
    await empty[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  describe.each(screens)('at $width px, $colorScheme', screen => {
    let opened: OpenedConsole;
    beforeAll(async () => {
      opened = await openConsole(browser, app.server.url, { ...screen, token: 'root' });
      await opened.page.getByRole('heading', { name: 'Guest house', level: 1 }).waitFor();
    });
    afterAll(() => opened[Symbol.asyncDispose]());

    it.each(cases)('$name can be read by everybody, and nothing is cut off or too wide', async ({ place, act, leave }) => {
      await opened.goTo('#nowhere');
      await opened.goTo(place);
      await act(opened.page, app);
      expect(await violationsOf(opened.page)).toEqual([]);
      expect(await overflowOf(opened.page)).toEqual([]);
      await leave?.(opened.page, app);
    });

    it.each([
      ['#overview', 'No instructions'],
      ['#tools', 'No tools'],
      ['#resources', 'No resources'],
      ['#prompts', 'No prompts'],
      ['#tools/nothing', 'There is no such entry'],
    ])('%s of an app that has nothing says what to do', async (place, text) => {
      await using nothing = await openConsole(browser, empty.url, { ...screen, place });
      await nothing.page.getByText(text).first().waitFor();
      expect(await violationsOf(nothing.page)).toEqual([]);
      expect(await overflowOf(nothing.page)).toEqual([]);
    });
  });

  it('says so in plain words when the server is away', async () => {
    const server = await start({});
    await using opened = await openConsole(browser, server.url);
    await opened.page.getByText('Connected', { exact: true }).waitFor();
    await server[Symbol.asyncDispose]();
    await opened.page.getByLabel('Protocol revision').selectOption('2025-11-25');
    await opened.page.getByText('The server does not answer. It may be down or restarting; try again.').waitFor();
    opened.complaints.length = 0;
  });
});
