import { describe, expect, test } from '@jest/globals';
import { canWait } from '../../../src/agent/agent-runner.ts';
import { agentCards } from '../../../src/agent/agent-cards.ts';
import { plainAgent } from '../../../src/agent/catalog.ts';
import { demoAgent, demoPlainAgent } from '../../../src/agent/demo-agent.ts';
import { OPEN_POLICY, toolPolicySchema } from '../../../src/hitl/tool-policy.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const NAMELESS = {
  description: '',
  capabilities: {
    approvals: false,
    questions: false,
    files: ['*/*'],
    subagents: [],
    handoffs: [],
  },
};
const deps = { clock: new FakeClock(), ledgerFile: undefined };
const demo = demoAgent(deps);
const only = (name: string) => ({
  ...demo,
  id: name,
  tools: demo.tools.filter((tool) => tool.name === name),
});

const waits = (policy: object): boolean =>
  agentCards([demoPlainAgent(deps)], toolPolicySchema.parse(policy)).some(canWait);

describe('what clients may know of agents', () => {
  test('says which can wait for a person', () => {
    const cards = agentCards([plainAgent('demo'), demo, demoPlainAgent(deps)], OPEN_POLICY);

    expect(cards).toEqual([
      { ...NAMELESS, agentId: 'default', name: 'default' },
      {
        ...NAMELESS,
        agentId: 'demo',
        name: 'demo',
        capabilities: {
          approvals: true,
          questions: true,
          files: ['*/*'],
          subagents: ['helper'],
          handoffs: [],
        },
      },
      { ...NAMELESS, agentId: 'demo-plain', name: 'demo-plain' },
    ]);
  });

  test.each(['ask_user', 'send_email', 'helper'])('one with %s alone can', (name) => {
    expect(agentCards([only(name)], OPEN_POLICY).some(canWait)).toBe(true);
  });

  test('counts what those can ask that it may hand over to, each under its own policy', () => {
    const quiet = demoPlainAgent(deps);
    const other = { ...quiet, id: 'other', toolApproval: toolPolicySchema.parse({ ask: ['add'] }) };
    const first = {
      ...quiet,
      id: 'first',
      handOffs: [{ ...quiet, id: 'between', handOffs: [other] }],
    };

    const [card] = agentCards([first], OPEN_POLICY);

    expect(card?.capabilities).toMatchObject({
      approvals: true,
      questions: false,
      handoffs: ['between'],
    });
    expect(agentCards([quiet], OPEN_POLICY).some(canWait)).toBe(false);
  });

  test("follows the service's policy", () => {
    expect(waits({ ask: ['add'] })).toBe(true);
    expect(waits({ deny: ['*'] })).toBe(false);
  });
});
