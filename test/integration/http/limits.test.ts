import { afterEach, describe, expect, test } from '@jest/globals';
import { NO_FILE } from '../../../src/config/file/live.ts';
import type { ConfigFile } from '../../../src/config/file/schema.ts';
import type { ContentHook } from '../../../src/content/hooks.ts';
import { request, turnOf } from '../../support/api.ts';
import { startModeration } from '../../support/fake-moderation.ts';
import { startLimitedService, type LimitedService } from '../../support/limited-service.ts';
import { list, object, type Shape } from '../../support/shape.ts';

let service: LimitedService | undefined;

afterEach(async () => {
  await service?.stop();
  service = undefined;
});

async function started(
  part: Partial<ConfigFile>,
  hooks: readonly ContentHook[] = [],
): Promise<LimitedService> {
  service = await startLimitedService(part, hooks);
  return service;
}

const errorOf = (json: Shape): Shape => object(json['error'], 'error');
const content = (part: Partial<ConfigFile['content']>): Partial<ConfigFile> => ({
  content: { ...NO_FILE.content, ...part },
});
const PII = content({
  pii: [
    { kind: 'card', action: 'refuse' },
    { kind: 'email', action: 'mask' },
  ],
});
const CARD = '4111 1111 1111 1111';

const get = (at: LimitedService, path: string) => request(at.url, { path });
const conversationsOf = async (at: LimitedService): Promise<unknown[]> =>
  list((await get(at, '/api/conversations')).json['items']);

/** The action of a paused generation. */
const pendingOf = (state: Shape): Shape => object(state['pendingAction'], 'pendingAction');

function decide(at: LimitedService, action: Shape, decision: Shape) {
  const requests = list(action['requests']).map((it) => object(it));
  const decisions = requests.map(({ toolCallId }) => ({ toolCallId, ...decision }));
  const { generationId, actionId } = action;
  return request(at.url, {
    path: '/api/chat/resume',
    body: { generationId, actionId, decisions },
  });
}

describe('a budget', () => {
  test('refuses the turn after it is used up, before anything is written, and says until when', async () => {
    const at = await started({
      prices: { demo: { input: 0, output: 1_000 } },
      budget: { cost: 0.005 },
    });
    await at.turn('say 5 0');

    const refused = await at.chat('say 5 0', { messageId: 'again' });

    expect(refused.status).toBe(402);
    expect(errorOf(refused.json)).toMatchObject({
      code: 'BUDGET_EXCEEDED',
      details: { kind: 'cost', limit: 0.005, used: 0.005, currency: 'USD' },
    });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(await conversationsOf(at)).toHaveLength(1);
  });

  test('attaches the repeat of a turn that was accepted, and is asked anew after a reload', async () => {
    const at = await started({ budget: { tokens: 1 } });
    const { turn } = await at.turn('say 3 0', { messageId: 'm-1' });

    expect((await at.chat('say 3 0', { messageId: 'm-1' })).json).toMatchObject({
      generationId: turn.generationId,
      status: 'attached',
    });
    expect((await at.chat('say 3 0')).status).toBe(402);

    at.file.current = { ...NO_FILE, budget: { tokens: 1_000_000 } };

    expect((await at.turn('say 3 0')).state['status']).toBe('completed');
  });

  test('ends a run at its next call of a model, with the words so far', async () => {
    const at = await started({ budget: { tokens: 1 } });

    const { state, frames } = await at.turn('tool');

    expect(state['status']).toBe('failed');
    expect(frames).toContain('"code":"BUDGET_EXCEEDED"');
    const message = object(object(state['state'])['message']);
    const parts = list(message['content']).map((part) => object(part)['type']);
    expect(parts).toContain('tool_call');
    expect(object(message['error'])['code']).toBe('BUDGET_EXCEEDED');
  });

  test('ends a run also within a sub-agent', async () => {
    const at = await started({ budget: { tokens: 1 } });

    const { state, frames } = await at.turn('sub');

    expect(state['status']).toBe('failed');
    expect(frames).toContain('"code":"BUDGET_EXCEEDED"');
  });

  test('usage is shown by day and model, and in the metrics without users', async () => {
    const at = await started({ prices: { '*': { input: 1, output: 10 } }, currency: 'EUR' });
    await at.turn('tool');

    const { json } = await get(at, '/api/usage');
    const [item] = list(json['items']).map((it) => object(it));
    const { inputTokens, outputTokens, cost } = object(item);

    expect(item).toMatchObject({ model: 'demo', calls: 2 });
    expect(cost).toBe((Number(inputTokens) + 10 * Number(outputTokens)) / 1e6);
    expect(json).toMatchObject({
      currency: 'EUR',
      today: {
        tokens: Number(inputTokens) + Number(outputTokens),
        cost,
        budget: { tokens: null, cost: null },
      },
    });
    const metrics = (await get(at, '/metrics')).text;
    expect(metrics).toContain(
      `holdfast_tokens_total{model="demo",direction="input"} ${String(inputTokens)}`,
    );
    expect(metrics).toContain('holdfast_cost_total{model="demo"}');
    expect(metrics).not.toContain('local');
  });

  test.each([
    ['from=2026-11-31', 400],
    ['from=x', 400],
    ['from=2026-11-21&to=2026-11-20', 400],
    ['from=2026-01-01&to=2026-11-20', 400],
    ['from=0001-01-01', 400],
    ['from=2026-11-20&to=2026-11-21', 200],
  ])('a range of days: %s', async (query, status) => {
    const at = await started({});

    expect((await get(at, `/api/usage?${query}`)).status).toBe(status);
  });

  test('a model without a price is said once where there is a budget of cost', async () => {
    const at = await started({ prices: {}, budget: { cost: 1 } });
    await at.turn('say 1 0');
    await at.turn('say 1 0');

    expect(at.log.filter((line) => line.includes('has no price'))).toHaveLength(1);
  });
});

