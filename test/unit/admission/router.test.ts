import { describe, expect, test } from '@jest/globals';
import type { AgentCard, AgentChoice } from '../../../src/agent/agent-runner.ts';
import { createRouter } from '../../../src/admission/router.ts';
import { ruleFor, type RoutingRule, type TurnFacts } from '../../../src/admission/router-rules.ts';
import { NO_FILE } from '../../../src/config/file/live.ts';
import type { ConfigFile } from '../../../src/config/file/schema.ts';
import type { StartRequest } from '../../../src/stream/generations.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const rule = (name: string, when: RoutingRule['when'], agent = name): RoutingRule => {
  return { name, agent, when };
};
const facts = (over: Partial<TurnFacts> = {}): TurnFacts => {
  return { text: 'hello', mediaTypes: [], roles: [], metadata: {}, ...over };
};
const holds = (when: RoutingRule['when'], over: Partial<TurnFacts>): boolean =>
  ruleFor([rule('r', when)], facts(over)) !== undefined;

describe('a rule', () => {
  test.each<[string, RoutingRule['when'], Partial<TurnFacts>, boolean]>([
    ['text, whatever its case', { text: '^refund' }, { text: 'REFUND please' }, true],
    ['another text', { text: '^refund' }, { text: 'no refund' }, false],
    ['the beginning of a text', { text: 'x' }, { text: `${'a'.repeat(10_000)}x` }, false],
    ['an attachment of a kind', { attachment: 'image/*' }, { mediaTypes: ['image/png'] }, true],
    ['none of the kind', { attachment: 'image/*' }, { mediaTypes: ['text/plain'] }, false],
    ['a language', { locale: 'de' }, { locale: 'de-AT' }, true],
    ['a language in capitals', { locale: 'DE' }, { locale: 'de' }, true],
    ['one that only begins like it', { locale: 'de' }, { locale: 'del' }, false],
    ['no language', { locale: 'de' }, {}, false],
    ['a role', { role: 'vip' }, { roles: ['a', 'vip'] }, true],
    ['another role', { role: 'vip' }, { roles: ['vips'] }, false],
    [
      'metadata',
      { metadata: { tier: 1, beta: true } },
      { metadata: { tier: 1, beta: true } },
      true,
    ],
    ['metadata of another type', { metadata: { tier: 1 } }, { metadata: { tier: '1' } }, false],
    ['what every object has', { metadata: { constructor: 'x' } }, {}, false],
    ['all of several', { role: 'vip', text: 'x' }, { roles: ['vip'], text: 'x' }, true],
    ['one of several', { role: 'vip', text: 'x' }, { roles: ['vip'], text: 'y' }, false],
  ])('%s', (_what, when, over, held) => {
    expect(holds(when, over)).toBe(held);
  });

  test('the first that holds is taken', () => {
    const rules = [
      rule('a', { text: 'x' }),
      rule('b', { text: 'hello' }),
      rule('c', { text: '.' }),
    ];

    expect(ruleFor(rules, facts())?.name).toBe('b');
    expect(ruleFor(rules.slice(0, 1), facts())).toBeUndefined();
  });

  test.each(['^(a+)+$', '(.*)(.*)(.*)(.*)(.*)x', '(a|aa)+$'])(
    'a pattern that would never end does not hold, and is given up: %s',
    (text) => {
      const begun = performance.now();

      expect(holds({ text }, { text: `${'a'.repeat(9_999)}!` })).toBe(false);
      expect(performance.now() - begun).toBeLessThan(2_000);
    },
  );
});

const card = (agentId: string): AgentCard => ({
  agentId,
  name: agentId,
  description: `does ${agentId}`,
  capabilities: { approvals: false, questions: false, files: [], subagents: [], handoffs: [] },
});

const code = async (): Promise<string | undefined> => 'code';

function scene(routing: Partial<ConfigFile['routing']> = {}) {
  const clock = new FakeClock();
  const file = { current: { ...NO_FILE, routing: { ...NO_FILE.routing, ...routing } } };
  let ids = ['main', 'bills', 'code'];
  const asked: AgentChoice[] = [];
  let answer = code;
  const warned: unknown[] = [];
  const log = { warn: (fields: unknown) => void warned.push(fields) };
  const router = createRouter({
    file,
    agents: () => ids.map(card),
    chooser: { choose: (choice) => (asked.push(choice), answer()) },
    clock,
    log: { ...log, info: log.warn, error: log.warn },
  });
  const owner = { tenantId: 't', userId: 'u' };
  const choose = (over: Partial<StartRequest> = {}, last?: string) => {
    const { text = 'hi', ...rest } = over;
    const request: StartRequest = {
      text,
      onBusy: 'reject',
      temporary: false,
      files: [],
      metadata: {},
      bodyHash: 'h',
      ...rest,
    };
    const lastAgentId = async () => last;
    return router.choose({ owner, request, conversation: undefined, lastAgentId, text, files: [] });
  };
  return {
    choose,
    asked,
    warned,
    clock,
    file,
    drop: (agentId: string) => void (ids = ids.filter((id) => id !== agentId)),
    answers: (how: typeof answer) => void (answer = how),
  };
}

