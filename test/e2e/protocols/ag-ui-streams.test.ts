import { beforeAll, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { type AgUiFrame, framesOf, verified } from '../../support/ag-ui.ts';
import { inputOf, post, useAgUi } from '../../support/ag-ui-client.ts';
import { type ApiAnswer, request } from '../../support/api.ts';
import { list, object, type Shape, text } from '../../support/shape.ts';

const CUTS = Number(process.env['AG_UI_CUTS'] ?? 12);
/** Each cut leaves some to be said. */
const WORDS = 4 * CUTS;

function get(baseUrl: string, path: string, cursor?: string): Promise<ApiAnswer> {
  return request(baseUrl, {
    path,
    headers: cursor === undefined ? {} : { 'last-event-id': cursor },
  });
}

const locationOf = ({ headers }: ApiAnswer): string => text(headers['location'], 'Location');
const idOf = (frame: AgUiFrame | undefined): string => text(frame?.id, 'id');
const textOf = (frames: readonly AgUiFrame[]): string => frames.map((frame) => frame.text).join('');

/** Answers all interrupts that a stream ended with. */
function resumeOf(frames: readonly AgUiFrame[], payload: unknown): Shape[] {
  const { interrupts } = object(frames.at(-1)?.event['outcome']);
  return list(interrupts).map((it) => {
    return { interruptId: text(object(it)['id']), status: 'resolved', payload };
  });
}

interface Cut {
  frames: AgUiFrame[];
  location: string;
  /** Said behind the last frame of what is over. */
  over: boolean;
}

/** Reads so many frames of a live stream, then cuts the line. */
async function cutAfter(
  count: number,
  url: string,
  init: { method?: string; body?: string; headers?: Record<string, string> },
): Promise<Cut> {
  const headers = { 'content-type': 'application/json', ...init.headers };
  const response = await fetch(url, { ...init, headers });
  expect(response.status).toBe(200);
  const location = response.headers.get('location') ?? '';
  const decoder = new TextDecoder();
  let body = '';
  const whole = () => framesOf(body.slice(0, body.lastIndexOf('\n\n') + 2));
  for await (const chunk of response.body ?? []) {
    body += decoder.decode(chunk, { stream: true });
    // Leaving the loop closes the connection.
    if (whole().length < count) continue;
    return { frames: whole().slice(0, count), location, over: false };
  }
  return { frames: whole(), location, over: body.includes(': eos\n\n') };
}

describe('streams of AG-UI', () => {
  const scene = useAgUi();

  describe.each(['say 8 1', 'think 3 1', 'tool', 'sub', 'fail'])('of `%s`', (command) => {
    let answer: ApiAnswer;
    let frames: AgUiFrame[];
    beforeAll(async () => {
      answer = await post(scene.baseUrl, '/ag-ui', inputOf(command));
      frames = framesOf(answer.text);
    });

    test('go on behind every frame with the very same bytes', async () => {
      const location = locationOf(answer);
      const rest = await Promise.all(
        frames.map((frame) => get(scene.baseUrl, location, idOf(frame))),
      );

      rest.forEach((response, index) => {
        expect(textOf(framesOf(response.text))).toBe(textOf(frames.slice(index + 1)));
        expect(response.text).toMatch(/: eos\n\n$/);
      });
      const all = await get(scene.baseUrl, location);
      expect(textOf(framesOf(all.text))).toBe(textOf(frames));
    });

    test('are verified, and each frame has an id of its own', async () => {
      await verified(frames.map(({ event }) => event));
      expect(new Set(frames.map(idOf)).size).toBe(frames.length);
      expect(answer.headers['content-type']).toContain('text/event-stream');
      expect(answer.text).not.toContain('\nevent: ');
    });
  });

  test('that are cut again and again while they run lose nothing and say nothing twice', async () => {
    const threadId = randomUUID();
    const body = JSON.stringify(inputOf(`say ${WORDS} 10`, { threadId }));
    const url = `${scene.baseUrl}/ag-ui`;
    let cut = await cutAfter(3, url, { method: 'POST', body });
    const { location } = cut;
    const frames = [...cut.frames];
    for (let index = 0; !cut.over && index < CUTS * 20; index += 1) {
      const headers = { 'last-event-id': idOf(frames.at(-1)) };
      const more = index < CUTS ? 1 + (index % 4) : Infinity;
      cut = await cutAfter(more, scene.baseUrl + location, { headers });
      frames.push(...cut.frames);
    }

    await verified(frames.map(({ event }) => event));
    expect(cut.over).toBe(true);
    const whole = await get(scene.baseUrl, location);
    expect(textOf(frames)).toBe(textOf(framesOf(whole.text)));
    const words = frames.map(({ event }) => text(event['delta'] ?? '')).join('');
    const all = Array.from({ length: WORDS }, (_, index) => `word${index + 1}`);
    expect(words).toBe(all.join(' '));
  }, 120_000);

  test('of an answer begin with its run, also where nothing of it had come yet', async () => {
    const threadId = randomUUID();
    const asked = await post(scene.baseUrl, '/ag-ui', inputOf('approve', { threadId }));
    const first = framesOf(asked.text);
    const resume = resumeOf(first, true);
    const runId = randomUUID();
    const body = inputOf('approve', { threadId, runId, resume });
    const answered = await post(scene.baseUrl, '/ag-ui', body);
    const second = framesOf(answered.text);

    expect(second[0]?.event).toMatchObject({ type: 'RUN_STARTED', runId, threadId });
    const again = await get(scene.baseUrl, locationOf(answered));
    expect(textOf(framesOf(again.text))).toBe(textOf(second));
    const middle = await get(scene.baseUrl, locationOf(answered), idOf(second[2]));
    expect(textOf(framesOf(middle.text))).toBe(textOf(second.slice(3)));

    // Who reads the first run again goes on past its pause, with the same bytes up to it.
    const past = framesOf((await get(scene.baseUrl, locationOf(asked))).text);
    expect(textOf(past.slice(0, first.length))).toBe(textOf(first));
    await verified(past.map(({ event }) => event));
    expect(past.map(({ id }) => id)).toEqual([...first, ...second].map(({ id }) => id));
    const repeated = await post(scene.baseUrl, '/ag-ui', body);
    expect(textOf(framesOf(repeated.text))).toBe(textOf(second));
  });

  test('go on where the same request comes again with a cursor, as TanStack AI does it', async () => {
    const { baseUrl } = scene;
    const threadId = randomUUID();
    const input = inputOf('approve', { threadId });
    const asked = framesOf((await post(baseUrl, '/ag-ui', input)).text);
    const cursor = { 'last-event-id': idOf(asked[3]) };
    const rest = framesOf((await post(baseUrl, '/ag-ui', input, cursor)).text);
    expect(textOf(rest)).toBe(textOf(asked.slice(4)));

    const answer = inputOf('approve', { threadId, resume: resumeOf(asked, true) });
    const second = framesOf((await post(baseUrl, '/ag-ui', answer)).text);
    const behind = { 'last-event-id': idOf(second[1]) };
    const more = framesOf((await post(baseUrl, '/ag-ui', answer, behind)).text);
    expect(textOf(more)).toBe(textOf(second.slice(2)));

    // Of another stream it is no cursor: a new turn is told from its beginning.
    const next = inputOf('say 1 1', { threadId });
    const fresh = framesOf((await post(baseUrl, '/ag-ui', next, behind)).text);
    expect(fresh[0]?.event.type).toBe('RUN_STARTED');
  });

  test('wait as a person waits, and are over for the moment', async () => {
    const threadId = randomUUID();
    const asked = await post(scene.baseUrl, '/ag-ui', inputOf('approve', { threadId }));
    const frames = framesOf(asked.text);
    const rest = await get(scene.baseUrl, locationOf(asked), idOf(frames.at(-1)));

    expect(asked.text).toMatch(/: eos\n\n$/);
    expect(framesOf(rest.text)).toEqual([]);
    expect(rest.text).toMatch(/: eos\n\n$/);
  });

  test('of a thread begin with what came before, and can be cut too', async () => {
    const threadId = randomUUID();
    const { baseUrl } = scene;
    await post(baseUrl, '/ag-ui', inputOf('say 1 1 old', { threadId }));
    await post(baseUrl, '/ag-ui', inputOf('say 2 1 new', { threadId }));
    const back = await post(baseUrl, '/ag-ui/connect', { threadId });
    const frames = framesOf(back.text);

    await verified(frames.map(({ event }) => event));
    expect(frames[1]?.event).toMatchObject({
      type: 'MESSAGES_SNAPSHOT',
      messages: [{ content: 'say 1 1 old' }, { content: 'old1' }, { content: 'say 2 1 new' }],
    });
    for (const index of [0, 1, 2]) {
      const rest = await get(baseUrl, locationOf(back), idOf(frames[index]));
      expect(textOf(framesOf(rest.text))).toBe(textOf(frames.slice(index + 1)));
    }
  });
});
