import { expect, test } from '@jest/globals';
import {
  answerText,
  conversationOf,
  history,
  say,
  shows,
  whole,
  words,
} from '../../support/chat-page.ts';
import type { Scene } from './scene.ts';

/** The page streams. */
export function streamingTests({ servers, server, tabs }: Scene): void {
  test('a line that is cut comes back with its cursor, and the text is that of the history', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl);
    const cursors: (string | undefined)[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/api/chat/stream/')) {
        cursors.push(request.headers()['last-event-id']);
      }
    });

    await say(page, 'say 45 60');
    await shows(page, 'word5');
    const live = await page.locator('#line').innerText();
    await page.getByRole('button', { name: 'Cut my connection' }).click();
    await page.locator('#line[data-state="waiting"]').waitFor();
    const cut = await page.locator('#line').innerText();
    const atCut = await answerText(page);
    await whole(page);

    const [, said] = await history(baseUrl, conversationOf(page));
    expect(said?.text).toBe(words(45));
    expect(await answerText(page)).toBe(words(45));
    expect(words(45).startsWith(atCut)).toBe(true);
    expect(live).toContain('tern-1');
    expect(cut).toMatch(/Line cut\. Back in \d s/);
    expect(cut).toContain(cursors[1] ?? 'no second request');
    expect(cursors).toEqual([undefined, expect.stringMatching(/^[0-9a-z]+\.\d+\.\d+$/)]);
    expect(await page.locator('.knot').count()).toBe(1);
  });

  test('a reload in the middle goes on from where the server is', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl);

    await say(page, 'say 40 60 reload');
    await shows(page, 'reload5');
    await page.reload();
    await whole(page);

    expect(await answerText(page)).toBe(words(40, 'reload'));
    expect(await page.locator('.msg.user').innerText()).toBe('say 40 60 reload');
  });

  test('a second tab shows the same live, and follows the turns of the first', async () => {
    const { baseUrl } = await server();
    const first = await tabs.open(baseUrl);
    await say(first, 'say 75 60 both');
    await shows(first, 'both3');

    const opening = first.context().waitForEvent('page');
    await first.getByRole('button', { name: 'Open a second tab' }).click();
    const second = await opening;
    await second.locator('#line[data-state="live"]').waitFor();
    const seen = await answerText(second);
    await Promise.all([whole(first), whole(second)]);

    expect(words(75, 'both').startsWith(seen)).toBe(true);
    expect([await answerText(first), await answerText(second)]).toEqual([
      words(75, 'both'),
      words(75, 'both'),
    ]);

    await say(first, 'say 10 30 next');
    await shows(second, 'next10');
    expect(await second.locator('.msg.user').allInnerTexts()).toEqual([
      'say 75 60 both',
      'say 10 30 next',
    ]);
  });

  test('Stop keeps what was said', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl);

    await say(page, 'say 500 30 part');
    await shows(page, 'part6');
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped. What was said so far is kept.').waitFor();
    await whole(page);

    const [, said] = await history(baseUrl, conversationOf(page));
    expect(said).toMatchObject({ status: 'unfinished', text: await answerText(page) });
    expect(await page.getByRole('button', { name: 'Stop' }).isHidden()).toBe(true);
  });

  test('a server that is killed and started again goes on with the answer, in the same tab', async () => {
    const own = await servers.start({ LEASE_TTL: '1s', SCAN_INTERVAL: '250ms' });
    const { baseUrl } = own;
    const page = await tabs.open(baseUrl);

    await say(page, 'say 45 60 back');
    await shows(page, 'back5');
    await own.kill9();
    await page.locator('#line[data-state="waiting"]').waitFor();
    await own.restart();
    await whole(page);

    const [, said] = await history(baseUrl, conversationOf(page));
    expect(said?.status).toBe('complete');
    expect(said?.text).toBe(words(45, 'back'));
    expect(await answerText(page)).toBe(words(45, 'back'));
  });

  test('a turn that fails says so, is marked in the list, and can be tried again', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl);

    await say(page, 'fail');
    await page.getByText('Failed: The demo model failed, as it was asked to.').waitFor();
    await page.locator('#conversations li', { hasText: 'fail' }).getByText('failed').waitFor();
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('2/2').waitFor();

    const said = await history(baseUrl, conversationOf(page));
    expect(said.map(({ role, error }) => error ?? role)).toEqual([
      'user',
      'MODEL_ERROR',
      'MODEL_ERROR',
    ]);
    expect(await page.locator('.msg').count()).toBe(2);
  });

  test('an answer that was stopped is gone on with, or made again; branches are picked, also after a reload', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl);
    const all = async () => {
      const texts = await page.locator('.answer .prose').allInnerTexts();
      return texts.join(' ');
    };

    await say(page, 'say 30 60');
    await shows(page, 'word2');
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.locator('.answer').nth(1).getByText('word30').waitFor();
    await whole(page);
    expect(await all()).toBe(words(30));

    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('2/2').waitFor();
    expect(await page.locator('.answer').count()).toBe(1);
    expect(await all()).toBe(words(30));
    await page.getByRole('button', { name: 'Earlier' }).click();
    await page.getByText('1/2').waitFor();
    await page.locator('.answer').nth(1).waitFor();
    await say(page, 'say 1 0 behind');
    await shows(page, 'behind1');
    await whole(page);
    expect(await page.locator('.answer').count()).toBe(3);

    await page.reload();
    await shows(page, 'behind1');
    expect(await page.locator('.answer').count()).toBe(3);
    await page.getByRole('button', { name: 'Later' }).click();
    await page.getByText('2/2').waitFor();
    expect(await page.locator('.answer').count()).toBe(1);
  });

  test('a busy conversation keeps the draft, and sends it after the answer if told so', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl);

    await say(page, 'say 50 60 long');
    await shows(page, 'long2');
    await say(page, 'say 3 0 after');
    await page.getByText('An answer is under way in this conversation.').first().waitFor();
    const draft = await page.getByLabel('Message', { exact: true }).inputValue();
    await page.getByRole('button', { name: 'Send it after this one' }).click();
    await shows(page, 'after3');

    expect(draft).toBe('say 3 0 after');
    expect(await page.getByLabel('Message', { exact: true }).inputValue()).toBe('');
    const turns = ['say 50 60 long', words(50, 'long'), 'say 3 0 after', words(3, 'after')];
    expect(await page.locator('.bubble, .prose').allInnerTexts()).toEqual(turns);
    await page.reload();
    await shows(page, 'after3');
    expect(await page.locator('.bubble, .prose').allInnerTexts()).toEqual(turns);
  });

  test('conversations are renamed and deleted, and other tabs see it', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl);
    await say(page, 'say 2 0 keep');
    await whole(page);
    const other = await tabs.open(baseUrl);
    const item = page.locator('#conversations li', { hasText: 'say 2 0 keep' });

    await item.getByRole('link').focus();
    await item.getByRole('button', { name: 'Rename say 2 0 keep' }).click();
    await page.getByLabel('Title').fill('<b>Kept</b>');
    await page.keyboard.press('Enter');
    await other.getByRole('link', { name: '<b>Kept</b>' }).waitFor();
    const renamed = page.locator('#conversations li', { hasText: '<b>Kept</b>' });
    await renamed.getByRole('link').focus();
    await renamed.getByRole('button', { name: /^Delete/ }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await other.getByRole('link', { name: '<b>Kept</b>' }).waitFor({ state: 'detached' });
    await page.getByRole('heading', { name: 'Answers that hold fast' }).waitFor();

    expect(conversationOf(page)).toBe('');
  });

  test('events are shown as they came, and the list is bounded', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl);
    await page.getByRole('button', { name: 'Events', exact: true }).click();

    await say(page, 'say 400 1 many');
    await whole(page);
    await page.locator('#events').getByText('done', { exact: true }).waitFor();

    expect(await page.locator('#events > li').count()).toBeLessThanOrEqual(300);
    await page.getByLabel('deltas').uncheck();
    await page.locator('#events').getByText('done', { exact: true }).click();
    await page.locator('#events pre').last().getByText('"status": "completed"').waitFor();
  });
}
