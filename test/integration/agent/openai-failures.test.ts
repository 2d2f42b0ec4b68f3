import { afterEach, describe, expect, test } from '@jest/globals';
import { collect } from '../../support/agent-run.ts';
import type { Outcome } from '../../support/agent-run.ts';
import { role, say } from '../../support/fake-openai.ts';
import type { Answer } from '../../support/fake-openai.ts';
import { calls, closeServers, KEY, openAiBench, whole } from '../../support/openai-bench.ts';

afterEach(closeServers);

const secrets = ({ error }: Outcome): string => (error instanceof Error ? error.message : '');

function refusal(code: string | null) {
  return { message: `Incorrect key ${KEY} at https://api.example.org/v1`, type: 'error', code };
}

async function waitFor(what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2_000 && !what(); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a provider that fails, behind the real OpenAI client', () => {
  test.each([
    ['429 with retry-after', { status: 429, headers: { 'retry-after': '1' } }],
    ['500', { status: 500 }],
    ['503', { status: 503 }],
  ])('%s, then success: asked again, nothing shown twice', async (_name, refusal) => {
    const { runner, request, server } = await openAiBench([refusal, whole('hello')], { now: true });

    const outcome = await collect(runner.run(request('hi')));

    expect(outcome.error).toBeUndefined();
    expect(outcome.text).toBe('hello');
    expect(server.requests).toHaveLength(2);
  });

  test('a connection that breaks before the first token is tried again, after it never', async () => {
    const early = await openAiBench([{ acts: [role, { reset: true }] }, whole('hello')], {
      now: true,
    });
    const late = await openAiBench([{ acts: [role, ...say('hel'), { reset: true }] }, whole('x')], {
      now: true,
    });

    const again = await collect(early.runner.run(early.request('hi')));
    const failed = await collect(late.runner.run(late.request('hi')));

    expect(again.text).toBe('hello');
    expect(failed.text).toBe('hel');
    expect(failed.error).toMatchObject({ code: 'MODEL_ERROR' });
    expect(late.server.requests).toHaveLength(1);
  });

  test('an answer that ends without a reason was cut off', async () => {
    const { runner, request } = await openAiBench([{ acts: [role, ...say('half an')] }], {
      now: true,
    });

    const outcome = await collect(runner.run(request('hi')));

    expect(outcome.text).toBe('half an');
    expect(outcome.error).toMatchObject({ code: 'MODEL_ERROR' });
  });

  test.each<[string, Answer, string, number]>([
    ['429 for ever', { status: 429 }, 'MODEL_RATE_LIMITED', 3],
    [
      'a used-up quota',
      { status: 429, refusal: refusal('insufficient_quota') },
      'MODEL_RATE_LIMITED',
      1,
    ],
    ['401', { status: 401, refusal: refusal('invalid_api_key') }, 'MODEL_AUTH', 1],
    [
      'a conversation that is too long',
      { status: 400, refusal: refusal('context_length_exceeded') },
      'CONTEXT_TOO_LONG',
      1,
    ],
    ['400', { status: 400, refusal: refusal(null) }, 'MODEL_ERROR', 1],
    ['404', { status: 404, refusal: refusal('model_not_found') }, 'MODEL_ERROR', 1],
    [
      'an error object after the first token',
      { acts: [role, ...say('a'), { error: refusal('server_error') }] },
      'MODEL_ERROR',
      1,
    ],
  ])('%s: a code, a sentence, no key, no address', async (_name, answer, code, requests) => {
    const { runner, request, server } = await openAiBench([answer], { now: true });

    const outcome = await collect(runner.run(request('hi')));

    expect(outcome.error).toMatchObject({ name: 'RunError', code });
    expect(secrets(outcome)).not.toMatch(/sk-|127\.0\.0\.1|http|\/|secret/);
    expect(server.requests).toHaveLength(requests);
  });

  test('a stalled answer is given up, and its connection with it', async () => {
    const { runner, request, server } = await openAiBench(
      [{ acts: [role, ...say('wait'), { stall: true }] }],
      { stallTimeoutMs: 500 },
    );

    const outcome = await collect(runner.run(request('hi')));
    await waitFor(() => server.abandoned === 1);

    expect(outcome.text).toBe('wait');
    expect(outcome.error).toMatchObject({ code: 'MODEL_STALLED' });
    expect(server.abandoned).toBe(1);
  });

  test('a stop closes the connection to the provider', async () => {
    const { runner, request, server } = await openAiBench([
      { acts: [role, ...say('a'), { stall: true }] },
    ]);
    const stopped = new Error('stopped');
    const controller = new AbortController();

    const outcome = await collect(runner.run(request('hi', { signal: controller.signal })), () =>
      controller.abort(stopped),
    );
    await waitFor(() => server.abandoned === 1);

    expect(outcome.error).toBe(stopped);
    expect(server.abandoned).toBe(1);
  });

  test('an agent that never ends its steps is stopped', async () => {
    const call = calls([
      { delta: { tool_calls: [{ index: 0, name: 'add', args: '{"a":1,"b":1}' }] } },
    ]);
    const { runner, request, server } = await openAiBench([call]);

    const outcome = await collect(runner.run(request('loop')));

    expect(outcome.error).toMatchObject({ code: 'MAX_STEPS' });
    expect(server.requests).toHaveLength(4);
  });
});
