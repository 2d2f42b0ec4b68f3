import { GraphRecursionError } from '@langchain/langgraph';
import { MiddlewareError } from 'langchain';
import { isUnavailable } from '../errors.ts';
import { RunError } from './agent-runner.ts';
import { ToolFatal } from './tools.ts';

/** How deep errors are looked into. */
const DEPTH = 8;

/** What is behind an error: several where steps that ran side by side failed. */
function behind(error: unknown): unknown[] {
  if (error instanceof AggregateError) return error.errors;
  return error instanceof Error && error.cause !== undefined ? [error.cause] : [];
}

/** What went wrong, without what LangGraph and LangChain wrapped around it. */
function root(error: unknown): unknown {
  let current = error;
  for (let depth = 0; depth < DEPTH; depth += 1) {
    const wrapped =
      current instanceof MiddlewareError ||
      current instanceof ToolFatal ||
      current instanceof AggregateError;
    if (!wrapped) return current;
    [current] = behind(current);
  }
  return current;
}

/** The word of a store that is out of reach, whatever was wrapped around it. */
function outage(error: unknown, depth = 0): unknown {
  if (isUnavailable(error)) return error;
  // A model that could not be asked has a fault of its own.
  if (depth === DEPTH || error instanceof RunError) return undefined;
  return behind(error)
    .map((inner) => outage(inner, depth + 1))
    .find((found) => found !== undefined);
}

/**
 * The error a run ends with. A refusal of the driver's own ledger, and that of a store which is out of reach, come
 * back as they were thrown; anything that is nobody's becomes `AGENT_ERROR`.
 */
export function runError(error: unknown): unknown {
  const unreached = outage(error);
  if (unreached !== undefined) return unreached;
  const cause = root(error);
  if (cause instanceof RunError) return cause;
  if (cause !== error && error !== undefined && isFromTool(error)) return cause;
  if (cause instanceof GraphRecursionError)
    return new RunError('MAX_STEPS', 'The agent did not finish within its steps.', cause);
  return new RunError('AGENT_ERROR', 'The agent failed.', cause);
}

function isFromTool(error: unknown): boolean {
  let current = error;
  for (let depth = 0; depth < DEPTH && current instanceof Error; depth += 1) {
    if (current instanceof ToolFatal) return true;
    [current] = behind(current);
  }
  return false;
}
