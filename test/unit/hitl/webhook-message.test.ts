import { describe, expect, test } from '@jest/globals';
import {
  backoff,
  MAX_ATTEMPTS,
  signature,
  webhookMessage,
} from '../../../src/hitl/webhook-message.ts';
import { EPOCH } from '../../support/fake-clock.ts';

const item = {
  id: 'act_1:approval.waiting',
  event: 'approval.waiting' as const,
  createdAt: EPOCH,
  payload: { actionId: 'act_1', tools: ['send_email', '🐙'] },
  attempts: 3,
  nextAt: EPOCH + 9,
};

describe('the signature', () => {
  test('is the HMAC-SHA256 of id, timestamp and body, as computed elsewhere', () => {
    // printf 'id.1767225600.{"a":1}' | openssl dgst -sha256 -hmac 'sixteen letters!'
    expect(
      signature('sixteen letters!', { id: 'id', timestamp: 1767225600, body: '{"a":1}' }),
    ).toBe('v1=67cf1c084fd6ba8f291f8c4edbc9461f64fc7260df479efe1026c2a5860ef246');
  });

  test.each([
    ['id', { id: 'other' }],
    ['time', { timestamp: 1767225601 }],
    ['body', { body: '{"a":2}' }],
  ])('is another one for another %s', (_, change) => {
    const signed = { id: 'id', timestamp: 1767225600, body: '{"a":1}' };

    expect(signature('key', { ...signed, ...change })).not.toBe(signature('key', signed));
    expect(signature('other', signed)).not.toBe(signature('key', signed));
  });
});

describe('the message', () => {
  test('is the item as JSON, signed at the time of the attempt', () => {
    const { headers, body } = webhookMessage(item, { secret: 'key', now: EPOCH + 61_999 });

    expect(JSON.parse(body)).toEqual({
      id: item.id,
      event: 'approval.waiting',
      createdAt: '2026-01-01T00:00:00.000Z',
      data: item.payload,
    });
    const timestamp = EPOCH / 1_000 + 61;
    expect(headers).toEqual({
      'content-type': 'application/json',
      'holdfast-id': item.id,
      'holdfast-timestamp': String(timestamp),
      'holdfast-signature': signature('key', { id: item.id, timestamp, body }),
    });
  });

  test('has the same body in every attempt', () => {
    const [first, later] = [0, 99_999].map((wait) =>
      webhookMessage(item, { secret: 'key', now: EPOCH + wait }),
    );

    expect(later?.body).toBe(first?.body);
    expect(later?.headers['holdfast-signature']).not.toBe(first?.headers['holdfast-signature']);
  });
});

describe('the wait after a failure', () => {
  const attempts = Array.from({ length: MAX_ATTEMPTS - 1 }, (_, index) => index + 1);

  test('doubles from 5 s at least to 1 h at most', () => {
    expect(attempts.map((attempt) => backoff(attempt, 0) / 1_000)).toEqual([
      5, 10, 20, 40, 80, 160, 320, 640, 1_280, 1_800, 1_800,
    ]);
    expect(attempts.map((attempt) => backoff(attempt, 0.999_999_9) / 1_000)).toEqual([
      10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600,
    ]);
  });
});
