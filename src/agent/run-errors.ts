import { GraphRecursionError } from '@langchain/langgraph';
import { MiddlewareError } from 'langchain';
import { RunError } from './agent-runner.ts';
import { ToolFatal } from './tools.ts';

/** What went wrong, without what LangGraph and LangChain wrapped around it. */
function root(error: unknown): unknown {
  let current = error;
  for (let depth = 0; depth < 8; depth += 1) {
    if (!(current instanceof MiddlewareError || current instanceof ToolFatal)) return current;
    current = current.cause;
  }
  return current;
}

/**
 * The error a run ends with. A refusal of the driver's own ledger comes back as it was thrown; anything that is
 * nobody's becomes `AGENT_ERROR`.
 */
export function runError(error: unknown): unknown {
  const cause = root(error);
  if (cause instanceof RunError) return cause;
  if (cause !== error && error !== undefined && isFromTool(error)) return cause;
  if (cause instanceof GraphRecursionError)
    return new RunError('MAX_STEPS', 'The agent did not finish within its steps.', cause);
  return new RunError('AGENT_ERROR', 'The agent failed.', cause);
}

function isFromTool(error: unknown): boolean {
  let current = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth += 1) {
    if (current instanceof ToolFatal) return true;
    current = current.cause;
  }
  return false;
}
