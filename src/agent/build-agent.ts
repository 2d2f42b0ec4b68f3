import { SystemMessage, type BaseMessage } from '@langchain/core/messages';
import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint';
import { createAgent } from 'langchain';
import { NO_TRACER } from '../lib/tracing.ts';
import type { RunRequest } from './agent-runner.ts';
import { approvalMiddleware } from './approval-middleware.ts';
import type { AgentDefinition, SubAgentDefinition } from './catalog.ts';
import type { StreamChunk } from './event-mapper.ts';
import { contextMiddleware, type ContextOptions } from './context-middleware.ts';
import { withFiles } from './file-blocks.ts';
import type { FlowGate } from './flow-gate.ts';
import { GuardedModel, noteCall } from './guarded-model.ts';
import { handOffTools, reachable } from './hand-off.ts';
import { HandOffSet } from './hand-off-set.ts';
import { imageTokensOf } from './image-tokens.ts';
import { instructionsFor } from './instructions.ts';
import type { ApprovalValue } from './interrupt-value.ts';
import type { RunInput, RunnerDeps, RunOptions } from './langgraph-runner.ts';
import { callMeter } from './meter.ts';
import type { ResolvedModel } from './models.ts';
import { streamChunks, optionsForOwn } from './own-graph.ts';
import { Summaries } from './summaries.ts';
import { NO_FILES } from './run-files.ts';
import { deferredOf, findToolsTool } from './find-tools.ts';
import { readOutputTool } from './read-output.ts';
import { ALL_SHOWN, shownMiddleware, shownTools, type Shown } from './shown-tools.ts';
import { standIns, type OpenCalls } from './stand-ins.ts';
import { steeringMiddleware } from './steering.ts';
import { toolGuard } from './tool-guard.ts';
import type { CompiledAgent, ToolDefinition, ToolRun } from './tools.ts';

/** An agent made for one segment: its tools and its model know the run, nothing travels through shared state. */
export interface BuiltAgent {
  stream(input: RunInput, options: RunOptions): Promise<AsyncIterable<StreamChunk>>;
  contextMax: number | null;
  /** Most model calls for one question, whoever makes them. */
  maxSteps: number;
}

interface Run {
  deps: RunnerDeps;
  request: RunRequest;
  segment: { gate: FlowGate; stop: AbortController; saver: BaseCheckpointSaver };
  /** What approval steps have been asking since before this segment. */
  asked: ReadonlyMap<string, ApprovalValue>;
  open: OpenCalls;
  /** Who answers since a hand-off; undefined: the agent that the turn was asked of. */
  answering: string | undefined;
  /** The log and the ledger know a call by its id alone, so the agents of a run share this. */
  usedToolIds: Set<string>;
}

export async function buildAgent(definition: AgentDefinition, run: Run): Promise<BuiltAgent> {
  const checkpointer = run.segment.saver;
  const { maxSteps } = definition;
  if (definition.handOffs?.length) return buildSet(definition, run);
  if (!definition.own) {
    const { agent, contextMax } = await compile(definition, run, { checkpointer });
    return { stream: (input, options) => agent.graph.stream(input, options), contextMax, maxSteps };
  }
  const { own } = definition;
  const graph = await own.compile({
    checkpointer,
    ...(await handsOf(definition, run, { isOwn: true, isRoot: true })),
    guard: (model) =>
      guarded({ model, requiresFinish: false }, { run, definition, name: model.getName() }),
  });
  return {
    stream: async (input, options) =>
      streamChunks(await graph.stream(input, optionsForOwn(options, checkpointer))),
    contextMax: null,
    maxSteps,
  };
}

/** An agent that can hand over, with all that its answer can be handed to. */
async function buildSet(definition: AgentDefinition, run: Run): Promise<BuiltAgent> {
  const contextMaxOf = async (id: string) => (await set.of(id)).contextMax;
  const whole = (agent: AgentDefinition): AgentDefinition => {
    return { ...agent, tools: [...agent.tools, ...handOffTools(agent, contextMaxOf)] };
  };
  const own = (agent: AgentDefinition): Run =>
    agent.id === definition.id ? run : inTheNameOf(agent, run);
  const isRoot = true;
  const set = new HandOffSet(definition, {
    prepare: (agent) => prepare(whole(agent), own(agent), { isRoot }),
    middlewareOf: async (agent) => (await handsOf(whole(agent), own(agent), { isRoot })).middleware,
  });
  const now = await set.of(run.answering);
  const { graph } = await set.compile(now, run.segment.saver);
  return {
    stream: (input, options) => graph.stream(input, options),
    contextMax: now.contextMax,
    maxSteps: Math.max(...reachable(definition).map(({ maxSteps }) => maxSteps)),
  };
}

/** What it calls, also through its sub-agents, stands under its own policy. */
function inTheNameOf({ id: agentId, toolApproval: policy }: AgentDefinition, run: Run): Run {
  const { request } = run;
  const by = { agentId, policy };
  return { ...run, request: { ...request, policy: (call) => request.policy({ ...call, by }) } };
}

function guarded(
  { model, requiresFinish }: ResolvedModel,
  of: { run: Run; definition: SubAgentDefinition; name: string },
): GuardedModel {
  const { deps, request, segment, usedToolIds } = of.run;
  const { owner, generationId, fence } = request;
  const place = { owner, prefix: `${generationId}/${fence}`, model: of.name };
  return new GuardedModel({
    inner: model,
    gate: segment.gate,
    clock: deps.clock,
    newId: deps.newId,
    random: deps.random,
    usedToolIds,
    stallTimeoutMs: deps.stallTimeoutMs,
    maxRetries: deps.maxRetries,
    maxSteps: of.definition.maxSteps,
    requiresFinish,
    retried: deps.retried,
    fill: fillerFor(of.run, model),
    ...(deps.meter && { meter: callMeter(deps.meter, place) }),
    tracing: { tracer: deps.tracer ?? NO_TRACER, model: of.name },
  });
}