describe('what users write', () => {
  test('a refused turn leaves nothing behind, and its words stand nowhere', async () => {
    const at = await started(PII);

    const refused = await at.chat(`my card is ${CARD}`, { messageId: 'm-1' });

    expect([refused.status, errorOf(refused.json)['code']]).toEqual([422, 'CONTENT_REFUSED']);
    expect(errorOf(refused.json)['details']).toEqual({ kinds: ['card'] });
    expect(await conversationsOf(at)).toEqual([]);
    expect(refused.text + at.log.join('')).not.toContain('4111');
    expect((await at.chat('my card is lost', { messageId: 'm-1' })).status).toBe(202);
  });

  test('a masked turn is kept and read with its mask; the repeat of what was sent is a repeat', async () => {
    const at = await started(PII);
    const { turn, frames } = await at.turn('write to ann@example.com', { messageId: 'm-1' });
    const messages = await get(at, `/api/conversations/${turn.conversationId}/messages`);
    const again = await at.chat('write to ann@example.com', { messageId: 'm-1' });

    expect(messages.text).toContain('write to [email]');
    expect(messages.text + frames).not.toContain('ann@example.com');
    expect(again.json['status']).toBe('attached');
    expect((await at.chat('write to [email]', { messageId: 'm-1' })).status).toBe(409);
  });

  test.each([
    { decision: 'reject', reason: CARD },
    { decision: 'respond', responseText: CARD },
    { decision: 'edit', editedArgs: { to: 'person1@example.com', subject: CARD } },
    { decision: 'edit', editedArgs: { to: 'x', subject: 'y', [CARD]: 1 } },
    { decision: 'edit', editedArgs: { to: 'x', subject: 'y', deep: [{ er: [CARD] }] } },
  ])('a refused answer leaves the pause as it was: %j', async (decision) => {
    const at = await started(PII);
    const { turn, state } = await at.turn('approve');
    const before = await get(at, `/api/chat/status/${turn.conversationId}`);

    const refused = await decide(at, pendingOf(state), decision);
    const after = await get(at, `/api/chat/status/${turn.conversationId}`);

    expect(refused.status).toBe(422);
    expect(errorOf(refused.json)).toMatchObject({
      code: 'CONTENT_REFUSED',
      details: { kinds: ['card'] },
    });
    expect(after.text).toBe(before.text);
    expect((await decide(at, pendingOf(state), { decision: 'approve' })).status).toBe(202);
  });

  test('masks in an answer: what runs has them, and the same answer again is a repeat', async () => {
    const at = await started(PII);
    const { turn, state } = await at.turn('approve');
    const edit = {
      decision: 'edit',
      editedArgs: { to: 'ann@example.com', subject: 'from ben@example.com' },
    };
    const first = await decide(at, pendingOf(state), edit);
    const again = await decide(at, pendingOf(state), edit);
    const frames = (await get(at, turn.streamPath)).text;

    expect([first.status, again.status]).toEqual([202, 200]);
    expect(frames).toContain('from [email]');
    expect(frames).not.toContain('ben@example.com');
  });

  test('answers to questions', async () => {
    const at = await started(PII);
    const { state } = await at.turn('ask');
    const { generationId, actionId } = pendingOf(state);
    const body = { generationId, actionId, answer: CARD };
    const refused = await request(at.url, { path: '/api/chat/resume', body });

    expect(errorOf(refused.json)['code']).toBe('CONTENT_REFUSED');
  });

  test('titles, and the history of a chat completion', async () => {
    const at = await started(PII);
    const { turn } = await at.turn('say 1 0');
    const path = `/api/conversations/${turn.conversationId}`;
    const refused = await request(at.url, { path, method: 'PATCH', body: { title: CARD } });
    const masked = await request(at.url, { path, method: 'PATCH', body: { title: 'a@b.io' } });
    const completion = (words: string) =>
      request(at.url, {
        path: '/v1/chat/completions',
        body: {
          model: 'demo-plain',
          messages: [
            { role: 'user', content: words },
            { role: 'assistant', content: 'yes' },
            { role: 'user', content: 'say 1 0' },
          ],
        },
      });

    expect(refused.status).toBe(422);
    expect(masked.json['title']).toBe('[email]');
    expect((await completion(CARD)).json).toMatchObject({ error: { code: 'content_refused' } });
    expect((await completion('fine')).status).toBe(200);
  });

  test('the same through the other protocols', async () => {
    const at = await started(PII);
    const messages = [{ id: 'm', role: 'user', content: CARD }];
    const parts = [{ type: 'text', text: CARD }];
    const bodies: [string, unknown][] = [
      ['/ai-sdk/chat', { id: 'c1', messages: [{ id: 'm', role: 'user', parts }] }],
      ['/ag-ui', { threadId: 't', runId: 'r', messages, tools: [], context: [], state: {} }],
      ['/v1/responses', { model: 'demo', input: CARD }],
      [
        '/v1/chat/completions',
        { model: 'demo-plain', messages: [{ role: 'user', content: CARD }] },
      ],
    ];
    const answers = await Promise.all(
      bodies.map(([path, body]) => request(at.url, { path, body })),
    );

    expect(answers.map(({ status, text }) => `${status} ${/content_refused/i.test(text)}`)).toEqual(
      bodies.map(() => '422 true'),
    );
    expect(await conversationsOf(at)).toEqual([]);
  });

  test('hooks: refuse with their words, put other words in their place, and fail closed', async () => {
    const seen: string[] = [];
    const hook: ContentHook = async ({ kind, text, owner }) => {
      seen.push(`${kind} ${owner.userId} ${text}`);
      if (text.includes('secret')) return { refuse: 'Not about that.' };
      if (text.includes('broken')) throw new Error('hook');
      return { ok: true, text: text.replace('cat', 'dog') };
    };
    const at = await started(PII, [hook]);

    const refused = await at.chat('a secret');
    const broken = await at.chat('a broken thing');
    const { turn } = await at.turn('cat of a@b.io');
    const messages = await get(at, `/api/conversations/${turn.conversationId}/messages`);

    expect([refused.status, errorOf(refused.json)['message']]).toEqual([422, 'Not about that.']);
    expect([broken.status, errorOf(broken.json)['code']]).toEqual([503, 'UNAVAILABLE']);
    expect(messages.text).toContain('dog of [email]');
    expect(seen).toContain('turn local cat of [email]');
  });
});

