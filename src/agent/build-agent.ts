import { SystemMessage } from '@langchain/core/messages';
import { createAgent } from 'langchain';
import type { RunRequest } from './agent-runner.ts';
import type { AgentDefinition } from './catalog.ts';
import type { FlowGate } from './flow-gate.ts';
import { GuardedModel } from './guarded-model.ts';
import type { RunnerDeps } from './langgraph-runner.ts';
import { toolGuard } from './tool-guard.ts';

/** An agent made for one segment: its tools and its model know the run, nothing travels through shared state. */
export interface BuiltAgent {
  agent: ReturnType<typeof createAgent>;
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
    usedToolIds: new Set(),
    stallTimeoutMs: deps.stallTimeoutMs,
    maxRetries: deps.maxRetries,
    maxSteps: request.spec.maxSteps,
    requiresFinish,
    retried: deps.retried,
  });
  const tools = definition.tools.map((tool) =>
    tool.bind({
      generationId: request.generationId,
      ledger: request.ledger,
      signal: segment.stop.signal,
      flow: async () => segment.gate.pass(),
    }),
  );
  const agent = createAgent({
    model: guarded,
    tools,
    // A string would be sent as a list of blocks, which many OpenAI-compatible servers do not take.
    systemPrompt: new SystemMessage(instructionsFor(definition, request.spec.timezone)),
    middleware: [toolGuard(definition.tools)],
    checkpointer: deps.checkpoints.saver,
    name: definition.id,
  });
  return { agent, contextMax: model.profile.maxInputTokens ?? null };
}
