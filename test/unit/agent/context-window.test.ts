import { describe, expect, test } from '@jest/globals';
import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages';
import type { BaseMessage } from '@langchain/core/messages';
import fc from 'fast-check';
import { shown, tokensOfAll } from '../../../src/agent/context-window.ts';
import { FILES_KEY } from '../../../src/agent/file-blocks.ts';
import { imageTokensOf } from '../../../src/agent/image-tokens.ts';
import { providerFaults } from '../../support/provider-rules.ts';

const RUNS = Number(process.env['CONTEXT_RUNS'] ?? '100');

interface AnyTurn {
  question: string;
  steps: { calls: number; text: string }[];
}

/** As toModelHistory would make it, and a run goes on with it. */
function historyOf(all: readonly AnyTurn[]): BaseMessage[] {
  let n = 0;
  const id = (): string => `m${(n += 1)}`;
  return all.flatMap(({ question, steps }, at): BaseMessage[] => {
    const asked = new HumanMessage({ id: id(), content: `${at}: ${question}` });
    const made = steps.flatMap(({ calls, text }, index): BaseMessage[] => {
      const ids = Array.from({ length: index < steps.length - 1 ? Math.max(calls, 1) : 0 }, id);
      const tool_calls = ids.map((call) => ({ id: call, name: 'look', args: {} }));
      return [
        new AIMessage({ id: id(), content: text, tool_calls }),
        ...ids.map((call) => new ToolMessage({ id: id(), tool_call_id: call, content: text })),
      ];
    });
    // An earlier turn without an answer is joined to the next question.
    return made.length === 0 && at < all.length - 1 ? [] : [asked, ...made];
  });
}

const questionOf = (messages: readonly BaseMessage[]): string =>
  messages.findLast((message) => HumanMessage.isInstance(message))?.text ?? '';

interface Of {
  maxTokens: number;
  keepMessages: number;
}

/** What must stay of a history that nothing was summarised of. */
function lostOf(
  history: readonly BaseMessage[],
  messages: readonly BaseMessage[],
  of: Of,
): string[] {
  const ids = new Set(messages.map(({ id }) => id));
  return history
    .slice(-of.keepMessages)
    .flatMap(({ id = '' }) => (ids.has(id) ? [] : [`${id} is lost`]));
}

/** A step that is kept whole may have a few messages more than must be kept. */
function isTooMuch(
  history: readonly BaseMessage[],
  messages: readonly BaseMessage[],
  of: Of,
): boolean {
  const must = [...history.slice(-of.keepMessages - 4), new HumanMessage(questionOf(history))];
  return tokensOfAll(messages) > of.maxTokens + tokensOfAll(must) + 100;
}

describe('what is shown of any history', () => {
  const words = fc.integer({ min: 1, max: 60 }).map((count) => 'wörd '.repeat(count));
  const step = fc.record({ calls: fc.integer({ min: 0, max: 3 }), text: words });
  const aTurn = fc.record({ question: words, steps: fc.array(step, { maxLength: 5 }) });
  const turns = fc.array(aTurn, { minLength: 1, maxLength: 8 });
  const limits = fc.record({
    maxTokens: fc.integer({ min: 1, max: 600 }),
    keepMessages: fc.integer({ min: 1, max: 12 }),
  });

  test('providers take it; what must stay stays; it fits unless that alone does not', () => {
    const { counterexample } = fc.check(
      fc.property(turns, limits, (all, of) => {
        const history = historyOf(all);
        const before = JSON.stringify(history);
        const messages = shown(history, undefined, of);
        const wrong = [
          ...providerFaults(messages),
          ...lostOf(history, messages, of),
          ...(questionOf(messages).endsWith(questionOf(history)) ? [] : ['the question is lost']),
          ...(isTooMuch(history, messages, of) ? ['too much'] : []),
          ...(JSON.stringify(history) === before ? [] : ['the history was changed']),
        ];
        expect(wrong).toEqual([]);
      }),
      { numRuns: RUNS },
    );

    expect(counterexample).toBeNull();
  });

  test('with a summary of any beginning it is one that providers take', () => {
    const { counterexample } = fc.check(
      fc.property(turns, limits, fc.nat(), (all, of, place) => {
        const history = historyOf(all);
        const at = place % history.length;
        // A summary never ends between a call and its result.
        fc.pre(!ToolMessage.isInstance(history[at + 1]));
        const messages = shown(history, { upTo: history[at]?.id ?? '', text: 'what was' }, of);
        const isWhole = tokensOfAll(history) <= of.maxTokens;

        expect(providerFaults(messages)).toEqual([]);
        expect(messages[0]?.text.includes('what was')).toBe(!isWhole);
        expect(questionOf(messages).endsWith(questionOf(history))).toBe(true);
      }),
      { numRuns: RUNS },
    );

    expect(counterexample).toBeNull();
  });
});

const withImages = (id: string, count: number) =>
  new HumanMessage({
    id,
    content: 'Look.',
    additional_kwargs: {
      [FILES_KEY]: Array.from({ length: count }, (_, n) => {
        return { fileId: `${id}${n}`, name: 'a.png', mediaType: 'image/png' };
      }).concat({ fileId: 't', name: 'a.txt', mediaType: 'text/plain' }),
    },
  });
const answer = (id: string) => new AIMessage({ id, content: 'I see.' });

describe('images', () => {
  test('cost what the provider of the model counts at most', () => {
    const local = { name: 'local', type: 'openai' as const, baseUrl: 'http://a', apiKey: '' };

    expect(imageTokensOf('openai:gpt-5', undefined)).toBe(1_445);
    expect(imageTokensOf('anthropic:claude', undefined)).toBe(1_600);
    expect(imageTokensOf('local:anthropic', local)).toBe(1_445);
    expect(imageTokensOf('demo', undefined)).toBe(1_600);
  });

  test('are counted where messages name them, and those that are not given cost a line', () => {
    const bare = tokensOfAll([withImages('m', 0)]);
    const costOf = (count: number) =>
      tokensOfAll([withImages('m', count)], { imageTokens: 1_000 }) - bare;

    expect([0, 1, 10].map(costOf)).toEqual([0, 1_000, 10_000]);
    expect(costOf(12)).toBe(10_032);
    expect(tokensOfAll([withImages('m', 1)]) - bare).toBe(1_600);
    const block = { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,AA' } };
    expect(tokensOfAll([new HumanMessage({ content: [block] })], { imageTokens: 9 })).toBe(13);
  });

  test('of old messages go where there is no room for them', () => {
    const history = [withImages('m1', 3), answer('m2'), withImages('m3', 1), answer('m4')];
    const of = { maxTokens: 2_000, keepMessages: 1, imageTokens: 1_000 };

    expect(shown(history, undefined, of).map(({ id }) => id)).toEqual([
      'context',
      'm2',
      'm3',
      'm4',
    ]);
    expect(shown(history, undefined, { ...of, maxTokens: 5_000 })).toHaveLength(4);
    expect(shown(history, undefined, { ...of, imageTokens: 400 })).toHaveLength(4);
  });
});
