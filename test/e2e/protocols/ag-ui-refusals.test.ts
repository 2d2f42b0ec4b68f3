import { beforeAll, describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { randomUUID } from 'node:crypto';
import { framesOf, verified } from '../../support/ag-ui.ts';
import { inputOf, post } from '../../support/ag-ui-client.ts';
import { type ApiAnswer, request } from '../../support/api.ts';
import { type ServerProcess, useServers } from '../../support/server-process.ts';
import { list, object, type Shape, text } from '../../support/shape.ts';

const SECRET = 'a secret of thirty-two bytes, or more';

function tokenOf(sub: string): Promise<string> {
  const claims = { sub, exp: Math.floor(Date.now() / 1_000) + 3_600 };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(SECRET));
}

const runOf = (agent: string): string => `/ag-ui/agent/${agent}/run`;

const codeOf = ({ status, json }: ApiAnswer): string =>
  `${status} ${text(object(json['error'] ?? {})['code'] ?? '-')}`;

/** `resume` for the first interrupt of a paused answer. */
function resumeOf({ text: body }: ApiAnswer, payload: unknown): Shape[] {
  const { interrupts } = object(framesOf(body).at(-1)?.event['outcome']);
  const [first] = list(interrupts);
  return [{ interruptId: text(object(first)['id']), status: 'resolved', payload }];
}

/** What is no RunAgentInput of ours, and what is said of it. */
const MALFORMED: [what: string, body: unknown, code: string][] = [
  ['nothing', undefined, '415 UNSUPPORTED_MEDIA_TYPE'],
  ['a list', [], '400 INVALID_REQUEST'],
  ['null', null, '400 INVALID_REQUEST'],
  ['no threadId', { runId: 'r', messages: [] }, '400 INVALID_REQUEST'],
  ['an empty threadId', inputOf('hi', { threadId: '' }), '400 INVALID_REQUEST'],
  ['a threadId that is a number', inputOf('hi', { threadId: 1 }), '400 INVALID_REQUEST'],
  ['a threadId that is long', inputOf('hi', { threadId: 'x'.repeat(129) }), '400 INVALID_REQUEST'],
  [
    'a threadId with half a character',
    inputOf('hi', { threadId: '\ud800' }),
    '400 INVALID_REQUEST',
  ],
  ['a threadId with a line break', inputOf('hi', { threadId: 'a\r\nb' }), '400 INVALID_REQUEST'],
  ['a runId with a zero', inputOf('hi', { runId: 'a\u0000' }), '400 INVALID_REQUEST'],
  ['no messages', inputOf('hi', { messages: [] }), '400 INVALID_REQUEST'],
  ['messages that are none', inputOf('hi', { messages: 'hi' }), '400 INVALID_REQUEST'],
  [
    'a role that is none',
    inputOf('hi', { messages: [{ id: 'a', role: 'god' }] }),
    '400 INVALID_REQUEST',
  ],
  ['an empty question', inputOf(' \n'), '400 INVALID_REQUEST'],
  ['a question that is long', inputOf('x'.repeat(100_001)), '400 INVALID_REQUEST'],
  [
    'a last word that is not the user’s',
    inputOf('hi', {
      messages: [
        { id: 'a', role: 'user', content: 'hi' },
        { id: 'b', role: 'assistant', content: 'hello' },
      ],
    }),
    '400 INVALID_REQUEST',
  ],
  [
    'a picture',
    inputOf('hi', {
      messages: [
        {
          id: 'a',
          role: 'user',
          content: [{ type: 'image', source: { type: 'url', value: 'x' } }],
        },
      ],
    }),
    '400 INVALID_REQUEST',
  ],
  ['a resume that is none', inputOf('hi', { resume: {} }), '400 INVALID_REQUEST'],
  [
    'an interrupt that is none of ours',
    inputOf('hi', { resume: [{ interruptId: 'x', status: 'resolved' }] }),
    '400 INVALID_REQUEST',
  ],
  [
    'interrupts of two pauses',
    inputOf('hi', {
      resume: [
        { interruptId: 'act_1:call:a', status: 'resolved', payload: true },
        { interruptId: 'act_2:call:a', status: 'resolved', payload: true },
      ],
    }),
    '400 INVALID_REQUEST',
  ],
  [
    'a status that is none',
    inputOf('hi', { resume: [{ interruptId: 'act_1:call:a', status: 'maybe' }] }),
    '400 INVALID_REQUEST',
  ],
  [
    'a payload that says nothing',
    inputOf('hi', { resume: [{ interruptId: 'act_1:call:a', status: 'resolved', payload: {} }] }),
    '400 INVALID_REQUEST',
  ],
  [
    'an action of a thread that is not there',
    inputOf('hi', { resume: [{ interruptId: 'act_1:call:a', status: 'resolved', payload: true }] }),
    '404 NOT_FOUND',
  ],
];