async function moderated(onError: 'allow' | 'refuse') {
  const endpoint = await startModeration();
  const at = await started({
    ...content({
      pii: [{ kind: 'email', action: 'mask' }],
      moderation: { provider: 'mine', model: 'm', timeout: 10_000, onError },
    }),
    providers: { mine: { type: 'openai', baseUrl: `${endpoint.url}/v1`, apiKey: 'k' } },
  });
  return { at, ...endpoint };
}

describe('moderation', () => {
  test('refuses what is flagged, and is asked with masked words', async () => {
    const { at, asked, close } = await moderated('refuse');

    const flagged = await at.chat('a bad word');
    await at.turn('of a@b.io');
    const boom = await at.chat('boom');
    // Only now: on a slow machine the others may take that long.
    const { current } = at.file;
    const { moderation } = current.content;
    if (!moderation) throw new Error('there is a moderation');
    const impatient = { ...moderation, timeout: 200 };
    at.file.current = { ...current, content: { ...current.content, moderation: impatient } };
    const slow = await at.chat('slow');
    await close();
    const down = await at.chat('anything');

    expect([flagged.status, errorOf(flagged.json)['details']]).toEqual([422, { kinds: ['hate'] }]);
    expect(asked[1]).toEqual({
      model: 'm',
      input: ['of [email]'],
      path: '/v1/moderations',
      authorization: 'Bearer k',
    });
    expect([boom.status, slow.status, down.status]).toEqual([503, 503, 503]);
    expect(await conversationsOf(at)).toHaveLength(1);
    expect(at.log.join('')).not.toContain('Bearer');
  });

  test('lets pass what can not be checked where the file says so', async () => {
    const { at, close } = await moderated('allow');
    await close();

    expect(turnOf((await at.chat('say 1 0')).json).status).toBe('started');
  });
});