const auto = { agentId: 'auto' };
const MODEL = { model: 'demo' };

describe('which agent answers', () => {
  test.each<[string, Partial<StartRequest>, string | undefined, object]>([
    ['who is named', { agentId: 'bills' }, 'code', { agentId: 'bills', route: { by: 'client' } }],
    ['who answered before', {}, 'code', { agentId: 'code', route: { by: 'conversation' } }],
    ['also for auto', auto, 'code', { agentId: 'code', route: { by: 'conversation' } }],
    ['the default one', {}, undefined, { agentId: undefined, route: { by: 'default' } }],
    ['the default one where who answered is gone', {}, 'gone', { route: { by: 'default' } }],
    ['auto without a rule that holds', auto, undefined, { route: { by: 'default' } }],
    [
      'auto by a rule',
      { ...auto, text: 'my bill' },
      undefined,
      { agentId: 'bills', route: { by: 'rule', rule: 'money' } },
    ],
    [
      'auto by a rule where who answered is gone',
      { ...auto, text: 'my bill' },
      'gone',
      { agentId: 'bills', route: { by: 'rule', rule: 'money' } },
    ],
    [
      'a rule is not asked without auto',
      { text: 'my bill' },
      undefined,
      { route: { by: 'default' } },
    ],
  ])('%s', async (_what, request, last, expected) => {
    const { choose } = scene({ rules: [rule('money', { text: 'bill' }, 'bills')] });

    expect(await choose(request, last)).toMatchObject(expected);
  });

  test('a rule of an agent that is gone is passed over', async () => {
    const at = scene({ rules: [rule('money', { text: 'bill' }, 'bills')], ...MODEL });
    at.drop('bills');

    expect(await at.choose({ ...auto, text: 'bill' })).toEqual({
      agentId: 'code',
      route: { by: 'model' },
    });
  });

  test('the model is asked once for a text, for a while, and again where the agents differ', async () => {
    const at = scene(MODEL);

    const first = await at.choose(auto);
    await at.choose(auto);
    await at.choose({ ...auto, text: 'other' });
    at.clock.jump(5 * 60_000);
    await at.choose(auto);
    at.drop('bills');
    await at.choose(auto);

    expect(first).toEqual({ agentId: 'code', route: { by: 'model' } });
    expect(at.asked.map(({ text }) => text)).toEqual(['hi', 'other', 'hi', 'hi']);
    expect(at.asked[0]).toMatchObject({ timeout: 3_000, from: [{ agentId: 'main' }, {}, {}] });
  });

  test('of many that ask the same at once one asks the model', async () => {
    const at = scene(MODEL);
    const answers: ((agentId: string) => void)[] = [];
    const answer = new Promise<string>((resolve) => void answers.push(resolve));
    at.answers(() => answer);

    const all = Array.from({ length: 20 }, () => at.choose(auto));
    for (const give of answers) give('bills');

    expect(new Set((await Promise.all(all)).map(({ agentId }) => agentId))).toEqual(
      new Set(['bills']),
    );
    expect(at.asked).toHaveLength(1);
  });

  test('a model that fails or names nobody is the default, and is asked again', async () => {
    const at = scene(MODEL);
    at.answers(async () => Promise.reject(new Error('down')));
    const failed = await at.choose(auto);
    at.answers(async () => undefined);
    const silent = await at.choose(auto);
    at.answers(async () => 'nobody');
    const wrong = await at.choose({ ...auto, text: 'x' });

    for (const it of [failed, silent, wrong])
      expect(it).toEqual({ agentId: undefined, route: { by: 'default' } });
    expect(at.warned).toHaveLength(1);
    expect(at.asked).toHaveLength(3);
  });

  test('what is kept is bounded', async () => {
    const at = scene(MODEL);

    for (let n = 0; n <= 500; n += 1) await at.choose({ ...auto, text: `text ${n}` });
    await at.choose({ ...auto, text: 'text 500' });
    await at.choose({ ...auto, text: 'text 0' });

    expect(at.asked).toHaveLength(502);
  });
});
