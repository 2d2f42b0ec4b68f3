import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { Json } from '../../lib/json.ts';
import { jsonSchema } from '../../stream/message.ts';
import type { Answers, Decision, PendingAction, Verdict } from '../../stream/pending-action.ts';
import { walkJson } from '../../http/json-walker.ts';
import { parseApprovalId, parseQuestionId } from './ids.ts';
import { invalid } from './refusals.ts';
import type { GivenAnswer } from './response-request.ts';
import { textOf } from './text-content.ts';

/** Answers to what a response waits for, as the native resume takes them. Pure. */

export interface Answered {
  action: PendingAction;
  verdict: Verdict | { answer: string };
}

function actionIdOf(given: GivenAnswer): string | undefined {
  return given.type === 'mcp_approval_response'
    ? parseApprovalId(given.approval_request_id)?.actionId
    : parseQuestionId(given.call_id);
}

/** `actions`: all that the generation ever asked. Throws where the answers are not to one of them. */
export function answeredAction(given: GivenAnswer[], actions: PendingAction[]): Answered {
  const [actionId, ...others] = new Set(given.map(actionIdOf));
  if (others.length > 0) throw invalid('input', 'These are answers to different requests.');
  const action = actions.find((it) => it.actionId === actionId);
  if (!action) {
    throw new AppError('NO_PENDING_ACTION', 'The previous response asked nothing of the kind.', {
      details: { param: 'input' },
      headers: { 'X-Should-Retry': 'false' },
    });
  }
  if (action.kind === 'custom') return { action, verdict: responseOf(given) };
  if (action.kind === 'ask_user_question') return { action, verdict: answersOf(action, given) };
  return { action, verdict: { decisions: given.map((it) => decisionOf(action, it)) } };
}

type Calls = Extract<PendingAction, { requests: unknown }>;
type Questions = Extract<PendingAction, { questions: unknown }>;

/** Of a call whose outcome a crash left unknown: yes runs it again, no goes on without. */
const YES_NO = {
  tool_approval: ['approve', 'reject'],
  recovery: ['retry', 'skip'],
} as const;

function decisionOf(action: Calls, given: GivenAnswer): Decision {
  if (given.type !== 'mcp_approval_response') {
    throw invalid('input', 'An approval is asked for, which mcp_approval_response answers.');
  }
  const request = action.requests[parseApprovalId(given.approval_request_id)?.index ?? -1];
  if (!request) throw invalid('input', 'No such approval was asked for.');
  const [yes, no] = YES_NO[action.kind];
  const { toolCallId } = request;
  if (given.approve) return { toolCallId, decision: yes };
  return { toolCallId, decision: no, ...(given.reason ? { reason: given.reason } : {}) };
}

const text = z.string().max(10_000);
const answersSchema = z.record(z.string(), z.union([text, z.array(text)]));

function answersOf(
  { questions }: Questions,
  [given, ...others]: GivenAnswer[],
): { answers: Answers } | { answer: string } {
  if (given?.type !== 'function_call_output' || others.length > 0) {
    throw invalid('input', 'Questions are asked, which one function_call_output answers.');
  }
  const said = textOf(given.output, 'input');
  const byId = answersSchema.safeParse(parsed(said));
  const ids = questions.map(({ id }) => id);
  // A single answer may look like JSON: it is only if it names the questions.
  if (byId.success && Object.keys(byId.data).some((id) => ids.includes(id))) {
    return { answers: byId.data };
  }
  if (questions.length > 1) {
    throw invalid('input', `The output must be a JSON object with the keys ${ids.join(', ')}.`);
  }
  if (!text.safeParse(said).success) throw invalid('input', 'The answer is too long.');
  return { answer: said };
}

/** The output as JSON; a text that is none is a string. */
function responseOf([given, ...others]: GivenAnswer[]): { response: Json } {
  if (given?.type !== 'function_call_output' || others.length > 0) {
    throw invalid('input', 'Something is asked, which one function_call_output answers.');
  }
  const said = textOf(given.output, 'input');
  const value = parsed(said);
  if (value === undefined) return { response: said };
  return { response: jsonSchema.parse(checked(value)) };
}

/** JSON inside of JSON: it has not passed the walker yet. */
function checked(value: unknown): unknown {
  walkJson(value, { jsonDepth: 32, jsonKeys: 1_000 });
  return value;
}

function parsed(said: string): unknown {
  try {
    return JSON.parse(said);
  } catch {
    // A SyntaxError: it is a plain text.
    return undefined;
  }
}
