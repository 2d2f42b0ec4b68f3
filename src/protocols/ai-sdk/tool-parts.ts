import { z } from 'zod';
import type { Json, JsonObject } from '../../lib/json.ts';
import {
  jsonObjectSchema,
  type ToolCallPart,
  type ToolResultStatus,
} from '../../stream/message.ts';
import type { ApprovalRequest, PendingAction } from '../../stream/pending-action.ts';

/** What the AI SDK calls the states of a tool call, in the stream and in messages alike. */

/** The tool by which the model asks the user: to the AI SDK, a tool that the client runs. */
export const ASK_USER = 'ask_user';

/** In place of a tool where a graph asks in its own form: the client's output is the response. */
export const CUSTOM = 'custom_interrupt';

/** Output of a call that waits for the decision on others of its batch: the stock helpers want one from each. */
export const WAITING: JsonObject = { status: 'waiting' };

export const NOT_FINISHED = 'It was stopped before it had a result.';
export const WITHDRAWN =
  'It was withdrawn: the server was interrupted, and the model is asked again.';

export type Result =
  | { type: 'tool-output-available'; output: Json }
  | { type: 'tool-output-error'; errorText: string }
  | { type: 'tool-output-denied' };

/** The policy's own no was never asked for, and `output-denied` belongs to an approval. */
export function resultOf(status: ToolResultStatus, output: string): Result {
  switch (status) {
    case 'ok':
    case 'responded':
      return { type: 'tool-output-available', output };
    case 'rejected':
      return { type: 'tool-output-denied' };
    case 'error':
    case 'outcome_unknown':
    case 'denied':
      return { type: 'tool-output-error', errorText: output };
    default:
      return status satisfies never;
  }
}

/** Undefined while a call has no result. */
export function resultOfPart({ status, output = '' }: ToolCallPart): Result | undefined {
  if (status === 'streaming' || status === 'ready') return undefined;
  return status === 'waiting' || status === 'running' ? undefined : resultOf(status, output);
}

/** What a person should know before deciding (docs/PROTOCOL.md section 4). */
export function descriptorOf(action: PendingAction, request: ApprovalRequest): JsonObject {
  const { description, argsSchema, allowedDecisions, defaultToNo } = request;
  return {
    kind: action.kind,
    expiresAt: action.expiresAt,
    allowedDecisions,
    ...(description !== undefined && { description }),
    ...(argsSchema && { argsSchema }),
    ...(defaultToNo !== undefined && { defaultToNo }),
  };
}

interface AskedCall {
  toolCallId: string;
  name: string;
  args: JsonObject;
}

const questionsSchema = z.object({ questions: z.array(z.object({ question: z.string() })) });

/** The call whose questions wait; a graph that asks without one gets a part under the action's own id. */
export function askingCall(action: PendingAction, unresolved: Iterable<AskedCall>): string {
  if (action.kind !== 'ask_user_question') return action.actionId;
  const asked = action.questions.map(({ question }) => question.trim());
  for (const { toolCallId, name, args } of unresolved) {
    const given = name === ASK_USER ? questionsSchema.safeParse(args).data : undefined;
    const same =
      given?.questions.length === asked.length &&
      given.questions.every(({ question }, index) => question.trim() === asked[index]);
    if (same) return toolCallId;
  }
  return action.actionId;
}

/** The client's tool that is asked; undefined: calls are asked for, each by its own part. */
export function askingTool({ kind }: PendingAction): string | undefined {
  if (kind === 'custom') return CUSTOM;
  return kind === 'ask_user_question' ? ASK_USER : undefined;
}

/** What the client's tool is given: the questions with their ids, or what the graph asks. */
export function questionsOf(action: PendingAction): JsonObject {
  if (action.kind === 'custom') {
    const { value, responseSchema } = action;
    return { value, ...(responseSchema && { responseSchema }) };
  }
  if (action.kind !== 'ask_user_question') return {};
  return jsonObjectSchema.parse(z.json().parse({ questions: action.questions }));
}
