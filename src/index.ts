import { openService, type ServiceOptions } from './service.ts';

/** Holdfast for programs that bring agents of their own (examples/node-agent). */

export interface Holdfast {
  /** Where it listens, e.g. `http://127.0.0.1:3000`. */
  readonly url: string;
  /** Reads the configuration file again, as SIGHUP does; false: it has faults, which are logged, and the one before stays. */
  reload(): Promise<boolean>;
  /** Takes no more work, and resolves when everything is let go of. What is unfinished goes on after a restart. */
  close(): Promise<void>;
}

/**
 * Starts the service in this process; signals stay the caller's business (`runHoldfast` looks after them). Rejects with
 * a sentence for the operator where the configuration or an agent is wrong.
 */
export async function startHoldfast(options: ServiceOptions = {}): Promise<Holdfast> {
  const service = await openService(options);
  const { url } = service;
  return { url, reload: () => service.reload(), close: () => service.close() };
}

export { runHoldfast } from './program.ts';
export type { ServiceOptions as HoldfastOptions } from './service.ts';
export { AgentError } from './agent/agent-error.ts';
export type {
  CompiledGraph,
  GraphDeps,
  GraphFactory,
  GraphLike,
  OwnAgent,
} from './agent/own-graph.ts';
export type { ContentHook, ContentInput, ContentRuling } from './content/hooks.ts';
export { askUserTool } from './agent/ask-user.ts';
export { defineTool } from './agent/tools.ts';
export type { ToolContext, ToolDefinition } from './agent/tools.ts';
