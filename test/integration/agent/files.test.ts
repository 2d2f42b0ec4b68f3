import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { NO_FILES, type RunFiles } from '../../../src/agent/run-files.ts';
import { mapChunk, mapperState } from '../../../src/agent/event-mapper.ts';
import { contextOf, type ToolRun } from '../../../src/agent/tools.ts';
import { fileSchema } from '../../../src/config/file/schema.ts';
import { NO_TRACER } from '../../../src/lib/tracing.ts';
import { request } from '../../support/api.ts';
import { memoryFiles, type MemoryFiles } from '../../support/files.ts';
import { role, say, startFakeOpenAi, stop, type FakeOpenAi } from '../../support/fake-openai.ts';
import { startLimitedService, type LimitedService } from '../../support/limited-service.ts';
import { isShape, type Shape } from '../../support/shape.ts';

/** Files on their way to a model and out of a tool (docs/AGENTS.md section 9). */

const PNG = Buffer.from('\x89PNG\r\n\x1a\n and more', 'latin1');

let model: FakeOpenAi;
let service: LimitedService;

async function upload(name: string, bytes: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const answer = await fetch(`${service.url}/api/files`, {
    method: 'POST',
    headers: { 'x-file-name': name },
    body: bytes,
  });
  const json: unknown = await answer.json();
  return isShape(json) ? String(json['fileId']) : '';
}

const refs = (...ids: string[]) => ({ files: ids.map((fileId) => ({ fileId })) });

/** What the model was given of the user's side, one entry for each message. */
function given(at = 0): unknown[] {
  const { messages } = model.requests[at]?.body ?? {};
  const all = Array.isArray(messages) ? messages.filter(isShape) : [];
  return all.filter((message) => message['role'] === 'user').map((message) => message['content']);
}

async function messagesOf(conversationId: string): Promise<Shape[]> {
  const { json } = await request(service.url, {
    path: `/api/conversations/${conversationId}/messages`,
  });
  return Array.isArray(json['items']) ? json['items'].filter(isShape) : [];
}

async function refusal(over: Shape): Promise<string> {
  const { status, json } = await service.chat('Look.', over);
  const { error } = json;
  return `${status} ${String(isShape(error) ? error['code'] : '')}`;
}

describe('files of a turn', () => {
  beforeAll(async () => {
    model = await startFakeOpenAi([{ acts: [role, ...say('I see.'), ...stop] }]);
    const { agents, providers, defaultAgent } = fileSchema.parse({
      defaultAgent: 'sees',
      agents: [
        { id: 'sees', model: 'fake:sees' },
        { id: 'reads', model: 'fake:reads', files: ['text/*', 'application/json'] },
      ],
      providers: { fake: { type: 'openai', baseUrl: model.baseURL } },
    });
    service = await startLimitedService({ agents, providers, defaultAgent });
  });

  afterAll(async () => {
    await service.stop();
    await model[Symbol.asyncDispose]();
  });

  beforeEach(() => {
    model.requests.length = 0;
  });

  test('images go as images, texts as text, others by name; the message shows them', async () => {
    const image = await upload('a.png', PNG);
    const text = await upload('b.md', '# Hello');
    const zip = await upload('c.zip', 'PK\x03\x04');

    const { turn } = await service.turn('Look.', refs(image, text, zip));

    expect(given()).toEqual([
      [
        {
          type: 'text',
          text: 'Look.\n\n[attachment: a.png (image/png)]\n\n[attachment: b.md (text/markdown)]\n\n[attachment: c.zip (application/zip)]',
        },
        {
          type: 'image_url',
          image_url: { url: `data:image/png;base64,${PNG.toString('base64')}` },
        },
        { type: 'text', text: 'File b.md (text/markdown):\n# Hello' },
      ],
    ]);
    const [asked] = await messagesOf(turn.conversationId);
    expect(asked?.['content']).toEqual([
      { type: 'text', text: 'Look.' },
      { type: 'attachment', name: 'a.png', mediaType: 'image/png', url: `/api/files/${image}` },
      { type: 'attachment', name: 'b.md', mediaType: 'text/markdown', url: `/api/files/${text}` },
      { type: 'attachment', name: 'c.zip', mediaType: 'application/zip', url: `/api/files/${zip}` },
    ]);
  });

  test('later turns see them too, and a line where one was deleted', async () => {
    const text = await upload('b.txt', 'first words');
    const { turn } = await service.turn('One.', refs(text));
    await service.turn('Two.', { conversationId: turn.conversationId });
    await fetch(`${service.url}/api/files/${text}`, { method: 'DELETE' });
    await service.turn('Three.', { conversationId: turn.conversationId });

    const line = 'One.\n\n[attachment: b.txt (text/plain)]';
    const file = { type: 'text', text: 'File b.txt (text/plain):\nfirst words' };
    expect(given(1)).toEqual([[{ type: 'text', text: line }, file], 'Two.']);
    const gone = { type: 'text', text: '[b.txt: this file was deleted]' };
    expect(given(2)[0]).toEqual([{ type: 'text', text: line }, gone]);
  });

  test('a long text is cut, and the newest files come first', async () => {
    const long = await upload('long.txt', 'ä'.repeat(70_000));
    const { turn } = await service.turn('Read.', refs(long));

    const content = JSON.stringify(given());
    expect(content).toContain('[cut after 131072 of 140000 bytes]');
    expect(content).not.toContain('\uFFFD');
    for (let n = 0; n < 4; n += 1) {
      const another = await upload('more.txt', `${n}${'x'.repeat(131_071)}`);
      await service.turn('And this.', { conversationId: turn.conversationId, ...refs(another) });
    }
    expect(JSON.stringify(given(4)[0])).toContain('[long.txt: there are newer files]');
  });

  test('what is not there, not taken, or too many, is refused before anything is written', async () => {
    const image = await upload('a.png', PNG);
    const texts: string[] = [];
    for (let n = 0; n < 11; n += 1) texts.push(await upload('t.txt', String(n)));
    expect(await refusal(refs('file_0'))).toBe('404 NOT_FOUND');
    expect(await refusal(refs('../../etc/passwd'))).toBe('400 INVALID_REQUEST');
    expect(await refusal(refs(...texts))).toBe('400 INVALID_REQUEST');
    expect(await refusal({ agentId: 'reads', ...refs(image) })).toBe('422 FILE_NOT_ACCEPTED');
    expect(await refusal({ agentId: 'reads', ...refs(texts[0] ?? '') })).toBe('202 ');
  });
});