/** What a model of this run is given of the user's files. A model of which nothing is known is given images. */
function fillerFor({ deps, request }: Run, { profile }: ResolvedModel['model']) {
  const { files = NO_FILES } = deps;
  return (messages: BaseMessage[]) =>
    withFiles(messages, {
      read: (fileId, maxBytes) => files.read(request.owner, fileId, maxBytes),
      takesImages: profile.imageInputs !== false,
    });
}

/** What a graph of the developer's own is given is not hidden from its model, so it gets no tools for looking. */
const NOTHING_MORE: { more: ToolDefinition[]; shown: Shown } = { more: [], shown: ALL_SHOWN };

/** Tools that the model finds the others with, or reads on in what they said; and which of all it is shown. */
function searchable(
  given: readonly ToolDefinition[],
  { deferTools }: SubAgentDefinition,
): typeof NOTHING_MORE {
  if (given.length === 0) return NOTHING_MORE;
  const findable = given.filter(({ handsOff }) => !handsOff);
  const deferred = deferTools ? deferredOf(findable, deferTools) : [];
  const more = [readOutputTool(), ...(deferred.length > 0 ? [findToolsTool(deferred)] : [])];
  return { more, shown: shownTools(new Set(deferred.map(({ name }) => name))) };
}

/** An agent's tools for this run, and what stands between them and the model. */
async function handsOf(
  definition: SubAgentDefinition,
  run: Run,
  { isOwn = false, isRoot }: { isOwn?: boolean; isRoot: boolean },
) {
  const { tools: own, toolSources = [], maxToolCalls } = definition;
  const { deps, request, segment, asked } = run;
  const of = { owner: request.owner, signal: segment.stop.signal };
  const offers = await Promise.all(toolSources.map((source) => source.list(of)));
  const found = [...own, ...offers.flatMap((offer) => offer.tools)];
  const given = [...found, ...standIns(run.open, { given: found, offers })];
  const { more, shown } = isOwn ? NOTHING_MORE : searchable(given, definition);
  const tools = [...given, ...more];
  const toolRun: ToolRun = {
    generationId: request.generationId,
    owner: request.owner,
    timezone: request.spec.timezone,
    conversationId: request.conversationId,
    files: deps.files ?? NO_FILES,
    keepsLarge: !isOwn,
    ledger: request.ledger,
    signal: segment.stop.signal,
    tracer: deps.tracer ?? NO_TRACER,
    flow: async () => segment.gate.pass(),
    compile: async (agent) => (await compile(agent, run)).agent,
  };
  const guard = toolGuard(tools, maxToolCalls, shown);
  const approval = approvalMiddleware({ tools, policy: request.policy, asked, maxToolCalls });
  const context = definition.context ? [contextOf(definition, definition.context, run)] : [];
  return {
    tools: tools.map((tool) => tool.bind(toolRun)),
    // Without tools there is nothing to approve and no second model call, and each step costs a checkpoint for each model call.
    middleware: [
      ...(isRoot && (isOwn || tools.length > 0) ? [steeringMiddleware(request.steers)] : []),
      ...(tools.length > 0 ? [approval] : []),
      guard,
      ...(more.length > 0 ? [shownMiddleware(shown)] : []),
      ...context,
    ],
  };
}

/** What the model is shown of a long history. */
function contextOf(definition: SubAgentDefinition, options: ContextOptions, run: Run) {
  const { deps, request, segment, usedToolIds } = run;
  const { tenantId, userId } = request.owner;
  const by = options.model ?? { name: definition.model, provider: definition.provider };
  return contextMiddleware({
    options,
    imageTokens: imageTokensOf(definition.model, definition.provider),
    whole: (messages) => noteCall(messages, { maxSteps: definition.maxSteps, usedToolIds }),
    async ask(messages) {
      const resolved = await deps.models.resolve(by.name, {}, by.provider);
      const model = guarded(resolved, { run, definition, name: by.name });
      return model.ask(messages, segment.stop.signal);
    },
    summaries: deps.summaries ?? new Summaries(deps.clock),
    seed: JSON.stringify([tenantId, userId, request.conversationId, by.name]),
    signal: segment.stop.signal,
    failed: (error) => deps.summaryFailed?.(error),
  });
}

/** What an agent answers with in this run. */
async function prepare(definition: SubAgentDefinition, run: Run, { isRoot }: { isRoot: boolean }) {
  const { model: name, parameters, provider } = definition;
  const resolved = await run.deps.models.resolve(name, parameters, provider);
  return {
    model: guarded(resolved, { run, definition, name }),
    ...(await handsOf(definition, run, { isRoot })),
    // A string would be sent as a list of blocks, which many OpenAI-compatible servers do not take.
    systemPrompt: new SystemMessage(instructionsFor(definition, run.request)),
    contextMax: resolved.model.profile.maxInputTokens ?? null,
  };
}

async function compile(
  definition: SubAgentDefinition,
  run: Run,
  // A sub-agent checkpoints under its parent's thread.
  own: { checkpointer?: BaseCheckpointSaver } = {},
): Promise<{ agent: CompiledAgent; contextMax: number | null }> {
  const isRoot = own.checkpointer !== undefined;
  const { contextMax, ...made } = await prepare(definition, run, { isRoot });
  return { agent: createAgent({ ...made, ...own, name: definition.id }), contextMax };
}
