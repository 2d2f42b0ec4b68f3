import { createHmac } from 'node:crypto';
import type { OutboxItem } from './approval-store.ts';

/** What is sent for an item, and when it is tried again (docs/PROTOCOL.md section 10). Pure. */

export interface WebhookMessage {
  headers: Record<string, string>;
  body: string;
}

/** `v1=` and the hex HMAC-SHA256 of `<id>.<timestamp>.<body>`; the timestamp in unix seconds. */
export function signature(
  secret: string,
  signed: { id: string; timestamp: number; body: string },
): string {
  const { id, timestamp, body } = signed;
  return `v1=${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('hex')}`;
}

/** Each attempt is signed anew with its own time; id and body are the same in all of them. */
export function webhookMessage(
  { id, event, createdAt, payload }: OutboxItem,
  { secret, now }: { secret: string; now: number },
): WebhookMessage {
  const timestamp = Math.floor(now / 1_000);
  const body = JSON.stringify({
    id,
    event,
    createdAt: new Date(createdAt).toISOString(),
    data: payload,
  });
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'holdfast-id': id,
      'holdfast-timestamp': String(timestamp),
      'holdfast-signature': signature(secret, { id, timestamp, body }),
    },
  };
}

export const MAX_ATTEMPTS = 12;
const FIRST_WAIT_MS = 10_000;
const LONGEST_WAIT_MS = 3_600_000;

/** How long to wait after the `attempt`th failure: 5 to 10 s, then twice as long each time, up to 1 h. */
export function backoff(attempt: number, random: number): number {
  const wait = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS);
  return Math.round((wait / 2) * (1 + random));
}
