import type { BaseMessage } from '@langchain/core/messages';
import { Command, isGraphDrained, RunControl } from '@langchain/langgraph';
import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint';
import type { Clock } from '../lib/clock.ts';
import type { Tracer } from '../lib/tracing.ts';
import { RunError } from './agent-runner.ts';
import type {
  AgentRunner,
  AttemptRef,
  PauseRequest,
  RunnerEvent,
  RunRequest,
  Standing,
} from './agent-runner.ts';
import { buildAgent } from './build-agent.ts';
import { argsCheck } from './args-schema.ts';
import type { AgentDefinition, Agents, SubAgentDefinition } from './catalog.ts';
import { threadId } from './checkpoints.ts';
import type { Checkpoints } from './checkpoints.ts';
import { mapChunk, mapperState } from './event-mapper.ts';
import type { MapperState, StreamChunk } from './event-mapper.ts';
import { FlowGate } from './flow-gate.ts';
import { handOffTools, reachable } from './hand-off.ts';
import { toModelHistory } from './history.ts';
import { Interruptible } from './interruptible.ts';
import { canBeKept, MAX_ARGS_DEPTH } from './kept-args.ts';
import type { Meter } from './meter.ts';
import type { Models } from './models.ts';
import { askedBefore, pendingInterrupts } from './pending-interrupts.ts';
import type { PendingInterrupt } from './pending-interrupts.ts';
import type { RunFiles } from './run-files.ts';
import { runError } from './run-errors.ts';
import type { Summaries } from './summaries.ts';
import { openCalls } from './stand-ins.ts';
import { standingOf, toolCallIds, withQuestion } from './standing.ts';
import { notHeard, steeredMessage } from './steering.ts';
import type { ToolDefinition } from './tools.ts';
import { WatchedSaver } from './watched-saver.ts';
import { pauseOf, wayOn } from './way-on.ts';
import type { WayOn } from './way-on.ts';

export interface RunnerDeps {
  checkpoints: Checkpoints;
  agents: Agents;
  models: Models;
  clock: Clock;
  /** Unique and unguessable; in model calls and tool calls. */
  newId: () => string;
  /** In [0, 1): jitter of retries. */
  random: () => number;
  /** A model that sends nothing for so long is given up. */
  stallTimeoutMs: number;
  /** Further attempts of a model call that failed before its first token. */
  maxRetries: number;
  /** Told of a model call that failed and is made again. */
  retried: (error: unknown) => void;
  /** Shared by the runs of this process; each run has its own where not given. */
  summaries?: Summaries;
  /** Told of a summary of a long history that can't be made. */
  summaryFailed?: (error: unknown) => void;
  /** Where not given nobody pays. */
  meter?: Meter;
  /** Where not given there are none. */
  files?: RunFiles;
  /** Where not given nothing is recorded. */
  tracer?: Tracer;
}

/** A step of ours is one model call; LangGraph counts every node. This bound is only the second one. */
const NODES_PER_STEP = 6;

/** What one segment holds while it runs, released in `close`. */
class Segment {
  readonly gate = new FlowGate();
  readonly control = new RunControl();
  /** Aborts the graph when the run is aborted and also when its consumer leaves. */
  readonly stop = new AbortController();
  readonly saver: WatchedSaver;
  readonly #request: RunRequest;

