import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openService } from '../../../src/service.ts';
import { request, turnOf } from '../../support/api.ts';
import { startFakeOpenAi } from '../../support/fake-openai.ts';
import { answer, calls } from '../../support/played-model.ts';
import { eventually } from '../../support/services.ts';
import { list, object, text } from '../../support/shape.ts';

const EXAMPLE = 'examples/file-agent/holdfast.yaml';

test("the walk of docs/AGENTS.md: a file, an MCP server's tool behind an approval, approved, done", async () => {
  await using model = await startFakeOpenAi([
    calls(['mcp__tickets__list_tickets', {}]),
    calls(['mcp__tickets__close_ticket', { id: 'T-2' }]),
    answer('T-2 is ', 'closed.'),
  ]);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-walk-'));
  const file = join(folder, 'holdfast.yaml');
  await writeFile(file, await readFile(EXAMPLE, 'utf8'));
  const service = await openService({
    env: {
      PORT: '0',
      PROFILE: 'memory',
      LOG_LEVEL: 'silent',
      HOLDFAST_CONFIG: file,
      OPENAI_API_KEY: 'sk-test',
      OPENAI_BASE_URL: model.baseURL,
    },
  });
  try {
    const body = { text: 'My tyre is fine again, please close the ticket.' };
    const turn = turnOf((await request(service.url, { path: '/api/chat', body })).json);
    let action = {};
    await eventually('somebody is asked', async () => {
      const { items } = (await request(service.url, { path: '/api/approvals' })).json;
      [action = {}] = list(items).map((item) => object(item));
      return 'actionId' in action;
    });
    const { actionId, generationId, requests } = object(action);
    const [call] = list(requests).map((each) => object(each));
    const decisions = [{ toolCallId: text(call?.['toolCallId']), decision: 'approve' }];
    await request(service.url, {
      path: '/api/chat/resume',
      body: { generationId, actionId, decisions },
    });
    const { text: stream } = await request(service.url, { path: turn.streamPath });

    expect(call).toMatchObject({
      name: 'mcp__tickets__close_ticket',
      args: { id: 'T-2' },
      description: 'Closing a ticket can not be undone.',
    });
    expect(stream).toContain('A flat tyre');
    expect(stream).toContain('T-2 is closed.');
    expect(stream).toMatch(/event: done\ndata: .*"completed"/);
  } finally {
    await service.close();
    await rm(folder, { recursive: true });
  }
});
