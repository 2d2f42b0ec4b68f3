import type { BaseMessage, SystemMessage } from '@langchain/core/messages';
import type { StructuredToolInterface } from '@langchain/core/tools';
import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint';
import { createAgent, createMiddleware } from 'langchain';
import type { AgentMiddleware } from 'langchain';
import { RunError } from './agent-runner.ts';
import type { AgentDefinition } from './catalog.ts';
import type { GuardedModel } from './guarded-model.ts';
import { answeringIn, reachable } from './hand-off.ts';
import type { CompiledAgent } from './tools.ts';

/** What an agent answers with. */
export interface Prepared {
  model: GuardedModel;
  systemPrompt: SystemMessage;
  tools: StructuredToolInterface[];
  middleware: readonly AgentMiddleware[];
  /** Tokens; null: not known. */
  contextMax: number | null;
}

type PreparedBy = (messages: readonly BaseMessage[]) => Promise<Prepared>;

export interface HandOffDeps {
  prepare(agent: AgentDefinition): Promise<Prepared>;
  /** What stands between it and its model, whatever its servers offer. */
  middlewareOf(agent: AgentDefinition): Promise<readonly AgentMiddleware[]>;
}

export class HandOffSet {
  readonly #agents: ReadonlyMap<string, AgentDefinition>;
  readonly #root: string;
  readonly #deps: HandOffDeps;
  readonly #prepared = new Map<string, Promise<Prepared>>();

  constructor(root: AgentDefinition, deps: HandOffDeps) {
    this.#agents = new Map(reachable(root).map((agent) => [agent.id, agent]));
    this.#root = root.id;
    this.#deps = deps;
  }

  /** Made when it is first needed: nobody is connected to for an agent that is never handed to. */
  of(agentId: string = this.#root): Promise<Prepared> {
    const known = this.#prepared.get(agentId);
    if (known) return known;
    const agent = this.#agents.get(agentId);
    if (!agent) {
      // It was handed over under another definition, and whoever allowed that it goes on has changed this too.
      const message = 'The agent that this answer was handed to can not be handed to any more.';
      return Promise.reject(new RunError('AGENT_CHANGED', message));
    }
    const prepared = this.#deps.prepare(agent);
    this.#prepared.set(agentId, prepared);
    return prepared;
  }

  /**
   * One graph for all of them. Its nodes are always the same, so that a checkpoint means the same whoever answers; what
   * they do is the business of the agent that the messages name. `now`: who answers to begin with.
   */
  async compile(now: Prepared, checkpointer: BaseCheckpointSaver): Promise<CompiledAgent> {
    const by: PreparedBy = (messages) => this.of(answeringIn(messages)?.agentId);
    const withoutSources = [...this.#agents.values()].map(({ toolSources: _none, ...agent }) =>
      this.#deps.middlewareOf(agent),
    );
    const all = (await Promise.all(withoutSources)).flat();
    const names = new Set(all.map(({ name }) => name));
    return createAgent({
      model: now.model,
      systemPrompt: now.systemPrompt,
      middleware: [
        answers(by),
        ...[...names].map((name) => {
          return oneOf(name, { by, like: all.filter((it) => it.name === name) });
        }),
      ],
      checkpointer,
      name: this.#root,
    });
  }
}

/** Model, prompt and tools of whoever answers. The graph itself has no tools: two agents may call two tools the same. */
function answers(by: PreparedBy) {
  return createMiddleware({
    name: 'Answers',
    async wrapModelCall(request, handler) {
      const { model, systemPrompt, tools } = await by(request.state.messages);
      return handler({ ...request, model, systemMessage: systemPrompt, tools });
    },
    async wrapToolCall(request, handler) {
      const { tools } = await by(request.state.messages);
      const tool = tools.find(({ name }) => name === request.toolCall.name);
      return handler({ ...request, tool });
    },
  });
}

type Hook = NonNullable<AgentMiddleware['beforeModel']>;

const hookOf = (hook: Hook) => (typeof hook === 'function' ? hook : hook.hook);

/** The middleware of a name that belongs to whoever answers; nothing where that agent has none. */
function oneOf(name: string, { by, like }: { by: PreparedBy; like: AgentMiddleware[] }) {
  const whose = async (messages: readonly BaseMessage[]): Promise<AgentMiddleware | undefined> =>
    (await by(messages)).middleware.find((it) => it.name === name);
  const step = (at: 'beforeModel' | 'afterModel'): { [at]?: Hook } => {
    const hooks = like.flatMap(({ [at]: hook }) => hook ?? []);
    if (hooks.length === 0) return {};
    const canJumpTo = hooks.flatMap((hook) =>
      typeof hook === 'function' ? [] : (hook.canJumpTo ?? []),
    );
    const hook: Hook = async (state, runtime) => {
      const own = (await whose(state.messages))?.[at];
      return own && hookOf(own)(state, runtime);
    };
    return { [at]: { hook, canJumpTo: [...new Set(canJumpTo)] } };
  };
  const merged: AgentMiddleware = {
    name,
    stateSchema: like.find(({ stateSchema }) => stateSchema !== undefined)?.stateSchema,
    async wrapModelCall(request, handler) {
      const own = (await whose(request.state.messages))?.wrapModelCall;
      return own ? own(request, handler) : handler(request);
    },
    async wrapToolCall(request, handler) {
      const own = (await whose(request.state.messages))?.wrapToolCall;
      return own ? own(request, handler) : handler(request);
    },
    ...step('beforeModel'),
    ...step('afterModel'),
  };
  return merged;
}
