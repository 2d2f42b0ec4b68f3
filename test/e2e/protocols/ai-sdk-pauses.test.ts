import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  lastAssistantMessageIsCompleteWithApprovalResponses as approvalsAnswered,
  lastAssistantMessageIsCompleteWithToolCalls as toolsAnswered,
} from 'ai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from '../../support/api.ts';
import {
  approvalsOf,
  callsOf,
  type Client,
  type ClientOptions,
  clientOf,
  loadMessages,
  shown,
  textOf,
  toolPartsOf,
  until,
} from '../../support/ai-sdk.ts';
import { type ServerProcess, useServers } from '../../support/server-process.ts';
import { object, text } from '../../support/shape.ts';

/** docs/PROTOCOL.md section 10, AI SDK: approvals and questions, answered by the stock client's own helpers. */

const ready = ({ chat }: Client): Promise<void> => until(() => chat.status === 'ready');
const over = (it: Client): Promise<void> =>
  until(
    () =>
      it.chat.status === 'ready' && object(it.chat.lastMessage?.metadata)['status'] === 'completed',
  );

describe('a stock chat of the AI SDK that waits', () => {
  const servers = useServers();
  let server: ServerProcess;
  let count = 0;

  beforeAll(async () => {
    server = await servers.start({ PROFILE: 'memory', DEMO_LEDGER: 'ledger' });
  }, 60_000);

  const client = (options: ClientOptions = {}): Client =>
    clientOf(server.baseUrl, {
      id: `waits-${(count += 1)}`,
      sendAutomaticallyWhen: approvalsAnswered,
      ...options,
    });
  const ran = (toolCallId: string): number =>
    readFileSync(join(server.dataDir, 'ledger'), 'utf8').split(`"${toolCallId}"`).length - 1;
  const decide = (body: unknown) => request(server.baseUrl, { path: '/api/chat/resume', body });

  async function waiting(said: string, options: ClientOptions = {}): Promise<Client> {
    const it = client(options);
    await it.chat.sendMessage({ text: said });
    expect(it.errors).toEqual([]);
    expect(it.finished.at(-1)?.reason).toBe('tool-calls');
    return it;
  }

  test('runs what is approved, once, and goes on in the same message', async () => {
    const it = await waiting('approve');
    const { chat } = it;
    expect(callsOf(chat.lastMessage)).toEqual(['send_email:approval-requested']);
    const messageId = chat.lastMessage?.id;

    for (const id of approvalsOf(chat.lastMessage)) {
      await chat.addToolApprovalResponse({ id, approved: true });
    }
    await over(it);

    expect(chat.messages).toHaveLength(2);
    expect(chat.lastMessage?.id).toBe(messageId);
    expect(callsOf(chat.lastMessage)).toEqual(['send_email:output-available']);
    expect(ran(toolPartsOf(chat.lastMessage)[0]?.toolCallId ?? '')).toBe(1);
    expect(textOf(chat.lastMessage)).toContain('This is what happened.');
    expect(shown(await loadMessages(server.baseUrl, chat.id))).toEqual(shown(chat.messages));
    expect(it.errors).toEqual([]);
  });

  test('tells the model of a rejection with its reason, and runs nothing', async () => {
    const it = await waiting('strict');
    const { chat } = it;
    const [id = ''] = approvalsOf(chat.lastMessage);

    await chat.addToolApprovalResponse({ id, approved: false, reason: 'Still needed.' });
    await over(it);

    expect(callsOf(chat.lastMessage)).toEqual(['delete_file:output-denied']);
    expect(textOf(chat.lastMessage)).toContain('Still needed.');
    expect(ran(toolPartsOf(chat.lastMessage)[0]?.toolCallId ?? '')).toBe(0);
    expect(shown(await loadMessages(server.baseUrl, chat.id))).toEqual(shown(chat.messages));
  });

  test('answers a batch when its last call is answered; the call that needs no approval runs then', async () => {
    const it = await waiting('approve 3');
    const { chat } = it;
    expect(callsOf(chat.lastMessage)).toEqual([
      'send_email:approval-requested',
      'note:output-available',
      'send_email:approval-requested',
      'send_email:approval-requested',
    ]);
    expect(toolPartsOf(chat.lastMessage)[1]).toMatchObject({ output: { status: 'waiting' } });
    const ids = approvalsOf(chat.lastMessage);

    for (const [index, id] of ids.entries()) {
      await chat.addToolApprovalResponse({ id, approved: index !== 1 });
    }
    await over(it);

    expect(callsOf(chat.lastMessage)).toEqual([
      'send_email:output-available',
      'note:output-available',
      'send_email:output-denied',
      'send_email:output-available',
    ]);
    const calls = toolPartsOf(chat.lastMessage);
    expect(calls[1]?.output).not.toEqual({ status: 'waiting' });
    expect(calls.map(({ toolCallId }) => ran(toolCallId))).toEqual([1, 1, 0, 1]);
    expect(it.finished).toHaveLength(2);
  });

  test('waits twice where the model asks twice', async () => {
    const it = await waiting('twice');
    const { chat } = it;
    const [first = ''] = approvalsOf(chat.lastMessage);
    await chat.addToolApprovalResponse({ id: first, approved: true });
    await until(() => approvalsOf(chat.lastMessage).some((id) => id !== first));
    await ready(it);
    expect(callsOf(chat.lastMessage)).toEqual([
      'send_email:output-available',
      'send_email:approval-requested',
    ]);

    const [second = ''] = approvalsOf(chat.lastMessage);
    await chat.addToolApprovalResponse({ id: second, approved: true });
    await over(it);

    expect(callsOf(chat.lastMessage)).toEqual([
      'send_email:output-available',
      'send_email:output-available',
    ]);
    expect(shown(await loadMessages(server.baseUrl, chat.id))).toEqual(shown(chat.messages));
  });

  test('answers what a sub-agent asks, whose parts name the way to it', async () => {
    const it = await waiting('sub');
    const { chat } = it;
    expect(callsOf(chat.lastMessage)).toEqual([
      'helper:output-available',
      'send_email:approval-requested',
    ]);
    const [helper] = toolPartsOf(chat.lastMessage);
    const path = { holdfast: { path: [helper?.toolCallId] } };
    expect(chat.lastMessage?.parts).toContainEqual(
      expect.objectContaining({ type: 'text', providerMetadata: path }),
    );
    expect(toolPartsOf(chat.lastMessage)[1]).toMatchObject({ callProviderMetadata: path });

    const [id = ''] = approvalsOf(chat.lastMessage);
    await chat.addToolApprovalResponse({ id, approved: true });
    await over(it);

    expect(callsOf(chat.lastMessage)).toEqual([
      'helper:output-available',
      'send_email:output-available',
    ]);
    expect(shown(await loadMessages(server.baseUrl, chat.id))).toEqual(shown(chat.messages));
  });

  test.each([
    ['a text', 'green'],
    ['answers by the ids of the questions', { answers: { q1: 'green' } }],
  ])('takes the output of ask_user as the answer: %s', async (_form, output) => {
    const it = await waiting('ask', { sendAutomaticallyWhen: toolsAnswered });
    const { chat } = it;
    const [part] = toolPartsOf(chat.lastMessage);
    expect(part).toMatchObject({
      type: 'tool-ask_user',
      state: 'input-available',
      input: { questions: [{ id: 'q1', question: 'Which colour do you like best?' }] },
    });
    const toolCallId = part?.toolCallId ?? '';
    expect(it.calls).toEqual([toolCallId]);

    await chat.addToolOutput({ tool: 'ask_user', toolCallId, output });
    await over(it);

    expect(callsOf(chat.lastMessage)).toEqual(['ask_user:output-available']);
    expect(textOf(chat.lastMessage)).toContain('green');
    const loaded = await loadMessages(server.baseUrl, chat.id);
    expect(callsOf(loaded[1])).toEqual(callsOf(chat.lastMessage));
    expect(it.errors).toEqual([]);
  });

  test.each([
    ['no answer', { colour: 'green' }],
    ['an answer to another question', { answers: { q7: 'green' } }],
    ['nothing', ''],
  ])('refuses %s with 400, and takes the next one', async (_what, output) => {
    const it = await waiting('ask', { sendAutomaticallyWhen: toolsAnswered });
    const { chat } = it;
    const toolCallId = toolPartsOf(chat.lastMessage)[0]?.toolCallId ?? '';

    await chat.addToolOutput({ tool: 'ask_user', toolCallId, output });
    await until(() => chat.status === 'error');
    expect(it.errors.join()).toContain('INCOMPLETE_DECISION');
    await chat.addToolOutput({ tool: 'ask_user', toolCallId, output: 'blue' });
    await over(it);

    expect(textOf(chat.lastMessage)).toContain('blue');
  });

  test('can be answered after a reload, from the messages alone', async () => {
    const { chat } = await waiting('approve 2');
    const messages = await loadMessages(server.baseUrl, chat.id);
    expect(shown(messages)).toEqual(shown(chat.messages));
    const it = client({ id: chat.id, messages });

    for (const id of approvalsOf(it.chat.lastMessage)) {
      await it.chat.addToolApprovalResponse({ id, approved: true });
    }
    await over(it);

    expect(it.chat.messages).toHaveLength(2);
    expect(callsOf(it.chat.lastMessage).every((call) => call.endsWith(':output-available'))).toBe(
      true,
    );
    expect(it.errors).toEqual([]);
  });

  test('is rebuilt by resumeStream after a reload, in the place of the message that is there', async () => {
    const { chat } = await waiting('approve');
    const it = client({ id: chat.id, messages: await loadMessages(server.baseUrl, chat.id) });

    await it.chat.resumeStream();

    expect(shown(it.chat.messages)).toEqual(shown(chat.messages));
    expect(approvalsOf(it.chat.lastMessage)).toEqual(approvalsOf(chat.lastMessage));
  });

  test('that was answered the same way in another tab reads along; another answer is refused', async () => {
    const first = await waiting('approve');
    const messages = () => loadMessages(server.baseUrl, first.chat.id);
    const same = client({ id: first.chat.id, messages: await messages() });
    const other = client({ id: first.chat.id, messages: await messages() });
    const [id = ''] = approvalsOf(first.chat.lastMessage);
    await first.chat.addToolApprovalResponse({ id, approved: true });
    await over(first);

    await same.chat.addToolApprovalResponse({ id, approved: true });
    await other.chat.addToolApprovalResponse({ id, approved: false });
    await over(same);
    await until(() => other.chat.status === 'error');

    expect(shown(same.chat.messages)).toEqual(shown(first.chat.messages));
    expect(same.errors).toEqual([]);
    expect(other.errors.join()).toContain('ACTION_ALREADY_RESOLVED');
    expect(ran(toolPartsOf(first.chat.lastMessage)[0]?.toolCallId ?? '')).toBe(1);
  });

  test('shows what was edited elsewhere, as it ran', async () => {
    const { chat } = await waiting('approve');
    const [part] = toolPartsOf(chat.lastMessage);
    const [id = ''] = approvalsOf(chat.lastMessage);
    const editedArgs = { to: 'bob@example.com', subject: 'Edited' };
    const generationId = text(object(chat.lastMessage?.metadata)['generationId']);
    const decision = { toolCallId: part?.toolCallId, decision: 'edit', editedArgs };
    const { status } = await decide({
      generationId,
      actionId: id.split(':')[0],
      decisions: [decision],
    });
    expect(status).toBe(202);
    const tab = client({ id: chat.id });
    await tab.chat.resumeStream();
    await until(async () => (await loadMessages(server.baseUrl, chat.id)).length === 2);
    const loaded = await loadMessages(server.baseUrl, chat.id);

    expect(toolPartsOf(loaded[1])[0]).toMatchObject({
      state: 'output-available',
      input: editedArgs,
    });
    await chat.addToolApprovalResponse({ id, approved: true });
    await until(() => chat.status === 'error');
    expect(callsOf(tab.chat.lastMessage).join()).toMatch(/^(send_email:output-available)?$/);
  });

  test('stopped, waits no longer: a late answer is refused with 409, and the next message is taken', async () => {
    const it = await waiting('approve');
    const { chat } = it;
    const [id = ''] = approvalsOf(chat.lastMessage);
    await request(server.baseUrl, { method: 'POST', path: `/ai-sdk/chat/${chat.id}/stop` });

    await chat.addToolApprovalResponse({ id, approved: true });
    await until(() => chat.status === 'error');

    expect(it.errors.join()).toContain('ACTION_ALREADY_RESOLVED');
    const loaded = await loadMessages(server.baseUrl, chat.id);
    expect(callsOf(loaded[1])).toEqual(['send_email:output-error']);
    await chat.sendMessage({ text: 'say 1 0 on' });
    expect(textOf(chat.lastMessage)).toBe('on1');
  });
});
