import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { Json } from '../../lib/json.ts';
import type { ResumeRequest } from '../../stream/generations.ts';
import { jsonSchema } from '../../stream/message.ts';
import type { Answers, Decision, PendingAction } from '../../stream/pending-action.ts';
import type { GivenDecision, GivenOutput } from './request.ts';

export interface Pending {
  action: PendingAction;
  /** The part of the client's by which it is answered, where it is a question. */
  toolCallId: string;
}

interface Given {
  decisions: GivenDecision[];
  outputs: GivenOutput[];
}

/**
 * Which action a client answers, and how: the one that waits if it is among those answered; else the one that it
 * answered last, so that a repeat is recognised and who is late is told so. Throws NO_PENDING_ACTION where there is
 * no answer at all.
 */
export function answerOf(
  { decisions, outputs }: Given,
  pending: Pending | undefined,
  conversationId: string,
): ResumeRequest {
  const actionId = pending?.action.actionId;
  const waiting = decisions.filter((it) => it.actionId === actionId);
  if (actionId !== undefined && waiting.length > 0) {
    return { conversationId, actionId, decisions: waiting.map(decisionOf) };
  }
  const output = outputs.find(
    (it) => (it.actionId ?? actionId) === actionId && it.toolCallId === pending?.toolCallId,
  );
  if (actionId !== undefined && output) return { conversationId, actionId, ...answersOf(output) };

  const last = decisions.at(-1)?.actionId;
  if (last !== undefined) {
    const given = decisions.filter((it) => it.actionId === last);
    return { conversationId, actionId: last, decisions: given.map(decisionOf) };
  }
  const said = outputs.findLast((it) => it.actionId !== undefined);
  if (said?.actionId === undefined) {
    throw new AppError('NO_PENDING_ACTION', 'There is no answer to anything that waits.');
  }
  return { conversationId, actionId: said.actionId, ...answersOf(said) };
}

function decisionOf({ kind, toolCallId, approved, reason }: GivenDecision): Decision {
  const yes = kind === 'recovery' ? 'retry' : 'approve';
  const no = kind === 'recovery' ? 'skip' : 'reject';
  const why = approved || reason === undefined ? {} : { reason };
  return { toolCallId, decision: approved ? yes : no, ...why };
}

const words = z.string().max(10_000);
const outputSchema = z.union([
  words,
  z.object({ answers: z.record(z.string(), z.union([words, z.array(words)])) }),
]);

type Said = { answers: Answers } | { answer: string } | { response: Json };

/** The response as it stands; of questions a text where there is one, else `{answers}` by the questions' ids. */
function answersOf({ output, custom }: GivenOutput): Said {
  if (custom) {
    const response = jsonSchema.safeParse(output);
    if (response.success) return { response: response.data };
    throw new AppError('INCOMPLETE_DECISION', 'The output is the response, as JSON.');
  }
  const given = outputSchema.safeParse(output);
  if (given.success) return typeof given.data === 'string' ? { answer: given.data } : given.data;
  throw new AppError(
    'INCOMPLETE_DECISION',
    'The output of ask_user must be a text, or {answers: {questionId: text or texts}}.',
  );
}
