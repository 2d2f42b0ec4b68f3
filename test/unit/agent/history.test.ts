import { describe, expect, test } from '@jest/globals';
import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import * as fc from 'fast-check';
import { stepsFor } from '../../../src/agent/demo-steps.ts';
import { GO_ON } from '../../../src/agent/heard.ts';
import { toModelHistory } from '../../../src/agent/history.ts';
import type { Message, MessagePart, ToolCallPart } from '../../../src/stream/message.ts';

function message(role: Message['role'], content: MessagePart[], id = `m${Math.random()}`): Message {
  return {
    messageId: id,
    conversationId: 'c',
    parentMessageId: null,
    role,
    content,
    status: 'complete',
    agentId: 'demo',
    model: 'demo',
    createdAt: '2026-11-21T00:00:00.000Z',
  };
}
const text = (value: string): MessagePart => ({ type: 'text', text: value });
const call = (
  toolCallId: string,
  status: ToolCallPart['status'],
  output?: string,
): MessagePart => ({
  type: 'tool_call',
  toolCallId,
  name: 'add',
  args: { a: 1 },
  status,
  ...(output === undefined ? {} : { output }),
});

const steered = (id: string, heard = true): MessagePart => {
  return { type: 'steered', messageId: id, text: `say ${id}`, heard };
};

const shape = (messages: BaseMessage[]): string[] =>
  messages.map((m) =>
    ToolMessage.isInstance(m) ? `tool(${m.tool_call_id}):${m.text}` : `${m.type}:${m.text}`,
  );

