import { AsyncLocalStorageProviderSingleton } from '@langchain/core/singletons';
import { interrupt, isGraphInterrupt } from '@langchain/langgraph';

/** What `interrupt` looks at when a step calls it for the first time. */
function configOf(namespace: string) {
  return {
    configurable: {
      checkpoint_ns: namespace,
      __pregel_checkpointer: true,
      __pregel_scratchpad: { interruptCounter: -1, resume: [] },
    },
  };
}

/**
 * The id of what a step asks, by the step's namespace. It is a hash that LangGraph does not export, so `interrupt` is
 * asked for it. Undefined: it did not say.
 */
export function interruptIdAt(namespace: string): string | undefined {
  try {
    AsyncLocalStorageProviderSingleton.runWithConfig(configOf(namespace), () => interrupt(null));
  } catch (error) {
    if (isGraphInterrupt(error)) return error.interrupts[0]?.id;
    throw error;
  }
  return undefined;
}
