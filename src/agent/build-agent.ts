import { SystemMessage } from '@langchain/core/messages';
import { createAgent } from 'langchain';
import type { RunRequest } from './agent-runner.ts';
import type { AgentDefinition } from './catalog.ts';
import type { FlowGate } from './flow-gate.ts';
import { GuardedModel } from './guarded-model.ts';
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
  segment: { gate: FlowGate; stop: AbortController };
}

function instructionsFor({ instructions }: AgentDefinition, timezone: string | null): string {
  return timezone === null ? instructions : `${instructions}\n\nThe user's time zone: ${timezone}.`;
}

export async function buildAgent(definition: AgentDefinition, run: Run): Promise<BuiltAgent> {
  return compile(definition, run, { usedToolIds: new Set(), isRoot: true });
}

interface Family {
  /** The log and the ledger know a call by its id alone, so agents of one run share this. */
  usedToolIds: Set<string>;
  isRoot: boolean;
}

async function compile(
  definition: AgentDefinition,
  run: Run,
  { usedToolIds, isRoot }: Family,
): Promise<BuiltAgent> {
  const { deps, request, segment } = run;
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
  });
  const toolRun: ToolRun = {
    generationId: request.generationId,
    ledger: request.ledger,
    signal: segment.stop.signal,
    flow: async () => segment.gate.pass(),
    compile: async (agent) => (await compile(agent, run, { usedToolIds, isRoot: false })).agent,
  };
  const agent = createAgent({
    model: guarded,
    tools: definition.tools.map((tool) => tool.bind(toolRun)),
    // A string would be sent as a list of blocks, which many OpenAI-compatible servers do not take.
    systemPrompt: new SystemMessage(instructionsFor(definition, request.spec.timezone)),
    middleware: [toolGuard(definition.tools)],
    // A sub-agent checkpoints under its parent's thread.
    ...(isRoot ? { checkpointer: deps.checkpoints.saver } : {}),
    name: definition.id,
  });
  return { agent, contextMax: model.profile.maxInputTokens ?? null };
}
