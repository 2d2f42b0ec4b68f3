import { expect, test } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { startTurn } from '../../support/api.ts';
import { answerText, say, shows, whole } from '../../support/chat-page.ts';
import type { Scene } from './scene.ts';

const card = (page: Page): Locator => page.locator('form.action');
const submit = (page: Page): Locator => card(page).locator('button[type="submit"]');

/** The newest words of the user's that the agent has not heard. */
const waiting = (page: Page): Locator =>
  page.locator('.steered').last().getByText('Waits to be heard.');

const byName = (a: unknown, b: unknown): number =>
  JSON.stringify(a).localeCompare(JSON.stringify(b));

const EXAMPLE = [join(import.meta.dirname, '../../../examples/node-agent/main.mjs')];

/** People decide on the page. */
export function decisionTests({ server, servers, tabs }: Scene): void {
  /** What the demo tools really did since the last look. */
  let looked = 0;
  async function executed(): Promise<unknown[]> {
    const file = join((await server()).dataDir, 'ledger.jsonl');
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
    const fresh = lines.slice(looked);
    looked = lines.length;
    return fresh.map((line) => {
      const { name, args }: { name: string; args: unknown } = JSON.parse(line);
      return { name, args };
    });
  }

  async function paused(text: string): Promise<Page> {
    const page = await tabs.open((await server()).baseUrl);
    await say(page, text);
    await card(page).waitFor();
    return page;
  }

  test('a reload finds the question again, and the keyboard alone answers it', async () => {
    const page = await paused('approve');
    const focused = await page.evaluate('document.activeElement.textContent');
    await page.reload();
    await card(page).getByText('expires in').waitFor();
    const announced = await page.locator('#assertive').innerText();

    await page.getByRole('heading', { name: 'Waiting for your approval' }).focus();
    await page.keyboard.press('Tab');
    const at = await page.evaluate('document.activeElement.value');
    await page.keyboard.press('Enter');
    await whole(page);

    expect(focused).toBe('Waiting for your approval');
    expect(announced).toBe('Waiting for your approval: send_email.');
    expect(at).toBe('approve');
    expect(await executed()).toEqual([
      { name: 'send_email', args: { to: 'person1@example.com', subject: 'Hello 1' } },
    ]);
    expect(await page.evaluate('document.activeElement.id')).toBe('input');
  });

  test('what is added to an answer waits with it, and stands where it was heard, or says that it was not', async () => {
    const page = await paused('approve');
    const add = async (text: string): Promise<void> => {
      await say(page, text);
      await page.getByRole('button', { name: 'Add it to this one' }).click();
      await waiting(page).waitFor();
    };

    await add('say 3 1 more');
    const second = await tabs.open(page.url());
    await waiting(second).waitFor();
    await submit(page).click();
    await whole(page);
    await whole(second);

    for (const tab of [page, second]) {
      const parts = await tab.locator('.answer .part').allInnerTexts();
      expect(parts.slice(2)).toEqual(['say 3 1 more', 'more1 more2 more3']);
      expect(await tab.locator('.msg.user').allInnerTexts()).toEqual(['approve']);
    }
    expect(await executed()).toHaveLength(1);

    await say(page, 'approve');
    await card(page).waitFor();
    await add('rather not');
    await page.reload();
    await waiting(page).waitFor();
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await whole(page);

    expect(await page.locator('.steered').last().innerText()).toBe(
      'rather not\nThe answer ended before it was heard.',
    );
    expect(await executed()).toEqual([]);
  });

  test('what a graph asks in its own form is answered by fields, or as JSON', async () => {
    const { baseUrl } = await servers.start({ WORD_MS: '1' }, EXAMPLE);
    const turn = await startTurn(baseUrl, { text: 'A bouquet', agentId: 'florist' });
    const page = await tabs.open(`${baseUrl}/#${turn.conversationId}`);
    await card(page).getByText('What may the bouquet cost?').waitFor();

    await page.getByLabel('euros', { exact: true }).fill('2');
    await page.getByLabel('flower', { exact: true }).selectOption('rose');
    await submit(page).click();
    await card(page).locator('footer .problem').getByText('not what is asked for').waitFor();
    await page.getByRole('button', { name: 'Edit as JSON' }).click();
    await page.getByLabel('Arguments of the response as JSON').fill('{"euros":9,"flower":"rose"}');
    await submit(page).click();
    await whole(page);

    expect(await answerText(page)).toContain('A bouquet of one rose for 9 euros, no card.');
  });

  test('what a second tab approves the first shows as decided there', async () => {
    const first = await paused('approve');
    const second = await tabs.open(first.url());
    await card(second).waitFor();

    await submit(second).click();
    await Promise.all([whole(first), whole(second)]);

    expect(await card(first).count()).toBe(0);
    expect(await first.locator('.notes').innerText()).toMatch(
      /^Approved in another tab by local at /,
    );
    expect(await second.locator('.notes').innerText()).toMatch(/^Approved here at /);
    expect(await executed()).toHaveLength(1);
  });

  test('arguments are edited as fields and as JSON, and run as they were edited', async () => {
    const page = await paused('approve');

    await page.getByLabel('Edit', { exact: true }).check();
    await page.getByLabel('to', { exact: true }).fill('ann@example.com');
    await page.getByRole('button', { name: 'Edit as JSON' }).click();
    const json = page.getByLabel('Arguments of send_email as JSON');
    const taken = JSON.parse(await json.inputValue());
    await json.fill('{"to": "bob@example.com", ');
    await submit(page).click();
    await card(page).getByText('This is not JSON.').waitFor();
    await json.fill('{"to": "", "subject": "Hi"}');
    await submit(page).click();
    await card(page).locator('footer .problem').getByText(/./).waitFor();
    const refused = await executed();
    await json.fill('{"to": "bob@example.com", "subject": "<b>Hi</b>"}');
    await submit(page).click();
    await whole(page);

    expect(taken).toEqual({ to: 'ann@example.com', subject: 'Hello 1' });
    expect(refused).toEqual([]);
    expect(await executed()).toEqual([
      { name: 'send_email', args: { to: 'bob@example.com', subject: '<b>Hi</b>' } },
    ]);
    await page.locator('.tool summary').click();
    expect(await page.locator('.tool').innerText()).toContain('The model proposed');
  });

  test('a batch takes one decision for each call, and one submit', async () => {
    const page = await paused('approve 3');
    const calls = card(page).locator('fieldset.call');

    await card(page).getByRole('button', { name: 'Approve all' }).click();
    await calls.nth(1).getByLabel('Reject').check();
    await calls
      .nth(1)
      .getByLabel(/^Reason/)
      .fill('Not <i>this</i> one');
    await calls.nth(2).getByLabel('Respond').check();
    await submit(page).click();
    await calls.nth(2).getByText('This needs a text.').waitFor();
    const early = await executed();
    await calls.nth(2).getByLabel('Your answer in its place').fill('It was sent by hand.');
    await submit(page).click();
    await whole(page);

    expect(early).toEqual([]);
    expect((await executed()).toSorted(byName)).toEqual([
      { name: 'note', args: { text: 'Remember this.' } },
      { name: 'send_email', args: { to: 'person1@example.com', subject: 'Hello 1' } },
    ]);
    const chips = await page.locator('.tool .chip').allInnerTexts();
    expect(chips).toEqual(['done', 'done', 'rejected', 'answered by a person']);
    expect(await page.locator('.answer').innerText()).toContain('It was sent by hand.');
  });

  test('only what is allowed is offered', async () => {
    const page = await paused('strict');

    expect(await card(page).getByRole('radio').count()).toBe(2);
    await page.getByLabel('Reject').check();
    await submit(page).click();
    await whole(page);

    expect(await executed()).toEqual([]);
  });

  test('always for this tool: it is not asked for again', async () => {
    const page = await paused('approve');

    await page.getByLabel('Next time').selectOption('conversation');
    await submit(page).click();
    await whole(page);
    await say(page, 'approve');
    await page.locator('.answer').nth(1).getByText('This is what happened.').waitFor();

    expect(await executed()).toHaveLength(2);
    expect(await page.locator('form.action').count()).toBe(0);
  });

  test('a question is answered by an option, or in words of one’s own', async () => {
    const page = await paused('ask');
    await submit(page).click();
    await card(page).getByText('This needs an answer.').waitFor();
    await page.getByLabel('Green').check();
    await submit(page).click();
    await shows(page, '"answer": "green"');

    await say(page, 'ask');
    await card(page).waitFor();
    await page.getByLabel('Blue').check();
    await page.getByLabel('In your own words').fill('teal');
    const blue = await page.getByLabel('Blue').isChecked();
    await submit(page).click();
    await shows(page, '"answer": "teal"');

    expect(blue).toBe(false);
  });

  test('what a sub-agent does is marked as its own', async () => {
    const page = await paused('sub');

    expect(await page.locator('.sub-label:visible').allInnerTexts()).toEqual(['Sub-agent helper']);
    expect(await page.locator('.part.sub .tool-name').innerText()).toBe('send_email');
    await submit(page).click();
    await whole(page);

    expect(await executed()).toHaveLength(1);
  });

  test('reasoning is folded away', async () => {
    const page = await tabs.open((await server()).baseUrl);

    await say(page, 'think 20 1');
    await whole(page);

    expect(await page.locator('.reasoning-text').isVisible()).toBe(false);
    await page.getByText('Thought · 20 words').click();
    expect(await page.locator('.reasoning-text').innerText()).toContain('thought20');
  });
}
