import { handTools } from './agent/file-agents.ts';
import type { OwnAgent } from './agent/own-graph.ts';
import type { ToolDefinition } from './agent/tools.ts';
import type { Config } from './config/config.ts';
import type { RawEnv } from './config/env.ts';
import { ConfigSource } from './config/file/config-source.ts';
import { ConfigFileError } from './config/file/fault.ts';
import { NO_FILE } from './config/file/live.ts';
import type { Context } from './context.ts';
import { systemClock } from './lib/clock.ts';
import { OperatorError } from './lib/operator-error.ts';
import { builtInTools } from './tools/built-in.ts';

interface Given {
  env: RawEnv;
  agents?: readonly OwnAgent[] | undefined;
  tools?: readonly ToolDefinition[] | undefined;
}

/** The configuration file, which can refer to all that the program brings. */
export function openConfigFile(
  { configFile: path, toolPolicy: policy }: Config,
  { env, agents = [], tools = [] }: Given,
): ConfigSource {
  // For their names alone.
  const own = builtInTools({ clock: systemClock, settings: () => NO_FILE.httpFetch });
  const known = handTools(own, tools).map(({ name, effects }) => ({ name, effects }));
  return new ConfigSource({ path, policy, env, tools: known, agents: agents.map(({ id }) => id) });
}

async function putInForce(context: Context, source: ConfigSource): Promise<void> {
  const next = await source.read();
  const before = source.current;
  const replace = await context.prepare(next);
  // In one turn of the loop, so that nobody sees the one without the other.
  source.use(next);
  try {
    replace();
  } catch (error) {
    source.use(before);
    throw error;
  }
}

function reasonOf(error: unknown): object {
  if (error instanceof ConfigFileError) return { faults: error.faults };
  return error instanceof OperatorError ? { reason: error.message } : { err: error };
}

/**
 * Reads the file again, one time after the other, so that the last request sees the newest. What is wrong is logged, and
 * the file before stays in force. Never rejects; true: the new one is in force.
 */
export function reloader(context: Context, source: ConfigSource): () => Promise<boolean> {
  const log = context.loggers.app;
  const once = async (): Promise<boolean> => {
    try {
      await putInForce(context, source);
    } catch (error) {
      log.error(reasonOf(error), 'configuration file is refused; the one before stays in force');
      return false;
    }
    log.info({ agents: source.current.agents.length }, 'configuration file is in force');
    return true;
  };
  let last: Promise<boolean> = Promise.resolve(true);
  return () => (last = last.then(once));
}
