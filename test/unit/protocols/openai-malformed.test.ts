import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { frameOf, toStored } from '../../../src/stream/frame.ts';
import { malformedRequest, type Target, wireBytes } from '../../support/malformed.ts';
import { AT, created, done, GENERATION, text } from '../../support/openai-log.ts';
import { type HttpApp, raw, startHttpApp } from '../../integration/http/harness.ts';

/** No request gives a 5xx, whatever is in it, and every refusal has OpenAI's form. */

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 40);

const item = { type: 'mcp_approval_response', approval_request_id: 'mcpr_act_1_0', approve: true };
const TARGETS: Target[] = [
  {
    method: 'POST',
    path: '/v1/chat/completions',
    bodies: [
      { model: 'demo-plain', messages: [{ role: 'user', content: 'x' }], stream: true },
      {
        model: 'demo-plain',
        messages: [
          { role: 'system', content: 'x' },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: 'c', content: [{ type: 'text', text: 'x' }] },
          { role: 'user', content: 'x' },
        ],
      },
    ],
  },
  {
    method: 'POST',
    path: '/v1/responses',
    bodies: [
      { model: 'demo', input: 'x', instructions: 'y', store: false, background: true },
      { input: [{ role: 'user', content: [{ type: 'input_text', text: 'x' }] }], stream: true },
      { previous_response_id: 'resp_1', input: [item] },
      { conversation: { id: 'conv_1' }, input: 'x' },
    ],
  },
  { method: 'GET', path: '/v1/responses/:id', bodies: [] },
  { method: 'GET', path: '/v1/chat/completions/:id', bodies: [] },
  { method: 'POST', path: '/v1/responses/:id/cancel', bodies: [] },
  { method: 'GET', path: '/v1/models/:model', bodies: [] },
];

describe('malformed requests', () => {
  let app: HttpApp;
  beforeAll(async () => {
    app = await startHttpApp({ MAX_STREAMS_PER_USER: '100000' });
    Object.assign(app.conversations, {
      ensure: async () => true,
      upsertMessage: async () => 'stored',
    });
    const log = [created, text('a'), done()].map((body, index) =>
      frameOf(GENERATION, toStored({ seq: index + 1, fence: 1, at: AT, body })),
    );
    app.generations.onOpen = (sink) => void sink.write(Buffer.from(log.join('')), true);
  });
  afterAll(() => app.close());

  test.each(TARGETS.map((target): [string, Target] => [`${target.method} ${target.path}`, target]))(
    '%s never fails on our side, and refuses as OpenAI refuses',
    async (_name, target) => {
      await fc.assert(
        fc.asyncProperty(malformedRequest(target), async (request) => {
          const halfClose = request.framing === 'short';
          const all = await raw(app.port, wireBytes(request), { halfClose });
          const answer = all.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
          const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);

          expect(status).toBeGreaterThanOrEqual(200);
          expect(status).toBeLessThan(500);
          // Ours begins with the code: of what no route took.
          expect(answer).not.toMatch(/\{"error":\{"code":"(?!NOT_FOUND)(?!.*could not be read)/);
        }),
        { numRuns: RUNS },
      );

      expect(app.log.filter((line) => line['msg'] === 'request failed')).toEqual([]);
    },
    60_000,
  );
});
