import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

/** `CHROMIUM` names another binary than Debian's. */
const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const HAS_CHROMIUM = existsSync(CHROMIUM);

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

/** A suite that needs Chromium. Without one it is skipped, loudly; REQUIRE_SERVICES=1 makes that a failure. */
export function describeChromium(name: string, fn: () => void): void {
  if (HAS_CHROMIUM) {
    describe(`Chromium: ${name}`, () => {
      fn();
    });
  } else if (process.env['REQUIRE_SERVICES'] === '1') {
    describe(`Chromium: ${name}`, () => {
      test('is installed: REQUIRE_SERVICES=1 wants it', () => {
        expect(HAS_CHROMIUM).toBe(true);
      });
    });
  } else {
    process.stderr.write(`!!! no ${CHROMIUM}: skipping ${name}\n`);
    // oxlint-disable-next-line jest/no-disabled-tests -- counted and named as skipped by the reporter
    describe.skip(`Chromium: ${name}`, () => {
      fn();
    });
  }
}

export interface Tabs {
  /** Tabs of one profile share what a person's tabs share; `fresh` begins another profile. */
  open(url: string, options?: { fresh?: boolean; width?: number }): Promise<Page>;
  /** What browsers complained about: scripts that threw, console errors, refusals of the policy, dialogs. */
  complaints: string[];
}

/** Requests that were meant to be refused or cut are told by the browser as console errors too. */
const EXPECTED = /^Failed to load resource: |net::ERR_/;

const WATCH = `document.addEventListener('securitypolicyviolation', (event) =>
  console.error('policy refused ' + event.violatedDirective + ' ' + event.blockedURI));`;

/** Inside `describeChromium`: one browser for its tests; each of them closes what it opened. */
export function useTabs(): Tabs {
  let browser: Browser | undefined;
  let common: BrowserContext | undefined;
  const complaints: string[] = [];

  const watch = (page: Page): void => {
    page.on('pageerror', (error) => complaints.push(String(error.stack)));
    page.on('console', (message) => {
      if (message.type() === 'error' && !EXPECTED.test(message.text())) {
        complaints.push(message.text());
      }
    });
    page.on('dialog', (dialog) => {
      complaints.push(`dialog ${dialog.message()}`);
      void dialog.dismiss();
    });
  };

  const profile = async (width: number): Promise<BrowserContext> => {
    browser ??= await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
    const viewport = { width, height: 760 };
    // Each frame of an animation is painted by the processor here.
    const context = await browser.newContext({ viewport, reducedMotion: 'reduce' });
    context.setDefaultTimeout(25_000);
    await context.addInitScript(WATCH);
    context.on('page', watch);
    return context;
  };

  afterEach(async () => {
    for (const context of browser?.contexts() ?? []) {
      for (const page of context.pages()) await page.close();
      if (context !== common) await context.close();
    }
    expect(complaints.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
  });

  return {
    complaints,
    async open(url, { fresh = false, width = 1_100 } = {}) {
      const context = fresh ? await profile(width) : (common ??= await profile(width));
      const page = await context.newPage();
      await page.goto(url);
      return page;
    },
  };
}
