import type { Page } from 'playwright-core';
import { request } from './api.ts';

/** What a person does on the page, and what is seen there. */

/** Types a message and sends it with Enter. */
export async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.getByLabel('Message', { exact: true }).press('Enter');
}

/** The text of the newest answer. */
export async function answerText(page: Page): Promise<string> {
  return page
    .locator('.answer')
    .last()
    .locator('.prose')
    .allInnerTexts()
    .then((all) => all.join('\n'));
}

/** Waits until the newest answer shows this. */
export async function shows(page: Page, text: string): Promise<void> {
  await page.locator('.answer').last().locator('.prose').getByText(text).first().waitFor();
}

/** Waits until nothing is under way and the whole answer is there. */
export async function whole(page: Page): Promise<void> {
  // Idle: what was opened had ended before.
  await page.locator('#line:is([data-state="ended"], [data-state="idle"])').waitFor();
  await page.locator('.answer').last().and(page.locator('[data-live="false"]')).waitFor();
}

/** The conversation's id in the address. */
export function conversationOf(page: Page): string {
  return decodeURIComponent(new URL(page.url()).hash.slice(1));
}

export interface Said {
  role: string;
  status: string;
  text: string;
  error: string | undefined;
}

/** The conversation as the server's history has it. */
export async function history(baseUrl: string, conversationId: string): Promise<Said[]> {
  const path = `/api/conversations/${conversationId}/messages?limit=100`;
  const { text } = await request(baseUrl, { path });
  const page: {
    items: {
      role: string;
      status: string;
      content: { type: string; text?: string }[];
      error?: { code: string };
    }[];
  } = JSON.parse(text);
  return page.items.map(({ role, status, content, error }) => ({
    role,
    status,
    text: content.flatMap((part) => (part.type === 'text' ? [part.text ?? ''] : [])).join('\n'),
    error: error?.code,
  }));
}

/** `word1 word2 …`. */
export function words(count: number, word = 'word'): string {
  return Array.from({ length: count }, (_each, index) => `${word}${index + 1}`).join(' ');
}
