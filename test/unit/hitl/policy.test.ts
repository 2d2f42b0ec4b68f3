import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { matchesGlob } from '../../../src/hitl/glob.ts';
import { covers, type StandingRule } from '../../../src/hitl/standing-rules.ts';
import {
  allowedDecisions,
  approversOf,
  mayRemember,
  OPEN_POLICY,
  ruleOf,
  ruling,
  toolPolicySchema,
  type Ruling,
} from '../../../src/hitl/tool-policy.ts';

const policy = (over: object) => toolPolicySchema.parse(over);

describe('globs', () => {
  test.each([
    ['mail', 'mail', true],
    ['mail', 'email', false],
    ['mail', 'mails', false],
    ['mcp:files:*', 'mcp__files__read', true],
    ['mcp:files:*', 'xmcp__files__read', false],
    ['*', '', true],
    ['a*b*c', 'aXbYc', true],
    ['a*b*c', 'acb', false],
    ['a*a', 'a', false],
    ['*.read', 'x.read.write', false],
    ['a.c', 'abc', false],
  ])('%s on %s: %s', (pattern, name, matches) => {
    expect(matchesGlob(pattern, name)).toBe(matches);
  });

  test('agree with the regular expression of the same meaning', () => {
    const part = fc.constantFrom('a', 'b', '*', ':');
    const text = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(''));
    const name = fc
      .array(fc.constantFrom('a', 'b', ':'), { maxLength: 8 })
      .map((it) => it.join(''));
    fc.assert(
      fc.property(text, name, (pattern, tool) => {
        const regex = new RegExp(`^${pattern.replaceAll('*', '.*')}$`, 's');

        expect(matchesGlob(pattern, tool)).toBe(regex.test(tool));
      }),
    );
  });
});

describe('one policy', () => {
  test.each([
    [{}, undefined],
    [{ deny: ['mail'], allow: ['mail'], mode: 'bypass' }, 'deny'],
    [{ mode: 'bypass', ask: ['mail'] }, 'run'],
    [{ allow: ['m*'], ask: ['mail'] }, 'run'],
    [{ ask: ['mail'] }, 'ask'],
    [{ ask: ['mail'], mode: 'dontAsk' }, 'deny'],
    [{ enabled: false, ask: ['mail'] }, undefined],
    [{ enabled: false, deny: ['mail'] }, 'deny'],
  ])('%j says %s', (over, said) => {
    expect(ruleOf(policy(over), 'mail')).toBe(said);
  });
});

describe('two policies', () => {
  const unsafe = { name: 'mail', effects: 'unsafe' as const };

  test('the stricter word holds, so an agent can only tighten', () => {
    const service = policy({ ask: ['mail'] });

    expect(ruling({ service, agent: policy({ mode: 'bypass' }) }, unsafe)).toBe('ask');
    expect(ruling({ service, agent: policy({ deny: ['*'] }) }, unsafe)).toBe('deny');
    expect(
      ruling({ service: policy({ allow: ['mail'] }), agent: policy({ ask: ['mail'] }) }, unsafe),
    ).toBe('ask');
  });

  test('without a word only what can do harm is asked for', () => {
    const both = { service: OPEN_POLICY, agent: OPEN_POLICY };

    expect(ruling(both, unsafe)).toBe('ask');
    expect(ruling(both, { name: 'x', effects: 'read' })).toBe('run');
    expect(ruling(both, { name: 'x', effects: 'idempotent' })).toBe('run');
    expect(ruling({ ...both, agent: policy({ mode: 'dontAsk' }) }, unsafe)).toBe('deny');
    expect(ruling({ ...both, agent: policy({ enabled: false }) }, unsafe)).toBe('run');
  });

  test('no agent policy ever loosens what the service says', () => {
    const order: Record<Ruling, number> = { run: 0, ask: 1, deny: 2 };
    const lists = fc.record({
      enabled: fc.boolean(),
      mode: fc.constantFrom('default', 'dontAsk', 'bypass'),
      allow: fc.subarray(['mail', 'x*']),
      deny: fc.subarray(['mail', 'x*']),
      ask: fc.subarray(['mail', 'x*']),
    });
    fc.assert(
      fc.property(lists, lists, (a, b) => {
        const service = policy(a);
        const said = ruleOf(service, 'mail');
        const together = ruling({ service, agent: policy(b) }, unsafe);

        expect(order[together]).toBeGreaterThanOrEqual(said === undefined ? 0 : order[said]);
      }),
    );
  });

  test('only decisions that both allow, and rejecting always', () => {
    const strict = policy({ allowedDecisions: [{ tools: 'mail', decisions: ['approve'] }] });

    expect(allowedDecisions({ service: OPEN_POLICY, agent: strict }, 'mail')).toEqual([
      'approve',
      'reject',
    ]);
    expect(allowedDecisions({ service: OPEN_POLICY, agent: strict }, 'other')).toHaveLength(4);
  });

  test('approvers add up, four eyes and suppressed memory hold from either', () => {
    const agent = policy({
      approvers: ['role:finance'],
      fourEyes: true,
      suppressAlwaysAllow: ['mail'],
    });
    const service = policy({ approvers: ['role:ops', 'role:finance'] });

    expect(approversOf({ service, agent })).toEqual({ roles: ['ops', 'finance'], fourEyes: true });
    expect(mayRemember({ service, agent }, 'mail')).toBe(false);
    expect(mayRemember({ service, agent }, 'other')).toBe(true);
  });

  test.each([
    { allow: 'mail' },
    { unknown: 1 },
    { approvers: ['finance'] },
    { mode: 'never' },
    { ttlMs: 0 },
  ])('%j is no policy', (over) => {
    expect(toolPolicySchema.safeParse(over).success).toBe(false);
  });
});

describe('a standing rule', () => {
  const rule: StandingRule = {
    ruleId: 'r',
    tool: 'mail',
    conditions: { to: 'a', deep: { x: [1] } },
    conversationId: 'conv',
    agentId: 'demo',
    createdAt: '2026-01-01T00:00:00.000Z',
    actionId: 'act',
  };
  const call = {
    name: 'mail',
    args: { to: 'a', deep: { x: [1] }, more: 1 },
    agentId: 'demo',
    conversationId: 'conv',
  };

  test('covers its tool where its conditions are fulfilled', () => {
    expect(covers(rule, call)).toBe(true);
    expect(covers({ ...rule, conversationId: null }, { ...call, conversationId: 'other' })).toBe(
      true,
    );
    expect(covers({ ...rule, conditions: {} }, { ...call, args: {} })).toBe(true);
  });

  test.each([
    [{ name: 'other' }],
    [{ agentId: 'other' }],
    [{ conversationId: 'other' }],
    [{ args: { to: 'b', deep: { x: [1] } } }],
    [{ args: { to: 'a' } }],
    [{ args: {} }],
  ])('does not cover %j', (change) => {
    expect(covers(rule, { ...call, ...change })).toBe(false);
  });
});
