import { describe, expect, test } from '@jest/globals';
import { eventsOfState } from '../../../src/protocols/events-of-state.ts';
import { newestOf } from '../../../src/protocols/ag-ui/messages.ts';
import type { Message, MessagePart } from '../../../src/stream/message.ts';
import { verified } from '../../support/ag-ui.ts';
import {
  VIEW,
  created,
  say,
  call,
  result,
  agent,
  done,
  recovered,
  fold,
  of,
} from '../../support/ag-ui-log.ts';
import { aMessage } from '../../contract/conversation-store-kit.ts';

const big = (id: string): Message => ({
  ...aMessage(id),
  content: [{ type: 'text', text: 'x'.repeat(100_000) }],
});

describe('what stands after a crash', () => {
  const old: Message = {
    ...aMessage('msg_0', { role: 'assistant' }),
    content: [{ type: 'text', text: 'before' }],
  };
  const asked: Message = {
    ...aMessage('msg_1', { role: 'user' }),
    content: [{ type: 'text', text: 'hi' }],
  };

  test('replaces all that the client has, and the answer goes on with the same ids', async () => {
    const content: MessagePart[] = [
      { type: 'text', text: 'kept' },
      { type: 'steered', messageId: 'm3', text: 'rather', heard: true },
    ];
    const lost = [say(0, 'kept'), say(0, ' lost'), call(1, 'c1'), agent('started', 'c1')];
    const view = { ...VIEW, history: [old, asked] };
    const log = [created, ...lost, recovered(content), say(2, 'anew'), done('completed')];
    const told = fold(log, view);

    await verified(told.events);
    expect(of(told, 'MESSAGES_SNAPSHOT')).toMatchObject([
      {
        messages: [
          { id: 'msg_0:0', role: 'assistant', content: 'before' },
          { id: 'msg_1', role: 'user', content: 'hi' },
          { id: 'msg_2:0', role: 'assistant', content: 'kept' },
          { id: 'm3', role: 'user', content: 'rather' },
        ],
      },
    ]);
    expect(of(told, 'SUBAGENT_ERROR')).toMatchObject([{ code: 'RECOVERED' }]);
    expect(of(told, 'TEXT_MESSAGE_START').map((it) => it['messageId'])).toEqual([
      'msg_2:0',
      'msg_2:2',
    ]);
  });

  test('has the calls that are answered, whose results are not told twice', async () => {
    const made = { type: 'tool_call', toolCallId: 'c1', name: 'n', args: { a: 1 } } as const;
    const content: MessagePart[] = [{ ...made, status: 'ok', output: 'sent' }];
    const told = fold([created, recovered(content), result('c1'), done('completed')]);

    await verified(told.events);
    expect(of(told, 'TOOL_CALL_RESULT')).toEqual([]);
    expect(of(told, 'MESSAGES_SNAPSHOT')).toMatchObject([
      {
        messages: [
          { id: 'msg_1', content: 'hi' },
          { id: 'msg_2:0', toolCalls: [{ id: 'c1', function: { arguments: '{"a":1}' } }] },
          { id: 'c1:result', role: 'tool', content: 'sent' },
        ],
      },
    ]);
  });

  test('a view with a snapshot begins with what came before', async () => {
    const view = { ...VIEW, history: [old, asked], snapshot: true };
    const told = fold([created, say(0, 'x'), done('completed')], view);

    await verified(told.events);
    expect(told.events.slice(0, 2)).toMatchObject([
      { type: 'RUN_STARTED' },
      { type: 'MESSAGES_SNAPSHOT', messages: [{ id: 'msg_0:0' }, { id: 'msg_1' }] },
    ]);
  });

  test('a long history is cut at its oldest end', () => {
    const all = ['a', 'b', 'c', 'd'].map(big);

    expect(newestOf(all).map(({ messageId }) => messageId)).toEqual(['c', 'd']);
    expect(newestOf([])).toEqual([]);
  });

  test('is told from the record where the log is gone', async () => {
    const made = { type: 'tool_call', toolCallId: 'c1', name: 'n', args: { a: 1 } } as const;
    const content: MessagePart[] = [
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'kept' },
      { ...made, status: 'ok', output: 'sent' },
      { type: 'text', text: 'deep', path: ['c1'] },
    ];
    const message = { ...aMessage('msg_2', { role: 'assistant' }), content };
    const state = { generationId: 'gen_1', conversationId: 'conv_1', message };
    const view = { ...VIEW, history: [old, asked], snapshot: true };
    const told = fold(
      [...eventsOfState({ ...state, status: 'completed' }), done('completed')],
      view,
    );

    await verified(told.events);
    expect(of(told, 'MESSAGES_SNAPSHOT')).toMatchObject([
      { messages: [{ id: 'msg_0:0' }, { id: 'msg_1' }] },
    ]);
    expect(of(told, 'TEXT_MESSAGE_CONTENT').map((it) => it['delta'])).toEqual(['kept', 'deep']);
    expect(of(told, 'TOOL_CALL_RESULT')).toMatchObject([{ content: 'sent' }]);
  });
});
