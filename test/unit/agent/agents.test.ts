import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AIMessageChunk } from '@langchain/core/messages';
import { createAgentCatalog, fingerprintOf, plainAgent } from '../../../src/agent/catalog.ts';
import { subAgentTool } from '../../../src/agent/sub-agent.ts';
import { OPEN_POLICY } from '../../../src/hitl/tool-policy.ts';
import { demoAgent } from '../../../src/agent/demo-agent.ts';
import { DemoModel } from '../../../src/agent/demo-model.ts';
import { script } from '../../../src/agent/demo-script.ts';
import { createModels } from '../../../src/agent/models.ts';
import { createTitler, titleFromText } from '../../../src/agent/titler.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { ScriptedModel } from '../../support/scripted-model.ts';

const clock = new FakeClock();
const demo = () => new DemoModel({ clock, newId: () => 'x' });

const tokens = (text: string, results: string[] = []): string =>
  [...script(text, results)].map((step) => ('token' in step ? step.token : step.do)).join('');

describe('catalog', () => {
  const agents = [demoAgent({ clock, ledgerFile: undefined }), plainAgent('openai:gpt-4o')];
  const request = {
    timezone: null,
    anchor: '2026-01-01T00:00:00.000Z',
    route: { by: 'default' as const },
    files: [],
    metadata: {},
  };

  test('freezes the default agent, a named one, and none that does not exist', () => {
    const catalog = createAgentCatalog({ agents, defaultAgent: 'default', policy: OPEN_POLICY });

    expect(catalog.freeze({ ...request, agentId: undefined })).toMatchObject({
      agentId: 'default',
      model: 'openai:gpt-4o',
    });
    expect(catalog.freeze({ ...request, agentId: 'demo' })).toMatchObject({ model: 'demo' });
    expect(catalog.freeze({ ...request, agentId: 'nobody' })).toBeUndefined();
  });

  test('the fingerprint changes with instructions and tools, and with nothing else', () => {
    const [agent = plainAgent('demo')] = agents;

    expect(fingerprintOf(demoAgent({ clock, ledgerFile: '/elsewhere' }))).toBe(
      fingerprintOf(agent),
    );
    expect(fingerprintOf({ ...agent, instructions: 'other' })).not.toBe(fingerprintOf(agent));
    expect(fingerprintOf({ ...agent, tools: agent.tools.slice(1) })).not.toBe(fingerprintOf(agent));
  });

  test('freezes both policies, and knows the fingerprint of an agent as it is now', () => {
    const policy = { ...OPEN_POLICY, deny: ['rm'] };
    const catalog = createAgentCatalog({ agents, defaultAgent: 'demo', policy });
    const spec = catalog.freeze({ ...request, agentId: undefined });

    expect(spec?.policy.service).toEqual(policy);
    expect(spec?.policy.agent.ask).toEqual(['send_email', 'delete_file']);
    const { fingerprint = '' } = spec ?? {};
    expect(catalog.knows({ agentId: 'demo', fingerprint })).toBe(true);
    expect(catalog.knows({ agentId: 'demo', fingerprint: 'other' })).toBe(false);
    expect(catalog.knows({ agentId: 'nobody', fingerprint })).toBe(false);
  });

  test('the fingerprint changes with the policy, and with a tool of a sub-agent', () => {
    const [agent = plainAgent('demo')] = agents;
    const stricter = { ...agent, toolApproval: OPEN_POLICY };
    const boss = (inner: typeof agent) => ({
      ...agent,
      tools: [subAgentTool({ name: 'inner', description: 'x', agent: inner })],
    });

    expect(fingerprintOf(stricter)).not.toBe(fingerprintOf(agent));
    expect(fingerprintOf(boss({ ...agent, tools: [] }))).not.toBe(fingerprintOf(boss(agent)));
  });

  test('refuses two agents of one name, and a default that does not exist', () => {
    const [agent = plainAgent('demo')] = agents;

    expect(() =>
      createAgentCatalog({ agents: [agent, agent], defaultAgent: 'demo', policy: OPEN_POLICY }),
    ).toThrow('same id');
    expect(() => createAgentCatalog({ agents, defaultAgent: 'x', policy: OPEN_POLICY })).toThrow(
      "'x'",
    );
  });
});