  constructor(request: RunRequest, saver: BaseCheckpointSaver) {
    this.#request = request;
    this.saver = new WatchedSaver(saver);
    const { signal, drain } = request;
    if (signal.aborted) this.#abort();
    if (drain.aborted) this.#drain();
    signal.addEventListener('abort', this.#abort, { once: true });
    drain.addEventListener('abort', this.#drain, { once: true });
  }

  close(): void {
    this.#request.signal.removeEventListener('abort', this.#abort);
    this.#request.drain.removeEventListener('abort', this.#drain);
    this.stop.abort(new Error('The run is over.'));
    this.gate.open();
  }

  readonly #abort = (): void => this.stop.abort(this.#request.signal.reason);
  readonly #drain = (): void => this.control.requestDrain('drain');
}

function definitionOf(agents: Agents, { spec, entry }: RunRequest): AgentDefinition {
  const frozen = agents.frozen(spec);
  if (frozen) return frozen;
  const now = agents.get(spec.agentId);
  if (!now) throw new RunError('AGENT_CHANGED', 'This agent no longer exists.');
  if (!(entry.kind === 'continue' && spec.policy.agent.allowChangedAgent))
    throw new RunError('AGENT_CHANGED', 'The agent was changed after this answer was asked for.');
  const { model, parameters, maxSteps } = spec;
  return { ...now, model, parameters, maxSteps };
}

/** Always by the interrupt's id: a plain value would answer all that is asked. */
function inputFor({ request, history, way }: Beginning): RunInput {
  if (request.entry.kind === 'start') return { messages: withQuestion(history) };
  return way.go === 'resume' ? new Command({ resume: way.resume }) : null;
}

type Begun = Exclude<WayOn, { go: 'pause' }>;

interface Beginning {
  request: RunRequest;
  segment: Segment;
  way: Begun;
  history: BaseMessage[];
  /** Most model calls for one question. */
  maxSteps: number;
}

export type RunInput = { messages: BaseMessage[] } | Command | null;

export interface RunOptions {
  configurable: { thread_id: string };
  streamMode: ('messages' | 'updates' | 'custom')[];
  subgraphs: true;
  durability: 'sync';
  signal: AbortSignal;
  control: RunControl;
  recursionLimit: number;
}

function optionsFor({ request, segment, maxSteps }: Beginning): RunOptions {
  return {
    configurable: { thread_id: threadId(request) },
    streamMode: ['messages', 'updates', 'custom'],
    subgraphs: true,
    // A pause, a hand-over and every recorded tool result stand on the checkpoint before them.
    durability: 'sync',
    signal: segment.stop.signal,
    control: segment.control,
    recursionLimit: maxSteps * NODES_PER_STEP + 10,
  };
}

/** What came since, when the graph is through: it goes on with that. */
async function wordsSince(
  request: RunRequest,
  { saver }: Segment,
  { interrupted, steered }: MapperState,
): Promise<BaseMessage[]> {
  if (saver.failure || interrupted) return [];
  return notHeard(await request.steers(), steered).map(steeredMessage);
}

/** As a step of the graph would tell it. */
function heardNow(messages: BaseMessage[]): StreamChunk {
  return [[], 'updates', { steering: { messages } }];
}

interface OpenRun {
  state: MapperState;
  chunks: Interruptible<StreamChunk>;
  /** What is streamed when the graph has ended and there is more to hear. */
  goOn(messages: BaseMessage[]): Promise<Interruptible<StreamChunk>>;
}

/** The next of what the graph says; undefined: it is through, and there is nothing more to hear. */
async function advance(
  run: OpenRun,
  { request, segment }: Pick<Beginning, 'request' | 'segment'>,
): Promise<RunnerEvent[] | undefined> {
  segment.gate.waiting();
  const next = await run.chunks.next();
  segment.gate.busy();
  const words = next.done ? await wordsSince(request, segment, run.state) : [];
  if (next.done && words.length === 0) return undefined;
  if (next.done) run.chunks = await run.goOn(words);
  const chunk = next.done ? heardNow(words) : next.value;
  if (chunk[1] === 'messages') segment.gate.taken();
  const mapped = mapChunk(run.state, chunk);
  run.state = mapped.state;
  return mapped.events;
}

/** What an earlier attempt left. */
interface Found {
  standing: Standing | undefined;
  pending: PendingInterrupt[];
}

/** Also those of sub-agents. */
function toolsCalled(name: string, tools: readonly ToolDefinition[]): ToolDefinition[] {
  return tools.flatMap((tool) => [
    ...(tool.name === name ? [tool] : []),
    ...toolsCalled(name, tool.inner),
  ]);
}

/** Also below it. */
function hasSources({ tools, toolSources = [] }: SubAgentDefinition): boolean {
  return toolSources.length > 0 || tools.some(({ agent }) => agent && hasSources(agent));
}

/** The question with the name of the agent that asks, where the turn was handed to it. */
function inNameOf(
  standing: Standing | undefined,
  pause: PauseRequest,
  { spec }: RunRequest,
): PauseRequest {
  const agentId = standing?.asking?.agentId ?? spec.agentId;
  return agentId === spec.agentId ? pause : { ...pause, agentId };
}

/** LangGraph behind the `AgentRunner` port. */
export function createLangGraphRunner(deps: RunnerDeps): AgentRunner {
  const { checkpoints, agents } = deps;

  async function standing(attempt: AttemptRef): Promise<Standing> {
    return standingOf(checkpoints.saver, threadId(attempt));
  }

  async function asked(request: RunRequest): Promise<Required<Found>> {
    const found = await standing(request);
    const of = { thread: threadId(request), standing: found };
    return { standing: found, pending: await pendingInterrupts(checkpoints.saver, of) };
  }

  async function open(request: RunRequest, segment: Segment): Promise<OpenRun | PauseRequest> {
    const { entry, nextPart } = request;
    const definition = definitionOf(agents, request);
    const found: Found =
      entry.kind === 'start' ? { standing: undefined, pending: [] } : await asked(request);
    const way: WayOn = entry.kind === 'start' ? { go: 'on' } : wayOn(found.pending, entry.answered);
    if (way.go === 'pause') return inNameOf(found.standing, way.pause, request);
    const shown = askedBefore(found.pending);
    const run = {
      deps,
      request,
      segment,
      asked: shown,
      open: openCalls(found.standing, shown),
      usedToolIds: new Set(toolCallIds(found.standing)),
      answering: found.standing?.answering?.agentId,
    };
    const built = await buildAgent(definition, run);
    const history = toModelHistory(request.history);
    const state = mapperState({
      nextPart,
      contextMax: built.contextMax,
      known: history.map(({ id = '' }) => id),
      attached: request.attached ?? [],
      ...(found.standing ? { standing: found.standing } : {}),
    });
    request.signal.throwIfAborted();
    const { maxSteps } = built;
    const beginning = { request, segment, way, history, maxSteps };
    const stream = async (input: RunInput): Promise<Interruptible<StreamChunk>> =>
      new Interruptible(await built.stream(input, optionsFor(beginning)), segment.stop.signal);
    const goOn: OpenRun['goOn'] = (messages) => stream({ messages });
    return { state, chunks: await stream(inputFor(beginning)), goOn };
  }

  async function* run(request: RunRequest): AsyncGenerator<RunnerEvent> {
    const segment = new Segment(request, checkpoints.saver);
    let going: OpenRun | undefined;
    try {
      const opened = await open(request, segment);
      if ('kind' in opened) {
        request.signal.throwIfAborted();
        yield { type: 'pause', pause: opened };
        return;
      }
      going = opened;
      for (;;) {
        const events = await advance(going, { request, segment });
        if (!events) break;
        // No `yield*`: delegating costs several turns of the microtask queue for every token.
        for (const event of events) yield event;
      }
      if (segment.saver.failure) throw segment.saver.failure;
      if (going.state.interrupted) {
        const { pending, standing } = await asked(request);
        yield { type: 'pause', pause: inNameOf(standing, pauseOf(pending), request) };
      }
    } catch (error) {
      request.signal.throwIfAborted();
      const fault = segment.saver.failure ?? error;
      if (!isGraphDrained(fault)) throw runError(fault);
      yield { type: 'handover' };
    } finally {
      going?.chunks.close();
      segment.close();
    }
  }

  return {
    run,
    async adopt(attempt) {
      const fence = await checkpoints.latestFenceBelow(attempt);
      if (fence === undefined) return { resumable: false, calls: [], results: [], steered: [] };
      await checkpoints.fork(fence, attempt);
      return standing(attempt);
    },
    checkArgs(spec, { name, args, argsSchema }) {
      if (!canBeKept(args)) return `The arguments have more than ${MAX_ARGS_DEPTH} levels.`;
      const agent = agents.frozen(spec) ?? agents.get(spec.agentId);
      const all = agent ? reachable(agent) : [];
      const tools = all.flatMap((each) =>
        toolsCalled(name, [...each.tools, ...handOffTools(each)]),
      );
      if (tools.length === 0 && argsSchema && all.some(hasSources))
        return argsCheck(name, argsSchema, () => undefined)(args);
      if (tools.length === 0) return `There is no tool called ${name}.`;
      const said = tools.map((tool) => tool.refuse(args));
      // Agents below one another, or that hand over to one another, may have different tools of one name; the guard of
      // the right one has the last word.
      return said.includes(undefined) ? undefined : said[0];
    },
    prune: (generationId) => checkpoints.deleteGeneration(generationId),
  };
}