describe('history for the model', () => {
  test('what the user wrote meanwhile stands where it was heard, or at the end', () => {
    const branch = [
      message('user', [text('hi')]),
      message('assistant', [
        text('let me see'),
        call('c1', 'ok', '3'),
        steered('s1'),
        steered('s2'),
        text('very well'),
        steered('s3', false),
      ]),
      message('user', [text('thanks')]),
    ];

    expect(shape(toModelHistory(branch))).toEqual([
      'human:hi',
      'ai:let me see',
      'tool(c1):3',
      'human:say s1\n\nsay s2',
      'ai:very well',
      'human:say s3\n\nthanks',
    ]);
  });

  test('text, calls and the text after them become assistant, tool and assistant messages', () => {
    const history = toModelHistory([
      message('user', [text('hi')]),
      message('assistant', [
        text('let me see'),
        call('c1', 'ok', '3'),
        call('c2', 'error', 'no'),
        text('it is 3'),
      ]),
      message('user', [text('thanks')]),
    ]);

    expect(shape(history)).toEqual([
      'human:hi',
      'ai:let me see',
      'tool(c1):3',
      'tool(c2):no',
      'ai:it is 3',
      'human:thanks',
    ]);
    expect(history[1]).toMatchObject({ tool_calls: [{ id: 'c1', args: { a: 1 } }, { id: 'c2' }] });
    expect(history[3]).toMatchObject({ status: 'error' });
  });

  test('a call without a result gets one that says what is known', () => {
    const history = toModelHistory([
      message('user', [text('go')]),
      message('assistant', [
        call('a', 'streaming'),
        call('b', 'waiting'),
        call('c', 'running'),
        call('d', 'ready', 'ignored'),
        call('e', 'rejected'),
        call('f', 'rejected', 'too dear'),
        call('g', 'outcome_unknown'),
      ]),
      message('user', [text('and?')]),
    ]);

    const texts = history.filter((m) => ToolMessage.isInstance(m)).map((m) => m.text);
    expect(texts[0]).toBe('This call was not run.');
    expect(texts[1]).toBe('This call was not run.');
    expect(texts[2]).toContain('may or may not have run');
    expect(texts[3]).toContain('may or may not have run');
    expect(texts[4]).toBe('The user rejected this call.');
    expect(texts[5]).toBe('too dear');
    expect(texts[6]).toContain('may or may not have run');
  });

  test('an unfinished text is kept, an empty failed message is left out, reasoning is not sent', () => {
    const partial = message('assistant', [{ type: 'reasoning', text: 'hmm' }, text('half an ans')]);
    const history = toModelHistory([
      message('user', [text('one')]),
      { ...partial, status: 'unfinished' },
      message('user', [text('two')]),
      { ...message('assistant', []), status: 'unfinished' },
      message('user', [text('three')]),
    ]);

    expect(shape(history)).toEqual(['human:one', 'ai:half an ans', 'human:two\n\nthree']);
  });

  test('what a sub-agent said and called is not sent', () => {
    const history = toModelHistory([
      message('user', [text('go')]),
      message('assistant', [
        call('outer', 'ok', 'summary'),
        { type: 'text', text: 'inner text', path: ['outer'] },
        {
          type: 'tool_call',
          toolCallId: 'inner',
          name: 'add',
          args: {},
          status: 'ok',
          path: ['outer'],
        },
        text('done'),
      ]),
    ]);

    expect(shape(history)).toEqual(['human:go', 'ai:', 'tool(outer):summary', 'ai:done']);
  });

  describe('answers that did not end well', () => {
    const cut = (content: MessagePart[], over: Partial<Message> = {}): Message => {
      return { ...message('assistant', content, 'cut'), status: 'unfinished', ...over };
    };
    const failed = { error: { code: 'AGENT_ERROR', message: 'The agent failed.' } };
    const goesOn = (...content: MessagePart[]): Message => {
      return { ...message('assistant', content, 'more'), parentMessageId: 'cut' };
    };
    const asked = message('user', [text('hi')]);

    test('a stopped one is sent with what it had said', () => {
      const history = toModelHistory([asked, cut([text('one')]), message('user', [text('two')])]);

      expect(shape(history)).toEqual(['human:hi', 'ai:one', 'human:two']);
    });

    test('a failed one is not sent, nor are its calls', () => {
      const partial = cut([text('one'), call('c1', 'ok', '3')], failed);

      const history = toModelHistory([asked, partial, message('user', [text('two')])]);

      expect(shape(history)).toEqual(['human:hi\n\ntwo']);
    });

    test('one that is gone on with ends with a request for the rest', () => {
      for (const over of [{}, failed]) {
        const history = toModelHistory([asked, cut([text('one')], over)]);

        expect(shape(history)).toEqual(['human:hi', 'ai:one', `human:${GO_ON}`]);
      }
    });

    test('the request follows the result of a call that was cut off, and needs words to follow', () => {
      const history = toModelHistory([asked, cut([text('one'), call('c1', 'running')])]);

      expect(shape(history).map((it) => it.slice(0, 8))).toEqual([
        'human:hi',
        'ai:one',
        'tool(c1)',
        'human:Yo',
      ]);
      expect(shape(toModelHistory([asked, cut([])]))).toEqual(['human:hi']);
    });

    test('one that was gone on with and what followed it are one answer, without a seam', () => {
      const thanks = message('user', [text('thanks')]);

      const branch = [asked, cut([text('on')], failed), goesOn(text('e'), call('c', 'ok', '3'))];
      expect(shape(toModelHistory([...branch, thanks]))).toEqual([
        'human:hi',
        'ai:one',
        'tool(c):3',
        'human:thanks',
      ]);
      expect(shape(toModelHistory([asked, cut([]), goesOn(text('one'))]))).toEqual([
        'human:hi',
        'ai:one',
      ]);
    });

    test('what the user says next is not part of it', () => {
      const next = { ...message('user', [text('two')]), parentMessageId: 'cut' };

      const history = toModelHistory([asked, cut([text('one')]), next]);

      expect(shape(history)).toEqual(['human:hi', 'ai:one', 'human:two']);
    });

    test('where the second attempt failed too only the first one is sent', () => {
      const again = { ...goesOn(text('two')), status: 'unfinished' as const, ...failed };

      const branch = [asked, cut([text('one')], failed), again, message('user', [text('so')])];
      expect(shape(toModelHistory(branch))).toEqual(['human:hi', 'ai:one', 'human:so']);
    });

    test.each([
      ['word1', ' word2 word3'],
      ['word1 word2 word3', ''],
      ['something else', 'word1 word2 word3'],
    ])('the demo model, cut off behind %j, says %j', (said, rest) => {
      const branch = [message('user', [text('say 3')]), cut([text(said)])];
      const tokens = [...stepsFor(toModelHistory(branch))].map((step) =>
        'token' in step ? step.token : step.do,
      );

      expect(tokens.join('')).toBe(rest);
    });
  });

  test('an attachment is named', () => {
    const part = { type: 'attachment', name: 'a.png', mediaType: 'image/png' } as const;

    const history = toModelHistory([message('user', [text('look'), part])]);

    expect(shape(history)).toEqual(['human:look\n\n[attachment: a.png (image/png)]']);
  });

  test('any messages give a history that providers accept', () => {
    const at = fc.option(fc.array(fc.string(), { minLength: 1, maxLength: 2 }), { nil: undefined });
    const status = fc.constantFrom<ToolCallPart['status']>(
      ...(['streaming', 'ready', 'waiting', 'running', 'denied'] as const),
      ...(['ok', 'error', 'rejected', 'responded', 'outcome_unknown'] as const),
    );
    const id = fc.oneof(fc.constantFrom('call_0', '', 'a b'), fc.string());
    const spoken = fc
      .tuple(fc.constantFrom('text' as const, 'reasoning' as const), fc.string(), at)
      .map(([type, value, path]): MessagePart => ({ type, text: value, path }));
    const called = fc
      .tuple(id, fc.string(), status, fc.string(), at)
      .map(([toolCallId, name, state, output, path]): MessagePart => {
        return { type: 'tool_call', toolCallId, name, args: {}, status: state, output, path };
      });
    const any = fc
      .tuple(
        fc.constantFrom<Message['role']>('user', 'assistant'),
        fc.array(fc.oneof(spoken, called), { maxLength: 8 }),
      )
      .map(([role, content]) => message(role, content, 'same-id'));

    fc.assert(
      fc.property(fc.array(any, { maxLength: 8 }), (messages) => {
        expect(faultsOf(toModelHistory(messages))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['a call without result', [ai('c')]],
    ['a result without call', [result('c')]],
    ['an empty answer', [new AIMessage('')]],
    ['the same speaker twice', [new HumanMessage('a'), new HumanMessage('b')]],
  ])('the check of this file sees %s', (_name, history) => {
    expect(faultsOf(history)).not.toEqual([]);
  });
});

function ai(id: string): AIMessage {
  return new AIMessage({ content: '', tool_calls: [{ id, name: 'add', args: {} }] });
}
function result(id: string): ToolMessage {
  return new ToolMessage({ tool_call_id: id, content: '' });
}

const callsOf = (each: BaseMessage | undefined): string[] =>
  AIMessage.isInstance(each)
    ? (each.tool_calls ?? []).map(({ id = '', name }) => (SAFE.test(name) ? id : ''))
    : [];
const SAFE = /^[\w-]{1,64}$/;

/** What OpenAI and Anthropic would refuse. */
function faultsOf(history: BaseMessage[]): string[] {
  const faults: string[] = [];
  const fault = (wrong: boolean, what: string): void => {
    if (wrong) faults.push(what);
  };
  let open: string[] = [];
  for (const [index, each] of history.entries()) {
    if (ToolMessage.isInstance(each)) {
      fault(open.shift() !== each.tool_call_id, 'result out of place');
      continue;
    }
    fault(open.length > 0, 'call without result');
    fault(each.type === history[index - 1]?.type, 'same speaker twice');
    open = callsOf(each);
    fault(each.text === '' && open.length === 0, 'empty message');
    fault(!open.every((id) => SAFE.test(id)), 'bad name or id');
  }
  fault(open.length > 0, 'call without result');
  const ids = [
    ...history.flatMap(callsOf),
    ...history.flatMap(({ id }) => (id ? [`m:${id}`] : [])),
  ];
  fault(new Set(ids).size < ids.length, 'id used twice');
  return faults;
}
