import type { BaseCallbackHandler } from '@langchain/core/callbacks/base';
import { CallbackManager } from '@langchain/core/callbacks/manager';
import type { BaseChatModel } from '@langchain/core/language_models/chat_models';
import type { StructuredToolInterface } from '@langchain/core/tools';
import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint';
import type { AgentMiddleware } from 'langchain';
import { z } from 'zod';
import { toolPolicySchema } from '../hitl/tool-policy.ts';
import { AgentError } from './agent-error.ts';
import type { AgentDefinition } from './catalog.ts';
import { isRecord } from './chunk-content.ts';
import type { StreamChunk } from './event-mapper.ts';
import type { ToolDefinition } from './tools.ts';

/** Agents that a developer brings as a LangGraph graph. */

/** What LangGraph's `compile()` returns, of a state with a `messages` channel. */
export interface CompiledGraph {
  stream(input: unknown, options?: object): Promise<AsyncIterable<unknown>>;
}

/** Or what has such a graph, as LangChain's `createAgent` returns it. */
export type GraphLike = CompiledGraph | { readonly graph: CompiledGraph };

/** What a factory gets, made for one segment of one run. */
export interface GraphDeps {
  /** Holdfast's, for whoever compiles with one; a graph that is compiled without it gets it too. */
  checkpointer: BaseCheckpointSaver;
  /** The agent's `tools`, bound to this run: each effect is recorded, so that a crash does not repeat it. */
  tools: StructuredToolInterface[];
  /** For `createAgent`: holds calls of those tools that need a person, and answers the ones that can't run. */
  middleware: AgentMiddleware[];
  /** A chat model with retries before the first token, a stall timeout, prompt aborts and bounded flow. */
  guard: (model: BaseChatModel) => BaseChatModel;
}

export type GraphFactory = (deps: GraphDeps) => GraphLike | Promise<GraphLike>;

/** An agent of the developer's own. */
export interface OwnAgent {
  /** What clients name it by: letters, digits, `-`, `_` and `.`. */
  id: string;
  /** For people; the id where not given. */
  name?: string;
  /** What it is good for, for people and for whoever chooses an agent. */
  description?: string;
  /** Its input is the conversation as messages; what its nodes add to `messages` is the answer. */
  graph: GraphLike | GraphFactory;
  /** Change it with the graph: an answer that was begun under another one is not continued under this. */
  version?: string;
  /** Made with `defineTool`, for a factory. */
  tools?: readonly ToolDefinition[];
  /** Which calls of those tools wait for a person (docs/APPROVALS.md section 3). */
  toolApproval?: z.input<typeof toolPolicySchema>;
  /** Most model calls for one question; 25 where not given. */
  maxSteps?: number;
}

/** In place of a model's name: which models a graph asks is its own business. */
const OWN_MODEL = 'graph';

const shapeSchema = z.object({
  id: z
    .string()
    .max(100)
    .regex(/^[\w.-]+$/)
    .refine((id) => id !== 'auto', 'must not be auto, by which clients let the server choose'),
  name: z.string().min(1).max(200).optional(),
  description: z.string().max(2_000).optional(),
  version: z.string().max(200).optional(),
  toolApproval: toolPolicySchema.prefault({}),
  maxSteps: z.number().int().min(1).max(1_000).default(25),
});

function isCompiled(value: unknown): value is CompiledGraph & Record<string, unknown> {
  // Classes of another copy of the library are as good as ours.
  return isRecord(value) && typeof value['stream'] === 'function' && 'channels' in value;
}

function compiledOf(id: string, value: unknown): CompiledGraph {
  const graph = isRecord(value) && 'graph' in value ? value.graph : value;
  if (!isCompiled(graph))
    throw new AgentError(`The graph of the agent '${id}' is not a compiled LangGraph graph.`);
  const { channels, checkpointer } = graph;
  if (!isRecord(channels) || !('messages' in channels))
    throw new AgentError(`The state of the agent '${id}' has no 'messages'.`);
  if (typeof checkpointer === 'boolean')
    throw new AgentError(`Compile the graph of the agent '${id}' without 'checkpointer'.`);
  return graph;
}

/** The definition of an agent that was given in code. Throws AgentError with a sentence for its developer. */
export function ownAgent({ graph, tools = [], ...rest }: OwnAgent): AgentDefinition {
  const parsed = shapeSchema.safeParse(rest);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') ?? '';
    throw new AgentError(`The agent '${rest.id}' is not valid: ${where}: ${issue?.message ?? ''}.`);
  }
  const { id, name, description, version = '', toolApproval, maxSteps } = parsed.data;
  const make: GraphFactory = typeof graph === 'function' ? graph : () => graph;
  // A factory is asked for the first time by a run; what is there can be looked at now.
  if (typeof graph !== 'function') compiledOf(id, graph);
  return {
    id,
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    model: OWN_MODEL,
    instructions: '',
    tools: [...tools],
    maxSteps,
    parameters: {},
    toolApproval,
    own: { version, compile: async (deps) => compiledOf(id, await make(deps)) },
  };
}

/** Where LangGraph itself passes a checkpointer on to sub-graphs; it comes before the one of `compile`. */
const CHECKPOINTER_KEY = '__pregel_checkpointer';

/**
 * Has models wait until their words are on the way. Else LangChain tells them from a queue that all runs of the process
 * share, and the words of a model that ends meanwhile come after its message, or never.
 */
class AwaitedCallbacks extends CallbackManager {
  override addHandler(handler: BaseCallbackHandler, inherit = true): void {
    handler.awaitHandlers = true;
    super.addHandler(handler, inherit);
  }

  /** LangGraph adds what it streams with to a copy. */
  override copy(additional: BaseCallbackHandler[] = [], inherit = true): CallbackManager {
    const copy = new AwaitedCallbacks(this.getParentRunId());
    const { handlers, inheritableHandlers } = super.copy(additional, inherit);
    for (const handler of handlers) copy.addHandler(handler, inheritableHandlers.includes(handler));
    copy.addTags(this.tags);
    copy.addMetadata(this.metadata);
    return copy;
  }
}

/** A graph that was compiled once serves many runs at a time, each with a checkpointer of its own. */
export function optionsForOwn<T extends { configurable: object }>(
  options: T,
  checkpointer: BaseCheckpointSaver,
) {
  const configurable = { ...options.configurable, [CHECKPOINTER_KEY]: checkpointer };
  return { ...options, configurable, callbacks: new AwaitedCallbacks() };
}

/** What a graph yields with our stream modes. */
export async function* streamChunks(source: AsyncIterable<unknown>): AsyncGenerator<StreamChunk> {
  for await (const chunk of source) if (isStreamChunk(chunk)) yield chunk;
}

function isStreamChunk(value: unknown): value is StreamChunk {
  return Array.isArray(value) && Array.isArray(value[0]) && typeof value[1] === 'string';
}
