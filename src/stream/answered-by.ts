import type { Standing } from '../agent/agent-runner.ts';
import type { RunSpec } from '../agent/run-spec.ts';
import type { Message } from './message.ts';

/** Whose answer it is by what stands of it: the agent's that the turn was asked of, or that it was handed to since. */
export function answeredBy(
  spec: Pick<RunSpec, 'agentId' | 'model'>,
  { answering }: Pick<Standing, 'answering'>,
): Pick<Message, 'agentId' | 'model'> {
  const { agentId, model } = answering ?? spec;
  return { agentId, model };
}