describe('models', () => {
  test.each([
    ['gpt-4o', {}, "Unknown model 'gpt-4o'"],
    ['cohere:x', {}, 'openai, anthropic'],
    ['openai:', {}, 'Unknown model'],
    ['openai:gpt-4o', {}, 'needs OPENAI_API_KEY'],
    ['anthropic:claude-x', {}, 'needs ANTHROPIC_API_KEY'],
  ])('%s with %j is refused with a sentence', async (name, env, said) => {
    await expect(createModels({ env, demo }).check(name)).rejects.toThrow(said);
  });

  test.each([
    ['demo', {}],
    ['openai:gpt-4o', { OPENAI_API_KEY: 'k' }],
    ['openai:local', { OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' }],
    ['anthropic:claude-sonnet-4-5', { ANTHROPIC_API_KEY: 'k' }],
  ])('%s with %j is accepted', async (name, env) => {
    await expect(createModels({ env, demo }).check(name)).resolves.toBeUndefined();
  });
});

describe('demo script', () => {
  test('say takes 10 ms and the word "word" where nothing is said, and at most 100,000 words', () => {
    expect([...script('say 2', [])]).toEqual([
      { do: 'say', token: 'word1', afterMs: 10 },
      { do: 'say', token: ' word2', afterMs: 10 },
    ]);
    expect([...script('say 999999999 0', [])]).toHaveLength(100_000);
  });

  test('a tool is called once, then its result is told', () => {
    expect(tokens('slow 0.5')).toContain('call');
    expect(tokens('slow 0.5', ['slept'])).toBe('The tool answered: slept');
  });
});

describe('titles from the text', () => {
  test.each([
    ['How do I boil an egg? I have never done it.', 'How do I boil an egg?'],
    ['\n\n  Second line\nthird', 'Second line'],
    ['One sentence.', 'One sentence'],
    ['a\u0000b\u001b[31mred\u202e', 'a b [31mred'],
    ['', 'New conversation'],
    ['\u200b\n', 'New conversation'],
  ])('%j', (text, title) => {
    expect(titleFromText(text)).toBe(title);
  });

  test('a long sentence is cut at a word, a long word where it must be', () => {
    const cut = titleFromText('word '.repeat(50));
    const hard = titleFromText('😀'.repeat(100));

    expect(cut).toMatch(/^(word )+word…$/);
    expect(cut.length).toBeLessThanOrEqual(60);
    expect([...new Intl.Segmenter().segment(hard)]).toHaveLength(60);
  });
});

describe('titler', () => {
  let failures: unknown[] = [];
  beforeEach(() => {
    failures = [];
  });
  afterEach(() => {
    if (clock.pending > 0) throw new Error('a timer is left');
  });
  const signal = new AbortController().signal;
  const titler = (model: ScriptedModel | undefined) =>
    createTitler({
      modelOf: () => model && (async () => model),
      clock,
      timeoutMs: 1_000,
      failed: (error) => failures.push(error),
    });
  const answers = (text: string) => new ScriptedModelThatAnswers(text);

  class ScriptedModelThatAnswers extends ScriptedModel {
    readonly #text: string;
    constructor(text: string) {
      super(() => []);
      this.#text = text;
    }
    override async _generate() {
      const usage_metadata = { input_tokens: 1, output_tokens: 2, total_tokens: 3 };
      const message = Object.assign(new AIMessageChunk(this.#text), { usage_metadata });
      return { generations: [{ text: this.#text, message }] };
    }
  }

  test('the model writes it, without quotes and on one line', async () => {
    expect(await titler(answers('"Boiling\neggs".')).title('How do I?', signal)).toBe(
      'Boiling eggs',
    );
  });

  test('it is paid for, and not asked for where nothing is left to pay', async () => {
    const model = new ScriptedModelThatAnswers('Eggs');
    const paid: unknown[] = [];
    let left = true;
    const of = { agentId: 'a', owner: { tenantId: 't', userId: 'u' }, generationId: 'g' };
    const metered = createTitler({
      modelOf: () => async () => model,
      meterOf: ({ generationId }) => ({
        check: async () => {
          if (!left) throw new Error('over');
        },
        used: async (call, { outputTokens }) => void paid.push([generationId, call, outputTokens]),
      }),
      clock,
      timeoutMs: 1_000,
      failed: (error) => failures.push(error),
    });

    expect(await metered.title('How do I?', signal, of)).toBe('Eggs');
    left = false;
    expect(await metered.title('How do I?', signal, of)).toBe('How do I?');
    expect(paid).toEqual([['g', 'title', 2]]);
  });

  test('without a model, or with one that says nothing, it comes from the text', async () => {
    expect(await titler(undefined).title('How do I?', signal)).toBe('How do I?');
    expect(await titler(answers(' ')).title('How do I?', signal)).toBe('How do I?');
  });

  test('a model that hangs or fails is not waited for', async () => {
    class Hanging extends ScriptedModelThatAnswers {
      override async _generate(): Promise<never> {
        return new Promise(() => undefined);
      }
    }
    const title = titler(new Hanging('')).title('How do I?', signal);
    await settle();

    await clock.advance(1_000);

    expect(await title).toBe('How do I?');
    expect(failures).toHaveLength(1);
  });

  test('a stop ends it at once and is no failure', async () => {
    const stop = new AbortController();
    const title = titler(new ScriptedModel(() => [])).title('How do I?', stop.signal);
    stop.abort();

    expect(await title).toBe('How do I?');
    expect(failures).toEqual([]);
  });
});
