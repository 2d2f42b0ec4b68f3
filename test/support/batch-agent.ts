import type { BaseMessage } from '@langchain/core/messages';
import { AIMessage, ToolMessage } from '@langchain/core/messages';
import { z } from 'zod';
import type { CallPolicy, RunRequest } from '../../src/agent/agent-runner.ts';
import { askUserTool } from '../../src/agent/ask-user.ts';
import { plainAgent } from '../../src/agent/catalog.ts';
import type { Checkpoints } from '../../src/agent/checkpoints.ts';
import type { RunFiles } from '../../src/agent/run-files.ts';
import { subAgentTool } from '../../src/agent/sub-agent.ts';
import { defineTool } from '../../src/agent/tools.ts';
import type { ToolDefinition } from '../../src/agent/tools.ts';
import { hashOf } from '../../src/lib/json.ts';
import { createBench } from './agent-run.ts';
import type { Bench } from './agent-run.ts';
import { callsOf, ScriptedModel } from './scripted-model.ts';
import { StrictLedger } from './strict-ledger.ts';

/**
 * Agents whose model asks once for a batch, then says `done`. Tools: `gated` is asked for, `free` is not, `denied`
 * never runs, `ask_user`, and `helper`, a sub-agent whose task is its own batch as JSON.
 */

export interface BatchCall {
  id: string;
  name: string;
  args: unknown;
}

export interface BatchBench extends Bench {
  model: ScriptedModel;
  ledgerOf: StrictLedger;
  /** Real executions, by tool name and arguments. */
  executed: { name: string; argsHash: string }[];
  over: (fence: number) => Partial<RunRequest>;
}

export const ASK: CallPolicy = async ({ name }) => {
  if (name === 'denied') return { ruling: 'deny', reason: 'no way' };
  if (name !== 'gated') return { ruling: 'run' };
  return {
    ruling: 'ask',
    allowedDecisions: ['approve', 'edit', 'reject', 'respond'],
    mayRemember: true,
    defaultToNo: false,
  };
};

const batchSchema = z.array(z.object({ id: z.string(), name: z.string(), args: z.unknown() }));
const schema = z.strictObject({ n: z.number() });

export function batchBench(options: {
  checkpoints: Checkpoints;
  /** Called by each tool before its effect counts. */
  effect?: (name: string, signal: AbortSignal) => Promise<void> | void;
  policy?: CallPolicy;
  tools?: ToolDefinition[];
  files?: RunFiles;
}): BatchBench {
  const { policy = ASK, effect, checkpoints } = options;
  const executed: BatchBench['executed'] = [];
  const tool = (name: string, effects: ToolDefinition['effects']): ToolDefinition =>
    defineTool({
      name,
      description: name,
      schema,
      effects,
      async run(args, { signal }) {
        executed.push({ name, argsHash: hashOf(args) });
        await effect?.(name, signal);
        return `${name} ${args.n}`;
      },
    });
  const own = [
    tool('gated', 'unsafe'),
    tool('free', 'idempotent'),
    tool('denied', 'unsafe'),
    askUserTool(),
    ...(options.tools ?? []),
  ];
  const leaf = { ...plainAgent('scripted'), id: 'leaf', tools: own };
  const deep = subAgentTool({ name: 'deep', description: 'deep', agent: leaf });
  const inner = { ...plainAgent('scripted'), id: 'helper', tools: [...own, deep] };
  const helper = subAgentTool({ name: 'helper', description: 'helps', agent: inner });
  const agent = { ...plainAgent('scripted'), id: 'boss', tools: [...own, helper] };
  const model = new ScriptedModel((_n, messages) => {
    const last = messages.at(-1);
    if (last?.type !== 'human') return [{ content: 'done' }];
    return [callsOf(...batchSchema.parse(JSON.parse(last.text)))];
  });
  const models = {
    check: async () => undefined,
    resolve: async () => ({ model, requiresFinish: false }),
  };
  const ledgerOf = new StrictLedger();
  const files = options.files && { files: options.files };
  const bench = createBench({ checkpoints, agents: [agent], models, policy, ...files });
  const over = (fence: number) => ({ ledger: ledgerOf.at(fence), policy });
  return { ...bench, model, ledgerOf, executed, over };
}

/** What is wrong with a history, as a provider sees it; undefined: nothing. */
export function historyFault(messages: readonly BaseMessage[]): string | undefined {
  let open: string[] = [];
  for (const message of messages) {
    if (ToolMessage.isInstance(message)) {
      // Strict providers want results in the order of the calls.
      if (open.shift() !== message.tool_call_id) return `stray result ${message.tool_call_id}`;
      continue;
    }
    if (open.length > 0) return `no result for ${open.join(', ')}`;
    if (AIMessage.isInstance(message)) open = (message.tool_calls ?? []).map(({ id = '' }) => id);
  }
  return open.length > 0 ? `no result for ${open.join(', ')} at the end` : undefined;
}
