import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { leftLive } from '../../support/api.ts';
import { describeChromium, useTabs } from '../../support/browser.ts';
import { serveApp, type BundledApp } from '../../support/bundled-app.ts';
import { words } from '../../support/chat-page.ts';
import { useServers, type ServerProcess } from '../../support/server-process.ts';
import { text } from '../../support/shape.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

async function say(page: Page, said: string): Promise<void> {
  await page.getByLabel('Message').fill(said);
  await page.getByRole('button', { name: 'Send' }).click();
}

const shows = (page: Page, said: string): Promise<void> =>
  page.locator('li.assistant').last().getByText(said).first().waitFor();
const ready = (page: Page): Promise<void> => page.locator('output', { hasText: 'ready' }).waitFor();
const lastAnswer = (page: Page): Promise<string[]> =>
  page.locator('li.assistant').last().locator('p').allInnerTexts();

describeChromium('examples/use-chat', () => {
  const servers = useServers();
  const tabs = useTabs();
  let server: ServerProcess;
  let app: BundledApp;

  beforeAll(async () => {
    server = await servers.start({ DEMO_LEDGER: 'ledger' });
    app = await serveApp({
      folder: join(ROOT, 'examples/use-chat'),
      alias: { 'holdfast/client': join(ROOT, 'client/resumable-fetch.ts') },
      backend: server.baseUrl,
    });
  }, 60_000);
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
  });

  const executed = (): string[] =>
    readFileSync(join(server.dataDir, 'ledger'), 'utf8').trim().split('\n');

  test('sends; a reload in the middle shows what was said and goes on', async () => {
    const page = await tabs.open(app.url);
    await say(page, 'say 2 0 before');
    await shows(page, 'before2');
    await ready(page);
    await say(page, 'say 40 50');
    await shows(page, 'word5');

    await page.reload();
    await shows(page, 'word8');
    await ready(page);

    expect(await lastAnswer(page)).toEqual([words(40)]);
    expect(await page.locator('li').count()).toBe(4);
    expect(await page.getByRole('alert').count()).toBe(0);
  });

  test('a connection that breaks is taken up again, and the chat does not notice', async () => {
    const page = await tabs.open(app.url);
    await say(page, 'say 60 60');
    await shows(page, 'word5');

    const cut = app.cut();
    await shows(page, 'word60');
    await ready(page);

    expect(cut).toBe(1);
    expect(await lastAnswer(page)).toEqual([words(60)]);
    expect(await page.getByRole('alert').count()).toBe(0);
  });

  test('approve runs the call, once; deny does not, also after a reload', async () => {
    const page = await tabs.open(app.url);
    await say(page, 'approve');
    await page.getByRole('button', { name: 'Approve' }).click();
    await shows(page, 'This is what happened.');
    await ready(page);
    const sent = executed().length;
    await say(page, 'strict');
    await page.getByRole('button', { name: 'Deny' }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: 'Deny' }).click();
    await shows(page, 'You denied this.');
    await shows(page, 'Not now.');
    await ready(page);

    expect(sent).toBe(1);
    expect(executed()).toHaveLength(1);
  });

  test('a question is answered', async () => {
    const page = await tabs.open(app.url);
    await say(page, 'ask');
    await page.getByLabel('Which colour do you like best?').fill('red');

    await page.getByRole('button', { name: 'Answer' }).click();
    await shows(page, 'red');
    await ready(page);

    expect(await page.getByRole('alert').count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Answer' }).count()).toBe(0);
  });

  test('Stop stops the answer on the server, and what was said is kept', async () => {
    const page = await tabs.open(app.url);
    await say(page, 'say 900 50');
    await shows(page, 'word5');

    await page.getByRole('button', { name: 'Stop' }).click();
    await ready(page);
    const said = await lastAnswer(page);
    const active = await leftLive(server.baseUrl);
    await page.reload();

    expect(active).toEqual([]);
    await shows(page, 'word5');
    expect(text(said[0])).toContain('word5');
    expect(await lastAnswer(page)).toEqual(said);
  });
});
