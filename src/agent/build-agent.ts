import { SystemMessage } from '@langchain/core/messages';
import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint';
import { createAgent } from 'langchain';
import { NO_TRACER } from '../lib/tracing.ts';
import type { RunRequest } from './agent-runner.ts';
import { approvalMiddleware } from './approval-middleware.ts';
import type { AgentDefinition, SubAgentDefinition } from './catalog.ts';
import type { FlowGate } from './flow-gate.ts';
import { GuardedModel } from './guarded-model.ts';
import type { ApprovalValue } from './interrupt-value.ts';
import type { RunnerDeps } from './langgraph-runner.ts';
import { toolGuard } from './tool-guard.ts';
import type { CompiledAgent, ToolRun } from './tools.ts';

/** An agent made for one segment: its tools and its model know the run, nothing travels through shared state. */
export interface BuiltAgent {
  agent: CompiledAgent;
  contextMax: number | null;
}

interface Run {
  deps: RunnerDeps;
  request: RunRequest;
  segment: { gate: FlowGate; stop: AbortController; saver: BaseCheckpointSaver };
  /** What approval steps have been asking since before this segment. */
  asked: ReadonlyMap<string, ApprovalValue>;
  /** The log and the ledger know a call by its id alone, so the agents of a run share this. */
  usedToolIds: Set<string>;
}

function instructionsFor({ instructions }: SubAgentDefinition, timezone: string | null): string {
  return timezone === null ? instructions : `${instructions}\n\nThe user's time zone: ${timezone}.`;
}

export async function buildAgent(definition: AgentDefinition, run: Run): Promise<BuiltAgent> {
  return compile(definition, run, { checkpointer: run.segment.saver });
}

async function compile(
  definition: SubAgentDefinition,
  run: Run,
  // A sub-agent checkpoints under its parent's thread.
  own: { checkpointer?: BaseCheckpointSaver } = {},
): Promise<BuiltAgent> {
  const { deps, request, segment, asked, usedToolIds } = run;
  const { tools } = definition;
  const tracer = deps.tracer ?? NO_TRACER;
  const { model, requiresFinish } = await deps.models.resolve(
    definition.model,
    definition.parameters,
  );
  const guarded = new GuardedModel({
    inner: model,
    gate: segment.gate,
    clock: deps.clock,
    newId: deps.newId,
    random: deps.random,
    usedToolIds,
    stallTimeoutMs: deps.stallTimeoutMs,
    maxRetries: deps.maxRetries,
    maxSteps: definition.maxSteps,
    requiresFinish,
    retried: deps.retried,
    tracing: { tracer, model: definition.model },
  });
  const toolRun: ToolRun = {
    generationId: request.generationId,
    ledger: request.ledger,
    signal: segment.stop.signal,
    tracer,
    flow: async () => segment.gate.pass(),
    compile: async (agent) => (await compile(agent, run)).agent,
  };
  const guard = toolGuard(tools);
  const approval = approvalMiddleware({ tools, policy: request.policy, asked });
  const agent = createAgent({
    model: guarded,
    tools: tools.map((tool) => tool.bind(toolRun)),
    // A string would be sent as a list of blocks, which many OpenAI-compatible servers do not take.
    systemPrompt: new SystemMessage(instructionsFor(definition, request.spec.timezone)),
    // Without tools there is nothing to approve, and its step costs a checkpoint for each model call.
    middleware: tools.length > 0 ? [approval, guard] : [guard],
    ...own,
    name: definition.id,
  });
  return { agent, contextMax: model.profile.maxInputTokens ?? null };
}
