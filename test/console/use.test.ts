import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { describeChromium, launch } from '../intruders/chromium.ts';
import type { ConsoleApp } from './app.ts';
import { startConsoleApp } from './app.ts';
import type { OpenOptions } from './open.ts';
import { openConsole } from './open.ts';

const soup = encodeURIComponent('house://dish/{name}{?size}');
const all = ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'];
const withQuestions = ['2026-07-28', '2025-11-25'];

describeChromium('the console', () => {
  let browser: Browser;
  let app: ConsoleApp;
  beforeAll(async () => {
    browser = await launch();
    app = await startConsoleApp();
  });
  afterAll(async () => {
    await browser.close();
    await app[Symbol.asyncDispose]();
  });
  afterEach(() => {
    app.heard.length = 0;
  });
  const open = (place: string, options: OpenOptions = {}) => openConsole(browser, app.server.url, { place, ...options });

  describe.each(all)('in %s', revision => {
    it('shows what the server says of itself', async () => {
      await using opened = await open('#overview', { revision });
      const { page } = opened;
      await page.getByRole('heading', { name: /Guest house|house/u, level: 1 }).waitFor();
      const text = await page.getByRole('main').textContent();
      for (const each of ['house', 'version 2.1.0', 'Look for a free room first', revision, 'listChanged', 'subscribe'])
        expect(text).toContain(each);
      if (revision >= '2025-11-25') expect(text).toContain('Rooms, clients and bookings of a small guest house.');
      expect(text).toContain(revision === '2026-07-28' ? 'without a session' : 'with a session');
    });

    it('filters rows by conditions that are chosen by hand, and shows them as a table, page after page', async () => {
      await using opened = await open('#tools/booking_findMany', { revision });
      const { page } = opened;
      const where = page.getByRole('group', { name: 'Where', exact: true });
      await where.getByRole('button', { name: 'Add a condition' }).click();
      await where.getByLabel('Column of condition 1').selectOption('status');
      await where.getByLabel('Operator of condition 1').selectOption({ label: 'is none of' });
      await where.getByRole('button', { name: 'Add an item' }).click();
      await where.getByLabel('Value of condition 1 1', { exact: true }).selectOption('CANCELLED');
      await where.getByRole('button', { name: 'Add a condition' }).click();
      await where.getByLabel('Column of condition 2').selectOption('id');
      await where.getByLabel('Operator of condition 2').selectOption({ label: 'is at least' });
      await where.getByLabel('Value of condition 2').fill('2');
      await page.getByLabel('Take').fill('3');
      await opened.call();
      const ids = page.getByRole('table').locator('tbody tr td:first-child');
      await expect.poll(() => ids.allTextContents()).toEqual(['2', '4', '5']);
      await page.getByRole('button', { name: 'Next page' }).click();
      await expect.poll(() => ids.allTextContents()).toEqual(['6']);
      await page.getByRole('tab', { name: 'JSON' }).first().click();
      const args = JSON.parse(await page.getByLabel('Arguments as JSON').inputValue()) as { where: object; take: number };
      expect([args.where, args.take]).toEqual([{ status: { notIn: ['CANCELLED'] }, id: { gte: 2 } }, 3]);
    });

    it('reads a resource, and reads it again when a row that it is subscribed to has changed', async () => {
      await app.prisma.client.update({ where: { id: 2 }, data: { name: 'Grace' } });
      await using opened = await open('#resources', { revision });
      const { page } = opened;
      await page.getByRole('link', { name: 'One Client', exact: false }).filter({ hasText: 'house://client/{id}' }).click();
      await page.getByLabel('id').fill('2');
      await page.getByRole('button', { name: 'Read the resource' }).click();
      await page.getByText('"Grace"').waitFor();
      await page.getByRole('button', { name: 'Subscribe to changes' }).click();
      await page.getByText('subscribed', { exact: true }).waitFor();
      await opened.goTo('#live');
      await page.getByText('The stream is open').waitFor();
      await opened.goTo(`#resources/${encodeURIComponent('house://client/2')}`);
      const name = `Grace of ${revision}`;
      await expect
        .poll(async () => {
          await app.prisma.client.update({ where: { id: 2 }, data: { name: `${name} ${Math.random()}` } });
          return page.getByText('Changed at').count();
        })
        .toBe(1);
      await page.getByText(`"${name}`).waitFor();
      await page.getByRole('button', { name: 'Unsubscribe' }).click();
      await page.getByText('subscribed', { exact: true }).waitFor({ state: 'detached' });
    });

    it('completes the variables of a template and the arguments of a prompt', async () => {
      await using opened = await open(`#resources/${soup}`, { revision });
      const { page } = opened;
      await page.getByLabel('name').fill('s');
      await page.getByText('2 suggestions: soup, salad').waitFor();
      expect(
        await page
          .locator('datalist')
          .first()
          .locator('option')
          .evaluateAll(options => options.map(option => (option as unknown as { value: string }).value)),
      ).toEqual(['soup', 'salad']);
      await page.getByLabel('name').fill('soup');
      await page.getByLabel('size').fill('small');
      await page.getByRole('button', { name: 'Read the resource' }).click();
      await page.getByText('"size": "small"').waitFor();
      await opened.goTo('#prompts/toast');
      await page.getByRole('combobox', { name: 'to required' }).fill('a');
      await page.getByText('1 suggestion: Ada').waitFor();
      await page.getByRole('combobox', { name: 'to required' }).fill('Ada');
      await page.getByLabel('mood').fill('sad');
      await page.getByRole('button', { name: 'Get the prompt' }).click();
      await page.getByText('Write a sad toast to Ada.').waitFor();
    });

    it('shows progress and log messages while a call runs, and cancels it', async () => {
      await using opened = await open('#live', { revision });
      const { page } = opened;
      await page.getByLabel('Log messages from').selectOption('debug');
      await opened.goTo('#tools/wait');
      await opened.call();
      await page.getByText('Room 1 of 4').waitFor();
      expect(await page.getByRole('progressbar').getAttribute('value')).toBe('1');
      await page.getByRole('button', { name: 'Cancel the call' }).click();
      await page.getByText('You have cancelled the call.').waitFor();
      await expect.poll(() => app.heard).toEqual(['cancelled']);
      await opened.call();
      await page.getByText('Room 1 of 4').waitFor();
      app.release();
      await page.getByText('All rooms are clean').waitFor();
      await opened.goTo('#live');
      await page.getByText('house: The lift is out of order').first().waitFor();
      await page.getByText('1 of 4: Room 1 of 4').first().waitFor();
      await opened.goTo('#calls');
      const outcomes = page
        .getByRole('row')
        .filter({ hasText: 'wait' })
        .getByText(/^(?:ok|cancelled)$/u);
      expect(await outcomes.allTextContents()).toEqual(['ok', 'cancelled']);
    });

    it('lets a call go on when its view is left, and shows its arguments and its result there later', async () => {
      await using opened = await open('#tools/wait', { revision });
      const { page } = opened;
      await opened.call();
      await page.getByText('Room 1 of 4').waitFor();
      await opened.goTo('#tools/everything');
      await page.locator('form').getByLabel('Floor').fill('7');
      await opened.goTo('#live');
      await page.getByRole('listitem').filter({ hasText: '1 of 4: Room 1 of 4' }).waitFor();
      app.release();
      await opened.goTo('#tools/everything');
      expect(await page.locator('form').getByLabel('Floor').inputValue()).toBe('7');
      await opened.goTo('#tools/wait');
      await page.getByText('All rooms are clean').waitFor();
      expect(app.heard).toEqual([]);
    });

    it('reads a list again when the server says that it has changed', async () => {
      await using opened = await open('#live', { revision });
      const { page } = opened;
      await page.getByText('The stream is open').waitFor();
      await app.server.mcp.listChanged('tools');
      await page.getByRole('listitem').filter({ hasText: 'tools/list_changed' }).waitFor();
      await opened.goTo('#calls');
      await expect.poll(() => page.getByRole('row').filter({ hasText: 'tools/list' }).count()).toBe(2);
    });
  });

  describe('with a tool', () => {
    const filled = {
      name: 'Ada',
      floor: 2,
      price: 12.5,
      view: 'sea',
      breakfast: true,
      arrival: '2026-12-01',
      wakeAt: new Date('2026-12-02T07:30:00').toISOString().replace('.000Z', 'Z'),
      email: 'ada@example.com',
      extras: ['cot', 'sauna'],
      guests: [{ name: 'Bob', age: 7 }],
      address: { city: 'Graz', street: 'Ring 1' },
      note: null,
      code: 7,
      labels: { colour: 'red' },
    };

    it('makes a form of its schema, with a field for each kind of argument, in step with the JSON', async () => {
      await using opened = await open('#tools/everything');
      const { page } = opened;
      const form = page.locator('form');
      await form.getByLabel('Name', { exact: false }).first().fill('Ada');
      await form.getByLabel('Floor').fill('2');
      await form.getByLabel('Price').fill('12.5');
      await form.getByLabel('View').selectOption('sea');
      await form.getByLabel('Breakfast').selectOption('Yes');
      await form.getByLabel('Arrival').fill('2026-12-01');
      await form.getByLabel('Wake at').fill('2026-12-02T07:30:00');
      await form.getByLabel('Email').fill('ada@example.com');
      await form.getByLabel('sauna').check();
      await form.getByLabel('cot').check();
      const guests = form.getByRole('group', { name: 'Guests' });
      await guests.getByRole('button', { name: 'Add an item' }).click();
      await guests.getByRole('button', { name: 'Add an item' }).click();
      await guests.getByLabel('Name').first().fill('Bob');
      await guests.getByLabel('Age').first().fill('7');
      await guests.getByRole('button', { name: 'Remove Guests 2' }).click();
      await form.getByRole('button', { name: 'Add address' }).click();
      await form.getByLabel('Street').fill('Ring 1');
      await form.getByLabel('null').check();
      await form.getByLabel('Form of Code').selectOption('Whole number');
      await form.getByLabel('Code', { exact: true }).fill('7');
      await form.getByRole('button', { name: 'Add a member to Labels' }).click();
      await form.getByLabel('Name 1 of Labels').fill('colour');
      await form.getByLabel('Name 1 of Labels').press('Tab');
      await form.getByLabel('Value of colour').fill('red');
      await page.getByRole('tab', { name: 'JSON' }).first().click();
      expect(JSON.parse(await page.getByLabel('Arguments as JSON').inputValue())).toEqual(filled);
      await opened.call();
      await expect.poll(() => app.heard).toEqual([filled]);
    });

    it('shows in the form what was written as JSON, and calls with no text that is no JSON', async () => {
      await using opened = await open('#tools/everything');
      const { page } = opened;
      await page.getByRole('tab', { name: 'JSON' }).click();
      await page.getByLabel('Arguments as JSON').fill('{"name": ');
      await page.getByText('This is not JSON yet').waitFor();
      expect(await page.getByRole('button', { name: 'Call the tool' }).isDisabled()).toBe(true);
      await page.getByLabel('Arguments as JSON').fill(JSON.stringify(filled));
      await page.getByRole('tab', { name: 'Form' }).click();
      const form = page.locator('form');
      expect(await form.getByLabel('Floor').inputValue()).toBe('2');
      expect(
        await form
          .getByLabel('View')
          .evaluate(select => (select as unknown as { selectedOptions: { text: string }[] }).selectedOptions[0]?.text),
      ).toBe('sea');
      expect(await form.getByLabel('Wake at').inputValue()).toContain('2026-12-02T07:30');
      expect(await form.getByRole('group', { name: 'Guests' }).getByLabel('Age').inputValue()).toBe('7');
      expect(await form.getByLabel('Value of colour').inputValue()).toBe('red');
      await opened.call();
      await expect.poll(() => app.heard).toEqual([filled]);
    });

    it('does not call without the required arguments', async () => {
      await using opened = await open('#tools/everything');
      await opened.call();
      expect(
        await opened.page
          .locator('form')
          .getByLabel('Name')
          .first()
          .evaluate(input => (input as unknown as { validity: { valueMissing: boolean } }).validity.valueMissing),
      ).toBe(true);
      expect(app.heard).toEqual([]);
    });

    it('keeps a filter that conditions cannot show as JSON', async () => {
      await using opened = await open('#tools/booking_findMany');
      const { page } = opened;
      await page.getByRole('tab', { name: 'JSON' }).click();
      await page.getByLabel('Arguments as JSON').fill('{"where":{"client":{"name":"Linus"}}}');
      await page.getByRole('tab', { name: 'Form' }).click();
      await page.getByText('so it is edited as JSON').waitFor();
      await opened.call();
      await expect.poll(() => page.getByRole('table').locator('tbody tr td:first-child').allTextContents()).toEqual(['6', '7']);
    });

    it('sorts the rows of a table, orders and chooses columns, and shows one row as a card', async () => {
      await using opened = await open('#tools/booking_findMany');
      const { page } = opened;
      await page.getByRole('group', { name: 'Select' }).getByLabel('id', { exact: true }).check();
      await page.getByRole('group', { name: 'Select' }).getByLabel('price').check();
      await page.getByRole('button', { name: 'Add an order' }).click();
      await page.getByLabel('Direction of id').selectOption({ label: 'largest first' });
      await opened.call();
      const ids = page.getByRole('table').locator('tbody tr td:first-child');
      await expect.poll(() => ids.allTextContents()).toEqual(['7', '6', '5', '4']);
      await page.getByRole('button', { name: 'id', exact: true }).click();
      expect(await ids.allTextContents()).toEqual(['4', '5', '6', '7']);
      expect(await page.getByRole('columnheader').allTextContents()).toEqual(
        ['id', 'price', 'client'].slice(0, await page.getByRole('columnheader').count()).map(name => expect.stringContaining(name)),
      );
      await opened.goTo('#tools/booking_findUnique');
      await page.getByRole('button', { name: 'Add a condition' }).click();
      await page.getByLabel('Value of condition 1').fill('3');
      await opened.call();
      await page.getByRole('tab', { name: 'Card' }).waitFor();
      await page.getByText('CANCELLED').waitFor();
      await page.getByRole('tab', { name: 'JSON' }).last().click();
      await page.getByText('"structuredContent"').waitFor();
    });

    it('writes a row from a form that begins with the columns it needs', async () => {
      await using opened = await open('#tools/booking_create');
      const { page } = opened;
      const data = page.getByRole('group', { name: 'Data' });
      await data.getByRole('spinbutton', { name: 'clientId' }).fill('3');
      await data.getByLabel('startsAt', { exact: true }).fill('2027-01-01T10:00:00');
      await data.getByLabel('Set a column').selectOption('status');
      await data.getByLabel('status', { exact: true }).selectOption('CONFIRMED');
      const price = data.getByLabel('price', { exact: true });
      if ((await price.count()) > 0) await price.fill('9.5');
      await opened.call();
      await page.getByRole('tab', { name: 'Card' }).waitFor();
      const row = await app.prisma.booking.findFirstOrThrow({ orderBy: { id: 'desc' } });
      expect(row).toMatchObject({ clientId: 3, status: 'CONFIRMED', startsAt: new Date('2027-01-01T10:00:00') });
      await app.prisma.booking.delete({ where: { id: row.id } });
    });

    it('shows images, texts and links to resources, which it opens', async () => {
      await using opened = await open('#tools/picture');
      const { page } = opened;
      await opened.call();
      const width = page.getByRole('img').evaluate(image => (image as unknown as { naturalWidth: number }).naturalWidth);
      expect(await width).toBe(1);
      await page.getByText('One picture').waitFor();
      await page.getByRole('button', { name: 'Read this resource' }).click();
      await page.getByText('Soup and bread').waitFor();
    });

    it('shows the error of a tool as an error', async () => {
      await using opened = await open('#tools/fail');
      await opened.call();
      const alert = opened.page.getByRole('alert');
      await alert.waitFor();
      expect(await alert.textContent()).toContain('The roof is missing');
    });

    it('asks before it calls one that is destructive, and marks what tools do', async () => {
      await using opened = await open('#tools/demolish');
      const { page } = opened;
      await page.getByText('destructive', { exact: true }).waitFor();
      await opened.call();
      await page.getByRole('dialog').getByRole('button', { name: 'Go back' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      expect(app.heard).toEqual([]);
      await opened.call();
      await page.getByRole('dialog').getByRole('button', { name: 'Call it' }).click();
      await expect.poll(() => app.heard).toEqual(['demolished']);
      await opened.goTo('#tools/everything');
      await page.getByText('read-only', { exact: true }).waitFor();
    });
  });

  describe.each(withQuestions)('in %s, asked by the server', revision => {
    it('shows a form, and sends what the user accepts, declines or cancels', async () => {
      await using opened = await open('#tools/book_table', { revision });
      const { page } = opened;
      const dialog = page.getByRole('dialog');
      await opened.call();
      await dialog.getByText('A table for how many?').waitFor();
      await dialog.getByLabel('People').fill('4');
      await dialog.getByLabel('Terrace').selectOption('Yes');
      await dialog.getByLabel('Menu').selectOption('fish');
      await dialog.getByRole('button', { name: 'Accept' }).click();
      await expect.poll(() => app.heard).toEqual([{ action: 'accept', content: { people: 4, terrace: true, menu: 'fish' } }]);
      await page.getByText('Answered in').waitFor();
      await opened.call();
      await dialog.getByRole('button', { name: 'Decline' }).click();
      await expect.poll(() => app.heard.at(-1)).toEqual({ action: 'decline' });
      await page.getByText('Answered in').waitFor();
      await opened.call();
      await dialog.waitFor();
      await page.keyboard.press('Escape');
      await expect.poll(() => app.heard.at(-1)).toEqual({ action: 'cancel' });
    });

    it('shows the address of a page to open', async () => {
      await using opened = await open('#tools/pay', { revision });
      await opened.call();
      const dialog = opened.page.getByRole('dialog');
      expect(await dialog.getByRole('link', { name: 'https://pay.example.com/1' }).getAttribute('rel')).toBe('noopener noreferrer');
      await dialog.getByRole('button', { name: 'Accept' }).click();
      await expect.poll(() => app.heard).toEqual([{ action: 'accept' }]);
    });

    it('lets the user answer in place of a language model, or decline, and works in no folder', async () => {
      await using opened = await open('#tools/ask_model', { revision });
      const { page } = opened;
      await opened.call();
      await page.getByRole('dialog').getByText('What is the sea?').waitFor();
      await page.getByLabel('Your answer').fill('Water');
      await page.getByRole('button', { name: 'Answer', exact: true }).click();
      await expect.poll(() => app.heard).toEqual([{ type: 'text', text: 'Water' }]);
      await page.getByText('Answered in').waitFor();
      await opened.call();
      await page.getByRole('dialog').getByRole('button', { name: 'Decline' }).click();
      await page
        .getByText(/declined|The tool reports an error/u)
        .first()
        .waitFor();
      await opened.goTo('#tools/folders');
      await opened.call();
      await expect.poll(() => app.heard.at(-1)).toEqual([]);
    });

    it('starts a task, shows its status, waits for its result and cancels it', async () => {
      await using opened = await open('#tools/clean_rooms', { revision, token: 'ada' });
      const { page } = opened;
      await page.getByRole('button', { name: 'Call the tool' }).waitFor();
      if (revision === '2025-11-25') await page.getByLabel('Run as a task').check();
      await opened.call();
      await page.getByText('Running as a task: working').waitFor();
      await page.getByText('Room 1 of 2').waitFor();
      app.release();
      await page.getByText('The rooms are clean').waitFor();
      await opened.call();
      await page.getByText('Running as a task: working').waitFor();
      await page.getByRole('button', { name: 'Cancel the call' }).click();
      await page.getByText('You have cancelled the call.').waitFor();
    });
  });

  it('signs in by a token, which lasts as long as the tab, and out again', async () => {
    await using opened = await open('#overview');
    const { page, complaints } = opened;
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByLabel('Access token').fill('wrong');
    await page.getByRole('dialog').getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Sign in with an access token.').waitFor();
    expect(complaints.splice(0)).toEqual([expect.stringContaining('401')]);
    await page.getByRole('main').getByLabel('Access token').fill('ada');
    await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Connected, signed in').waitFor();
    await page.reload();
    await page.getByText('Connected, signed in').waitFor();
    await opened.goTo('#connect');
    await page.getByText('--header "Authorization: Bearer YOUR_TOKEN"').waitFor();
    expect(await page.getByRole('main').textContent()).not.toContain('ada');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('Connected', { exact: true }).waitFor();
  });

  it('shows how each client connects, to copy', async () => {
    await using opened = await open('#connect');
    const { page } = opened;
    await page.getByText('claude mcp add --transport http house').waitFor();
    const names = await page.getByRole('heading', { level: 2 }).allTextContents();
    expect(names).toEqual(['Claude Code', 'Claude Desktop', 'ChatGPT', 'Cursor', 'VS Code', 'Google ADK', 'MCP Inspector', 'curl']);
    await page.getByRole('button', { name: 'Copy' }).first().click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const copied = await page.evaluate(() =>
      (globalThis as unknown as { navigator: { clipboard: { readText: () => Promise<string> } } }).navigator.clipboard.readText(),
    );
    expect(copied).toBe(`claude mcp add --transport http house ${app.server.url}`);
  });

  it('lists and ends the sessions of all clients for an operator, and for nobody else', async () => {
    await using other = await open('#overview', { revision: '2025-11-25', token: 'ada' });
    await other.page.getByText('Connected, signed in').waitFor();
    await using opened = await open('#sessions', { revision: '2025-11-25', token: 'root' });
    const { page } = opened;
    await page.getByRole('row').filter({ hasText: 'this page' }).waitFor();
    const row = page.getByRole('row').filter({ hasText: 'ada' });
    await row.getByRole('button', { name: 'End the session' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'End the session' }).click();
    await row.waitFor({ state: 'detached' });
    await other.page.getByText('The session has ended on the server.').waitFor();
    other.complaints.length = 0;
    await other.page.getByRole('button', { name: 'Connect again' }).click();
    await other.page.getByText('Connected, signed in').waitFor();
    await other.goTo('#sessions');
    await other.page.getByText('Only for operators').waitFor();
    expect(other.complaints.splice(0)).toEqual([expect.stringContaining('403')]);
  });

  it('lists the recorded calls of all clients for an operator, and for nobody else', async () => {
    await using other = await open('#tools/booking_count', { token: 'ada' });
    await other.call();
    await other.page.getByText('Answered in').waitFor();
    await using opened = await open('#calls', { token: 'root' });
    const { page } = opened;
    await page.getByRole('tab', { name: 'All clients' }).click();
    const row = page.getByRole('row').filter({ hasText: 'ada' }).filter({ hasText: 'booking_count' }).first();
    expect(await row.textContent()).toMatch(/koa-mcp console 1tools\/callbooking_count\d+ ms–ok/u);
    await other.goTo('#calls');
    await other.page.getByRole('tab', { name: 'All clients' }).click();
    await other.page.getByText('Only for operators').waitFor();
    expect(other.complaints.splice(0)).toEqual([expect.stringContaining('403')]);
  });

  it('ends its session when it is closed', async () => {
    const opened = await open('#overview', { revision: '2025-11-25', token: 'ada' });
    await opened.page.getByText('Connected, signed in').waitFor();
    const sessions = async () => (await app.server.mcp.sessions.list({ principal: 'ada' })).sessions.length;
    const before = await sessions();
    await opened.page.close();
    await opened[Symbol.asyncDispose]();
    await expect.poll(sessions).toBe(before - 1);
  });

  it('switches to another revision', async () => {
    await using opened = await open('#overview');
    const { page } = opened;
    await page.getByText('without a session').waitFor();
    await page.getByLabel('Protocol revision').selectOption('2025-06-18');
    await page.getByText('with a session').waitFor();
  });

  it('is used with the keyboard alone: a link to the content, a menu, tabs, and dialogs that keep the focus', async () => {
    await using opened = await open('#tools/demolish', { width: 390 });
    const { page } = opened;
    await page.getByRole('button', { name: 'Call the tool' }).waitFor();
    const focused = () =>
      page.evaluate(() =>
        (
          globalThis as unknown as { document: { activeElement: { id: string; textContent: string } } }
        ).document.activeElement.textContent.trim(),
      );
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('← All tools');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Form');
    await page.keyboard.press('ArrowRight');
    expect(await focused()).toBe('JSON');
    await page.getByLabel('Arguments as JSON').waitFor();
    await page.getByRole('button', { name: 'Call the tool' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    for (let times = 0; times < 5; times += 1) {
      await page.keyboard.press('Tab');
      const isInside = await page.evaluate(() => {
        const { activeElement, body } = (
          globalThis as unknown as { document: { activeElement: { closest: (selector: string) => unknown }; body: unknown } }
        ).document;
        // The browser's own controls count as the body.
        return activeElement === body || activeElement.closest('dialog') !== null;
      });
      expect(isInside).toBe(true);
    }
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await focused()).toBe('Call the tool');
    await page.getByRole('button', { name: 'Menu' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Overview' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Guest house', level: 1 }).waitFor();
  });
});