describe('files of a tool', () => {
  let demo: LimitedService;

  beforeAll(async () => {
    demo = await startLimitedService({});
  });

  afterAll(() => demo.stop());

  test('come as an attachment of the answer, and go with their conversation', async () => {
    const { turn, frames, state } = await demo.turn('file');

    expect(frames).toContain('event: attachment');
    const fold: unknown = state['state'];
    const message = isShape(fold) ? fold['message'] : undefined;
    const parts: unknown = isShape(message) ? message['content'] : [];
    const made = Array.isArray(parts)
      ? parts.filter(isShape).find(({ type }) => type === 'attachment')
      : undefined;
    expect(made).toMatchObject({ name: 'demo.txt', mediaType: 'text/plain' });
    const url = `${demo.url}${String(made?.['url'])}`;
    expect(await (await fetch(url)).text()).toBe('Made by the demo agent.');
    await fetch(`${demo.url}/api/conversations/${turn.conversationId}`, { method: 'DELETE' });
    expect((await fetch(url)).status).toBe(404);
  });
});

describe('a file that a tool saves', () => {
  let kept: MemoryFiles;

  beforeEach(() => {
    kept = memoryFiles();
  });

  afterEach(() => kept.close());

  const OWNER = { tenantId: 't', userId: 'ann' };
  const files: RunFiles = {
    read: (owner, fileId, maxBytes) => kept.files.read(owner, fileId, maxBytes),
    save: (owner, file) => kept.files.save(owner, file),
  };

  function execution(over: Partial<ToolRun> = {}) {
    const written: unknown[] = [];
    const run: ToolRun = {
      generationId: 'gen_1',
      conversationId: 'conv_1',
      owner: OWNER,
      timezone: null,
      ledger: { start: async () => ({ go: 'run' }), done: async () => undefined },
      files,
      keepsLarge: false,
      signal: new AbortController().signal,
      tracer: NO_TRACER,
      flow: async () => undefined,
      compile: () => Promise.reject(new Error('no agents here')),
      ...over,
    };
    const { context } = contextOf(run, {
      toolCall: { id: 'call_1' },
      writer: (data: unknown) => void written.push(data),
    });
    return { context, written };
  }

  const NOTE = { name: '../n.txt', mediaType: 'text/plain', data: 'hello' };

  test('is the same one in every execution of the call, and shown once', async () => {
    const first = execution();
    const second = execution();

    const one = await first.context.saveFile(NOTE);
    const two = await first.context.saveFile({ ...NOTE, data: 'other' });
    expect(await second.context.saveFile(NOTE)).toEqual(one);

    expect(one).toMatchObject({ name: 'n.txt', size: 5, mediaType: 'text/plain' });
    expect(two.fileId).not.toBe(one.fileId);
    expect(kept.blobs.size).toBe(2);
    let state = mapperState({ nextPart: 3 });
    const events = [...first.written, ...second.written].flatMap((mark) => {
      const mapped = mapChunk(state, [[], 'custom', mark]);
      state = mapped.state;
      return mapped.events;
    });
    const told = events.flatMap((event) => (event.type === 'event' ? [event.body] : []));
    expect(told).toEqual([
      { type: 'attachment', part: 3, name: 'n.txt', mediaType: 'text/plain', url: one.url },
      { type: 'attachment', part: 4, name: 'n.txt', mediaType: 'text/plain', url: two.url },
    ]);
    const again = mapperState({ nextPart: 5, attached: [one.url] });
    expect(mapChunk(again, [[], 'custom', second.written[0]]).events).toEqual([]);
  });

  test('is not written any more where the run was stopped, or where files can not be kept', async () => {
    const stopped = new AbortController();
    stopped.abort(new Error('stopped'));

    await expect(execution({ signal: stopped.signal }).context.saveFile(NOTE)).rejects.toThrow(
      'stopped',
    );
    await expect(execution({ files: NO_FILES }).context.saveFile(NOTE)).rejects.toThrow(
      'can not be saved',
    );
    expect(kept.blobs.size).toBe(0);
  });

  test('is one of at most a hundred of a call', async () => {
    const { context } = execution();
    for (let n = 0; n < 100; n += 1) await context.saveFile(NOTE);

    await expect(context.saveFile(NOTE)).rejects.toThrow('A call may save 100 files.');
  });

  test("is nobody else's", async () => {
    const { fileId } = await execution().context.saveFile(NOTE);

    expect(await files.read({ ...OWNER, userId: 'bob' }, fileId, 10)).toBeUndefined();
    expect(await files.read(OWNER, fileId, 3)).toEqual({ bytes: Buffer.from('hel'), size: 5 });
  });
});
