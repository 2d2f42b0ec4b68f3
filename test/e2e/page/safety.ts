import { expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import type { Page } from 'playwright-core';
import { conversationOf, say, shows, whole } from '../../support/chat-page.ts';
import type { Scene } from './scene.ts';

const HOSTILE = [
  '<script>window.owned=1</script>',
  '<img src=x onerror=window.owned=1>',
  '<svg/onload=window.owned=1>',
  '<style>*{display:none}</style>',
  '"><iframe srcdoc="<script>parent.owned=1</script>">',
  '[click](javascript:window.owned=1)',
  '[click](data:text/html,<script>window.owned=1</script>)',
  '![pixel](https://evil.example/pixel.png)',
  '<a href="javascript:window.owned=1">click</a>',
  'javascript:window.owned=1',
  '</textarea></pre></details><button onclick=window.owned=1>',
];
const ALL = HOSTILE.join('\n\n');

/** Ways in which something of a text could have become code, a request or a form. */
const FOREIGN = `[...document.querySelectorAll('script:not([src="/web/app.js"]), iframe, object, embed, base, meta[http-equiv], style, svg foreignObject, img:not([src="/web/mark.svg"]), [srcdoc], [style*="url"], a[href^="javascript"], a[href^="data"]')].map((e) => e.outerHTML)
  .concat([...document.querySelectorAll('*')].filter((e) => [...e.attributes].some((a) => a.name.startsWith('on'))).map((e) => e.outerHTML))`;

/** Every control by what a screen reader calls it; those without a name. */
const NAMELESS = `[...document.querySelectorAll('button, input, select, textarea, a[href], summary, [role="radiogroup"], form.action, dialog')]
  .filter((e) => e.checkVisibility() && !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim() || (e.labels && e.labels.length)))
  .map((e) => e.outerHTML)`;

async function expectUnharmed(page: Page): Promise<void> {
  expect(await page.evaluate('window.owned')).toBeUndefined();
  expect(await page.evaluate(FOREIGN)).toEqual([]);
  expect(await page.getByLabel('Message', { exact: true }).isVisible()).toBe(true);
}

/** The page is safe and within reach of everybody. */
export function safetyTests({ servers, server, tabs }: Scene): void {
  test('what people, models and tools write is never more than text', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl);
    const foreign: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(baseUrl)) foreign.push(request.url());
    });

    await say(page, ALL);
    await whole(page);
    for (const text of HOSTILE) await page.locator('.bubble').first().getByText(text).waitFor();
    for (const word of ['<img/src=x/onerror=window.owned=1>', '[x](javascript:window.owned=1)']) {
      await say(page, `say 2 0 ${word}`);
      await shows(page, `${word}2`);
      await whole(page);
    }
    await say(page, 'approve');
    await page.getByLabel('Respond').check();
    await page.getByLabel('Your answer in its place').fill(ALL);
    await page.locator('form.action button[type="submit"]').click();
    await whole(page);
    await page.locator('.tool summary').click();
    await page.getByRole('button', { name: 'Events', exact: true }).click();
    await page.locator('#events').getByText('tool_result').first().click();
    await page.locator('.tool').getByText('<svg/onload=window.owned=1>').first().waitFor();

    await expectUnharmed(page);
    expect(foreign).toEqual([]);
  });

  test('names, arguments, errors and questions from the server are never more than text', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl);
    await say(page, 'ask');
    await page.locator('form.action').waitFor();
    const id = conversationOf(page);
    const part = { type: 'tool_call', toolCallId: 'c1', name: ALL, status: ALL, output: ALL };
    const args = { [ALL]: ALL, __proto__x: { deep: [ALL] } };
    const message = {
      messageId: 'm2',
      conversationId: id,
      parentMessageId: 'm1',
      role: 'assistant',
      status: 'unfinished',
      error: { code: ALL, message: ALL },
      content: [
        { type: 'text', text: ALL },
        { type: 'reasoning', text: ALL },
        { ...part, args, decision: ALL, path: [ALL] },
        { type: 'attachment', name: ALL, mediaType: ALL, url: 'javascript:window.owned=1' },
        { type: ALL, text: ALL },
      ],
    };
    const request = {
      toolCallId: 'c1',
      name: ALL,
      description: ALL,
      args,
      argsSchema: { properties: { [ALL]: { type: 'string', description: ALL, enum: [ALL] } } },
      allowedDecisions: ['approve', 'edit', ALL],
    };
    const question = { id: 'q', question: ALL, header: ALL, options: [{ label: ALL, value: ALL }] };
    const base = { actionId: 'a', generationId: 'g', conversationId: id, expiresAt: ALL };
    const pendingAction = { ...base, kind: ALL, requests: [request], questions: [question] };
    const state = { generationId: 'g', conversationId: id, status: 'paused', message, title: ALL };
    await page.route('**/messages?*', (route) =>
      route.fulfill({ json: { items: [message], nextCursor: null } }),
    );
    await page.route('**/api/chat/status/**', (route) =>
      route.fulfill({
        json: {
          conversationId: id,
          active: false,
          generation: { status: 'paused', cursor: ALL, state: { ...state, pendingAction } },
        },
      }),
    );
    await page.route('**/api/conversations?*', (route) =>
      route.fulfill({
        json: { items: [{ conversationId: ALL, title: ALL, updatedAt: ALL }], nextCursor: null },
      }),
    );

    await page.reload();
    await page.locator('form.action').getByRole('radio').nth(1).check();
    await page.locator('.tool summary').click();
    await page.locator('.tool').getByText('<svg/onload=window.owned=1>').first().waitFor();

    await expectUnharmed(page);
    expect(await page.locator('.attachment a').count()).toBe(0);
  });

  test('a recovery question offers what the server allows, with no yes chosen beforehand', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl);
    await say(page, 'approve');
    await page.locator('form.action').waitFor();
    const bodies: unknown[] = [];
    await page.route('**/api/chat/resume', (route) => {
      bodies.push(route.request().postDataJSON());
      return route.fulfill({ status: 409, json: RESOLVED });
    });
    await page.route(`**/api/chat/status/${conversationOf(page)}`, async (route) => {
      const answer = await route.fetch();
      const status = await answer.json();
      const { pendingAction } = status.generation.state;
      pendingAction.kind = 'recovery';
      pendingAction.expiresAt = new Date(Date.now() + 61_000).toISOString();
      pendingAction.requests[0].allowedDecisions = ['retry', 'done', 'skip'];
      pendingAction.requests[0].defaultToNo = true;
      await route.fulfill({ json: status });
    });

    await page.reload();
    const card = page.locator('form.action');
    await card.getByText('Did it happen?').waitFor();
    const chosen = await card.getByRole('radio', { checked: true }).getAttribute('value');
    await card
      .locator('.countdown.soon')
      .getByText(/expires in \d+/)
      .waitFor();
    await card.getByLabel('It happened').check();
    await card.getByLabel('The result that it had').fill('sent at noon');
    await card.getByRole('button', { name: 'Give this result' }).click();
    await card.getByText('This was decided in another tab, just before you.').waitFor();

    expect(chosen).toBe('skip');
    expect(bodies).toEqual([
      expect.objectContaining({
        decisions: [
          {
            toolCallId: expect.any(String),
            decision: 'done',
            responseText: 'sent at noon',
          },
        ],
      }),
    ]);
  });
  const RESOLVED = { error: { code: 'ACTION_ALREADY_RESOLVED', message: 'It was decided.' } };

  test('every control has a name, and nothing is wider than a phone', async () => {
    const { baseUrl } = await server();
    const page = await tabs.open(baseUrl, { fresh: true, width: 360 });
    const overflow = 'document.documentElement.scrollWidth - innerWidth';
    const seen: unknown[] = [];
    const look = async (what: string): Promise<void> => {
      seen.push([what, await page.evaluate(NAMELESS), await page.evaluate(overflow)]);
    };

    await look('empty');
    await say(page, 'approve 3');
    await page.locator('form.action').waitFor();
    for (const radio of await page.getByLabel('Edit', { exact: true }).all()) await radio.check();
    await look('editing');
    await page.getByRole('button', { name: 'Events', exact: true }).click();
    await page.locator('#events').getByText('pending_action').click();
    await look('events');
    await page.getByRole('button', { name: 'Close the events' }).click();
    await page.getByRole('button', { name: 'Conversations', exact: true }).click();
    await page
      .getByRole('link', { name: /approve 3/ })
      .first()
      .waitFor();
    await look('conversations');
    await page.keyboard.press('Escape');
    await say(page, `${'long'.repeat(200)} https://a.example/${'x'.repeat(300)}`);
    await page.getByText('An answer is under way').first().waitFor();
    await page.getByRole('button', { name: 'Stop this one and send' }).click();
    await page.locator('.answer').nth(1).waitFor();
    await look('long words');

    expect(seen).toEqual(
      ['empty', 'editing', 'events', 'conversations', 'long words'].map((what) => [what, [], 0]),
    );
  });

  test('a server that wants to know who one is asks for a token once, and keeps none', async () => {
    const secret = 's'.repeat(32);
    const { baseUrl } = await servers.start({ AUTH_MODE: 'jwt', JWT_SECRET: secret });
    const token = await new SignJWT({ sub: 'ann' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(secret));
    const page = await tabs.open(baseUrl, { fresh: true });

    await page.getByLabel('Bearer token (JWT)').fill(token);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await say(page, 'say 3 0 mine');
    await shows(page, 'mine3');

    const kept = await page.evaluate(
      'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])',
    );
    expect(kept).not.toContain(token.slice(-20));
  });
}