const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) });

describe('what AG-UI refuses', () => {
  const servers = useServers();
  let server: ServerProcess;
  let ann: Record<string, string>;
  let bob: Record<string, string>;
  let baseUrl: string;
  beforeAll(async () => {
    const env = { PROFILE: 'memory', AUTH_MODE: 'jwt', JWT_SECRET: SECRET };
    server = await servers.start(env);
    ({ baseUrl } = server);
    ann = { authorization: `Bearer ${await tokenOf('ann')}` };
    bob = { authorization: `Bearer ${await tokenOf('bob')}` };
  }, 60_000);

  const get = (path: string, headers: Record<string, string>): Promise<ApiAnswer> =>
    request(baseUrl, { path, headers });

  test.each(MALFORMED)('%s', async (_what, body, code) => {
    const answer = await post(baseUrl, '/ag-ui', body, ann);

    expect(codeOf(answer)).toBe(code);
    expect(answer.headers['location']).toBeUndefined();
  });

  test('a body that is deep, or large', async () => {
    const deep = inputOf('hi', { state: nested(40) });
    expect(codeOf(await post(baseUrl, '/ag-ui', deep, ann))).toBe('400 INVALID_REQUEST');
    const large = inputOf('hi', { forwardedProps: { a: 'x'.repeat(300_000) } });
    expect(codeOf(await post(baseUrl, '/ag-ui', large, ann))).toBe('413 PAYLOAD_TOO_LARGE');
  });

  test('a history is long, and is left alone', async () => {
    const old = Array.from({ length: 400 }, (_, index) => {
      return { id: `m${index}`, role: 'assistant', content: 'x'.repeat(1_000) };
    });
    const messages = [...old, { id: 'q', role: 'user', content: 'say 1 1' }];
    const answer = await post(baseUrl, '/ag-ui', inputOf('', { messages }), ann);

    expect(answer.status).toBe(200);
  });

  test('who is nobody', async () => {
    expect(codeOf(await post(baseUrl, '/ag-ui', inputOf('hi')))).toBe('401 UNAUTHENTICATED');
    expect(codeOf(await get('/ag-ui/runs/gen_1', {}))).toBe('401 UNAUTHENTICATED');
    expect(codeOf(await get('/ag-ui/info', {}))).toBe('401 UNAUTHENTICATED');
  });

  test('another user, to whom it looks as if there were nothing', async () => {
    const threadId = randomUUID();
    const hers = await post(baseUrl, '/ag-ui', inputOf('approve', { threadId }), ann);
    const location = text(hers.headers['location']);
    const resume = resumeOf(hers, true);
    const [{ event } = { event: {} }] = framesOf(hers.text);
    const { conversationId } = object(object(object(event)['metadata'])['holdfast']);

    const missing = await get('/ag-ui/runs/gen_missing', bob);
    const foreign = await get(location, bob);
    expect(codeOf(foreign)).toBe('404 NOT_FOUND');
    expect(foreign.text).toBe(missing.text);
    for (const name of [threadId, conversationId]) {
      const answer = inputOf('', { threadId: name, resume });
      expect(codeOf(await post(baseUrl, '/ag-ui', answer, bob))).toBe('404 NOT_FOUND');
      const stop = await post(baseUrl, '/ag-ui/stop', { threadId: name }, bob);
      expect(codeOf(stop)).toBe('404 NOT_FOUND');
      const back = await post(baseUrl, '/ag-ui/connect', { threadId: name }, bob);
      expect(framesOf(back.text)).toEqual([]);
    }
    // The same names make a thread, and a run, of his own.
    const input = inputOf('say 1 1', { threadId });
    const his = await post(baseUrl, '/ag-ui', input, bob);
    expect(his.text).toContain('word1');
    expect(his.text).not.toContain(text(conversationId));
    const again = await post(baseUrl, '/ag-ui', { ...input, threadId: randomUUID() }, ann);
    expect(again.status).toBe(200);
  });

  test('a second run while one is under way, and a run of another question', async () => {
    const threadId = randomUUID();
    const input = inputOf('approve', { threadId });
    await post(baseUrl, '/ag-ui', input, ann);

    const busy = await post(baseUrl, '/ag-ui', inputOf('say 1 1', { threadId }), ann);
    expect(codeOf(busy)).toBe('409 CONVERSATION_BUSY');
    const other = inputOf('say 2 1', { threadId, runId: input['runId'] });
    expect(codeOf(await post(baseUrl, '/ag-ui', other, ann))).toBe('409 IDEMPOTENCY_CONFLICT');
  });

  test('answers that do not fit what is asked, and the pause stays as it was', async () => {
    const threadId = randomUUID();
    const asked = await post(baseUrl, '/ag-ui', inputOf('approve 2', { threadId }), ann);
    const [first = {}] = resumeOf(asked, true);
    const answer = (resume: Shape[]) =>
      post(baseUrl, '/ag-ui', inputOf('', { threadId, resume }), ann).then(codeOf);
    const { interrupts } = object(framesOf(asked.text).at(-1)?.event['outcome']);
    const ids = list(interrupts).map((it) => text(object(it)['id']));
    const all = (payload: unknown): Shape[] =>
      ids.map((interruptId) => ({ interruptId, status: 'resolved', payload }));
    const stale = ids.map((id) => id.replace(/^act_[^:]*/, 'act_other'));

    expect(await answer([first])).toBe('400 UNDECIDED');
    expect(await answer([...all(true), first])).toBe('400 DUPLICATE_DECISION');
    expect(await answer([...all(true), { ...first, interruptId: `${ids[0]}x` }])).toBe(
      '400 UNKNOWN_TOOL_CALL',
    );
    expect(await answer(all('retry'))).toBe('403 DECISION_NOT_ALLOWED');
    expect(await answer(all({ decision: 'edit' }))).toBe('400 INCOMPLETE_DECISION');
    expect(await answer(all({ approved: true, editedArgs: { to: 1 } }))).toBe(
      '422 EDITED_ARGS_INVALID',
    );
    expect(await answer(all({ approved: true, decision: 'reject' }))).toBe('400 INVALID_REQUEST');
    expect(await answer(stale.map((interruptId) => ({ ...first, interruptId })))).toBe(
      '409 STALE_ACTION',
    );
    expect(await answer(all(true))).toBe('200 -');
    expect(await answer(all(true))).toBe('200 -');
    expect(await answer(all(false))).toBe('409 ACTION_ALREADY_RESOLVED');
  });

  test('an agent that is not there', async () => {
    expect(codeOf(await post(baseUrl, runOf('other'), inputOf('hi'), ann))).toBe('404 NOT_FOUND');
    for (const agent of ['demo', 'default']) {
      const answer = await post(baseUrl, runOf(agent), inputOf('say 1 1'), ann);
      await verified(framesOf(answer.text).map(({ event }) => event));
    }
    const info = await get('/ag-ui/info', ann);
    expect(info.json['agents']).toMatchObject({
      default: { capabilities: { humanInTheLoop: { approvals: true } } },
      demo: { name: 'demo' },
    });
  });

  test('ids that are made to harm', async () => {
    for (const id of ['%00', '..%2f..%2fetc', '%ff', 'x'.repeat(2_000), '%E0%A4%A', '__proto__']) {
      for (const path of [`/ag-ui/runs/${id}`, `/ag-ui/runs/gen_1?runId=${id}%00&after=${id}`]) {
        const { status } = await get(path, { ...ann, 'last-event-id': 'x.1.1.1' });
        expect([400, 404]).toContain(status);
      }
      const stop = await post(baseUrl, `/ag-ui/agent/default/stop/${id}`, undefined, ann);
      expect([400, 404]).toContain(stop.status);
    }
    for (const threadId of ['__proto__', '../../x', "'; drop table", '{"$gt":""}', 'ü 🙂']) {
      const { status, text: body } = await post(
        baseUrl,
        '/ag-ui',
        inputOf('say 1 1', { threadId }),
        ann,
      );
      expect(status).toBe(200);
      expect(framesOf(body)[0]?.event['threadId']).toBe(threadId);
    }
  });

  test('a cursor of another stream is none', async () => {
    const one = await post(baseUrl, '/ag-ui', inputOf('say 1 1'), ann);
    const other = await post(baseUrl, '/ag-ui', inputOf('say 1 1'), ann);
    const cursor = text(framesOf(other.text).at(-1)?.id);
    const headers = { ...ann, 'last-event-id': cursor };
    const read = await get(text(one.headers['location']), headers);

    expect(framesOf(read.text)).toEqual(framesOf(one.text));
  });

  test('CopilotKit stops a thread without a body', async () => {
    const threadId = 'a thread/with a slash';
    await post(baseUrl, '/ag-ui', inputOf('approve', { threadId }), ann);
    const path = `/ag-ui/agent/default/stop/${encodeURIComponent(threadId)}`;
    const stopped = await post(baseUrl, path, undefined, ann);

    expect(stopped.json).toMatchObject({ stopped: true, threadId });
  });
});
