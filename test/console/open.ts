import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { expect } from 'vitest';

/** How the console is opened. */
export interface OpenOptions {
  /** The place, such as `#tools`. @default '#overview' */
  readonly place?: string;
  /** @default '2026-07-28' */
  readonly revision?: string;
  readonly token?: string;
  /** @default 1280 */
  readonly width?: number;
  /** @default 'light' */
  readonly colorScheme?: 'light' | 'dark';
}

/** The console in a tab of its own. */
export interface OpenedConsole extends AsyncDisposable {
  readonly page: Page;
  /** What the browser complained of: errors of the script, of loading, and of the policy. A test that expects some empties it. */
  readonly complaints: string[];
  /** Goes to another place of the page. */
  readonly goTo: (place: string) => Promise<void>;
  /** Calls the tool that is shown. */
  readonly call: () => Promise<void>;
}

/** Opens the console; `await using` closes it and fails if the browser has complained. */
export async function openConsole(browser: Browser, url: string, options: OpenOptions = {}): Promise<OpenedConsole> {
  const { place = '#overview', revision = '2026-07-28', token, width = 1280, colorScheme = 'light' } = options;
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme,
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  // Only before the first load: a reload must find what the page itself has stored.
  await context.addInitScript(
    ([key, stored]) => {
      const { sessionStorage } = globalThis as unknown as { sessionStorage: Record<string, string> };
      sessionStorage[key as string] ??= stored as string;
    },
    [`koa-mcp console ${new URL(url).pathname}`, JSON.stringify({ revision, token })],
  );
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', error => complaints.push(error.message));
  await page.goto(url + place);
  return {
    page,
    complaints,
    goTo: async next => {
      await page.evaluate(hash => {
        (globalThis as unknown as { location: { hash: string } }).location.hash = hash;
      }, next);
    },
    call: () => page.getByRole('button', { name: 'Call the tool' }).click(),
    [Symbol.asyncDispose]: async () => {
      await context.close();
      expect(complaints).toEqual([]);
    },
  };
}

/** The violations that axe finds: the rule, and where. */
export async function violationsOf(page: Page): Promise<string[]> {
  // `evaluate` is not under the policy of the page, as a script tag would be.
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    interface Found {
      readonly violations: readonly {
        readonly id: string;
        readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
      }[];
    }
    const { axe: loaded } = globalThis as unknown as { axe: { run: () => Promise<Found> } };
    const { violations } = await loaded.run();
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
  });
}

/** By how many pixels the page is wider than its window, and the texts that are cut off. */
export function overflowOf(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    interface Box {
      readonly scrollWidth: number;
      readonly clientWidth: number;
      readonly tagName: string;
      readonly className: string;
      readonly textContent: string;
    }
    const { document, innerWidth, getComputedStyle } = globalThis as unknown as {
      document: { documentElement: Box; querySelectorAll: (selector: string) => Iterable<Box> };
      innerWidth: number;
      getComputedStyle: (element: Box) => { overflowX: string; display: string };
    };
    const more = document.documentElement.scrollWidth - innerWidth;
    const cut = [...document.querySelectorAll('h1, h2, p, a, button, label, legend, code, td, th, dt, dd, li, summary')].filter(element => {
      const { overflowX, display } = getComputedStyle(element);
      return (
        element.className !== 'hidden' &&
        display !== 'inline' &&
        overflowX !== 'auto' &&
        element.clientWidth > 1 &&
        element.scrollWidth > element.clientWidth + 1
      );
    });
    return [
      ...(more > 0 ? [`the page is ${more} px too wide`] : []),
      ...cut.map(element => `${element.tagName}.${element.className} is cut: ${element.textContent.slice(0, 60)}`),
    ];
  });
}
