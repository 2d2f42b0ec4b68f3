import { isGraphDrained, RunControl } from '@langchain/langgraph';
import type { Clock } from '../lib/clock.ts';
import { RunError } from './agent-runner.ts';
import type { AgentRunner, AttemptRef, RunnerEvent, RunRequest, Standing } from './agent-runner.ts';
import { buildAgent } from './build-agent.ts';
import type { BuiltAgent } from './build-agent.ts';
import { fingerprintOf } from './catalog.ts';
import type { AgentDefinition, Agents } from './catalog.ts';
import { threadId } from './checkpoints.ts';
import type { Checkpoints } from './checkpoints.ts';
import { mapChunk, mapperState } from './event-mapper.ts';
import type { MapperState, StreamChunk } from './event-mapper.ts';
import { FlowGate } from './flow-gate.ts';
import { toModelHistory } from './history.ts';
import { Interruptible } from './interruptible.ts';
import type { Models } from './models.ts';
import { runError } from './run-errors.ts';
import { isInterrupted, standingOf } from './standing.ts';

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
}

const PAUSE_UNSUPPORTED = 'This agent asks a person, which this server cannot do yet.';
/** A step of ours is one model call; LangGraph counts every node. This bound is only the second one. */
const NODES_PER_STEP = 6;

/** What one segment holds while it runs, released in `close`. */
class Segment {
  readonly gate = new FlowGate();
  readonly control = new RunControl();
  /** Aborts the graph when the run is aborted and also when its consumer leaves. */
  readonly stop = new AbortController();
  readonly #request: RunRequest;

  constructor(request: RunRequest) {
    this.#request = request;
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

function definitionOf(agents: Agents, { spec }: RunRequest): AgentDefinition {
  const definition = agents.get(spec.agentId);
  if (!definition) throw new RunError('AGENT_CHANGED', 'This agent no longer exists.');
  if (fingerprintOf(definition) !== spec.fingerprint)
    throw new RunError('AGENT_CHANGED', 'The agent was changed after this answer was asked for.');
  const { model, parameters, maxSteps } = spec;
  return { ...definition, model, parameters, maxSteps };
}

function streamOf(built: BuiltAgent, request: RunRequest, segment: Segment) {
  const input =
    request.entry.kind === 'start' ? { messages: toModelHistory(request.history) } : null;
  return built.agent.graph.stream(input, {
    configurable: { thread_id: threadId(request) },
    streamMode: ['messages', 'updates', 'custom'],
    subgraphs: true,
    // A pause, a hand-over and every recorded tool result stand on the checkpoint before them.
    durability: 'sync',
    signal: segment.stop.signal,
    control: segment.control,
    recursionLimit: request.spec.maxSteps * NODES_PER_STEP + 10,
  });
}

interface OpenRun {
  state: MapperState;
  chunks: Interruptible<StreamChunk>;
}

/** LangGraph behind the `AgentRunner` port. */
export function createLangGraphRunner(deps: RunnerDeps): AgentRunner {
  const { checkpoints, agents } = deps;

  async function standing(attempt: AttemptRef): Promise<Standing> {
    return standingOf(checkpoints.saver, threadId(attempt));
  }

  async function firstState(request: RunRequest, contextMax: number | null): Promise<MapperState> {
    const { nextPart, entry } = request;
    if (entry.kind === 'start') return mapperState({ nextPart, contextMax });
    if (entry.answered || (await isInterrupted(checkpoints.saver, threadId(request))))
      throw new RunError('PAUSE_UNSUPPORTED', PAUSE_UNSUPPORTED);
    return mapperState({ nextPart, contextMax, standing: await standing(request) });
  }

  async function open(request: RunRequest, segment: Segment): Promise<OpenRun> {
    const built = await buildAgent(definitionOf(agents, request), { deps, request, segment });
    const state = await firstState(request, built.contextMax);
    request.signal.throwIfAborted();
    const stream: AsyncIterable<StreamChunk> = await streamOf(built, request, segment);
    return { state, chunks: new Interruptible(stream, segment.stop.signal) };
  }

  async function* run(request: RunRequest): AsyncGenerator<RunnerEvent> {
    const segment = new Segment(request);
    let chunks: Interruptible<StreamChunk> | undefined;
    try {
      const opened = await open(request, segment);
      chunks = opened.chunks;
      let { state } = opened;
      for (;;) {
        segment.gate.waiting();
        const next = await chunks.next();
        segment.gate.busy();
        if (next.done) break;
        if (next.value[1] === 'messages') segment.gate.taken();
        const mapped = mapChunk(state, next.value);
        state = mapped.state;
        // No `yield*`: delegating costs several turns of the microtask queue for every token.
        for (const event of mapped.events) yield event;
      }
      if (state.interrupted) throw new RunError('PAUSE_UNSUPPORTED', PAUSE_UNSUPPORTED);
    } catch (error) {
      request.signal.throwIfAborted();
      if (!isGraphDrained(error)) throw runError(error);
      yield { type: 'handover' };
    } finally {
      chunks?.close();
      segment.close();
    }
  }

  return {
    run,
    async adopt(attempt) {
      const fence = await checkpoints.latestFenceBelow(attempt);
      if (fence === undefined) return { resumable: false, calls: [], results: [] };
      await checkpoints.fork(fence, attempt);
      return standing(attempt);
    },
    prune: (generationId) => checkpoints.deleteGeneration(generationId),
  };
}
