import { beforeAll, describe, expect, test } from '@jest/globals';
import { type ChatClient, createChatClient, type StreamState } from '../../../client/index.ts';
import { type ServerProcess, useServers } from '../../support/server-process.ts';

const textOf = (state: StreamState | undefined): string =>
  state?.message.content.map((part) => (part.type === 'text' ? part.text : '')).join('') ?? '';

const words = (count: number): string =>
  Array.from({ length: count }, (_, n) => `word${n + 1}`).join(' ');

/** The first state that waits for somebody. */
async function pauseOf(states: AsyncIterable<StreamState>) {
  for await (const { pendingAction } of states) if (pendingAction) return pendingAction;
  throw new Error('it never waited');
}

describe('the chat client on the product', () => {
  const servers = useServers();
  let server: ServerProcess;
  let chat: ChatClient;
  beforeAll(async () => {
    server = await servers.start({ PROFILE: 'memory' });
    chat = createChatClient({ baseUrl: server.baseUrl, maxRetryMs: 20 });
  });

  test('a POST whose answer is lost begins one generation', async () => {
    let lost = 0;
    const generations = new Set<string | null>();
    const careless = createChatClient({
      baseUrl: server.baseUrl,
      maxRetryMs: 5,
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        if (init?.method !== 'POST') return response;
        generations.add(response.headers.get('x-generation-id'));
        if (++lost > 3) return response;
        await response.body?.cancel();
        throw new TypeError('the line is cut');
      },
    });

    const turn = await careless.send('say 3 1');
    const { items } = await careless.messages(turn.conversationId);

    expect(textOf(await turn.done)).toBe(words(3));
    expect(lost).toBe(4);
    expect([...generations]).toEqual([turn.generationId]);
    expect(items.filter(({ role }) => role === 'user')).toHaveLength(1);
  });

  test('the states grow to the message that history has; a reload in the middle ends the same', async () => {
    const turn = await chat.send('say 40 5');
    const seen: string[] = [];
    for await (const state of turn.states()) {
      seen.push(textOf(state));
      if (seen.length === 5) break;
    }
    const reloaded = await chat.attach(turn.conversationId);
    const last = await reloaded?.done;
    const { items } = await chat.messages(turn.conversationId);

    expect(seen.every((text, at) => text.startsWith(seen[at - 1] ?? ''))).toBe(true);
    expect(textOf(last)).toBe(words(40));
    expect(items.at(-1)?.content).toEqual(last?.message.content);
    expect(await turn.done).toEqual(last);

    const finished = await chat.attach(turn.conversationId);
    const again: StreamState[] = [];
    for await (const state of finished?.states() ?? []) again.push(state);
    expect(again).toEqual([expect.objectContaining({ status: 'completed' })]);
  });

  test('what waits is found after a reload and in the list, and goes on when it is decided', async () => {
    const turn = await chat.send('approve');
    await pauseOf(turn.states());
    const reloaded = await chat.attach(turn.conversationId);
    const action = await pauseOf(reloaded?.states() ?? turn.states());
    const { items } = await chat.approvals();
    expect(items.map(({ actionId }) => actionId)).toContain(action.actionId);
    if (action.kind !== 'tool_approval') throw new Error(action.kind);

    const decisions = action.requests.map(({ toolCallId }) => ({
      toolCallId,
      decision: 'approve' as const,
    }));
    const [done] = await Promise.all([turn.done, chat.decide(action, decisions)]);
    expect(done).toMatchObject({ status: 'completed' });
    expect(done.message.content).toContainEqual(
      expect.objectContaining({ type: 'tool_call', status: 'ok', decision: 'approve' }),
    );

    const late = chat.decide(
      action,
      decisions.map(({ toolCallId }) => ({ toolCallId, decision: 'reject' })),
    );
    await expect(late).rejects.toMatchObject({ code: 'ACTION_ALREADY_RESOLVED', status: 409 });
  });

  test('a question is answered, a run is stopped, a conversation renamed and removed', async () => {
    const asking = await chat.send('ask');
    const question = await pauseOf(asking.states());
    await chat.answer(question, 'whatever you think');
    expect(await asking.done).toMatchObject({ status: 'completed' });

    const { conversationId } = asking;
    const hanging = await chat.send('hang', { conversationId });
    await expect(chat.send('more', { conversationId })).rejects.toMatchObject({
      code: 'CONVERSATION_BUSY',
      details: { generationId: hanging.generationId },
    });
    const [stopped] = await Promise.all([hanging.done, chat.abort(hanging)]);
    expect(stopped).toMatchObject({ status: 'aborted' });
    expect(await chat.abort(hanging)).toMatchObject({ alreadyFinished: true });

    expect(await chat.rename(conversationId, 'mine')).toMatchObject({ title: 'mine' });
    const { items } = await chat.conversations({ limit: 1 });
    expect(items).toHaveLength(1);
    await chat.remove(conversationId);
    await expect(chat.attach(conversationId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
