import type { BaseMessage } from '@langchain/core/messages';
import { z } from 'zod';
import type { CallPolicy, RunRequest } from '../../src/agent/agent-runner.ts';
import { askUserTool } from '../../src/agent/ask-user.ts';
import { plainAgent } from '../../src/agent/catalog.ts';
import type { AgentDefinition } from '../../src/agent/catalog.ts';
import type { Checkpoints } from '../../src/agent/checkpoints.ts';
import type { Meter } from '../../src/agent/meter.ts';
import { subAgentTool } from '../../src/agent/sub-agent.ts';
import { defineTool } from '../../src/agent/tools.ts';
import type { ToolDefinition } from '../../src/agent/tools.ts';
import { toolPolicySchema } from '../../src/hitl/tool-policy.ts';
import { createBench } from './agent-run.ts';
import type { Bench } from './agent-run.ts';
import { callsOf, ScriptedModel, type Fields } from './scripted-model.ts';
import { StrictLedger } from './strict-ledger.ts';

/**
 * Agents that hand over to one another: `desk` to `billing` and `repairs`, these back to `desk`. Each has a model of its
 * own, which says what the script has for it, and a tool `look` of its own that tells whose it is. `pay` of `billing` is
 * asked for by its own policy, `pay` of `desk` is not.
 */

export interface Step {
  /** Tokens that its provider tells. */
  tokens?: number;
  calls?: { id: string; name: string; args?: unknown }[];
  say?: string;
}

export type Script = Record<string, Step[]>;

export const toward = (agent: string, n = 1) => ({
  id: `call_to_${agent}_${n}x`,
  name: `hand_off_to_${agent}`,
});

export interface HandOffBench extends Bench {
  models: Record<string, ScriptedModel>;
  ledgerOf: StrictLedger;
  /** Real executions: whose tool, its name and what it was given. */
  executed: string[];
  /** Models in the order in which they were asked. */
  asked: string[];
  /** Everything that any model was sent. */
  sent: BaseMessage[][];
  agents: AgentDefinition[];
  over: (fence: number) => Partial<RunRequest>;
}

const schema = z.object({ n: z.number().default(0) });

export function handOffBench(options: {
  checkpoints: Checkpoints;
  script: Script;
  policy?: CallPolicy;
  meter?: Meter;
  change?: (agents: Record<string, AgentDefinition>) => void;
}): HandOffBench {
  const { checkpoints, script, policy } = options;
  const executed: string[] = [];
  const asked: string[] = [];
  const sent: BaseMessage[][] = [];
  const tool = (of: string, name: string, effects: ToolDefinition['effects']): ToolDefinition =>
    defineTool({
      name,
      description: `${name} of ${of}`,
      schema,
      effects,
      async run({ n }) {
        executed.push(`${of} ${name} ${n}`);
        return `${name} of ${of}: ${n}`;
      },
    });
  const agent = (id: string): AgentDefinition => ({
    ...plainAgent(`scripted:${id}`),
    id,
    description: `All about ${id}.`,
    instructions: `You are ${id}.`,
    tools: [tool(id, 'look', 'idempotent'), tool(id, 'pay', 'unsafe'), askUserTool()],
    toolApproval: toolPolicySchema.parse({ allow: ['look', 'pay'] }),
  });
  const clerk = { ...agent('clerk'), tools: [tool('clerk', 'pay', 'unsafe')] };
  const desk = agent('desk');
  const billing: AgentDefinition = {
    ...agent('billing'),
    toolApproval: toolPolicySchema.parse({ ask: ['pay'], approvers: ['role:cashier'] }),
  };
  billing.tools.push(subAgentTool({ name: 'clerk', description: 'Clerks.', agent: clerk }));
  const repairs = agent('repairs');
  desk.handOffs = [billing, repairs];
  billing.handOffs = [desk];
  repairs.handOffs = [desk];
  options.change?.({ desk, billing, repairs });
  const agents = [desk, billing, repairs];
  const models: HandOffBench['models'] = {};
  for (const [index, id] of ['desk', 'billing', 'repairs', 'clerk'].entries()) {
    const model = new ScriptedModel((_n, messages) => {
      asked.push(id);
      sent.push(messages);
      return fieldsOf(script[id] ?? [], messages, id);
    });
    // Each has a context of its own size: 1000, 2000 and so on.
    Reflect.defineProperty(model, 'profile', { value: { maxInputTokens: 1_000 * (index + 1) } });
    models[id] = model;
  }
  const bench = createBench({
    checkpoints,
    agents,
    ...(policy && { policy }),
    ...(options.meter && { meter: options.meter }),
    models: {
      check: async () => undefined,
      async resolve(name) {
        const model = models[name.slice('scripted:'.length)];
        if (!model) throw new Error(`no model ${name}`);
        return { model, requiresFinish: false };
      },
    },
  });
  const ledgerOf = new StrictLedger();
  const over = (fence: number) => ({ ledger: ledgerOf.at(fence) });
  return { ...bench, models, ledgerOf, executed, asked, sent, agents, over };
}

/** The first step of the agent's that the messages do not have yet: the same words whenever it is asked anew. */
function fieldsOf(steps: Step[], messages: BaseMessage[], id: string): Fields[] {
  if (messages[0]?.text.startsWith('You keep the memory')) return [{ content: 'a summary' }];
  const said = new Set(
    messages.flatMap((message) => [
      message.text,
      ...('tool_calls' in message && Array.isArray(message.tool_calls)
        ? message.tool_calls.map((call: { id?: string }) => call.id ?? '')
        : []),
    ]),
  );
  const next = steps.find(({ calls, say = '' }) => !said.has(calls?.[0]?.id ?? say));
  if (!next) return [{ content: `${id} has nothing more to say` }];
  const { calls, say = '', tokens } = next;
  const whole = (calls ?? []).map((call) => ({ ...call, args: call.args ?? {} }));
  const fields: Fields = { ...(calls ? callsOf(...whole) : {}), content: say };
  if (tokens === undefined) return [fields];
  const usage = { input_tokens: tokens, output_tokens: 1, total_tokens: tokens + 1 };
  Reflect.set(fields, 'usage_metadata', usage);
  return [fields];
}
